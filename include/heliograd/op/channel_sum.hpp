// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>
#include <string>

#include <heliograd/kernel/channels.hpp>
#include <heliograd/kernel/conv2d.hpp>
#include <heliograd/op/linear_map.hpp>

/// \file
/// Sums over everything but the channel, and one number per channel spread over an image: each the other's gradient.
namespace heliograd::inline HELIOGRAD_ABI {

namespace detail {
template <int Rank>
struct ChannelSum {
  template <class B, class In>
  void operator()(Workspace<B>& ws, In const& x, Sink<1, B> const& y) const {
    std::size_t const channels = y.out.extent(0);
    std::size_t const rows = channels > 0 ? x.size() / channels : 0;
    kernel::conv2d_backward_bias<B>(ws, ConstTensorRef<4, B>(x.data(), 1, 1, rows, channels), y);
  }
};
template <int Rank>
struct ChannelSpread {
  template <class B, class In>
  void operator()(Workspace<B>& ws, In const& v, Sink<Rank, B> const& y) const {
    kernel::spread_channels<B, Rank>(ws, v, y);
  }
};
}  // namespace detail

/// The sum over all axes but the last.
/// Shapes   x [..., c] -> [c].
/// Gradient every element receives that of its channel; to any order.
/// Keeps    nothing.
/// Cost     one read; summed in a fixed order.
template <int Rank, class B>
Var<1, B> channel_sum(Var<Rank, B> x) {
  static_assert(Rank >= 1, "heliograd::channel_sum: x needs a channel axis");
  return detail::linear_pair("heliograd::channel_sum", Shape<1>{x.shape()[Rank - 1]}, x, detail::ChannelSum<Rank>{},
                             detail::ChannelSpread<Rank>{});
}

/// One number per channel at every pixel of a tensor.
/// Shapes   v [c] -> shape [..., c]; one number, v [1], serves all channels.
/// Gradient the sum over the elements that hold it; to any order.
/// Keeps    nothing.
/// Cost     one write.
/// Throws   ShapeError if v has neither one number nor one for each channel.
template <int Rank, class B>
Var<Rank, B> channel_spread(Var<1, B> v, Shape<Rank> const& shape) {
  static_assert(Rank >= 1, "heliograd::channel_spread: the shape needs a channel axis");
  std::size_t const count = v.shape()[0];
  expect_shape(count == 1 || count == shape[Rank - 1], "channel_spread: v is " + to_string(v.shape()) +
                                                           ", expected [1] or one number for each channel of " +
                                                           to_string(shape));
  Tape<B>& tape = v.tape();
  if (count == shape[Rank - 1])
    return detail::linear_pair("heliograd::channel_spread", shape, v, detail::ChannelSpread<Rank>{},
                               detail::ChannelSum<Rank>{});
  Shape<2> const column{shape.size(), 1};  // one channel in all
  return tape.reshape(
      detail::linear_pair("heliograd::channel_spread", column, v, detail::ChannelSpread<2>{}, detail::ChannelSum<2>{}),
      shape);
}

}  // namespace heliograd::inline HELIOGRAD_ABI
