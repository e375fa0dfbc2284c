// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <algorithm>
#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <string>
#include <vector>

#include <heliograd/core/copy.hpp>
#include <heliograd/loss/gradient.hpp>
#include <heliograd/loss/histogram.hpp>
#include <heliograd/loss/pixel.hpp>
#include <heliograd/loss/ssim.hpp>
#include <heliograd/op/arithmetic.hpp>
#include <heliograd/testing/draw.hpp>
#include "spaces.hpp"

namespace hg = heliograd;
namespace hgt = heliograd::testing;

namespace {

template <class B>
hg::Param<4, B> image(hg::Shape<4> const& shape, std::uint64_t seed, double low = -1, double high = 1) {
  auto param = hg::make_param<B>("image", shape);
  hgt::Draws draws(seed);
  std::vector<typename B::scalar_type> values(shape.size());
  for (auto& v : values) v = static_cast<typename B::scalar_type>(draws.uniform(low, high));
  hg::from_host(typename B::execution_space{}, param.value, values);
  return param;
}

/// Every loss of two images, by name.
template <class B, class Visit>
void for_each_loss(Visit const& visit) {
  using V = hg::Var<4, B>;
  visit("mse", [](V x, V y) { return hg::loss::mse(x, y); });
  visit("l1", [](V x, V y) { return hg::loss::l1(x, y); });
  visit("gradient", [](V x, V y) { return hg::loss::gradient(x, y); });
  visit("histogram", [](V x, V y) { return hg::loss::histogram(x, y, {.unit = 3500}); });
  visit("ssim", [](V x, V y) { return hg::loss::ssim(x, y, {.data_range = 1}); });
  visit("ssim of magnitudes",
        [](V x, V y) { return hg::loss::ssim(x, y, {.data_range = 1, .luminance_of_magnitude = true}); });
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("every loss is symmetric and zero for equal images", "[loss]", test::Backends) {
  using B = TestType;
  using T = typename B::scalar_type;
  hg::Shape<4> const shape{2, 14, 15, 1};
  for_each_loss<B>([&](std::string const& name, auto const& loss) {
    INFO(name);
    auto const x = image<B>(shape, 1);
    auto const y = image<B>(shape, 2);
    hg::Tape<B> tape;
    auto const one_way = hg::item(tape.exec(), loss(tape.watch(x), tape.watch(y)).value);
    auto const other_way = hg::item(tape.exec(), loss(tape.watch(y), tape.watch(x)).value);
    auto const same = hg::item(tape.exec(), loss(tape.watch(x), tape.watch(x)).value);
    CHECK(one_way > T(1e-3));
    CHECK(std::abs(one_way - other_way) <= T(1e-6) * one_way);
    CHECK(std::abs(same) <= T(1e-6));
  });
}

TEMPLATE_LIST_TEST_CASE("the gradient of a loss of equal images is zero, also when both are one Var", "[loss]",
                        test::Backends) {
  using B = TestType;
  hg::Shape<4> const shape{1, 14, 15, 1};
  for_each_loss<B>([&](std::string const& name, auto const& loss) {
    INFO(name);
    auto x = image<B>(shape, 1);
    hg::Tape<B> tape;
    auto const v = tape.watch(x);
    tape.backward(loss(v, v));
    for (auto const g : hg::to_host(tape.exec(), x.grad)) CHECK(std::abs(static_cast<double>(g)) <= 1e-6);
  });
}

TEMPLATE_LIST_TEST_CASE("a target without a gradient changes nothing for the prediction", "[loss]", test::Backends) {
  using B = TestType;
  hg::Shape<4> const shape{1, 14, 15, 1};
  for_each_loss<B>([&](std::string const& name, auto const& loss) {
    INFO(name);
    auto x = image<B>(shape, 1);
    auto y = image<B>(shape, 2);
    hg::Tape<B> tape;
    tape.backward(loss(tape.watch(x), tape.watch(y)));
    auto const both = hg::to_host(tape.exec(), x.grad);
    hg::fill(tape.exec(), x.grad, typename B::scalar_type(0));
    tape.clear();
    tape.backward(loss(tape.watch(x), tape.constant(y.value)));
    CHECK(hg::to_host(tape.exec(), x.grad) == both);
    CHECK(std::any_of(both.begin(), both.end(), [](auto g) { return g != 0; }));
    tape.clear();
    CHECK_FALSE(loss(tape.constant(x.value), tape.constant(y.value)).wants_grad());
  });
}

TEST_CASE("weighted losses of one prediction add their gradients", "[loss]") {
  using B = test::DoubleBackend;
  hg::Shape<4> const shape{2, 14, 15, 1};
  auto x = image<B>(shape, 1);
  auto const y = image<B>(shape, 2);
  std::vector<double> expected(shape.size());
  hg::Tape<B> tape;
  double weight = 1;
  for_each_loss<B>([&](std::string const&, auto const& loss) {
    hg::fill(tape.exec(), x.grad, 0.0);
    tape.clear();
    tape.backward(loss(tape.watch(x), tape.constant(y.value)));
    auto const gradient = hg::to_host(tape.exec(), x.grad);
    for (std::size_t i = 0; i < expected.size(); ++i) expected[i] += weight * gradient[i];
    weight *= -2;
  });
  hg::fill(tape.exec(), x.grad, 0.0);
  tape.clear();
  auto const v = tape.watch(x);
  auto total = 0.0 * hg::loss::mse(v, tape.constant(y.value));
  weight = 1;
  for_each_loss<B>([&](std::string const&, auto const& loss) {
    total = total + weight * loss(v, tape.constant(y.value));
    weight *= -2;
  });
  tape.backward(total);
  auto const gradient = hg::to_host(tape.exec(), x.grad);
  for (std::size_t i = 0; i < expected.size(); ++i) REQUIRE(std::abs(gradient[i] - expected[i]) <= 1e-14);
}

TEMPLATE_LIST_TEST_CASE("the histogram loss pulls what lies in a bin, not noise and not what is beyond the limit",
                        "[loss]", test::Backends) {
  using B = TestType;
  using T = typename B::scalar_type;
  hg::SignedLogBins const decades{.noise = 1, .limit = 50, .step = 1, .unit = 1};
  auto const gradient_at = [&](double value, double target) {
    auto x = hg::make_param<B>("x", hg::Shape{1, 1, 1, 1});
    auto const y = hg::make_tensor<B>("y", hg::Shape{1, 1, 1, 1});
    hg::Tape<B> tape;
    hg::from_host(tape.exec(), x.value, std::vector<T>{static_cast<T>(value)});
    hg::from_host(tape.exec(), y, std::vector<T>{static_cast<T>(target)});
    tape.backward(hg::loss::histogram(tape.watch(x), tape.constant(y), decades));
    return static_cast<double>(hg::item(tape.exec(), hg::Tensor<0, B>(x.grad.data())));
  };
  double const slope = 1 / (std::log(10.0) * 30);  // both nearest bins pull the same way
  CHECK(std::abs(gradient_at(30, 1000) + slope) < 1e-7);
  CHECK(std::abs(gradient_at(-30, -1000) - slope) < 1e-7);
  CHECK(gradient_at(1000, 30) == 0);
  CHECK(gradient_at(-1000, -30) == 0);
  CHECK(gradient_at(0.5, 30) == 0);
  CHECK(gradient_at(std::nan(""), 30) == 0);
}

TEST_CASE("losses refuse what does not fit", "[loss]") {
  using B = test::FloatBackend;
  hg::Tape<B> tape;
  auto const constant = [&](hg::Shape<4> const& shape) { return tape.constant(hg::make_zeros<B>("zeros", shape)); };
  for_each_loss<B>([&](std::string const& name, auto const& loss) {
    INFO(name);
    auto const a = constant({1, 12, 13, 1});
    CHECK_THROWS_AS(loss(a, constant({1, 13, 12, 1})), hg::ShapeError);
    CHECK_THROWS_AS(loss(a, constant({2, 12, 13, 1})), hg::ShapeError);
    CHECK_THROWS_AS(loss(constant({0, 12, 13, 1}), constant({0, 12, 13, 1})), hg::ShapeError);
  });
  auto const small = constant({1, 10, 30, 1});
  CHECK_THROWS_AS(hg::loss::ssim(small, small, {.data_range = 1}), hg::ShapeError);
  auto const fits = constant({1, 12, 12, 1});
  CHECK_THROWS_AS(hg::loss::ssim(fits, fits, {}), hg::UsageError);
  CHECK_THROWS_AS(hg::loss::histogram(fits, fits, {.noise = -1}), hg::UsageError);
}

#ifdef KOKKOS_ENABLE_OPENMP
TEMPLATE_LIST_TEST_CASE("losses of many chunks have the same bits for any number of threads", "[loss]",
                        test::Backends) {
  using B = TestType;
  hg::Shape<4> const shape{3, 96, 96, 1};
  auto const x = image<B>(shape, 1);
  auto const y = image<B>(shape, 2);
  for_each_loss<B>([&](std::string const& name, auto const& loss) {
    INFO(name);
    auto const run = [&](int threads) {
      hg::Tape<B> tape(Kokkos::OpenMP{threads});
      hg::fill(tape.exec(), x.grad, typename B::scalar_type(0));
      auto const l = loss(tape.watch(x), tape.constant(y.value));
      tape.backward(l);
      auto result = hg::to_host(tape.exec(), x.grad);
      result.push_back(hg::item(tape.exec(), l.value));
      return result;
    };
    auto const one = run(1);
    for (int const threads : {2, 3}) CHECK(run(threads) == one);
  });
}
#endif
