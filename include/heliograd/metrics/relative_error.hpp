// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <limits>

#include <heliograd/base/config.hpp>

namespace heliograd::inline HELIOGRAD_ABI::metrics {

/// By how much a total is missed, as a share of the true one: of unsigned fluxes, of intensities. NaN where the truth is zero.
/// Math     \f$ (p - t) / t \f$
inline double relative_error(double prediction, double truth) {
  return truth != 0 ? (prediction - truth) / truth : std::numeric_limits<double>::quiet_NaN();
}

}  // namespace heliograd::inline HELIOGRAD_ABI::metrics
