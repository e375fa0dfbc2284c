// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <heliograd/kernel/soft_histogram.hpp>
#include <heliograd/loss/detail/pair.hpp>

namespace heliograd::inline HELIOGRAD_ABI::loss {

namespace detail {
/// k / x where there is a slope at all.
struct LogarithmicSlope {
  template <class T>
  KOKKOS_FUNCTION T operator()(T k, T x) const {
    return k < T(0) || k > T(0) ? k / x : T(0);
  }
};
}  // namespace detail

/// The distance between the distributions of values: the total variation between soft histograms, sample by sample.
/// Shapes   two [n, h, w, c] -> []; a sample is all of one n.
/// Math     \f$ L = \frac1n \sum_n \frac12 \sum_k |h_{nk}(x) - h_{nk}(y)| \f$ with
///          \f$ h_{nk}(x) = \frac1P \sum_i \max(0, 1 - |u(x_{ni}) - k|) \f$, u as in SignedLogBins; between 0 and 1.
/// Gradient \f$ \bar x_{ni} = \frac{\bar L}{2nP} u'(x_{ni}) (s_{\lfloor u \rfloor + 1} - s_{\lfloor u \rfloor}) \f$ with
///          \f$ s_k = \operatorname{sign}(h_{nk}(x) - h_{nk}(y)) \f$; zero for noise and beyond the limit. Likewise for the target.
/// Keeps    both histograms.
/// Cost     one pass over each argument forward, one per gradient backward; a logarithm for each value above the noise.
/// Throws   ShapeError if the shapes differ or there are no elements; UsageError for impossible bins.
/// The hats are those of Wang, Li, Ouyang, Wang (Learnable histogram; ECCV 2016).
template <class B>
Var<0, B> histogram(Var<4, B> prediction, Var<4, B> target, SignedLogBins const& bins) {
  constexpr char const* name = "heliograd::loss::histogram";
  detail::expect_pair(name, prediction, target);
  kernel::expect_bins(name, bins);
  Tape<B>& tape = prediction.tape();
  auto const loss = tape.make(Shape<0>{}, prediction.wants_grad() || target.wants_grad());
  std::size_t const samples = prediction.shape()[0];
  std::size_t const count = static_cast<std::size_t>(bins.count());
  auto* const of_prediction = tape.template keep<double>(samples * count);
  auto* const of_target = tape.template keep<double>(samples * count);
  kernel::soft_histogram<B>(tape.workspace(), prediction.value, bins, of_prediction);
  kernel::soft_histogram<B>(tape.workspace(), target.value, bins, of_target);
  kernel::mean_total_variation<B>(tape.workspace(), samples, count, of_prediction, of_target, loss.value);
  if (loss.wants_grad())
    tape.record(
        name, loss,
        [=](Tape<B>& t) {
          if (prediction.wants_grad())
            kernel::mean_total_variation_backward<B>(t.workspace(), prediction.value, bins, of_prediction, of_target,
                                                     loss.grad(), t.into(prediction));
          if (target.wants_grad())
            kernel::mean_total_variation_backward<B>(t.workspace(), target.value, bins, of_target, of_prediction,
                                                     loss.grad(), t.into(target));
        },
        [=](Tape<B>& t, Var<0, B> gloss) {
          // Bins are equally wide in the logarithm: the slope at x is k / x, and k changes by jumps only.
          auto const one = detail::filled(t, Shape<0>{}, 1).value;
          auto const deliver = [&](Var<4, B> x, double const* own, double const* other) {
            auto const slope = t.make(x.shape(), false);
            kernel::mean_total_variation_backward<B>(t.workspace(), x.value, bins, own, other, one, {slope.value, 0});
            auto const k = slope * t.detach(x);
            t.deliver(x, scale(gloss, pointwise("heliograd::loss::histogram", detail::LogarithmicSlope{}, k, x)));
          };
          if (t.wants(prediction)) deliver(prediction, of_prediction, of_target);
          if (t.wants(target)) deliver(target, of_target, of_prediction);
        });
  return loss;
}

}  // namespace heliograd::inline HELIOGRAD_ABI::loss
