// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstdint>

#include <heliograd/core/tensor.hpp>
#include <heliograd/kernel/padding.hpp>

namespace heliograd::inline HELIOGRAD_ABI::kernel::detail {

/// The numbers of one convolution, as kernels carry them. Channels are those of one group; a pixel has those of all.
struct Conv2dGeometry {
  int images;
  int height, width, in_channels;
  int filter_height, filter_width, out_channels;
  int out_height, out_width;
  int stride, dilation, groups;
  Padding2d padding;
  PaddingMode mode;

  KOKKOS_FUNCTION int x_pixel() const { return groups * in_channels; }
  KOKKOS_FUNCTION int y_pixel() const { return groups * out_channels; }
  KOKKOS_FUNCTION std::int64_t x_index(int n, int h, int w, int c) const {
    return ((static_cast<std::int64_t>(n) * height + h) * width + w) * x_pixel() + c;
  }
  KOKKOS_FUNCTION std::int64_t y_index(int n, int h, int w, int c) const {
    return ((static_cast<std::int64_t>(n) * out_height + h) * out_width + w) * y_pixel() + c;
  }
  KOKKOS_FUNCTION std::int64_t weight_index(int i, int j, int in, int out) const {
    return ((static_cast<std::int64_t>(i) * filter_width + j) * in_channels + in) * y_pixel() + out;
  }
  /// Products per output element.
  KOKKOS_FUNCTION std::int64_t terms() const {
    return static_cast<std::int64_t>(filter_height) * filter_width * in_channels;
  }
  /// How many pixels of the image a filter spans.
  KOKKOS_FUNCTION int span_down() const { return dilation * (filter_height - 1) + 1; }
  KOKKOS_FUNCTION int span_across() const { return dilation * (filter_width - 1) + 1; }
};

/// Whether nothing but zeros, or nothing at all, stands around the image: every padded position is one pixel or none.
inline bool is_zero_padded(Conv2dGeometry const& g) { return g.mode == PaddingMode::zero || g.padding == Padding2d(0); }

}  // namespace heliograd::inline HELIOGRAD_ABI::kernel::detail
