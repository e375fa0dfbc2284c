// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstdint>

#include <heliograd/core/tensor.hpp>
#include <heliograd/kernel/padding.hpp>

namespace heliograd::inline HELIOGRAD_ABI::kernel::detail {

/// The numbers of one convolution, as kernels carry them.
struct Conv2dGeometry {
  int images;
  int height, width, in_channels;
  int filter_height, filter_width, out_channels;
  int out_height, out_width;
  int stride;
  Padding2d padding;
  PaddingMode mode;

  KOKKOS_FUNCTION std::int64_t x_index(int n, int h, int w, int c) const {
    return ((static_cast<std::int64_t>(n) * height + h) * width + w) * in_channels + c;
  }
  KOKKOS_FUNCTION std::int64_t y_index(int n, int h, int w, int c) const {
    return ((static_cast<std::int64_t>(n) * out_height + h) * out_width + w) * out_channels + c;
  }
  KOKKOS_FUNCTION std::int64_t weight_index(int i, int j, int in, int out) const {
    return ((static_cast<std::int64_t>(i) * filter_width + j) * in_channels + in) * out_channels + out;
  }
  /// Products per output element: in one row of the filter, and in all.
  KOKKOS_FUNCTION int row_terms() const { return filter_width * in_channels; }
  KOKKOS_FUNCTION std::int64_t terms() const { return static_cast<std::int64_t>(filter_height) * row_terms(); }
};

}  // namespace heliograd::inline HELIOGRAD_ABI::kernel::detail
