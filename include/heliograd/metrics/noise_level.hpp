// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

#include <heliograd/kernel/reduce_by_key.hpp>
#include <heliograd/metrics/detail/measure.hpp>
#include <heliograd/metrics/uniform_bins.hpp>

namespace heliograd::inline HELIOGRAD_ABI::metrics {

/// \f$ a \, \exp(-(x - \mu)^2 / 2 \sigma^2) \f$
struct Gaussian {
  double height = 0;
  double mean = 0;
  double sigma = 0;
};

struct NoiseOptions {
  double limit = 10;  ///< only pixels with |B| below it are looked at
  int bins = 40;      ///< of the histogram from -limit to limit
};

/// The Gaussian that comes nearest to points (x, y), in the sense of least squares.
///
/// By Gauss-Newton steps damped after Levenberg and Marquardt, from a start that needs no guess: the weighted mean and
/// variance of the points.
/// Throws   NumericalError if there are fewer than four points, nothing above zero, or no end in 200 steps.
inline Gaussian fit_gaussian(std::vector<double> const& x, std::vector<double> const& y) {
  std::size_t const n = x.size();
  double sum = 0, mean = 0, square = 0, highest = 0;
  for (std::size_t i = 0; i < n; ++i) {
    sum += y[i];
    mean += y[i] * x[i];
    highest = std::max(highest, y[i]);
  }
  if (n < 4 || y.size() != n || !(sum > 0))
    throw NumericalError("fit_gaussian: nothing to fit (found " + std::to_string(n) + " points whose sum is " +
                         std::to_string(sum) + ", expected at least 4 and a positive sum)");
  mean /= sum;
  for (std::size_t i = 0; i < n; ++i) square += y[i] / sum * (x[i] - mean) * (x[i] - mean);
  if (!(square > 0)) throw NumericalError("fit_gaussian: all points lie in one bin; use finer bins");

  // Heights in units of the highest point keep the normal equations well scaled.
  double p[3] = {1.0, mean, std::sqrt(square)};
  auto const cost_at = [&](double const(&q)[3]) {
    double cost = 0;
    for (std::size_t i = 0; i < n; ++i) {
      double const u = (x[i] - q[1]) / q[2];
      double const r = y[i] / highest - q[0] * std::exp(-0.5 * u * u);
      cost += r * r;
    }
    return cost;
  };
  double cost = cost_at(p);
  double damping = 1e-3;
  for (int step = 0; step < 200; ++step) {
    double a[3][4] = {};
    for (std::size_t i = 0; i < n; ++i) {
      double const u = (x[i] - p[1]) / p[2];
      double const e = std::exp(-0.5 * u * u);
      double const slope[3] = {e, p[0] * e * u / p[2], p[0] * e * u * u / p[2]};
      double const r = y[i] / highest - p[0] * e;
      for (int j = 0; j < 3; ++j) {
        for (int k = 0; k < 3; ++k) a[j][k] += slope[j] * slope[k];
        a[j][3] += slope[j] * r;
      }
    }
    for (int j = 0; j < 3; ++j) a[j][j] *= 1 + damping;
    // Gauss-Jordan without pivoting: the matrix is symmetric and positive.
    for (int j = 0; j < 3; ++j)
      for (int row = 0; row < 3; ++row) {
        if (row == j) continue;
        double const factor = a[row][j] / a[j][j];
        for (int k = j; k < 4; ++k) a[row][k] -= factor * a[j][k];
      }
    double const moved[3] = {p[0] + a[0][3] / a[0][0], p[1] + a[1][3] / a[1][1], p[2] + a[2][3] / a[2][2]};
    double const next = moved[2] > 0 ? cost_at(moved) : cost + 1;
    if (!(next <= cost)) {
      damping *= 10;
      if (damping > 1e12) return {p[0] * highest, p[1], p[2]};  // no step leads further down
      continue;
    }
    double const change = std::max(
        {std::abs(moved[0] - p[0]), std::abs(moved[1] - p[1]) / moved[2], std::abs(moved[2] - p[2]) / moved[2]});
    std::copy_n(moved, 3, p);
    cost = next;
    damping = std::max(damping / 10, 1e-12);
    if (change < 1e-10) return {p[0] * highest, p[1], p[2]};
  }
  throw NumericalError("fit_gaussian: no Gaussian fits these points");
}

namespace detail {
template <class T>
struct NoiseTerm {
  MaskedImage<T> image;
  UniformBins bins;
  KOKKOS_FUNCTION std::ptrdiff_t operator()(std::size_t i, kernel::Sums<1>& one) const {
    if (!image.valid(i)) return -1;
    one[0] = 1.0;
    return bins(static_cast<double>(image.x[i]));
  }
};
}  // namespace detail

/// The noise of a magnetogram: the width of the Gaussian fitted to the histogram of its weakest fields, over all pixels that
/// count: finite, and positive in the mask if there is one. The height is in pixels per bin.
/// Shapes   field, mask [h, w].
/// Throws   ShapeError if the shapes differ; UsageError for impossible bins; NumericalError if no Gaussian can be fitted.
///          Waits for the execution space.
template <class B>
Gaussian noise_level(Workspace<B>& ws, ConstTensorRef<2, B> field, NoiseOptions const& options = {},
                     ConstTensorRef<2, B> mask = {}) {
  auto const image = detail::masked_image<B>("metrics::noise_level", field, mask);
  expect(options.limit > 0 && options.bins >= 4,
         "metrics::noise_level: it needs a positive limit and at least 4 bins (found " + std::to_string(options.limit) +
             ", " + std::to_string(options.bins) + ")");
  UniformBins const bins{-options.limit, options.limit, options.bins};
  std::size_t const count = static_cast<std::size_t>(options.bins);
  auto scope = ws.scope();
  auto* const totals = scope.template take<kernel::Sums<1>>(count);
  kernel::reduce_by_key<1>(ws, "heliograd::metrics::noise_level", field.size(), count,
                           detail::NoiseTerm<typename B::scalar_type>{image, bins}, totals);
  auto const counts = detail::fetch<B, kernel::Sums<1>>(ws, totals, count);
  std::vector<double> x, y;
  for (int k = 0; k < options.bins; ++k) {
    x.push_back(bins.center(k));
    y.push_back(counts[static_cast<std::size_t>(k)][0]);
  }
  return fit_gaussian(x, y);
}

}  // namespace heliograd::inline HELIOGRAD_ABI::metrics
