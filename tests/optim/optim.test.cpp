// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <algorithm>
#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_floating_point.hpp>
#include <cmath>
#include <limits>
#include <vector>

#include <heliograd/core/copy.hpp>
#include <heliograd/io/checkpoint.hpp>
#include <heliograd/op/arithmetic.hpp>
#include <heliograd/op/reduce.hpp>
#include <heliograd/optim/adam.hpp>
#include <heliograd/optim/average.hpp>
#include <heliograd/optim/clip.hpp>
#include <heliograd/optim/loss_scale.hpp>
#include <heliograd/optim/schedule.hpp>
#include <heliograd/optim/sgd.hpp>
#include <heliograd/testing/draw.hpp>
#include "folder.hpp"
#include "spaces.hpp"

namespace hg = heliograd;
namespace optim = heliograd::optim;
using Catch::Matchers::WithinAbs;
using Catch::Matchers::WithinRel;

namespace {

template <class B>
struct Model {
  hg::Param<1, B> a, b;
  HELIOGRAD_FIELDS(a, b)
};

template <class B>
Model<B> make_model(std::vector<double> const& values) {
  using T = typename B::scalar_type;
  Model<B> model{hg::make_param<B>("a", hg::Shape{values.size()}), hg::make_param<B>("b", hg::Shape{1})};
  hg::from_host(typename B::execution_space{}, model.a.value, std::vector<T>(values.begin(), values.end()));
  return model;
}

/// Adam as the paper writes it, one number at a time.
struct PlainAdam {
  optim::AdamOptions o;
  double x, m = 0, v = 0;
  int t = 0;
  void step(double g, double rate) {
    ++t;
    bool const decoupled = o.decay == optim::WeightDecay::decoupled;
    if (decoupled)
      x -= rate * o.weight_decay * x;
    else
      g += o.weight_decay * x;
    m = o.beta1 * m + (1 - o.beta1) * g;
    v = o.beta2 * v + (1 - o.beta2) * g * g;
    double const c1 = 1 - std::pow(o.beta1, t), c2 = 1 - std::pow(o.beta2, t);
    if (o.epsilon_added == optim::AdamEpsilon::after_correction)
      x -= rate * (m / c1) / (std::sqrt(v / c2) + o.epsilon);
    else
      x -= rate * std::sqrt(c2) / c1 * m / (std::sqrt(v) + o.epsilon);
  }
};

}  // namespace

TEMPLATE_LIST_TEST_CASE("Adam follows the published algorithm in all its variants", "[optim]", test::Backends) {
  using B = TestType;
  using T = typename B::scalar_type;
  double const tolerance = std::is_same_v<T, float> ? 2e-6 : 1e-13;
  for (auto const& options :
       {optim::AdamOptions{}, optim::AdamOptions{.learning_rate = 2e-4, .beta1 = 0.5, .epsilon = 1e-3},
        optim::AdamOptions{.epsilon = 1e-3, .epsilon_added = optim::AdamEpsilon::before_correction},
        optim::AdamOptions{.epsilon = 1e-4, .weight_decay = 0.1},
        optim::AdamOptions{.weight_decay = 0.1, .decay = optim::WeightDecay::decoupled}}) {
    hg::testing::Draws draws(4);
    std::vector<double> const start = hg::testing::draw_uniform(draws, 37, -1, 1);
    auto model = make_model<B>(start);
    hg::FlatStore<B> const store(model);
    optim::Adam<B> adam(store, options);
    hg::Workspace<B> ws;
    std::vector<PlainAdam> plain;
    for (double const x : start) plain.push_back({options, static_cast<double>(static_cast<T>(x))});
    for (int step = 0; step < 25; ++step) {
      double const rate = options.learning_rate / (1 + step);
      std::vector<T> gradient;
      for (std::size_t i = 0; i < start.size(); ++i) {
        gradient.push_back(static_cast<T>(draws.uniform(-1e-3, 1e-2)));
        plain[i].step(static_cast<double>(gradient[i]), rate);
      }
      hg::from_host(ws.exec(), model.a.grad, gradient);
      adam.update(ws, rate);
    }
    auto const values = hg::to_host(ws.exec(), model.a.value);
    for (std::size_t i = 0; i < values.size(); ++i) CHECK_THAT(values[i], WithinAbs(plain[i].x, tolerance));
    CHECK(hg::to_host(ws.exec(), model.a.grad) == std::vector<T>(start.size(), 0));  // reset in the same pass
    CHECK(hg::to_host(ws.exec(), model.b.value)[0] == 0);
    CHECK(adam.steps() == 25);
  }
}

