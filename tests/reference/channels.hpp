// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>
#include <vector>

#include <heliograd/testing/op_case.hpp>

namespace test::reference {

inline heliograd::testing::HostTensor concat(std::vector<heliograd::testing::HostTensor> const& inputs) {
  std::size_t channels = 0;
  for (auto const& x : inputs) channels += x.shape.back();
  auto shape = inputs[0].shape;
  shape.back() = channels;
  auto y = heliograd::testing::host_zeros(shape);
  for (std::size_t i = 0; i < y.size(); ++i) {
    std::size_t c = i % channels, k = 0;
    while (c >= inputs[k].shape.back()) c -= inputs[k++].shape.back();
    y.values[i] = inputs[k].values[i / channels * inputs[k].shape.back() + c];
  }
  return y;
}

inline heliograd::testing::HostTensor slice_channels(heliograd::testing::HostTensor const& x, std::size_t first,
                                                     std::size_t count) {
  auto shape = x.shape;
  shape.back() = count;
  auto y = heliograd::testing::host_zeros(shape);
  for (std::size_t i = 0; i < y.size(); ++i) y.values[i] = x.values[i / count * x.shape.back() + first + i % count];
  return y;
}

/// The axes in another order; the plainest way: by indices.
inline heliograd::testing::HostTensor permute(heliograd::testing::HostTensor const& x,
                                              std::vector<std::size_t> const& order) {
  std::vector<std::size_t> shape;
  for (std::size_t const axis : order) shape.push_back(x.shape[axis]);
  auto y = heliograd::testing::host_zeros(shape);
  for (std::size_t i = 0; i < x.size(); ++i) {
    std::vector<std::size_t> index(x.shape.size());
    for (std::size_t axis = index.size(), rest = i; axis-- > 0; rest /= x.shape[axis])
      index[axis] = rest % x.shape[axis];
    std::size_t to = 0;
    for (std::size_t axis = 0; axis < order.size(); ++axis) to = to * shape[axis] + index[order[axis]];
    y.values[to] = x.values[i];
  }
  return y;
}

}  // namespace test::reference
