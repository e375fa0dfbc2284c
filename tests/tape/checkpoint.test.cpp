// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Activation checkpointing, and what a dry run and `inspect` say about a tape.
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include <heliograd/nn/checkpoint.hpp>
#include <heliograd/nn/conv.hpp>
#include <heliograd/nn/dropout.hpp>
#include <heliograd/nn/norm.hpp>
#include <heliograd/op/activation.hpp>
#include <heliograd/op/reduce.hpp>
#include <heliograd/op/shape.hpp>
#include <heliograd/tape/inspect.hpp>
#include <heliograd/testing/compare.hpp>
#include <heliograd/testing/draw.hpp>
#include <heliograd/testing/gradcheck.hpp>
#include "spaces.hpp"

namespace hg = heliograd;
using B = test::FloatBackend;
using Catch::Matchers::ContainsSubstring;

namespace {

struct Block {
  hg::nn::Conv2d<B> conv;
  hg::nn::BatchNorm<B> norm;
  hg::nn::Dropout dropout;
  HELIOGRAD_FIELDS(conv, norm, dropout)

  hg::Var<4, B> operator()(hg::Var<4, B> x, hg::nn::Mode const& mode) const {
    auto y = x;
    for (int i = 0; i < 3; ++i) y = dropout(hg::tanh(norm(conv(y), mode)), mode);
    return x + y;
  }
};

struct Net {
  hg::nn::Conv2d<B> head;
  std::vector<Block> blocks;
  HELIOGRAD_FIELDS(head, blocks)
};

Net net(int depth) {
  hg::Rng rng(1);
  Net model{hg::nn::conv2d_layer<B>(rng, 1, 8, {.padding = 1}), {}};
  for (int i = 0; i < depth; ++i)
    model.blocks.push_back({hg::nn::conv2d_layer<B>(rng, 8, 8, {.padding = 1}), hg::nn::batch_norm_layer<B>(8), {0.3}});
  return model;
}

struct Step {
  float loss;
  std::vector<std::vector<float>> gradients, buffers;
  std::size_t peak;
};

Step step(bool checkpointed) {
  auto const model = net(6);
  hg::Rng rng(2);
  auto const x = hg::make_tensor<B>("x", hg::Shape{2, 32, 32, 1});
  hg::nn::init_normal(rng, x, 0.0, 1.0);
  hg::Tape<B> tape;
  auto const mode = hg::nn::Mode::train(rng);
  auto y = model.head(tape.constant(x));
  for (auto const& block : model.blocks) y = checkpointed ? hg::nn::checkpoint(block, y, mode) : block(y, mode);
  auto const loss = hg::mean(y * y);
  tape.backward(loss);
  Step result{hg::item(tape.exec(), loss.value), {}, {}, tape.peak_bytes()};
  hg::for_each_param(
      [&](std::string const&, auto const& p) { result.gradients.push_back(hg::to_host(tape.exec(), p.grad)); }, model);
  hg::for_each_buffer([&](std::string const&, auto const& b) { result.buffers.push_back(hg::to_host(tape.exec(), b)); },
                      model);
  return result;
}

}  // namespace

TEST_CASE("a checkpoint changes no bit, neither of gradients nor of running statistics, and saves memory", "[tape]") {
  auto const plain = step(false);
  auto const checkpointed = step(true);
  CHECK(plain.loss == checkpointed.loss);
  CHECK(plain.gradients == checkpointed.gradients);
  CHECK(plain.buffers == checkpointed.buffers);
  INFO("peak " << plain.peak << " bytes, with checkpoints " << checkpointed.peak);
  CHECK(2 * checkpointed.peak < plain.peak);
}

TEST_CASE("gradients of gradients go through checkpoints, also one in another", "[tape]") {
  using D = test::DoubleBackend;
  hg::Rng rng(3);
  auto const w = hg::make_param<D>("w", hg::Shape{12}), x = hg::make_param<D>("x", hg::Shape{12});
  hg::nn::init_normal(rng, w.value, 0.0, 1.0);
  hg::nn::init_normal(rng, x.value, 0.0, 1.0);
  auto const part = [at = &w](bool, hg::Var<1, D> in) {  // watches a parameter, and has a part that is not used
    auto const y = hg::tanh(in * in.tape().watch(*at));
    hg::sigmoid(y);
    return y * in;
  };
  auto const outer = [part](bool, hg::Var<1, D> in) { return hg::checkpoint(part, hg::sigmoid(in)) * in; };
  auto const penalty = [&](hg::Tape<D>& tape, bool checkpointed) {
    auto const in = tape.watch(x);
    auto y = checkpointed ? hg::checkpoint(outer, in) : hg::sigmoid(in);
    if (!checkpointed) y = part(false, y) * in;
    auto const [gx, gw] = tape.gradients(hg::sum(y * y), in, tape.watch(w));
    return hg::sum(gx * gx * gw) + hg::sum(y);
  };
  auto const run = [&](bool checkpointed) {
    hg::Tape<D> tape;
    hg::fill(tape.exec(), w.grad, 0.0);
    hg::fill(tape.exec(), x.grad, 0.0);
    auto const loss = penalty(tape, checkpointed);
    tape.backward(loss);
    auto all = hg::to_host(tape.exec(), w.grad);
    for (double const g : hg::to_host(tape.exec(), x.grad)) all.push_back(g);
    all.push_back(hg::item(tape.exec(), loss.value));
    return all;
  };
  CHECK(hg::testing::compare(run(true), run(false)).relative < 1e-14);
  auto const report = hg::testing::gradgradcheck<D, 1>(
      [&](auto& tape) {
        auto const y = hg::checkpoint(outer, tape.watch(x));
        return hg::sum(y * y);
      },
      {w, x});
  INFO(report.message());
  CHECK(report.passed());
}

