// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <cstddef>

#include <heliograd/core/sink.hpp>
#include <heliograd/kernel/detail/store_mean.hpp>
#include <heliograd/kernel/launch.hpp>
#include <heliograd/kernel/reduce.hpp>

/// \file
/// The Sobel gradient of images and its adjoint; each channel by itself.
///
///            -1  0  1                -1 -2 -1
///   Gx = s * -2  0  2       Gy = s *  0  0  0        with replicated borders
///            -1  0  1                 1  2  1
///
/// With s = 1/8 a ramp of slope 1 per pixel has gradient 1. Gx points along w, Gy along h.
namespace heliograd::inline HELIOGRAD_ABI::kernel {

/// The scale for which the Sobel gradient is the slope per pixel.
inline constexpr double sobel_per_pixel = 0.125;

namespace detail {

/// The geometry both directions share. A row of w pixels with c channels is w*c numbers, horizontal neighbours c apart.
struct SobelRows {
  std::size_t height;
  std::size_t width;  ///< in pixels
  std::size_t channels;

  KOKKOS_FUNCTION std::size_t row_length() const { return width * channels; }
};

template <class T>
struct Sobel {
  SobelRows rows;
  T const* x;
  T* gx;
  T* gy;
  T scale;

  /// The three rows around one, replicated at the top and the bottom.
  struct Window {
    T const* above;
    T const* here;
    T const* below;
  };

  KOKKOS_FUNCTION void one(Window const& w, std::size_t out, std::size_t left, std::size_t mid,
                           std::size_t right) const {
    T const down_left = w.below[left] - w.above[left];
    T const down_mid = w.below[mid] - w.above[mid];
    T const down_right = w.below[right] - w.above[right];
    T const across_above = w.above[right] - w.above[left];
    T const across_here = w.here[right] - w.here[left];
    T const across_below = w.below[right] - w.below[left];
    gx[out] = scale * ((across_above + across_below) + T(2) * across_here);
    gy[out] = scale * ((down_left + down_right) + T(2) * down_mid);
  }

  KOKKOS_FUNCTION Window window(std::size_t row) const {
    std::size_t const length = rows.row_length();
    std::size_t const i = row % rows.height;
    T const* const here = x + row * length;
    return {i > 0 ? here - length : here, here, i + 1 < rows.height ? here + length : here};
  }

  /// Element e of a row, wherever it is.
  KOKKOS_FUNCTION void any(Window const& w, std::size_t base, std::size_t e) const {
    std::size_t const c = rows.channels;
    one(w, base + e, e < c ? e : e - c, e, e + c < rows.row_length() ? e + c : e);
  }
};

/// A row per work item, for hosts.
template <class T>
struct SobelRow {
  Sobel<T> sobel;
  KOKKOS_FUNCTION void operator()(std::size_t row) const {
    Sobel<T> const s = sobel;
    std::size_t const length = s.rows.row_length();
    std::size_t const c = s.rows.channels;
    std::size_t const base = row * length;
    auto const w = s.window(row);
    if (length < 2 * c + 1) {
      for (std::size_t e = 0; e < length; ++e) s.any(w, base, e);
      return;
    }
    for (std::size_t e = 0; e < c; ++e) s.any(w, base, e);
    HELIOGRAD_INDEPENDENT_LOOP
    for (std::size_t e = c; e < length - c; ++e) s.one(w, base + e, e - c, e, e + c);
    for (std::size_t e = length - c; e < length; ++e) s.any(w, base, e);
  }
};

/// An element per work item, for devices.
template <class T>
struct SobelElement {
  Sobel<T> sobel;
  KOKKOS_FUNCTION void operator()(std::size_t i) const {
    std::size_t const length = sobel.rows.row_length();
    std::size_t const row = i / length;
    sobel.any(sobel.window(row), row * length, i % length);
  }
};

/// The adjoint. The smoothing [1 2 1] with replicated borders is its own adjoint; that of the difference is the negative
/// difference with borders that are replicated with the sign changed.
template <class B>
struct SobelAdjoint {
  using T = typename B::scalar_type;
  SobelRows rows;
  T const* ggx;
  T const* ggy;
  Sink<4, B> gx;
  T scale;

