// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cmath>
#include <cstddef>
#include <vector>

#include <heliograd/kernel/shift.hpp>
#include <heliograd/testing/op_case.hpp>

namespace test::reference {

/// The values at o - shift of the cubic spline through a line: the B-spline coefficients are solved for from
/// (c[k-1] + 4 c[k] + c[k+1]) / 6 = line[k], mirrored about both ends, by elimination.
inline std::vector<double> shift_line(std::vector<double> const& line, double shift, double fill) {
  long const n = static_cast<long>(line.size());
  std::vector<double> c = line;
  if (n > 1) {
    // Rows: diagonal 4, neighbours 1, but 2 beside both ends.
    std::vector<double> upper(line.size());
    for (long k = 0; k < n; ++k) {
      auto const i = static_cast<std::size_t>(k);
      double const left = k == 0 ? 0 : k == n - 1 ? 2 : 1;
      double const right = k == n - 1 ? 0 : k == 0 ? 2 : 1;
      double const pivot = 4 - (k > 0 ? left * upper[i - 1] : 0);
      upper[i] = right / pivot;
      c[i] = (6 * line[i] - (k > 0 ? left * c[i - 1] : 0)) / pivot;
    }
    for (long k = n - 2; k >= 0; --k)
      c[static_cast<std::size_t>(k)] -= upper[static_cast<std::size_t>(k)] * c[static_cast<std::size_t>(k) + 1];
  }
  auto const coefficient = [&](long i) {
    if (n == 1) return c[0];
    while (i < 0 || i >= n) i = i < 0 ? -i : 2 * (n - 1) - i;
    return c[static_cast<std::size_t>(i)];
  };
  std::vector<double> y(line.size(), fill);
  // The fraction of the position is taken before o is added: it keeps its digits.
  double const whole = std::floor(-shift), t = -shift - whole;
  for (long o = 0; o < n; ++o) {
    long const at = o + static_cast<long>(whole);
    if (at < 0 || at > n - 1 || (at == n - 1 && t > 0)) continue;
    double sum = 0;
    for (long k = -1; k <= 2; ++k) {
      double const d = std::abs(t - static_cast<double>(k));
      double const weight = d < 1 ? 2.0 / 3 - d * d + d * d * d / 2 : d < 2 ? (2 - d) * (2 - d) * (2 - d) / 6 : 0;
      sum += weight * coefficient(at + k);
    }
    y[static_cast<std::size_t>(o)] = sum;
  }
  return y;
}

/// Rows, then columns.
inline heliograd::testing::HostTensor shift(heliograd::testing::HostTensor const& x,
                                            heliograd::ShiftOptions const& options) {
  auto y = x;
  auto const& s = x.shape;
  auto const along = [&](std::size_t length, std::size_t stride, double by) {
    if (by == 0) return;
    for (std::size_t i = 0; i < y.size(); ++i) {
      if (i / stride % length != 0) continue;
      std::vector<double> line(length);
      for (std::size_t k = 0; k < length; ++k) line[k] = y.values[i + k * stride];
      line = shift_line(line, by, std::nan(""));
      for (std::size_t k = 0; k < length; ++k) y.values[i + k * stride] = line[k];
    }
  };
  along(s[2], s[3], options.right);
  along(s[1], s[2] * s[3], options.down);
  for (double& v : y.values)
    if (std::isnan(v)) v = options.fill;
  return y;
}

}  // namespace test::reference
