// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <Kokkos_Core.hpp>
#include <algorithm>
#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <vector>

#include <heliograd/core/copy.hpp>
#include <heliograd/core/past_caches.hpp>
#include <heliograd/op/norm.hpp>
#include <heliograd/op/reduce.hpp>
#include <heliograd/testing/draw.hpp>
#include "reference/norm.hpp"
#include "spaces.hpp"

namespace hg = heliograd;

namespace {

std::vector<double> draws(std::size_t count, double mean, double deviation, std::uint64_t seed = 1) {
  hg::testing::Draws draw(seed);
  std::vector<double> values(count);
  for (double& v : values) v = mean + deviation * std::sqrt(3.0) * draw.uniform(-1, 1);
  return values;
}

template <class T>
std::vector<T> rounded(std::vector<double> const& values) {
  return std::vector<T>(values.begin(), values.end());
}

struct Result {
  std::vector<float> value, gradient;
  bool operator==(Result const&) const = default;
};

/// Values and gradient (of sum(y y) and so on, whatever `loss` says) of a function of one tensor.
template <class Function>
Result run(hg::Shape<4> const& shape, std::vector<float> const& values, std::vector<float> const& weights,
           Function const& function, Kokkos::DefaultExecutionSpace const& exec = {}) {
  using B = test::FloatBackend;
  hg::Tape<B> tape(exec);
  auto x = hg::make_param<B>("x", shape);
  auto const w = hg::make_tensor<B>("w", shape);
  hg::from_host(exec, x.value, values);
  hg::from_host(exec, w, weights);
  auto const y = function(tape.watch(x));
  tape.backward(hg::sum(y * tape.constant(w)));
  return {hg::to_host(exec, y.value), hg::to_host(exec, x.grad)};
}

auto const instance = [](auto x) { return hg::instance_norm(x); };
auto const batch = [](auto x) { return hg::batch_norm(x, {}, {}); };
auto const image = [](auto x) { return hg::image_norm(x, {}, {}); };

}  // namespace

// Many chunks of rows, periods of one and of many rows, strips of channels, tails of each kind.
TEST_CASE("normalised values keep 2e-6 at a mean of 10^4 deviations, for any number of channels", "[kernel]") {
  for (hg::Shape<4> const shape :
       {hg::Shape<4>{2, 131, 127, 1}, hg::Shape<4>{1, 97, 89, 3}, hg::Shape<4>{2, 61, 43, 40},
        hg::Shape<4>{1, 40, 41, 64}, hg::Shape<4>{1, 13, 11, 1285}, hg::Shape<4>{2, 30, 29, 31}}) {
    INFO(hg::to_string(shape));
    for (double const mean : {0.0, 1e2, 1e4}) {
      INFO("mean over deviation " << mean);
      auto const x = rounded<float>(draws(shape.size(), mean, 1));
      hg::testing::HostTensor const exact{{shape[0], shape[1], shape[2], shape[3]}, {x.begin(), x.end()}};
      auto const check = [&](auto const& function, test::reference::NormRule const& rule) {
        auto const y = run(shape, x, std::vector<float>(shape.size(), 1.0f), function).value;
        auto const expected = test::reference::norm({exact}, rule).values;
        double worst = 0;
        for (std::size_t i = 0; i < y.size(); ++i) worst = std::max(worst, std::abs(y[i] - expected[i]));
        CHECK(worst <= 2e-6);
      };
      check(batch, {.over_batch = true});
      // The plain reference walks all groups for each channel: few channels only.
      if (shape[3] <= 3) check(image, {.over_channels = true, .unbiased_outside = true});
      if (shape[3] <= 64) check(instance, {});
    }
  }
}

