// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The coronal field: source surface, whole field, its gradient, field lines. Counters: operations of the tridiagonal systems
// and products (multiply-adds as two) per second, and lines per second.
#include <benchmark/benchmark.h>

#include <Kokkos_Core.hpp>
#include <cmath>
#include <cstddef>
#include <vector>

#include <heliograd/op/harmonics.hpp>
#include <heliograd/op/pfss.hpp>
#include <heliograd/physics/field_lines.hpp>
#include <heliograd/tape/no_grad.hpp>
#include "spaces.hpp"

namespace {

namespace hg = heliograd;
using D = test::DoubleBackend;

hg::Tensor<4, D> sun(std::size_t rows, std::size_t columns) {
  std::vector<double> map;
  for (std::size_t j = 0; j < rows; ++j)
    for (std::size_t i = 0; i < columns; ++i) {
      double const s = (2 * double(j) + 1) / double(rows) - 1, phi = 6.283185307179586 * double(i) / double(columns);
      map.push_back(5 * s + 20 * std::exp(-20 * (s - 0.3) * (s - 0.3)) * std::sin(9 * phi) * std::cos(2 * phi));
    }
  auto const tensor = hg::make_tensor<D>("map", hg::Shape{std::size_t(1), rows, columns, std::size_t(1)});
  hg::from_host(D::execution_space{}, tensor, map);
  return tensor;
}

void source_surface(benchmark::State& state) {
  auto const rows = std::size_t(state.range(0)), columns = 2 * rows, shells = std::size_t(state.range(1));
  auto const map = sun(rows, columns);
  hg::Tape<D> tape;
  hg::NoGrad<D> const guard(tape);
  for (auto _ : state) {
    tape.clear();
    benchmark::DoNotOptimize(hg::pfss_source_surface(tape.constant(map), {shells}).value.data());
    tape.exec().fence();
  }
  state.counters["flop/s"] =
      benchmark::Counter(14.0 * double(shells * rows * columns), benchmark::Counter::kIsIterationInvariantRate);
}
BENCHMARK(source_surface)->Args({180, 35})->Args({720, 40})->Unit(benchmark::kMillisecond)->UseRealTime();

void field(benchmark::State& state) {
  auto const rows = std::size_t(state.range(0)), columns = 2 * rows, shells = std::size_t(state.range(1));
  auto const map = sun(rows, columns);
  hg::Tape<D> tape;
  hg::NoGrad<D> const guard(tape);
  for (auto _ : state) {
    tape.clear();
    benchmark::DoNotOptimize(hg::pfss_field(tape.constant(map), {shells}).value.data());
    tape.exec().fence();
  }
  state.counters["flop/s"] = benchmark::Counter(double(14 + 2 * shells) * double(shells * rows * columns),
                                                benchmark::Counter::kIsIterationInvariantRate);
  state.counters["memory/output"] =
      double(tape.peak_bytes()) / double((shells + 1) * (rows + 1) * columns * 3 * sizeof(double));
}
BENCHMARK(field)->Args({180, 35})->Args({720, 40})->Unit(benchmark::kMillisecond)->UseRealTime();

void field_by_harmonics(benchmark::State& state) {
  auto const map = sun(180, 360);
  hg::Tape<D> tape;
  hg::NoGrad<D> const guard(tape);
  for (auto _ : state) {
    tape.clear();
    benchmark::DoNotOptimize(hg::harmonic_field(tape.constant(map), hg::PfssOptions{35}, {90}).value.data());
    tape.exec().fence();
  }
}
BENCHMARK(field_by_harmonics)->Unit(benchmark::kMillisecond)->UseRealTime();

void field_lines(benchmark::State& state) {
  auto const map = sun(180, 360);
  hg::Tape<D> tape;
  hg::NoGrad<D> const guard(tape);
  auto const nodes = hg::pfss_field(tape.constant(map), {40});
  hg::Workspace<D> ws;
  auto const seeds = hg::physics::map_seeds(45, 90, 1.0);
  for (auto _ : state)
    benchmark::DoNotOptimize(hg::physics::trace_field_lines<D>(ws, {40, 180, 360, 2.5}, nodes.value, seeds).data());
  state.counters["lines/s"] = benchmark::Counter(double(seeds.size()), benchmark::Counter::kIsIterationInvariantRate);
}
BENCHMARK(field_lines)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace

int main(int argc, char** argv) {
  Kokkos::ScopeGuard const guard(argc, argv);
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
