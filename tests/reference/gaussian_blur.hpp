// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include <heliograd/testing/op_case.hpp>

namespace test::reference {

/// Each value the mean of all around it, weighted by a Gaussian of the distance in y times one of that in x.
inline auto gaussian_blur(double sigma) {
  return [sigma](std::vector<heliograd::testing::HostTensor> const& in) {
    auto y = heliograd::testing::host_zeros(in[0].shape);
    auto const& s = in[0].shape;
    auto const height = static_cast<int>(s[1]), width = static_cast<int>(s[2]);
    int const reach = static_cast<int>(std::ceil(4 * sigma));
    auto const at = [&](std::size_t n, int p, int q, std::size_t c) {
      return ((n * s[1] + static_cast<std::size_t>(std::clamp(p, 0, height - 1))) * s[2] +
              static_cast<std::size_t>(std::clamp(q, 0, width - 1))) *
                 s[3] +
             c;
    };
    for (std::size_t n = 0; n < s[0]; ++n)
      for (int p = 0; p < height; ++p)
        for (int q = 0; q < width; ++q)
          for (std::size_t c = 0; c < s[3]; ++c) {
            double sum = 0, total = 0;
            for (int a = -reach; a <= reach; ++a)
              for (int b = -reach; b <= reach; ++b) {
                double const weight = std::exp(-(a * a + b * b) / (2 * sigma * sigma));
                sum += weight * in[0].values[at(n, p + a, q + b, c)];
                total += weight;
              }
            y.values[at(n, p, q, c)] = sum / total;
          }
    return y;
  };
}

}  // namespace test::reference
