// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include <heliograd/testing/op_case.hpp>

namespace test::reference {

/// The share of each bin -half..half, from the definition: the mean over a sample of max(0, 1 - |u - k|).
inline std::vector<double> soft_histogram(double const* x, std::size_t count, double noise, double limit, double step,
                                          double unit) {
  int const half = static_cast<int>(std::ceil(std::log10(limit / noise) / step));
  std::vector<double> shares(static_cast<std::size_t>(2 * half + 1));
  for (std::size_t i = 0; i < count; ++i) {
    double const magnitude = std::min(std::abs(x[i] * unit), limit);
    double const u = std::copysign(std::log10(std::max(magnitude, noise) / noise) / step, x[i]);
    for (int k = -half; k <= half; ++k)
      shares[static_cast<std::size_t>(k + half)] += std::max(0.0, 1 - std::abs(u - k)) / static_cast<double>(count);
  }
  return shares;
}

/// Half the sum of absolute differences of the shares, averaged over the samples of [n, h, w, c].
inline auto mean_total_variation(double noise, double limit, double step, double unit) {
  return [=](std::vector<heliograd::testing::HostTensor> const& in) {
    auto mean = heliograd::testing::host_zeros({});
    std::size_t const samples = in[0].shape[0];
    std::size_t const count = in[0].size() / samples;
    for (std::size_t n = 0; n < samples; ++n) {
      auto const a = soft_histogram(in[0].values.data() + n * count, count, noise, limit, step, unit);
      auto const b = soft_histogram(in[1].values.data() + n * count, count, noise, limit, step, unit);
      for (std::size_t k = 0; k < a.size(); ++k)
        mean.values[0] += 0.5 * std::abs(a[k] - b[k]) / static_cast<double>(samples);
    }
    return mean;
  };
}

}  // namespace test::reference
