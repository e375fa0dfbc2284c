// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <cstddef>

#include <heliograd/core/sink.hpp>
#include <heliograd/kernel/pfss_grid.hpp>
#include <heliograd/kernel/reduce.hpp>

/// \file
/// The field of a potential psi: on the faces of the cells, where its divergence and its current vanish to rounding, and on
/// their corners (the nodes), where it is interpolated; with the transpose of the latter and its derivative with rss.
///
/// Edges of the vector potential times their length: a_s = ratio_s (psi_{i-1} - psi_i), a_phi = ratio_phi (psi_j - psi_{j-1});
/// fluxes through faces by Stokes' theorem. Node values are means over the four faces around a node, weighted by area. Beyond
/// the poles stands the opposite meridian; below the Sun what makes the tangential current vanish there; on the source
/// surface the tangential field is zero, as the model demands.
namespace heliograd::inline HELIOGRAD_ABI {

/// The tangential field on the nodes at the Sun.
enum class PfssFoot {
  current,  ///< what makes the tangential current vanish there: as other implementations have it
  /// What makes the mean of the first layer's ends that of its faces, so that as much flux leaves the layer sideways as its
  /// radial field loses. For field lines: without it the structure of maps finer than the layer is thick bends lines down,
  /// many times too strongly, and swallows the open flux.
  flux
};

namespace kernel {

namespace detail {

/// A potential: values alone, or with their derivatives with respect to d = step_rho.
template <class T>
struct PfssValues;
template <>
struct PfssValues<double> {
  double const* psi;
  KOKKOS_FUNCTION double operator[](std::size_t i) const { return psi[i]; }
};
template <>
struct PfssValues<Dual<double, 1>> {
  double const* psi;
  double const* slope;
  KOKKOS_FUNCTION Dual<double, 1> operator[](std::size_t i) const {
    Dual<double, 1> value(psi[i]);
    value.slope[0] = slope[i];
    return value;
  }
};

/// What a shell's node values are multiplied by.
template <class T>
struct PfssShell {
  T radial;      ///< 1 / area of a radial face
  T tangential;  ///< of the difference of a between shells `upper` and `lower`
  T surface;     ///< of the radial field's gradient: at the Sun alone
  std::size_t upper, lower;

  KOKKOS_FUNCTION PfssShell(PfssGrid const& grid, std::size_t k) {
    using Kokkos::exp;
    T d(grid.step_rho());
    if constexpr (!std::is_same_v<T, double>) d = T::input(grid.step_rho(), 0);
    T const kk(static_cast<double>(k));
    T const one(1.0), two(2.0);
    radial = exp(-(two * T(grid.place(k)) * d)) / T(grid.step_s() * grid.step_phi());
    upper = k + 1 < grid.n_r ? k + 1 : grid.n_r - 1;  // nothing tangential beyond
    lower = k > 0 ? k - 1 : 0;
    surface = T(0.0);
    T const thick = exp(two * d) - one;  // twice the area of a side face at the Sun, per unit of angles
    if (k == grid.n_r) {
      tangential = T(0.0);
    } else if (k > 0) {
      tangential = exp(-(two * (kk - one) * d)) / (thick * (one + exp(two * d)));
    } else {
      T const ratio = exp(-d);
      tangential = (one + ratio) / ((one + ratio * ratio) * thick);
      surface = ratio * (one - ratio) / (two * (one + ratio * ratio));
    }
  }
  /// Of the faces between the Sun and the first shell instead.
  KOKKOS_FUNCTION static PfssShell first_layer(PfssGrid const& grid) {
    PfssShell shell(grid, 0);
    shell.tangential = T(1 / Kokkos::expm1(2 * grid.step_rho()));
    shell.surface = T(0.0);
    return shell;
  }
};

/// Reads a potential as edges, fluxes and node values.
template <class T>
struct PfssStencil {
  PfssGrid grid;
  PfssRows rows;
  PfssValues<T> values;

