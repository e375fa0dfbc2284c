// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>

#include <heliograd/kernel/padding.hpp>

namespace heliograd::inline HELIOGRAD_ABI::kernel::detail {

/// One interpolated value: low_weight * source[low] + high_weight * source[high].
template <class T>
struct BilinearTap {
  int low, high;
  T low_weight, high_weight;

  KOKKOS_FUNCTION T weight_of(int pixel) const {
    return (pixel == low ? low_weight : T(0)) + (pixel == high ? high_weight : T(0));
  }
};

/// One axis, bilinearly up-sampled by an integer factor (pixel edges aligned, clamped at the borders), then continued by
/// reflection.
struct UpsampledAxis {
  int extent;
  int factor;

  KOKKOS_FUNCTION int fine_extent() const { return extent * factor; }

  /// What fine position -1 <= position <= fine_extent() is made of.
  template <class T>
  KOKKOS_FUNCTION BilinearTap<T> tap(int position) const {
    int const fine = padded_source(position, fine_extent(), PaddingMode::reflect);
    double const source = (fine + 0.5) / factor - 0.5;
    if (source <= 0) return {0, 0, T(1), T(0)};
    if (source >= extent - 1) return {extent - 1, extent - 1, T(1), T(0)};
    int const low = static_cast<int>(source);
    double const fraction = source - low;
    // A pixel that has no share is not named: it may lie outside the three rows in memory.
    return {low, fraction > 0 ? low + 1 : low, static_cast<T>(1 - fraction), static_cast<T>(fraction)};
  }

  /// The fine positions at least one of whose neighbours (k - 1, k, k + 1) is made of a coarse pixel: [begin, end), at most
  /// 2 factor + 2 of them.
  KOKKOS_FUNCTION int touched_begin(int pixel) const {
    int const twice = 2 * factor * pixel - factor - 1;
    return twice > 0 ? twice / 2 : 0;
  }
  KOKKOS_FUNCTION int touched_end(int pixel) const {
    int const end = (2 * factor * pixel + 3 * factor) / 2 + 1;
    return end < fine_extent() ? end : fine_extent();
  }
};

}  // namespace heliograd::inline HELIOGRAD_ABI::kernel::detail
