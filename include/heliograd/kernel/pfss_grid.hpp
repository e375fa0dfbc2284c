// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <cstddef>
#include <string>

#include <heliograd/base/error.hpp>
#include <heliograd/core/dual.hpp>
#include <heliograd/kernel/launch.hpp>

/// \file
/// The grid of the potential-field source-surface model, and the numbers that depend on nothing else.
///
/// Cells of equal steps in rho = ln r, s = sine of latitude and longitude phi (van Ballegooijen, Priest & Mackay 2000). The
/// field comes from a vector potential A = curl(psi e_rho); psi stands on the shells k = 0..n_r, in the middle of the faces
/// (row j from the south, column i). There the current vanishes exactly if for every shell between the first and the last
///     psi_{k+1} - (1 + e^d + T h) psi_k + e^d psi_{k-1} = 0,  h = (e^d - 1) sinh d,  d = step_rho,
/// with T the discrete Laplacian on the sphere, T psi_0 = B_r on the Sun, and psi_{n_r} = psi_{n_r - 1} (radial field).
namespace heliograd::inline HELIOGRAD_ABI {

struct PfssGrid {
  std::size_t n_r = 40;   ///< cells from the Sun to the source surface
  std::size_t n_s = 180;  ///< cells from pole to pole
  std::size_t n_phi = 360;
  double rss = 2.5;  ///< radius of the source surface, solar radii
  /// As published (false), the last layer of cells lies below the source surface, and the field is radial all through it:
  /// half a cell too early, an error of first order. Centred (true), the source surface lies in the middle of that layer, on
  /// the parabola through the last shells: second order. Two lengths are then chosen, within that order, so that low
  /// degrees come out best: that of a cell in radius makes radial solutions of l (l + 1) = 26.79 exact, that between rows is
  /// the one at the edge between them (see PfssRows and PfssPole).
  bool centred = false;

  friend bool operator==(PfssGrid const&, PfssGrid const&) = default;

  /// Whether the source surface is read off a parabola: it needs a third shell.
  KOKKOS_FUNCTION bool parabola() const { return centred && n_r > 2; }
  /// ln(rss) in cells, and the place of a shell in cells; the last one is the source surface.
  KOKKOS_FUNCTION double depth() const { return static_cast<double>(n_r) - (centred ? 0.5 : 0.0); }
  KOKKOS_FUNCTION double place(std::size_t k) const { return k < n_r ? static_cast<double>(k) : depth(); }
  KOKKOS_FUNCTION double radius(std::size_t k) const { return k < n_r ? Kokkos::exp(place(k) * step_rho()) : rss; }
  KOKKOS_FUNCTION double step_rho() const { return Kokkos::log(rss) / depth(); }
  KOKKOS_FUNCTION double step_s() const { return 2 / static_cast<double>(n_s); }
  KOKKOS_FUNCTION double step_phi() const { return 2 * Kokkos::numbers::pi / static_cast<double>(n_phi); }

