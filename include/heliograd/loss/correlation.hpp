// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>
#include <string>

#include <heliograd/kernel/correlation.hpp>
#include <heliograd/loss/detail/pair.hpp>
#include <heliograd/op/arithmetic.hpp>
#include <heliograd/op/pool.hpp>

namespace heliograd::inline HELIOGRAD_ABI::loss {

namespace detail {
template <int Rank, class B>
struct CorrelationForm {
  CorrelationOptions options;
  std::size_t segments;
  TensorRef<Rank, B> weights;

  template <class View>
  void slope(Workspace<B>& ws, View const& x, View const& y, Sink<Rank, B> const& gx) const {
    auto scope = ws.scope();
    auto* const coefficients = scope.template take<kernel::AgreementSlope>(segments);
    auto const loss = scope.tensor(Shape<0>{});
    kernel::mean_disagreement<B, Rank>(ws, options, segments, x, y, weights, loss, coefficients);
    fill(ws, loss, typename B::scalar_type(1));
    kernel::mean_disagreement_backward<B, Rank>(ws, segments, x, y, weights, coefficients, 0, loss, gx);
  }
  template <class View>
  void bend(Workspace<B>& ws, View const& x, View const& y, View const& vx, View const& vy,
            Sink<Rank, B> const& gx) const {
    kernel::mean_disagreement_bend<B, Rank>(ws, options, segments, x, y, vx, vy, weights, gx);
  }
};
}  // namespace detail

/// One minus the agreement of two images: Lin's concordance, or Pearson's correlation.
/// Shapes   two tensors of one shape, and weights of that shape or none -> [].
/// Math     \f$ L = 1 - C, \ C = \frac{2 s_{xy}}{s_x^2 + s_y^2 + (m_x - m_y)^2 + \epsilon} \f$ with unbiased moments over everything, or
///          for pearson \f$ C = S_{xy} / \sqrt{(S_{xx} + \epsilon)(S_{yy} + \epsilon)} \f$ with sums about the means. With each_image the mean
///          of one C for each entry of the first axis. Weights count pixels; one that is not positive leaves its pixel out.
/// Gradient exact, for both; finite for constant images. Zero where fewer than two pixels count. Twice differentiable.
/// Keeps    nothing but its arguments.
/// Cost     two passes forward, one backward per gradient; carried in double in a fixed order.
/// Throws   ShapeError if the shapes differ or there are no elements; UsageError unless epsilon is positive.
template <int Rank, class B>
Var<0, B> correlation(Var<Rank, B> prediction, Var<Rank, B> target, CorrelationOptions const& options = {},
                      TensorRef<Rank, B> weights = {}) {
  constexpr char const* name = "heliograd::loss::correlation";
  static_assert(Rank >= 1, "heliograd::loss::correlation: numbers have no correlation");
  detail::expect_pair(name, prediction, target);
  detail::expect_weights(name, prediction, weights);
  expect(options.epsilon > 0,
         std::string(name) + ": epsilon must be positive (found " + std::to_string(options.epsilon) + ")");
  Tape<B>& tape = prediction.tape();
  std::size_t const segments = options.each_image ? prediction.shape()[0] : 1;
  auto const loss = tape.make(Shape<0>{}, prediction.wants_grad() || target.wants_grad());
  auto* const slope = tape.template keep<kernel::AgreementSlope>(segments);
  kernel::mean_disagreement<B, Rank>(tape.workspace(), options, segments, prediction.value, target.value, weights,
                                     loss.value, slope);
  if (loss.wants_grad())
    tape.record(
        name, loss,
        [=](Tape<B>& t) {
          if (prediction.wants_grad())
            kernel::mean_disagreement_backward<B, Rank>(t.workspace(), segments, prediction.value, target.value,
                                                        weights, slope, 0, loss.grad(), t.into(prediction));
          if (target.wants_grad())
            kernel::mean_disagreement_backward<B, Rank>(t.workspace(), segments, prediction.value, target.value,
                                                        weights, slope, 1, loss.grad(), t.into(target));
        },
        [=](Tape<B>& t, Var<0, B> gloss) {
          detail::deliver_slope(t, name, detail::CorrelationForm<Rank, B>{options, segments, weights}, prediction,
                                target, gloss);
        });
  return loss;
}

/// The mean of `correlation` over images that get smaller and smaller: the large scales count as much as the pixels
/// (Jeong et al. 2022, with four levels).
/// Shapes   two [n, h, w, c] -> [].
/// Math     \f$ L = \frac1K \sum_{k<K} 1 - C(P^k x, P^k y) \f$ with P the average over windows of 3 in steps of 2, of pixels inside the image
/// Keeps    the smaller images, a third of the arguments' size together.
/// Cost     4/3 of `correlation` and of `average_pool`.
/// Otherwise as `correlation`.
template <class B>
Var<0, B> correlation_pyramid(Var<4, B> prediction, Var<4, B> target, std::size_t levels = 4,
                              CorrelationOptions const& options = {}) {
  expect(levels > 0, "heliograd::loss::correlation_pyramid: it needs at least one level");
  detail::expect_pair("heliograd::loss::correlation_pyramid", prediction, target);
  auto const x = pyramid(prediction, levels);
  auto const y = pyramid(target, levels);
  auto total = correlation(x[0], y[0], options);
  for (std::size_t k = 1; k < levels; ++k) total = total + correlation(x[k], y[k], options);
  return (1.0 / static_cast<double>(levels)) * total;
}

}  // namespace heliograd::inline HELIOGRAD_ABI::loss
