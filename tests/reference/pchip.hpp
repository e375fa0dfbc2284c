// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cmath>
#include <cstddef>
#include <vector>

namespace test::reference {

/// Monotone piecewise cubic interpolation as its authors write it: slopes at all knots, then Hermite's polynomials.
inline double pchip(std::vector<double> const& knots, std::vector<double> const& values, double at) {
  std::size_t const n = knots.size();
  if (n == 1) return values[0];
  auto const h = [&](std::size_t i) { return knots[i + 1] - knots[i]; };
  auto const secant = [&](std::size_t i) { return (values[i + 1] - values[i]) / h(i); };
  auto const sign = [](double v) { return v > 0 ? 1 : v < 0 ? -1 : 0; };
  auto const end = [&](std::size_t i, std::size_t next) {
    if (n == 2) return secant(0);
    double const slope = ((2 * h(i) + h(next)) * secant(i) - h(i) * secant(next)) / (h(i) + h(next));
    if (sign(slope) != sign(secant(i))) return 0.0;
    if (sign(secant(i)) != sign(secant(next)) && std::abs(slope) > 3 * std::abs(secant(i))) return 3 * secant(i);
    return slope;
  };
  std::vector<double> slope(n);
  slope[0] = end(0, 1);
  slope[n - 1] = end(n - 2, n == 2 ? 0 : n - 3);
  for (std::size_t i = 1; i + 1 < n; ++i) {
    double const a = secant(i - 1), b = secant(i);
    if (a * b <= 0) continue;
    double const wa = 2 * h(i) + h(i - 1), wb = h(i) + 2 * h(i - 1);
    slope[i] = (wa + wb) / (wa / a + wb / b);
  }
  std::size_t i = 0;
  while (i + 2 < n && at >= knots[i + 1]) ++i;
  double const t = (at - knots[i]) / h(i);
  return (1 + 2 * t) * (1 - t) * (1 - t) * values[i] + t * t * (3 - 2 * t) * values[i + 1] +
         h(i) * (t * (1 - t) * (1 - t) * slope[i] - t * t * (1 - t) * slope[i + 1]);
}

}  // namespace test::reference