TEST_CASE("Adam finds the minimum of a parabola", "[optim]") {
  using B = test::DoubleBackend;
  auto model = make_model<B>({3, -4, 5});
  hg::FlatStore<B> const store(model);
  optim::Adam<B> adam(store, {.learning_rate = 0.05});
  hg::Tape<B> tape;
  for (int step = 0; step < 2000; ++step) {
    tape.clear();
    auto const d = hg::affine(tape.watch(model.a), 1.0, -0.5);
    tape.backward(hg::sum(d * d));
    adam.update(tape.workspace(), optim::LinearRate{.rate = 0.05, .end = 2000}(static_cast<std::uint64_t>(step)));
  }
  for (double const x : hg::to_host(tape.exec(), model.a.value)) CHECK_THAT(x, WithinAbs(0.5, 1e-4));
}

TEST_CASE("Adam goes on from saved state bit for bit", "[optim]") {
  using B = test::FloatBackend;
  auto const run = [](bool interrupted) {
    auto model = make_model<B>({1, 2, 3});
    hg::FlatStore<B> store(model);
    auto adam = optim::Adam<B>(store, {});
    hg::Workspace<B> ws;
    for (int step = 0; step < 10; ++step) {
      if (interrupted && step == 5) {
        optim::Adam<B> fresh(store, {});
        hg::copy(ws.exec(), fresh.first(), adam.first());
        hg::copy(ws.exec(), fresh.second(), adam.second());
        fresh.set_steps(adam.steps());
        adam = fresh;
      }
      hg::from_host(ws.exec(), model.a.grad, std::vector<float>{0.1f * static_cast<float>(step), 1, -2});
      adam.update(ws);
    }
    return hg::to_host(ws.exec(), model.a.value);
  };
  CHECK(run(true) == run(false));
}

TEST_CASE("Adam refuses absurd options", "[optim]") {
  using B = test::FloatBackend;
  auto model = make_model<B>({1});
  hg::FlatStore<B> const store(model);
  CHECK_THROWS_AS(optim::Adam<B>(store, {.beta1 = 1.0}), hg::UsageError);
  CHECK_THROWS_AS(optim::Adam<B>(store, {.epsilon = 0.0}), hg::UsageError);
}

TEMPLATE_LIST_TEST_CASE("gradients are clipped to a norm, in direction unchanged", "[optim]", test::Backends) {
  using B = TestType;
  using T = typename B::scalar_type;
  auto model = make_model<B>({0, 0, 0});
  hg::FlatStore<B> const store(model);
  hg::Workspace<B> ws;
  hg::from_host(ws.exec(), model.a.grad, std::vector<T>{2, 0, -3});
  hg::from_host(ws.exec(), model.b.grad, std::vector<T>{6});
  CHECK(optim::gradient_norm(ws, store) == 7.0);
  CHECK(optim::clip_gradients(ws, store, 8.0) == 7.0);
  CHECK(hg::to_host(ws.exec(), model.b.grad)[0] == 6);
  CHECK(optim::clip_gradients(ws, store, 3.5) == 7.0);
  CHECK(hg::to_host(ws.exec(), model.a.grad) == std::vector<T>{1, 0, T(-1.5)});
  CHECK(hg::to_host(ws.exec(), model.b.grad)[0] == 3);
  hg::from_host(ws.exec(), model.b.grad, std::vector<T>{std::numeric_limits<T>::quiet_NaN()});
  CHECK(std::isnan(optim::clip_gradients(ws, store, 1.0)));
  CHECK(hg::to_host(ws.exec(), model.a.grad)[0] == 1);
}

