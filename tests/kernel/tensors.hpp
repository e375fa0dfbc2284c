// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>
#include <limits>
#include <vector>

#include <heliograd/core/copy.hpp>
#include <heliograd/core/sink.hpp>
#include <heliograd/core/tensor.hpp>
#include <heliograd/testing/draw.hpp>

/// Tensors for tests of kernels.
namespace test {

using Values = std::vector<double>;

/// A tensor with these values.
template <class B, int Rank>
heliograd::Tensor<Rank, B> put(heliograd::Shape<Rank> const& shape, Values const& values) {
  using Scalar = typename B::scalar_type;
  auto tensor = heliograd::make_tensor<B>("values", shape);
  heliograd::from_host(typename B::execution_space{}, tensor, std::vector<Scalar>(values.begin(), values.end()));
  return tensor;
}

/// A target in `memory` that must be overwritten (NaN, beta 0) or added to (ones, beta 1).
template <class B, int Rank>
heliograd::Sink<Rank, B> target(heliograd::Shape<Rank> const& shape, heliograd::Tensor<Rank, B>& memory, bool add) {
  memory = put<B>(shape, Values(shape.size(), add ? 1.0 : std::numeric_limits<double>::quiet_NaN()));
  return {memory, static_cast<typename B::scalar_type>(add ? 1 : 0)};
}

/// What a target that was added to must hold.
inline Values plus_one(Values values) {
  for (double& value : values) value += 1;
  return values;
}

/// Small integers, or numbers in [-1, 1) that the backend's scalar can hold.
template <class B>
Values draw_values(heliograd::testing::Draws& draws, std::size_t count, bool integers) {
  if (integers) return heliograd::testing::draw_integers(draws, count, -4, 4);
  auto values = heliograd::testing::draw_uniform(draws, count, -1, 1);
  for (double& value : values) value = static_cast<double>(static_cast<typename B::scalar_type>(value));
  return values;
}

}  // namespace test
