// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <type_traits>

#include <heliograd/kernel/pixel.hpp>
#include <heliograd/loss/detail/pair.hpp>

/// \file
/// Losses that compare two tensors of any rank element by element.
namespace heliograd::inline HELIOGRAD_ABI::loss {

namespace detail {
template <class Penalty, int Rank, class B>
Var<0, B> mean_penalty(char const* name, Var<Rank, B> prediction, Var<Rank, B> target,
                       TensorRef<Rank, B> const& weights) {
  constexpr Bend bend = std::is_same_v<Penalty, kernel::SquaredPenalty> ? Bend::quadratic : Bend::straight;
  expect_weights(name, prediction, weights);
  if (!weights.data())
    return symmetric<bend>(
        name, prediction, target,
        [](Workspace<B>& ws, auto const& x, auto const& y, auto const& mean) {
          kernel::mean_penalty<B, Rank>(ws, Penalty{}, x, y, mean);
        },
        [](Workspace<B>& ws, auto const& x, auto const& y, auto const& gmean, auto const& gx) {
          kernel::mean_penalty_backward<B, Rank>(ws, Penalty{}, x, y, gmean, gx);
        });
  auto* const total = prediction.tape().template keep<double>(1);
  return symmetric<bend>(
      name, prediction, target,
      [=](Workspace<B>& ws, auto const& x, auto const& y, auto const& mean) {
        kernel::weighted_mean_penalty<B, Rank>(ws, Penalty{}, x, y, weights, mean, total);
      },
      [=](Workspace<B>& ws, auto const& x, auto const& y, auto const& gmean, auto const& gx) {
        kernel::weighted_mean_penalty_backward<B, Rank>(ws, Penalty{}, x, y, weights, total, gmean, gx);
      });
}
}  // namespace detail

/// The mean squared difference.
/// Shapes   two tensors of one shape, and weights of that shape or none -> [].
/// Math     \f$ L = \frac1N \sum_i (x_i - y_i)^2 \f$; with weights \f$ L = \sum_i w_i (x_i - y_i)^2 / \sum_i w_i \f$ over those that
///          are positive, 0 if none is. What has no positive weight does not count, a NaN neither.
/// Gradient \f$ \bar x_i = \frac{2 \bar L}{N} (x_i - y_i) \f$, or with \f$ w_i / \sum w \f$ for 1/N; its negative for the target if it
///          wants one; none for the weights. Twice differentiable.
/// Keeps    nothing but its arguments.
/// Cost     one pass forward, one backward per gradient; summed in double in a fixed order.
/// Throws   ShapeError if the shapes differ or there are no elements.
template <int Rank, class B>
Var<0, B> mse(Var<Rank, B> prediction, Var<Rank, B> target, TensorRef<Rank, B> weights = {}) {
  return detail::mean_penalty<kernel::SquaredPenalty>("heliograd::loss::mse", prediction, target, weights);
}

/// The mean absolute difference; otherwise as `mse`.
/// Math     \f$ L = \frac1N \sum_i |x_i - y_i| \f$
/// Gradient \f$ \bar x_i = \frac{\bar L}{N} \operatorname{sign}(x_i - y_i) \f$, zero where they are equal.
template <int Rank, class B>
Var<0, B> l1(Var<Rank, B> prediction, Var<Rank, B> target, TensorRef<Rank, B> weights = {}) {
  return detail::mean_penalty<kernel::AbsolutePenalty>("heliograd::loss::l1", prediction, target, weights);
}

}  // namespace heliograd::inline HELIOGRAD_ABI::loss
