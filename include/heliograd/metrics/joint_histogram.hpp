// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <heliograd/kernel/reduce_by_key.hpp>
#include <heliograd/metrics/detail/measure.hpp>
#include <heliograd/metrics/moments.hpp>
#include <heliograd/metrics/uniform_bins.hpp>

namespace heliograd::inline HELIOGRAD_ABI::metrics {

/// Prediction against truth: how often each pair of bins occurs, and for each bin of the truth (a column) the mean and the
/// scatter of the predictions. Those of several images over the same bins add up.
struct JointHistogram {
  /// The predictions of the pixels whose truth falls in one bin, whether or not they fall in a bin themselves.
  using Column = Moments;

  UniformBins bins;
  std::vector<std::uint64_t> counts;  ///< [truth bin, prediction bin]
  std::vector<Column> columns;        ///< one per truth bin
  std::uint64_t outside = 0;          ///< pixels that count, but fall in no pair of bins

  std::uint64_t at(int truth_bin, int prediction_bin) const {
    return counts[static_cast<std::size_t>(truth_bin * bins.count + prediction_bin)];
  }

  /// Throws UsageError if the bins differ.
  JointHistogram& operator+=(JointHistogram const& other) {
    expect(bins == other.bins, "metrics::JointHistogram: only histograms over the same bins add up");
    for (std::size_t k = 0; k < counts.size(); ++k) counts[k] += other.counts[k];
    for (std::size_t k = 0; k < columns.size(); ++k) columns[k] += other.columns[k];
    outside += other.outside;
    return *this;
  }
};

namespace detail {

/// Key: the pair of bins; one more for pixels that fall in none.
template <class T>
struct JointTerm {
  MaskedPair<T> pair;
  UniformBins bins;
  KOKKOS_FUNCTION std::ptrdiff_t operator()(std::size_t i, kernel::Sums<1>& one) const {
    if (!pair.valid(i)) return -1;
    one[0] = 1.0;
    int const column = bins(static_cast<double>(pair.truth[i]));
    int const row = bins(static_cast<double>(pair.prediction[i]));
    std::ptrdiff_t const count = bins.count;
    return column < 0 || row < 0 ? count * count : column * count + row;
  }
};

template <class T>
struct ColumnMeanTerm {
  MaskedPair<T> pair;
  UniformBins bins;
  KOKKOS_FUNCTION std::ptrdiff_t operator()(std::size_t i, kernel::Sums<2>& one) const {
    if (!pair.valid(i)) return -1;
    one[0] = 1.0;
    one[1] = static_cast<double>(pair.prediction[i]);
    return bins(static_cast<double>(pair.truth[i]));
  }
};

template <class T>
struct ColumnSquareTerm {
  MaskedPair<T> pair;
  UniformBins bins;
  kernel::Sums<2> const* columns;
  KOKKOS_FUNCTION std::ptrdiff_t operator()(std::size_t i, kernel::Sums<1>& one) const {
    if (!pair.valid(i)) return -1;
    int const column = bins(static_cast<double>(pair.truth[i]));
    if (column < 0) return -1;
    double const d = static_cast<double>(pair.prediction[i]) - columns[column][1] / columns[column][0];
    one[0] = d * d;
    return column;
  }
};

}  // namespace detail

/// The joint histogram of prediction and truth over all pixels that count: finite in both, and positive in the mask if there is
/// one. Counts are exact.
/// Shapes   prediction, truth, mask [h, w].
/// Throws   ShapeError if the shapes differ; UsageError for impossible bins. Waits for the execution space.
template <class B>
JointHistogram joint_histogram(Workspace<B>& ws, ConstTensorRef<2, B> prediction, ConstTensorRef<2, B> truth,
                               UniformBins const& bins, ConstTensorRef<2, B> mask = {}) {
  using T = typename B::scalar_type;
  constexpr char const* label = "heliograd::metrics::joint_histogram";
  auto const pair = detail::masked_pair<B>("metrics::joint_histogram", prediction, truth, mask);
  expect(bins.count > 0 && bins.count <= 1024 && bins.high > bins.low,
         "metrics::joint_histogram: bins need high > low and a count from 1 to 1024 (found " +
             std::to_string(bins.low) + " to " + std::to_string(bins.high) + ", " + std::to_string(bins.count) + ")");
  std::size_t const columns = static_cast<std::size_t>(bins.count);
  std::size_t const cells = columns * columns;
  auto scope = ws.scope();
  auto* const joint = scope.template take<kernel::Sums<1>>(cells + 1);
  auto* const means = scope.template take<kernel::Sums<2>>(columns);
  auto* const squares = scope.template take<kernel::Sums<1>>(columns);
  kernel::reduce_by_key<1>(ws, label, prediction.size(), cells + 1, detail::JointTerm<T>{pair, bins}, joint);
  kernel::reduce_by_key<2>(ws, label, prediction.size(), columns, detail::ColumnMeanTerm<T>{pair, bins}, means);
  kernel::reduce_by_key<1>(ws, label, prediction.size(), columns, detail::ColumnSquareTerm<T>{pair, bins, means},
                           squares);
  auto const counts = detail::fetch<B, kernel::Sums<1>>(ws, joint, cells + 1);
  auto const column_means = detail::fetch<B, kernel::Sums<2>>(ws, means, columns);
  auto const column_squares = detail::fetch<B, kernel::Sums<1>>(ws, squares, columns);

  JointHistogram result{bins, std::vector<std::uint64_t>(cells), std::vector<JointHistogram::Column>(columns),
                        static_cast<std::uint64_t>(counts[cells][0])};
  for (std::size_t k = 0; k < cells; ++k) result.counts[k] = static_cast<std::uint64_t>(counts[k][0]);
  for (std::size_t k = 0; k < columns; ++k)
    if (column_means[k][0] > 0)
      result.columns[k] = {static_cast<std::size_t>(column_means[k][0]), column_means[k][1] / column_means[k][0],
                           column_squares[k][0]};
  return result;
}

}  // namespace heliograd::inline HELIOGRAD_ABI::metrics
