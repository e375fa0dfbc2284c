// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <heliograd/kernel/shift.hpp>
#include <heliograd/op/linear_map.hpp>

namespace heliograd::inline HELIOGRAD_ABI {

/// An image batch moved by any number of pixels, by the cubic spline through its pixels.
///
/// Shapes   x [n, h, w, c] -> the same.
/// Math     \f$ y_{pq} = s(p - down, q - right) \f$ with s the spline of order 3 in each direction that takes the pixels' values
///          and continues them mirrored about the outermost ones; options.fill where the place is beyond these.
/// Gradient the transpose; linear in x but for the fill. Can be differentiated again.
/// Keeps    nothing.
/// Cost     for each direction that moves, 32 (double: 60) multiplications per pixel.
/// Throws   ShapeError for an image without pixels; UsageError for a shift that is not finite.
/// Source   Unser, Aldroubi and Eden, IEEE Trans. Signal Process. 41, 1993.
template <class B>
Var<4, B> shift(Var<4, B> x, ShiftOptions options) {
  kernel::detail::check_shift(x.shape(), x.shape(), options);
  Tape<B>& tape = x.tape();
  auto const y = tape.make(x.shape(), x.wants_grad());
  kernel::shift<B>(tape.workspace(), x.value, y.value, options);
  if (y.wants_grad()) {
    ShiftOptions derivative = options;
    derivative.fill = 0;
    auto const forward = [=](Workspace<B>& ws, auto const& in, auto const& out) {
      kernel::shift<B>(ws, in, out, derivative);
    };
    auto const adjoint = [=](Workspace<B>& ws, auto const& gy, auto const& gx) {
      kernel::shift_backward<B>(ws, gy, gx, derivative);
    };
    tape.record(
        "heliograd::shift", y, [=](Tape<B>& t) { adjoint(t.workspace(), y.grad(), t.into(x)); },
        [=](Tape<B>& t, Var<4, B> gy) {
          if (t.wants(x))
            t.deliver(x, detail::linear_pair("heliograd::shift_transpose", x.shape(), gy, adjoint,
                                             detail::Delivering<decltype(forward)>{forward}));
        });
  }
  return y;
}

}  // namespace heliograd::inline HELIOGRAD_ABI
