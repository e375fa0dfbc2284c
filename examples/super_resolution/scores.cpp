// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "scores.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace super_resolution {

Scores compare(std::vector<float> const& prediction, std::vector<float> const& truth, std::size_t height,
               std::size_t width, std::size_t border) {
  border = std::min(border, (std::min(height, width) - 1) / 4);  // of a small image something must be left
  std::size_t const y0 = border, x0 = border, y1 = height - border, x1 = width - border;
  double const n = static_cast<double>((y1 - y0) * (x1 - x0));
  auto const p = [&](std::size_t y, std::size_t x) { return static_cast<double>(prediction[y * width + x]); };
  auto const t = [&](std::size_t y, std::size_t x) { return static_cast<double>(truth[y * width + x]); };
  double mp = 0, mt = 0;
  for (std::size_t y = y0; y < y1; ++y)
    for (std::size_t x = x0; x < x1; ++x) mp += p(y, x), mt += t(y, x);
  mp /= n, mt /= n;
  double pp = 0, tt = 0, pt = 0, square = 0, gradient = 0;
  for (std::size_t y = y0; y < y1; ++y)
    for (std::size_t x = x0; x < x1; ++x) {
      double const a = p(y, x) - mp, b = t(y, x) - mt;
      pp += a * a, tt += b * b, pt += a * b;
      square += (p(y, x) - t(y, x)) * (p(y, x) - t(y, x));
      auto const d = [&](std::ptrdiff_t dy, std::ptrdiff_t dx) {  // the edge of the part compared repeats
        auto const yy = std::clamp(static_cast<std::ptrdiff_t>(y) + dy, std::ptrdiff_t(y0), std::ptrdiff_t(y1) - 1);
        auto const xx = std::clamp(static_cast<std::ptrdiff_t>(x) + dx, std::ptrdiff_t(x0), std::ptrdiff_t(x1) - 1);
        return p(std::size_t(yy), std::size_t(xx)) - t(std::size_t(yy), std::size_t(xx));
      };
      double const gx = d(-1, 1) - d(-1, -1) + 2 * (d(0, 1) - d(0, -1)) + d(1, 1) - d(1, -1);
      double const gy = d(1, -1) - d(-1, -1) + 2 * (d(1, 0) - d(-1, 0)) + d(1, 1) - d(-1, 1);
      gradient += std::hypot(gx, gy) / 8;
    }
  double extremes = 0;
  std::size_t tiles = 0;
  constexpr std::size_t k = 32;
  for (std::size_t y = y0; y + k <= y1; y += k)
    for (std::size_t x = x0; x + k <= x1; x += k) {
      double lowest_p = p(y, x), highest_p = lowest_p, lowest_t = t(y, x), highest_t = lowest_t;
      for (std::size_t i = 0; i < k; ++i)
        for (std::size_t j = 0; j < k; ++j) {
          lowest_p = std::min(lowest_p, p(y + i, x + j)), highest_p = std::max(highest_p, p(y + i, x + j));
          lowest_t = std::min(lowest_t, t(y + i, x + j)), highest_t = std::max(highest_t, t(y + i, x + j));
        }
      extremes += 0.5 * (std::abs(highest_p - highest_t) + std::abs(lowest_p - lowest_t));
      ++tiles;
    }
  Scores scores;
  scores.correlation = pp > 0 && tt > 0 ? pt / std::sqrt(pp * tt) : 0;
  scores.rmse = std::sqrt(square / n);
  scores.gradient = gradient / n;
  scores.extremes = tiles > 0 ? extremes / static_cast<double>(tiles) : 0;
  return scores;
}

double relative(Scores const& scores, Scores const& baseline) {
  auto const share = [](double mine, double other) { return other > 0 ? mine / other : 1.0; };
  return 0.25 * (share(1 - scores.correlation, 1 - baseline.correlation) + share(scores.rmse, baseline.rmse) +
                 share(scores.gradient, baseline.gradient) + share(scores.extremes, baseline.extremes));
}

std::string text(Scores const& s) {
  char line[120];
  std::snprintf(line, sizeof line, "CC %.4f  RMSE %.1f G  gradient %.2f G  extremes %.1f G", s.correlation, s.rmse,
                s.gradient, s.extremes);
  return line;
}

}  // namespace super_resolution