  KOKKOS_FUNCTION std::size_t west(std::size_t i) const { return i == 0 ? grid.n_phi - 1 : i - 1; }
  KOKKOS_FUNCTION std::size_t east(std::size_t i) const { return i + 1 == grid.n_phi ? 0 : i + 1; }
  KOKKOS_FUNCTION std::size_t opposite(std::size_t i) const { return (i + grid.n_phi / 2) % grid.n_phi; }

  KOKKOS_FUNCTION T psi(std::size_t k, std::size_t j, std::size_t i) const {
    return values[k * grid.shell() + j * grid.pitch() + i];
  }
  /// On the western side of cell i of row j.
  KOKKOS_FUNCTION T edge_s(std::size_t k, std::size_t j, std::size_t i) const {
    return T(rows.ratio_s[j]) * (psi(k, j, west(i)) - psi(k, j, i));
  }
  /// On the southern side of row j; zero at the poles.
  KOKKOS_FUNCTION T edge_phi(std::size_t k, std::size_t j, std::size_t i) const {
    if (j == 0 || j == grid.n_s) return T(0.0);
    return T(rows.ratio_phi[j]) * (psi(k, j, i) - psi(k, j - 1, i));
  }
  KOKKOS_FUNCTION T flux_r(std::size_t k, std::size_t j, std::size_t i) const {
    return edge_s(k, j, east(i)) - edge_s(k, j, i) + edge_phi(k, j, i) - edge_phi(k, j + 1, i);
  }

  /// The flux through the row's cells on both sides of meridian i.
  KOKKOS_FUNCTION T row_flux_r(std::size_t k, std::size_t j, std::size_t i) const {
    return flux_r(k, j, west(i)) + flux_r(k, j, i);
  }
  KOKKOS_FUNCTION T node_r(PfssShell<T> const& shell, std::size_t k, std::size_t j, std::size_t i) const {
    std::size_t const below = j > 0 ? j - 1 : 0, above = j < grid.n_s ? j : grid.n_s - 1;
    std::size_t const other = below == above ? opposite(i) : i;
    return T(0.25) * shell.radial * (row_flux_r(k, below, i) + row_flux_r(k, above, other));
  }
  /// Southward: B_theta. Row j of edges, not a pole.
  KOKKOS_FUNCTION T inner_theta(PfssShell<T> const& shell, std::size_t k, std::size_t j, std::size_t i) const {
    std::size_t const w = west(i);
    T north = shell.tangential / T(rows.edge_cosine[j] * grid.step_phi()) *
              (edge_phi(shell.upper, j, w) + edge_phi(shell.upper, j, i) - edge_phi(shell.lower, j, w) -
               edge_phi(shell.lower, j, i));
    if (k == 0)
      north = north +
              shell.surface / T(rows.edge_length_s[j]) * surface_field(row_flux_r(0, j - 1, i) - row_flux_r(0, j, i));
    return -north;
  }
  KOKKOS_FUNCTION T node_theta(PfssShell<T> const& shell, std::size_t k, std::size_t j, std::size_t i) const {
    if (j > 0 && j < grid.n_s) return inner_theta(shell, k, j, i);
    std::size_t const row = j == 0 ? 1 : grid.n_s - 1;
    return T(0.5) * (inner_theta(shell, k, row, i) - inner_theta(shell, k, row, opposite(i)));
  }
  /// The row's share in B_phi at a meridian, times its length.
  KOKKOS_FUNCTION T row_phi(PfssShell<T> const& shell, std::size_t k, std::size_t j, std::size_t i) const {
    T east_ward = T(2.0) * shell.tangential * (edge_s(shell.lower, j, i) - edge_s(shell.upper, j, i));
    if (k == 0)
      east_ward = east_ward + T(2.0) * shell.surface * T(rows.length_s[j] / (rows.cosine[j] * grid.step_phi())) *
                                  surface_field(flux_r(0, j, west(i)) - flux_r(0, j, i));
    return east_ward;
  }
  KOKKOS_FUNCTION T node_phi(PfssShell<T> const& shell, std::size_t k, std::size_t j, std::size_t i) const {
    if (j > 0 && j < grid.n_s)
      return (row_phi(shell, k, j - 1, i) + row_phi(shell, k, j, i)) / T(rows.length_s[j - 1] + rows.length_s[j]);
    std::size_t const row = j == 0 ? 0 : grid.n_s - 1;
    return (row_phi(shell, k, row, i) - row_phi(shell, k, row, opposite(i))) / T(2 * rows.length_s[row]);
  }

