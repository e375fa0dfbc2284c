// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <cmath>
#include <cstddef>
#include <limits>

#include <heliograd/metrics/detail/measure.hpp>

namespace heliograd::inline HELIOGRAD_ABI::metrics {

/// Sums over the pixels of prediction - truth. Those of several images add up to those of all their pixels.
struct Residual {
  std::size_t count = 0;
  double sum = 0;
  double sum_absolute = 0;
  double sum_squares = 0;
  double sum_truth_squares = 0;

  /// NaN if no pixel counts.
  double bias() const { return sum / number(); }
  double mean_absolute() const { return sum_absolute / number(); }
  double rmse() const { return std::sqrt(sum_squares / number()); }
  /// The sum of squares relative to that of the truth.
  double nmse() const { return sum_squares / (sum_truth_squares > 0 ? sum_truth_squares : nan()); }

  Residual& operator+=(Residual const& other) {
    count += other.count;
    sum += other.sum;
    sum_absolute += other.sum_absolute;
    sum_squares += other.sum_squares;
    sum_truth_squares += other.sum_truth_squares;
    return *this;
  }

 private:
  static double nan() { return std::numeric_limits<double>::quiet_NaN(); }
  double number() const { return count > 0 ? static_cast<double>(count) : nan(); }
};

namespace detail {
template <class T>
struct ResidualTerm {
  MaskedPair<T> pair;
  KOKKOS_FUNCTION void operator()(std::size_t, std::size_t i, kernel::Sums<5>& one) const {
    bool const counts = pair.valid(i);
    double const t = counts ? static_cast<double>(pair.truth[i]) : 0.0;
    double const d = counts ? static_cast<double>(pair.prediction[i]) - t : 0.0;
    one[0] = counts ? 1.0 : 0.0;
    one[1] = d;
    one[2] = d < 0 ? -d : d;
    one[3] = d * d;
    one[4] = t * t;
  }
};
}  // namespace detail

/// Bias, mean absolute and root mean square of prediction - truth over all pixels that count: finite in both images, and
/// positive in the mask if there is one.
/// Shapes   prediction, truth, mask [h, w].
/// Throws   ShapeError if the shapes differ. Waits for the execution space.
template <class B>
Residual residual(Workspace<B>& ws, ConstTensorRef<2, B> prediction, ConstTensorRef<2, B> truth,
                  ConstTensorRef<2, B> mask = {}) {
  auto const pair = detail::masked_pair<B>("metrics::residual", prediction, truth, mask);
  auto const s = detail::sums<5>(ws, "heliograd::metrics::residual", 1, prediction.size(),
                                 detail::ResidualTerm<typename B::scalar_type>{pair})
                     .front();
  return {static_cast<std::size_t>(s[0]), s[1], s[2], s[3], s[4]};
}

}  // namespace heliograd::inline HELIOGRAD_ABI::metrics
