// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What the losses cost in a training step: values and the gradient of the prediction, 16 crops of 96 x 96.
#include <benchmark/benchmark.h>
#include <Kokkos_Core.hpp>
#include <cmath>
#include <vector>

#include <heliograd/core/copy.hpp>
#include <heliograd/loss/adversarial.hpp>
#include <heliograd/loss/correlation.hpp>
#include <heliograd/loss/flux.hpp>
#include <heliograd/loss/gradient.hpp>
#include <heliograd/loss/histogram.hpp>
#include <heliograd/loss/pixel.hpp>
#include <heliograd/loss/ssim.hpp>
#include <heliograd/op/arithmetic.hpp>
#include <heliograd/testing/draw.hpp>

namespace hg = heliograd;
using B = hg::Backend<Kokkos::DefaultExecutionSpace, float>;

namespace {

/// Something of the range of an active region: most values quiet, some of thousands of gauss, in units of 3500 G.
std::vector<float> magnetogram(std::size_t count, std::uint64_t seed) {
  hg::testing::Draws draws(seed);
  std::vector<float> values(count);
  for (float& v : values) v = static_cast<float>(std::pow(draws.uniform(-1, 1), 5));
  return values;
}

template <class Loss>
void step(benchmark::State& state, Loss const& loss) {
  hg::Shape const shape{16, 96, 96, 1};
  auto prediction = hg::make_param<B>("prediction", shape);
  auto const target = hg::make_tensor<B>("target", shape);
  hg::Tape<B> tape;
  hg::from_host(tape.exec(), prediction.value, magnetogram(shape.size(), 1));
  hg::from_host(tape.exec(), target, magnetogram(shape.size(), 2));
  for (auto _ : state) {
    tape.clear();
    tape.backward(loss(tape.watch(prediction), tape.constant(target)));
    tape.exec().fence("benchmark");
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations() * shape.size()));
}

auto const mse = [](auto x, auto y) { return hg::loss::mse(x, y); };
auto const gradient = [](auto x, auto y) { return hg::loss::gradient(x, y); };
auto const histogram = [](auto x, auto y) { return hg::loss::histogram(x, y, {.unit = 3500}); };
auto const ssim = [](auto x, auto y) {
  return hg::loss::ssim(x, y, {.data_range = 1, .luminance_of_magnitude = true});
};
auto const l1 = [](auto x, auto y) { return hg::loss::l1(x, y); };
auto const weighted_l1 = [](auto x, auto y) { return hg::loss::l1(x, y, {y.value}); };
auto const concordance = [](auto x, auto y) { return hg::loss::correlation(x, y); };
auto const unsigned_flux = [](auto x, auto y) { return hg::loss::unsigned_flux(x, y, 0.003); };
auto const least_squares = [](auto x, auto y) { return hg::loss::discriminator(x, y); };
auto const logits = [](auto x, auto y) { return hg::loss::discriminator(x, y, {.game = hg::loss::Game::logit}); };
auto const all_terms = [](auto x, auto y) {
  return mse(x, y) + 5.0 * gradient(x, y) + 1e-5 * histogram(x, y) + 5e-4 * ssim(x, y);
};

BENCHMARK_CAPTURE(step, mse, mse)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK_CAPTURE(step, gradient, gradient)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK_CAPTURE(step, histogram, histogram)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK_CAPTURE(step, ssim, ssim)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK_CAPTURE(step, l1, l1)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK_CAPTURE(step, weighted_l1, weighted_l1)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK_CAPTURE(step, concordance, concordance)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK_CAPTURE(step, unsigned_flux, unsigned_flux)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK_CAPTURE(step, least_squares, least_squares)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK_CAPTURE(step, logits, logits)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK_CAPTURE(step, super_resolution, all_terms)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace

int main(int argc, char** argv) {
  Kokkos::ScopeGuard const kokkos(argc, argv);
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
