// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Whole models: the super-resolution network of models as the example program builds it.
#include <heliograd/loss/gradient.hpp>
#include <heliograd/loss/histogram.hpp>
#include <heliograd/loss/pixel.hpp>
#include <heliograd/loss/ssim.hpp>
#include <heliograd/nn/mode.hpp>
#include <heliograd/optim/adam.hpp>
#include <heliograd/tape/no_grad.hpp>
#include "super_resolution/model.hpp"
#include "work.hpp"

namespace duel {
namespace {

using Network = super_resolution::SuperResolution<B>;

/// Multiply-adds of the forward pass over n patches of side by side pixels, magnified four times.
double super_resolution_flops(std::size_t n, std::size_t side) {
  double const fine = 16.0 * (9 * 64 * 64 + 64);
  double const coarse = 9.0 * 2 * 64 + 5 * 9.0 * 64 * 64;
  return 2.0 * static_cast<double>(n * side * side) * (coarse + fine);
}

Work super_resolution_forward(std::size_t n, std::size_t side) {
  hg::Rng rng(1);
  auto const model = std::make_shared<Network>(super_resolution::super_resolution_network<B>(rng));
  hg::freeze(*model);
  auto const x = magnetograms({n, side, side, 2}, 2);
  auto const y = hg::make_zeros<B>("y", hg::Shape<4>{n, 4 * side, 4 * side, 1});
  Work work;
  work.flops = super_resolution_flops(n, side);
  work.inputs = parameters(*model);
  work.inputs["x"] = array(x);
  auto const tape = std::make_shared<hg::Tape<B>>();
  work.run = [=] {
    tape->clear();
    hg::NoGrad const no_grad(*tape);
    hg::copy(tape->exec(), y, (*model)(tape->constant(x)).value);
    tape->exec().fence("duel");
  };
  work.result = [=] { return array(y); };
  return work;
}

Work super_resolution_step(std::size_t n, std::size_t side, bool all_losses) {
  hg::Rng rng(1);
  auto const model = std::make_shared<Network>(super_resolution::super_resolution_network<B>(rng));
  Work work;
  work.flops = 3 * super_resolution_flops(n, side);
  work.inputs = parameters(*model);
  auto const store = std::make_shared<hg::FlatStore<B>>(*model);
  auto const adam =
      std::make_shared<hg::optim::Adam<B>>(*store, hg::optim::AdamOptions{.learning_rate = 1e-4, .beta1 = 0.5});
  auto const x = magnetograms({n, side, side, 2}, 2);
  auto const target = magnetograms({n, 4 * side, 4 * side, 1}, 3);
  work.inputs["x"] = array(x);
  work.inputs["y"] = array(target);
  auto const tape = std::make_shared<hg::Tape<B>>();
  auto const value = hg::make_zeros<B>("loss", hg::Shape<1>{1});
  work.run = [=] {
    tape->clear();
    auto const mode = hg::nn::Mode::apply();  // the released networks drop nothing
    auto const y = (*model)(tape->constant(x), mode);
    auto const t = tape->constant(target);
    auto loss = hg::loss::mse(y, t);
    if (all_losses)
      loss = loss + 5.0 * hg::loss::gradient(y, t) + 1e-5 * hg::loss::histogram(y, t, {.unit = 3500}) +
             5e-4 * hg::loss::ssim(y, t, {.data_range = 1});
    tape->backward(loss);
    hg::copy(tape->exec(), value, tape->reshape(loss, hg::Shape<1>{1}).value);
    adam->update(tape->workspace());
    tape->exec().fence("duel");
  };
  work.result = [=] { return array(value); };
  return work;
}

}  // namespace

std::vector<Entry> networks() {
  return {
      {"S1 forward 32^2 b32", [] { return super_resolution_forward(32, 32); }},
      {"S1 forward 32^2 b1", [] { return super_resolution_forward(1, 32); }},
      {"S1 forward 256^2 b1", [] { return super_resolution_forward(1, 256); }},
      {"S1 step mse 32^2 b32", [] { return super_resolution_step(32, 32, false); }},
      {"S1 step all losses 32^2 b32", [] { return super_resolution_step(32, 32, true); }},
  };
}

}  // namespace duel
