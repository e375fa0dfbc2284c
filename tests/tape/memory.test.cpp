// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Whose memory is whose: gradients in the place of others, values given back, batches in parts.
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cmath>
#include <vector>

#include <heliograd/nn/checkpoint.hpp>
#include <heliograd/nn/dropout.hpp>
#include <heliograd/nn/residual.hpp>
#include <heliograd/nn/unet.hpp>
#include <heliograd/op/modulate.hpp>
#include <heliograd/op/reduce.hpp>
#include <heliograd/op/upsample_conv2d.hpp>
#include <heliograd/tape/aside.hpp>
#include <heliograd/tape/no_grad.hpp>
#include "spaces.hpp"

namespace hg = heliograd;
namespace nn = heliograd::nn;
using B = test::FloatBackend;
using Numbers = std::vector<float>;

namespace {

template <int Rank>
hg::Tensor<Rank, B> normal(hg::Rng& rng, hg::Shape<Rank> const& shape) {
  auto const x = hg::make_tensor<B>("x", shape);
  nn::init_normal(rng, x, 0.0, 1.0);
  return x;
}

struct Case {
  char const* name;
  hg::Var<4, B> (*op)(hg::Var<4, B> x, hg::Var<4, B> other, hg::Var<1, B> line);
};
Case const in_place[] = {
    {"leaky_relu", [](auto x, auto, auto) { return hg::leaky_relu(x); }},
    {"tanh", [](auto x, auto, auto) { return hg::tanh(x); }},
    {"prelu, shared", [](auto x, auto, auto) { return hg::prelu(x, x.tape().reshape(hg::mean(x), hg::Shape{1})); }},
    {"prelu, by channel", [](auto x, auto, auto line) { return hg::prelu(x, line); }},
    {"batch_norm", [](auto x, auto, auto line) { return hg::batch_norm(x, line, line, {.negative_slope = 0.2}); }},
    {"instance_norm", [](auto x, auto, auto) { return hg::instance_norm(x); }},
    {"add", [](auto x, auto other, auto) { return other + x; }},
    {"subtract", [](auto x, auto other, auto) { return x - other; }},
    {"multiply", [](auto x, auto other, auto) { return x * other; }},
    {"divide", [](auto x, auto other, auto) { return x / (1.5 * other); }},
    {"square", [](auto x, auto, auto) { return x * x; }},
    {"modulate", [](auto x, auto other, auto) { return hg::modulate(other, x); }},
};

/// A network of convolutions whose images know nothing of each other.
struct Net {
  nn::Conv2d<B> conv;
  nn::ResidualBlock<B> block;
  nn::Dropout dropout;
  HELIOGRAD_FIELDS(conv, block, dropout)

  hg::Var<4, B> operator()(hg::Var<4, B> x, nn::Mode const& mode) const {
    return hg::tanh(block(dropout(conv(x), mode)));
  }
};
Net net(double dropped) {
  hg::Rng rng(1);
  return {nn::conv2d_layer<B>(rng, 2, 4, {.padding = 1}), nn::residual_block<B>(rng, 4), {dropped}};
}

struct Step {
  Numbers y, gx;
  std::vector<Numbers> gradients;
  std::size_t peak;
};
/// x is used by the network and beside it.
Step step(std::size_t images, hg::TapeOptions const& options = {}) {
  auto const model = net(0);
  hg::Rng rng(2);
  auto const x = normal(rng, hg::Shape{7, 16, 16, 2});
  hg::Tape<B> tape({}, options);
  auto const in = tape.variable(x);
  auto const inner = 2.0 * in;
  auto const y = images > 0 ? nn::stream(model, images, inner, nn::Mode::apply()) : model(inner, nn::Mode::apply());
  Step result{hg::to_host(tape.exec(), y.value), {}, {}, 0};
  tape.backward(hg::mean(y * y) + 0.1 * hg::mean(inner * inner));
  result.gx = hg::to_host(tape.exec(), in.grad());
  hg::for_each_param(
      [&](std::string const&, auto const& p) { result.gradients.push_back(hg::to_host(tape.exec(), p.grad)); }, model);
  result.peak = tape.peak_bytes();
  return result;
}

void check_close(Numbers const& a, Numbers const& b) {
  REQUIRE(a.size() == b.size());
  double off = 0, size = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    off += std::pow(static_cast<double>(a[i]) - static_cast<double>(b[i]), 2);
    size += std::pow(static_cast<double>(b[i]), 2);
  }
  CHECK(off <= 1e-12 * size);  // 1e-6: sums of thousands of single-precision products in another order
}

}  // namespace

