// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cmath>
#include <cstddef>
#include <limits>

#include <heliograd/base/config.hpp>

namespace heliograd::inline HELIOGRAD_ABI::metrics {

/// Mean and scatter of numbers that arrive one by one, or of parts joined: the scores of the images of a test set.
struct Moments {
  std::size_t count = 0;
  double mean = std::numeric_limits<double>::quiet_NaN();
  double squares = 0;  ///< the sum about the mean

  /// The standard deviation, with count for the divisor; NaN of nothing.
  double deviation() const {
    return count > 0 ? std::sqrt(squares / static_cast<double>(count)) : std::numeric_limits<double>::quiet_NaN();
  }
  Moments& operator+=(Moments const& other) {
    if (other.count == 0) return *this;
    if (count == 0) return *this = other;
    double const a = static_cast<double>(count);
    double const b = static_cast<double>(other.count);
    double const d = other.mean - mean;
    squares += other.squares + d * d * a * b / (a + b);
    mean += d * b / (a + b);
    count += other.count;
    return *this;
  }
  Moments& operator+=(double value) { return *this += Moments{1, value, 0}; }
};

}  // namespace heliograd::inline HELIOGRAD_ABI::metrics
