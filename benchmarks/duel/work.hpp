// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <heliograd/core/backend.hpp>
#include <heliograd/core/copy.hpp>
#include <heliograd/core/tensor.hpp>
#include <heliograd/tape/fields.hpp>
#include <heliograd/testing/draw.hpp>

/// \file
/// Work that heliograd and an opponent both do, on the same numbers.
namespace duel {

namespace hg = heliograd;
using B = hg::Backend<Kokkos::DefaultExecutionSpace, float>;

/// Numbers on their way to or from the opponent, last axis fastest.
struct Array {
  std::vector<std::size_t> shape;
  std::vector<float> values;
};

/// One piece of work, made ready.
struct Work {
  double flops = 0;                     ///< of the definition, whatever the algorithm: a multiply-add is two
  double bytes = 0;                     ///< that must move at least: inputs read once, outputs written once
  std::map<std::string, Array> inputs;  ///< what the opponent needs: images and weights by name
  std::function<void()> run;            ///< one repetition, complete when it returns
  std::function<Array()> result;        ///< what the last repetition gave
};

/// All work by name, in the order of the table. A maker sets the work up with fixed random numbers.
struct Entry {
  std::string name;
  std::function<Work()> make;
};
std::vector<Entry> networks();
std::vector<Entry> convolutions();
std::vector<Entry> parts();

/// What the host does to record an op, its kernel aside: the best of some runs.
double seconds_to_record();

/// A tensor's numbers on the host.
template <class View>
Array array(View const& tensor) {
  auto const shape = hg::shape_of(tensor);
  return {{shape.extent.begin(), shape.extent.end()}, hg::to_host(B::execution_space{}, tensor)};
}

/// Uniform in [low, high).
template <int Rank>
hg::Tensor<Rank, B> uniform(hg::Shape<Rank> const& shape, std::uint64_t seed, double low = -1, double high = 1) {
  hg::testing::Draws draws(seed);
  std::vector<float> values(shape.size());
  for (float& v : values) v = static_cast<float>(draws.uniform(low, high));
  auto const tensor = hg::make_tensor<B>("duel", shape);
  hg::from_host(B::execution_space{}, tensor, values);
  return tensor;
}

/// Filters whose sums keep the size of their inputs.
inline hg::Tensor<4, B> filters(hg::Shape<4> const& shape, std::uint64_t seed) {
  double const bound = std::sqrt(3.0 / static_cast<double>(shape[0] * shape[1] * shape[2]));
  return uniform(shape, seed, -bound, bound);
}

/// Something of the range of an active region: most values quiet, some of thousands of gauss, in units of 3500 G.
inline hg::Tensor<4, B> magnetograms(hg::Shape<4> const& shape, std::uint64_t seed) {
  hg::testing::Draws draws(seed);
  std::vector<float> values(shape.size());
  for (float& v : values) v = static_cast<float>(std::pow(draws.uniform(-1, 1), 5));
  auto const tensor = hg::make_tensor<B>("duel", shape);
  hg::from_host(B::execution_space{}, tensor, values);
  return tensor;
}

/// The parameters of a model, by path.
template <class Model>
std::map<std::string, Array> parameters(Model const& model) {
  std::map<std::string, Array> arrays;
  hg::for_each_param(
      [&](std::string const& path, auto const& param) {
        if (param.value.size() > 0) arrays[path] = array(param.value);
      },
      model);
  return arrays;
}

}  // namespace duel