TEST_CASE("a gradient that takes another's place has the same bits", "[tape]") {
  hg::Rng rng(1);
  auto const a = normal(rng, hg::Shape{2, 9, 7, 5});
  auto const b = normal(rng, hg::Shape{2, 9, 7, 5});
  auto const line = normal(rng, hg::Shape{5});
  for (Case const& c : in_place) {
    INFO(c.name);
    auto const gradients = [&](bool apart) {
      hg::Tape<B> tape;
      auto const u = tape.variable(a), v = tape.variable(b);
      auto const l = tape.variable(line);
      // through something, because what is put on the tape has memory for its gradient that stays
      auto const y = c.op(2.0 * u, 3.0 * v, 1.0 * l);
      if (apart) tape.retain(y);
      tape.backward(hg::mean(y * tape.constant(b)));
      Numbers all = hg::to_host(tape.exec(), u.grad());
      for (auto const& other : {hg::to_host(tape.exec(), v.grad()), hg::to_host(tape.exec(), l.grad())})
        all.insert(all.end(), other.begin(), other.end());
      return std::pair{all, tape.peak_bytes()};
    };
    auto const apart = gradients(true), together = gradients(false);
    CHECK(apart.first == together.first);
    CHECK(together.second <= apart.second);
  }
}

TEST_CASE("memory of values is used for gradients if it is allowed", "[tape]") {
  auto const plain = step(0), reusing = step(0, {.reuse_values = true});
  CHECK(plain.gx == reusing.gx);
  CHECK(plain.gradients == reusing.gradients);
  INFO("peak " << plain.peak << " bytes, reusing " << reusing.peak);
  CHECK(reusing.peak < plain.peak);

  hg::Rng rng(1);
  hg::Tape<B> tape({}, {.reuse_values = true});
  auto const images = normal(rng, hg::Shape{2, 8, 8, 4});
  auto const x = tape.variable(images);
  auto const y = 2.0 * x;
  tape.retain(y);
  auto const before = hg::to_host(tape.exec(), y.value);
  auto z = y;
  for (int i = 0; i < 5; ++i) z = hg::tanh(hg::tanh(z) * z);
  tape.backward(hg::mean(z * z));
  CHECK(hg::to_host(tape.exec(), y.value) == before);
}

/// A chain of ops in which `s(x)` says that the next op is the only one to read x, or does not say it.
struct Spending {
  bool spends;
  hg::Var<4, B> operator()(hg::Var<4, B> x) const { return spends ? x.tape().spend(x) : x; }
};
struct Chain {
  char const* name;
  hg::Var<4, B> (*run)(hg::Var<4, B> x, hg::Var<4, B> w, hg::Var<1, B> line, Spending s);
};
Chain const chains[] = {
    {"relu", [](auto x, auto w, auto, auto s) { return hg::relu(s(hg::conv2d(x, w, {.padding = 1}))); }},
    {"leaky_relu", [](auto x, auto, auto l, auto s) { return hg::leaky_relu(s(hg::batch_norm(x, l, l))); }},
    {"tanh", [](auto x, auto w, auto, auto s) { return hg::tanh(s(hg::conv_transpose2d(x, w, {.padding = 1}))); }},
    {"sigmoid", [](auto x, auto, auto, auto s) { return hg::sigmoid(s(hg::concat(x, x))); }},
    {"elu", [](auto x, auto w, auto, auto s) { return hg::elu(s(hg::upsample_conv2d(x, w, 2))); }},
    {"prelu", [](auto x, auto w, auto l, auto s) { return hg::prelu(s(hg::conv2d(x, w, {.padding = 1})), l); }},
    {"conv2d", [](auto x, auto w, auto l, auto s) { return hg::conv2d(s(hg::prelu(x, l)), w, {.padding = 1}); }},
    {"conv_transpose2d",
     [](auto x, auto w, auto l, auto s) {
       return hg::conv_transpose2d(s(hg::instance_norm(x, l, l, {.negative_slope = 0.2})), w, {.padding = 1});
     }},
    {"a frozen conv2d",
     [](auto x, auto w, auto l, auto s) { return hg::conv2d(s(hg::prelu(x, l)), x.tape().detach(w), {.padding = 1}); }},
    {"dropout",
     [](auto x, auto, auto l, auto s) { return hg::dropout(s(hg::batch_norm(x, l, l)), 0.5, hg::Rng(7).fork()); }},
    {"a join",
     [](auto x, auto w, auto l, auto s) {
       auto const a = hg::batch_norm(x, l, l, {.negative_slope = 0}), b = hg::conv2d(x, w, {.padding = 1});
       return hg::leaky_relu(s(hg::concat(s(a), s(b), x)), 0.0);
     }},
};

