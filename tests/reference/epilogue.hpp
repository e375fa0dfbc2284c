// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cmath>
#include <cstddef>
#include <vector>

namespace test::reference {

/// y = f(u) + r of each of a convolution's results u [..., c]. Empty slopes: f is tanh, or nothing; else one slope, or one for each
/// channel. An empty r is none.
inline std::vector<double> epilogue(std::vector<double> const& u, std::vector<double> const& slopes, bool tanh,
                                    std::vector<double> const& r) {
  std::vector<double> y = u;
  for (std::size_t i = 0; i < y.size(); ++i) {
    if (!slopes.empty() && u[i] < 0) y[i] = slopes[i % slopes.size()] * u[i];
    if (tanh) y[i] = std::tanh(u[i]);
    if (!r.empty()) y[i] += r[i];
  }
  return y;
}

}  // namespace test::reference
