// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include <heliograd/testing/op_case.hpp>
#include "reference/number.hpp"

namespace test::reference {

/// The share of each bin -half..half, from the definition: the mean over a sample of max(0, 1 - |u - k|).
template <class T>
std::vector<T> soft_histogram(T const* x, std::size_t count, double noise, double limit, double step, double unit) {
  int const half = static_cast<int>(std::ceil(std::log10(limit / noise) / step));
  std::vector<T> shares(static_cast<std::size_t>(2 * half + 1));
  for (std::size_t i = 0; i < count; ++i) {
    T size = magnitude(x[i] * unit);
    if (real_part(size) > limit) size = limit;
    if (real_part(size) < noise) size = noise;
    T const position = std::log10(size / noise) / step;
    T const u = real_part(x[i]) < 0 ? -position : position;
    for (int k = -half; k <= half; ++k)
      shares[static_cast<std::size_t>(k + half)] +=
          positive_part(1.0 - magnitude(u - static_cast<double>(k))) / static_cast<double>(count);
  }
  return shares;
}

/// Half the sum of absolute differences of the shares, averaged over the samples of [n, h, w, c].
inline auto mean_total_variation(double noise, double limit, double step, double unit) {
  return [=]<class T>(Tensors<T> const& in) {
    auto mean = heliograd::testing::host_zeros<T>({});
    std::size_t const samples = in[0].shape[0];
    std::size_t const count = in[0].size() / samples;
    for (std::size_t n = 0; n < samples; ++n) {
      auto const a = soft_histogram(in[0].values.data() + n * count, count, noise, limit, step, unit);
      auto const b = soft_histogram(in[1].values.data() + n * count, count, noise, limit, step, unit);
      for (std::size_t k = 0; k < a.size(); ++k)
        mean.values[0] += 0.5 * magnitude(a[k] - b[k]) / static_cast<double>(samples);
    }
    return mean;
  };
}

}  // namespace test::reference
