// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The losses of the super-resolution network: value and gradient of the prediction.
#include <heliograd/loss/gradient.hpp>
#include <heliograd/loss/histogram.hpp>
#include <heliograd/loss/pixel.hpp>
#include <heliograd/loss/ssim.hpp>
#include "work.hpp"

namespace duel {
namespace {

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

}  // namespace

std::vector<Entry> losses() {
  auto const mse = [](auto x, auto y) { return hg::loss::mse(x, y); };
  auto const sobel = [](auto x, auto y) { return hg::loss::gradient(x, y); };
  auto const histogram = [](auto x, auto y) { return hg::loss::histogram(x, y, {.unit = 3500}); };
  auto const ssim = [](auto x, auto y) { return hg::loss::ssim(x, y, {.data_range = 1}); };
  hg::Shape<4> const patches{32, 128, 128, 1}, disk{1, 1024, 1024, 1};
  return {
      {"mse 128^2 b32", [=] { return measure(patches, mse); }},
      {"sobel 128^2 b32", [=] { return measure(patches, sobel); }},
      {"histogram 128^2 b32", [=] { return measure(patches, histogram); }},
      {"ssim 128^2 b32", [=] { return measure(patches, ssim); }},
      {"ssim 1024^2", [=] { return measure(disk, ssim); }},
  };
}

}  // namespace duel
