// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>

#include <heliograd/kernel/resample.hpp>
#include <heliograd/op/linear_map.hpp>

namespace heliograd::inline HELIOGRAD_ABI {

/// An image batch on another grid over the same area: nearest, bilinear, bicubic or area mean, any sizes.
///
/// Shapes   x [n, h, w, c] -> [n, height, width, c].
/// Math     \f$ y_{po} = \sum_{ij} a_{pi} b_{oj} x_{ij} \f$, with weights along each axis for the position
///          \f$ (o + 1/2)\, w/width - 1/2 \f$, and likewise for rows; with options.align_corners for \f$ o\, (w - 1)/(width - 1) \f$. Bicubic: kernel of Keys (IEEE Trans. ASSP 29, 1981)
///          with slope options.cubic at distance 1, border pixels repeated.
/// Gradient the transpose, gathered; linear in x, so exact.
/// Keeps    nothing.
/// Cost     one pass over x and y (bilinear, nearest; 8 channels and more), else one per axis.
/// Throws   ShapeError for an image without pixels; UsageError for area with align_corners.
///
/// A constant image stays that constant to the last bit, and the same size gives the same bits. NaN spreads to the pixels
/// whose weights it has.
template <class B>
Var<4, B> resample(Var<4, B> x, std::size_t height, std::size_t width, ResampleOptions options = {}) {
  Shape<4> const shape{x.shape()[0], height, width, x.shape()[3]};
  kernel::detail::check_resample(x.shape(), shape, options);
  return linear_map(
      "heliograd::resample", shape, x,
      [=](Workspace<B>& ws, auto const& in, auto const& y) { kernel::resample<B>(ws, in, y, options); },
      [=](Workspace<B>& ws, auto const& gy, auto const& gx) { kernel::resample_backward<B>(ws, gy, gx, options); });
}

/// The same, `factor` times as large on both axes.
template <class B>
Var<4, B> resample(Var<4, B> x, std::size_t factor, ResampleOptions options = {}) {
  return resample(x, factor * x.shape()[1], factor * x.shape()[2], options);
}

}  // namespace heliograd::inline HELIOGRAD_ABI