 private:
  KOKKOS_FUNCTION T surface_field(T const& flux) const { return flux / T(grid.step_s() * grid.step_phi()); }
};

/// The node values of one row.
template <class B>
struct PfssNodes {
  PfssStencil<double> at;
  PfssFoot foot;
  typename B::scalar_type* field;
  using Scalar = typename B::scalar_type;

  KOKKOS_FUNCTION void operator()(std::size_t item) const {
    std::size_t const n = at.grid.n_phi;
    std::size_t const k = item / (at.grid.n_s + 1), j = item % (at.grid.n_s + 1);
    PfssShell<double> const shell(at.grid, k);
    Scalar* const row = field + 3 * item * n;
    if (k > 0 && j > 0 && j < at.grid.n_s) return inner_row(shell, k, j, row);
    for (std::size_t i = 0; i < n; ++i) {
      row[3 * i] = static_cast<Scalar>(at.node_r(shell, k, j, i));
      row[3 * i + 1] = static_cast<Scalar>(at.node_theta(shell, k, j, i));
      row[3 * i + 2] = static_cast<Scalar>(at.node_phi(shell, k, j, i));
    }
    if (k > 0 || foot == PfssFoot::current) return;
    auto const layer = PfssShell<double>::first_layer(at.grid);
    PfssShell<double> const above(at.grid, 1);
    for (std::size_t i = 0; i < n; ++i) {
      row[3 * i + 1] = static_cast<Scalar>(2 * at.node_theta(layer, 0, j, i) - at.node_theta(above, 1, j, i));
      row[3 * i + 2] = static_cast<Scalar>(2 * at.node_phi(layer, 0, j, i) - at.node_phi(above, 1, j, i));
    }
  }

 private:
  /// The stencil written out: edges that two faces share cancel, and factors stand outside the sums.
  struct Inner {
    double const *here_a, *here_b, *south, *north;        ///< this shell: the rows beside the node, and beyond
    double const *upper_a, *upper_b, *lower_a, *lower_b;  ///< the rows beside the node on the shells above and below
    double ratio_a, ratio_b, ratio_south, ratio_north;    ///< of the edges
    double radial, theta, phi;                            ///< factors of the sums
  };

  KOKKOS_FUNCTION double const* psi(std::size_t k, std::size_t j) const {
    return at.values.psi + k * at.grid.shell() + j * at.grid.pitch();
  }

  KOKKOS_FUNCTION void inner_row(PfssShell<double> const& shell, std::size_t k, std::size_t j, Scalar* row) const {
    PfssGrid const& grid = at.grid;
    std::size_t const a = j - 1, b = j, n = grid.n_phi;
    Inner const p{psi(k, a),
                  psi(k, b),
                  psi(k, a > 0 ? a - 1 : a),
                  psi(k, b + 1 < grid.n_s ? b + 1 : b),
                  psi(shell.upper, a),
                  psi(shell.upper, b),
                  psi(shell.lower, a),
                  psi(shell.lower, b),
                  at.rows.ratio_s[a],
                  at.rows.ratio_s[b],
                  at.rows.ratio_phi[a],
                  at.rows.ratio_phi[b + 1],
                  0.25 * shell.radial,
                  -shell.tangential * at.rows.ratio_phi[j] / (at.rows.edge_cosine[j] * grid.step_phi()),
                  2 * shell.tangential / (at.rows.length_s[a] + at.rows.length_s[b])};
    for (std::size_t i = 0; i < 2; ++i) inner_node(p, at.west(at.west(i)), at.west(i), i, at.east(i), row);
    HELIOGRAD_INDEPENDENT_LOOP
    for (std::size_t i = 2; i < n - 1; ++i) inner_node(p, i - 2, i - 1, i, i + 1, row);
    inner_node(p, n - 3, n - 2, n - 1, 0, row);
  }

