// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <cmath>
#include <cstddef>
#include <string>

#include <heliograd/base/error.hpp>
#include <heliograd/core/sink.hpp>
#include <heliograd/kernel/launch.hpp>

namespace heliograd::inline HELIOGRAD_ABI::kernel {

/// One half of a symmetric smoothing filter: weight[k] for a distance of k pixels; all of them together sum to 1.
struct GaussianTaps {
  static constexpr int most = 128;
  Kokkos::Array<double, most + 1> weight{};
  int radius = 0;
};

/// The Gaussian of a width in pixels, out to four times that.
/// Throws   UsageError for a width that is not positive or above 32.
inline GaussianTaps gaussian_taps(std::string const& op, double sigma) {
  GaussianTaps taps;
  expect(sigma > 0 && sigma <= GaussianTaps::most / 4.0, op + ": sigma must lie in (0, " +
                                                             std::to_string(GaussianTaps::most / 4) +
                                                             "] pixels (found " + std::to_string(sigma) + ")");
  taps.radius = static_cast<int>(std::ceil(4 * sigma));
  double sum = 0;
  for (int k = taps.radius; k >= 0; --k) {
    double const weight = std::exp(-0.5 * k * k / (sigma * sigma));
    taps.weight[static_cast<std::size_t>(k)] = weight;
    sum += k > 0 ? 2 * weight : weight;
  }
  for (int k = 0; k <= taps.radius; ++k) taps.weight[static_cast<std::size_t>(k)] /= sum;
  return taps;
}

namespace detail {

/// Along one axis of `length`, whose neighbours are `stride` apart; beyond its ends the last values go on.
template <class T>
struct SmoothAxis {
  GaussianTaps taps;
  std::size_t length, stride;
  T const* x;
  T* y;
  KOKKOS_FUNCTION void operator()(std::size_t i) const {
    auto const at = static_cast<std::ptrdiff_t>(i / stride % length);
    auto const last = static_cast<std::ptrdiff_t>(length) - 1;
    T const* const line = x + (i - static_cast<std::size_t>(at) * stride);
    double sum = taps.weight[0] * static_cast<double>(x[i]);
    for (int k = 1; k <= taps.radius; ++k) {
      std::ptrdiff_t const before = at - k > 0 ? at - k : 0;
      std::ptrdiff_t const after = at + k < last ? at + k : last;
      sum += taps.weight[k] * (static_cast<double>(line[static_cast<std::size_t>(before) * stride]) +
                               static_cast<double>(line[static_cast<std::size_t>(after) * stride]));
    }
    y[i] = static_cast<T>(sum);
  }
};

/// Its transpose: what is beyond an end is gathered there.
template <class T, class Deliver>
struct SmoothAxisBackward {
  GaussianTaps taps;
  std::size_t length, stride;
  T const* gy;
  Deliver deliver;
  KOKKOS_FUNCTION double beyond(std::ptrdiff_t distance) const {
    double sum = 0;
    for (std::ptrdiff_t k = taps.radius; k > distance; --k) sum += taps.weight[k];
    return sum;
  }
  KOKKOS_FUNCTION void operator()(std::size_t i) const {
    auto const at = static_cast<std::ptrdiff_t>(i / stride % length);
    auto const last = static_cast<std::ptrdiff_t>(length) - 1;
    T const* const line = gy + (i - static_cast<std::size_t>(at) * stride);
    std::ptrdiff_t const from = at - taps.radius > 0 ? at - taps.radius : 0;
    std::ptrdiff_t const to = at + taps.radius < last ? at + taps.radius : last;
    double sum = 0;
    for (std::ptrdiff_t p = from; p <= to; ++p) {
      double weight = taps.weight[p < at ? at - p : p - at];
      if (at == 0) weight += beyond(p);
      if (at == last) weight += beyond(last - p);
      sum += weight * static_cast<double>(line[static_cast<std::size_t>(p) * stride]);
    }
    deliver(i, static_cast<T>(sum));
  }
};

template <class T>
struct Put {
  T* y;
  KOKKOS_FUNCTION void operator()(std::size_t i, T value) const { y[i] = value; }
};
template <class B>
struct PutInto {
  Sink<4, B> sink;
  KOKKOS_FUNCTION void operator()(std::size_t i, typename B::scalar_type value) const { sink.add(i, value); }
};

}  // namespace detail

/// y = x smoothed along both image axes, each channel by itself; beyond the border the edge is repeated. Carried in double.
template <class B>
void gaussian_blur(Workspace<B>& ws, ConstTensorRef<4, B> const& x, GaussianTaps const& taps,
                   TensorRef<4, B> const& y) {
  using T = typename B::scalar_type;
  constexpr char const* label = "heliograd::gaussian_blur";
  std::size_t const across = x.extent(3), down = x.extent(2) * x.extent(3);
  auto scope = ws.scope();
  auto const between = scope.tensor(shape_of(x));
  for_each_element(ws, label, x.size(), detail::SmoothAxis<T>{taps, x.extent(2), across, x.data(), between.data()});
  for_each_element(ws, label, x.size(), detail::SmoothAxis<T>{taps, x.extent(1), down, between.data(), y.data()});
}

/// gx = beta gx + the transpose of `gaussian_blur` applied to gy.
template <class B>
void gaussian_blur_backward(Workspace<B>& ws, ConstTensorRef<4, B> const& gy, GaussianTaps const& taps,
                            Sink<4, B> const& gx) {
  using T = typename B::scalar_type;
  constexpr char const* label = "heliograd::gaussian_blur_backward";
  std::size_t const across = gy.extent(3), down = gy.extent(2) * gy.extent(3);
  auto scope = ws.scope();
  auto const between = scope.tensor(shape_of(gy));
  for_each_element(
      ws, label, gy.size(),
      detail::SmoothAxisBackward<T, detail::Put<T>>{taps, gy.extent(1), down, gy.data(), {between.data()}});
  for_each_element(ws, label, gy.size(),
                   detail::SmoothAxisBackward<T, detail::PutInto<B>>{taps, gy.extent(2), across, between.data(), {gx}});
}

}  // namespace heliograd::inline HELIOGRAD_ABI::kernel
