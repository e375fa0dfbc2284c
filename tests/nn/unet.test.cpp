// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <heliograd/nn/unet.hpp>

#include <catch2/catch_test_macros.hpp>
#include <string>
#include <vector>

#include <heliograd/core/copy.hpp>
#include <heliograd/nn/accuracy.hpp>
#include <heliograd/op/arithmetic.hpp>
#include <heliograd/op/reduce.hpp>
#include <heliograd/tape/no_grad.hpp>
#include <heliograd/testing/compare.hpp>
#include <heliograd/testing/gradcheck.hpp>
#include "spaces.hpp"

namespace hg = heliograd;
namespace nn = heliograd::nn;

namespace {

using B = test::DoubleBackend;
using Image = hg::Var<4, B>;

nn::UNetOptions small(nn::UNetOrder order) {
  return {.c_in = 2, .c_out = 3, .depth = 4, .base = 3, .widest = 6, .order = order, .dropped_stages = 0};
}

/// The network as the papers draw it, every box by itself: three halvings more, then as many doublings.
Image drawn(nn::UNet<B> const& net, Image x, nn::Mode const& mode) {
  bool const before = net.options.order == nn::UNetOrder::before;
  auto const down = [&](std::size_t i, Image v) { return net.down[i].norm(net.down[i].conv(v), mode); };
  auto const up = [&](std::size_t i, Image v) { return net.up[i].norm(net.up[i].conv(v), mode); };
  auto const leaky = [](Image v) { return hg::leaky_relu(v, 0.2); };
  if (before) {
    Image const d0 = net.down[0].conv(x);
    Image const d1 = down(1, leaky(d0));
    Image const d2 = down(2, leaky(d1));
    Image const d3 = net.down[3].conv(leaky(d2));
    Image const u0 = hg::concat(up(0, hg::relu(d3)), d2);
    Image const u1 = hg::concat(up(1, hg::relu(u0)), d1);
    Image const u2 = hg::concat(up(2, hg::relu(u1)), d0);
    return hg::tanh(net.up[3].conv(hg::relu(u2)));
  }
  Image const d0 = leaky(net.down[0].conv(x));
  Image const d1 = leaky(down(1, d0));
  Image const d2 = leaky(down(2, d1));
  Image const d3 = hg::relu(net.down[3].conv(d2));
  Image const u0 = hg::concat(hg::relu(up(0, d3)), d2);
  Image const u1 = hg::concat(hg::relu(up(1, u0)), d1);
  Image const u2 = hg::concat(hg::relu(up(2, u1)), d0);
  return hg::tanh(net.up[3].conv(u2));
}

}  // namespace

TEST_CASE("a U-Net is its drawing, in both orders and with either statistics", "[nn][unet]") {
  for (auto const order : {nn::UNetOrder::before, nn::UNetOrder::after}) {
    hg::Rng rng(1);
    auto const net = nn::unet<B>(rng, small(order));
    hg::Tape<B> tape;
    auto const image = hg::make_tensor<B>("x", hg::Shape{2, 32, 16, 2});
    nn::init_normal(rng, image, 0, 1);
    for (auto const& mode : {nn::Mode::apply(), nn::Mode::apply_with_batch_statistics()}) {
      tape.clear();
      auto const x = tape.constant(image);
      auto const y = net(x, mode);
      CHECK(y.shape() == hg::Shape{2, 32, 16, 3});
      auto const expected = hg::to_host(tape.exec(), drawn(net, x, mode).value);
      auto const error = hg::testing::compare(hg::to_host(tape.exec(), y.value), expected);
      INFO("relative error " << error.relative);
      CHECK(error.relative <= 1e-14);
    }
  }
}

TEST_CASE("applied, a U-Net's outermost stages come in bands of rows and give the same bits", "[nn][unet]") {
  using F = test::FloatBackend;
  struct Case {
    hg::Shape<4> image;
    std::size_t base;
    nn::UNetOrder order;
    nn::Mode mode;
    hg::ConvAccuracy accuracy;
  };
  for (auto const& [shape, base, order, mode, accuracy] :
       {Case{{2, 360, 256, 1},
             32,
             nn::UNetOrder::before,
             nn::Mode::apply_with_batch_statistics(),
             hg::ConvAccuracy::strict},
        Case{{2, 360, 256, 1}, 32, nn::UNetOrder::before, nn::Mode::apply(), hg::ConvAccuracy::strict},
        Case{{1, 576, 512, 1}, 64, nn::UNetOrder::after, nn::Mode::apply(), hg::ConvAccuracy::fast}}) {
    hg::Rng rng(5);
    auto net = nn::unet<F>(
        rng, {.depth = 3, .base = base, .widest = 64, .order = order, .bias = nn::UNetBias::ends, .dropped_stages = 0});
    nn::set_accuracy(net, accuracy);
    hg::Tape<F> recorded, applied;
    auto const image = hg::make_tensor<F>("x", shape);
    nn::init_normal(rng, image, 0, 1);
    auto const expected = hg::to_host(recorded.exec(), net(recorded.constant(image), mode).value);
    hg::NoGrad<F> const inference(applied);
    CHECK((hg::to_host(applied.exec(), net(applied.constant(image), mode).value) == expected));
    CHECK(applied.peak_bytes() < recorded.peak_bytes() / 2);
  }
}

