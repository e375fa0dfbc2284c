// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cmath>
#include <string>

#include <heliograd/base/error.hpp>
#include <heliograd/metrics/residual.hpp>

namespace heliograd::inline HELIOGRAD_ABI::metrics {

/// The peak signal-to-noise ratio in decibel; infinite for equal images.
/// Math     \f$ 20 \log_{10}(\mathrm{range} / \mathrm{rmse}) \f$
/// Throws   UsageError unless the data range is positive.
inline double psnr(Residual const& residual, double data_range) {
  expect(data_range > 0, "metrics::psnr: the data range must be positive (found " + std::to_string(data_range) + ")");
  return 20 * std::log10(data_range / residual.rmse());
}

}  // namespace heliograd::inline HELIOGRAD_ABI::metrics
