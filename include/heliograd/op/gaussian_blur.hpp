// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <heliograd/kernel/gaussian_blur.hpp>
#include <heliograd/op/linear_map.hpp>

namespace heliograd::inline HELIOGRAD_ABI {

/// Images out of focus: a Gaussian of a width in pixels, out to four times that, each channel by itself.
/// Shapes   [n, h, w, c] -> the same.
/// Math     \f$ y_{pq} = \sum_{ab} w_a w_b x_{p+a, q+b} \f$ with \f$ w_a \propto e^{-a^2 / 2 \sigma^2} \f$ of sum 1; beyond the border the edge is
///          repeated, so constant images stay what they are.
/// Gradient the transpose, exactly; to any order.
/// Keeps    nothing.
/// Cost     two passes of 8 sigma + 1 taps, in both directions, over one image of scratch; carried in double.
/// Throws   UsageError unless sigma lies in (0, 32].
template <class B>
Var<4, B> gaussian_blur(Var<4, B> x, double sigma) {
  constexpr char const* name = "heliograd::gaussian_blur";
  auto const taps = kernel::gaussian_taps(name, sigma);
  return linear_map(
      name, x.shape(), x,
      [taps](Workspace<B>& ws, auto const& in, auto const& y) { kernel::gaussian_blur<B>(ws, in, taps, y); },
      [taps](Workspace<B>& ws, auto const& gy, auto const& gx) {
        kernel::gaussian_blur_backward<B>(ws, gy, taps, gx);
      });
}

}  // namespace heliograd::inline HELIOGRAD_ABI