TEST_CASE("a spent value makes room, and gradients of any order have the same bits", "[tape]") {
  hg::Rng rng(1);
  auto const image = normal(rng, hg::Shape{2, 9, 7, 5});
  auto const filter = normal(rng, hg::Shape{3, 3, 5, 5});
  auto const line = normal(rng, hg::Shape{5});
  for (Chain const& c : chains) {
    INFO(c.name);
    auto const run = [&](bool spends, bool second) {
      hg::Tape<B> tape({}, {.reuse_values = true});
      auto const x = tape.variable(image), w = tape.variable(filter);
      auto const l = tape.variable(line);
      auto const y = c.run(3.0 * x, w, l, {spends});
      auto loss = hg::mean(y * y * y);
      if (second) {
        auto const [gx, gw, gl] = tape.gradients(loss, x, w, l);
        loss = hg::sum(gx * gx) + hg::sum(gw * gw) + hg::sum(gl * gl);
      }
      Numbers all{hg::item(tape.exec(), loss.value)};
      tape.backward(loss);
      for (auto const& g :
           {hg::to_host(tape.exec(), x.grad()), hg::to_host(tape.exec(), w.grad()), hg::to_host(tape.exec(), l.grad())})
        all.insert(all.end(), g.begin(), g.end());
      return std::pair{all, tape.peak_bytes()};
    };
    auto const whole = run(false, false), spent = run(true, false);
    CHECK(whole.first == spent.first);
    CHECK(spent.second <= whole.second);
    CHECK(run(false, true).first == run(true, true).first);
  }
}

TEST_CASE("what an op needs again is not spent, nor what is not the tape's", "[tape]") {
  hg::Rng rng(1);
  auto const image = normal(rng, hg::Shape{1, 4, 4, 2});
  hg::Tape<B> tape;
  auto const x = tape.variable(image);
  CHECK(!tape.spend(x).spent);
  CHECK(!tape.spend(hg::tanh(x)).spent);  // its slope is told by its value
  CHECK(!tape.spend(tape.detach(hg::tanh(x))).spent);
  CHECK(!tape.spend(hg::elu(x)).spent);
  CHECK(tape.spend(hg::instance_norm(x)).spent);
  CHECK(tape.spend(hg::softplus(x)).spent);
  auto const kept = hg::instance_norm(x);
  tape.retain(kept);
  auto const before = hg::to_host(tape.exec(), kept.value);
  auto const w = tape.variable(normal(rng, hg::Shape{1, 1, 2, 2}));
  tape.backward(hg::mean(hg::conv2d(tape.spend(kept), w)));
  CHECK(hg::to_host(tape.exec(), kept.value) == before);
}

TEST_CASE("a U-Net that keeps one map for each norm learns the same as one that keeps all", "[tape]") {
  hg::Rng rng(1);
  auto const image = normal(rng, hg::Shape{2, 32, 32, 1});
  for (auto const order : {nn::UNetOrder::before, nn::UNetOrder::after}) {
    auto const model = nn::unet<B>(rng, {.depth = 3, .base = 4, .order = order});
    auto const learn = [&](bool lean) {
      hg::for_each_param([](std::string const&, auto const& p) { hg::fill(B::execution_space{}, p.grad, 0.0f); },
                         model);
      hg::Rng drops(3);
      auto const mode = nn::Mode::train(drops);
      hg::Tape<B> tape({}, {.reuse_values = true});
      auto const x = tape.variable(image);
      auto const y = lean ? model(x, mode) : model.through(x, mode, [](std::size_t, auto map) { return map; });
      auto all = hg::to_host(tape.exec(), y.value);
      tape.backward(hg::mean(y * y));
      auto const append = [&](Numbers const& more) { all.insert(all.end(), more.begin(), more.end()); };
      append(hg::to_host(tape.exec(), x.grad()));
      hg::for_each_param([&](std::string const&, auto const& p) { append(hg::to_host(tape.exec(), p.grad)); }, model);
      return std::pair{all, tape.peak_bytes()};
    };
    auto const lean = learn(true), full = learn(false);
    CHECK(lean.first == full.first);
    if (order == nn::UNetOrder::before) CHECK(lean.second < full.second);
  }
}

