// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Filters, random fields and whole-image measurements on one full-disk image of 1024 x 1024, and the optimisers on 2^24
// parameters.
#include <benchmark/benchmark.h>
#include <Kokkos_Core.hpp>
#include <cstdint>
#include <vector>

#include <heliograd/core/copy.hpp>
#include <heliograd/kernel/filter.hpp>
#include <heliograd/kernel/gaussian_blur.hpp>
#include <heliograd/kernel/random.hpp>
#include <heliograd/metrics/pearson.hpp>
#include <heliograd/metrics/quantiles.hpp>
#include <heliograd/optim/adam.hpp>
#include <heliograd/optim/sgd.hpp>

namespace hg = heliograd;
using B = hg::Backend<Kokkos::DefaultExecutionSpace, float>;

namespace {

/// Runs on two images of noise of 10 G; `one(ws, x, y)`.
template <class One>
void image(benchmark::State& state, One const& one) {
  hg::Shape<4> const shape{1, 1024, 1024, 1};
  hg::Workspace<B> ws;
  auto const x = hg::make_tensor<B>("x", shape), y = hg::make_tensor<B>("y", shape);
  hg::kernel::random_normal<B, 4>(ws, {1, 1}, 0, 10, x);
  hg::kernel::random_normal<B, 4>(ws, {1, 2}, 0, 10, y);
  for (auto _ : state) {
    one(ws, x, y);
    ws.exec().fence("benchmark");
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations() * shape.size()));
}

hg::TensorRef<2, B> flat(hg::Tensor<4, B> const& x) {
  return hg::view_at<hg::TensorRef<2, B>>(x.data(), hg::Shape<2>{x.extent(1), x.extent(2)});
}

auto const median = [](auto& ws, auto const& x, auto const& y) { hg::kernel::median_filter<B>(ws, x, 3, y); };
auto const bilateral = [](auto& ws, auto const& x, auto const& y) { hg::kernel::bilateral_filter<B>(ws, x, {}, y); };
auto const gaussian = [](auto& ws, auto const& x, auto const& y) {
  hg::kernel::gaussian_blur<B>(ws, x, hg::kernel::gaussian_taps("benchmark", 1), y);
};
auto const normal = [](auto& ws, auto const&, auto const& y) { hg::kernel::random_normal<B, 4>(ws, {2, 1}, 0, 1, y); };
auto const photons = [](auto& ws, auto const& x, auto const& y) {
  hg::kernel::random_uniform<B, 4>(ws, {2, 1}, 0, 1000, y);
  hg::kernel::photon_noise<B, 4>(ws, {2, 2}, {2, 3}, y, 1, 1, x);
};
auto const pearson = [](auto& ws, auto const& x, auto const& y) {
  benchmark::DoNotOptimize(hg::metrics::pearson<B>(ws, flat(x), flat(y)));
};
auto const percentiles = [](auto& ws, auto const& x, auto const&) {
  benchmark::DoNotOptimize(hg::metrics::quantiles<B>(ws, flat(x), {0.5}));
};
BENCHMARK_CAPTURE(image, median_3x3, median)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK_CAPTURE(image, bilateral, bilateral)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK_CAPTURE(image, gaussian_blur, gaussian)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK_CAPTURE(image, random_normal, normal)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK_CAPTURE(image, photon_noise, photons)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK_CAPTURE(image, pearson, pearson)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK_CAPTURE(image, median_of_image, percentiles)->Unit(benchmark::kMillisecond)->UseRealTime();

struct Model {
  hg::Param<1, B> weight;
  HELIOGRAD_FIELDS(weight)
};

template <class Optimiser, class Options>
void optimiser(benchmark::State& state, Options const& options) {
  Model model{hg::make_param<B>("weight", hg::Shape<1>{std::size_t{1} << 24})};
  hg::FlatStore<B> const store(model);
  Optimiser optimiser(store, options);
  hg::Workspace<B> ws;
  for (auto _ : state) {
    optimiser.update(ws);
    ws.exec().fence("benchmark");
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations() * store.size()));
}
void adam(benchmark::State& state) { optimiser<hg::optim::Adam<B>>(state, hg::optim::AdamOptions{}); }
void sgd(benchmark::State& state) { optimiser<hg::optim::Sgd<B>>(state, hg::optim::SgdOptions{.momentum = 0.9}); }
BENCHMARK(adam)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(sgd)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace

int main(int argc, char** argv) {
  Kokkos::ScopeGuard const kokkos(argc, argv);
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
