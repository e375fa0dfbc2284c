// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>

#include <heliograd/base/config.hpp>

namespace heliograd::inline HELIOGRAD_ABI::metrics {

/// Equal bins from low to high; a value on an inner edge belongs to the bin above, one at `high` to the last.
struct UniformBins {
  double low = -1000;
  double high = 1000;
  int count = 100;

  double width() const { return (high - low) / count; }
  double center(int bin) const { return low + (bin + 0.5) * width(); }
  /// -1 outside and for NaN.
  KOKKOS_FUNCTION int operator()(double value) const {
    if (!(value >= low && value <= high)) return -1;
    int const bin = static_cast<int>((value - low) / (high - low) * count);
    return bin < count ? bin : count - 1;
  }
  bool operator==(UniformBins const&) const = default;
};

}  // namespace heliograd::inline HELIOGRAD_ABI::metrics
