// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>

#include <heliograd/core/copy.hpp>
#include <heliograd/kernel/harmonics.hpp>
#include <heliograd/op/pfss.hpp>

namespace heliograd::inline HELIOGRAD_ABI {

namespace detail {

/// Between maps and their source surfaces, one after the other.
struct HarmonicSurfaces {
  PfssGrid grid;
  HarmonicOptions options;
  template <class B, class In>
  void operator()(Workspace<B>& ws, In const& maps, TensorRef<4, B> const& surfaces) const {
    for (std::size_t n = 0; n < maps.extent(0); ++n)
      kernel::harmonic_source_surface<B>(ws, grid, options, pfss_map(maps, n), pfss_map(surfaces, n));
  }
};
struct HarmonicSurfacesAdjoint {
  PfssGrid grid;
  HarmonicOptions options;
  template <class B, class In>
  void operator()(Workspace<B>& ws, In const& gsurfaces, Sink<4, B> const& gmaps) const {
    for (std::size_t n = 0; n < gsurfaces.extent(0); ++n)
      kernel::harmonic_source_surface_backward<B>(ws, grid, options, pfss_map(gsurfaces, n),
                                                  Sink<2, B>{pfss_map(gmaps.out, n), gmaps.beta});
  }
};
/// Between one map and the nodes of a grid.
struct HarmonicNodes {
  PfssGrid grid;
  HarmonicOptions options;
  template <class B, class In>
  void operator()(Workspace<B>& ws, In const& map, TensorRef<4, B> const& nodes) const {
    kernel::harmonic_nodes<B>(ws, grid, options, pfss_map(map, 0), nodes);
  }
};
struct HarmonicNodesAdjoint {
  PfssGrid grid;
  HarmonicOptions options;
  template <class B, class In>
  void operator()(Workspace<B>& ws, In const& gnodes, Sink<4, B> const& gmap) const {
    kernel::harmonic_nodes_backward<B>(ws, grid, options, gnodes, Sink<2, B>{pfss_map(gmap.out, 0), gmap.beta});
  }
};

template <class B>
Var<4, B> harmonic_source_surface(Var<4, B> x, Var<0, B> rss, PfssGrid const& grid, HarmonicOptions const& options) {
  using Scalar = typename B::scalar_type;
  constexpr char const* name = "heliograd::harmonic_source_surface";
  HarmonicSurfaces const forward{grid, options};
  HarmonicSurfacesAdjoint const adjoint{grid, options};
  if (!rss.wants_grad()) return linear_map(name, x.shape(), x, forward, adjoint);
  Tape<B>& tape = x.tape();
  auto const y = tape.make(x.shape(), true);
  forward(tape.workspace(), x.value, y.value);
  tape.record(name, y, [=](Tape<B>& t) {
    if (x.wants_grad()) adjoint(t.workspace(), y.grad(), t.into(x));
    auto scope = t.workspace().scope();
    auto const slope = scope.template tensor<4>(x.shape());
    for (std::size_t n = 0; n < x.shape()[0]; ++n)
      kernel::harmonic_source_surface<B>(t.workspace(), grid, options, pfss_map(x.value, n), pfss_map(slope, n), true);
    auto const grss = t.into(rss);
    kernel::reduce<1>(t.workspace(), "heliograd::pfss_dot", 1, slope.size(),
                      PfssDot<Scalar>{slope.data(), y.grad().data()},
                      kernel::detail::PfssStoreSlope<Scalar>{grss.out.data(), 1.0, double(grss.beta)});
  });
  return y;
}

template <class B>
Var<4, B> harmonic_field(Var<4, B> x, Var<0, B> rss, PfssGrid const& grid, HarmonicOptions const& options) {
  constexpr char const* name = "heliograd::harmonic_field";
  Tape<B>& tape = x.tape();
  expect_shape(x.shape()[0] == 1,
               "harmonic_field: the maps are " + to_string(x.shape()) + ", expected one map at a time");
  Shape<4> const shape{grid.n_r + 1, grid.n_s + 1, grid.n_phi, 3};
  HarmonicNodes const forward{grid, options};
  HarmonicNodesAdjoint const adjoint{grid, options};
  if (!rss.wants_grad()) return linear_map(name, shape, x, forward, adjoint);
  auto const y = tape.make(shape, true);
  forward(tape.workspace(), x.value, y.value);
  tape.record(name, y, [=](Tape<B>& t) {
    kernel::harmonic_nodes_slope<B>(t.workspace(), grid, options, pfss_map(x.value, 0), y.grad(), t.into(rss));
    if (x.wants_grad()) adjoint(t.workspace(), y.grad(), t.into(x));
  });
  return y;
}

}  // namespace detail

/// The radial field on the source surface, by spherical harmonics.
///
/// Shapes   map [n, n_s, n_phi, 1], rows from south to north of equal steps in sine latitude -> the same.
/// Math     coefficients of degrees 1..l_max of x, times rss^{-l-2} (2 l + 1) / (l + 1 + l rss^{-2l-1}), at the middles of cells.
/// Gradient linear in x: the transpose, exact, to any order; with respect to rss exact, too, once (second form).
/// Keeps    nothing.
/// Cost     2 l_max^2 n_s operations and two transforms in longitude.
/// Throws   ShapeError for several channels; UsageError for more degrees than the rows can tell apart.
template <class B>
Var<4, B> harmonic_source_surface(Var<4, B> x, PfssOptions options = {}, HarmonicOptions harmonics = {}) {
  return detail::harmonic_source_surface(x, Var<0, B>{}, detail::pfss_grid<B>(x.shape(), options), harmonics);
}

/// The same with the radius of the source surface from the tape; its value is read on the host.
template <class B>
Var<4, B> harmonic_source_surface(Var<4, B> x, Var<0, B> rss, PfssOptions options = {},
                                  HarmonicOptions harmonics = {}) {
  if (!x.tape().dry()) options.rss = static_cast<double>(item(x.tape().exec(), rss.value));
  return detail::harmonic_source_surface(x, rss, detail::pfss_grid<B>(x.shape(), options), harmonics);
}

/// The whole field between the Sun and the source surface, by spherical harmonics, on the nodes of `pfss_field`.
///
/// Shapes   map [1, n_s, n_phi, 1] -> [n_r + 1, n_s + 1, n_phi, 3].
/// Math     the gradient of the potential whose coefficients are those of x: exact between the nodes' places, no grid in r.
/// Gradient linear in x: the transpose, exact, to any order; with respect to rss (which moves the shells, too) exact, once.
/// Keeps    nothing.
/// Cost     3 l_max^2 n_s operations and three transforms in longitude per shell.
/// Throws   as `harmonic_source_surface`, and ShapeError for several maps.
template <class B>
Var<4, B> harmonic_field(Var<4, B> x, PfssOptions options = {}, HarmonicOptions harmonics = {}) {
  return detail::harmonic_field(x, Var<0, B>{}, detail::pfss_grid<B>(x.shape(), options), harmonics);
}

/// The same with the radius of the source surface from the tape; its value is read on the host.
template <class B>
Var<4, B> harmonic_field(Var<4, B> x, Var<0, B> rss, PfssOptions options = {}, HarmonicOptions harmonics = {}) {
  if (!x.tape().dry()) options.rss = static_cast<double>(item(x.tape().exec(), rss.value));
  return detail::harmonic_field(x, rss, detail::pfss_grid<B>(x.shape(), options), harmonics);
}

}  // namespace heliograd::inline HELIOGRAD_ABI
