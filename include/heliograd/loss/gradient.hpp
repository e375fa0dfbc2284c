// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <heliograd/kernel/sobel.hpp>
#include <heliograd/loss/detail/pair.hpp>

namespace heliograd::inline HELIOGRAD_ABI::loss {

/// The mean squared length of the Sobel gradient of the difference: what the prediction gets wrong about edges.
/// Shapes   two [n, h, w, c] -> [].
/// Math     \f$ L = \frac1N \sum_i (G_x \ast \Delta)_i^2 + (G_y \ast \Delta)_i^2, \ \Delta = x - y \f$, with replicated borders.
/// Gradient \f$ \bar x = \frac{2 \bar L}{N} (G_x^T G_x + G_y^T G_y) \Delta \f$, and its negative for the target if it wants one.
/// Keeps    nothing but its arguments.
/// Cost     four passes forward, three backward per gradient, over three images of scratch.
/// Throws   ShapeError if the shapes differ or there are no elements.
///
/// \param scale of the Sobel filters: 1/8 makes the gradient a slope per pixel; 1 is the plain integer filter.
template <class B>
Var<0, B> gradient(Var<4, B> prediction, Var<4, B> target, double scale = kernel::sobel_per_pixel) {
  return detail::symmetric<detail::Bend::quadratic>(
      "heliograd::loss::gradient", prediction, target,
      [scale](Workspace<B>& ws, auto const& x, auto const& y, auto const& mean) {
        kernel::mean_sobel_energy<B>(ws, x, y, scale, mean);
      },
      [scale](Workspace<B>& ws, auto const& x, auto const& y, auto const& gmean, auto const& gx) {
        kernel::mean_sobel_energy_backward<B>(ws, x, y, scale, gmean, gx);
      });
}

}  // namespace heliograd::inline HELIOGRAD_ABI::loss
