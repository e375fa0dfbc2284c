// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

#include <heliograd/metrics/detail/measure.hpp>
#include <heliograd/metrics/detail/tiles.hpp>

namespace heliograd::inline HELIOGRAD_ABI::metrics {

/// The three correlations among a prediction, the truth, and what the prediction was made from.
struct PartialCorrelation {
  std::size_t count = 0;
  double prediction_truth = std::numeric_limits<double>::quiet_NaN();
  double prediction_given = std::numeric_limits<double>::quiet_NaN();
  double truth_given = std::numeric_limits<double>::quiet_NaN();

  /// The correlation of prediction and truth that their common likeness to the given image does not explain; NaN where one of
  /// the three is constant, or one is a line of the given image.
  /// Math     \f$ (\rho_{pt} - \rho_{pg} \rho_{tg}) / \sqrt{(1 - \rho_{pg}^2)(1 - \rho_{tg}^2)} \f$
  double value() const {
    double const left = (1 - prediction_given * prediction_given) * (1 - truth_given * truth_given);
    return left > 0 ? (prediction_truth - prediction_given * truth_given) / std::sqrt(left)
                    : std::numeric_limits<double>::quiet_NaN();
  }
};

namespace detail {

template <class T>
struct MaskedTriple {
  T const* x[3];
  T const* mask;
  Tiles tiles;
  /// The flat index of pixel i of a tile.
  KOKKOS_FUNCTION std::size_t at(std::size_t tile, std::size_t i) const {
    return tiles.row_begin(tile, i / tiles.side) + i % tiles.side;
  }
  KOKKOS_FUNCTION bool valid(std::size_t i) const {
    return is_finite(x[0][i]) && is_finite(x[1][i]) && is_finite(x[2][i]) && (!mask || mask[i] > T(0));
  }
};

template <class T>
struct TripleMeans {
  MaskedTriple<T> images;
  bool whole;
  KOKKOS_FUNCTION void operator()(std::size_t segment, std::size_t i, kernel::Sums<4>& one) const {
    std::size_t const at = whole ? i : images.at(segment, i);
    bool const counts = images.valid(at);
    one[0] = counts ? 1.0 : 0.0;
    for (int k = 0; k < 3; ++k) one[k + 1] = counts ? static_cast<double>(images.x[k][at]) : 0.0;
  }
};

struct StoreTripleMeans {
  kernel::Sums<4>* means;
  KOKKOS_FUNCTION void operator()(std::size_t segment, kernel::Sums<4> const& total) const {
    double const n = total[0] > 0 ? total[0] : 1.0;
    means[segment][0] = total[0];
    for (int k = 1; k < 4; ++k) means[segment][k] = total[k] / n;
  }
};

/// xx, yy, zz, xy, xz, yz about the means.
template <class T>
struct TripleMoments {
  MaskedTriple<T> images;
  bool whole;
  kernel::Sums<4> const* means;
  KOKKOS_FUNCTION void operator()(std::size_t segment, std::size_t i, kernel::Sums<6>& one) const {
    std::size_t const at = whole ? i : images.at(segment, i);
    bool const counts = images.valid(at);
    double d[3];
    for (int k = 0; k < 3; ++k) d[k] = counts ? static_cast<double>(images.x[k][at]) - means[segment][k + 1] : 0.0;
    one[0] = d[0] * d[0];
    one[1] = d[1] * d[1];
    one[2] = d[2] * d[2];
    one[3] = d[0] * d[1];
    one[4] = d[0] * d[2];
    one[5] = d[1] * d[2];
  }
};

template <class B>
std::vector<PartialCorrelation> partial_correlations(Workspace<B>& ws,
                                                     MaskedTriple<typename B::scalar_type> const& images, bool whole,
                                                     std::size_t segments, std::size_t length) {
  using T = typename B::scalar_type;
  constexpr char const* label = "heliograd::metrics::partial_correlation";
  auto scope = ws.scope();
  auto* const means = scope.template take<kernel::Sums<4>>(segments);
  kernel::reduce<4>(ws, label, segments, length, TripleMeans<T>{images, whole}, StoreTripleMeans{means});
  auto const moments = sums<6>(ws, label, segments, length, TripleMoments<T>{images, whole, means});
  auto const first = fetch<B, kernel::Sums<4>>(ws, means, segments);
  std::vector<PartialCorrelation> result;
  for (std::size_t s = 0; s < segments; ++s) {
    auto const& m = moments[s];
    auto const rho = [](double xy, double xx, double yy) {
      double const scale = std::sqrt(xx) * std::sqrt(yy);
      return scale > 0 ? xy / scale : std::numeric_limits<double>::quiet_NaN();
    };
    result.push_back(
        {static_cast<std::size_t>(first[s][0]), rho(m[3], m[0], m[1]), rho(m[4], m[0], m[2]), rho(m[5], m[1], m[2])});
  }
  return result;
}

}  // namespace detail

/// What a prediction knows of the truth beyond the image it was made from, over all pixels that count: finite in all three, and
/// positive in the mask if there is one. Two passes, in double.
/// Shapes   prediction, truth, given, mask [h, w].
/// Throws   ShapeError if the shapes differ. Waits for the execution space.
template <class B>
PartialCorrelation partial_correlation(Workspace<B>& ws, ConstTensorRef<2, B> prediction, ConstTensorRef<2, B> truth,
                                       ConstTensorRef<2, B> given, ConstTensorRef<2, B> mask = {}) {
  constexpr char const* name = "metrics::partial_correlation";
  detail::masked_pair<B>(name, prediction, truth, mask);
  detail::expect_same_shape(name, prediction, "given image", given);
  return detail::partial_correlations<B>(ws,
                                         {{prediction.data(), truth.data(), given.data()},
                                          mask.data(),
                                          detail::Tiles(name, prediction.extent(0), prediction.extent(1), 1)},
                                         true, 1, prediction.size())
      .front();
}

/// The same in windows: side x side tiles from the first pixel, row by row; what does not fill one is left out.
/// Throws   also UsageError for a side of 0.
template <class B>
std::vector<PartialCorrelation> partial_correlation_of_tiles(Workspace<B>& ws, ConstTensorRef<2, B> prediction,
                                                             ConstTensorRef<2, B> truth, ConstTensorRef<2, B> given,
                                                             std::size_t side, ConstTensorRef<2, B> mask = {}) {
  constexpr char const* name = "metrics::partial_correlation_of_tiles";
  detail::masked_pair<B>(name, prediction, truth, mask);
  detail::expect_same_shape(name, prediction, "given image", given);
  detail::Tiles const tiles(name, prediction.extent(0), prediction.extent(1), side);
  return detail::partial_correlations<B>(ws, {{prediction.data(), truth.data(), given.data()}, mask.data(), tiles},
                                         false, tiles.count, side * side);
}

}  // namespace heliograd::inline HELIOGRAD_ABI::metrics
