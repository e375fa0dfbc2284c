// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Gradients of gradients: every op against central differences of its gradient.
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cmath>
#include <string>
#include <vector>

#include <heliograd/loss/gradient.hpp>
#include <heliograd/loss/histogram.hpp>
#include <heliograd/loss/pixel.hpp>
#include <heliograd/op/activation.hpp>
#include <heliograd/op/arithmetic.hpp>
#include <heliograd/op/channel_sum.hpp>
#include <heliograd/op/conv2d.hpp>
#include <heliograd/op/conv_transpose2d.hpp>
#include <heliograd/op/dot.hpp>
#include <heliograd/op/dropout.hpp>
#include <heliograd/op/pad.hpp>
#include <heliograd/op/resample.hpp>
#include <heliograd/op/shape.hpp>
#include <heliograd/op/upsample_conv2d.hpp>
#include <heliograd/tape/fields.hpp>
#include <heliograd/tape/no_grad.hpp>
#include <heliograd/testing/gradcheck.hpp>
#include "spaces.hpp"

namespace hg = heliograd;
using B = test::DoubleBackend;
using Catch::Matchers::ContainsSubstring;

namespace {

/// The second derivatives of sum(op(x)^3).
template <class Op>
void check(char const* name, Op const& op, hg::Shape<4> const& shape = {2, 5, 6, 3}) {
  INFO(name);
  auto const report = hg::testing::gradgradcheck<B>(
      [&](auto x) {
        auto const y = op(x);
        return hg::sum(y * y * y);
      },
      shape);
  INFO(report.message());
  CHECK(report.passed());
}

struct Cubed {
  static constexpr int derivatives = 3;
  template <class T>
  KOKKOS_FUNCTION T operator()(T a) const {
    using Kokkos::exp;
    return a * a * a * exp(a);
  }
};
struct SmoothDistance {
  template <class T>
  KOKKOS_FUNCTION T operator()(T a, T b) const {
    using Kokkos::sqrt;
    T const d = a - b;
    return sqrt(d * d + T(0.01f)) * a;
  }
};

}  // namespace

TEST_CASE("second derivatives of element-wise ops", "[tape]") {
  check("product", [](auto x) { return x * x; });
  check("quotient", [](auto x) { return x / hg::affine(x, 0.3, 2.0); });
  check("difference", [](auto x) { return x * x - x; });
  check("formula", [](auto x) { return hg::pointwise("cubed", Cubed{}, x); });
  check("formula of two", [](auto x) { return hg::pointwise("distance", SmoothDistance{}, x, x * x); });
  check("relu", [](auto x) { return hg::relu(x); });
  check("leaky_relu", [](auto x) { return hg::leaky_relu(x); });
  check("tanh", [](auto x) { return hg::tanh(x); });
  check("sigmoid", [](auto x) { return hg::sigmoid(x); });
  check("softplus", [](auto x) { return hg::softplus(x); });
  check("silu", [](auto x) { return hg::silu(x); });
  check("gelu", [](auto x) { return hg::gelu(x); });
  check("elu", [](auto x) { return hg::elu(x, 0.7); });
  check("mish", [](auto x) { return hg::mish(x); });
  check("dropout", [](auto x) { return hg::dropout(x, 0.3, hg::RandomStream{1, 2}); });
  check("prelu, a slope for each channel", [](auto x) { return hg::prelu(x, hg::channel_sum(hg::tanh(x))); });
  check("prelu, one slope", [](auto x) { return hg::prelu(x, x.tape().reshape(hg::sum(x), hg::Shape<1>{1})); });
}

TEST_CASE("second derivatives of linear ops", "[tape]") {
  check("pad", [](auto x) { return hg::pad(x, 2, hg::PaddingMode::reflect); });
  check("resample", [](auto x) { return hg::resample(x, 2); });
  check("slice_channels", [](auto x) { return hg::slice_channels(x, 1, 2); });
  check("split_channels", [](auto x) {
    auto const [a, b, c] = hg::split_channels(x * x, 1, 1, 1);
    return a * c;
  });
  check("permute", [](auto x) { return hg::permute(x, {0, 2, 1, 3}); });
  check("concat", [](auto x) { return hg::concat(x, x * x); });
  check("channels", [](auto x) { return x * hg::channel_spread(hg::channel_sum(x), x.shape()); });
}

