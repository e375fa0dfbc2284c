// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <heliograd/kernel/pad.hpp>
#include <heliograd/tape/tape.hpp>

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
  Tape<B>& tape = x.tape();
  auto const y = tape.make(kernel::pad_shape(x.shape(), padding, mode), x.wants_grad());
  kernel::pad<B>(tape.workspace(), x.value, y.value, padding, mode);
  if (y.wants_grad())
    tape.record("pad", y,
                [=](Tape<B>& t) { kernel::pad_backward<B>(t.workspace(), y.grad(), t.into(x), padding, mode); });
  return y;
}

}  // namespace heliograd::inline HELIOGRAD_ABI
