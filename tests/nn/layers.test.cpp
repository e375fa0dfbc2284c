// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <string>
#include <vector>

#include <heliograd/core/copy.hpp>
#include <heliograd/nn/dropout.hpp>
#include <heliograd/nn/norm.hpp>
#include <heliograd/nn/residual.hpp>
#include <heliograd/op/reduce.hpp>
#include <heliograd/testing/gradcheck.hpp>
#include "spaces.hpp"

namespace hg = heliograd;
namespace nn = heliograd::nn;

TEMPLATE_LIST_TEST_CASE("dropout keeps the expectation, and drops the same elements in the gradient", "[nn]",
                        test::Backends) {
  using B = TestType;
  using T = typename B::scalar_type;
  std::size_t const count = 100003;
  hg::Rng rng(4);
  hg::Tape<B> tape;
  auto x = hg::make_param<B>("x", hg::Shape{count});
  hg::fill(tape.exec(), x.value, T(1));
  auto const y = nn::Dropout{0.2}(tape.watch(x), nn::Mode::train(rng));
  tape.backward(hg::sum(y));
  auto const values = hg::to_host(tape.exec(), y.value);
  CHECK(values == hg::to_host(tape.exec(), x.grad));
  double kept = 0;
  for (T const v : values) {
    REQUIRE((v == 0 || v == T(1.25)));
    kept += v != 0;
  }
  CHECK(std::abs(kept / count - 0.8) < 5 * std::sqrt(0.16 / count));
  auto const again = nn::Dropout{0.2}(tape.watch(x), nn::Mode::train(rng));
  CHECK(hg::to_host(tape.exec(), again.value) != values);  // another call, other elements
}

TEST_CASE("dropout does nothing when a model is applied, or with probability zero", "[nn]") {
  using B = test::FloatBackend;
  hg::Rng rng(4);
  hg::Tape<B> tape;
  auto const x = tape.constant(hg::make_zeros<B>("x", hg::Shape{5}));
  CHECK(nn::Dropout{0.5}(x, nn::Mode::apply()).value.data() == x.value.data());
  CHECK(nn::Dropout{0.0}(x, nn::Mode::train(rng)).value.data() == x.value.data());
  CHECK(rng.state().streams == 0);
  CHECK_THROWS_AS(hg::dropout(x, 1.0, rng.fork()), hg::UsageError);
  CHECK_THROWS_AS(hg::dropout(x, -0.1, rng.fork()), hg::UsageError);
  CHECK_THROWS_AS(nn::Mode::apply().rng(), hg::UsageError);
}

TEST_CASE("a residual block names its parameters and is the identity when its branch is zero", "[nn]") {
  using B = test::FloatBackend;
  hg::Rng rng(1);
  auto block = nn::residual_block<B>(rng, 8);
  std::vector<std::string> paths;
  hg::for_each_param([&](std::string const& path, auto const&) { paths.push_back(path); }, block);
  CHECK(paths == std::vector<std::string>{"conv1.weight", "conv1.bias", "prelu1.slope", "conv2.weight", "conv2.bias",
                                          "prelu2.slope"});
  CHECK(hg::count_params(block) == 2 * (9 * 8 * 8 + 8 + 1));
  hg::Tape<B> tape;
  auto const image = hg::make_tensor<B>("x", hg::Shape{2, 5, 6, 8});
  nn::init_normal(rng, image, 0, 1);
  CHECK(hg::to_host(tape.exec(), block(tape.constant(image)).value) != hg::to_host(tape.exec(), image));
  hg::fill(tape.exec(), block.conv2.weight.value, 0.0f);
  hg::fill(tape.exec(), block.conv2.bias.value, 0.0f);
  CHECK(hg::to_host(tape.exec(), block(tape.constant(image)).value) == hg::to_host(tape.exec(), image));
}

TEST_CASE("the gradients of a residual block are those of central differences", "[nn]") {
  using B = test::DoubleBackend;
  hg::Rng rng(2);
  auto block = nn::residual_block<B>(rng, 3);
  auto image = hg::make_param<B>("x", hg::Shape{1, 5, 4, 3});
  nn::init_normal(rng, image.value, 0, 1);
  auto const loss = [&](auto x, auto, auto, auto, auto) {
    auto const y = block(x);
    return hg::mean(y * y);
  };
  auto const report = hg::testing::gradcheck<B>(loss, {}, image, block.conv1.weight, block.prelu1.slope,
                                                block.conv2.bias, block.prelu2.slope);
  INFO(report.message());
  CHECK(report.passed());
}

