// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <cstddef>
#include <limits>

#include <heliograd/kernel/launch.hpp>
#include <heliograd/kernel/ssim.hpp>
#include <heliograd/metrics/average.hpp>
#include <heliograd/metrics/detail/measure.hpp>
#include <heliograd/metrics/pearson.hpp>

namespace heliograd::inline HELIOGRAD_ABI::metrics {

namespace detail {

/// A copy of the prediction with a NaN wherever a pixel does not count: it spoils the windows it is in.
template <class T>
struct SpoilMasked {
  MaskedPair<T> pair;
  T* prediction;
  KOKKOS_FUNCTION void operator()(std::size_t i) const {
    prediction[i] = pair.valid(i) ? pair.prediction[i] : Kokkos::Experimental::quiet_NaN_v<T>;
  }
};

template <class T>
struct FiniteTerm {
  T const* map;
  KOKKOS_FUNCTION void operator()(std::size_t, std::size_t i, kernel::Sums<2>& one) const {
    bool const counts = is_finite(map[i]);
    one[0] = counts ? 1.0 : 0.0;
    one[1] = counts ? static_cast<double>(map[i]) : 0.0;
  }
};

}  // namespace detail

/// The structural similarity, averaged over the 11 x 11 windows all of whose pixels count: finite in both images, and
/// positive in the mask if there is one. Its value is 1 for equal images.
/// Shapes   prediction, truth, mask [h, w] with h, w of at least 11.
/// Math     as loss::ssim; signed fields need luminance_of_magnitude for the luminance to mean anything.
/// Throws   ShapeError if the shapes differ or hold no window; UsageError without a data range. Waits for the execution space.
template <class B>
Average ssim(Workspace<B>& ws, ConstTensorRef<2, B> prediction, ConstTensorRef<2, B> truth, SsimOptions const& options,
             ConstTensorRef<2, B> mask = {}) {
  using T = typename B::scalar_type;
  auto const pair = detail::masked_pair<B>("metrics::ssim", prediction, truth, mask);
  kernel::expect_ssim("metrics::ssim", options);
  kernel::expect_ssim_image("metrics::ssim", prediction.extent(0), prediction.extent(1));
  Shape<4> const shape{1, prediction.extent(0), prediction.extent(1), 1};
  auto scope = ws.scope();
  auto const p = scope.tensor(shape);
  auto const map = scope.tensor(Shape<4>{1, shape[1] - kernel::ssim_window + 1, shape[2] - kernel::ssim_window + 1, 1});
  kernel::for_each_element(ws, "heliograd::metrics::ssim", prediction.size(), detail::SpoilMasked<T>{pair, p.data()});
  kernel::ssim_map<B>(ws, p, view_at<ConstTensorRef<4, B>>(truth.data(), shape), options, map);
  auto const s =
      detail::sums<2>(ws, "heliograd::metrics::ssim", 1, map.size(), detail::FiniteTerm<T>{map.data()}).front();
  return {s[1], static_cast<std::size_t>(s[0])};
}

/// The structural similarity of two images as one window, from their correlation (or that of several pairs of images); NaN if
/// nothing counts. Some papers print this formula and mean the windows, some mean it.
/// Math     as loss::ssim with biased moments over everything. A paper's own constants c are k = sqrt(c) / range.
/// Throws   UsageError without a data range, or for the luminance of magnitudes, which a correlation does not know.
inline double global_ssim(Correlation const& pair, SsimOptions const& options) {
  kernel::expect_ssim("metrics::global_ssim", options);
  expect(!options.luminance_of_magnitude, "metrics::global_ssim: a correlation knows no magnitudes; use metrics::ssim");
  double const n = pair.count > 0 ? static_cast<double>(pair.count) : std::numeric_limits<double>::quiet_NaN();
  double const c1 = options.k1 * options.data_range * options.k1 * options.data_range;
  double const c2 = options.k2 * options.data_range * options.k2 * options.data_range;
  double const p = pair.mean_prediction, t = pair.mean_truth;
  return (2 * p * t + c1) / (p * p + t * t + c1) * (2 * pair.products / n + c2) /
         ((pair.squares_prediction + pair.squares_truth) / n + c2);
}

}  // namespace heliograd::inline HELIOGRAD_ABI::metrics
