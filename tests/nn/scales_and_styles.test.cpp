// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <catch2/catch_test_macros.hpp>
#include <vector>

#include <heliograd/core/copy.hpp>
#include <heliograd/nn/adain.hpp>
#include <heliograd/nn/multi_scale_discriminator.hpp>
#include <heliograd/op/arithmetic.hpp>
#include <heliograd/op/reduce.hpp>
#include <heliograd/testing/gradcheck.hpp>
#include "spaces.hpp"

namespace hg = heliograd;
namespace nn = heliograd::nn;

TEST_CASE("a multi-scale discriminator judges an image and its halves", "[nn]") {
  using B = test::FloatBackend;
  hg::Rng rng(1);
  auto const model = nn::multi_scale_discriminator<B>(rng, 3, {.c_in = 1, .base = 2, .halvings = 2});
  hg::Tape<B> tape;
  auto const image = hg::make_tensor<B>("x", hg::Shape{1, 64, 64, 1});
  nn::init_normal(rng, image, 0, 1);
  auto const x = tape.constant(image);
  auto const maps = model.features(x, nn::Mode::apply_with_batch_statistics());
  auto const logits = model(x, nn::Mode::apply_with_batch_statistics());
  REQUIRE(maps.size() == 3);
  std::size_t side = 64;
  auto smaller = x;
  for (std::size_t i = 0; i < 3; ++i, side /= 2) {
    CHECK(logits[i].shape() == hg::Shape{std::size_t{1}, side / 4 - 2, side / 4 - 2, std::size_t{1}});
    CHECK(maps[i].size() == 4);
    CHECK(hg::to_host(tape.exec(), maps[i].back().value) == hg::to_host(tape.exec(), logits[i].value));
    auto const alone = model.scales[i](smaller, nn::Mode::apply_with_batch_statistics());
    CHECK(hg::to_host(tape.exec(), alone.value) == hg::to_host(tape.exec(), logits[i].value));
    smaller = hg::average_pool(smaller, {3, 2, 1});
  }
}

TEST_CASE("a style hands out shifts, then scales, norm after norm", "[nn]") {
  using B = test::DoubleBackend;
  hg::Rng rng(2);
  auto image = hg::make_param<B>("x", hg::Shape{2, 3, 4, 2});
  auto numbers = hg::make_param<B>("style", hg::Shape{2, 8});
  nn::init_normal(rng, image.value, 0, 1);
  nn::init_normal(rng, numbers.value, 1, 0.5);
  hg::Tape<B> tape;
  auto const x = tape.constant(image.value);
  auto const all = tape.constant(numbers.value);
  nn::AdaInStyle<B> style(all);
  auto const first = style(x), second = style(first, {.negative_slope = 0});
  CHECK(style.left() == 0);
  CHECK_THROWS_AS(style(x), hg::ShapeError);
  auto const part = [&](std::size_t at) { return hg::slice_channels(all, at, 2); };
  auto const expected = hg::adain(hg::adain(x, part(2), part(0)), part(6), part(4), {.negative_slope = 0});
  CHECK(hg::to_host(tape.exec(), second.value) == hg::to_host(tape.exec(), expected.value));

  auto const loss = [](auto v, auto s) {
    nn::AdaInStyle<B> lines(s);
    auto const y = lines(lines(v));
    return hg::mean(y * y * y);
  };
  auto const report = hg::testing::gradcheck<B>(loss, {}, image, numbers);
  INFO(report.message());
  CHECK(report.passed());
}

TEST_CASE("a style network has MUNIT's size, and gradients reach the style", "[nn]") {
  using B = test::DoubleBackend;
  hg::Rng rng(3);
  CHECK(hg::count_params(nn::style_network<B>(rng, 8, 256, 2, 8 * 2 * 256)) == 2304 + 65792 + 1052672);
  CHECK_THROWS_AS(nn::style_network<B>(rng, 8, 256, 0, 4), hg::UsageError);
  auto network = nn::style_network<B>(rng, 3, 5, 2, 8);
  auto image = hg::make_param<B>("x", hg::Shape{2, 3, 4, 2});
  auto code = hg::make_param<B>("style", hg::Shape{2, 3});
  nn::init_normal(rng, image.value, 0, 1);
  nn::init_normal(rng, code.value, 0, 1);
  auto const loss = [&](auto v, auto s, auto) {
    auto lines = network(s);
    auto const y = lines(lines(v));
    return hg::mean(y * y * y);
  };
  auto const report = hg::testing::gradcheck<B>(loss, {}, image, code, network.layers[0].weight);
  INFO(report.message());
  CHECK(report.passed());
}
