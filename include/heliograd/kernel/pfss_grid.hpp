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
  /// half a cell too early, an error of first order. Centred (true), the source surface lies in the middle of that layer:
  /// second order. Two lengths are then chosen, within that order, so that low degrees come out best: that of a cell in
  /// radius makes degree 5 exact, that between rows is the one at the edge between them (see PfssRows and FillPfssRadial).
  bool centred = false;

  friend bool operator==(PfssGrid const&, PfssGrid const&) = default;

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

/// One pole and its weights.
struct FillPfssRadial {
  PfssGrid grid;
  PfssRadial radial;
  using Number = Dual<double, 1>;

  KOKKOS_FUNCTION static Number expm1(Number const& x) {
    return Number::chain(x, Kokkos::expm1(x.value), Kokkos::exp(x.value));
  }

  KOKKOS_FUNCTION void operator()(std::size_t n) const {
    using Kokkos::cos;
    using Kokkos::sin;
    std::size_t const poles = radial.poles;
    double const big = static_cast<double>(poles);
    double const growth = Kokkos::exp(grid.step_rho() / 2);
    // The function is (-1)^n sin(theta) > 0 at the left end (or positive, n = 0) and has the other sign at the right one.
    double low = static_cast<double>(n) * Kokkos::numbers::pi / (big + 1);
    double high = static_cast<double>(n + 1) * Kokkos::numbers::pi / (big + 1);
    double const sign = n % 2 == 0 ? 1 : -1;
    for (int i = 0; i < 60; ++i) {
      double const middle = low + (high - low) / 2;
      bool const before = sign * (growth * sin((big + 1) * middle) - sin(big * middle)) > 0;
      low = before ? middle : low;
      high = before ? high : middle;
    }
    double const root = low + (high - low) / 2;
    Number const d = Number::input(grid.step_rho(), 0);
    Number theta(root);
    theta.slope[0] =
        -growth / 2 * sin((big + 1) * root) / (growth * (big + 1) * cos((big + 1) * root) - big * cos(big * root));

    Number const half = expm1(d * Number(0.5));                                                // e^{d/2} - 1
    Number const whole = expm1(d);                                                             // e^d - 1
    Number h = whole * whole * (whole + Number(2.0)) / (Number(2.0) * (whole + Number(1.0)));  // (e^d - 1) sinh d
    // What makes r^l and r^{-l-1} solutions for l = 5, e^{(l+1)d} + e^{-ld} = 1 + e^d + l (l + 1) h. What is left of the
    // error of degree l grows with the difference of l (l + 1) from 30.
    if (grid.centred) h = expm1(d * Number(6.0)) * expm1(d * Number(-5.0)) / Number(-30.0);
    Number const a = half + Number(1.0);
    Number const s = sin(theta * Number(0.5));
    Number const pole = (half * half + Number(4.0) * a * s * s) / h;
    radial.pole[n] = pole.value;
    radial.pole_slope[n] = pole.slope[0];
    Number const square = Number(big / 2) - sin(theta * Number(big)) * cos(theta * Number(big + 1)) /
                                                (Number(2.0) * sin(theta));  // of the vector's length
    Number const first = a / h * sin(theta) / square;
    for (std::size_t k = 1; k <= poles; ++k) {
      Number const kk(static_cast<double>(k));
      Number const weight = (expm1(d * Number(0.5) * kk) + Number(1.0)) * first * sin(theta * kk);
      radial.weight[(k - 1) * poles + n] = weight.value;
      radial.weight_slope[(k - 1) * poles + n] = weight.slope[0];
    }
    // The source surface takes the value of the shell below it.
    radial.weight[poles * poles + n] = radial.weight[(poles - 1) * poles + n];
    radial.weight_slope[poles * poles + n] = radial.weight_slope[(poles - 1) * poles + n];
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
