// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <heliograd/nn/patch_discriminator.hpp>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <string>
#include <vector>

#include <heliograd/core/copy.hpp>
#include <heliograd/op/arithmetic.hpp>
#include <heliograd/op/reduce.hpp>
#include <heliograd/testing/gradcheck.hpp>
#include "spaces.hpp"

namespace hg = heliograd;
namespace nn = heliograd::nn;

namespace {

using B = test::DoubleBackend;

/// Rows of the input that one logit depends on.
std::size_t field(int halvings) {
  hg::Rng rng(1);
  auto const net = nn::patch_discriminator<B>(
      rng, {.c_in = 1, .base = 1, .halvings = halvings, .norm = nn::DiscriminatorNorm::none});
  hg::for_each_param([&](std::string const&, auto& param) { hg::fill(B::execution_space{}, param.value, 1.0); }, net);
  std::size_t const side = halvings <= 3 ? 128 : halvings == 4 ? 256 : 512;
  auto image = hg::make_param<B>("x", hg::Shape<4>{1, side, std::size_t{1} << halvings << 2, 1});
  hg::fill(B::execution_space{}, image.value, 1.0);
  hg::Tape<B> tape;
  auto const y = net(tape.watch(image), nn::Mode::apply());
  auto const mask = hg::make_zeros<B>("mask", y.shape());
  auto values = hg::to_host(tape.exec(), mask);
  values[y.shape()[1] / 2 * y.shape()[2]] = 1;
  hg::from_host(tape.exec(), mask, values);
  tape.backward(hg::sum(y * tape.constant(mask)));
  auto const gradient = hg::to_host(tape.exec(), image.grad);
  std::size_t const width = image.value.extent(2);
  std::size_t rows = 0;
  for (std::size_t h = 0; h < side; ++h)
    rows += std::any_of(&gradient[h * width], &gradient[h * width] + width, [](double g) { return g != 0; });
  return rows;
}

}  // namespace

TEST_CASE("each number of halvings sees the field it is known for", "[nn][discriminator]") {
  CHECK(field(0) == 1);
  CHECK(field(1) == 16);
  CHECK(field(2) == 34);
  CHECK(field(3) == 70);
  CHECK(field(4) == 142);
  CHECK(field(5) == 286);
}

TEST_CASE("a patch discriminator's maps: sizes, number, and logits last", "[nn][discriminator]") {
  hg::Rng rng(1);
  hg::Tape<B> tape;
  auto const image = hg::make_zeros<B>("x", hg::Shape{1, 256, 256, 2});
  auto const net = nn::patch_discriminator<B>(rng, {.base = 2});
  auto const maps = net.features(tape.constant(image), nn::Mode::apply());
  REQUIRE(maps.size() == 5);
  CHECK(maps[0].shape() == hg::Shape{1, 128, 128, 2});
  CHECK(maps[3].shape() == hg::Shape{1, 31, 31, 16});
  CHECK(maps[4].shape() == hg::Shape{1, 30, 30, 1});
  auto const munit = nn::patch_discriminator<B>(rng, {.c_in = 2,
                                                      .base = 2,
                                                      .halvings = 4,
                                                      .norm = nn::DiscriminatorNorm::none,
                                                      .plain_tail = true,
                                                      .mode = hg::PaddingMode::reflect});
  CHECK(munit(tape.constant(image), nn::Mode::apply()).shape() == hg::Shape{1, 16, 16, 1});
  CHECK_THROWS_AS(nn::patch_discriminator<B>(rng, {.halvings = -1}), hg::UsageError);
}

TEST_CASE("a patch discriminator's gradients are those of central differences, with every norm",
          "[nn][discriminator]") {
  for (auto const norm : {nn::DiscriminatorNorm::batch, nn::DiscriminatorNorm::instance, nn::DiscriminatorNorm::none}) {
    hg::Rng rng(3);
    auto net = nn::patch_discriminator<B>(rng, {.base = 2, .halvings = 2, .norm = norm, .inner_bias = true});
    hg::for_each_param(
        [&](std::string const&, auto& param) {
          if (param.value.size() > 0) nn::init_normal(rng, param.value, 0.05, 0.2);
        },
        net);
    auto image = hg::make_param<B>("x", hg::Shape{2, 16, 20, 2});
    nn::init_normal(rng, image.value, 0, 1);
    auto const loss = [&](auto x, auto...) {
      auto const y = net(x, nn::Mode::apply_with_batch_statistics());
      return hg::mean(y * y);
    };
    auto const report = hg::testing::gradcheck<B>(loss, {.most_entries = 40}, image, net.stages[0].conv.weight,
                                                  net.stages[1].conv.weight, net.head.weight, net.head.bias);
    INFO(report.message());
    CHECK(report.passed());
  }
}
