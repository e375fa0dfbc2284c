// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <cstddef>

#include <heliograd/kernel/launch.hpp>
#include <heliograd/kernel/sobel.hpp>
#include <heliograd/metrics/average.hpp>
#include <heliograd/metrics/detail/measure.hpp>
#include <heliograd/metrics/detail/tiles.hpp>

namespace heliograd::inline HELIOGRAD_ABI::metrics {

namespace detail {

/// prediction - truth, NaN where a pixel does not count.
template <class T>
struct MaskedDifference {
  MaskedPair<T> pair;
  T* difference;
  KOKKOS_FUNCTION void operator()(std::size_t i) const {
    difference[i] = pair.valid(i) ? pair.prediction[i] - pair.truth[i] : Kokkos::Experimental::quiet_NaN_v<T>;
  }
};

template <class T>
struct GradientErrorTerm {
  T const* difference;
  T const* gx;
  T const* gy;
  Tiles tiles;
  KOKKOS_FUNCTION void operator()(std::size_t, std::size_t tile, kernel::Sums<2>& one) const {
    double sum = 0;
    for (std::size_t row = 0; row < tiles.side; ++row) {
      std::size_t const begin = tiles.row_begin(tile, row);
      for (std::size_t i = begin; i < begin + tiles.side; ++i) {
        double const a = static_cast<double>(gx[i]);
        double const b = static_cast<double>(gy[i]);
        double const square = a * a + b * b;
        if (!is_finite(square) || !is_finite(difference[i])) return;
        sum += Kokkos::sqrt(square);
      }
    }
    one[0] = 1.0;
    one[1] = sum / static_cast<double>(tiles.side * tiles.side);
  }
};

}  // namespace detail

/// How sharp the errors are: the mean over side x side tiles of the mean length of the Sobel gradient of prediction - truth.
///
/// A pixel counts if it and its eight neighbours are finite in both images, and positive in the mask if there is one; at the
/// edge of the image the border is replicated. A tile counts if all its pixels do. Tiles begin at the first pixel; what does
/// not fill one is left out.
/// Shapes   prediction, truth, mask [h, w].
/// Throws   ShapeError if the shapes differ; UsageError for a side of 0. Waits for the execution space.
///
/// \param scale of the Sobel filters; 1/8 gives gauss per pixel.
template <class B>
Average gradient_error(Workspace<B>& ws, ConstTensorRef<2, B> prediction, ConstTensorRef<2, B> truth, std::size_t side,
                       ConstTensorRef<2, B> mask = {}, double scale = kernel::sobel_per_pixel) {
  using T = typename B::scalar_type;
  auto const pair = detail::masked_pair<B>("metrics::gradient_error", prediction, truth, mask);
  detail::Tiles const tiles("metrics::gradient_error", prediction.extent(0), prediction.extent(1), side);
  auto scope = ws.scope();
  Shape<4> const shape{1, prediction.extent(0), prediction.extent(1), 1};
  auto const difference = scope.tensor(shape);
  auto const gx = scope.tensor(shape);
  auto const gy = scope.tensor(shape);
  kernel::for_each_element(ws, "heliograd::metrics::gradient_error", prediction.size(),
                           detail::MaskedDifference<T>{pair, difference.data()});
  kernel::sobel<B>(ws, difference, scale, gx, gy);
  auto const s = detail::sums<2>(ws, "heliograd::metrics::gradient_error", 1, tiles.count,
                                 detail::GradientErrorTerm<T>{difference.data(), gx.data(), gy.data(), tiles})
                     .front();
  return {s[1], static_cast<std::size_t>(s[0])};
}

}  // namespace heliograd::inline HELIOGRAD_ABI::metrics
