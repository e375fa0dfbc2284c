// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <concepts>
#include <cstddef>
#include <string>

#include <heliograd/kernel/channels.hpp>
#include <heliograd/tape/tape.hpp>

/// \file
/// Tensors put together from others. (Another shape for the same elements is `Tape::reshape` and costs nothing.)
namespace heliograd::inline HELIOGRAD_ABI {

/// Tensors side by side along the channels, the last axis.
/// Shapes   [..., c_1], [..., c_2], ... -> [..., c_1 + c_2 + ...]; the other axes equal.
/// Gradient each input receives its channels of the output's gradient.
/// Keeps    nothing.
/// Cost     one pass over each input, in both directions.
/// Throws   ShapeError if another axis differs.
template <int Rank, class B, std::same_as<Var<Rank, B>>... More>
Var<Rank, B> concat(Var<Rank, B> first, More... more) {
  static_assert(Rank >= 1, "heliograd::concat: tensors need a channel axis");
  constexpr std::size_t count = 1 + sizeof...(More);
  Tape<B>& tape = first.tape();
  Kokkos::Array<Var<Rank, B>, count> const x{first, more...};
  Shape<Rank> shape = first.shape();
  bool wants_grad = false;
  shape[Rank - 1] = 0;
  for (std::size_t k = 0; k < count; ++k) {
    Shape<Rank> other = x[k].shape();
    other[Rank - 1] = shape[Rank - 1];
    expect_shape(other == shape, "concat: input " + std::to_string(k + 1) + " has " + to_string(x[k].shape()) +
                                     ", the first input has " + to_string(first.shape()) +
                                     "; all axes but the last must agree");
    shape[Rank - 1] += x[k].shape()[Rank - 1];
    wants_grad = wants_grad || x[k].wants_grad();
  }
  auto const y = tape.make(shape, wants_grad);
  std::size_t channel = 0;
  for (std::size_t k = 0; k < count; ++k) {
    kernel::put_channels<B, Rank>(tape.workspace(), x[k].value, channel, y.value);
    channel += x[k].shape()[Rank - 1];
  }
  if (y.wants_grad())
    tape.record("heliograd::concat", y, [=](Tape<B>& t) {
      std::size_t at = 0;
      for (std::size_t k = 0; k < count; ++k) {
        if (x[k].wants_grad()) kernel::take_channels<B, Rank>(t.workspace(), y.grad(), at, t.into(x[k]));
        at += x[k].shape()[Rank - 1];
      }
    });
  return y;
}

/// Some neighbouring channels of a tensor.
/// Shapes   [..., c] -> [..., count], channels first, ..., first + count - 1.
/// Gradient that of the output in these channels, zero in the others.
/// Keeps    nothing.
/// Cost     one pass over the output; backward one over x.
/// Throws   ShapeError if x has no such channels.
template <int Rank, class B>
Var<Rank, B> slice_channels(Var<Rank, B> x, std::size_t first, std::size_t count) {
  static_assert(Rank >= 1, "heliograd::slice_channels: x needs a channel axis");
  Shape<Rank> shape = x.shape();
  expect_shape(count > 0 && first < shape[Rank - 1] && count <= shape[Rank - 1] - first,
               "slice_channels: " + std::to_string(count) + " channels from channel " + std::to_string(first) +
                   " on are not in x " + to_string(shape));
  shape[Rank - 1] = count;
  Tape<B>& tape = x.tape();
  auto const y = tape.make(shape, x.wants_grad());
  kernel::take_channels<B, Rank>(tape.workspace(), x.value, first, Sink<Rank, B>{y.value, 0});
  if (y.wants_grad())
    tape.record("heliograd::slice_channels", y, [=](Tape<B>& t) {
      kernel::take_channels_backward<B, Rank>(t.workspace(), y.grad(), first, t.into(x));
    });
  return y;
}

}  // namespace heliograd::inline HELIOGRAD_ABI