  /// Numbers from one row of psi to the next: room for its spectrum, a multiple of the lanes columns are solved in.
  KOKKOS_FUNCTION std::size_t pitch() const { return (2 * (n_phi / 2 + 1) + 15) / 16 * 16; }
  KOKKOS_FUNCTION std::size_t shell() const { return n_s * pitch(); }
  std::size_t potential_size() const { return (n_r + 1) * shell(); }
};

/// Throws UsageError unless the grid makes sense.
inline void expect_grid(PfssGrid const& grid) {
  expect(grid.n_r >= 2 && grid.n_r <= 100000 && grid.n_s >= 2 && grid.n_phi >= 4 && grid.n_s < (1u << 20) &&
             grid.n_phi < (1u << 20),
         "pfss: a grid needs at least 2 cells in radius and latitude and 4 in longitude (found " +
             std::to_string(grid.n_r) + " x " + std::to_string(grid.n_s) + " x " + std::to_string(grid.n_phi) + ")");
  expect(grid.rss > 1 && grid.rss < 1e6, "pfss: the source surface must lie above the Sun (found " +
                                             std::to_string(grid.rss) + " solar radii, expected more than 1)");
}

namespace kernel {

/// Lengths on the unit sphere, per row. Rows j are centres, rows J = 0..n_s their edges; the poles are edges.
struct PfssRows {
  double* ratio_s;    ///< [n_s] (meridional length of a cell) / (its length along the parallel)
  double* ratio_phi;  ///< [n_s + 1] the same at the edges, upside down; 0 at the poles
  double* length_s;   ///< [n_s] meridional length of a cell
  double* cosine;     ///< [n_s] cosine of latitude in the middle
  /// [n_s + 1] meridional length between the middles beside an edge; centred: step_s / edge_cosine, with which the matrix of
  /// m = 0 has the eigenvalues l (l + 1) exactly (its eigenvectors are Gram's polynomials)
  double* edge_length_s;
  double* edge_cosine;  ///< [n_s + 1]
  double* sigma;        ///< [pitch] 4 sin^2(pi m / n_phi) of the order m that a lane of the spectrum belongs to
};

/// psi_k = sum over n of weight_kn (T + pole_n)^-1 psi_0 for k = 1..n_r: partial fractions of the response of a shell.
///
/// Along k the operator is Toeplitz but for its last row, so its eigenvectors are sines, sin(k theta_n), with theta_n the
/// roots of e^{d/2} sin((N + 1) theta) = sin(N theta), N = n_r - 1, one in each interval of length pi / (N + 1). Slopes
/// are derivatives with respect to d.
struct PfssRadial {
  std::size_t poles;     ///< N
  double* pole;          ///< [N] positive
  double* weight;        ///< [n_r][N]
  double* pole_slope;    ///< [N]
  double* weight_slope;  ///< [n_r][N]
};

namespace detail {

struct FillPfssRows {
  PfssGrid grid;
  PfssRows rows;

  KOKKOS_FUNCTION double edge(std::size_t j) const {
    return (2 * static_cast<double>(j) - static_cast<double>(grid.n_s)) / static_cast<double>(grid.n_s);
  }
  KOKKOS_FUNCTION double centre(std::size_t j) const {
    return (2 * static_cast<double>(j) + 1 - static_cast<double>(grid.n_s)) / static_cast<double>(grid.n_s);
  }

  KOKKOS_FUNCTION void operator()(std::size_t j) const {
    using Kokkos::asin;
    using Kokkos::sin;
    using Kokkos::sqrt;
    double const step = grid.step_phi();
    if (j < grid.n_s) {
      double const s = centre(j);
      rows.length_s[j] = asin(edge(j + 1)) - asin(edge(j));
      rows.cosine[j] = sqrt((1 - s) * (1 + s));
      rows.ratio_s[j] = rows.length_s[j] / (rows.cosine[j] * step);
    }
    if (j <= grid.n_s) {
      bool const pole = j == 0 || j == grid.n_s;
      double const s = edge(j);
      rows.edge_cosine[j] = sqrt((1 - s) * (1 + s));
      rows.edge_length_s[j] = pole           ? 0.0
                              : grid.centred ? grid.step_s() / rows.edge_cosine[j]
                                             : asin(centre(j)) - asin(centre(j - 1));
      rows.ratio_phi[j] = pole ? 0.0 : rows.edge_cosine[j] * step / rows.edge_length_s[j];
    }
    if (j < grid.pitch()) {
      double const sine = sin(Kokkos::numbers::pi * static_cast<double>(j / 2) / static_cast<double>(grid.n_phi));
      rows.sigma[j] = 4 * sine * sine;
    }
  }
};

/// One pole and what its weights have in common, with derivatives with respect to d = step_rho: Number is a (nested) dual.
template <class Number>
struct PfssPole {
  Number d, theta, pole, first;