  struct Window {
    T const* x_above;
    T const* x_here;
    T const* x_below;
    T const* y_above;
    T const* y_below;
    T sign_above;
    T sign_below;
  };

  KOKKOS_FUNCTION Window window(std::size_t row) const {
    std::size_t const length = rows.row_length();
    std::size_t const i = row % rows.height;
    std::size_t const here = row * length;
    bool const first = i == 0;
    bool const last = i + 1 == rows.height;
    std::size_t const above = first ? here : here - length;
    std::size_t const below = last ? here : here + length;
    return {ggx + above, ggx + here, ggx + below, ggy + above, ggy + below, first ? T(-1) : T(1), last ? T(-1) : T(1)};
  }

  KOKKOS_FUNCTION void one(Window const& w, std::size_t out, std::size_t left, std::size_t mid, std::size_t right,
                           T sign_left, T sign_right) const {
    T const across_above = sign_left * w.x_above[left] - sign_right * w.x_above[right];
    T const across_here = sign_left * w.x_here[left] - sign_right * w.x_here[right];
    T const across_below = sign_left * w.x_below[left] - sign_right * w.x_below[right];
    T const down_left = w.sign_above * w.y_above[left] - w.sign_below * w.y_below[left];
    T const down_mid = w.sign_above * w.y_above[mid] - w.sign_below * w.y_below[mid];
    T const down_right = w.sign_above * w.y_above[right] - w.sign_below * w.y_below[right];
    gx.add(out, scale * (((across_above + across_below) + T(2) * across_here) +
                         ((down_left + down_right) + T(2) * down_mid)));
  }

