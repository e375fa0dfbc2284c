// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include <heliograd/testing/op_case.hpp>

namespace test::reference {

/// One component of the Sobel gradient at a pixel of [n, h, w, c], from the definition; borders are replicated.
inline double sobel_at(heliograd::testing::HostTensor const& x, std::size_t n, int i, int j, std::size_t c,
                       bool along_width) {
  static constexpr double filter[3][3] = {{-1, 0, 1}, {-2, 0, 2}, {-1, 0, 1}};
  int const h = static_cast<int>(x.shape[1]);
  int const w = static_cast<int>(x.shape[2]);
  double sum = 0;
  for (int a = -1; a <= 1; ++a)
    for (int b = -1; b <= 1; ++b) {
      auto const row = static_cast<std::size_t>(std::clamp(i + a, 0, h - 1));
      auto const column = static_cast<std::size_t>(std::clamp(j + b, 0, w - 1));
      double const value = x.values[((n * x.shape[1] + row) * x.shape[2] + column) * x.shape[3] + c];
      sum += value * (along_width ? filter[a + 1][b + 1] : filter[b + 1][a + 1]);
    }
  return sum;
}

/// The mean over all elements of the squared Sobel gradient of x - y.
inline auto mean_sobel_energy(double scale) {
  return [scale](std::vector<heliograd::testing::HostTensor> const& in) {
    auto difference = in[0];
    for (std::size_t i = 0; i < difference.size(); ++i) difference.values[i] -= in[1].values[i];
    auto mean = heliograd::testing::host_zeros({});
    auto const& s = difference.shape;
    for (std::size_t n = 0; n < s[0]; ++n)
      for (std::size_t i = 0; i < s[1]; ++i)
        for (std::size_t j = 0; j < s[2]; ++j)
          for (std::size_t c = 0; c < s[3]; ++c)
            for (bool const along_width : {true, false}) {
              double const g =
                  scale * sobel_at(difference, n, static_cast<int>(i), static_cast<int>(j), c, along_width);
              mean.values[0] += g * g;
            }
    mean.values[0] /= static_cast<double>(difference.size());
    return mean;
  };
}

}  // namespace test::reference