TEST_CASE("a U-Net's gradients are those of central differences", "[nn][unet]") {
  hg::Rng rng(3);
  auto net = nn::unet<B>(rng, {.depth = 2, .base = 2, .dropped_stages = 0, .innermost_norm = true});
  hg::for_each_param(  // away from the kinks that tiny weights would put everything near
      [&](std::string const&, auto& param) {
        if (param.value.size() > 0) nn::init_normal(rng, param.value, 0.3, 0.5);
      },
      net);
  auto image = hg::make_param<B>("x", hg::Shape{2, 8, 8, 1});
  nn::init_normal(rng, image.value, 0, 1);
  auto const loss = [&](auto x, auto...) {
    auto const y = net(x, nn::Mode::apply_with_batch_statistics());
    return hg::mean(y * y);
  };
  auto const report = hg::testing::gradcheck<B>(loss, {.most_entries = 40}, image, net.down[0].conv.weight,
                                                net.down[1].conv.weight, net.down[1].norm.scale, net.up[0].conv.weight,
                                                net.up[0].norm.shift, net.up[1].conv.weight, net.up[1].conv.bias);
  INFO(report.message());
  CHECK(report.passed());
}

TEST_CASE("dropout is active in the innermost stages when training or sampling, and only then", "[nn][unet]") {
  hg::Rng rng(1);
  auto options = small(nn::UNetOrder::before);
  options.dropped_stages = 3;
  auto const net = nn::unet<B>(rng, options);
  CHECK(net.up[0].dropout.probability == 0.5);
  CHECK(net.up[2].dropout.probability == 0.5);
  CHECK(net.up[3].dropout.probability == 0);
  hg::Tape<B> tape;
  auto const image = hg::make_tensor<B>("x", hg::Shape{1, 32, 32, 2});
  nn::init_normal(rng, image, 0, 1);
  auto const values = [&](nn::Mode const& mode) {
    return hg::to_host(tape.exec(), net(tape.constant(image), mode).value);
  };
  CHECK(values(nn::Mode::apply()) == values(nn::Mode::apply()));
  CHECK(values(nn::Mode::sample(rng)) != values(nn::Mode::sample(rng)));
}

TEST_CASE("the encoder's maps can pass through something before the decoder", "[nn][unet]") {
  hg::Rng rng(1);
  auto options = small(nn::UNetOrder::before);
  options.bottleneck_channels = 12;
  auto const net = nn::unet<B>(rng, options);
  hg::Tape<B> tape;
  auto const image = hg::make_zeros<B>("x", hg::Shape{1, 16, 16, 2});
  auto maps = net.encode(tape.constant(image), nn::Mode::apply());
  REQUIRE(maps.size() == 4);
  CHECK(maps.front().shape() == hg::Shape{1, 8, 8, 3});
  CHECK(maps.back().shape() == hg::Shape{1, 1, 1, 6});
  auto const innermost = hg::concat(maps.back(), maps.back());
  maps.pop_back();
  CHECK(net.decode(innermost, maps, nn::Mode::apply()).shape() == hg::Shape{1, 16, 16, 3});
}

TEST_CASE("a U-Net refuses images it cannot halve, and options that make no network", "[nn][unet]") {
  hg::Rng rng(1);
  auto const net = nn::unet<B>(rng, small(nn::UNetOrder::before));
  hg::Tape<B> tape;
  auto const image = hg::make_zeros<B>("x", hg::Shape{1, 24, 16, 2});
  std::string message;
  try {
    net(tape.constant(image), nn::Mode::apply());
  } catch (hg::ShapeError const& error) {
    message = error.what();
  }
  CHECK(message.find("[1, 24, 16, 2]") != std::string::npos);
  CHECK(message.find("multiples of 16") != std::string::npos);
  CHECK_THROWS_AS(nn::unet<B>(rng, {.depth = 0}), hg::UsageError);
}
