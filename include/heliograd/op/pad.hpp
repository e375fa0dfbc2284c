// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <heliograd/kernel/pad.hpp>
#include <heliograd/op/linear_map.hpp>

namespace heliograd::inline HELIOGRAD_ABI {

/// A frame around each image: zeros, or the image continued by reflection, by its edge, or periodically (longitude).
/// Convolutions pad by themselves; this is for everything else.
///
/// Shapes   x [n, h, w, c] -> [n, top + h + bottom, left + w + right, c].
/// Math     \f$ y_{n,p,q,c} = x_{n,\,\rho(p - t),\,\rho(q - l),\,c} \f$, where \f$ \rho \f$ maps positions outside the image to
///          pixels as PaddingMode says, or \f$ y = 0 \f$.
/// Gradient each pixel gathers the gradients of all positions at which it stands.
/// Keeps    nothing.
/// Cost     one copy; backward one read of the output gradient.
/// Throws   ShapeError if a reflection needs more neighbours, or a period more pixels, than there are; UsageError for a
///          negative padding.
template <class B>
Var<4, B> pad(Var<4, B> x, Padding2d padding, PaddingMode mode = PaddingMode::zero) {
  return linear_map(
      "heliograd::pad", kernel::pad_shape(x.shape(), padding, mode), x,
      [=](Workspace<B>& ws, auto const& in, auto const& y) { kernel::pad<B>(ws, in, y, padding, mode); },
      [=](Workspace<B>& ws, auto const& gy, auto const& gx) { kernel::pad_backward<B>(ws, gy, gx, padding, mode); });
}

}  // namespace heliograd::inline HELIOGRAD_ABI