TEST_CASE("without recording, gradients through a checkpoint are constants", "[tape]") {
  auto const w = hg::make_param<B>("w", hg::Shape{3});
  hg::from_host(B::execution_space{}, w.value, std::vector<float>{1, 2, 3});
  hg::Tape<B> tape;
  auto const x = tape.watch(w);
  auto const y = hg::checkpoint([](bool, hg::Var<1, B> in) { return in * in; }, x);
  tape.set_recording(false);
  auto const g = tape.gradients(y, x);
  CHECK_FALSE(g.wants_grad());
  CHECK(hg::to_host(tape.exec(), g.value) == std::vector<float>{2, 4, 6});
}

TEST_CASE("a stream refuses second derivatives by name", "[tape]") {
  hg::Tape<B> tape;
  auto const w = hg::make_param<B>("w", hg::Shape{2, 3});
  auto const x = tape.watch(w);
  auto const y = hg::stream([](bool, std::size_t, hg::Var<2, B> in) { return in * in; }, 1, x);
  CHECK_THROWS_WITH(tape.gradients(y, x), ContainsSubstring("heliograd::stream"));
}

TEST_CASE("ops with several results in checkpoints, dry runs and reports", "[tape]") {
  auto const w = hg::make_param<B>("w", hg::Shape{2, 3});
  hg::from_host(B::execution_space{}, w.value, std::vector<float>{1, 2, 3, 4, 5, 6});
  auto const part = [](bool, hg::Var<2, B> x) {
    auto const [left, right] = hg::split_channels(x * x, 1, 2);
    return hg::concat(right, left) * x;  // what is not a multiple of the gradient that arrives
  };
  auto const run = [&](bool checkpointed, bool dry) {
    hg::fill(B::execution_space{}, w.grad, 0.0f);
    hg::Tape<B> tape({}, {.dry = dry});
    auto const x = tape.watch(w);
    auto const y = checkpointed ? hg::checkpoint(part, x) : part(false, x);
    tape.backward(hg::sum(y * y));
    tape.exec().fence();
    return std::pair{hg::to_host(tape.exec(), w.grad), tape.peak_bytes()};
  };
  CHECK(run(true, false).first == run(false, false).first);
  CHECK(run(false, true).second == run(false, false).second);

  hg::Tape<B> tape;
  auto const parts = hg::split_channels(tape.watch(w), 1, 2);
  auto const loss = hg::sum(hg::concat(parts[1], parts[0]));
  REQUIRE(loss.wants_grad());
  auto const nodes = hg::inspect(tape);
  REQUIRE(nodes.size() == 3);
  CHECK(nodes[0].shapes == std::vector<std::vector<std::size_t>>{{2, 1}, {2, 2}});
  CHECK(nodes[0].bytes == 24);
  CHECK(nodes[1].inputs == std::vector<std::size_t>{0});
  CHECK_THAT(hg::to_text(nodes), ContainsSubstring("0 heliograd::split_channels [2, 1] [2, 2] 24 B\n"));
  CHECK_THAT(hg::to_dot(nodes), ContainsSubstring("2 x 1\\n2 x 2"));
}

TEST_CASE("inspect names the ops, their shapes and their inputs", "[tape]") {
  hg::Tape<B> tape;
  auto const w = hg::make_param<B>("w", hg::Shape{2, 3});
  auto const x = tape.watch(w);
  auto const a = hg::tanh(x);
  auto const b = 2.0 * x;
  auto const c = hg::sum(a * b);
  REQUIRE(c.wants_grad());
  auto const nodes = hg::inspect(tape);
  REQUIRE(nodes.size() == 4);
  CHECK(nodes[0].name == "heliograd::tanh");
  CHECK(nodes[0].shapes == std::vector<std::vector<std::size_t>>{{2, 3}});
  CHECK(nodes[0].bytes == 24);
  CHECK(nodes[0].second_order);
  CHECK(nodes[0].inputs.empty());
  CHECK(nodes[2].inputs == std::vector<std::size_t>{0, 1});
  CHECK(nodes[3].inputs == std::vector<std::size_t>{2});
  CHECK(nodes[3].shapes.at(0).empty());
  CHECK_THAT(hg::to_dot(nodes), ContainsSubstring("n1 -> n2;") && ContainsSubstring("2 x 3"));
  CHECK_THAT(hg::to_text(nodes), ContainsSubstring("2 heliograd::multiply [2, 3] 24 B <- 0, 1\n"));
}

TEST_CASE("a dry run plans what a real one takes", "[tape]") {
  auto const model = net(2);
  auto const plan = [&](bool dry, std::size_t side, std::size_t& macs) {
    hg::Tape<B> tape({}, {.dry = dry});
    hg::Rng rng(2);
    auto const x = tape.make(hg::Shape{std::size_t{2}, side, side, std::size_t{1}}, false);
    hg::fill(tape.workspace(), x.value, 0.5f);
    auto y = model.head(x);
    for (auto const& block : model.blocks) y = block(y, hg::nn::Mode::sample(rng));
    tape.backward(hg::mean(y));
    tape.exec().fence();
    macs = tape.macs();
    if (dry) CHECK(tape.reserved_bytes() < 16000000);  // the rings
    return tape.peak_bytes();
  };
  std::size_t dry_macs = 0, macs = 0;
  CHECK(plan(true, 32, dry_macs) == plan(false, 32, macs));
  CHECK(dry_macs == macs);
  CHECK(macs == 2u * 32 * 32 * 9 * (8 + 6 * 8 * 8));
  // A petabyte of activations is planned as fast as a page.
  CHECK(plan(true, std::size_t{1} << 19, dry_macs) > std::size_t{1} << 45);
}
