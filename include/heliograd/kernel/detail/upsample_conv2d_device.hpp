// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <cstddef>
#include <cstdint>

#include <heliograd/core/sink.hpp>
#include <heliograd/kernel/detail/delivery.hpp>
#include <heliograd/kernel/detail/upsample_conv2d_host.hpp>
#include <heliograd/kernel/reduce.hpp>

/// \file
/// The same computation on device spaces, one thread for one number. The nine maps [n, h, w, tap, c_out] and their gradients
/// are held at low resolution.
namespace heliograd::inline HELIOGRAD_ABI::kernel::detail {

template <class T>
struct UpsampleMapElement {
  UpsampleConv2dGeometry g;
  T const* x;
  T const* weight;
  T* maps;

  KOKKOS_FUNCTION void operator()(std::size_t index) const {
    std::size_t const o = index % g.out_channels;
    std::size_t const tap = index / g.out_channels % UpsampleConv2dGeometry::taps;
    T const* const pixel = x + index / g.out_channels / UpsampleConv2dGeometry::taps * g.in_channels;
    T const* const column = weight + tap * g.in_channels * g.out_channels + o;
    T total = 0;
    for (int c = 0; c < g.in_channels; ++c) total += pixel[c] * column[static_cast<std::size_t>(c) * g.out_channels];
    maps[index] = total;
  }
};

template <class T>
struct UpsampleInterpolateElement {
  UpsampleConv2dGeometry g;
  T const* maps;
  Delivery<T> y;

  KOKKOS_FUNCTION void operator()(std::size_t index) const {
    int const o = static_cast<int>(index % g.out_channels);
    int const column = static_cast<int>(index / g.out_channels % g.columns().fine_extent());
    std::size_t const line = index / g.out_channels / g.columns().fine_extent();
    int const row = static_cast<int>(line % g.rows().fine_extent());
    int const n = static_cast<int>(line / g.rows().fine_extent());
    T total = y.bias != nullptr ? y.bias[o] : T(0);
    for (int ky = 0; ky < 3; ++ky) {
      auto const down = g.rows().template tap<T>(row + ky - 1);
      for (int kx = 0; kx < 3; ++kx) {
        auto const across = g.columns().template tap<T>(column + kx - 1);
        int const tap = 3 * ky + kx;
        total += down.low_weight * (across.low_weight * map(n, down.low, across.low, tap, o) +
                                    across.high_weight * map(n, down.low, across.high, tap, o)) +
                 down.high_weight * (across.low_weight * map(n, down.high, across.low, tap, o) +
                                     across.high_weight * map(n, down.high, across.high, tap, o));
      }
    }
    y.deliver_element(index, o, total);
  }

  KOKKOS_FUNCTION T map(int n, int h, int w, int tap, int o) const {
    std::int64_t const pixel = (static_cast<std::int64_t>(n) * g.height + h) * g.width + w;
    return maps[(pixel * UpsampleConv2dGeometry::taps + tap) * g.out_channels + o];
  }
};

/// The gradient of one map element gathers the output gradients it was interpolated to.
template <class T>
struct UpsampleGatherElement {
  UpsampleConv2dGeometry g;
  T const* gy;
  T* maps;

  KOKKOS_FUNCTION void operator()(std::size_t index) const {
    int const o = static_cast<int>(index % g.out_channels);
    int const tap = static_cast<int>(index / g.out_channels % UpsampleConv2dGeometry::taps);
    std::size_t const pixel = index / g.out_channels / UpsampleConv2dGeometry::taps;
    int const w = static_cast<int>(pixel % g.width);
    int const h = static_cast<int>(pixel / g.width % g.height);
    int const n = static_cast<int>(pixel / g.width / g.height);
    UpsampledAxis const rows = g.rows();
    UpsampledAxis const columns = g.columns();
    T total = 0;
    for (int row = rows.touched_begin(h); row < rows.touched_end(h); ++row) {
      T const down = rows.template tap<T>(row + tap / 3 - 1).weight_of(h);
      if (down == T(0)) continue;
      T line = 0;
      for (int column = columns.touched_begin(w); column < columns.touched_end(w); ++column)
        line += columns.template tap<T>(column + tap % 3 - 1).weight_of(w) * gy[g.y_index(n, row, column, o)];
      total += down * line;
    }
    maps[index] = total;
  }
};

template <class B>
struct UpsampleBackwardDataElement {
  using T = typename B::scalar_type;
  UpsampleConv2dGeometry g;
  T const* maps;
  T const* weight;
  Sink<4, B> gx;

  KOKKOS_FUNCTION void operator()(std::size_t index) const {
    std::size_t const c = index % g.in_channels;
    T const* const pixel = maps + index / g.in_channels * UpsampleConv2dGeometry::taps * g.out_channels;
    T total = 0;
    for (int tap = 0; tap < UpsampleConv2dGeometry::taps; ++tap) {
      T const* const row = weight + (static_cast<std::size_t>(tap) * g.in_channels + c) * g.out_channels;
      T one = 0;
      for (int o = 0; o < g.out_channels; ++o)
        one += pixel[static_cast<std::size_t>(tap) * g.out_channels + o] * row[o];
      total += one;
    }
    gx.add(index, total);
  }
};

/// Segment: one weight [tap, c_in, c_out]. Terms: the pixels.
template <class T>
struct UpsampleWeightTerm {
  UpsampleConv2dGeometry g;
  T const* x;
  T const* maps;

  KOKKOS_FUNCTION void operator()(std::size_t segment, std::size_t pixel, Sums<1>& one) const {
    std::size_t const o = segment % g.out_channels;
    std::size_t const c = segment / g.out_channels % g.in_channels;
    std::size_t const tap = segment / g.out_channels / g.in_channels;
    one[0] = static_cast<double>(x[pixel * g.in_channels + c]) *
             static_cast<double>(maps[(pixel * UpsampleConv2dGeometry::taps + tap) * g.out_channels + o]);
  }
};

}  // namespace heliograd::inline HELIOGRAD_ABI::kernel::detail
