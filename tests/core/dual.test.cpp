// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_floating_point.hpp>
#include <cmath>

#include <heliograd/core/dual.hpp>

namespace hg = heliograd;
using Catch::Matchers::WithinRel;
using D = hg::Dual<double, 2>;

TEST_CASE("duals carry exact derivatives", "[core]") {
  D const x = D::input(0.7, 0);
  D const y = D::input(-1.3, 1);
  D const f = x * y / (x + D(2.0)) - exp(y) + sqrt(x) * tanh(y) + log(x) * sin(y) - cos(x) + log1p(x);
  double const a = 0.7, b = -1.3;
  double const fx =
      b * 2.0 / ((a + 2) * (a + 2)) + std::tanh(b) / (2 * std::sqrt(a)) + std::sin(b) / a + std::sin(a) + 1 / (1 + a);
  double const fy =
      a / (a + 2) - std::exp(b) + std::sqrt(a) * (1 - std::tanh(b) * std::tanh(b)) + std::log(a) * std::cos(b);
  CHECK_THAT(f.slope[0], WithinRel(fx, 1e-14));
  CHECK_THAT(f.slope[1], WithinRel(fy, 1e-14));
}

TEST_CASE("kinks take the side of the value", "[core]") {
  D const x = D::input(-2.0, 0);
  CHECK(abs(x).value == 2.0);
  CHECK(abs(x).slope[0] == -1.0);
  CHECK(max(x, D(0.0)).slope[0] == 0.0);
  CHECK(min(x, D(0.0)).slope[0] == 1.0);
  CHECK(abs(D::input(0.0, 0)).slope[0] == 0.0);
}

TEST_CASE("nested duals give second derivatives", "[core]") {
  using Inner = hg::Dual<double, 1>;
  using Outer = hg::Dual<Inner, 1>;
  Outer x(Inner::input(0.5, 0));
  x.slope[0] = Inner(1.0);
  Outer const f = x * x * x;
  CHECK_THAT(f.slope[0].slope[0], WithinRel(3.0, 1e-14));
}