  KOKKOS_FUNCTION void any(Window const& w, std::size_t base, std::size_t e) const {
    std::size_t const c = rows.channels;
    bool const first = e < c;
    bool const last = e + c >= rows.row_length();
    one(w, base + e, first ? e : e - c, e, last ? e : e + c, first ? T(-1) : T(1), last ? T(-1) : T(1));
  }
};

template <class B>
struct SobelAdjointRow {
  SobelAdjoint<B> adjoint;
  KOKKOS_FUNCTION void operator()(std::size_t row) const {
    using T = typename B::scalar_type;
    SobelAdjoint<B> const a = adjoint;
    std::size_t const length = a.rows.row_length();
    std::size_t const c = a.rows.channels;
    std::size_t const base = row * length;
    auto const w = a.window(row);
    if (length < 2 * c + 1) {
      for (std::size_t e = 0; e < length; ++e) a.any(w, base, e);
      return;
    }
    for (std::size_t e = 0; e < c; ++e) a.any(w, base, e);
    HELIOGRAD_INDEPENDENT_LOOP
    for (std::size_t e = c; e < length - c; ++e) a.one(w, base + e, e - c, e, e + c, T(1), T(1));
    for (std::size_t e = length - c; e < length; ++e) a.any(w, base, e);
  }
};

template <class B>
struct SobelAdjointElement {
  SobelAdjoint<B> adjoint;
  KOKKOS_FUNCTION void operator()(std::size_t i) const {
    std::size_t const length = adjoint.rows.row_length();
    std::size_t const row = i / length;
    adjoint.any(adjoint.window(row), row * length, i % length);
  }
};

}  // namespace detail

/// gx = Gx x, gy = Gy x for images [n, h, w, c].
template <class B>
void sobel(Workspace<B>& ws, ConstTensorRef<4, B> const& x, double scale, TensorRef<4, B> const& gx,
           TensorRef<4, B> const& gy) {
  using T = typename B::scalar_type;
  detail::SobelRows const rows{x.extent(1), x.extent(2), x.extent(3)};
  detail::Sobel<T> const body{rows, x.data(), gx.data(), gy.data(), static_cast<T>(scale)};
  if constexpr (B::on_host)
    for_each_item(ws, "heliograd::sobel", x.extent(0) * x.extent(1), detail::SobelRow<T>{body});
  else
    for_each_item(ws, "heliograd::sobel", x.size(), detail::SobelElement<T>{body});
}

/// gx = beta gx + Gx^T ggx + Gy^T ggy, gathered: each pixel sums what it contributed to.
template <class B>
void sobel_backward(Workspace<B>& ws, ConstTensorRef<4, B> const& ggx, ConstTensorRef<4, B> const& ggy, double scale,
                    Sink<4, B> const& gx) {
  using T = typename B::scalar_type;
  detail::SobelRows const rows{ggx.extent(1), ggx.extent(2), ggx.extent(3)};
  detail::SobelAdjoint<B> const body{rows, ggx.data(), ggy.data(), gx, static_cast<T>(scale)};
  if constexpr (B::on_host)
    for_each_item(ws, "heliograd::sobel_backward", ggx.extent(0) * ggx.extent(1), detail::SobelAdjointRow<B>{body});
  else
    for_each_item(ws, "heliograd::sobel_backward", ggx.size(), detail::SobelAdjointElement<B>{body});
}

namespace detail {

template <class T>
struct ScaledDifference {
  T const* x;
  T const* y;
  T const* upstream;  ///< null: 1
  double factor;
  T* difference;
  KOKKOS_FUNCTION void operator()(std::size_t i) const {
    T const s = upstream ? static_cast<T>(factor * static_cast<double>(*upstream)) : T(1);
    difference[i] = s * (x[i] - y[i]);
  }
};

template <class T>
struct SquaredLength {
  T const* gx;
  T const* gy;
  KOKKOS_FUNCTION void operator()(std::size_t, std::size_t i, Sums<1>& one) const {
    double const a = gx[i];
    double const b = gy[i];
    one[0] = a * a + b * b;
  }
};

}  // namespace detail

/// mean = (1/N) sum_i (Gx d)_i^2 + (Gy d)_i^2 with d = x - y.
template <class B>
void mean_sobel_energy(Workspace<B>& ws, ConstTensorRef<4, B> const& x, ConstTensorRef<4, B> const& y, double scale,
                       TensorRef<0, B> const& mean) {
  using T = typename B::scalar_type;
  auto scope = ws.scope();
  auto const shape = shape_of(x);
  auto const difference = scope.tensor(shape);
  auto const gx = scope.tensor(shape);
  auto const gy = scope.tensor(shape);
  for_each_element(ws, "heliograd::mean_sobel_energy", x.size(),
                   detail::ScaledDifference<T>{x.data(), y.data(), nullptr, 1.0, difference.data()});
  sobel<B>(ws, difference, scale, gx, gy);
  reduce<1>(ws, "heliograd::mean_sobel_energy", 1, x.size(), detail::SquaredLength<T>{gx.data(), gy.data()},
            detail::StoreMean<T>{mean.data(), static_cast<double>(x.size())});
}

/// gx = beta gx + gmean (2/N) (Gx^T Gx + Gy^T Gy)(x - y).
template <class B>
void mean_sobel_energy_backward(Workspace<B>& ws, ConstTensorRef<4, B> const& x, ConstTensorRef<4, B> const& y,
                                double scale, ConstTensorRef<0, B> const& gmean, Sink<4, B> const& gx) {
  using T = typename B::scalar_type;
  auto scope = ws.scope();
  auto const shape = shape_of(x);
  auto const difference = scope.tensor(shape);
  auto const across = scope.tensor(shape);
  auto const down = scope.tensor(shape);
  for_each_element(ws, "heliograd::mean_sobel_energy_backward", x.size(),
                   detail::ScaledDifference<T>{x.data(), y.data(), gmean.data(), 2.0 / static_cast<double>(x.size()),
                                               difference.data()});
  sobel<B>(ws, difference, scale, across, down);
  sobel_backward<B>(ws, across, down, scale, gx);
}

}  // namespace heliograd::inline HELIOGRAD_ABI::kernel
