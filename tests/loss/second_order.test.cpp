// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Losses of gradients: the gradient penalty, and the second derivatives of the losses themselves.
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_floating_point.hpp>
#include <cmath>
#include <vector>

#include <heliograd/core/copy.hpp>
#include <heliograd/loss/adversarial.hpp>
#include <heliograd/loss/correlation.hpp>
#include <heliograd/loss/flux.hpp>
#include <heliograd/loss/gradient.hpp>
#include <heliograd/loss/gradient_penalty.hpp>
#include <heliograd/loss/histogram.hpp>
#include <heliograd/loss/pixel.hpp>
#include <heliograd/op/activation.hpp>
#include <heliograd/op/conv2d.hpp>
#include <heliograd/testing/gradcheck.hpp>
#include "spaces.hpp"

namespace hg = heliograd;
namespace loss = heliograd::loss;
using B = test::DoubleBackend;
using Catch::Matchers::WithinRel;

namespace {

hg::Tensor<4, B> drawn(hg::Shape<4> const& shape, std::uint64_t seed) {
  hg::testing::Draws draws(seed);
  auto const x = hg::make_tensor<B>("x", shape);
  hg::from_host(B::execution_space{}, x, hg::testing::draw_uniform(draws, shape.size(), -1, 1));
  return x;
}

}  // namespace

TEST_CASE("second derivatives of losses", "[loss]") {
  hg::Shape<4> const shape{2, 5, 6, 1};
  auto const target = drawn(shape, 5);
  auto const weights = drawn(shape, 6);  // half of them do not count
  auto const check = [&](char const* name, auto const& one) {
    INFO(name);
    auto const report = hg::testing::gradgradcheck<B>(
        [&](auto x) {
          auto const y = x.tape().constant(target);
          auto const value = one(hg::tanh(x), y, y * x);  // the target may depend on x as well
          return value * value;
        },
        shape);
    INFO(report.message());
    CHECK(report.passed());
  };
  check("mse", [](auto x, auto y, auto) { return loss::mse(x, y); });
  check("mse, both", [](auto x, auto, auto z) { return loss::mse(x, z); });
  check("mse, weights", [&](auto x, auto, auto z) { return loss::mse(x, z, {weights}); });
  check("l1", [](auto x, auto, auto z) { return loss::l1(x, z); });
  check("l1, weights", [&](auto x, auto y, auto) { return loss::l1(x, y, {weights}); });
  check("gradient", [](auto x, auto, auto z) { return loss::gradient(x, z); });
  check("net_flux", [](auto x, auto, auto z) { return loss::net_flux(x, z); });
  check("unsigned_flux", [](auto x, auto, auto z) { return loss::unsigned_flux(x, z, 0.2); });
  check("unsigned_flux, weights", [&](auto x, auto y, auto) { return loss::unsigned_flux(x, y, 0.2, {weights}); });
  check("histogram", [](auto x, auto, auto z) {
    return loss::histogram(x, z, {.noise = 60, .limit = 3000, .step = 0.3, .unit = 3500});
  });
  check("correlation", [](auto x, auto, auto z) { return loss::correlation(x, z); });
  check("correlation, pearson", [&](auto x, auto, auto z) {
    return loss::correlation(x, z, {.agreement = hg::Agreement::pearson, .each_image = true}, {weights});
  });
  check("correlation, the target alone", [](auto x, auto y, auto) { return loss::correlation(y, x); });
  check("bce_with_logits", [](auto x, auto y, auto) { return loss::bce_with_logits(x, y); });
  check("least squares", [](auto x, auto, auto z) { return loss::discriminator(x, z); });
  check("logit", [](auto x, auto, auto z) { return loss::discriminator(x, z, {.game = loss::Game::logit}); });
}

TEST_CASE("the gradient penalty of a known critic", "[loss]") {
  // D(x) = sum a x^2 / 2 has the gradient a x.
  hg::Shape<4> const shape{3, 4, 5, 2};
  auto const x = drawn(shape, 1);
  hg::Tape<B> tape;
  auto const critic = [](auto v) { return hg::affine(v * v, 1.5, 0); };  // a = 3
  auto const values = hg::to_host(tape.exec(), x);
  for (auto const& options : {loss::GradientPenaltyOptions{}, loss::GradientPenaltyOptions{.norm = 0},
                              loss::GradientPenaltyOptions{.norm = 10.5, .one_sided = true}}) {
    double expected = 0;
    for (std::size_t n = 0; n < 3; ++n) {
      double square = 0;
      for (std::size_t i = n * 40; i < (n + 1) * 40; ++i) square += 9 * values[i] * values[i];
      double const excess = std::sqrt(square) - options.norm;
      expected += options.one_sided && excess < 0 ? 0 : excess * excess / 3;
    }
    auto const penalty = loss::gradient_penalty(tape, critic, hg::TensorRef<4, B>(x), options);
    CHECK_THAT(hg::item(tape.exec(), penalty.value), WithinRel(expected, 1e-10));
  }
}

TEST_CASE("the gradient penalty trains the critic, and mixes each pair by itself", "[loss]") {
  hg::Shape<4> const shape{2, 6, 6, 1};
  auto const real = drawn(shape, 1), fake = drawn(shape, 2);
  auto first = hg::make_param<B>("first", hg::Shape<4>{3, 3, 1, 4});
  auto second = hg::make_param<B>("second", hg::Shape<4>{3, 3, 4, 1});
  hg::testing::Draws draws(3);
  for (auto* const param : {&first, &second})
    hg::from_host(B::execution_space{}, param->value, hg::testing::draw_uniform(draws, param->value.size(), -0.5, 0.5));
  auto const penalty = [&](auto a, auto b) {
    hg::Tape<B>& tape = a.tape();
    auto const critic = [&](auto v) {
      return hg::conv2d(hg::tanh(hg::conv2d(v, a, {.padding = 1})), b, {.padding = 1});
    };
    return loss::gradient_penalty(tape, critic, tape.constant(real), tape.constant(fake), {5, 1});
  };
  auto const report = hg::testing::gradcheck<B>(penalty, {}, first, second);
  INFO(report.message());
  CHECK(report.passed());

  hg::Workspace<B> ws;
  auto const mixed = hg::make_tensor<B>("mixed", shape);
  hg::kernel::random_mix<B, 4>(ws, {5, 1}, real, fake, mixed);
  auto const a = hg::to_host(ws.exec(), real), b = hg::to_host(ws.exec(), fake), y = hg::to_host(ws.exec(), mixed);
  for (std::size_t i = 0; i < y.size(); ++i) {
    double const share = hg::RandomStream{5, 1}.uniform<double>(i / 36);
    REQUIRE(y[i] == share * a[i] + (1 - share) * b[i]);
  }
}