TEST_CASE("the gradients of large normalisations are those of the double-precision ones", "[kernel]") {
  using D = test::DoubleBackend;
  for (hg::Shape<4> const shape :
       {hg::Shape<4>{2, 131, 127, 1}, hg::Shape<4>{2, 61, 43, 40}, hg::Shape<4>{1, 13, 11, 1285}}) {
    INFO(hg::to_string(shape));
    auto const x = rounded<float>(draws(shape.size(), 3, 1)), w = rounded<float>(draws(shape.size(), 0, 1, 2));
    hg::Tape<D> tape;
    auto p = hg::make_param<D>("x", shape);
    auto const weights = hg::make_tensor<D>("w", shape);
    hg::from_host(tape.exec(), p.value, std::vector<double>(x.begin(), x.end()));
    hg::from_host(tape.exec(), weights, std::vector<double>(w.begin(), w.end()));
    hg::NormOptions const options{.negative_slope = 0.2};
    tape.backward(hg::sum(hg::instance_norm(tape.watch(p), options) * tape.constant(weights)));
    auto const expected = hg::to_host(tape.exec(), p.grad);
    auto const gradient = run(shape, x, w, [&](auto v) { return hg::instance_norm(v, options); }).gradient;
    double error = 0, scale = 0;
    for (std::size_t i = 0; i < gradient.size(); ++i) {
      error += (gradient[i] - expected[i]) * (gradient[i] - expected[i]);
      scale += expected[i] * expected[i];
    }
    CHECK(std::sqrt(error / scale) <= 5e-6);
  }
}

TEST_CASE("a sample is normalised to the same bits at any place in the batch and for any number of threads",
          "[kernel]") {
  hg::Shape<4> const one{1, 67, 71, 5}, three{3, 67, 71, 5};
  auto const x = rounded<float>(draws(one.size(), 1, 2)), w = rounded<float>(draws(one.size(), 0, 1, 2));
  auto const other = rounded<float>(draws(one.size(), 7, 3, 5));
  for (std::size_t place = 0; place < 3; ++place) {
    std::vector<float> batched, weights;
    for (std::size_t n = 0; n < 3; ++n) {
      batched.insert(batched.end(), (n == place ? x : other).begin(), (n == place ? x : other).end());
      weights.insert(weights.end(), w.begin(), w.end());
    }
    auto const alone = run(one, x, w, instance), alone_image = run(one, x, w, image);
    auto const part = [&](Result const& r) {
      auto const at = static_cast<std::ptrdiff_t>(place * one.size()),
                 end = at + static_cast<std::ptrdiff_t>(one.size());
      return Result{{r.value.begin() + at, r.value.begin() + end}, {r.gradient.begin() + at, r.gradient.begin() + end}};
    };
    CHECK(part(run(three, batched, weights, instance)) == alone);
    CHECK(part(run(three, batched, weights, image)) == alone_image);
#ifdef KOKKOS_ENABLE_OPENMP
    if constexpr (std::is_same_v<test::ExecutionSpace, Kokkos::OpenMP>)
      for (int const threads : {1, 3, 8})
        CHECK(run(three, batched, weights, batch, Kokkos::OpenMP(threads)) == run(three, batched, weights, batch));
#endif
  }
}

// What is too large for the caches is written past them, by other stores.
TEST_CASE("a sample has the same bits in a batch that is too large for the caches", "[kernel]") {
  hg::Shape<4> const one{1, 16, 67, 5}, many{hg::beyond_caches / sizeof(float) / one.size() + 1, 16, 67, 5};
  auto const x = rounded<float>(draws(one.size(), 1, 2)), w = rounded<float>(draws(one.size(), 0, 1, 2));
  std::vector<float> batched, weights;
  for (std::size_t n = 0; n < many[0]; ++n) {
    batched.insert(batched.end(), x.begin(), x.end());
    weights.insert(weights.end(), w.begin(), w.end());
  }
  auto const leaky = [](auto v) { return hg::instance_norm(v, {.negative_slope = 0.2}); };
  auto const alone = run(one, x, w, leaky), all = run(many, batched, weights, leaky);
  for (std::size_t at = 0; at < all.value.size(); at += one.size()) {
    CAPTURE(at);
    REQUIRE(std::equal(alone.value.begin(), alone.value.end(), all.value.begin() + static_cast<std::ptrdiff_t>(at)));
    REQUIRE(std::equal(alone.gradient.begin(), alone.gradient.end(),
                       all.gradient.begin() + static_cast<std::ptrdiff_t>(at)));
  }
}

