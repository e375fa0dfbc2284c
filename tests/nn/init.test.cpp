// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_floating_point.hpp>
#include <cmath>
#include <vector>

#include <heliograd/nn/init.hpp>
#include "spaces.hpp"

namespace hg = heliograd;
using Catch::Matchers::WithinAbs;
using Catch::Matchers::WithinRel;

namespace {
template <class B, class Initialise>
auto initialised(std::uint64_t seed, Initialise const& initialise) {
  hg::Rng rng(seed);
  auto const tensor = hg::make_tensor<B>("weight", hg::Shape{3, 3, 64, 64});
  initialise(rng, tensor);
  return hg::to_host(typename B::execution_space{}, tensor);
}
struct Moments {
  double mean, deviation;
};
template <class T>
Moments moments(std::vector<T> const& x) {
  double sum = 0, squares = 0;
  for (T const v : x) sum += static_cast<double>(v);
  double const mean = sum / static_cast<double>(x.size());
  for (T const v : x) squares += (static_cast<double>(v) - mean) * (static_cast<double>(v) - mean);
  return {mean, std::sqrt(squares / static_cast<double>(x.size()))};
}
}  // namespace

TEST_CASE("initial values have the documented bounds and moments", "[nn]") {
  using B = test::FloatBackend;
  auto const torch = initialised<B>(1, [](auto& rng, auto const& w) { hg::nn::init_torch_default(rng, w, 576); });
  double const bound = 1.0 / 24;
  auto const [lowest, highest] = std::minmax_element(torch.begin(), torch.end());
  CHECK(*lowest >= -bound);
  CHECK(*lowest < -0.999 * bound);
  CHECK(*highest <= bound);
  CHECK(*highest > 0.999 * bound);
  CHECK_THAT(moments(torch).mean, WithinAbs(0, 0.02 * bound));
  CHECK_THAT(moments(torch).deviation, WithinRel(bound / std::sqrt(3.0), 0.01));

  auto const kaiming = initialised<B>(1, [](auto& rng, auto const& w) { hg::nn::init_kaiming(rng, w, 576); });
  CHECK_THAT(moments(kaiming).deviation, WithinRel(std::sqrt(2.0 / 576), 0.02));

  auto const normal = initialised<B>(1, [](auto& rng, auto const& w) { hg::nn::init_normal(rng, w, 1.0, 0.02); });
  CHECK_THAT(moments(normal).mean, WithinAbs(1, 0.001));
  CHECK_THAT(moments(normal).deviation, WithinRel(0.02, 0.02));
}

TEST_CASE("a seed fixes the network, in both precisions", "[nn]") {
  auto const torch = [](auto& rng, auto const& w) { hg::nn::init_torch_default(rng, w, 576); };
  auto const single = initialised<test::FloatBackend>(1, torch);
  auto const doubled = initialised<test::DoubleBackend>(1, torch);
  for (std::size_t i = 0; i < single.size(); ++i) REQUIRE(single[i] == static_cast<float>(doubled[i]));
  CHECK(initialised<test::FloatBackend>(1, torch) == single);
  CHECK(initialised<test::FloatBackend>(2, torch) != single);
}

TEST_CASE("each tensor gets numbers of its own", "[nn]") {
  auto const twice = initialised<test::FloatBackend>(1, [](auto& rng, auto const& w) {
    hg::nn::init_uniform(rng, w, 0, 1);
    hg::nn::init_uniform(rng, w, 0, 1);
  });
  CHECK(twice !=
        initialised<test::FloatBackend>(1, [](auto& rng, auto const& w) { hg::nn::init_uniform(rng, w, 0, 1); }));
}
