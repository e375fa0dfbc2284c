// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

#include <heliograd/core/math.hpp>
#include <heliograd/testing/draw.hpp>

namespace math = heliograd::math;

namespace {

/// Arguments: uniform, of all magnitudes and of either sign, and those next to points where a formula changes.
template <class T>
std::vector<T> arguments(double least, double most) {
  heliograd::testing::Draws draw(7);
  std::vector<T> x;
  for (int i = 0; i < 200000; ++i) x.push_back(static_cast<T>(draw.uniform(least, most)));
  int const exponents = std::numeric_limits<T>::max_exponent + std::numeric_limits<T>::digits - 2;
  for (int i = 0; i < 200000; ++i) {
    double const v = std::ldexp(draw.uniform(0.5, 1), static_cast<int>(draw.integer(-exponents, exponents)));
    for (double const signed_v : {v, -v})
      if (signed_v >= least && signed_v <= most) x.push_back(static_cast<T>(signed_v));
  }
  for (double const edge :
       {0.0, 0.5, 0.70710678118654752440, 1.0, 1.4142135623730951, 2.0, 0.34657359027997264, 10.0, 20.0}) {
    T up = static_cast<T>(edge), down = up;
    for (int i = 0; i < 100; ++i) {
      for (T const v : {up, down, -up, -down})
        if (static_cast<double>(v) >= least && static_cast<double>(v) <= most) x.push_back(v);
      up = std::nextafter(up, std::numeric_limits<T>::infinity());
      down = std::nextafter(down, -std::numeric_limits<T>::infinity());
    }
  }
  return x;
}

/// The largest error in units of the last place of the exact result.
template <class T, class Function, class Exact>
double worst_error(std::vector<T> const& x, Function const& function, Exact const& exact) {
  double worst = 0;
  std::vector<T> y(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) y[i] = function(x[i]);
  for (std::size_t i = 0; i < x.size(); ++i) {
    long double const e = exact(static_cast<long double>(x[i]));
    T const rounded = static_cast<T>(e);
    if (!std::isfinite(rounded)) {
      if (y[i] != rounded) worst = std::max(worst, 1e9);
      continue;
    }
    T const size = std::abs(rounded);
    long double const unit = std::nextafter(size, std::numeric_limits<T>::infinity()) - static_cast<long double>(size);
    double const error = static_cast<double>(std::abs(static_cast<long double>(y[i]) - e) / unit);
    if (!(error <= worst)) worst = error;
  }
  return worst;
}

}  // namespace

TEMPLATE_TEST_CASE("math: errors stay below two units in the last place", "[core]", float, double) {
  using T = TestType;
  double const most = std::is_same_v<T, float> ? 88.7 : 709.7, least = std::is_same_v<T, float> ? -103.0 : -745.0;
  double const largest = static_cast<double>(std::numeric_limits<T>::max());
  CHECK(worst_error(arguments<T>(least, most), math::exp<T>, [](long double x) { return std::exp(x); }) < 2);
  CHECK(worst_error(arguments<T>(-60, most), math::expm1<T>, [](long double x) { return std::expm1(x); }) < 2);
  CHECK(worst_error(arguments<T>(0, largest), math::log<T>, [](long double x) { return std::log(x); }) < 2);
  CHECK(worst_error(arguments<T>(0, 4), math::log<T>, [](long double x) { return std::log(x); }) < 2);
  CHECK(worst_error(arguments<T>(-0.999999, 4), math::log1p<T>, [](long double x) { return std::log1p(x); }) < 2);
  CHECK(worst_error(arguments<T>(0, largest), math::log1p<T>, [](long double x) { return std::log1p(x); }) < 2);
  CHECK(worst_error(arguments<T>(-25, 25), math::tanh<T>, [](long double x) { return std::tanh(x); }) < 2);
  // Two functions one after the other: the errors add.
  CHECK(worst_error(arguments<T>(least, -least), math::sigmoid<T>,
                    [](long double x) { return 1 / (1 + std::exp(-x)); }) < 3);
  CHECK(worst_error(arguments<T>(least, -least), math::softplus<T>,
                    [](long double x) { return x < 0 ? std::log1p(std::exp(x)) : x + std::log1p(std::exp(-x)); }) < 3);
}

TEMPLATE_TEST_CASE("math: limits, signs and NaN", "[core]", float, double) {
  using T = TestType;
  T const inf = std::numeric_limits<T>::infinity(), nan = std::numeric_limits<T>::quiet_NaN();
  CHECK(math::exp(-inf) == 0);
  CHECK(math::exp(inf) == inf);
  CHECK(math::exp(T(0)) == 1);
  CHECK(math::exp(T(1e30)) == inf);
  CHECK(math::exp(T(-1e30)) == 0);
  CHECK(math::expm1(-inf) == -1);
  CHECK(math::expm1(inf) == inf);
  CHECK(math::log(T(0)) == -inf);
  CHECK(math::log(inf) == inf);
  CHECK(math::log(T(1)) == 0);
  CHECK(std::isnan(math::log(T(-1))));
  CHECK(math::log1p(T(-1)) == -inf);
  CHECK(math::log1p(inf) == inf);
  CHECK(std::isnan(math::log1p(T(-2))));
  CHECK(math::tanh(inf) == 1);
  CHECK(math::tanh(-inf) == -1);
  CHECK(std::signbit(math::tanh(T(-0.0))));
  CHECK(math::sigmoid(-inf) == 0);
  CHECK(math::sigmoid(inf) == 1);
  CHECK(math::softplus(inf) == inf);
  CHECK(math::softplus(-inf) == 0);
  CHECK(std::isnan(math::exp(nan)));
  CHECK(std::isnan(math::expm1(nan)));
  CHECK(std::isnan(math::log(nan)));
  CHECK(std::isnan(math::log1p(nan)));
  CHECK(std::isnan(math::tanh(nan)));
  CHECK(std::isnan(math::sigmoid(nan)));
  CHECK(std::isnan(math::softplus(nan)));
}
