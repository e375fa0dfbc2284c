// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include <heliograd/testing/op_case.hpp>
#include "reference/number.hpp"

namespace test::reference {

/// Exponentials that sum to one, along the last axis.
template <class T>
heliograd::testing::HostTensorOf<T> softmax(heliograd::testing::HostTensorOf<T> const& x) {
  auto y = x;
  std::size_t const width = x.shape.back();
  for (std::size_t row = 0; row < x.size() / width; ++row) {
    T* const v = y.values.data() + row * width;
    double peak = real_part(v[0]);
    for (std::size_t i = 0; i < width; ++i) peak = std::max(peak, real_part(v[i]));
    T total = 0;
    for (std::size_t i = 0; i < width; ++i) total += v[i] = std::exp(v[i] - peak);
    for (std::size_t i = 0; i < width; ++i) v[i] /= total;
  }
  return y;
}

/// q, k, v [n, rows, heads * width]; with the matrix of weights in memory.
template <class T = double>
heliograd::testing::HostTensorOf<T> attention(Tensors<T> const& in, std::size_t heads, double scale) {
  auto const &q = in[0], &k = in[1], &v = in[2];
  std::size_t const batch = q.shape[0], queries = q.shape[1], keys = k.shape[1];
  std::size_t const depth = q.shape[2] / heads, width = v.shape[2] / heads;
  auto o = heliograd::testing::host_zeros<T>({batch, queries, v.shape[2]});
  for (std::size_t n = 0; n < batch; ++n)
    for (std::size_t h = 0; h < heads; ++h) {
      auto weights = heliograd::testing::host_zeros<T>({queries, keys});
      for (std::size_t i = 0; i < queries; ++i)
        for (std::size_t j = 0; j < keys; ++j)
          for (std::size_t c = 0; c < depth; ++c)
            weights.values[i * keys + j] += scale * q.values[((n * queries + i) * heads + h) * depth + c] *
                                            k.values[((n * keys + j) * heads + h) * depth + c];
      weights = softmax(weights);
      for (std::size_t i = 0; i < queries; ++i)
        for (std::size_t j = 0; j < keys; ++j)
          for (std::size_t c = 0; c < width; ++c)
            o.values[((n * queries + i) * heads + h) * width + c] +=
                weights.values[i * keys + j] * v.values[((n * keys + j) * heads + h) * width + c];
    }
  return o;
}

}  // namespace test::reference
