// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <heliograd/nn/conv.hpp>

#include <algorithm>
#include <catch2/catch_template_test_macros.hpp>
#include <cmath>
#include <string>
#include <vector>

#include <heliograd/core/copy.hpp>
#include <heliograd/nn/accuracy.hpp>
#include <heliograd/nn/linear.hpp>
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

template <class B>
struct Pairs {
  std::vector<Pair<B>> pairs;
  hg::nn::ConvTranspose2d<B> last;
  HELIOGRAD_FIELDS(pairs, last)
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

TEMPLATE_LIST_TEST_CASE("convolution layers: transposed, grouped, linear", "[nn][conv][linear]", test::Backends) {
  using B = TestType;
  using Exec = typename B::execution_space;
  hg::Rng rng(3);
  auto const largest = [](auto const& tensor) {
    double most = 0;
    for (auto const value : hg::to_host(Exec{}, tensor)) most = std::max(most, std::abs(static_cast<double>(value)));
    return most;
  };
  auto const inside = [&](auto const& tensor, double fan_in) {
    double const bound = 1 / std::sqrt(fan_in);
    return largest(tensor) <= bound && largest(tensor) > 0.8 * bound;
  };
  auto const up = hg::nn::conv_transpose2d_layer<B>(rng, 6, 10);
  CHECK(hg::count_params(up) == 4 * 4 * 10 * 6 + 10);
  CHECK(inside(up.weight.value, 10 * 16));
  auto const grouped = hg::nn::conv2d_layer<B>(rng, 6, 8, {.padding = 2, .bias = false, .dilation = 2, .groups = 2});
  CHECK(hg::count_params(grouped) == 3 * 3 * 3 * 8);
  CHECK(inside(grouped.weight.value, 27));
  auto const linear = hg::nn::linear_layer<B>(rng, 10, 30);
  CHECK(hg::count_params(linear) == 330);
  CHECK(inside(linear.weight.value, 10));

  hg::Tape<B> tape;
  auto const zeros = hg::make_zeros<B>("x", hg::Shape{2, 3, 5, 6});
  auto const x = tape.constant(zeros);
  CHECK(grouped(x).shape() == hg::Shape{2, 3, 5, 8});
  auto const y = linear(up(x));
  CHECK(y.shape() == hg::Shape{2, 6, 10, 30});
  tape.backward(hg::mean(y * y));
  CHECK(largest(linear.bias.grad) > 0);
  CHECK(largest(up.bias.grad) > 0);
  CHECK(largest(up.weight.grad) == 0);  // its input is zero
}

TEST_CASE("one call makes all convolutions of a model fast", "[nn][conv]") {
  using B = test::FloatBackend;
  hg::Rng rng(1);
  auto const pair = [&] {
    return Pair<B>{hg::nn::conv2d_layer<B>(rng, 2, 4), hg::nn::upsample_conv2d_layer<B>(rng, 4, 2, 2)};
  };
  Pairs<B> model{{pair(), pair()}, hg::nn::conv_transpose2d_layer<B>(rng, 2, 1)};
  for (auto const accuracy : {hg::ConvAccuracy::fast, hg::ConvAccuracy::strict}) {
    hg::nn::set_accuracy(model, accuracy);
    for (auto const& each : model.pairs) CHECK(each.conv.options.accuracy == accuracy);
    CHECK(model.last.options.accuracy == accuracy);
  }
}