TEST_CASE("second derivatives of bilinear ops", "[tape]") {
  check("conv_transpose2d", [](auto x) {
    auto const weight = x.tape().reshape(x, hg::Shape<4>{4, 3, 5, 3});
    return hg::conv_transpose2d(x, weight, {.stride = 2, .padding = 1});
  });
  check("dot and scale", [](auto x) { return hg::scale(hg::dot(x, hg::tanh(x)), x); });
  check("conv2d", [](auto x) {
    auto const weight = x.tape().reshape(x, hg::Shape<4>{4, 3, 3, 5});
    return hg::conv2d(x, weight, {.stride = 2, .padding = 2});
  });
  check("upsample_conv2d",
        [](auto x) { return hg::upsample_conv2d(x, x.tape().reshape(x, hg::Shape<4>{3, 3, 3, 2}), 2); }, {1, 3, 6, 3});
}

TEST_CASE("second derivatives of losses", "[tape]") {
  hg::Shape<4> const shape{2, 5, 6, 3};
  auto const target = hg::make_tensor<B>("target", shape);
  hg::testing::Draws draws(5);
  std::vector<double> values(shape.size());
  for (double& v : values) v = draws.uniform(-1, 1);
  hg::from_host(B::execution_space{}, target, values);
  auto const both = [&](char const* name, auto const& loss) {
    check(name, [&](auto x) {
      auto const l = loss(hg::tanh(x), 0.5 * x * x + x.tape().constant(target));
      return hg::scale(l, x);
    });
  };
  both("mse", [](auto x, auto y) { return hg::loss::mse(x, y); });
  both("l1", [](auto x, auto y) { return hg::loss::l1(x, y); });
  both("gradient", [](auto x, auto y) { return hg::loss::gradient(x, y); });
  both("histogram", [](auto x, auto y) { return hg::loss::histogram(x, y, {.noise = 0.01, .limit = 0.9}); });
}

namespace {

/// A critic of images: two convolutions and a mean.
struct Critic {
  hg::Param<4, B> first, second;
  hg::Param<1, B> bias;
  HELIOGRAD_FIELDS(first, second, bias)

  hg::Var<4, B> operator()(hg::Var<4, B> x) const {
    auto& t = x.tape();
    auto const y = hg::tanh(hg::conv2d(x, t.watch(first), t.watch(bias), {.stride = 2, .padding = 1}));
    return hg::conv2d(hg::leaky_relu(y), t.watch(second));
  }
};

void draw(hg::Tensor<4, B> const& tensor, std::uint64_t seed) {
  hg::testing::Draws draws(seed);
  std::vector<double> values(tensor.size());
  for (double& v : values) v = draws.uniform(-0.5, 0.5);
  hg::from_host(B::execution_space{}, tensor, values);
}

Critic critic() {
  Critic model{hg::make_param<B>("first", hg::Shape{3, 3, 2, 5}), hg::make_param<B>("second", hg::Shape{3, 3, 5, 1}),
               hg::make_param<B>("bias", hg::Shape{5})};
  draw(model.first.value, 1);
  draw(model.second.value, 2);
  return model;
}

struct Root {
  template <class T>
  KOKKOS_FUNCTION T operator()(T x) const {
    using Kokkos::sqrt;
    return sqrt(x);
  }
};

/// (|d critic / d x| - 1)^2, as Gulrajani and others have it (NIPS 2017).
hg::Var<0, B> penalty(hg::Tape<B>& tape, Critic const& model, hg::Tensor<4, B> const& x) {
  auto const at = tape.variable(x);
  auto const g = tape.gradients(model(at), at);
  auto const excess = hg::affine(hg::pointwise("root", Root{}, hg::dot(g, g)), 1.0, -1.0);
  return excess * excess;
}

}  // namespace

TEST_CASE("a gradient penalty trains a critic", "[tape]") {
  auto const model = critic();
  auto const x = hg::make_tensor<B>("x", hg::Shape{1, 7, 8, 2});
  draw(x, 3);
  hg::Tape<B> tape;
  auto const value = [&] {
    tape.clear();
    return hg::item(tape.exec(), penalty(tape, model, x).value);
  };
  hg::for_each_param([&](std::string const&, auto const& p) { hg::fill(tape.exec(), p.grad, 0.0); }, model);
  tape.clear();
  tape.backward(penalty(tape, model, x));
  hg::for_each_param(
      [&](std::string const& path, auto const& p) {
        auto const analytic = hg::to_host(tape.exec(), p.grad);
        auto at = hg::to_host(tape.exec(), p.value);
        for (std::size_t i = 0; i < at.size(); ++i) {
          double const before = at[i];
          at[i] = before + 1e-6;
          hg::from_host(tape.exec(), p.value, at);
          double const high = value();
          at[i] = before - 1e-6;
          hg::from_host(tape.exec(), p.value, at);
          double const numeric = (high - value()) / 2e-6;
          at[i] = before;
          hg::from_host(tape.exec(), p.value, at);
          INFO(path << " " << i);
          CHECK(std::abs(analytic[i] - numeric) <= 1e-7 + 1e-5 * std::abs(numeric));
        }
      },
      model);
}