TEST_CASE("schedules pass through their corner points", "[optim]") {
  CHECK(optim::ConstantRate{0.25}(1000000) == 0.25);
  optim::LinearRate const linear{.rate = 1, .hold = 10, .end = 30, .final_rate = 0.5};
  CHECK(linear(0) == 1);
  CHECK(linear(10) == 1);
  CHECK(linear(20) == 0.75);
  CHECK(linear(30) == 0.5);
  CHECK(linear(99) == 0.5);
  optim::ExponentialRate const exponential{.rate = 2, .factor = 0.25, .period = 10};
  CHECK_THAT(exponential(5), WithinRel(1.0, 1e-15));
  CHECK_THAT(exponential(20), WithinRel(0.125, 1e-15));
  optim::SteppedRate const stepped{.rate = 2, .factor = 0.5, .period = 10};
  CHECK(stepped(9) == 2);
  CHECK(stepped(10) == 1);
  CHECK(stepped(29) == 0.5);
  optim::CosineRate const cosine{.rate = 1, .end = 110, .final_rate = 0.1, .warmup = 10};
  CHECK_THAT(cosine(0), WithinRel(0.1, 1e-15));
  CHECK_THAT(cosine(9), WithinRel(1.0, 1e-15));
  CHECK_THAT(cosine(10), WithinRel(1.0, 1e-15));
  CHECK_THAT(cosine(60), WithinRel(0.55, 1e-14));
  CHECK(cosine(110) == 0.1);
  CHECK(cosine(35) > cosine(36));
  optim::PlateauRate plateau{.rate = 1, .factor = 0.5, .patience = 2, .threshold = 0.1};
  auto const after = [&](std::vector<double> const& values) {
    for (double const value : values) plateau.see(value);
    return plateau(0);
  };
  CHECK(after({10, 9.5, 9.1}) == 1);  // waits twice, for the tenth of progress that is wanted
  CHECK(after({8.9, 8.1, 8.1}) == 1);
  CHECK(plateau.lowest == 8.9);
  CHECK(after({std::nan("")}) == 0.5);
  CHECK(after({8.9, 7, 7, 7}) == 0.5);
  CHECK(after({7, 7, 7}) == 0.25);
  CHECK(plateau.falls == 2);
}

TEMPLATE_LIST_TEST_CASE("a running average follows, and is exchanged with the model and back", "[optim]",
                        test::Backends) {
  using B = TestType;
  using T = typename B::scalar_type;
  auto model = make_model<B>({8});
  hg::FlatStore<B> const store(model);
  hg::Workspace<B> ws;
  optim::RunningAverage<B> average(store, 0.5);
  double expected = 8;
  for (int step = 1; step <= 20; ++step) {
    hg::fill(ws.exec(), model.a.value, static_cast<T>(step % 3));
    average.update(ws);
    double const decay = std::min(0.5, step / (step + 9.0));
    expected = decay * expected + (1 - decay) * (step % 3);
    CHECK_THAT(hg::to_host(ws.exec(), average.average())[0], WithinRel(expected, 1e-6));
  }
  average.exchange(ws);
  CHECK_THAT(hg::to_host(ws.exec(), model.a.value)[0], WithinRel(expected, 1e-6));
  average.exchange(ws);
  CHECK(hg::to_host(ws.exec(), model.a.value)[0] == T(20 % 3));
  CHECK(average.steps() == 20);
}

namespace {

/// How many units in the last place of the larger of two numbers they are apart.
double ulps_apart(float found, double expected, double scale) {
  return std::abs(static_cast<double>(found) - expected) /
         (static_cast<double>(std::numeric_limits<float>::epsilon()) * std::exp2(std::floor(std::log2(scale))));
}

}  // namespace

