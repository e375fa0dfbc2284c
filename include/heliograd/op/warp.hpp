// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>
#include <type_traits>

#include <heliograd/kernel/warp.hpp>
#include <heliograd/op/linear_map.hpp>

namespace heliograd::inline HELIOGRAD_ABI {

namespace detail {

/// The transpose of `warp` at given positions, as an op: for the linear methods.
template <class B, class Positions>
Var<4, B> warp_transpose(Var<4, B> gy, Shape<4> const& shape, Positions const& positions, WarpOptions options) {
  options.fill = 0;  // a derivative has nothing to fill in
  auto const forward = [=](Workspace<B>& ws, auto const& in, auto const& y) {
    kernel::warp<B>(ws, in, positions, y, options);
  };
  return linear_pair(
      "heliograd::warp_transpose", shape, gy,
      [=](Workspace<B>& ws, auto const& from, auto const& to) {
        kernel::warp_backward<B>(ws, {}, positions, from, to, options);
      },
      Delivering<decltype(forward)>{forward});
}

/// Records g, the gradient of `warp` to the image or to the positions, as an op of the image, the positions and y's gradient:
/// its own gradient is a motion of what it is the gradient to. `field` is empty where the positions are those of nobody.
template <class B, class Positions>
void record_slope(char const* name, Var<4, B> g, Var<4, B> x, Var<4, B> field, Var<4, B> gy, Positions const& positions,
                  WarpOptions const& options, bool to_positions) {
  using T = typename B::scalar_type;
  g.tape().record(name, g, [=](Tape<B>& t) {
    T const* const v = g.grad().data();
    auto const motion = to_positions ? kernel::detail::WarpMotion<T>{nullptr, v} : kernel::detail::WarpMotion<T>{v};
    if (gy.wants_grad()) kernel::warp_tangent<B>(t.workspace(), x.value, motion, positions, t.into(gy), options);
    if (x.wants_grad() && (to_positions || options.method == Interpolation::pchip))
      kernel::warp_bend<B>(t.workspace(), x.value, motion, positions, gy.value, t.into(x), options);
    if constexpr (std::is_same_v<Positions, PositionField<T>>)
      if (field.wants_grad())
        kernel::warp_bend_positions<B>(t.workspace(), x.value, motion, field.value, gy.value, t.into(field), options);
  });
}

/// The gradient of `warp` to the image as an op that can be differentiated, once.
template <class B, class Positions>
Var<4, B> warp_slope(Var<4, B> x, Var<4, B> field, Var<4, B> gy, Positions const& positions,
                     WarpOptions const& options) {
  Tape<B>& tape = x.tape();
  auto const g = tape.make(x.shape(), x.wants_grad() || field.wants_grad() || gy.wants_grad());
  kernel::warp_backward<B>(tape.workspace(), x.value, positions, gy.value, {g.value, 0}, options);
  if (g.wants_grad()) record_slope("heliograd::warp_slope", g, x, field, gy, positions, options, false);
  return g;
}

/// The gradient of `warp` to the positions, likewise.
template <class B>
Var<4, B> warp_position_slope(Var<4, B> x, Var<4, B> field, Var<4, B> gy, WarpOptions const& options) {
  Tape<B>& tape = x.tape();
  auto const g = tape.make(field.shape(), x.wants_grad() || field.wants_grad() || gy.wants_grad());
  kernel::warp_backward_positions<B>(tape.workspace(), x.value, field.value, gy.value, {g.value, 0}, options);
  if (g.wants_grad())
    record_slope("heliograd::warp_position_slope", g, x, field, gy, position_field(field.value), options, true);
  return g;
}

/// Records the gradient of `warp` to x alone.
template <class B, class Positions>
void record_warp(Var<4, B> x, Var<4, B> y, Positions const& positions, WarpOptions const& options) {
  auto const once = [=](Tape<B>& t) {
    kernel::warp_backward<B>(t.workspace(), x.value, positions, y.grad(), t.into(x), options);
  };
  x.tape().record("heliograd::warp", y, once, [=](Tape<B>& t, Var<4, B> gy) {
    if (!t.wants(x)) return;
    t.deliver(x, options.method == Interpolation::pchip ? warp_slope(x, {}, gy, positions, options)
                                                        : warp_transpose(gy, x.shape(), positions, options));
  });
}

}  // namespace detail

/// An image batch sampled at positions that a functor gives for each output pixel: `AffineMap`, a `PositionField`, or one's own
/// (kernel/positions.hpp).
///
/// Shapes   x [n, h, w, c] -> [n, height, width, c].
/// Math     \f$ y_{pq} = x(\pi(p, q)) \f$, x continued between pixel centres by options.method; options.fill outside.
/// Gradient to x: every pixel gathers from the outputs that use it, in a fixed order. Exact for the linear methods; for pchip
///          the derivative of the slopes is included. Linear methods can be differentiated to any order, pchip twice.
/// Keeps    nothing.
/// Cost     1, 4 or 16 pixels read per output pixel; backward a sort of the output pixels, 4 (h w + 4 p q) bytes of scratch,
///          for pchip up to 32 MB more.
/// Throws   ShapeError for an image without pixels, or a field of another size.
template <class B, class Positions>
Var<4, B> warp(Var<4, B> x, Positions const& positions, std::size_t height, std::size_t width,
               WarpOptions options = {}) {
  Tape<B>& tape = x.tape();
  Shape<4> const shape{x.shape()[0], height, width, x.shape()[3]};
  kernel::detail::check_warp(x.shape(), shape, positions);
  auto const y = tape.make(shape, x.wants_grad());
  kernel::warp<B>(tape.workspace(), x.value, positions, y.value, options);
  if (y.wants_grad()) detail::record_warp(x, y, positions, options);
  return y;
}

/// The same at positions from the tape: row and column in pixels, for all images or for each its own.
///
/// Shapes   x [n, h, w, c], positions [1, p, q, 2] or [n, p, q, 2] -> [n, p, q, c].
/// Gradient to x as above; to the positions where options.method is not nearest: the derivative of the interpolation, zero
///          outside. For bilinear it jumps at pixel centres (the derivative to the right is taken). Twice differentiable, the
///          linear methods to any order where the positions want no gradient. Between the jumps bilinear's second derivative to
///          the positions is the mixed one alone.
/// Throws   ShapeError for positions of another shape.
template <class B>
Var<4, B> warp(Var<4, B> x, Var<4, B> positions, WarpOptions options = {}) {
  auto const s = positions.shape();
  expect_shape(s[3] == 2 && (s[0] == 1 || s[0] == x.shape()[0]),
               "warp: positions " + to_string(s) + " for images " + to_string(x.shape()) +
                   " must be [1, p, q, 2] or [" + std::to_string(x.shape()[0]) +
                   ", p, q, 2]: row and column of each output pixel");
  Tape<B>& tape = x.tape();
  Shape<4> const shape{x.shape()[0], s[1], s[2], x.shape()[3]};
  auto const field = position_field(positions.value);
  kernel::detail::check_warp(x.shape(), shape, field);
  auto const y = tape.make(shape, x.wants_grad() || positions.wants_grad());
  kernel::warp<B>(tape.workspace(), x.value, field, y.value, options);
  if (x.wants_grad() && !positions.wants_grad()) detail::record_warp(x, y, field, options);
  if (positions.wants_grad())
    tape.record(
        "heliograd::warp", y,
        [=](Tape<B>& t) {
          if (x.wants_grad()) kernel::warp_backward<B>(t.workspace(), x.value, field, y.grad(), t.into(x), options);
          kernel::warp_backward_positions<B>(t.workspace(), x.value, positions.value, y.grad(), t.into(positions),
                                             options);
        },
        [=](Tape<B>& t, Var<4, B> gy) {
          if (t.wants(x)) t.deliver(x, detail::warp_slope(x, positions, gy, field, options));
          if (t.wants(positions)) t.deliver(positions, detail::warp_position_slope(x, positions, gy, options));
        });
  return y;
}

/// The image turned by `angle_rad` (from growing columns to growing rows: counter-clockwise where row 0 is at the bottom) and
/// magnified by `scale` about its middle, in a frame of the same size.
template <class B>
Var<4, B> rotate(Var<4, B> x, double angle_rad, double scale = 1, WarpOptions options = {}) {
  std::size_t const h = x.shape()[1], w = x.shape()[2];
  return warp(x, rotation(angle_rad, scale, middle(h, w), middle(h, w)), h, w, options);
}

}  // namespace heliograd::inline HELIOGRAD_ABI
