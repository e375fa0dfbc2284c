// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <heliograd/kernel/pixel.hpp>
#include <heliograd/loss/detail/pair.hpp>

/// \file
/// Losses that compare two tensors of any rank element by element.
namespace heliograd::inline HELIOGRAD_ABI::loss {

namespace detail {
template <class Penalty, int Rank, class B>
Var<0, B> mean_penalty(char const* name, Var<Rank, B> prediction, Var<Rank, B> target) {
  return symmetric(
      name, prediction, target,
      [](Workspace<B>& ws, auto const& x, auto const& y, auto const& mean) {
        kernel::mean_penalty<B, Rank>(ws, Penalty{}, x, y, mean);
      },
      [](Workspace<B>& ws, auto const& x, auto const& y, auto const& gmean, auto const& gx) {
        kernel::mean_penalty_backward<B, Rank>(ws, Penalty{}, x, y, gmean, gx);
      });
}
}  // namespace detail

/// The mean squared difference.
/// Shapes   two tensors of one shape -> [].
/// Math     \f$ L = \frac1N \sum_i (x_i - y_i)^2 \f$
/// Gradient \f$ \bar x_i = \frac{2 \bar L}{N} (x_i - y_i) \f$, and its negative for the target if it wants one.
/// Keeps    nothing but its arguments.
/// Cost     one pass forward, one backward per gradient; summed in double in a fixed order.
/// Throws   ShapeError if the shapes differ or there are no elements.
template <int Rank, class B>
Var<0, B> mse(Var<Rank, B> prediction, Var<Rank, B> target) {
  return detail::mean_penalty<kernel::SquaredPenalty>("heliograd::loss::mse", prediction, target);
}

/// The mean absolute difference; otherwise as `mse`.
/// Math     \f$ L = \frac1N \sum_i |x_i - y_i| \f$
/// Gradient \f$ \bar x_i = \frac{\bar L}{N} \operatorname{sign}(x_i - y_i) \f$, zero where they are equal.
template <int Rank, class B>
Var<0, B> l1(Var<Rank, B> prediction, Var<Rank, B> target) {
  return detail::mean_penalty<kernel::AbsolutePenalty>("heliograd::loss::l1", prediction, target);
}

}  // namespace heliograd::inline HELIOGRAD_ABI::loss
