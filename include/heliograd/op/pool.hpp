// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>
#include <vector>

#include <heliograd/kernel/pool.hpp>
#include <heliograd/op/linear_map.hpp>

namespace heliograd::inline HELIOGRAD_ABI {

/// The mean over a window that moves in steps. Where it reaches beyond the image only real pixels are averaged.
///
/// Shapes   x [n, h, w, c] -> [n, (top + h + bottom - size) / stride + 1, likewise, c], rounded down.
/// Math     \f$ y_{pq} = \frac1{|W_{pq}|} \sum_{(i,j) \in W_{pq}} x_{ij} \f$, W the window's pixels inside the image.
/// Gradient every pixel gathers from the windows that hold it.
/// Keeps    nothing.
/// Cost     size^2 reads per output pixel; backward size^2 / stride^2 per input pixel.
/// Throws   ShapeError if the window does not fit; UsageError for a padding of a window or more.
template <class B>
Var<4, B> average_pool(Var<4, B> x, PoolOptions options = {}) {
  return linear_map(
      "heliograd::average_pool", kernel::pool_shape(x.shape(), options), x,
      [=](Workspace<B>& ws, auto const& in, auto const& y) { kernel::average_pool<B>(ws, in, y, options); },
      [=](Workspace<B>& ws, auto const& gy, auto const& gx) { kernel::average_pool_backward<B>(ws, gy, gx, options); });
}

/// The maximum over a window that moves in steps. NaN is larger than everything.
///
/// Shapes   as `average_pool`.
/// Gradient to the largest number of each window, the first of equal ones; to any order, as it changes by jumps only.
/// Keeps    nothing; the gradient reads x again.
/// Cost     size^2 reads per output pixel; backward size^4 / stride^2 per input pixel: for small windows.
/// Throws   as `average_pool`.
template <class B>
Var<4, B> max_pool(Var<4, B> x, PoolOptions options = {}) {
  Tape<B>& tape = x.tape();
  auto const y = tape.make(kernel::pool_shape(x.shape(), options), x.wants_grad());
  kernel::max_pool<B>(tape.workspace(), x.value, y.value, options);
  if (y.wants_grad())
    tape.record(
        "heliograd::max_pool", y,
        [=](Tape<B>& t) { kernel::max_pool_backward<B>(t.workspace(), x.value, y.grad(), t.into(x), options); },
        [=](Tape<B>& t, Var<4, B> gy) {
          if (!t.wants(x)) return;
          TensorRef<4, B> const at = x.value;
          t.deliver(x, detail::linear_pair(
                           "heliograd::max_pool_backward", x.shape(), gy,
                           [=](Workspace<B>& ws, auto const& g, auto const& gx) {
                             kernel::max_pool_backward<B>(ws, at, g, gx, options);
                           },
                           [=](Workspace<B>& ws, auto const& a, auto const& picked) {
                             kernel::max_pool_pick<B>(ws, at, a, picked, options);
                           }));
        });
  return y;
}

/// The mean of each channel over the whole image.
///
/// Shapes   x [n, h, w, c] -> [n, c].
/// Gradient gy / (h w) in every pixel.
/// Keeps    nothing.
/// Cost     one read; summed in double, in a fixed tree.
/// Throws   ShapeError for an image without pixels.
template <class B>
Var<2, B> global_average_pool(Var<4, B> x) {
  auto const s = x.shape();
  expect_shape(s[1] > 0 && s[2] > 0, "global_average_pool: x " + to_string(s) + " has no pixels");
  return linear_map(
      "heliograd::global_average_pool", Shape<2>{s[0], s[3]}, x,
      [](Workspace<B>& ws, auto const& in, auto const& y) { kernel::global_average_pool<B>(ws, in, y); },
      [](Workspace<B>& ws, auto const& gy, auto const& gx) { kernel::global_average_pool_backward<B>(ws, gy, gx); });
}

/// x, and x pooled once, twice...: `levels` images, each about half as large as the one before it. With the standard options
/// (windows of 3 in steps of 2, padding 1 not counted) the scales of multi-scale discriminators and losses.
template <class B>
std::vector<Var<4, B>> pyramid(Var<4, B> x, std::size_t levels, PoolOptions options = {3, 2, 1}) {
  std::vector<Var<4, B>> scales;
  for (std::size_t level = 0; level < levels; ++level)
    scales.push_back(level == 0 ? x : average_pool(scales.back(), options));
  return scales;
}

}  // namespace heliograd::inline HELIOGRAD_ABI