TEST_CASE("a step of Adam in single precision is four units in the last place from one in double", "[optim]") {
  using B = test::FloatBackend;
  hg::testing::Draws draws(11);
  std::size_t const count = 20000;
  for (auto const added : {optim::AdamEpsilon::after_correction, optim::AdamEpsilon::before_correction})
    for (std::uint64_t const past : {0u, 1u, 10u, 100000u}) {
      auto model = make_model<B>(std::vector<double>(count));
      hg::FlatStore<B> const store(model);
      optim::AdamOptions const options{.beta1 = 0.5, .epsilon_added = added};
      optim::Adam<B> adam(store, options);
      hg::Workspace<B> ws;
      std::vector<float> x(store.size()), g(x), m(x), v(x);
      for (std::size_t i = 0; i < count; ++i) {
        double const size = std::exp(draws.uniform(-12, 5));
        x[i] = static_cast<float>(draws.uniform(-1, 1));
        g[i] = static_cast<float>(size * draws.uniform(-1, 1));
        PlainAdam history{options, 0};  // moments that gradients can have left behind
        for (std::uint64_t k = 0; k < std::min<std::uint64_t>(past, 20); ++k)
          history.step(size * draws.uniform(-1, 1), 0);
        m[i] = static_cast<float>(history.m);
        v[i] = static_cast<float>(history.v);
      }
      hg::from_host(ws.exec(), store.values(), x);
      hg::from_host(ws.exec(), store.gradients(), g);
      hg::from_host(ws.exec(), adam.first(), m);
      hg::from_host(ws.exec(), adam.second(), v);
      adam.set_steps(past);
      adam.update(ws);
      auto const found = hg::to_host(ws.exec(), store.values());
      auto const first = hg::to_host(ws.exec(), adam.first());
      auto const second = hg::to_host(ws.exec(), adam.second());
      double worst = 0;
      for (std::size_t i = 0; i < count; ++i) {
        PlainAdam plain{options, static_cast<double>(x[i]), static_cast<double>(m[i]), static_cast<double>(v[i]),
                        static_cast<int>(past)};
        plain.step(static_cast<double>(g[i]), options.learning_rate);
        // What cancels is measured against what went in.
        double const moved = std::abs(plain.x - static_cast<double>(x[i]));
        double const of_moment = std::max(std::abs(static_cast<double>(m[i])), std::abs(static_cast<double>(g[i]))) / 2;
        worst = std::max({worst, ulps_apart(found[i], plain.x, std::max(std::abs(static_cast<double>(x[i])), moved)),
                          ulps_apart(first[i], plain.m, std::max(std::abs(plain.m), of_moment)),
                          ulps_apart(second[i], plain.v, plain.v)});
      }
      INFO("after " << past << " steps");
      CHECK(worst <= 4);
      CHECK(worst > 0);
    }
}