TEST_CASE("constant images and groups of one number are normalised to zero, with finite gradients", "[kernel]") {
  for (hg::Shape<4> const shape : {hg::Shape<4>{1, 8, 8, 3}, hg::Shape<4>{2, 1, 1, 4}, hg::Shape<4>{1, 1, 1, 1}})
    for (float const value : {0.0f, -3.3e7f}) {
      std::vector<float> const x(shape.size(), value);
      auto const w = rounded<float>(draws(shape.size(), 0, 1, 2));
      for (int which = 0; which < 3; ++which) {
        INFO(hg::to_string(shape) << " of " << value << ", norm " << which);
        auto const r = which == 0   ? run(shape, x, w, instance)
                       : which == 1 ? run(shape, x, w, batch)
                                    : run(shape, x, w, image);
        double sum = 0;
        for (std::size_t i = 0; i < r.value.size(); ++i) {
          CHECK(r.value[i] == 0);
          REQUIRE(std::isfinite(r.gradient[i]));
          sum += static_cast<double>(r.gradient[i]);
          if (shape[1] == 1 && which == 0)
            CHECK(std::abs(r.gradient[i]) <= 1e-7f * 317);  // nothing can move: to rounding, 0
        }
        CHECK(std::abs(sum) <= 0.1);  // moving all numbers together changes nothing; factors are up to 10^5
      }
    }
}

TEMPLATE_LIST_TEST_CASE("running statistics move as documented, towards the unbiased variance", "[kernel]",
                        test::Backends) {
  using B = TestType;
  using T = typename B::scalar_type;
  hg::Tape<B> tape;
  auto const x = hg::make_tensor<B>("x", hg::Shape{2, 1, 2, 2});
  hg::from_host(tape.exec(), x, std::vector<T>{1, 10, 2, 10, 3, 10, 6, 10});  // channel 0: mean 3, squares 14
  auto const mean = hg::make_zeros<B>("mean", hg::Shape{2}), variance = hg::make_zeros<B>("variance", hg::Shape{2});
  hg::fill(tape.exec(), variance, T(1));
  hg::batch_norm(tape.constant(x), {}, {}, {mean, variance}, 0.25);
  CHECK(hg::to_host(tape.exec(), mean) == std::vector<T>{T(0.75), T(2.5)});
  CHECK(hg::to_host(tape.exec(), variance) == std::vector<T>{static_cast<T>(0.75 + 0.25 * (14.0 / 3)), T(0.75)});
  auto const pixel = hg::make_zeros<B>("x", hg::Shape{1, 1, 1, 2});
  hg::batch_norm(tape.constant(pixel), {}, {}, {mean, variance}, 1.0);
  CHECK(hg::to_host(tape.exec(), variance) == std::vector<T>{0, 0});
}

TEST_CASE("normalisations refuse lines that fit no channel", "[kernel]") {
  using B = test::FloatBackend;
  hg::Tape<B> tape;
  auto const x = tape.constant(hg::make_zeros<B>("x", hg::Shape{2, 2, 2, 3}));
  auto const two = tape.constant(hg::make_zeros<B>("two", hg::Shape{2}));
  auto const wrong = tape.constant(hg::make_zeros<B>("wrong", hg::Shape{3, 2}));
  CHECK_THROWS_AS(hg::instance_norm(x, two, {}), hg::ShapeError);
  CHECK_THROWS_AS(hg::batch_norm(x, {}, two), hg::ShapeError);
  CHECK_THROWS_AS(hg::batch_norm(x, {}, {}, {two.value, two.value}), hg::ShapeError);
  CHECK_THROWS_AS(hg::fixed_norm(x, {}, {}, {two.value, two.value}), hg::ShapeError);
  CHECK_THROWS_AS(hg::adain(x, wrong, wrong), hg::ShapeError);
  CHECK_THROWS_AS(hg::scale_shift(x, wrong, {}), hg::ShapeError);
  CHECK_THROWS_AS(hg::instance_norm(x, {.epsilon = -1}), hg::UsageError);
}
