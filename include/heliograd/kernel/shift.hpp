// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>

#include <heliograd/base/error.hpp>
#include <heliograd/kernel/detail/axis_table.hpp>

/// \file
/// Images moved by a fraction of a pixel, by the cubic spline through the pixels.
namespace heliograd::inline HELIOGRAD_ABI {

/// By how much an image moves, in pixels: down (to larger rows) and right (to larger columns).
struct ShiftOptions {
  double down = 0;
  double right = 0;
  double fill = 0;  ///< where no part of the image comes to lie: beyond the centres of its outermost pixels
};

namespace kernel {

namespace detail {

/// The weights of the spline that passes through all pixels. A cubic spline is a sum of B-splines whose coefficients are found
/// by a recursion over the whole line; here both are one: the weight of a pixel k away falls like (2 - sqrt 3)^k, and is
/// negligible after `reach` pixels.
template <class T>
struct CardinalSpline {
  static constexpr int reach = std::is_same_v<T, float> ? 16 : 30;  // 0.27^16 = 7e-10, 0.27^30 = 7e-18
  static constexpr int taps = 2 * reach;

  double weight[taps];  // of the pixels from reach - 1 before the position's whole part on

  /// For positions whose fraction is t.
  explicit CardinalSpline(double t) {
    double const z = std::sqrt(3.0) - 2;
    double const s = 1 - t;
    double const b_spline[4] = {s * s * s / 6, 2.0 / 3 - t * t + t * t * t / 2, 2.0 / 3 - s * s + s * s * s / 2,
                                t * t * t / 6};
    for (int k = 0; k < taps; ++k) {
      int const pixel = k - (reach - 1);
      weight[k] = 0;
      for (int m = -1; m <= 2; ++m) weight[k] += std::sqrt(3.0) * std::pow(z, std::abs(m - pixel)) * b_spline[m + 1];
      if (t == 0) weight[k] = pixel == 0 ? 1 : 0;
    }
  }
};

/// Fills the weights of output o, which lies at o - shift. Beyond its ends the line is mirrored about its outermost pixels.
template <class T>
struct FillShift {
  AxisTable<T> table;
  CardinalSpline<T> spline;
  std::int64_t whole;  // of -shift
  double fraction;

  KOKKOS_FUNCTION void operator()(std::size_t index) const {
    std::int64_t const n = static_cast<std::int64_t>(table.in);
    std::int64_t const at = static_cast<std::int64_t>(index) + whole;
    std::int64_t const last_first = n > table.taps ? n - table.taps : 0;
    table.begin_output(index, clamp(at - (spline.reach - 1), last_first), clamp(fraction < 0.5 ? at : at + 1, n - 1));
    if (index < table.valid_begin || index >= table.valid_end) return;
    for (int k = 0; k < spline.taps; ++k) table.add(index, mirrored(at + k - (spline.reach - 1), n), spline.weight[k]);
  }

 private:
  KOKKOS_FUNCTION static std::int64_t clamp(std::int64_t i, std::int64_t most) {
    return i < 0 ? 0 : i < most ? i : most;
  }
  KOKKOS_FUNCTION static std::int64_t mirrored(std::int64_t i, std::int64_t n) {
    if (n == 1) return 0;
    std::int64_t const period = 2 * (n - 1);
    std::int64_t const r = (i % period + period) % period;
    return r < n ? r : period - r;
  }
};

/// The table of an axis of n pixels that moves by `shift`.
template <class B, class Scope>
AxisTable<typename B::scalar_type> shift_table(Workspace<B>& ws, Scope& scope, double shift, std::size_t n) {
  using T = typename B::scalar_type;
  if (shift == 0) return AxisTable<T>::leave(n);
  double const whole = std::floor(-shift);
  auto table = take_table<T>(scope, CardinalSpline<T>::taps, n, n);
  // Outputs whose position is neither before pixel 0 nor behind pixel n - 1.
  double const size = static_cast<double>(n);
  table.valid_begin = static_cast<std::size_t>(std::clamp(std::ceil(shift), 0.0, size));
  table.valid_end = static_cast<std::size_t>(
      std::clamp(std::floor(size - 1 + shift) + 1, static_cast<double>(table.valid_begin), size));
  for_each_item(
      ws, "heliograd::shift_taps", n,
      FillShift<T>{table, CardinalSpline<T>(-shift - whole), static_cast<std::int64_t>(whole), -shift - whole});
  find_reached(ws, table);
  return table;
}

/// Overwrites the pixels onto which no part of the image fell.
template <class T>
struct FillUncovered {
  AxisTable<T> rows, columns;
  std::size_t channels;
  T fill;
  T* y;
  KOKKOS_FUNCTION void operator()(std::size_t i) const {
    std::size_t const p = i / channels / columns.out % rows.out, q = i / channels % columns.out;
    if (p < rows.valid_begin || p >= rows.valid_end || q < columns.valid_begin || q >= columns.valid_end) y[i] = fill;
  }
};

inline void check_shift(Shape<4> const& x, Shape<4> const& y, ShiftOptions const& options) {
  expect_shape(x == y, "shift: x is " + to_string(x) + ", y is " + to_string(y) + "; a shift keeps the size");
  expect_shape(x[1] > 0 && x[2] > 0, "shift: x " + to_string(x) + " has no pixels");
  expect(std::abs(options.down) < 1e9 && std::abs(options.right) < 1e9,
         "shift: by " + std::to_string(options.down) + " and " + std::to_string(options.right) +
             " pixels; both must be finite and below 1e9");
}

}  // namespace detail

/// y = x moved. A shift by whole pixels moves the bits.
template <class B>
void shift(Workspace<B>& ws, ConstTensorRef<4, B> const& x, TensorRef<4, B> const& y, ShiftOptions const& options) {
  using T = typename B::scalar_type;
  detail::check_shift(shape_of(x), shape_of(y), options);
  if (y.size() == 0) return;
  auto scope = ws.scope();
  auto const rows = detail::shift_table(ws, scope, options.down, x.extent(1));
  auto const columns = detail::shift_table(ws, scope, options.right, x.extent(2));
  detail::apply_axes<B>(ws, "heliograd::shift", rows, columns, x, y);
  if (options.down != 0 || options.right != 0)
    for_each_element(ws, "heliograd::shift_fill", y.size(),
                     detail::FillUncovered<T>{rows, columns, x.extent(3), static_cast<T>(options.fill), y.data()});
}

/// gx = beta gx + the transpose of `shift` (with fill 0) applied to gy.
template <class B>
void shift_backward(Workspace<B>& ws, ConstTensorRef<4, B> const& gy, Sink<4, B> const& gx,
                    ShiftOptions const& options) {
  detail::check_shift(shape_of(gx.out), shape_of(gy), options);
  if (gy.size() == 0) return;
  auto scope = ws.scope();
  auto const rows = detail::shift_table(ws, scope, options.down, gy.extent(1));
  auto const columns = detail::shift_table(ws, scope, options.right, gy.extent(2));
  detail::gather_axes<B>(ws, "heliograd::shift_backward", rows, columns, gy, gx);
}

}  // namespace kernel
}  // namespace heliograd::inline HELIOGRAD_ABI
