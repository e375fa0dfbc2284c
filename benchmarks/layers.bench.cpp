// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The cheap ops of a network, which are bound by memory: bytes per second beside those of a plain copy.
#include <benchmark/benchmark.h>
#include <Kokkos_Core.hpp>
#include <cstdint>
#include <vector>

#include <heliograd/core/copy.hpp>
#include <heliograd/kernel/activation.hpp>
#include <heliograd/kernel/channels.hpp>
#include <heliograd/kernel/conv2d.hpp>
#include <heliograd/kernel/dropout.hpp>
#include <heliograd/kernel/matmul.hpp>
#include <heliograd/kernel/pad.hpp>
#include <heliograd/kernel/resample.hpp>
#include <heliograd/kernel/spectral_norm.hpp>
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

/// The skip of a U-Net and what came up, side by side.
void concat(benchmark::State& state) {
  auto const a = image(fine), b = image(fine), y = image({8, 128, 128, 128});
  measure(state, 4 * fine_bytes, [&](auto& ws) {
    hg::kernel::put_channels<B, 4>(ws, a, 0, y);
    hg::kernel::put_channels<B, 4>(ws, b, 64, y);
  });
}

void slice_channels(benchmark::State& state) {
  auto const x = image({8, 128, 128, 128}), y = image(fine);
  measure(state, 2 * fine_bytes, [&](auto& ws) { hg::kernel::take_channels<B, 4>(ws, x, 64, hg::Sink<4, B>{y, 0}); });
}

void pad(benchmark::State& state, hg::PaddingMode mode) {
  auto const x = image(fine), y = image({8, 130, 130, 64});
  measure(state, 2 * fine_bytes, [&](auto& ws) { hg::kernel::pad<B>(ws, x, y, 1, mode); });
}

void channel_sum(benchmark::State& state) {
  auto const x = image(fine);
  auto const sums = hg::make_zeros<B>("sums", hg::Shape{fine[3]});
  measure(state, fine_bytes, [&](auto& ws) { hg::kernel::conv2d_backward_bias<B>(ws, x, hg::Sink<1, B>{sums, 0}); });
}

/// The products of attention on 32 x 32 pixels of 64 channels, as matrices.
void matmul(benchmark::State& state) {
  hg::Shape<3> const pixels{32, 1024, 64}, scores{32, 1024, 1024};
  auto const a = hg::make_zeros<B>("a", pixels), b = hg::make_zeros<B>("b", pixels);
  auto const c = hg::make_zeros<B>("c", scores);
  measure(state, 4 * (a.size() + b.size() + c.size()),
          [&](auto& ws) { hg::kernel::matmul<B>(ws, a, b, hg::Sink<3, B>{c, 0}, {.transpose_b = true}); });
}

/// The layers of MUNIT's styles: a batch of 32, 256 -> 4096.
void linear(benchmark::State& state) {
  auto const x = hg::make_zeros<B>("x", hg::Shape{1, 32, 256}), w = hg::make_zeros<B>("w", hg::Shape{1, 256, 4096}),
             y = hg::make_zeros<B>("y", hg::Shape{1, 32, 4096});
  measure(state, 4 * (x.size() + w.size() + y.size()),
          [&](auto& ws) { hg::kernel::matmul<B>(ws, x, w, hg::Sink<3, B>{y, 0}); });
}

/// One power iteration of a 512 x 512 weight, and its division.
void spectral_norm(benchmark::State& state) {
  auto const w = image({1, 1, 512, 512}), y = image({1, 1, 512, 512});
  auto const u = image({1, 1, 1, 512}), v = image({1, 1, 1, 512});
  hg::kernel::SpectralMatrix<float> const matrix{w.data(), 512, 512, u.data(), v.data()};
  Kokkos::View<double, B::memory_space> const sigma("sigma");
  measure(state, 5 * 4 * w.size(), [&](auto& ws) {
    hg::kernel::spectral_iteration<B>(ws, matrix, 1e-12);
    hg::kernel::spectral_norm<B>(ws, matrix, sigma.data(), y.data());
  });
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
BENCHMARK(concat)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(slice_channels)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK_CAPTURE(pad, reflect, hg::PaddingMode::reflect)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(channel_sum)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(matmul)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(linear)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(spectral_norm)->Unit(benchmark::kMillisecond)->UseRealTime();
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