  KOKKOS_FORCEINLINE_FUNCTION static void inner_node(Inner const& p, std::size_t ww, std::size_t w, std::size_t i,
                                                     std::size_t e, Scalar* row) {
    double const flux = p.ratio_a * ((p.here_a[i] - p.here_a[e]) - (p.here_a[ww] - p.here_a[w])) +
                        p.ratio_b * ((p.here_b[i] - p.here_b[e]) - (p.here_b[ww] - p.here_b[w])) +
                        p.ratio_south * ((p.here_a[w] - p.south[w]) + (p.here_a[i] - p.south[i])) -
                        p.ratio_north * ((p.north[w] - p.here_b[w]) + (p.north[i] - p.here_b[i]));
    double const up = (p.upper_b[w] - p.upper_a[w]) + (p.upper_b[i] - p.upper_a[i]);
    double const down = (p.lower_b[w] - p.lower_a[w]) + (p.lower_b[i] - p.lower_a[i]);
    double const east_a = (p.lower_a[w] - p.lower_a[i]) - (p.upper_a[w] - p.upper_a[i]);
    double const east_b = (p.lower_b[w] - p.lower_b[i]) - (p.upper_b[w] - p.upper_b[i]);
    row[3 * i] = static_cast<Scalar>(p.radial * flux);
    row[3 * i + 1] = static_cast<Scalar>(p.theta * (up - down));
    row[3 * i + 2] = static_cast<Scalar>(p.phi * (p.ratio_a * east_a + p.ratio_b * east_b));
  }
};

/// sum over all nodes of g . dB / d(step_rho)
template <class Scalar>
struct PfssNodeSlope {
  PfssStencil<Dual<double, 1>> at;
  Scalar const* g;

  KOKKOS_FUNCTION void operator()(std::size_t, std::size_t node, Sums<1>& one) const {
    using Number = Dual<double, 1>;
    std::size_t const i = node % at.grid.n_phi, j = node / at.grid.n_phi % (at.grid.n_s + 1),
                      k = node / at.grid.n_phi / (at.grid.n_s + 1);
    PfssShell<Number> const shell(at.grid, k);
    Scalar const* const gradient = g + 3 * node;
    one[0] = static_cast<double>(gradient[0]) * at.node_r(shell, k, j, i).slope[0] +
             static_cast<double>(gradient[1]) * at.node_theta(shell, k, j, i).slope[0] +
             static_cast<double>(gradient[2]) * at.node_phi(shell, k, j, i).slope[0];
  }
};
template <class Scalar>
struct PfssStoreSlope {
  Scalar* out;
  double factor, beta;
  KOKKOS_FUNCTION void operator()(std::size_t, Sums<1> const& total) const {
    *out = static_cast<Scalar>((beta != 0 ? beta * static_cast<double>(*out) : 0.0) + factor * total[0]);
  }
};

/// The gradient of nodes as rows, edges and fluxes receive it: the transpose of PfssStencil<double>.
template <class Scalar>
struct PfssTranspose {
  PfssGrid grid;
  PfssRows rows;
  Scalar const* g;
  double* tangential;  ///< [n_r + 1] the shells' factors
  double* flux;        ///< [n_r + 1][n_s][n_phi], the gradient of flux_r

