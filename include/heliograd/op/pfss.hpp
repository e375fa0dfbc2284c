// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>

#include <heliograd/core/copy.hpp>
#include <heliograd/kernel/pfss.hpp>
#include <heliograd/kernel/pfss_field.hpp>
#include <heliograd/op/linear_family.hpp>

namespace heliograd::inline HELIOGRAD_ABI {

/// How a boundary map becomes a coronal field: what a grid has besides the map's own size.
struct PfssOptions {
  std::size_t n_r = 40;  ///< cells from the Sun to the source surface
  double rss = 2.5;      ///< radius of the source surface, where no Var gives it
  bool centred = false;  ///< second order at the source surface: see PfssGrid
};

namespace detail {

template <class B>
PfssGrid pfss_grid(Shape<4> const& map, PfssOptions const& options) {
  expect_shape(map[3] == 1, "pfss: the maps are " + to_string(map) + ", expected [n, rows, columns, 1]");
  PfssGrid const grid{options.n_r, map[1], map[2], options.rss, options.centred};
  expect_grid(grid);
  return grid;
}

/// Image `n` of a batch as a map.
template <class View>
auto pfss_map(View const& batch, std::size_t n) {
  using Element = std::remove_reference_t<decltype(*batch.data())>;
  return UnmanagedView<2, Element, typename View::memory_space>(batch.data() + n * batch.extent(1) * batch.extent(2),
                                                                batch.extent(1), batch.extent(2));
}

/// From maps to their source surfaces, one after the other; its own transpose.
struct PfssSurfaces {
  PfssGrid grid;
  template <class B, class In>
  void operator()(Workspace<B>& ws, In const& maps, Sink<4, B> const& surfaces, int order) const {
    for (std::size_t n = 0; n < maps.extent(0); ++n)
      kernel::pfss_source_surface<B>(ws, grid, pfss_map(maps, n), Sink<2, B>{pfss_map(surfaces.out, n), surfaces.beta},
                                     order);
  }
};

template <class B>
Var<4, B> pfss_source_surface(Var<4, B> x, Var<0, B> rss, PfssGrid const& grid) {
  return linear_family("heliograd::pfss_source_surface", x.shape(), x, rss, PfssSurfaces{grid}, PfssSurfaces{grid});
}

}  // namespace detail

/// The radial field on the source surface, by finite differences with exactly vanishing discrete current.
///
/// Shapes   map [n, n_s, n_phi, 1], rows from south to north of equal steps in sine latitude -> the same.
/// Math     y = rss^-2 f(T) x with the response f of n_r shells of equal steps in ln r (van Ballegooijen, Priest & Mackay,
///          ApJ 539, 983, 2000): T the discrete Laplacian on the sphere. The mean of x is left out.
/// Gradient linear and symmetric in x: the op itself, applied to the gradient. With respect to rss exact, too (second form).
///          To second order in both.
/// Keeps    nothing.
/// Cost     n_r - 1 tridiagonal solves per azimuthal order, about 14 n_r n_s n_phi operations, and two transforms in longitude;
///          in double precision inside, whatever the backend's scalar is.
/// Throws   ShapeError for several channels; UsageError for a grid without meaning.
template <class B>
Var<4, B> pfss_source_surface(Var<4, B> x, PfssOptions options = {}) {
  return detail::pfss_source_surface(x, Var<0, B>{}, detail::pfss_grid<B>(x.shape(), options));
}

/// The same with the radius of the source surface from the tape, for fitting it. Its value is read on the host: the call
/// waits for what is enqueued. `options.rss` is not used.
template <class B>
Var<4, B> pfss_source_surface(Var<4, B> x, Var<0, B> rss, PfssOptions options = {}) {
  if (!x.tape().dry()) options.rss = static_cast<double>(item(x.tape().exec(), rss.value));
  return detail::pfss_source_surface(x, rss, detail::pfss_grid<B>(x.shape(), options));
}

namespace detail {

/// Between one map and the nodes of a grid.
struct PfssFieldOf {
  PfssGrid grid;
  template <class B, class In>
  void operator()(Workspace<B>& ws, In const& map, TensorRef<4, B> const& nodes) const {
    auto scope = ws.scope();
    auto* const psi = scope.template take<double>(grid.potential_size());
    kernel::pfss_potential<B>(ws, grid, pfss_map(map, 0), psi);
    kernel::pfss_nodes<B>(ws, grid, psi, nodes);
  }
};
struct PfssFieldAdjoint {
  PfssGrid grid;
  template <class B, class In>
  void operator()(Workspace<B>& ws, In const& gnodes, Sink<4, B> const& gmap) const {
    auto scope = ws.scope();
    auto* const psi = scope.template take<double>(grid.potential_size());
    kernel::pfss_nodes_backward<B>(ws, grid, gnodes, psi);
    kernel::pfss_potential_backward<B>(ws, grid, psi, Sink<2, B>{pfss_map(gmap.out, 0), gmap.beta});
  }
};

template <class B>
Var<4, B> pfss_field(Var<4, B> x, Var<0, B> rss, PfssGrid const& grid) {
  Tape<B>& tape = x.tape();
  expect_shape(x.shape()[0] == 1, "pfss_field: the maps are " + to_string(x.shape()) + ", expected one map at a time");
  if (!rss.wants_grad())
    return linear_map("heliograd::pfss_field", kernel::detail::pfss_node_shape(grid), x, PfssFieldOf{grid},
                      PfssFieldAdjoint{grid});
  auto const y = tape.make(kernel::detail::pfss_node_shape(grid), true);
  PfssFieldOf{grid}(tape.workspace(), x.value, y.value);
  tape.record("heliograd::pfss_field", y, [=](Tape<B>& t) {
    {
      auto scope = t.workspace().scope();
      auto* const psi = scope.template take<double>(grid.potential_size());
      auto* const slope = scope.template take<double>(grid.potential_size());
      kernel::pfss_potential<B>(t.workspace(), grid, pfss_map(x.value, 0), psi);
      kernel::pfss_potential_slope<B>(t.workspace(), grid, pfss_map(x.value, 0), slope);
      kernel::pfss_nodes_slope<B>(t.workspace(), grid, psi, slope, y.grad(), t.into(rss));
    }
    if (x.wants_grad()) PfssFieldAdjoint{grid}(t.workspace(), y.grad(), t.into(x));
  });
  return y;
}

}  // namespace detail

/// The whole field between the Sun and the source surface, by finite differences: (B_r, B_theta, B_phi) on the nodes.
///
/// Shapes   map [1, n_s, n_phi, 1] -> [n_r + 1, n_s + 1, n_phi, 3]: shells outwards, edges of rows from the south pole to the
///          north pole, western edges of columns.
/// Math     as `pfss_source_surface`; node values are means over the faces around a node, weighted by area. The tangential
///          field is zero on the source surface.
/// Gradient the transpose, exact, to any order; with respect to rss exact, too, once.
/// Keeps    nothing; the derivative with respect to rss solves again.
/// Cost     as `pfss_source_surface`, and n_r^2 n_s n_phi multiplications; memory one and a half of the output.
/// Throws   ShapeError for several maps or channels; UsageError for a grid without meaning.
template <class B>
Var<4, B> pfss_field(Var<4, B> x, PfssOptions options = {}) {
  return detail::pfss_field(x, Var<0, B>{}, detail::pfss_grid<B>(x.shape(), options));
}

/// The same with the radius of the source surface from the tape; otherwise as `pfss_source_surface`.
template <class B>
Var<4, B> pfss_field(Var<4, B> x, Var<0, B> rss, PfssOptions options = {}) {
  if (!x.tape().dry()) options.rss = static_cast<double>(item(x.tape().exec(), rss.value));
  return detail::pfss_field(x, rss, detail::pfss_grid<B>(x.shape(), options));
}

}  // namespace heliograd::inline HELIOGRAD_ABI
