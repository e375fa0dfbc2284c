// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cmath>
#include <cstddef>
#include <vector>

#include <heliograd/testing/op_case.hpp>
#include "reference/number.hpp"

namespace test::reference {

/// weight [..., columns], u [columns], v [rows].
template <class T>
heliograd::testing::HostTensorOf<T> spectral_norm(Tensors<T> const& in, int iterations) {
  auto y = in[0];
  auto u = in[1].values, v = in[2].values;
  auto const w = [&](std::size_t row, std::size_t column) { return in[0].values[row * u.size() + column]; };
  auto const unit = [](std::vector<T>& x) {
    T square = 0;
    for (T const& value : x) square += value * value;
    for (T& value : x) value /= std::sqrt(square);
  };
  for (int i = 0; i < iterations; ++i) {
    for (std::size_t r = 0; r < v.size(); ++r) {
      v[r] = 0;
      for (std::size_t c = 0; c < u.size(); ++c) v[r] += w(r, c) * u[c];
    }
    unit(v);
    for (std::size_t c = 0; c < u.size(); ++c) {
      u[c] = 0;
      for (std::size_t r = 0; r < v.size(); ++r) u[c] += w(r, c) * v[r];
    }
    unit(u);
  }
  T sigma = 0;
  for (std::size_t r = 0; r < v.size(); ++r)
    for (std::size_t c = 0; c < u.size(); ++c) sigma += v[r] * w(r, c) * u[c];
  for (T& value : y.values) value /= sigma;
  return y;
}

}  // namespace test::reference