  KOKKOS_FUNCTION std::size_t west(std::size_t i) const { return i == 0 ? grid.n_phi - 1 : i - 1; }
  KOKKOS_FUNCTION std::size_t east(std::size_t i) const { return i + 1 == grid.n_phi ? 0 : i + 1; }
  /// The meridian whose opposite is i.
  KOKKOS_FUNCTION std::size_t opposite(std::size_t i) const { return (i + grid.n_phi - grid.n_phi / 2) % grid.n_phi; }
  KOKKOS_FUNCTION double node(std::size_t k, std::size_t j, std::size_t i, std::size_t c) const {
    return static_cast<double>(g[((k * (grid.n_s + 1) + j) * grid.n_phi + i) * 3 + c]);
  }
  KOKKOS_FUNCTION bool pole(std::size_t j) const { return j == 0 || j == grid.n_s; }

  /// Of row_flux_r, without the factor.
  KOKKOS_FUNCTION double row_r(std::size_t k, std::size_t j, std::size_t i) const {
    double sum = 0;
    for (std::size_t edge = j; edge <= j + 1; ++edge)
      sum += node(k, edge, i, 0) + (pole(edge) ? node(k, edge, opposite(i), 0) : 0.0);
    return sum;
  }
  /// Of inner_theta at an inner edge.
  KOKKOS_FUNCTION double theta(std::size_t k, std::size_t j, std::size_t i) const {
    double sum = node(k, j, i, 1);
    if (j == 1) sum += 0.5 * (node(k, 0, i, 1) - node(k, 0, opposite(i), 1));
    if (j + 1 == grid.n_s) sum += 0.5 * (node(k, grid.n_s, i, 1) - node(k, grid.n_s, opposite(i), 1));
    return sum;
  }
  /// Of row_phi.
  KOKKOS_FUNCTION double row_phi(std::size_t k, std::size_t j, std::size_t i) const {
    double sum = 0;
    for (std::size_t edge = j; edge <= j + 1; ++edge) {
      if (pole(edge))
        sum += (node(k, edge, i, 2) - node(k, edge, opposite(i), 2)) / (2 * rows.length_s[j]);
      else
        sum += node(k, edge, i, 2) / (rows.length_s[edge - 1] + rows.length_s[edge]);
    }
    return sum;
  }

  /// Of flux_r, before the fluxes are added up.
  KOKKOS_FUNCTION double flux_of(PfssShell<double> const& shell, std::size_t k, std::size_t j, std::size_t i) const {
    double sum = 0.25 * shell.radial * (row_r(k, j, i) + row_r(k, j, east(i)));
    if (k != 0) return sum;
    double surface = 0;
    if (j + 1 < grid.n_s) surface -= (theta(0, j + 1, i) + theta(0, j + 1, east(i))) / rows.edge_length_s[j + 1];
    if (j > 0) surface += (theta(0, j, i) + theta(0, j, east(i))) / rows.edge_length_s[j];
    surface += 2 * rows.length_s[j] / (rows.cosine[j] * grid.step_phi()) * (row_phi(0, j, east(i)) - row_phi(0, j, i));
    return sum + shell.surface * surface / (grid.step_s() * grid.step_phi());
  }