TEST_CASE("a computation aside adds to gradients and leaves the tape as it was", "[tape]") {
  hg::Rng rng(1);
  auto const maker = net(0), judge = net(0);
  auto const image = normal(rng, hg::Shape{2, 16, 16, 2}), truth = normal(rng, hg::Shape{2, 16, 16, 4});
  auto const back = nn::conv2d_layer<B>(rng, 4, 2, {.padding = 1});
  auto const gradients = [](auto const& model) {
    Numbers all;
    hg::for_each_param(
        [&](std::string const&, auto const& p) {
          auto const g = hg::to_host(B::execution_space{}, p.grad);
          all.insert(all.end(), g.begin(), g.end());
          hg::fill(B::execution_space{}, p.grad, 0.0f);
        },
        model);
    return all;
  };
  auto const mode = nn::Mode::apply();
  auto const price = [&](hg::Tape<B>& tape, hg::TensorRef<4, B> const& y) {
    auto const z = judge(back(tape.constant(y)), mode);
    return hg::mean(z * z);
  };
  struct Seen {
    Numbers maker, judge;
    std::size_t bytes;
  };
  auto const step = [&](int asides, bool apart) {
    hg::Tape<B> tape({}, {.reuse_values = true});
    auto const y = maker(tape.constant(image), mode);
    for (int k = 0; k < asides; ++k) {
      if (apart) {
        hg::Tape<B> other;
        other.backward(price(other, y.value), 0.5);
      } else {
        hg::Aside<B> aside(tape);
        auto const spent = tape.spend(2.0 * tape.constant(image));  // what it gives back is its own
        tape.let_go(spent);
        aside.backward(price(tape, y.value), 0.5);
      }
    }
    auto const d = y - tape.constant(truth);
    tape.backward(hg::mean(d * d));
    std::size_t const bytes = tape.peak_bytes();
    return Seen{gradients(maker), gradients(judge), bytes};
  };
  auto const apart = step(2, true), together = step(2, false), often = step(9, false);
  CHECK(apart.maker == together.maker);
  CHECK(apart.judge == together.judge);
  CHECK(often.bytes == together.bytes);  // each has the memory of the one before
  CHECK(often.maker == together.maker);

  hg::Tape<B> tape;
  hg::Aside<B> aside(tape);
  CHECK_THROWS_WITH(aside.backward(hg::mean(tape.constant(image))),
                    Catch::Matchers::ContainsSubstring("depends on no parameter"));
}

TEST_CASE("a batch in parts gives the same, in the memory of a part", "[tape]") {
  auto const whole = step(0);
  for (std::size_t const images : {1, 3, 7, 100}) {
    INFO(images << " images at a time");
    auto const parts = step(images);
    CHECK(parts.y == whole.y);
    check_close(parts.gx, whole.gx);
    for (std::size_t k = 0; k < whole.gradients.size(); ++k) check_close(parts.gradients[k], whole.gradients[k]);
    if (images == 1) CHECK(3 * parts.peak < 2 * whole.peak);
  }
}

TEST_CASE("parts draw the same random numbers forward and backward, each others", "[tape]") {
  auto const model = net(0.5);
  hg::fill(B::execution_space{}, model.conv.bias.value, 0.0f);
  struct Dropping {
    Net const* net;
    hg::Var<4, B> operator()(hg::Var<4, B> x, nn::Mode const& mode) const { return net->dropout(net->conv(x), mode); }
  } const layer{&model};
  hg::Rng rng(2);
  hg::Tape<B> tape;
  auto const images = normal(rng, hg::Shape{4, 8, 8, 2});
  auto const x = tape.constant(images);
  auto const mode = nn::Mode::train(rng);
  auto const y = nn::stream(layer, 1, x, mode);
  auto const loss = hg::mean(y);
  auto const once = hg::to_host(tape.exec(), y.value);
  tape.backward(loss);
  // The loss is linear in the weights: it is their product with its gradient, if the same elements were dropped.
  auto const w = hg::to_host(tape.exec(), model.conv.weight.value),
             gw = hg::to_host(tape.exec(), model.conv.weight.grad);
  double product = 0;
  for (std::size_t i = 0; i < w.size(); ++i) product += static_cast<double>(w[i]) * static_cast<double>(gw[i]);
  CHECK(std::abs(product - static_cast<double>(hg::item(tape.exec(), loss.value))) < 1e-6);
  // Which elements are zero differs from part to part.
  std::size_t const part = once.size() / 4;
  std::size_t differ = 0;
  for (std::size_t i = 0; i < part; ++i) differ += (once[i] == 0) != (once[part + i] == 0) ? 1 : 0;
  CHECK(differ > part / 4);
}

