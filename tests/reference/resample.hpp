// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include <heliograd/kernel/resample.hpp>
#include <heliograd/testing/op_case.hpp>

namespace test::reference {

/// How much of input pixel i goes into output pixel o, from the definitions.
inline double resample_weight(heliograd::ResampleOptions const& options, long n, long m, long i, long o) {
  double const u = !options.align_corners
                       ? (static_cast<double>(o) + 0.5) * static_cast<double>(n) / static_cast<double>(m) - 0.5
                   : m == 1 ? 0.0
                            : static_cast<double>(o) * static_cast<double>(n - 1) / static_cast<double>(m - 1);
  double weight = 0;
  auto const keys = [&](double d) {
    double const a = options.cubic;
    d = std::abs(d);
    if (d < 1) return (a + 2) * d * d * d - (a + 3) * d * d + 1;
    if (d < 2) return a * d * d * d - 5 * a * d * d + 8 * a * d - 4 * a;
    return 0.0;
  };
  switch (options.method) {
    case heliograd::Resampling::nearest:
      if (options.align_corners) return i == (m == 1 ? 0 : (2 * o * (n - 1) + m - 1) / (2 * (m - 1))) ? 1 : 0;
      return i == (2 * o + 1) * n / (2 * m) ? 1 : 0;
    case heliograd::Resampling::bilinear: {
      double const v = std::clamp(u, 0.0, static_cast<double>(n - 1));
      return std::max(0.0, 1 - std::abs(v - static_cast<double>(i)));
    }
    case heliograd::Resampling::bicubic:
      for (long tap = static_cast<long>(std::floor(u)) - 1; tap <= static_cast<long>(std::floor(u)) + 2; ++tap)
        if (std::clamp(tap, 0L, n - 1) == i) weight += keys(u - static_cast<double>(tap));
      return weight;
    case heliograd::Resampling::area: {
      double const scale = static_cast<double>(n) / static_cast<double>(m);
      double const low = std::max(static_cast<double>(o) * scale, static_cast<double>(i));
      double const high = std::min(static_cast<double>(o + 1) * scale, static_cast<double>(i + 1));
      return std::max(0.0, high - low) / scale;
    }
  }
  return 0;
}

/// x [n, h, w, c] to [n, p, q, c], summing over all pixels of x for each of y.
inline auto resample(std::size_t p, std::size_t q, heliograd::ResampleOptions const& options) {
  return [=](std::vector<heliograd::testing::HostTensor> const& in) {
    auto const& s = in[0].shape;
    auto y = heliograd::testing::host_zeros({s[0], p, q, s[3]});
    std::size_t at = 0;
    for (std::size_t n = 0; n < s[0]; ++n)
      for (std::size_t a = 0; a < p; ++a)
        for (std::size_t b = 0; b < q; ++b)
          for (std::size_t c = 0; c < s[3]; ++c, ++at)
            for (std::size_t i = 0; i < s[1]; ++i) {
              double const rows = resample_weight(options, static_cast<long>(s[1]), static_cast<long>(p),
                                                  static_cast<long>(i), static_cast<long>(a));
              if (rows == 0) continue;
              for (std::size_t j = 0; j < s[2]; ++j)
                y.values[at] += rows *
                                resample_weight(options, static_cast<long>(s[2]), static_cast<long>(q),
                                                static_cast<long>(j), static_cast<long>(b)) *
                                in[0].values[((n * s[1] + i) * s[2] + j) * s[3] + c];
            }
    return y;
  };
}

}  // namespace test::reference