  KOKKOS_FUNCTION double flux_at(std::size_t k, std::size_t j, std::size_t i) const {
    return flux[(k * grid.n_s + j) * grid.n_phi + i];
  }
  KOKKOS_FUNCTION double edge_s(std::size_t k, std::size_t j, std::size_t i) const {
    double sum = flux_at(k, j, west(i)) - flux_at(k, j, i);
    if (k >= 1 && k < grid.n_r) sum -= 2 * tangential[k - 1] * row_phi(k - 1, j, i);
    if (k + 1 == grid.n_r) sum -= 2 * tangential[k] * row_phi(k, j, i);
    if (k + 1 < grid.n_r) sum += 2 * tangential[k + 1] * row_phi(k + 1, j, i);
    if (k == 0) sum += 2 * tangential[0] * row_phi(0, j, i);
    return sum;
  }
  KOKKOS_FUNCTION double edge_phi(std::size_t k, std::size_t j, std::size_t i) const {
    if (pole(j)) return 0;
    double sum = 0;
    if (k >= 1 && k < grid.n_r) sum -= tangential[k - 1] * (theta(k - 1, j, i) + theta(k - 1, j, east(i)));
    if (k + 1 == grid.n_r) sum -= tangential[k] * (theta(k, j, i) + theta(k, j, east(i)));
    if (k + 1 < grid.n_r) sum += tangential[k + 1] * (theta(k + 1, j, i) + theta(k + 1, j, east(i)));
    if (k == 0) sum += tangential[0] * (theta(0, j, i) + theta(0, j, east(i)));
    return flux_at(k, j, i) - flux_at(k, j - 1, i) + sum / (rows.edge_cosine[j] * grid.step_phi());
  }
};

template <class Scalar>
struct PfssFluxGradient {
  PfssTranspose<Scalar> of;
  KOKKOS_FUNCTION void operator()(std::size_t row) const {
    std::size_t const k = row / of.grid.n_s, j = row % of.grid.n_s;
    PfssShell<double> const shell(of.grid, k);
    if (j == 0) of.tangential[k] = shell.tangential;
    for (std::size_t i = 0; i < of.grid.n_phi; ++i) of.flux[row * of.grid.n_phi + i] = of.flux_of(shell, k, j, i);
  }
};
template <class Scalar>
struct PfssPotentialGradient {
  PfssTranspose<Scalar> of;
  double* gpsi;
  KOKKOS_FUNCTION void operator()(std::size_t row) const {
    std::size_t const k = row / of.grid.n_s, j = row % of.grid.n_s, n = of.grid.n_phi;
    double* const to = gpsi + row * of.grid.pitch();
    for (std::size_t i = 0; i < n; ++i)
      to[i] = of.rows.ratio_s[j] * (of.edge_s(k, j, of.east(i)) - of.edge_s(k, j, i)) +
              of.rows.ratio_phi[j] * of.edge_phi(k, j, i) - of.rows.ratio_phi[j + 1] * of.edge_phi(k, j + 1, i);
    for (std::size_t i = n; i < of.grid.pitch(); ++i) to[i] = 0;
  }
};

/// The field on the faces of one row of cells.
struct PfssFaces {
  PfssStencil<double> at;
  double *r, *theta, *phi;