TEST_CASE("parts must be whole images", "[tape]") {
  hg::Tape<B> tape;
  hg::Rng rng(1);
  auto const images = normal(rng, hg::Shape{2, 4, 4, 1});
  auto const x = tape.constant(images);
  CHECK_THROWS_AS(hg::stream([](bool, std::size_t, hg::Var<4, B> in) { return in; }, 0, x), hg::UsageError);
  auto const flat = [](bool, std::size_t, hg::Var<4, B> in) { return in.tape().reshape(in, hg::Shape{1, 8, 4, 1}); };
  CHECK_THROWS_AS(hg::stream(flat, 2, x), hg::ShapeError);
}

TEST_CASE("a network that is applied needs the memory of its widest place, and gives the same bits", "[tape]") {
  hg::Rng rng(1);
  auto const x = normal(rng, hg::Shape{1, 128, 128, 1});
  for (auto const order : {nn::UNetOrder::before, nn::UNetOrder::after}) {
    auto const model = nn::unet<B>(rng, {.depth = 3, .base = 8, .order = order});
    auto const apply = [&](bool recorded) {
      hg::Tape<B> tape;
      tape.set_recording(recorded);
      auto const y = model(tape.constant(x), nn::Mode::apply());
      return std::pair{hg::to_host(tape.exec(), y.value), tape.peak_bytes()};
    };
    auto const recorded = apply(true), applied = apply(false);
    CHECK(recorded.first == applied.first);
    CHECK(5 * applied.second < 4 * recorded.second);
  }
  auto const image = normal(rng, hg::Shape{1, 64, 64, 4});
  auto const block = nn::residual_block<B>(rng, 4);
  hg::Tape<B> tape;
  auto const expected = hg::to_host(tape.exec(), block(tape.constant(image)).value);
  tape.clear();
  hg::NoGrad const no_grad(tape);
  auto const in = tape.constant(image);
  CHECK(hg::to_host(tape.exec(), block(block(in)).value) != expected);
  CHECK(hg::to_host(tape.exec(), block(in).value) == expected);  // the caller's image is as it was
  tape.done_with(in);                                            // not the tape's to give
  CHECK(hg::to_host(tape.exec(), block(in).value) == expected);
  auto const y = block(in);
  auto const row = hg::view_at<hg::TensorRef<4, B>>(y.value.data(), hg::Shape{1, 1, 64, 4});
  tape.done_with(tape.constant(row));  // a slice is not a block
  CHECK(hg::to_host(tape.exec(), block(in).value) == expected);
  CHECK(hg::to_host(tape.exec(), y.value) == expected);
}

TEST_CASE("blocks that are given back are joined, split and taken again", "[tape]") {
  hg::detail::BlockPool<test::ExecutionSpace::memory_space> pool;
  auto* const a = static_cast<char*>(pool.take(1024));
  auto* const b = static_cast<char*>(pool.take(2048));
  auto* const c = static_cast<char*>(pool.take(512));
  void* const d = pool.take(4096);
  std::size_t const peak = pool.arena().peak_bytes();
  pool.give_back(a, 1024);
  pool.give_back(c, 512);
  CHECK(pool.take(512) == c);  // the smallest that holds it
  pool.give_back(c, 512);
  pool.give_back(b, 2048);
  CHECK(pool.take(3584) == a);  // all three
  pool.give_back(a, 3584);
  CHECK(pool.take(1024) == a);
  CHECK(pool.take(1024) == b);
  CHECK(pool.arena().peak_bytes() == peak);
  pool.give_back(d, 4096);
  CHECK(pool.take(8192) != d);
}
