// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What surrounds the convolutions of a model: normalisations, attention, losses, Adam, and the tape itself.
#include <algorithm>
#include <chrono>

#include <heliograd/kernel/attention.hpp>
#include <heliograd/kernel/norm.hpp>
#include <heliograd/loss/gradient.hpp>
#include <heliograd/loss/histogram.hpp>
#include <heliograd/loss/pixel.hpp>
#include <heliograd/loss/ssim.hpp>
#include <heliograd/op/activation.hpp>
#include <heliograd/op/reduce.hpp>
#include <heliograd/optim/adam.hpp>
#include "work.hpp"

namespace duel {
namespace {

/// Statistics, line and rectifier, and their gradient.
Work norm(hg::Shape<4> const& shape, hg::kernel::NormGroups const& groups, double negative_slope) {
  auto const x = uniform(shape, 1), gy = uniform(shape, 2);
  auto const y = hg::make_zeros<B>("y", shape), gx = hg::make_zeros<B>("gx", shape);
  Kokkos::View<hg::kernel::NormStatistic*, B::memory_space> const statistic("statistic", groups.count());
  Work work;
  work.bytes = 4.0 * 5 * static_cast<double>(shape.size());  // x to y; x and the gradient of y to that of x
  work.inputs = {{"x", array(x)}, {"gy", array(gy)}};
  auto const ws = std::make_shared<hg::Workspace<B>>();
  work.run = [=] {
    hg::kernel::norm_statistics<B>(*ws, groups, x.data(), hg::kernel::NormDeviation::biased, 1e-5, statistic.data());
    hg::kernel::norm<B>(*ws, groups, x.data(), statistic.data(), {}, {}, negative_slope, y.data());
    hg::kernel::norm_backward<B>(*ws, groups, x.data(), statistic.data(), {}, {}, negative_slope, gy.data(),
                                 {hg::TensorRef<1, B>(gx.data(), shape.size()), 0}, {}, {});
    ws->exec().fence("duel");
  };
  work.result = [=] { return array(gx); };
  return work;
}

/// Queries and keys of `depth` numbers, values of `width`; backward shows the gradient of the keys.
Work attention(std::size_t pixels, std::size_t depth, std::size_t width, bool backward) {
  hg::Shape<3> const narrow{1, pixels, depth}, wide{1, pixels, width};
  auto const q = uniform(narrow, 1), k = uniform(narrow, 2), v = uniform(wide, 3), go = uniform(wide, 4);
  auto const o = hg::make_zeros<B>("o", wide), gv = hg::make_zeros<B>("gv", wide);
  auto const gq = hg::make_zeros<B>("gq", narrow), gk = hg::make_zeros<B>("gk", narrow);
  auto const peak = uniform(hg::Shape{pixels}, 5), total = uniform(hg::Shape{pixels}, 6);
  hg::kernel::AttentionShape const shape{1, pixels, pixels, 1, depth, width};
  Work work;
  double const products =
      static_cast<double>(depth + width) + (backward ? static_cast<double>(2 * (depth + width)) : 0);
  work.flops = 2.0 * static_cast<double>(pixels * pixels) * products;
  work.inputs = {{"q", array(q)}, {"k", array(k)}, {"v", array(v)}, {"go", array(go)}};
  auto const ws = std::make_shared<hg::Workspace<B>>();
  work.run = [=] {
    hg::kernel::AttentionTotals<float> const totals{peak.data(), total.data()};
    hg::kernel::attention<B>(*ws, shape, 1, q.data(), k.data(), v.data(), o.data(), totals);
    if (backward)
      hg::kernel::attention_backward<B>(*ws, shape, 1, q.data(), k.data(), v.data(), o.data(), totals, go.data(),
                                        {gq, 0}, {gk, 0}, {gv, 0});
    ws->exec().fence("duel");
  };
  work.result = [=] { return backward ? array(gk) : array(o); };
  return work;
}

/// Value and gradient of the prediction.
template <class Loss>
Work measure(hg::Shape<4> const& shape, Loss const& loss) {
  auto const prediction = hg::make_param<B>("prediction", shape);
  hg::copy(B::execution_space{}, prediction.value, magnetograms(shape, 1));
  auto const target = magnetograms(shape, 2);
  Work work;
  work.bytes = 4.0 * 3 * static_cast<double>(shape.size());
  work.inputs = {{"x", array(prediction.value)}, {"y", array(target)}};
  auto const tape = std::make_shared<hg::Tape<B>>();
  work.run = [=] {
    hg::fill(tape->exec(), prediction.grad, 0.0F);
    tape->clear();
    tape->backward(loss(tape->watch(prediction), tape->constant(target)));
    tape->exec().fence("duel");
  };
  work.result = [=] { return array(prediction.grad); };
  return work;
}

struct Weights {
  hg::Param<1, B> weight;
  HELIOGRAD_FIELDS(weight)
};

/// Adam over as many numbers as pix2pix's generator has. The gradient is set again before each step, as a backward pass
/// would; that copy is part of the time here and of the opponent's.
Work adam(std::size_t count) {
  auto const model = std::make_shared<Weights>(Weights{hg::make_param<B>("weight", hg::Shape<1>{count})});
  auto const store = std::make_shared<hg::FlatStore<B>>(*model);
  auto const optimiser =
      std::make_shared<hg::optim::Adam<B>>(*store, hg::optim::AdamOptions{.learning_rate = 2e-4, .beta1 = 0.5});
  auto const gradient = uniform(hg::Shape<1>{count}, 1);
  Work work;
  work.flops = 12.0 * static_cast<double>(count);
  work.bytes = 4.0 * 7 * static_cast<double>(count);
  work.inputs = {{"g", array(gradient)}};
  auto const ws = std::make_shared<hg::Workspace<B>>();
  work.run = [=] {
    hg::copy(ws->exec(), model->weight.grad, gradient);
    optimiser->update(*ws);
    ws->exec().fence("duel");
  };
  work.result = [=] { return array(model->weight.value); };
  return work;
}

constexpr int small_ops = 1000;

hg::Var<1, B> many_small_ops(hg::Var<1, B> x) {
  for (int i = 0; i < small_ops; ++i) x = hg::relu(x);
  return x;
}

/// A thousand rectifiers of 64 numbers, forward and backward: what an op costs besides its work.
Work small() {
  hg::Shape<1> const shape{64};
  auto const x = uniform(shape, 1);
  auto const gx = hg::make_zeros<B>("gx", shape);
  Work work;
  work.inputs = {{"x", array(x)}};
  auto const tape = std::make_shared<hg::Tape<B>>();
  work.run = [=] {
    tape->clear();
    auto const numbers = tape->variable(x);
    tape->backward(hg::sum(many_small_ops(numbers)));
    hg::copy(tape->exec(), gx, numbers.grad());
    tape->exec().fence("duel");
  };
  work.result = [=] { return array(gx); };
  return work;
}

}  // namespace

double seconds_to_record() {
  hg::Tape<B> tape({}, {.dry = true});
  auto const x = uniform(hg::Shape<1>{64}, 1);
  double best = 1;
  for (int run = 0; run < 20; ++run) {
    tape.clear();
    auto const begin = std::chrono::steady_clock::now();
    many_small_ops(tape.variable(x));
    std::chrono::duration<double> const time = std::chrono::steady_clock::now() - begin;
    best = std::min(best, time.count() / small_ops);
  }
  return best;
}

std::vector<Entry> parts() {
  auto const mse = [](auto x, auto y) { return hg::loss::mse(x, y); };
  auto const sobel = [](auto x, auto y) { return hg::loss::gradient(x, y); };
  auto const histogram = [](auto x, auto y) { return hg::loss::histogram(x, y, {.unit = 3500}); };
  auto const ssim = [](auto x, auto y) { return hg::loss::ssim(x, y, {.data_range = 1}); };
  hg::Shape<4> const patches{32, 128, 128, 1}, disk{1, 1024, 1024, 1}, maps{8, 128, 128, 64};
  return {
      {"batch norm + leaky 128^2 64 ch b8", [=] { return norm(maps, {{1, 8 * 128 * 128, 64}}, 0.2); }},
      {"instance norm + relu 128^2 64 ch b8", [=] { return norm(maps, {{8, 128 * 128, 64}}, 0); }},
      {"attention 4096 (32, 256) forward", [] { return attention(4096, 32, 256, false); }},
      {"attention 4096 (32, 256) forward + backward", [] { return attention(4096, 32, 256, true); }},
      {"mse 128^2 b32", [=] { return measure(patches, mse); }},
      {"sobel 128^2 b32", [=] { return measure(patches, sobel); }},
      {"histogram 128^2 b32", [=] { return measure(patches, histogram); }},
      {"histogram 128^2 b32, opponent scatters", [=] { return measure(patches, histogram); }},
      {"ssim 128^2 b32", [=] { return measure(patches, ssim); }},
      {"ssim 1024^2", [=] { return measure(disk, ssim); }},
      {"adam 54.4 M", [] { return adam(54400000); }},
      {"adam 0.22 M", [] { return adam(222855); }},
      {"1000 small ops", [] { return small(); }},
  };
}

}  // namespace duel
