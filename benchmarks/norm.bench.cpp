// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Normalisations with their activation, in bytes per second of the least traffic there can be; attention in multiply-adds.
#include <benchmark/benchmark.h>
#include <Kokkos_Core.hpp>
#include <cstdint>
#include <vector>

#include <heliograd/core/copy.hpp>
#include <heliograd/op/attention.hpp>
#include <heliograd/op/norm.hpp>
#include <heliograd/testing/draw.hpp>

namespace hg = heliograd;
using B = hg::Backend<Kokkos::DefaultExecutionSpace, float>;

namespace {

template <int Rank>
hg::Param<Rank, B> drawn(hg::Shape<Rank> const& shape) {
  hg::testing::Draws draws(1);
  std::vector<float> values(shape.size());
  for (float& v : values) v = static_cast<float>(draws.uniform(-1, 1));
  auto const param = hg::make_param<B>("x", shape);
  hg::from_host(B::execution_space{}, param.value, values);
  return param;
}

/// Forward: x is read twice and y written. Forward and backward: another four reads and a write.
template <bool Backward, class Op>
void norm(benchmark::State& state, Op const& op) {
  hg::Shape<4> const shape{8, 128, 128, static_cast<std::size_t>(state.range(0))};
  auto const x = drawn(shape), gy = drawn(shape);
  std::size_t const lines = shape[0] * shape[3];
  hg::Workspace<B> ws;
  auto scope = ws.scope();
  auto* const statistic = scope.take<hg::kernel::NormStatistic>(lines);
  hg::kernel::NormGroups const groups = op(shape);
  for (auto _ : state) {
    hg::kernel::norm_statistics<B>(ws, groups, x.value.data(), hg::kernel::NormDeviation::biased, 1e-5, statistic);
    hg::kernel::norm<B>(ws, groups, x.value.data(), statistic, {}, {}, 0.2, x.grad.data());
    if (Backward)
      hg::kernel::norm_backward<B>(ws, groups, x.value.data(), statistic, {}, {}, 0.2, gy.value.data(),
                                   {hg::TensorRef<1, B>(gy.grad.data(), shape.size()), 0}, {}, {});
    ws.exec().fence("benchmark");
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * (Backward ? 8 : 3) * 4 * shape.size()));
}

auto const instance = [](hg::Shape<4> const& s) { return hg::kernel::NormGroups{{s[0], s[1] * s[2], s[3]}}; };
auto const batch = [](hg::Shape<4> const& s) { return hg::kernel::NormGroups{{1, s[0] * s[1] * s[2], s[3]}}; };
auto const image = [](hg::Shape<4> const& s) { return hg::kernel::NormGroups{{s[0], s[1] * s[2], s[3]}, true}; };

/// Pixels, channels of queries and keys, channels of values.
template <bool Backward>
void attention(benchmark::State& state) {
  std::size_t const pixels = static_cast<std::size_t>(state.range(0)), depth = static_cast<std::size_t>(state.range(1)),
                    width = static_cast<std::size_t>(state.range(2));
  auto const q = drawn(hg::Shape{std::size_t{1}, pixels, depth}), k = drawn(hg::Shape{std::size_t{1}, pixels, depth}),
             v = drawn(hg::Shape{std::size_t{1}, pixels, width}), o = drawn(hg::Shape{std::size_t{1}, pixels, width});
  hg::kernel::AttentionShape const shape{1, pixels, pixels, 1, depth, width};
  hg::Workspace<B> ws;
  auto scope = ws.scope();
  hg::kernel::AttentionTotals<float> const totals{scope.take<float>(pixels), scope.take<float>(pixels)};
  for (auto _ : state) {
    hg::kernel::attention<B>(ws, shape, 1, q.value.data(), k.value.data(), v.value.data(), o.value.data(), totals);
    if (Backward)
      hg::kernel::attention_backward<B>(ws, shape, 1, q.value.data(), k.value.data(), v.value.data(), o.value.data(),
                                        totals, o.grad.data(), {q.grad, 0}, {k.grad, 0}, {v.grad, 0});
    ws.exec().fence("benchmark");
  }
  double const pairs = static_cast<double>(pixels * pixels);
  double const products =
      static_cast<double>(depth + width) + (Backward ? static_cast<double>(5 * depth + 4 * width) : 0.0);
  state.counters["flop/s"] =
      benchmark::Counter(2 * pairs * products * static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
}

}  // namespace

BENCHMARK_CAPTURE(norm<false>, instance, instance)
    ->Arg(64)
    ->Arg(40)
    ->Arg(3)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();
BENCHMARK_CAPTURE(norm<true>, instance, instance)->Arg(64)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK_CAPTURE(norm<false>, batch, batch)->Arg(64)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK_CAPTURE(norm<true>, batch, batch)->Arg(64)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK_CAPTURE(norm<false>, image, image)->Arg(64)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(attention<false>)
    ->Args({4096, 32, 256})
    ->Args({1024, 512, 512})
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();
BENCHMARK(attention<true>)->Args({4096, 32, 256})->Unit(benchmark::kMillisecond)->UseRealTime();

int main(int argc, char** argv) {
  Kokkos::ScopeGuard const kokkos(argc, argv);
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
