// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>
#include <limits>

#include <heliograd/base/config.hpp>

namespace heliograd::inline HELIOGRAD_ABI::metrics {

/// A mean that can be continued: add those of several images, and ask the total.
struct Average {
  double sum = 0;
  std::size_t count = 0;

  /// NaN if there is nothing to average.
  double value() const {
    return count > 0 ? sum / static_cast<double>(count) : std::numeric_limits<double>::quiet_NaN();
  }
  Average& operator+=(Average const& other) {
    sum += other.sum;
    count += other.count;
    return *this;
  }
};

}  // namespace heliograd::inline HELIOGRAD_ABI::metrics