  KOKKOS_FUNCTION static Number expm1(Number const& x) {
    double const value = plain(x);
    // e^x - 1 = (e^{x - x0} - 1) e^{x0} + (e^{x0} - 1), and e^{x - x0} is exact where the value of x - x0 is zero.
    return (exp(x - Number(value)) - Number(1.0)) * Number(Kokkos::exp(value)) + Number(Kokkos::expm1(value));
  }
  KOKKOS_FUNCTION static double plain(double x) { return x; }
  template <class T>
  KOKKOS_FUNCTION static double plain(Dual<T, 1> const& x) {
    return plain(x.value);
  }
  KOKKOS_FUNCTION static double input(double x, double) { return x; }
  /// d itself, of slope one at every level of nesting.
  template <class T>
  KOKKOS_FUNCTION static Dual<T, 1> input(double x, Dual<T, 1> const&) {
    return Dual<T, 1>::input(input(x, T{}), 0);
  }

  KOKKOS_FUNCTION PfssPole(PfssGrid const& grid, std::size_t n) {
    double const big = static_cast<double>(grid.n_r - 1);
    double const growth = Kokkos::exp(grid.step_rho() / 2);
    // The function is (-1)^n sin(theta) > 0 at the left end (or positive, n = 0) and has the other sign at the right one.
    double low = static_cast<double>(n) * Kokkos::numbers::pi / (big + 1);
    double high = static_cast<double>(n + 1) * Kokkos::numbers::pi / (big + 1);
    double const sign = n % 2 == 0 ? 1 : -1;
    for (int i = 0; i < 60; ++i) {
      double const middle = low + (high - low) / 2;
      bool const before = sign * (growth * Kokkos::sin((big + 1) * middle) - Kokkos::sin(big * middle)) > 0;
      low = before ? middle : low;
      high = before ? high : middle;
    }
    double const root = low + (high - low) / 2;

    d = input(grid.step_rho(), Number{});
    Number const half = expm1(d * Number(0.5)), a = half + Number(1.0);  // e^{d/2} - 1, e^{d/2}
    // Newton's steps from the root leave its value, and give one derivative each.
    theta = Number(root);
    for (int i = 0; i < 2; ++i) {
      Number const up = theta * Number(big + 1), down = theta * Number(big);
      Number const move = (a * sin(up) - sin(down)) / (a * Number(big + 1) * cos(up) - Number(big) * cos(down));
      theta = theta - (move - Number(plain(move)));
    }

    Number const whole = expm1(d);                                                             // e^d - 1
    Number h = whole * whole * (whole + Number(2.0)) / (Number(2.0) * (whole + Number(1.0)));  // (e^d - 1) sinh d
    // What makes r^l and r^{-l-1} solutions for l = 4.7, e^{(l+1)d} + e^{-ld} = 1 + e^d + l (l + 1) h. What is left of the
    // error of degree l grows with the difference of l (l + 1) from 26.79.
    if (grid.centred) h = expm1(d * Number(5.7)) * expm1(d * Number(-4.7)) / Number(-26.79);
    Number const s = sin(theta * Number(0.5));
    pole = (half * half + Number(4.0) * a * s * s) / h;
    Number const square = Number(big / 2) - sin(theta * Number(big)) * cos(theta * Number(big + 1)) /
                                                (Number(2.0) * sin(theta));  // of the vector's length
    first = a / h * sin(theta) / square;
  }

  /// The weight of psi_k, k <= n_r - 1.
  KOKKOS_FUNCTION Number weight(std::size_t k) const {
    Number const kk(static_cast<double>(k));
    return exp(d * Number(0.5) * kk) * first * sin(theta * kk);
  }
};

struct FillPfssRadial {
  PfssGrid grid;
  PfssRadial radial;