TEST_CASE("dropout samples at inference, other elements each time", "[nn]") {
  using B = test::FloatBackend;
  hg::Rng rng(4);
  hg::Tape<B> tape;
  std::size_t const count = 4096;
  auto const image = hg::make_tensor<B>("x", hg::Shape{count});
  hg::fill(tape.exec(), image, 1.0f);
  double sum = 0;
  std::vector<float> previous;
  for (int pass = 0; pass < 16; ++pass) {
    tape.clear();
    auto const mode = pass % 2 ? nn::Mode::sample(rng) : nn::Mode::sample_with_running_statistics(rng);
    CHECK(!mode.training());
    auto const values = hg::to_host(tape.exec(), nn::Dropout{0.5}(tape.constant(image), mode).value);
    CHECK(values != previous);
    previous = values;
    for (float const v : values) sum += static_cast<double>(v);
  }
  double const samples = 16.0 * count;
  CHECK(std::abs(sum / samples - 1) < 5 / std::sqrt(samples));  // values are 0 or 2: deviation 1
}

TEST_CASE("batch norm: training moves the running statistics, no other mode does", "[nn]") {
  using B = test::FloatBackend;
  hg::Rng rng(3);
  hg::Tape<B> tape;
  auto const layer = nn::batch_norm_layer<B>(3);
  auto const image = hg::make_tensor<B>("x", hg::Shape{4, 5, 6, 3});
  nn::init_normal(rng, image, 2, 3);
  auto const run = [&](nn::Mode const& mode) {
    tape.clear();
    return hg::to_host(tape.exec(), layer(tape.constant(image), mode).value);
  };
  auto const state = [&] {
    auto all = hg::to_host(tape.exec(), layer.running_mean);
    for (float const v : hg::to_host(tape.exec(), layer.running_variance)) all.push_back(v);
    return all;
  };
  auto const start = state();
  CHECK(start == std::vector<float>{0, 0, 0, 1, 1, 1});
  auto const by_batch = run(nn::Mode::apply_with_batch_statistics());
  CHECK(run(nn::Mode::sample(rng)) == by_batch);
  CHECK(run(nn::Mode::apply()) != by_batch);
  CHECK(run(nn::Mode::apply()) == run(nn::Mode::sample_with_running_statistics(rng)));
  CHECK(state() == start);
  CHECK(run(nn::Mode::train(rng)) == by_batch);
  CHECK(state() != start);
  for (int i = 0; i < 200; ++i) run(nn::Mode::train(rng));  // the running mean converges; the variance is unbiased
  auto const at_rest = run(nn::Mode::apply());
  double const factor = std::sqrt(119.0 / 120.0);
  for (std::size_t i = 0; i < at_rest.size(); ++i) REQUIRE(std::abs(at_rest[i] - factor * by_batch[i]) <= 1e-5);
  int buffers = 0;
  hg::for_each_buffer([&](std::string const&, auto const&) { ++buffers; }, layer);
  CHECK(buffers == 2);
  CHECK(hg::count_params(layer) == 6);
}

TEST_CASE("norm layers without a line have no parameters, and all start as the plain normalisation", "[nn]") {
  using B = test::FloatBackend;
  hg::Rng rng(3);
  hg::Tape<B> tape;
  auto const image = hg::make_tensor<B>("x", hg::Shape{2, 5, 6, 3});
  nn::init_normal(rng, image, 2, 3);
  auto const x = tape.constant(image);
  auto const plain = nn::instance_norm_layer<B>(), lined = nn::instance_norm_layer<B>(3);
  CHECK(hg::count_params(plain) == 0);
  CHECK(hg::count_params(lined) == 6);
  auto const expected = hg::to_host(tape.exec(), hg::instance_norm(x).value);
  CHECK(hg::to_host(tape.exec(), plain(x).value) == expected);
  CHECK(hg::to_host(tape.exec(), lined(x).value) == expected);
  CHECK(hg::to_host(tape.exec(), nn::image_norm_layer<B>(3)(x).value) ==
        hg::to_host(tape.exec(), hg::image_norm(x, {}, {}).value));
}
