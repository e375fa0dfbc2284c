// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <heliograd/optim/adam.hpp>
#include "work.hpp"

namespace duel {
namespace {

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

}  // namespace

std::vector<Entry> optimisers() {
  return {{"adam 54.4 M", [] { return adam(54400000); }}, {"adam 0.22 M", [] { return adam(222855); }}};
}

}  // namespace duel
