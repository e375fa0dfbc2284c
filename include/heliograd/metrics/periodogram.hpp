// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cmath>
#include <cstddef>
#include <limits>
#include <numbers>
#include <string>
#include <vector>

#include <heliograd/base/error.hpp>

namespace heliograd::inline HELIOGRAD_ABI::metrics {

/// A sine wave in a series.
struct Wave {
  double amplitude = 0;
  double share = 0;  ///< of the variance of the series that the wave explains, from 0 to 1
};

/// The sine wave of one frequency that comes nearest to a series, by least squares together with a mean: the daily line of a flux,
/// for times that need not be evenly spaced (Lomb 1976; Scargle 1982; with a floating mean). NaN values do not count.
/// Math     \f$ \min \sum_i (y_i - c - a \cos 2\pi f t_i - b \sin 2\pi f t_i)^2 \f$, amplitude \f$ \sqrt{a^2 + b^2} \f$
/// Throws   UsageError if there are not as many times as values; NumericalError if fewer than four count, or the times do not tell
///          the wave from a constant.
inline Wave periodogram(std::vector<double> const& times, std::vector<double> const& values, double frequency) {
  expect(times.size() == values.size(), "metrics::periodogram: found " + std::to_string(times.size()) + " times for " +
                                            std::to_string(values.size()) + " values");
  double n = 0, mean_c = 0, mean_s = 0, mean_y = 0;
  auto const counts = [&](std::size_t i) { return std::isfinite(times[i]) && std::isfinite(values[i]); };
  double start = 0;  // of the wave: any time nearby, so that no digits are lost
  for (std::size_t i = times.size(); i-- > 0;)
    if (counts(i)) start = times[i];
  auto const phase = [&](std::size_t i) { return 2 * std::numbers::pi * frequency * (times[i] - start); };
  for (std::size_t i = 0; i < times.size(); ++i) {
    if (!counts(i)) continue;
    n += 1, mean_c += std::cos(phase(i)), mean_s += std::sin(phase(i)), mean_y += values[i];
  }
  if (n < 4) throw NumericalError("metrics::periodogram: it needs at least four values that are finite");
  mean_c /= n, mean_s /= n, mean_y /= n;
  double cc = 0, ss = 0, cs = 0, yc = 0, ys = 0, yy = 0;
  for (std::size_t i = 0; i < times.size(); ++i) {
    if (!counts(i)) continue;
    double const c = std::cos(phase(i)) - mean_c, s = std::sin(phase(i)) - mean_s, y = values[i] - mean_y;
    cc += c * c, ss += s * s, cs += c * s, yc += y * c, ys += y * s, yy += y * y;
  }
  double const determinant = cc * ss - cs * cs;
  if (!(determinant > 1e-12 * n * n))
    throw NumericalError("metrics::periodogram: these times do not tell a wave of this frequency from a constant");
  double const a = (yc * ss - ys * cs) / determinant;
  double const b = (ys * cc - yc * cs) / determinant;
  return {std::hypot(a, b), yy > 0 ? (a * yc + b * ys) / yy : std::numeric_limits<double>::quiet_NaN()};
}

}  // namespace heliograd::inline HELIOGRAD_ABI::metrics
