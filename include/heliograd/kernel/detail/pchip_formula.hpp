// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>

#include <heliograd/base/config.hpp>

/// \file
/// Monotone piecewise cubic interpolation on one interval, for numbers and for duals. The slopes are those of Fritsch and
/// Butland (SIAM J. Sci. Stat. Comput. 5, 1984), at the ends the three-point formula that keeps the shape.
namespace heliograd::inline HELIOGRAD_ABI::kernel::detail {

template <class Number>
KOKKOS_FUNCTION int sign_of(Number const& x) {
  return x > Number(0) ? 1 : x < Number(0) ? -1 : 0;
}

/// The slope at a knot between intervals of widths h with secants m: their weighted harmonic mean, zero at an extremum.
template <class Number, class T>
KOKKOS_FUNCTION Number pchip_inner_slope(Number const& m_left, Number const& m_right, T h_left, T h_right) {
  if (sign_of(m_left) * sign_of(m_right) <= 0) return Number(0);
  T const w_left = 2 * h_right + h_left;
  T const w_right = h_right + 2 * h_left;
  bool const left_is_flatter = m_left > Number(0) ? m_left < m_right : m_right < m_left;
  Number const flat = left_is_flatter ? m_left : m_right;
  Number const steep = left_is_flatter ? m_right : m_left;
  T const w_flat = left_is_flatter ? w_left : w_right;
  T const w_steep = left_is_flatter ? w_right : w_left;
  return flat * (Number(w_left + w_right) / (Number(w_flat) + Number(w_steep) * (flat / steep)));
}

/// The slope at the first or last knot, from the secant m of its interval and the next one's.
template <class Number, class T>
KOKKOS_FUNCTION Number pchip_end_slope(Number const& m, Number const& m_next, T h, T h_next) {
  Number const slope = m + (m - m_next) * Number(h / (h + h_next));
  if (sign_of(slope) != sign_of(m)) return Number(0);
  Number const most = Number(T(3)) * m;
  bool const steeper = m > Number(0) ? slope > most : slope < most;
  return sign_of(m) != sign_of(m_next) && steeper ? most : slope;
}

/// The knots around an interval: values v[1], v[2] at its ends, v[0] and v[3] beyond where there are such; widths h alike.
template <class Number, class T>
struct PchipInterval {
  Number v[4];
  T h[3] = {1, 1, 1};
  bool has_left = true;
  bool has_right = true;

  /// The value at the fraction s of the interval.
  KOKKOS_FUNCTION Number operator()(Number const& s) const {
    Number const rise = v[2] - v[1];
    Number const m = rise / Number(h[1]);
    Number const before = has_left ? (v[1] - v[0]) / Number(h[0]) : m;
    Number const after = has_right ? (v[3] - v[2]) / Number(h[2]) : m;
    Number const start = Number(h[1]) * (has_left    ? pchip_inner_slope(before, m, h[0], h[1])
                                         : has_right ? pchip_end_slope(m, after, h[1], h[2])
                                                     : m);
    Number const end = Number(h[1]) * (has_right  ? pchip_inner_slope(m, after, h[1], h[2])
                                       : has_left ? pchip_end_slope(m, before, h[1], h[0])
                                                  : m);
    // From the nearer knot, so that both ends are exact.
    return s > Number(T(0.5)) ? from_knot(v[2], -rise, -end, -start, Number(T(1)) - s)
                              : from_knot(v[1], rise, start, end, s);
  }

 private:
  /// Hermite's cubic that begins at `value`, rises by `rise`, and has these slopes at its ends.
  KOKKOS_FUNCTION static Number from_knot(Number const& value, Number const& rise, Number const& start,
                                          Number const& end, Number const& s) {
    Number const two(T(2)), three(T(3));
    return value + s * (start + s * ((three * rise - two * start - end) + s * (start + end - two * rise)));
  }
};

}  // namespace heliograd::inline HELIOGRAD_ABI::kernel::detail
