// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <vector>

#include <heliograd/core/copy.hpp>
#include <heliograd/kernel/shift.hpp>
#include <heliograd/testing/draw.hpp>
#include "spaces.hpp"

namespace hg = heliograd;

namespace {

template <class B>
auto shifted(std::vector<typename B::scalar_type> const& values, hg::Shape<4> const& shape,
             hg::ShiftOptions const& options) {
  hg::Workspace<B> ws;
  auto const x = hg::make_tensor<B>("x", shape);
  auto const y = hg::make_tensor<B>("y", shape);
  hg::from_host(ws.exec(), x, values);
  hg::kernel::shift<B>(ws, x, y, options);
  return hg::to_host(ws.exec(), y);
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("a shift by whole pixels moves the bits", "[kernel]", test::Backends) {
  using B = TestType;
  using T = typename B::scalar_type;
  hg::testing::Draws draws(4);
  long const h = 40, w = 45;
  std::vector<T> x(static_cast<std::size_t>(h * w));
  for (T& v : x) v = static_cast<T>(draws.uniform(-3000, 3000));
  auto const y = shifted<B>(x, {1, 40, 45, 1}, {3, -2, -9});
  bool right = true;
  for (long i = 0; i < h; ++i)
    for (long j = 0; j < w; ++j) {
      bool const covered = i >= 3 && j < w - 2;
      T const expected = covered ? x[static_cast<std::size_t>((i - 3) * w + j + 2)] : T(-9);
      right = right && y[static_cast<std::size_t>(i * w + j)] == expected;
    }
  CHECK(right);
}

TEMPLATE_LIST_TEST_CASE("a constant stays that constant; a cubic is followed exactly", "[kernel]", test::Backends) {
  using B = TestType;
  using T = typename B::scalar_type;
  T const constant = static_cast<T>(771.3);
  auto const still = shifted<B>(std::vector<T>(50 * 3, constant), {1, 50, 3, 1}, {0.3, 0, constant});
  for (T const v : still) CHECK(v == constant);
  // Far from the ends, where the mirror is not felt.
  std::vector<T> x(121);
  auto const cubic = [](double u) { return 1 + u - 2 * u * u + 3 * u * u * u; };
  for (int i = 0; i < 121; ++i) x[static_cast<std::size_t>(i)] = static_cast<T>(cubic((i - 60) / 60.0));
  auto const y = shifted<B>(x, {1, 1, 121, 1}, {0, 0.37});
  for (int i = 50; i <= 70; ++i)
    CHECK(std::abs(y[static_cast<std::size_t>(i)] - cubic((i - 60.37) / 60.0)) <
          (std::is_same_v<T, float> ? 1e-6 : 1e-14));
}