TEST_CASE("the Taylor series of a critic with its Hessian leaves the third order", "[tape]") {
  auto const model = critic();
  auto const x = hg::make_tensor<B>("x", hg::Shape{1, 7, 8, 2});
  auto const v = hg::make_tensor<B>("v", hg::Shape{1, 7, 8, 2});
  draw(x, 3);
  draw(v, 4);
  hg::Tape<B> tape;
  auto const at = tape.variable(x);
  auto const y = hg::sum(hg::tanh(model(at)));
  auto const g = tape.gradients(y, at);
  auto const along = hg::dot(g, tape.constant(v));
  auto const bent = hg::dot(tape.gradients(along, at), tape.constant(v));
  double const f = hg::item(tape.exec(), y.value), slope = hg::item(tape.exec(), along.value),
               curvature = hg::item(tape.exec(), bent.value);
  auto const start = hg::to_host(tape.exec(), x);
  auto const direction = hg::to_host(tape.exec(), v);
  auto const remainder = [&](double h) {
    auto moved = start;
    for (std::size_t i = 0; i < moved.size(); ++i) moved[i] += h * direction[i];
    hg::from_host(tape.exec(), x, moved);
    tape.clear();
    hg::NoGrad const guard(tape);
    double const there = hg::item(tape.exec(), hg::sum(hg::tanh(model(tape.constant(x)))).value);
    return std::abs(there - (f + h * slope + h * h / 2 * curvature));
  };
  double const far = remainder(1e-2), near = remainder(5e-3);
  CHECK(std::abs(curvature) > 1e-3);
  CHECK(std::log2(far / near) >= 2.95);
}

TEST_CASE("third derivatives, where the ops have them", "[tape]") {
  hg::Tape<B> tape;
  auto const w = hg::make_tensor<B>("w", hg::Shape{4});
  hg::from_host(tape.exec(), w, std::vector<double>{0.5, -1, 2, 3});
  auto const x = tape.variable(w);
  auto const first = tape.gradients(x * x * x * x, x);
  auto const second = tape.gradients(first, x);
  auto const third = tape.gradients(second, x);
  CHECK(hg::to_host(tape.exec(), third.value) == std::vector<double>{12, -24, 48, 72});
  auto const formula = tape.gradients(hg::pointwise("cubed", Cubed{}, x), x);
  tape.backward(hg::sum(tape.gradients(formula, x)));
  auto const values = hg::to_host(tape.exec(), w), slopes = hg::to_host(tape.exec(), x.grad());
  for (std::size_t i = 0; i < 4; ++i) {
    double const t = values[i], expected = std::exp(t) * (((t + 9) * t + 18) * t + 6);
    CHECK(std::abs(slopes[i] - expected) <= 1e-13 * std::abs(expected));
  }
}

TEST_CASE("gradients are asked of what they depend on, and of nothing else", "[tape]") {
  hg::Tape<B> tape;
  auto const w = hg::make_param<B>("w", hg::Shape{3});
  hg::fill(tape.exec(), w.value, 2.0);
  auto const x = tape.watch(w);
  auto const once = [&](hg::Var<1, B> in) {  // an op without a second derivative
    auto const y = tape.make(in.shape(), in.wants_grad());
    hg::accumulate(tape.workspace(), hg::Sink<1, B>{y.value, 0}, in.value);
    if (y.wants_grad())
      tape.record("once", y, [=](hg::Tape<B>& t) { hg::accumulate(t.workspace(), t.into(in), y.grad()); });
    return y;
  };
  auto const before = once(x);
  auto const between = before * before;
  auto const y = between * before;
  CHECK_THROWS_WITH(tape.gradients(y, x), ContainsSubstring("once") && ContainsSubstring("second derivative"));
  auto const [to_between, to_before] = tape.gradients(y, between, before);
  CHECK(hg::to_host(tape.exec(), to_between.value) == std::vector<double>{2, 2, 2});
  CHECK(hg::to_host(tape.exec(), to_before.value) == std::vector<double>{12, 12, 12});
  CHECK_THROWS_WITH(tape.gradients(y, tape.constant(w.value)), ContainsSubstring("constant"));
  auto const other = tape.variable(w.value);
  CHECK(hg::to_host(tape.exec(), tape.gradients(y, other).value) == std::vector<double>{0, 0, 0});
  auto const again = tape.watch(w);  // the same parameter, the same gradient
  CHECK(hg::to_host(tape.exec(), tape.gradients(again * x, x).value) == std::vector<double>{4, 4, 4});
  {
    hg::NoGrad const guard(tape);
    CHECK_FALSE(tape.gradients(y, between).wants_grad());
  }
}
