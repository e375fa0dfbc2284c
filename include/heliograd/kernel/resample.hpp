// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <cstddef>
#include <cstdint>
#include <string>

#include <heliograd/base/error.hpp>
#include <heliograd/core/sink.hpp>
#include <heliograd/kernel/detail/axis_table.hpp>
#include <heliograd/kernel/detail/keys_cubic.hpp>
#include <heliograd/kernel/launch.hpp>

/// \file
/// Images on another grid. Both grids cover the same area and their pixels are areas, not points: output pixel o of m lies
/// at \f$ u = (o + 1/2)\, n/m - 1/2 \f$ on an axis of n input pixels; or the centres of their outermost pixels coincide:
/// \f$ u = o (n - 1) / (m - 1) \f$. Positions are quotients of whole numbers, weights are computed in double.
namespace heliograd::inline HELIOGRAD_ABI {

enum class Resampling {
  nearest,   ///< the input pixel that holds the position
  bilinear,  ///< linear between the two nearest pixels; constant beyond the outermost centres
  bicubic,   ///< Keys' kernel on four pixels, border pixels repeated
  area,      ///< the mean of the input over the output pixel; for shrinking
};

struct ResampleOptions {
  Resampling method = Resampling::bilinear;
  double cubic = -0.75;        ///< the kernel's slope at distance 1: -0.75 as PyTorch has it, -0.5 for Keys' own choice
  bool align_corners = false;  ///< the centres of the outermost pixels coincide, not the borders of the images
};

namespace kernel {

namespace detail {

/// How many taps an output has at most.
inline int most_taps(ResampleOptions const& options, std::size_t in, std::size_t out) {
  switch (options.method) {
    case Resampling::nearest: return 1;
    case Resampling::bilinear: return 2;
    case Resampling::bicubic: return 4;
    case Resampling::area: return static_cast<int>((in + out - 1) / out + 1);
  }
  return 0;
}

/// Fills the weights of one output.
template <class T>
struct FillTaps {
  AxisTable<T> table;
  ResampleOptions options;

  KOKKOS_FUNCTION void operator()(std::size_t index) const {
    std::int64_t const n = static_cast<std::int64_t>(table.in);
    std::int64_t const m = static_cast<std::int64_t>(table.out);
    std::int64_t const o = static_cast<std::int64_t>(index);
    if (options.method == Resampling::area) {
      std::int64_t const begin = o * n, end = begin + n;  // in units of 1/m input pixel
      std::int64_t const i = begin / m;
      table.begin_output(index, i, (begin + end) / 2 / m);
      for (std::int64_t j = i; j * m < end; ++j) {
        std::int64_t const from = j * m > begin ? j * m : begin;
        std::int64_t const to = (j + 1) * m < end ? (j + 1) * m : end;
        table.add(index, j, static_cast<double>(to - from) / static_cast<double>(n));
      }
      return;
    }
    // The position is above / below; its whole part, and the fraction exact but for one rounding.
    bool const corners = options.align_corners;
    std::int64_t const above = corners ? (m > 1 ? o * (n - 1) : 0) : (2 * o + 1) * n - m;
    std::int64_t const below = corners ? (m > 1 ? m - 1 : 1) : 2 * m;
    if (options.method == Resampling::nearest) {
      std::int64_t const i = (2 * above + below) / (2 * below);
      table.begin_output(index, i, i);
      return;
    }
    std::int64_t const whole = above >= 0 ? above / below : -((-above + below - 1) / below);
    double const t = static_cast<double>(above - whole * below) / static_cast<double>(below);
    std::int64_t const near = t < 0.5 ? whole : whole + 1;
    if (options.method == Resampling::bilinear) {
      table.begin_output(index, clamp(whole, n), clamp(near, n));
      table.add(index, clamp(whole, n), 1 - t);
      table.add(index, clamp(whole + 1, n), t);
    } else {
      KeysCubic const keys{options.cubic};
      table.begin_output(index, clamp(whole - 1, n), clamp(near, n));
      table.add(index, clamp(whole - 1, n), keys(1 + t));
      table.add(index, clamp(whole, n), keys(t));
      table.add(index, clamp(whole + 1, n), keys(1 - t));
      table.add(index, clamp(whole + 2, n), keys(2 - t));
    }
  }

 private:
  KOKKOS_FUNCTION static std::int64_t clamp(std::int64_t i, std::int64_t n) { return i < 0 ? 0 : i < n ? i : n - 1; }
};

template <class B, class Scope>
AxisTable<typename B::scalar_type> resample_table(Workspace<B>& ws, Scope& scope, ResampleOptions const& options,
                                                  std::size_t in, std::size_t out) {
  using T = typename B::scalar_type;
  if (in == out) return AxisTable<T>::leave(in);
  auto const table = take_table<T>(scope, most_taps(options, in, out), in, out);
  for_each_item(ws, "heliograd::resample_taps", out, FillTaps<T>{table, options});
  find_reached(ws, table);
  return table;
}

inline void check_resample(Shape<4> const& fine, Shape<4> const& coarse, ResampleOptions const& options) {
  expect(options.method != Resampling::area || !options.align_corners,
         "resample: means over the area of pixels have no corners to align; leave align_corners false");
  expect_shape(fine[0] == coarse[0] && fine[3] == coarse[3],
               "resample: images " + to_string(fine) + " and " + to_string(coarse) + " differ in number or channels");
  std::size_t constexpr limit = std::size_t{1} << 30;  // of positions in 32 bits
  for (Shape<4> const* const shape : {&fine, &coarse})
    expect_shape((*shape)[1] > 0 && (*shape)[2] > 0 && (*shape)[1] < limit && (*shape)[2] < limit,
                 "resample: image " + to_string(*shape) + " has no pixels, or too many in a row");
}

}  // namespace detail

/// y = x on the grid of y. Axes of equal length are passed over: the same size gives the same bits.
template <class B>
void resample(Workspace<B>& ws, ConstTensorRef<4, B> const& x, TensorRef<4, B> const& y,
              ResampleOptions const& options) {
  detail::check_resample(shape_of(x), shape_of(y), options);
  if (y.size() == 0) return;
  auto scope = ws.scope();
  auto const rows = detail::resample_table(ws, scope, options, x.extent(1), y.extent(1));
  auto const columns = detail::resample_table(ws, scope, options, x.extent(2), y.extent(2));
  detail::apply_axes<B>(ws, "heliograd::resample", rows, columns, x, y);
}

/// gx = beta gx + the transpose of `resample` applied to gy. Every input pixel gathers from the outputs that used it.
template <class B>
void resample_backward(Workspace<B>& ws, ConstTensorRef<4, B> const& gy, Sink<4, B> const& gx,
                       ResampleOptions const& options) {
  detail::check_resample(shape_of(gx.out), shape_of(gy), options);
  if (gx.out.size() == 0) return;
  auto scope = ws.scope();
  auto const rows = detail::resample_table(ws, scope, options, gx.out.extent(1), gy.extent(1));
  auto const columns = detail::resample_table(ws, scope, options, gx.out.extent(2), gy.extent(2));
  detail::gather_axes<B>(ws, "heliograd::resample_backward", rows, columns, gy, gx);
}

}  // namespace kernel
}  // namespace heliograd::inline HELIOGRAD_ABI
