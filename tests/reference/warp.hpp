// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <vector>

#include <heliograd/kernel/warp.hpp>
#include <heliograd/testing/op_case.hpp>
#include "reference/pchip.hpp"

namespace test::reference {

/// A line of numbers at any place between them, from the definitions. Beyond the ends the outermost number is repeated.
inline double interpolate(std::vector<double> const& line, double at, heliograd::WarpOptions const& options) {
  long const n = static_cast<long>(line.size());
  auto const pixel = [&](long i) { return line[static_cast<std::size_t>(std::clamp(i, 0L, n - 1))]; };
  double const a = options.cubic;
  auto const keys = [&](double d) {
    d = std::abs(d);
    if (d < 1) return (a + 2) * d * d * d - (a + 3) * d * d + 1;
    return d < 2 ? a * d * d * d - 5 * a * d * d + 8 * a * d - 4 * a : 0.0;
  };
  double sum = 0;
  switch (options.method) {
    case heliograd::Interpolation::nearest: return pixel(static_cast<long>(std::floor(at + 0.5)));
    case heliograd::Interpolation::bilinear:
      for (long i = -2; i <= n + 1; ++i) sum += std::max(0.0, 1 - std::abs(at - static_cast<double>(i))) * pixel(i);
      return sum;
    case heliograd::Interpolation::bicubic:
      for (long i = -3; i <= n + 2; ++i) sum += keys(at - static_cast<double>(i)) * pixel(i);
      return sum;
    case heliograd::Interpolation::pchip: {
      std::vector<double> knots(line.size());
      for (std::size_t i = 0; i < knots.size(); ++i) knots[i] = static_cast<double>(i);
      return pchip(knots, line, std::clamp(at, 0.0, static_cast<double>(n - 1)));
    }
  }
  return 0;
}

/// x [n, h, w, c] at positions(n, p, q).
inline heliograd::testing::HostTensor warp(
    heliograd::testing::HostTensor const& x, std::size_t height, std::size_t width,
    std::function<heliograd::Position(std::size_t, std::size_t, std::size_t)> const& positions,
    heliograd::WarpOptions const& options) {
  auto const& s = x.shape;
  auto y = heliograd::testing::host_zeros({s[0], height, width, s[3]});
  std::size_t o = 0;
  for (std::size_t n = 0; n < s[0]; ++n)
    for (std::size_t p = 0; p < height; ++p)
      for (std::size_t q = 0; q < width; ++q)
        for (std::size_t c = 0; c < s[3]; ++c, ++o) {
          auto const at = positions(n, p, q);
          bool const inside = at.y >= -0.5 && at.y < static_cast<double>(s[1]) - 0.5 && at.x >= -0.5 &&
                              at.x < static_cast<double>(s[2]) - 0.5;
          if (!inside) {
            y.values[o] = options.fill;
            continue;
          }
          std::vector<double> column(s[1]);
          for (std::size_t i = 0; i < s[1]; ++i) {
            std::vector<double> row(s[2]);
            for (std::size_t j = 0; j < s[2]; ++j) row[j] = x.values[((n * s[1] + i) * s[2] + j) * s[3] + c];
            column[i] = interpolate(row, at.x, options);
          }
          y.values[o] = interpolate(column, at.y, options);
        }
  return y;
}

}  // namespace test::reference
