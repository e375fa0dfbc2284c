// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>

#include <heliograd/core/copy.hpp>
#include <heliograd/kernel/harmonics.hpp>
#include <heliograd/op/pfss.hpp>

namespace heliograd::inline HELIOGRAD_ABI {

namespace detail {

template <class B>
Var<4, B> harmonic_source_surface(Var<4, B> x, Var<0, B> rss, PfssGrid const& grid, HarmonicOptions const& options) {
  using Scalar = typename B::scalar_type;
  Tape<B>& tape = x.tape();
  auto const y = tape.make(x.shape(), x.wants_grad() || rss.wants_grad());
  for (std::size_t n = 0; n < x.shape()[0]; ++n)
    kernel::harmonic_source_surface<B>(tape.workspace(), grid, options, pfss_map(x.value, n), pfss_map(y.value, n));
  if (y.wants_grad())
    tape.record("heliograd::harmonic_source_surface", y, [=](Tape<B>& t) {
      if (x.wants_grad()) {
        auto const gx = t.into(x);
        for (std::size_t n = 0; n < x.shape()[0]; ++n)
          kernel::harmonic_source_surface_backward<B>(t.workspace(), grid, options, pfss_map(y.grad(), n),
                                                      Sink<2, B>{pfss_map(gx.out, n), gx.beta});
      }
      if (rss.wants_grad()) {
        auto scope = t.workspace().scope();
        auto const slope = scope.template tensor<4>(x.shape());
        for (std::size_t n = 0; n < x.shape()[0]; ++n)
          kernel::harmonic_source_surface<B>(t.workspace(), grid, options, pfss_map(x.value, n), pfss_map(slope, n),
                                             true);
        auto const grss = t.into(rss);
        kernel::reduce<1>(t.workspace(), "heliograd::pfss_dot", 1, slope.size(),
                          PfssDot<Scalar>{slope.data(), y.grad().data()},
                          kernel::detail::PfssStoreSlope<Scalar>{grss.out.data(), 1.0, double(grss.beta)});
      }
    });
  return y;
}

template <class B>
Var<4, B> harmonic_field(Var<4, B> x, Var<0, B> rss, PfssGrid const& grid, HarmonicOptions const& options) {
  Tape<B>& tape = x.tape();
  expect_shape(x.shape()[0] == 1,
               "harmonic_field: the maps are " + to_string(x.shape()) + ", expected one map at a time");
  auto const y = tape.make(Shape<4>{grid.n_r + 1, grid.n_s + 1, grid.n_phi, 3}, x.wants_grad() || rss.wants_grad());
  kernel::harmonic_nodes<B>(tape.workspace(), grid, options, pfss_map(x.value, 0), y.value);
  if (y.wants_grad())
    tape.record("heliograd::harmonic_field", y, [=](Tape<B>& t) {
      if (rss.wants_grad())
        kernel::harmonic_nodes_slope<B>(t.workspace(), grid, options, pfss_map(x.value, 0), y.grad(), t.into(rss));
      if (x.wants_grad()) {
        auto const gx = t.into(x);
        kernel::harmonic_nodes_backward<B>(t.workspace(), grid, options, y.grad(),
                                           Sink<2, B>{pfss_map(gx.out, 0), gx.beta});
      }
    });
  return y;
}

}  // namespace detail

/// The radial field on the source surface, by spherical harmonics.
///
/// Shapes   map [n, n_s, n_phi, 1], rows from south to north of equal steps in sine latitude -> the same.
/// Math     coefficients of degrees 1..l_max of x, times rss^{-l-2} (2 l + 1) / (l + 1 + l rss^{-2l-1}), at the middles of cells.
/// Gradient linear in x: the transpose, exact; with respect to rss exact, too (second form).
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
/// Gradient linear in x: the transpose, exact; with respect to rss (which moves the shells, too) exact.
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
