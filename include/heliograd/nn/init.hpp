// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include <heliograd/core/copy.hpp>
#include <heliograd/core/random.hpp>

/// \file
/// Initial values of parameters. Each call draws from a stream of its own, in double, on the host: the same seed gives the
/// same network on every backend and in both precisions (to rounding), whatever the sizes of the other layers. A blank Rng
/// (`Rng::blank`) draws nothing: new parameters stay zero.
namespace heliograd::inline HELIOGRAD_ABI::nn {

namespace detail {
template <class Scalar, class Draw>
struct DrawChunk {
  static constexpr std::size_t size = 8192;
  Draw draw;
  Scalar* values;
  std::size_t count;

  void operator()(std::size_t chunk) const {
    std::size_t const end = std::min(count, (chunk + 1) * size);
    for (std::size_t i = chunk * size; i < end; ++i) values[i] = static_cast<Scalar>(draw(i));
  }
};

/// Element i becomes draw(i), a number that depends on i alone: the host's threads share the work.
template <class View, class Draw>
void draw_into(View const& tensor, Draw const& draw) {
  using Scalar = typename View::non_const_value_type;
  using Chunk = DrawChunk<Scalar, Draw>;
  using Host = Kokkos::DefaultHostExecutionSpace;
  std::vector<Scalar> values(tensor.size());
  std::size_t const chunks = (values.size() + Chunk::size - 1) / Chunk::size;
  Kokkos::parallel_for("heliograd::init", Kokkos::RangePolicy<Host, Kokkos::IndexType<std::size_t>>(0, chunks),
                       Chunk{draw, values.data(), values.size()});
  Host{}.fence("heliograd::init");
  from_host(typename View::execution_space{}, tensor, values);
}
}  // namespace detail

/// Uniform in [low, high).
template <class View>
void init_uniform(Rng& rng, View const& tensor, double low, double high) {
  RandomStream const stream = rng.fork();
  if (rng.is_blank()) return;
  detail::draw_into(tensor, [&](std::size_t i) { return low + (high - low) * stream.uniform<double>(i); });
}

/// Normal with the given mean and standard deviation.
template <class View>
void init_normal(Rng& rng, View const& tensor, double mean, double standard_deviation) {
  RandomStream const stream = rng.fork();
  if (rng.is_blank()) return;
  detail::draw_into(tensor, [&](std::size_t i) { return mean + standard_deviation * stream.normal<double>(i); });
}

/// Uniform in \f$ \pm 1/\sqrt{f} \f$, f the number of inputs that one output sums over: PyTorch's default for the weights
/// and biases of convolutions and linear layers.
template <class View>
void init_torch_default(Rng& rng, View const& tensor, std::size_t fan_in) {
  double const bound = 1.0 / std::sqrt(static_cast<double>(fan_in));
  init_uniform(rng, tensor, -bound, bound);
}

/// Normal with variance 2 / fan_in, for layers followed by a rectifier (He, Zhang, Ren, Sun: Delving deep into rectifiers;
/// ICCV 2015).
template <class View>
void init_kaiming(Rng& rng, View const& tensor, std::size_t fan_in) {
  init_normal(rng, tensor, 0.0, std::sqrt(2.0 / static_cast<double>(fan_in)));
}

}  // namespace heliograd::inline HELIOGRAD_ABI::nn
