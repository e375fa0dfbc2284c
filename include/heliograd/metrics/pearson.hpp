// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <cmath>
#include <cstddef>
#include <limits>
#include <string>
#include <vector>

#include <heliograd/metrics/detail/measure.hpp>

namespace heliograd::inline HELIOGRAD_ABI::metrics {

/// Means, variances and covariance of a prediction and the truth, and from them the correlation. Those of several images
/// add up to those of all their pixels.
struct Correlation {
  std::size_t count = 0;
  double mean_prediction = 0, mean_truth = 0;
  double squares_prediction = 0, squares_truth = 0, products = 0;  ///< sums about the means

  /// Pearson's coefficient; NaN for fewer than two pixels or a constant image.
  double value() const {
    double const scale = std::sqrt(squares_prediction) * std::sqrt(squares_truth);
    return count > 1 && scale > 0 ? products / scale : std::numeric_limits<double>::quiet_NaN();
  }
  /// Lin's concordance: 1 only for equal images, below the correlation for any other scale or offset. With biased moments.
  double concordance() const {
    double const n = static_cast<double>(count);
    double const shift = mean_prediction - mean_truth;
    double const scale = squares_prediction + squares_truth + n * shift * shift;
    return count > 1 && scale > 0 ? 2 * products / scale : std::numeric_limits<double>::quiet_NaN();
  }
  /// The least-squares line prediction = offset + slope * truth.
  double slope() const {
    return squares_truth > 0 ? products / squares_truth : std::numeric_limits<double>::quiet_NaN();
  }
  double offset() const { return mean_prediction - slope() * mean_truth; }

