// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <type_traits>

#include <heliograd/core/math.hpp>

/// \file
/// Dual numbers: a value and its derivatives with respect to N inputs.
///
/// A formula written as a template over its number type, with `using Kokkos::sqrt;` style calls, gives values with plain
/// numbers and exact derivatives with duals. Duals nest, which gives second derivatives.
namespace heliograd::inline HELIOGRAD_ABI {

template <class T, int N>
struct Dual {
  T value{};
  T slope[N]{};

  KOKKOS_FUNCTION Dual() {}
  KOKKOS_FUNCTION Dual(T x) : value(x) {}
  /// A plain number, however deep the nesting.
  template <class Number>
    requires(std::is_arithmetic_v<Number> && !std::is_same_v<Number, T>)
  KOKKOS_FUNCTION Dual(Number x) : value(static_cast<T>(x)) {}

  /// The input number `which`, whose slope with respect to itself is one.
  KOKKOS_FUNCTION static Dual input(T x, int which) {
    Dual d(x);
    d.slope[which] = T(1);
    return d;
  }

  /// f(x) for a function of known value and derivative at x.value.
  KOKKOS_FUNCTION static Dual chain(Dual const& x, T value, T derivative) {
    Dual d(value);
    for (int i = 0; i < N; ++i) d.slope[i] = derivative * x.slope[i];
    return d;
  }

  KOKKOS_FUNCTION friend Dual operator-(Dual const& a) { return chain(a, -a.value, T(-1)); }
  KOKKOS_FUNCTION friend Dual operator+(Dual const& a, Dual const& b) {
    Dual d(a.value + b.value);
    for (int i = 0; i < N; ++i) d.slope[i] = a.slope[i] + b.slope[i];
    return d;
  }
  KOKKOS_FUNCTION friend Dual operator-(Dual const& a, Dual const& b) {
    Dual d(a.value - b.value);
    for (int i = 0; i < N; ++i) d.slope[i] = a.slope[i] - b.slope[i];
    return d;
  }
  KOKKOS_FUNCTION friend Dual operator*(Dual const& a, Dual const& b) {
    Dual d(a.value * b.value);
    for (int i = 0; i < N; ++i) d.slope[i] = a.slope[i] * b.value + a.value * b.slope[i];
    return d;
  }
  KOKKOS_FUNCTION friend Dual operator/(Dual const& a, Dual const& b) {
    T const quotient = a.value / b.value;
    Dual d(quotient);
    for (int i = 0; i < N; ++i) d.slope[i] = (a.slope[i] - quotient * b.slope[i]) / b.value;
    return d;
  }

  KOKKOS_FUNCTION friend bool operator<(Dual const& a, Dual const& b) { return a.value < b.value; }
  KOKKOS_FUNCTION friend bool operator>(Dual const& a, Dual const& b) { return a.value > b.value; }
  KOKKOS_FUNCTION friend bool operator<=(Dual const& a, Dual const& b) { return a.value <= b.value; }
  KOKKOS_FUNCTION friend bool operator>=(Dual const& a, Dual const& b) { return a.value >= b.value; }

  KOKKOS_FUNCTION friend Dual sqrt(Dual const& x) {
    using Kokkos::sqrt;
    T const root = sqrt(x.value);
    return chain(x, root, T(1) / (T(2) * root));
  }
  KOKKOS_FUNCTION friend Dual exp(Dual const& x) {
    using math::exp;
    T const e = exp(x.value);
    return chain(x, e, e);
  }
  KOKKOS_FUNCTION friend Dual log(Dual const& x) {
    using math::log;
    return chain(x, log(x.value), T(1) / x.value);
  }
  KOKKOS_FUNCTION friend Dual log1p(Dual const& x) {
    using math::log1p;
    return chain(x, log1p(x.value), T(1) / (T(1) + x.value));
  }
  KOKKOS_FUNCTION friend Dual tanh(Dual const& x) {
    using math::tanh;
    T const t = tanh(x.value);
    return chain(x, t, T(1) - t * t);
  }
  KOKKOS_FUNCTION friend Dual sin(Dual const& x) {
    using Kokkos::cos;
    using Kokkos::sin;
    return chain(x, sin(x.value), cos(x.value));
  }
  KOKKOS_FUNCTION friend Dual cos(Dual const& x) {
    using Kokkos::cos;
    using Kokkos::sin;
    return chain(x, cos(x.value), -sin(x.value));
  }
  /// At the kink the slope is zero, as in the frameworks whose weights are read.
  KOKKOS_FUNCTION friend Dual abs(Dual const& x) {
    T const zero(0);
    return x.value > zero ? x : x.value < zero ? -x : Dual(zero);
  }
  KOKKOS_FUNCTION friend Dual max(Dual const& a, Dual const& b) { return a.value < b.value ? b : a; }
  KOKKOS_FUNCTION friend Dual min(Dual const& a, Dual const& b) { return b.value < a.value ? b : a; }
};

}  // namespace heliograd::inline HELIOGRAD_ABI
