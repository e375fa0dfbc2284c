// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The cheap ops of a network, which are bound by memory: bytes per second beside those of a plain copy.
#include <benchmark/benchmark.h>
#include <Kokkos_Core.hpp>
#include <cstdint>
#include <vector>

#include <heliograd/core/copy.hpp>
#include <heliograd/kernel/activation.hpp>
#include <heliograd/kernel/dropout.hpp>
#include <heliograd/kernel/resample.hpp>
#include <heliograd/optim/adam.hpp>
#include <heliograd/testing/draw.hpp>

namespace hg = heliograd;
using B = hg::Backend<Kokkos::DefaultExecutionSpace, float>;

namespace {

hg::Tensor<4, B> image(hg::Shape<4> const& shape) {
  hg::testing::Draws draws(1);
  std::vector<float> values(shape.size());
  for (float& v : values) v = static_cast<float>(draws.uniform(-1, 1));
  auto const tensor = hg::make_tensor<B>("image", shape);
  hg::from_host(B::execution_space{}, tensor, values);
  return tensor;
}

/// Runs `kernel(workspace)`, which moves `bytes`.
template <class Kernel>
void measure(benchmark::State& state, std::size_t bytes, Kernel const& kernel) {
  hg::Workspace<B> ws;
  for (auto _ : state) {
    kernel(ws);
    ws.exec().fence("benchmark");
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * bytes));
}

hg::Shape<4> const fine{8, 128, 128, 64}, coarse{8, 32, 32, 64};
std::size_t const fine_bytes = 4 * fine.size();

void copy(benchmark::State& state) {
  auto const x = image(fine), y = image(fine);
  measure(state, 2 * fine_bytes, [&](auto& ws) { hg::copy(ws.exec(), y, x); });
}

template <class Curve>
void curve(benchmark::State& state, Curve const& f) {
  auto const x = image(fine), y = image(fine);
  measure(state, 2 * fine_bytes, [&](auto& ws) { hg::kernel::activation<B, 4>(ws, "curve", f, x, y); });
}

void prelu(benchmark::State& state) {
  auto const x = image(fine), y = image(fine);
  auto const slope = hg::make_zeros<B>("slope", hg::Shape{static_cast<std::size_t>(state.range(0))});
  measure(state, 2 * fine_bytes, [&](auto& ws) { hg::kernel::prelu<B, 4>(ws, x, slope, y); });
}

void prelu_backward(benchmark::State& state) {
  auto const x = image(fine), gy = image(fine), gx = image(fine);
  auto const slope = hg::make_zeros<B>("slope", hg::Shape{static_cast<std::size_t>(state.range(0))});
  auto const gslope = hg::make_zeros<B>("slope", hg::Shape{slope.size()});
  measure(state, 3 * fine_bytes, [&](auto& ws) {
    hg::kernel::prelu_backward<B, 4>(ws, x, slope, gy, hg::Sink<4, B>{gx, 0}, hg::Sink<1, B>{gslope, 0});
  });
}

void dropout(benchmark::State& state) {
  auto const x = image(fine), y = image(fine);
  measure(state, 2 * fine_bytes, [&](auto& ws) { hg::kernel::dropout<B, 4>(ws, x, y, 0.5, {1, 1}); });
}

void upsample(benchmark::State& state, hg::Resampling method) {
  auto const x = image(coarse), y = image(fine);
  measure(state, fine_bytes + fine_bytes / 16, [&](auto& ws) { hg::kernel::resample<B>(ws, x, y, {method}); });
}

void upsample_backward(benchmark::State& state) {
  auto const gy = image(fine), gx = image(coarse);
  measure(state, fine_bytes + fine_bytes / 16,
          [&](auto& ws) { hg::kernel::resample_backward<B>(ws, gy, hg::Sink<4, B>{gx, 0}, {}); });
}

void full_disk(benchmark::State& state, hg::Resampling method) {
  auto const small = image({1, 1024, 1024, 1}), large = image({1, 4096, 4096, 1});
  bool const shrink = method == hg::Resampling::area;
  measure(state, 4 * (small.size() + large.size()),
          [&](auto& ws) { hg::kernel::resample<B>(ws, shrink ? large : small, shrink ? small : large, {method}); });
}

struct Weights {
  hg::Param<1, B> weight;
  HELIOGRAD_FIELDS(weight)
};

void adam(benchmark::State& state) {
  std::size_t const count = static_cast<std::size_t>(state.range(0));
  Weights model{hg::make_param<B>("weight", hg::Shape{count})};
  hg::FlatStore<B> const store(model);
  hg::optim::Adam<B> optimiser(store);
  measure(state, 32 * count, [&](auto& ws) { optimiser.update(ws); });
}

}  // namespace

BENCHMARK(copy)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK_CAPTURE(curve, relu, hg::kernel::Relu{})->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK_CAPTURE(curve, tanh, hg::kernel::Tanh{})->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK_CAPTURE(curve, mish, hg::kernel::Mish{})->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(prelu)->Arg(1)->Arg(64)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(prelu_backward)->Arg(1)->Arg(64)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(dropout)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK_CAPTURE(upsample, bilinear, hg::Resampling::bilinear)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK_CAPTURE(upsample, bicubic, hg::Resampling::bicubic)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(upsample_backward)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK_CAPTURE(full_disk, bilinear, hg::Resampling::bilinear)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK_CAPTURE(full_disk, bicubic, hg::Resampling::bicubic)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK_CAPTURE(full_disk, area, hg::Resampling::area)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(adam)->Arg(300000)->Arg(54400000)->Unit(benchmark::kMillisecond)->UseRealTime();

int main(int argc, char** argv) {
  Kokkos::ScopeGuard const kokkos(argc, argv);
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