  Correlation& operator+=(Correlation const& other) {
    if (other.count == 0) return *this;
    double const a = static_cast<double>(count);
    double const b = static_cast<double>(other.count);
    double const dp = other.mean_prediction - mean_prediction;
    double const dt = other.mean_truth - mean_truth;
    double const weight = a * b / (a + b);
    squares_prediction += other.squares_prediction + weight * dp * dp;
    squares_truth += other.squares_truth + weight * dt * dt;
    products += other.products + weight * dp * dt;
    mean_prediction += dp * b / (a + b);
    mean_truth += dt * b / (a + b);
    count += other.count;
    return *this;
  }
};

/// The pixels in which the magnitude of some image lies in [low, high].
struct Range {
  double low = 0;
  double high = std::numeric_limits<double>::infinity();
};

/// How many ranges one call takes.
inline constexpr std::size_t most_ranges = 32;

namespace detail {

/// Segment s is range s.
template <class T>
struct RangeOf {
  T const* by;  ///< null: everything
  Kokkos::Array<Range, most_ranges> ranges;
  KOKKOS_FUNCTION bool holds(std::size_t segment, std::size_t i) const {
    if (!by) return true;
    double const v = by[i] < T(0) ? -static_cast<double>(by[i]) : static_cast<double>(by[i]);
    return v >= ranges[segment].low && v <= ranges[segment].high;
  }
};

template <class T>
struct CorrelationMeans {
  MaskedPair<T> pair;
  RangeOf<T> range;
  KOKKOS_FUNCTION void operator()(std::size_t segment, std::size_t i, kernel::Sums<3>& one) const {
    bool const counts = pair.valid(i) && range.holds(segment, i);
    one[0] = counts ? 1.0 : 0.0;
    one[1] = counts ? static_cast<double>(pair.prediction[i]) : 0.0;
    one[2] = counts ? static_cast<double>(pair.truth[i]) : 0.0;
  }
};

template <class T>
struct CorrelationMoments {
  MaskedPair<T> pair;
  RangeOf<T> range;
  kernel::Sums<3> const* means;
  KOKKOS_FUNCTION void operator()(std::size_t segment, std::size_t i, kernel::Sums<3>& one) const {
    bool const counts = pair.valid(i) && range.holds(segment, i);
    double const dp = counts ? static_cast<double>(pair.prediction[i]) - means[segment][1] : 0.0;
    double const dt = counts ? static_cast<double>(pair.truth[i]) - means[segment][2] : 0.0;
    one[0] = dp * dp;
    one[1] = dt * dt;
    one[2] = dp * dt;
  }
};

struct StoreCorrelationMeans {
  kernel::Sums<3>* means;
  KOKKOS_FUNCTION void operator()(std::size_t segment, kernel::Sums<3> const& total) const {
    double const n = total[0] > 0 ? total[0] : 1.0;
    means[segment][0] = total[0];
    means[segment][1] = total[1] / n;
    means[segment][2] = total[2] / n;
  }
};

template <class B>
std::vector<Correlation> correlations(Workspace<B>& ws, MaskedPair<typename B::scalar_type> const& pair,
                                      RangeOf<typename B::scalar_type> const& range, std::size_t segments,
                                      std::size_t length) {
  using T = typename B::scalar_type;
  auto scope = ws.scope();
  auto* const means = scope.template take<kernel::Sums<3>>(segments);
  kernel::reduce<3>(ws, "heliograd::metrics::pearson", segments, length, CorrelationMeans<T>{pair, range},
                    StoreCorrelationMeans{means});
  auto const moments =
      sums<3>(ws, "heliograd::metrics::pearson", segments, length, CorrelationMoments<T>{pair, range, means});
  auto const first = fetch<B, kernel::Sums<3>>(ws, means, segments);
  std::vector<Correlation> result;
  for (std::size_t s = 0; s < segments; ++s)
    result.push_back(
        {static_cast<std::size_t>(first[s][0]), first[s][1], first[s][2], moments[s][0], moments[s][1], moments[s][2]});
  return result;
}

}  // namespace detail

/// Pearson's correlation over all pixels that count: finite in both images, and positive in the mask if there is one.
/// Shapes   prediction, truth, mask [h, w].
/// Math     \f$ \rho = \sum (p - \bar p)(t - \bar t) / \sqrt{\sum (p - \bar p)^2 \sum (t - \bar t)^2} \f$, in two passes and in double.
/// Throws   ShapeError if the shapes differ. Waits for the execution space.
template <class B>
Correlation pearson(Workspace<B>& ws, ConstTensorRef<2, B> prediction, ConstTensorRef<2, B> truth,
                    ConstTensorRef<2, B> mask = {}) {
  auto const pair = detail::masked_pair<B>("metrics::pearson", prediction, truth, mask);
  return detail::correlations<B>(ws, pair, {nullptr, {}}, 1, prediction.size()).front();
}

/// The same for several, possibly overlapping sets of pixels: those where the magnitude of `by` lies in a range. With `by` the
/// distance from disk centre these are rings; with the truth itself, classes of field strength.
/// Throws   also UsageError for more than `most_ranges` ranges.
template <class B>
std::vector<Correlation> pearson_by(Workspace<B>& ws, ConstTensorRef<2, B> prediction, ConstTensorRef<2, B> truth,
                                    ConstTensorRef<2, B> by, std::vector<Range> const& ranges,
                                    ConstTensorRef<2, B> mask = {}) {
  auto const pair = detail::masked_pair<B>("metrics::pearson_by", prediction, truth, mask);
  detail::expect_same_shape("metrics::pearson_by", prediction, "image of ranges", by);
  expect(ranges.size() <= most_ranges, "metrics::pearson_by: too many ranges (found " + std::to_string(ranges.size()) +
                                           ", expected at most " + std::to_string(most_ranges) + ")");
  detail::RangeOf<typename B::scalar_type> range{by.data(), {}};
  for (std::size_t s = 0; s < ranges.size(); ++s) range.ranges[s] = ranges[s];
  return detail::correlations<B>(ws, pair, range, ranges.size(), prediction.size());
}

}  // namespace heliograd::inline HELIOGRAD_ABI::metrics
