// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <Eigen/Core>
#include <Eigen/SVD>
#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <vector>

#include <heliograd/core/copy.hpp>
#include <heliograd/nn/attention.hpp>
#include <heliograd/op/arithmetic.hpp>
#include <heliograd/op/attention.hpp>
#include <heliograd/op/reduce.hpp>
#include <heliograd/testing/gradcheck.hpp>
#include "spaces.hpp"

namespace hg = heliograd;
namespace nn = heliograd::nn;

TEMPLATE_LIST_TEST_CASE("spectral norm: after convergence the largest singular value is one", "[nn]", test::Backends) {
  using B = TestType;
  using T = typename B::scalar_type;
  hg::Rng rng(11);
  for (std::size_t const c_in : {64u, 5u}) {
    auto layer = nn::spectral_conv2d_layer<B>(rng, c_in, 33, {.filter = 3}, 300);
    hg::Tape<B> tape;
    auto const values = hg::to_host(
        tape.exec(), hg::spectral_norm(tape.watch(layer.conv.weight), {layer.u, layer.v}, {.iterations = 0}).value);
    Eigen::MatrixXd matrix(static_cast<Eigen::Index>(values.size() / 33), 33);
    for (std::size_t i = 0; i < values.size(); ++i)
      matrix(static_cast<Eigen::Index>(i / 33), static_cast<Eigen::Index>(i % 33)) = static_cast<double>(values[i]);
    double const largest = Eigen::JacobiSVD<Eigen::MatrixXd>(matrix).singularValues()(0);
    CHECK(std::abs(largest - 1) <= 1e-5);
    static_cast<void>(T{});
  }
}

TEST_CASE("spectral norm: only training moves the vectors, and each forward keeps its own for the backward", "[nn]") {
  using B = test::DoubleBackend;
  hg::Rng rng(12);
  auto layer = nn::spectral_conv2d_layer<B>(rng, 3, 4, {.filter = 3, .padding = 1}, 0);
  auto const image = hg::make_tensor<B>("x", hg::Shape{1, 5, 4, 3}),
             other = hg::make_tensor<B>("z", hg::Shape{1, 5, 4, 3});
  nn::init_normal(rng, image, 0, 1);
  nn::init_normal(rng, other, 0, 1);
  hg::Tape<B> tape;
  auto const u = [&] { return hg::to_host(tape.exec(), layer.u); };
  auto const start = u();
  layer(tape.constant(image), nn::Mode::apply());
  layer(tape.constant(image), nn::Mode::sample(rng));
  CHECK(u() == start);

  // A discriminator sees two images before one backward pass. With a single set of vectors the first forward's gradient
  // would be taken with the second's.
  auto const square = [](auto y) { return hg::sum(y * y); };
  auto const gradient_of = [&](bool first, bool second) {
    hg::from_host(tape.exec(), layer.u, start);
    hg::fill(tape.exec(), layer.conv.weight.grad, 0.0);
    tape.clear();
    auto const a = square(layer(tape.constant(image), nn::Mode::train(rng)));
    auto const b = square(layer(tape.constant(other), nn::Mode::train(rng)));
    tape.backward(first && second ? a - b : first ? a : -b);
    return hg::to_host(tape.exec(), layer.conv.weight.grad);
  };
  auto const both = gradient_of(true, true), real = gradient_of(true, false), fake = gradient_of(false, true);
  CHECK(u() != start);
  for (std::size_t i = 0; i < both.size(); ++i) REQUIRE(std::abs(both[i] - real[i] - fake[i]) <= 1e-12);
}

TEST_CASE("self-attention starts as the identity, and has the gradients of central differences", "[nn]") {
  using B = test::DoubleBackend;
  hg::Rng rng(13);
  auto image = hg::make_param<B>("x", hg::Shape{2, 3, 2, 8});
  nn::init_normal(rng, image.value, 0, 1);
  for (auto const fusion : {nn::AttentionFusion::sum, nn::AttentionFusion::concat, nn::AttentionFusion::rhp,
                            nn::AttentionFusion::rhp_answer}) {
    INFO("fusion " << static_cast<int>(fusion));
    auto block = nn::self_attention<B>(rng, 8, fusion, 3);
    CHECK(hg::count_params(block) == 4 * 3 * 8 + 1);
    hg::Tape<B> tape;
    auto const y = hg::to_host(tape.exec(), block(tape.constant(image.value), nn::Mode::apply()).value);
    auto const x = hg::to_host(tape.exec(), image.value);
    std::size_t const width = fusion == nn::AttentionFusion::sum ? 8 : 16;
    for (std::size_t i = 0; i < x.size(); ++i) {
      double const second = fusion == nn::AttentionFusion::concat ? 2 * x[i]
                            : fusion == nn::AttentionFusion::rhp  ? x[i] + x[i] * x[i]
                                                                  : x[i];
      REQUIRE(y[i / 8 * width + i % 8] == x[i]);
      REQUIRE(std::abs(y[i / 8 * width + width - 8 + i % 8] - second) <= 1e-14 * std::abs(second));
    }
    hg::fill(tape.exec(), block.gamma.value, 0.7);
    auto const loss = [&](auto v, auto) {
      auto const out = block(v, nn::Mode::apply());
      return hg::mean(out * out);
    };
    auto const report = hg::testing::gradcheck<B>(loss, {}, image, block.gamma);
    INFO(report.message());
    CHECK(report.passed());
  }
}

TEST_CASE("attention: of no queries there is no result and no gradient; no keys are refused", "[nn]") {
  using B = test::DoubleBackend;
  auto const keys = hg::make_param<B>("keys", hg::Shape{2, 3, 4});
  auto const none = hg::make_zeros<B>("none", hg::Shape{2, 0, 4});
  hg::Tape<B> tape;
  hg::fill(tape.exec(), keys.value, 1.0);
  for (double const weight : {std::nan(""), 1.0}) {  // what the first one leaves in memory must not be seen
    tape.clear();
    hg::fill(tape.exec(), keys.grad, 0.0);
    auto const k = hg::affine(tape.watch(keys), 2.0, 0.0);
    auto const o = hg::attention(tape.constant(none), k, k);
    CHECK(o.shape() == hg::Shape{2, 0, 4});
    tape.backward(hg::affine(hg::sum(o) + (std::isnan(weight) ? hg::sum(k) : hg::sum(o)), weight, 0.0));
  }
  CHECK(hg::to_host(tape.exec(), keys.grad) == std::vector<double>(24, 0.0));
  CHECK_THROWS_AS(hg::attention(tape.watch(keys), tape.constant(none), tape.constant(none)), hg::ShapeError);
}
