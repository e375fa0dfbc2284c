// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <heliograd/nn/conv.hpp>

#include <algorithm>
#include <catch2/catch_template_test_macros.hpp>
#include <cmath>
#include <string>
#include <vector>

#include <heliograd/core/copy.hpp>
#include <heliograd/op/arithmetic.hpp>
#include <heliograd/op/reduce.hpp>
#include "spaces.hpp"

namespace {
namespace hg = heliograd;

template <class B>
struct Pair {
  hg::nn::Conv2d<B> conv;
  hg::nn::UpsampleConv2d<B> up;
  HELIOGRAD_FIELDS(conv, up)
};
}  // namespace

TEMPLATE_LIST_TEST_CASE("convolution layers: shapes, paths and initial values", "[nn][conv]", test::Backends) {
  using B = TestType;
  using Exec = typename B::execution_space;
  hg::Rng rng(1);
  Pair<B> model{hg::nn::conv2d_layer<B>(rng, 2, 64, {.padding = 1, .mode = hg::PaddingMode::reflect}),
                hg::nn::upsample_conv2d_layer<B>(rng, 64, 8, 4)};
  std::vector<std::string> paths;
  hg::for_each_param([&](std::string const& path, auto const&) { paths.push_back(path); }, model);
  CHECK(paths == std::vector<std::string>{"conv.weight", "conv.bias", "up.weight", "up.bias"});
  CHECK(hg::count_params(model) == 1152 + 64 + 4608 + 8);

  auto const weights = hg::to_host(Exec{}, model.conv.weight.value);
  double const bound = 1.0 / std::sqrt(18.0);
  auto const [low, high] = std::minmax_element(weights.begin(), weights.end());
  CHECK(*low >= -bound);
  CHECK(*high <= bound);
  CHECK(*low < -0.98 * bound);
  CHECK(*high > 0.98 * bound);
  double squares = 0;
  for (auto const w : weights) squares += static_cast<double>(w) * static_cast<double>(w);
  CHECK(std::abs(squares / static_cast<double>(weights.size()) / (bound * bound / 3) - 1) < 0.1);

  hg::Tape<B> tape;
  auto const x = hg::make_zeros<B>("x", hg::Shape{1, 6, 5, 2});
  auto const y = model.up(model.conv(tape.constant(x)));
  CHECK(y.shape() == hg::Shape{1, 24, 20, 8});
  tape.backward(hg::mean(y * y));
  hg::for_each_param(
      [&](std::string const&, auto const& param) {
        auto const gradient = hg::to_host(Exec{}, param.grad);
        bool const arrived = std::any_of(gradient.begin(), gradient.end(), [](auto g) { return g != 0; });
        CHECK(arrived == (param.value.data() != model.conv.weight.value.data()));  // its input is zero
      },
      model);
}

TEMPLATE_LIST_TEST_CASE("convolution layers: without a bias", "[nn][conv]", test::Backends) {
  using B = TestType;
  hg::Rng rng(2);
  auto const layer = hg::nn::conv2d_layer<B>(rng, 3, 5, {.filter = 1, .stride = 2, .bias = false});
  CHECK(layer.bias.value.size() == 0);
  hg::Tape<B> tape;
  auto const x = hg::make_zeros<B>("x", hg::Shape{1, 6, 5, 3});
  auto const y = layer(tape.constant(x));
  CHECK(y.shape() == hg::Shape{1, 3, 3, 5});
  for (auto const value : hg::to_host(tape.exec(), y.value)) CHECK(value == 0);
  tape.backward(hg::mean(y * y));
}
