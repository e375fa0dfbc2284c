// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Full disks onto maps of the whole Sun and back; samples and pixels per second.
#include <benchmark/benchmark.h>
#include <Kokkos_Core.hpp>
#include <vector>

#include <heliograd/core/copy.hpp>
#include <heliograd/op/reduce.hpp>
#include <heliograd/physics/remap.hpp>
#include <heliograd/testing/draw.hpp>

namespace hg = heliograd;
namespace ph = heliograd::physics;
using B = hg::Backend<Kokkos::DefaultExecutionSpace, float>;

namespace {

struct Geometry {
  std::size_t side;
  ph::DiskView disk;
  ph::MapGrid map = ph::MapGrid::whole_sun(ph::MapProjection::equal_area, 1440, 720);
  explicit Geometry(std::size_t n)
      : side(n), disk(ph::north_up(n, n, 960 / (0.47 * static_cast<double>(n)), 960), {1.0, 0.1}) {}
};

/// arguments: side of the disk, samples, interpolation, whether the gradient is taken as well
void disk_to_map(benchmark::State& state) {
  Geometry const g(static_cast<std::size_t>(state.range(0)));
  ph::RemapOptions options;
  options.samples = static_cast<std::size_t>(state.range(1));
  options.sample.method = static_cast<hg::Interpolation>(state.range(2));
  options.rotation = ph::howard_rotation();
  options.elapsed_s = ph::day_s;
  auto image = hg::make_param<B>("image", hg::Shape{std::size_t(1), g.side, g.side, std::size_t(1)});
  hg::Tape<B> tape;
  hg::testing::Draws draws(1);
  std::vector<float> values(g.side * g.side);
  for (float& v : values) v = static_cast<float>(draws.uniform(-1, 1));
  hg::from_host(tape.exec(), image.value, values);
  for (auto _ : state) {
    tape.clear();
    auto const y = sum(ph::remap(tape.watch(image), g.disk, g.map, options));
    if (state.range(3) != 0) tape.backward(y);
    tape.exec().fence("benchmark");
  }
  auto const pixels = g.map.width * g.map.height * options.samples * options.samples;
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations() * pixels));
}

void map_to_disk(benchmark::State& state) {
  Geometry const g(static_cast<std::size_t>(state.range(0)));
  auto const map = hg::make_tensor<B>("map", hg::Shape{std::size_t(1), g.map.height, g.map.width, std::size_t(1)});
  hg::Tape<B> tape;
  hg::from_host(tape.exec(), map, std::vector<float>(g.map.width * g.map.height, 1.f));
  for (auto _ : state) {
    tape.clear();
    ph::remap(tape.constant(map), g.map, g.disk, g.side, g.side);
    tape.exec().fence("benchmark");
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations() * g.side * g.side));
}

int const linear = static_cast<int>(hg::Interpolation::bilinear), monotone = static_cast<int>(hg::Interpolation::pchip);

BENCHMARK(disk_to_map)
    ->ArgNames({"side", "samples", "method", "backward"})
    ->Args({1024, 1, linear, 0})
    ->Args({1024, 1, monotone, 0})
    ->Args({4096, 4, linear, 0})
    ->Args({1024, 1, linear, 1})
    ->Unit(benchmark::kMillisecond);
BENCHMARK(map_to_disk)->ArgName("side")->Arg(1024)->Arg(4096)->Unit(benchmark::kMillisecond);

}  // namespace

int main(int argc, char** argv) {
  Kokkos::ScopeGuard const kokkos(argc, argv);
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