  KOKKOS_FUNCTION void operator()(std::size_t item) const {
    using Kokkos::exp;
    PfssGrid const& grid = at.grid;
    std::size_t const k = item / (grid.n_s + 1), j = item % (grid.n_s + 1), n = grid.n_phi;
    std::size_t const last = grid.n_r - 1, here = k < last ? k : last, upper = k < last ? k + 1 : last;
    double const inner = exp(2 * static_cast<double>(k) * grid.step_rho());
    double const side = 0.5 * (exp(2 * static_cast<double>(k + 1) * grid.step_rho()) - inner);
    for (std::size_t i = 0; i < n; ++i) {
      if (j < grid.n_s)
        r[(k * grid.n_s + j) * n + i] = at.flux_r(here, j, i) / (inner * grid.step_s() * grid.step_phi());
      if (k < grid.n_r)
        theta[(k * (grid.n_s + 1) + j) * n + i] = j == 0 || j == grid.n_s
                                                      ? 0.0
                                                      : -(at.edge_phi(upper, j, i) - at.edge_phi(k, j, i)) /
                                                            (side * at.rows.edge_cosine[j] * grid.step_phi());
      if (k < grid.n_r && j < grid.n_s)
        phi[(k * grid.n_s + j) * n + i] = (at.edge_s(k, j, i) - at.edge_s(upper, j, i)) / (side * at.rows.length_s[j]);
    }
  }
};

inline Shape<4> pfss_node_shape(PfssGrid const& grid) { return {grid.n_r + 1, grid.n_s + 1, grid.n_phi, 3}; }

}  // namespace detail

/// (B_r, B_theta, B_phi) on the nodes, [n_r + 1, n_s + 1, n_phi, 3]: shells outwards, edges of rows from the south pole to
/// the north pole, western edges of columns.
template <class B>
void pfss_nodes(Workspace<B>& ws, PfssGrid const& grid, double const* psi, TensorRef<4, B> const& field,
                PfssFoot foot = PfssFoot::current) {
  expect_shape(shape_of(field) == detail::pfss_node_shape(grid), "pfss_nodes: the field is " +
                                                                     to_string(shape_of(field)) + ", the grid wants " +
                                                                     to_string(detail::pfss_node_shape(grid)));
  auto scope = ws.scope();
  for_each_item(ws, "heliograd::pfss_nodes", (grid.n_r + 1) * (grid.n_s + 1),
                detail::PfssNodes<B>{{grid, pfss_rows(ws, scope, grid), {psi}}, foot, field.data()});
}

/// gpsi = the transpose of `pfss_nodes` applied to the gradient of the nodes.
template <class B>
void pfss_nodes_backward(Workspace<B>& ws, PfssGrid const& grid, ConstTensorRef<4, B> const& gfield, double* gpsi) {
  using Scalar = typename B::scalar_type;
  auto scope = ws.scope();
  auto* const flux = scope.template take<double>((grid.n_r + 1) * grid.n_s * grid.n_phi);
  auto* const tangential = scope.template take<double>(grid.n_r + 1);
  detail::PfssTranspose<Scalar> const of{grid, pfss_rows(ws, scope, grid), gfield.data(), tangential, flux};
  for_each_item(ws, "heliograd::pfss_flux_gradient", (grid.n_r + 1) * grid.n_s, detail::PfssFluxGradient<Scalar>{of});
  for_each_item(ws, "heliograd::pfss_potential_gradient", (grid.n_r + 1) * grid.n_s,
                detail::PfssPotentialGradient<Scalar>{of, gpsi});
}

/// grss = the gradient of rss, from that of the nodes, the potential and its derivative with respect to step_rho.
template <class B>
void pfss_nodes_slope(Workspace<B>& ws, PfssGrid const& grid, double const* psi, double const* slope,
                      ConstTensorRef<4, B> const& gfield, Sink<0, B> const& grss) {
  using Scalar = typename B::scalar_type;
  auto scope = ws.scope();
  detail::PfssStencil<Dual<double, 1>> const at{grid, pfss_rows(ws, scope, grid), {psi, slope}};
  reduce<1>(
      ws, "heliograd::pfss_nodes_slope", 1, gfield.size() / 3, detail::PfssNodeSlope<Scalar>{at, gfield.data()},
      detail::PfssStoreSlope<Scalar>{grss.out.data(), 1 / (grid.rss * grid.depth()), static_cast<double>(grss.beta)});
}

/// The field on the faces, in double precision: r [n_r + 1][n_s][n_phi], theta [n_r][n_s + 1][n_phi] (0 at the poles), phi
/// [n_r][n_s][n_phi] on western edges. Nothing tangential in the last layer; its two radial faces have the same flux.
template <class B>
void pfss_faces(Workspace<B>& ws, PfssGrid const& grid, double const* psi, double* r, double* theta, double* phi) {
  auto scope = ws.scope();
  for_each_item(ws, "heliograd::pfss_faces", (grid.n_r + 1) * (grid.n_s + 1),
                detail::PfssFaces{{grid, pfss_rows(ws, scope, grid), {psi}}, r, theta, phi});
}

}  // namespace kernel
}  // namespace heliograd::inline HELIOGRAD_ABI
