// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What is done to whole images at the sizes of the models: warps, shifts, pooling. Bytes are those that must move: each image
// read or written once.
#include <benchmark/benchmark.h>
#include <Kokkos_Core.hpp>
#include <cstdint>
#include <vector>

#include <heliograd/core/copy.hpp>
#include <heliograd/core/fill.hpp>
#include <heliograd/kernel/pchip.hpp>
#include <heliograd/kernel/pool.hpp>
#include <heliograd/kernel/shift.hpp>
#include <heliograd/kernel/warp.hpp>
#include <heliograd/testing/draw.hpp>

namespace hg = heliograd;
using B = hg::Backend<Kokkos::DefaultExecutionSpace, float>;
using hg::Interpolation;

namespace {

hg::Tensor<4, B> image(hg::Shape<4> const& shape) {
  hg::testing::Draws draws(1);
  std::vector<float> values(shape.size());
  for (float& v : values) v = static_cast<float>(draws.uniform(-1, 1));
  auto const tensor = hg::make_tensor<B>("image", shape);
  hg::from_host(B::execution_space{}, tensor, values);
  return tensor;
}

template <class Kernel>
void measure(benchmark::State& state, std::size_t numbers, Kernel const& kernel) {
  hg::Workspace<B> ws;
  for (auto _ : state) {
    kernel(ws);
    ws.exec().fence("benchmark");
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * numbers * sizeof(float)));
}

/// A full disk turned and brought to another scale: 1024^2 -> 1024^2.
void rotate(benchmark::State& state, Interpolation method) {
  auto const x = image({1, 1024, 1024, 1}), y = image({1, 1024, 1024, 1});
  auto const map = hg::rotation(0.1, 1.02, hg::middle(1024, 1024), hg::middle(1024, 1024));
  measure(state, 2 * x.size(), [&](auto& ws) { hg::kernel::warp<B>(ws, x, map, y, {method}); });
}

void rotate_backward(benchmark::State& state, Interpolation method) {
  auto const x = image({1, 1024, 1024, 1}), gy = image({1, 1024, 1024, 1}), gx = image({1, 1024, 1024, 1});
  auto const map = hg::rotation(0.1, 1.02, hg::middle(1024, 1024), hg::middle(1024, 1024));
  measure(state, 2 * x.size(),
          [&](auto& ws) { hg::kernel::warp_backward<B>(ws, x, map, gy, hg::Sink<4, B>{gx, 0}, {method}); });
}

/// To a grid of heliographic coordinates, 1024^2 -> 1600 x 1800, positions from memory in double.
void remap(benchmark::State& state, Interpolation method) {
  std::size_t const height = 1600, width = 1800;
  std::vector<double> positions;
  for (std::size_t p = 0; p < height; ++p)
    for (std::size_t q = 0; q < width; ++q) {
      double const y = (static_cast<double>(p) + 0.5) / 800 - 1, x = (static_cast<double>(q) + 0.5) / 900 - 1;
      positions.push_back(511.5 + 390 * y);
      positions.push_back(511.5 + 390 * x * (1 - 0.5 * y * y));
    }
  Kokkos::View<double***, Kokkos::LayoutRight, B::memory_space> const field("positions", height, width, 2);
  hg::from_host(B::execution_space{}, field, positions);
  auto const x = image({1, 1024, 1024, 1}), y = image({1, height, width, 1});
  measure(state, x.size() + 5 * y.size(),
          [&](auto& ws) { hg::kernel::warp<B>(ws, x, hg::position_field(field), y, {method}); });
}

/// 21 frames of 512^2 that follow the Sun's rotation.
void shift(benchmark::State& state) {
  auto const x = image({21, 512, 512, 1}), y = image({21, 512, 512, 1});
  measure(state, 2 * x.size(), [&](auto& ws) { hg::kernel::shift<B>(ws, x, y, {.right = -0.21}); });
}

void shift_backward(benchmark::State& state) {
  auto const gy = image({21, 512, 512, 1}), gx = image({21, 512, 512, 1});
  measure(state, 2 * gx.size(),
          [&](auto& ws) { hg::kernel::shift_backward<B>(ws, gy, hg::Sink<4, B>{gx, 0}, {.right = -0.21}); });
}

/// Every row of an image at half as many points again.
void pchip(benchmark::State& state) {
  std::vector<double> knots(1024), points(1536);
  for (std::size_t i = 0; i < knots.size(); ++i) knots[i] = static_cast<double>(i);
  for (std::size_t i = 0; i < points.size(); ++i) points[i] = static_cast<double>(i) / 1.5;
  Kokkos::View<double*, B::memory_space> const at_knots("knots", knots.size()), at_points("points", points.size());
  hg::from_host(B::execution_space{}, at_knots, knots);
  hg::from_host(B::execution_space{}, at_points, points);
  auto const x = hg::make_zeros<B>("x", hg::Shape{1024, 1024}), y = hg::make_zeros<B>("y", hg::Shape{1024, 1536});
  hg::kernel::PchipGrid const grid{at_knots.data(), 1024, at_points.data(), 1536};
  measure(state, x.size() + y.size(), [&](auto& ws) { hg::kernel::pchip<B>(ws, x, grid, y, 0); });
}

hg::PoolOptions const scales{3, 2, 1};

/// The second scale of a discriminator, 4 channels 1024^2 -> 512^2.
void average_pool(benchmark::State& state) {
  auto const x = image({1, 1024, 1024, 4}), y = image({1, 512, 512, 4});
  measure(state, x.size() + y.size(), [&](auto& ws) { hg::kernel::average_pool<B>(ws, x, y, scales); });
}

void average_pool_backward(benchmark::State& state) {
  auto const gx = image({1, 1024, 1024, 4}), gy = image({1, 512, 512, 4});
  measure(state, gx.size() + gy.size(),
          [&](auto& ws) { hg::kernel::average_pool_backward<B>(ws, gy, hg::Sink<4, B>{gx, 0}, scales); });
}

void max_pool(benchmark::State& state) {
  auto const x = image({1, 1024, 1024, 4}), y = image({1, 512, 512, 4});
  measure(state, x.size() + y.size(), [&](auto& ws) { hg::kernel::max_pool<B>(ws, x, y, scales); });
}

void global_average_pool(benchmark::State& state) {
  auto const x = image({1, 64, 64, 256});
  auto const y = hg::make_zeros<B>("y", hg::Shape{1, 256});
  measure(state, x.size(), [&](auto& ws) { hg::kernel::global_average_pool<B>(ws, x, y); });
}

}  // namespace

BENCHMARK_CAPTURE(rotate, nearest, Interpolation::nearest)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK_CAPTURE(rotate, bilinear, Interpolation::bilinear)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK_CAPTURE(rotate, bicubic, Interpolation::bicubic)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK_CAPTURE(rotate, pchip, Interpolation::pchip)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK_CAPTURE(rotate_backward, bilinear, Interpolation::bilinear)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK_CAPTURE(rotate_backward, bicubic, Interpolation::bicubic)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK_CAPTURE(rotate_backward, pchip, Interpolation::pchip)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK_CAPTURE(remap, bilinear, Interpolation::bilinear)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK_CAPTURE(remap, pchip, Interpolation::pchip)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(shift)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(shift_backward)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(pchip)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(average_pool)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(average_pool_backward)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(max_pool)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(global_average_pool)->Unit(benchmark::kMillisecond)->UseRealTime();

int main(int argc, char** argv) {
  Kokkos::ScopeGuard const kokkos(argc, argv);
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
