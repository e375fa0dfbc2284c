// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Convolutions of the networks, all directions; backward_data is a transposed convolution. "GFLOP/s" counts the products of the definition, whatever
// the algorithm; "of_peak" divides by the multiply-add peak of the same run. Winograd may exceed 1, and so does the
// convolution that up-samples at low resolution.
#include <benchmark/benchmark.h>
#include <Kokkos_Core.hpp>
#include <string>
#include <vector>

#include <heliograd/core/copy.hpp>
#include <heliograd/kernel/conv2d.hpp>
#include <heliograd/kernel/upsample_conv2d.hpp>
#include <heliograd/testing/draw.hpp>
#include "peak.hpp"

namespace hg = heliograd;

namespace {

template <class B, int Rank>
hg::Tensor<Rank, B> draw(hg::Shape<Rank> const& shape) {
  hg::testing::Draws draws(1);
  std::vector<typename B::scalar_type> values(shape.size());
  for (auto& v : values) v = static_cast<typename B::scalar_type>(draws.uniform(-1, 1));
  auto const tensor = hg::make_tensor<B>("values", shape);
  hg::from_host(typename B::execution_space{}, tensor, values);
  return tensor;
}

template <class B, class Kernel>
void measure(benchmark::State& state, double flops, Kernel const& kernel) {
  static double const peak = bench::peak_flops<typename B::scalar_type>();
  hg::Workspace<B> ws;
  kernel(ws);  // the arena grows once
  for (auto _ : state) {
    kernel(ws);
    ws.exec().fence("benchmark");
  }
  using Counter = benchmark::Counter;
  state.counters["GFLOP/s"] = Counter(1e-9 * flops, Counter::kIsIterationInvariantRate);
  state.counters["of_peak"] = Counter(flops / peak, Counter::kIsIterationInvariantRate);
}

struct Layer {
  std::string name;
  hg::Shape<4> x;
  hg::Shape<4> weight;
  hg::Conv2dOptions options;
};

enum class Direction { forward, data, weight, bias };
constexpr char const* direction_names[] = {"forward", "backward_data", "backward_weight", "backward_bias"};

template <class B>
void conv2d(benchmark::State& state, Layer const& layer, Direction direction) {
  auto const y_shape = hg::kernel::conv2d_shape(layer.x, layer.weight, layer.options);
  hg::Shape<1> const channels{layer.weight[3]};
  auto const x = draw<B>(layer.x);
  auto const weight = draw<B>(layer.weight);
  auto const bias = draw<B>(channels);
  auto const y = draw<B>(y_shape);
  double const terms = static_cast<double>(layer.weight[0] * layer.weight[1] * layer.weight[2]);
  double const flops = direction == Direction::bias ? static_cast<double>(y_shape.size())
                                                    : 2.0 * terms * static_cast<double>(y_shape.size());
  measure<B>(state, flops, [&](hg::Workspace<B>& ws) {
    switch (direction) {
      case Direction::forward: return hg::kernel::conv2d<B>(ws, x, weight, bias, y, layer.options);
      case Direction::data: return hg::kernel::conv2d_backward_data<B>(ws, y, weight, {x, 0}, layer.options);
      case Direction::weight: return hg::kernel::conv2d_backward_weight<B>(ws, x, y, {weight, 0}, layer.options);
      case Direction::bias: return hg::kernel::conv2d_backward_bias<B>(ws, y, {bias, 0});
    }
  });
}

template <class B>
void upsample(benchmark::State& state, hg::Shape<4> const& x_shape, int factor, bool backward) {
  hg::Shape<4> const weight_shape{std::size_t{3}, std::size_t{3}, x_shape[3], std::size_t{64}};
  auto const y_shape = hg::kernel::upsample_conv2d_shape(x_shape, weight_shape, factor);
  auto const x = draw<B>(x_shape);
  auto const gx = draw<B>(x_shape);
  auto const weight = draw<B>(weight_shape);
  auto const gw = draw<B>(weight_shape);
  auto const bias = draw<B>(hg::Shape<1>{weight_shape[3]});
  auto const y = draw<B>(y_shape);
  double const flops = 2.0 * 9 * static_cast<double>(x_shape[3] * y_shape.size());
  measure<B>(state, backward ? 2 * flops : flops, [&](hg::Workspace<B>& ws) {
    if (backward)
      hg::kernel::upsample_conv2d_backward<B>(ws, x, weight, y, {gx, 0}, {gw, 0}, {bias, 0}, factor);
    else
      hg::kernel::upsample_conv2d<B>(ws, x, weight, bias, y, factor);
  });
}

template <class B>
void register_all(std::string const& scalar) {
  using hg::ConvAlgorithm;
  using hg::PaddingMode;
  auto const reflect = [](ConvAlgorithm algorithm) {
    return hg::Conv2dOptions{.padding = 1, .mode = PaddingMode::reflect, .algorithm = algorithm};
  };
  auto const halving = [](ConvAlgorithm algorithm) {
    return hg::Conv2dOptions{.stride = 2, .padding = 1, .algorithm = algorithm};
  };
  std::vector<Layer> const layers{
      {"3x3_2to64", {32, 32, 32, 2}, {3, 3, 2, 64}, reflect(ConvAlgorithm::automatic)},
      {"3x3_64to64_direct", {32, 32, 32, 64}, {3, 3, 64, 64}, reflect(ConvAlgorithm::direct)},
      {"3x3_64to64_winograd_f2", {32, 32, 32, 64}, {3, 3, 64, 64}, reflect(ConvAlgorithm::winograd_f2)},
      {"3x3_64to64_patch_winograd_f2", {1, 32, 32, 64}, {3, 3, 64, 64}, reflect(ConvAlgorithm::winograd_f2)},
      {"3x3_64to64_disk_winograd_f2", {1, 512, 512, 64}, {3, 3, 64, 64}, reflect(ConvAlgorithm::winograd_f2)},
      {"3x3_64to64_disk_winograd_f4", {1, 512, 512, 64}, {3, 3, 64, 64}, reflect(ConvAlgorithm::winograd_f4)},
      {"4x4s2_64to128_direct", {4, 128, 128, 64}, {4, 4, 64, 128}, halving(ConvAlgorithm::direct)},
      {"4x4s2_64to128_polyphase", {4, 128, 128, 64}, {4, 4, 64, 128}, halving(ConvAlgorithm::polyphase)},
      {"4x4s2_512to512_bottleneck", {1, 4, 4, 512}, {4, 4, 512, 512}, halving(ConvAlgorithm::automatic)},
      {"3x3_64to1", {8, 128, 128, 64}, {3, 3, 64, 1}, reflect(ConvAlgorithm::automatic)},
      {"4x4s2_1to64", {1, 1024, 1024, 1}, {4, 4, 1, 64}, halving(ConvAlgorithm::automatic)},
      {"linear_256to256", {1, 1, 4096, 256}, {1, 1, 256, 256}, {}},
      {"1x1_64to1", {8, 128, 128, 64}, {1, 1, 64, 1}, {}},
  };
  auto const name = [&](std::string const& what) { return what + "/" + scalar; };
  for (Layer const& layer : layers)
    for (Direction const direction : {Direction::forward, Direction::data, Direction::weight, Direction::bias})
      benchmark::RegisterBenchmark(name("conv2d/" + layer.name + "/" + direction_names[static_cast<int>(direction)]),
                                   [=](benchmark::State& state) { conv2d<B>(state, layer, direction); })
          ->UseRealTime()
          ->Unit(benchmark::kMillisecond);
  for (int const factor : {2, 4})
    for (bool const backward : {false, true})
      benchmark::RegisterBenchmark(
          name("upsample_conv2d/64to64_factor" + std::to_string(factor) + (backward ? "/backward" : "/forward")),
          [=](benchmark::State& state) { upsample<B>(state, {8, 32, 32, 64}, factor, backward); })
          ->UseRealTime()
          ->Unit(benchmark::kMillisecond);
}

}  // namespace

int main(int argc, char** argv) {
  Kokkos::ScopeGuard const kokkos(argc, argv);
  register_all<hg::Backend<Kokkos::DefaultExecutionSpace, float>>("float");
  register_all<hg::Backend<Kokkos::DefaultExecutionSpace, double>>("double");
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
