// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <cstddef>
#include <cstdint>

#include <heliograd/core/sink.hpp>
#include <heliograd/kernel/detail/conv2d_geometry.hpp>
#include <heliograd/kernel/detail/delivery.hpp>
#include <heliograd/kernel/reduce.hpp>

/// \file
/// Direct convolution on device spaces: one thread makes one number and gathers what it needs.
namespace heliograd::inline HELIOGRAD_ABI::kernel::detail {

template <class T>
struct Conv2dElement {
  Conv2dGeometry g;
  T const* x;
  T const* weight;
  Delivery<T> y;

  KOKKOS_FUNCTION void operator()(std::size_t index) const {
    int const o = static_cast<int>(index % g.y_pixel());
    int const q = static_cast<int>(index / g.y_pixel() % g.out_width);
    int const p = static_cast<int>(index / g.y_pixel() / g.out_width % g.out_height);
    int const n = static_cast<int>(index / g.y_pixel() / g.out_width / g.out_height);
    int const first_channel = o / g.out_channels * g.in_channels;
    T total = 0;
    for (int i = 0; i < g.filter_height; ++i) {
      int const h = padded_source(p * g.stride + i * g.dilation - g.padding.top, g.height, g.mode);
      if (h < 0) continue;
      T row = 0;  // one partial sum per filter row keeps rounding errors small
      for (int j = 0; j < g.filter_width; ++j) {
        int const w = padded_source(q * g.stride + j * g.dilation - g.padding.left, g.width, g.mode);
        if (w < 0) continue;
        T const* const pixel = x + g.x_index(n, h, w, first_channel);
        T const* const tap = weight + g.weight_index(i, j, 0, o);
        for (int c = 0; c < g.in_channels; ++c) row += pixel[c] * tap[static_cast<std::int64_t>(c) * g.y_pixel()];
      }
      total += row;
    }
    y.deliver_element(index, o, y.bias != nullptr ? total + y.bias[o] : total);
  }
};

template <class T>
struct Conv2dBackwardDataElement {
  Conv2dGeometry g;
  T const* gy;
  T const* weight;
  Delivery<T> gx;

  KOKKOS_FUNCTION void operator()(std::size_t index) const {
    int const c = static_cast<int>(index % g.x_pixel());
    int const w = static_cast<int>(index / g.x_pixel() % g.width);
    int const h = static_cast<int>(index / g.x_pixel() / g.width % g.height);
    int const n = static_cast<int>(index / g.x_pixel() / g.width / g.height);
    PaddedImages const rows = padded_images(h, g.height, g.padding.top, g.padding.bottom, g.mode);
    PaddedImages const columns = padded_images(w, g.width, g.padding.left, g.padding.right, g.mode);
    T total = 0;
    for (int r = 0; r < 3; ++r)
      for (int row = rows.begin[r]; row < rows.end[r]; ++row)
        for (int s = 0; s < 3; ++s)
          for (int column = columns.begin[s]; column < columns.end[s]; ++column)
            total += at_padded(n, row + g.padding.top, column + g.padding.left, c);
    gx.deliver_element(index, c, gx.bias != nullptr ? total + gx.bias[c] : total);
  }

  KOKKOS_FUNCTION T at_padded(int n, int row, int column, int c) const {
    int const first_channel = c / g.in_channels * g.out_channels;
    T total = 0;
    for (int i = 0; i < g.filter_height && i * g.dilation <= row; ++i) {
      int const p = (row - i * g.dilation) / g.stride;
      if (p * g.stride != row - i * g.dilation || p >= g.out_height) continue;
      for (int j = 0; j < g.filter_width && j * g.dilation <= column; ++j) {
        int const q = (column - j * g.dilation) / g.stride;
        if (q * g.stride != column - j * g.dilation || q >= g.out_width) continue;
        T const* const gradient = gy + g.y_index(n, p, q, first_channel);
        T const* const tap = weight + g.weight_index(i, j, c % g.in_channels, first_channel);
        T pixel = 0;
        for (int o = 0; o < g.out_channels; ++o) pixel += gradient[o] * tap[o];
        total += pixel;
      }
    }
    return total;
  }
};

/// Segment: one weight. Terms: the output pixels.
template <class T>
struct Conv2dWeightTerm {
  Conv2dGeometry g;
  T const* x;
  T const* gy;

  KOKKOS_FUNCTION void operator()(std::size_t segment, std::size_t term, Sums<1>& one) const {
    int const o = static_cast<int>(segment % g.y_pixel());
    int const c = static_cast<int>(segment / g.y_pixel() % g.in_channels) + o / g.out_channels * g.in_channels;
    int const j = static_cast<int>(segment / g.y_pixel() / g.in_channels % g.filter_width);
    int const i = static_cast<int>(segment / g.y_pixel() / g.in_channels / g.filter_width);
    int const q = static_cast<int>(term % g.out_width);
    int const p = static_cast<int>(term / g.out_width % g.out_height);
    int const n = static_cast<int>(term / g.out_width / g.out_height);
    int const h = padded_source(p * g.stride + i * g.dilation - g.padding.top, g.height, g.mode);
    int const w = padded_source(q * g.stride + j * g.dilation - g.padding.left, g.width, g.mode);
    one[0] = h < 0 || w < 0
                 ? 0.0
                 : static_cast<double>(x[g.x_index(n, h, w, c)]) * static_cast<double>(gy[g.y_index(n, p, q, o)]);
  }
};

/// Segment: one channel. Terms: the pixels.
template <class T>
struct ChannelTerm {
  T const* values;
  std::size_t channels;

  KOKKOS_FUNCTION void operator()(std::size_t segment, std::size_t term, Sums<1>& one) const {
    one[0] = static_cast<double>(values[term * channels + segment]);
  }
};

template <int Rank, class B>
struct DeliverSum {
  Sink<Rank, B> sink;

  KOKKOS_FUNCTION void operator()(std::size_t segment, Sums<1> const& total) const {
    sink.add(segment, static_cast<typename B::scalar_type>(total[0]));
  }
};

}  // namespace heliograd::inline HELIOGRAD_ABI::kernel::detail
