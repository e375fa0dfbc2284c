// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <cstddef>

#include <heliograd/metrics/average.hpp>
#include <heliograd/metrics/detail/measure.hpp>
#include <heliograd/metrics/detail/tiles.hpp>

namespace heliograd::inline HELIOGRAD_ABI::metrics {

/// By how much the largest and the smallest value of a tile are missed.
struct Extremes {
  Average maxima;
  Average minima;

  /// The mean of both.
  double value() const { return 0.5 * (maxima.value() + minima.value()); }
  Extremes& operator+=(Extremes const& other) {
    maxima += other.maxima;
    minima += other.minima;
    return *this;
  }
};

namespace detail {
template <class T>
struct ExtremesTerm {
  MaskedPair<T> pair;
  Tiles tiles;
  KOKKOS_FUNCTION void operator()(std::size_t, std::size_t tile, kernel::Sums<3>& one) const {
    T const first_p = pair.prediction[tiles.row_begin(tile, 0)];
    T const first_t = pair.truth[tiles.row_begin(tile, 0)];
    T high_p = first_p, low_p = first_p, high_t = first_t, low_t = first_t;
    for (std::size_t row = 0; row < tiles.side; ++row) {
      std::size_t const begin = tiles.row_begin(tile, row);
      for (std::size_t i = begin; i < begin + tiles.side; ++i) {
        if (!pair.valid(i)) return;
        T const p = pair.prediction[i];
        T const t = pair.truth[i];
        high_p = p > high_p ? p : high_p;
        low_p = p < low_p ? p : low_p;
        high_t = t > high_t ? t : high_t;
        low_t = t < low_t ? t : low_t;
      }
    }
    double const high = static_cast<double>(high_p) - static_cast<double>(high_t);
    double const low = static_cast<double>(low_p) - static_cast<double>(low_t);
    one[0] = 1.0;
    one[1] = high < 0 ? -high : high;
    one[2] = low < 0 ? -low : low;
  }
};
}  // namespace detail

/// How well the extremes of side x side tiles are met: the mean over tiles of |max p - max t| and |min p - min t|.
///
/// A tile counts if all its pixels do: finite in both images, and positive in the mask if there is one. So both images are
/// asked about the same pixels. Tiles begin at the first pixel; what does not fill one is left out.
/// Shapes   prediction, truth, mask [h, w].
/// Throws   ShapeError if the shapes differ; UsageError for a side of 0. Waits for the execution space.
template <class B>
Extremes extremes(Workspace<B>& ws, ConstTensorRef<2, B> prediction, ConstTensorRef<2, B> truth, std::size_t side,
                  ConstTensorRef<2, B> mask = {}) {
  auto const pair = detail::masked_pair<B>("metrics::extremes", prediction, truth, mask);
  detail::Tiles const tiles("metrics::extremes", prediction.extent(0), prediction.extent(1), side);
  auto const s = detail::sums<3>(ws, "heliograd::metrics::extremes", 1, tiles.count,
                                 detail::ExtremesTerm<typename B::scalar_type>{pair, tiles})
                     .front();
  auto const count = static_cast<std::size_t>(s[0]);
  return {{s[1], count}, {s[2], count}};
}

}  // namespace heliograd::inline HELIOGRAD_ABI::metrics
