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
  void operator()(Workspace<B>& ws, In const& maps, Sink<4, B> const& surfaces, int order) const {
    for (std::size_t n = 0; n < maps.extent(0); ++n)
      kernel::harmonic_source_surface<B>(ws, grid, options, pfss_map(maps, n),
                                         Sink<2, B>{pfss_map(surfaces.out, n), surfaces.beta}, order);
  }
};
struct HarmonicSurfacesAdjoint {
  PfssGrid grid;
  HarmonicOptions options;
  template <class B, class In>
  void operator()(Workspace<B>& ws, In const& gsurfaces, Sink<4, B> const& gmaps, int order) const {
    for (std::size_t n = 0; n < gsurfaces.extent(0); ++n)
      kernel::harmonic_source_surface_backward<B>(ws, grid, options, pfss_map(gsurfaces, n),
                                                  Sink<2, B>{pfss_map(gmaps.out, n), gmaps.beta}, order);
  }
};
/// Between one map and the nodes of a grid.
struct HarmonicNodes {
  PfssGrid grid;
  HarmonicOptions options;
  template <class B, class In>
  void operator()(Workspace<B>& ws, In const& map, Sink<4, B> const& nodes, int order) const {
    write_into(ws, nodes, [&](TensorRef<4, B> const& out) {
      kernel::harmonic_nodes<B>(ws, grid, options, pfss_map(map, 0), out, order);
    });
  }
};
struct HarmonicNodesAdjoint {
  PfssGrid grid;
  HarmonicOptions options;
  template <class B, class In>
  void operator()(Workspace<B>& ws, In const& gnodes, Sink<4, B> const& gmap, int order) const {
    kernel::harmonic_nodes_backward<B>(ws, grid, options, gnodes, Sink<2, B>{pfss_map(gmap.out, 0), gmap.beta}, order);
  }
};

template <class B>
Var<4, B> harmonic_source_surface(Var<4, B> x, Var<0, B> rss, PfssGrid const& grid, HarmonicOptions const& options) {
  return linear_family("heliograd::harmonic_source_surface", x.shape(), x, rss, HarmonicSurfaces{grid, options},
                       HarmonicSurfacesAdjoint{grid, options});
}

template <class B>
Var<4, B> harmonic_field(Var<4, B> x, Var<0, B> rss, PfssGrid const& grid, HarmonicOptions const& options) {
  expect_shape(x.shape()[0] == 1,
               "harmonic_field: the maps are " + to_string(x.shape()) + ", expected one map at a time");
  return linear_family("heliograd::harmonic_field", kernel::detail::pfss_node_shape(grid), x, rss,
                       HarmonicNodes{grid, options}, HarmonicNodesAdjoint{grid, options});
}

}  // namespace detail

/// The radial field on the source surface, by spherical harmonics.
///
/// Shapes   map [n, n_s, n_phi, 1], rows from south to north of equal steps in sine latitude -> the same.
/// Math     coefficients of degrees 1..l_max of x, times rss^{-l-2} (2 l + 1) / (l + 1 + l rss^{-2l-1}), at the middles of cells.
/// Gradient linear in x: the transpose. With respect to rss exact, too (second form). To second order in both.
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
/// Gradient linear in x: the transpose. With respect to rss, which moves the shells, exact, too. To second order in both.
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
