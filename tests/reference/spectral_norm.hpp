// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cmath>
#include <cstddef>
#include <vector>

#include <heliograd/testing/op_case.hpp>

namespace test::reference {

/// weight [..., columns], u [columns], v [rows].
inline heliograd::testing::HostTensor spectral_norm(std::vector<heliograd::testing::HostTensor> const& in,
                                                    int iterations) {
  auto y = in[0];
  auto u = in[1].values, v = in[2].values;
  auto const w = [&](std::size_t row, std::size_t column) { return in[0].values[row * u.size() + column]; };
  auto const unit = [](std::vector<double>& x) {
    double square = 0;
    for (double const value : x) square += value * value;
    for (double& value : x) value /= std::sqrt(square);
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
  double sigma = 0;
  for (std::size_t r = 0; r < v.size(); ++r)
    for (std::size_t c = 0; c < u.size(); ++c) sigma += v[r] * w(r, c) * u[c];
  for (double& value : y.values) value /= sigma;
  return y;
}

}  // namespace test::reference
