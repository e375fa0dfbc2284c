// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <limits>
#include <type_traits>

#include <heliograd/kernel/pchip.hpp>
#include <heliograd/tape/tape.hpp>

namespace heliograd::inline HELIOGRAD_ABI {

namespace detail {
/// The gradient of `pchip` as an op of the values and of y's gradient. It can be differentiated, once.
template <class B>
Var<2, B> pchip_slope(Var<2, B> values, kernel::PchipGrid const& grid, Var<2, B> gy) {
  Tape<B>& tape = values.tape();
  auto const g = tape.make(values.shape(), values.wants_grad() || gy.wants_grad());
  kernel::pchip_backward<B>(tape.workspace(), values.value, grid, gy.value, {g.value, 0});
  if (g.wants_grad())
    tape.record("heliograd::pchip_slope", g, [=](Tape<B>& t) {
      if (gy.wants_grad()) kernel::pchip_tangent<B>(t.workspace(), values.value, g.grad(), grid, t.into(gy));
      if (values.wants_grad())
        kernel::pchip_bend<B>(t.workspace(), values.value, g.grad(), grid, gy.value, t.into(values));
    });
  return g;
}
}  // namespace detail

/// Lines of numbers, known at ascending knots, at other points: monotone piecewise cubic interpolation, without overshoot.
///
/// Shapes   values [lines, k], knots [k], points [m] -> [lines, m]; knots and points in double, in memory of the backend that
///          outlives the step.
/// Math     Hermite's cubic on each interval, with the slopes of Fritsch and Butland; `fill` beyond the knots.
/// Gradient to the values, slopes included; gathered. Twice differentiable.
/// Keeps    nothing; the gradient reads the values again.
/// Cost     a search per point; backward a sort of the points.
/// Throws   ShapeError if there is not a value per knot, or fewer than two.
template <class B, class Knots, class Points>
Var<2, B> pchip(Var<2, B> values, Knots const& knots, Points const& points,
                double fill = std::numeric_limits<double>::quiet_NaN()) {
  static_assert(std::is_same_v<typename Knots::non_const_value_type, double> &&
                    std::is_same_v<typename Points::non_const_value_type, double>,
                "heliograd::pchip: knots and points are views of double");
  Tape<B>& tape = values.tape();
  kernel::PchipGrid const grid{knots.data(), knots.size(), points.data(), points.size()};
  Shape<2> const shape{values.shape()[0], points.size()};
  kernel::detail::check_pchip(values.shape(), shape, grid);
  auto const y = tape.make(shape, values.wants_grad());
  kernel::pchip<B>(tape.workspace(), values.value, grid, y.value, fill);
  if (y.wants_grad())
    tape.record(
        "heliograd::pchip", y,
        [=](Tape<B>& t) { kernel::pchip_backward<B>(t.workspace(), values.value, grid, y.grad(), t.into(values)); },
        [=](Tape<B>& t, Var<2, B> gy) {
          if (t.wants(values)) t.deliver(values, detail::pchip_slope(values, grid, gy));
        });
  return y;
}

}  // namespace heliograd::inline HELIOGRAD_ABI