TEMPLATE_LIST_TEST_CASE("gradient descent follows its formula, with and without momentum and decay", "[optim]",
                        test::Backends) {
  using B = TestType;
  using T = typename B::scalar_type;
  for (auto const& options :
       {optim::SgdOptions{}, optim::SgdOptions{.learning_rate = 0.1, .momentum = 0.9},
        optim::SgdOptions{.learning_rate = 0.1, .momentum = 0.8, .nesterov = true, .weight_decay = 0.01},
        optim::SgdOptions{.momentum = 0.5, .weight_decay = 0.1, .decay = optim::WeightDecay::decoupled}}) {
    hg::testing::Draws draws(5);
    auto const start = hg::testing::draw_uniform(draws, 37, -1, 1);
    auto model = make_model<B>(start);
    hg::FlatStore<B> const store(model);
    optim::Sgd<B> sgd(store, options);
    hg::Workspace<B> ws;
    std::vector<double> x, velocity(start.size());
    for (double const v : start) x.push_back(static_cast<double>(static_cast<T>(v)));
    for (int step = 0; step < 25; ++step) {
      double const rate = options.learning_rate / (1 + step);
      std::vector<T> gradient;
      for (std::size_t i = 0; i < x.size(); ++i) {
        gradient.push_back(static_cast<T>(draws.uniform(-1, 1)));
        double g = static_cast<double>(gradient[i]);
        bool const decoupled = options.decay == optim::WeightDecay::decoupled;
        if (!decoupled) g += options.weight_decay * x[i];
        if (decoupled) x[i] *= 1 - rate * options.weight_decay;
        velocity[i] = options.momentum * velocity[i] + g;
        x[i] -= rate * (options.nesterov ? g + options.momentum * velocity[i] : velocity[i]);
      }
      hg::from_host(ws.exec(), model.a.grad, gradient);
      sgd.update(ws, rate);
    }
    auto const values = hg::to_host(ws.exec(), model.a.value);
    double const tolerance = std::is_same_v<T, float> ? 2e-6 : 1e-14;
    for (std::size_t i = 0; i < values.size(); ++i) CHECK_THAT(values[i], WithinAbs(x[i], tolerance));
    CHECK(hg::to_host(ws.exec(), model.a.grad) == std::vector<T>(start.size(), 0));
    CHECK(sgd.velocity().size() == (options.momentum > 0 ? store.size() : 0));
    CHECK(sgd.steps() == 25);
  }
}

TEST_CASE("gradient descent goes on from a checkpoint bit for bit, and refuses absurd options", "[optim]") {
  using B = test::FloatBackend;
  auto const folder = test::Folder();
  optim::SgdOptions const options{.momentum = 0.9, .nesterov = true};
  auto const run = [&](bool interrupted) {
    auto model = make_model<B>({1, 2, 3});
    hg::FlatStore<B> const store(model);
    optim::Sgd<B> sgd(store, options);
    optim::LossScale scale({.start = 3, .patience = 2});
    hg::Workspace<B> ws;
    for (int step = 0; step < 10; ++step) {
      if (interrupted && step == 5) {
        std::uint64_t steps = sgd.steps();
        auto state = scale.state();
        auto const training = [&](optim::Sgd<B>& of) {
          return hg::io::TrainingState<Model<B>, B>{model,
                                                    {{"sgd.velocity", of.velocity()}},
                                                    {{"sgd.steps", &steps},
                                                     {"scale.exponent", &state.exponent},
                                                     {"scale.good_steps", &state.good_steps},
                                                     {"scale.skipped", &state.skipped}}};
        };
        auto const file = hg::io::save_checkpoint(folder.path(), 5, training(sgd));
        hg::fill(ws.exec(), store.values(), 7.0f);
        optim::Sgd<B> fresh(store, options);
        steps = 0;
        state = {};
        hg::io::load_checkpoint(file.path, training(fresh));
        fresh.set_steps(steps);
        sgd = fresh;
        scale = optim::LossScale({.start = 3, .patience = 2});
        scale.set_state(state);
      }
      float const factor = static_cast<float>(scale.factor());
      hg::from_host(ws.exec(), model.a.grad,
                    std::vector<float>{factor * static_cast<float>(step), factor, -2 * factor});
      REQUIRE(scale.unscale(ws, store));
      sgd.update(ws);
    }
    CHECK(scale.state() == optim::LossScale::State{8, 0, 0});
    return hg::to_host(ws.exec(), model.a.value);
  };
  CHECK(run(true) == run(false));
  auto model = make_model<B>({1});
  hg::FlatStore<B> const store(model);
  CHECK_THROWS_AS(optim::Sgd<B>(store, {.momentum = 1.0}), hg::UsageError);
  CHECK_THROWS_AS(optim::Sgd<B>(store, {.nesterov = true}), hg::UsageError);
  CHECK_THROWS_AS(optim::LossScale({.start = 30}), hg::UsageError);
}

