// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <cmath>
#include <cstddef>
#include <string>

#include <heliograd/base/error.hpp>
#include <heliograd/core/tensor.hpp>
#include <heliograd/kernel/launch.hpp>

/// \file
/// Filters against noise that know edges, for images [n, h, w, c], each channel by itself; beyond the border the edge is
/// repeated. They have no gradient; the filter that has one is `gaussian_blur`. A NaN spoils the windows it is in.
namespace heliograd::inline HELIOGRAD_ABI::kernel {

/// The widest window of `median_filter`.
inline constexpr int widest_median = 15;

namespace detail {

/// The pixels around one, in its channel.
template <class T>
struct Neighbours {
  T const* x;
  std::ptrdiff_t height, width, channels;

  KOKKOS_FUNCTION static std::ptrdiff_t clamp(std::ptrdiff_t at, std::ptrdiff_t count) {
    return at < 0 ? 0 : at < count ? at : count - 1;
  }
  /// The value dy rows down and dx columns right of element i.
  KOKKOS_FUNCTION T operator()(std::size_t i, int dy, int dx) const {
    auto const index = static_cast<std::ptrdiff_t>(i);
    std::ptrdiff_t const c = index % channels, column = index / channels % width;
    std::ptrdiff_t const row = index / (channels * width) % height, n = index / (channels * width * height);
    return x[((n * height + clamp(row + dy, height)) * width + clamp(column + dx, width)) * channels + c];
  }
};

template <class T>
Neighbours<T> neighbours(T const* x, Shape<4> const& shape) {
  return {x, static_cast<std::ptrdiff_t>(shape[1]), static_cast<std::ptrdiff_t>(shape[2]),
          static_cast<std::ptrdiff_t>(shape[3])};
}

template <class T>
struct MedianOfWindow {
  Neighbours<T> around;
  int radius;
  T* y;

  KOKKOS_FUNCTION void operator()(std::size_t i) const {
    T value[widest_median * widest_median];
    int count = 0;
    bool spoilt = false;
    for (int dy = -radius; dy <= radius; ++dy)
      for (int dx = -radius; dx <= radius; ++dx) {
        T const v = around(i, dy, dx);
        spoilt = spoilt || v != v;
        value[count++] = v;
      }
    y[i] = spoilt ? Kokkos::Experimental::quiet_NaN_v<T> : middle(value, count);
  }

  /// Hoare's selection.
  KOKKOS_FUNCTION static T middle(T* value, int count) {
    int const wanted = count / 2;
    int low = 0, high = count - 1;
    while (low < high) {
      T const pivot = value[wanted];
      int left = low, right = high;
      while (left <= right) {
        while (value[left] < pivot) ++left;
        while (pivot < value[right]) --right;
        if (left > right) break;
        T const kept = value[left];
        value[left++] = value[right];
        value[right--] = kept;
      }
      if (right < wanted) low = left;
      if (wanted < left) high = right;
    }
    return value[wanted];
  }
};

template <class T>
struct BilateralWindow {
  Neighbours<T> around;
  int radius;
  double of_distance, of_difference;  ///< -1 / (2 sigma^2)
  T* y;

  KOKKOS_FUNCTION void operator()(std::size_t i) const {
    double const center = static_cast<double>(around(i, 0, 0));
    double sum = 0, total = 0;
    for (int dy = -radius; dy <= radius; ++dy)
      for (int dx = -radius; dx <= radius; ++dx) {
        double const difference = static_cast<double>(around(i, dy, dx)) - center;
        double const weight =
            Kokkos::exp(of_distance * (dy * dy + dx * dx) + of_difference * (difference * difference));
        sum += weight * difference;
        total += weight;
      }
    y[i] = static_cast<T>(center + sum / total);
  }
};

}  // namespace detail

/// Each value becomes the median of the side x side window about it.
/// Throws   UsageError unless the side is odd and at most `widest_median`; ShapeError if the shapes differ.
template <class B>
void median_filter(Workspace<B>& ws, ConstTensorRef<4, B> const& x, int side, TensorRef<4, B> const& y) {
  using T = typename B::scalar_type;
  expect(side > 0 && side % 2 == 1 && side <= widest_median,
         "median_filter: the side of the window must be odd and at most " + std::to_string(widest_median) + " (found " +
             std::to_string(side) + ")");
  expect_shape(shape_of(x) == shape_of(y),
               "median_filter: the image has " + to_string(shape_of(x)) + ", the result has " + to_string(shape_of(y)));
  for_each_element(ws, "heliograd::median_filter", x.size(),
                   detail::MedianOfWindow<T>{detail::neighbours(x.data(), shape_of(x)), side / 2, y.data()});
}

struct BilateralOptions {
  double sigma_distance = 1.5;   ///< pixels
  double sigma_difference = 30;  ///< in the unit of the image: steps much larger than this stay sharp
};

/// Each value becomes a mean of its neighbours, weighted by how near they are in place and in value (Tomasi, Manduchi:
/// Bilateral filtering; ICCV 1998), out to three times sigma_distance.
/// Math     \f$ y_p = \sum_q w_{pq} x_q / \sum_q w_{pq}, \ w_{pq} = e^{-|p-q|^2 / 2 \sigma_d^2 - (x_p - x_q)^2 / 2 \sigma_r^2} \f$
/// Throws   UsageError unless both widths are positive; ShapeError if the shapes differ.
template <class B>
void bilateral_filter(Workspace<B>& ws, ConstTensorRef<4, B> const& x, BilateralOptions const& options,
                      TensorRef<4, B> const& y) {
  using T = typename B::scalar_type;
  double const d = options.sigma_distance, r = options.sigma_difference;
  expect(d > 0 && d <= 32 && r > 0,
         "bilateral_filter: the widths must be positive, that of distance at most 32 (found " + std::to_string(d) +
             " and " + std::to_string(r) + ")");
  expect_shape(shape_of(x) == shape_of(y), "bilateral_filter: the image has " + to_string(shape_of(x)) +
                                               ", the result has " + to_string(shape_of(y)));
  for_each_element(
      ws, "heliograd::bilateral_filter", x.size(),
      detail::BilateralWindow<T>{detail::neighbours(x.data(), shape_of(x)), static_cast<int>(std::ceil(3 * d)),
                                 -0.5 / (d * d), -0.5 / (r * r), y.data()});
}

}  // namespace heliograd::inline HELIOGRAD_ABI::kernel