  KOKKOS_FUNCTION void operator()(std::size_t n) const {
    std::size_t const poles = radial.poles;
    PfssPole<Dual<double, 1>> const at(grid, n);
    radial.pole[n] = at.pole.value;
    radial.pole_slope[n] = at.pole.slope[0];
    for (std::size_t k = 1; k <= poles; ++k) {
      auto const weight = at.weight(k);
      radial.weight[(k - 1) * poles + n] = weight.value;
      radial.weight_slope[(k - 1) * poles + n] = weight.slope[0];
    }
    // The source surface takes the value of the shell below it; or that of the parabola with its vertex there.
    for (double* const w : {radial.weight, radial.weight_slope}) {
      double* const top = w + poles * poles + n;
      double const last = w[(poles - 1) * poles + n];
      *top = grid.parabola() ? (9 * last - w[(poles - 2) * poles + n]) / 8 : last;
    }
  }
};

/// The radial field on the source surface, or its first or second derivative with respect to rss, as weights of the
/// powers of (T + pole_n)^-1: B = sum over n and p of weight_pn (T + pole_n)^-p T psi_0.
struct FillPfssSurface {
  PfssGrid grid;
  int order;
  std::size_t poles;
  double* weight;  ///< [order + 1][poles]

  KOKKOS_FUNCTION void operator()(std::size_t n) const {
    using Number = Dual<Dual<double, 1>, 1>;
    PfssPole<Number> const at(grid, n);
    Number const last = at.weight(poles);
    Number const w = grid.parabola() ? (Number(9.0) * last - at.weight(poles - 1)) / Number(8.0) : last;
    double const w0 = w.value.value, w1 = w.value.slope[0], w2 = w.slope[0].slope[0];
    double const p1 = at.pole.value.slope[0], p2 = at.pole.slope[0].slope[0];
    // The derivatives of rss^-2 f(d), d = ln(rss) / depth, are sums of those of f.
    double const r = grid.rss, area = 1 / (r * r), step = 1 / (r * grid.depth());
    double const f0 = order == 0 ? area : order == 1 ? -2 * area / r : 6 * area * area;
    double const f1 = order == 0 ? 0.0 : order == 1 ? area * step : -5 * area / r * step;
    double const f2 = order == 2 ? area * step * step : 0.0;
    weight[n] = f0 * w0 + f1 * w1 + f2 * w2;
    if (order > 0) weight[poles + n] = -f1 * w0 * p1 - f2 * (2 * w1 * p1 + w0 * p2);
    if (order > 1) weight[2 * poles + n] = 2 * f2 * w0 * p1 * p1;
  }
};

/// Takes the mean over the sphere out of a spectrum: the part without a potential.
struct PfssNoMonopole {
  double* spectrum;
  std::size_t n_s, pitch;
  KOKKOS_FUNCTION void operator()(std::size_t lane) const {
    double sum = 0;
    for (std::size_t j = 0; j < n_s; ++j) sum += spectrum[j * pitch + lane];
    double const mean = sum / static_cast<double>(n_s);
    for (std::size_t j = 0; j < n_s; ++j) spectrum[j * pitch + lane] -= mean;
  }
};

}  // namespace detail

/// The tables of the rows, in memory of the scope.
template <class B>
PfssRows pfss_rows(Workspace<B>& ws, typename Workspace<B>::Scope& scope, PfssGrid const& grid) {
  auto const take = [&](std::size_t count) { return scope.template take<double>(count); };
  PfssRows const rows{take(grid.n_s),     take(grid.n_s + 1), take(grid.n_s),    take(grid.n_s),
                      take(grid.n_s + 1), take(grid.n_s + 1), take(grid.pitch())};
  std::size_t const items = grid.pitch() > grid.n_s ? grid.pitch() : grid.n_s + 1;
  for_each_item(ws, "heliograd::pfss_rows", items, detail::FillPfssRows{grid, rows});
  return rows;
}

/// The partial fractions, in memory of the scope.
template <class B>
PfssRadial pfss_radial(Workspace<B>& ws, typename Workspace<B>::Scope& scope, PfssGrid const& grid) {
  auto const take = [&](std::size_t count) { return scope.template take<double>(count); };
  std::size_t const poles = grid.n_r - 1;
  PfssRadial const radial{poles, take(poles), take(grid.n_r * poles), take(poles), take(grid.n_r * poles)};
  for_each_item(ws, "heliograd::pfss_radial", poles, detail::FillPfssRadial{grid, radial});
  return radial;
}

}  // namespace kernel
}  // namespace heliograd::inline HELIOGRAD_ABI