TEMPLATE_LIST_TEST_CASE("a loss scale is exact, passes over what is not finite, and finds its size", "[optim]",
                        test::Backends) {
  using B = TestType;
  using T = typename B::scalar_type;
  auto model = make_model<B>({1, 2, 3});
  hg::FlatStore<B> const store(model);
  hg::Tape<B> tape;
  auto const gradient = [&](double seed) {
    tape.clear();
    auto const x = tape.watch(model.a);
    tape.backward(hg::sum(x * x * x), seed);
    return hg::to_host(tape.exec(), model.a.grad);
  };
  auto const plain = gradient(1);
  store.zero_grad();
  optim::LossScale scale({.start = 10, .most = 12, .patience = 2});
  CHECK(scale.factor() == 1024);
  CHECK(gradient(scale.factor()) != plain);
  CHECK(scale.unscale(tape.workspace(), store));
  CHECK(hg::to_host(tape.exec(), model.a.grad) == plain);  // bit for bit
  hg::from_host(tape.exec(), model.a.grad, std::vector<T>{1, std::numeric_limits<T>::infinity(), 1});
  CHECK_FALSE(scale.unscale(tape.workspace(), store));
  CHECK(hg::to_host(tape.exec(), model.a.grad) == std::vector<T>(3, 0));
  CHECK(scale.factor() == 512);
  for (int step = 0; step < 20; ++step) CHECK(scale.unscale(tape.workspace(), store));
  CHECK(scale.factor() == 4096);
  CHECK(scale.state() == optim::LossScale::State{12, 0, 1});
  for (int step = 0; step < 20; ++step) {
    hg::from_host(tape.exec(), model.a.grad, std::vector<T>{std::numeric_limits<T>::quiet_NaN(), 0, 0});
    CHECK_FALSE(scale.unscale(tape.workspace(), store));
  }
  CHECK(scale.factor() == 1);
}

TEST_CASE("gradients of parts of a batch accumulate to those of the batch", "[optim]") {
  using B = test::DoubleBackend;
  auto model = make_model<B>({1, 2, 3});
  hg::FlatStore<B> const store(model);
  hg::Tape<B> tape;
  auto const part = [&](double offset, double seed) {
    tape.clear();
    auto const d = hg::affine(tape.watch(model.a), 1.0, offset);
    tape.backward(hg::mean(d * d), seed);
  };
  for (double const offset : {0.5, -2.0, 3.0, 0.25}) part(offset, 0.25);
  auto const found = hg::to_host(tape.exec(), model.a.grad);
  for (std::size_t i = 0; i < 3; ++i)
    CHECK_THAT(found[i], WithinRel(2.0 / 3 * (static_cast<double>(i + 1) + (0.5 - 2.0 + 3.0 + 0.25) / 4), 1e-14));
}

TEMPLATE_LIST_TEST_CASE("gradients are clipped value by value", "[optim]", test::Backends) {
  using B = TestType;
  using T = typename B::scalar_type;
  auto model = make_model<B>({0, 0, 0});
  hg::FlatStore<B> const store(model);
  hg::Workspace<B> ws;
  hg::from_host(ws.exec(), model.a.grad, std::vector<T>{2, T(-0.25), -3});
  hg::from_host(ws.exec(), model.b.grad, std::vector<T>{std::numeric_limits<T>::quiet_NaN()});
  optim::clip_gradient_values(ws, store, 0.5);
  CHECK(hg::to_host(ws.exec(), model.a.grad) == std::vector<T>{T(0.5), T(-0.25), T(-0.5)});
  CHECK(std::isnan(hg::to_host(ws.exec(), model.b.grad)[0]));
  CHECK_THROWS_AS(optim::clip_gradient_values(ws, store, 0), hg::UsageError);
}

TEST_CASE("any schedule can be warmed up, and steps halve unless told otherwise", "[optim]") {
  optim::WarmUp<optim::SteppedRate> const schedule{{.rate = 4, .period = 10}, 4};
  CHECK(schedule(0) == 1);
  CHECK(schedule(1) == 2);
  CHECK(schedule(3) == 4);
  CHECK(schedule(9) == 4);
  CHECK(schedule(10) == 2);
  CHECK(schedule(25) == 1);
}
