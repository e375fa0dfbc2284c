// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <array>
#include <concepts>
#include <cstddef>
#include <string>
#include <type_traits>

#include <heliograd/kernel/channels.hpp>
#include <heliograd/kernel/permute.hpp>
#include <heliograd/op/linear_map.hpp>

/// \file
/// Tensors put together from others. (Another shape for the same elements is `Tape::reshape` and costs nothing.)
namespace heliograd::inline HELIOGRAD_ABI {

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
  return detail::linear_pair(
      "heliograd::slice_channels", shape, x,
      [=](Workspace<B>& ws, auto const& in, auto const& y) { kernel::take_channels<B, Rank>(ws, in, first, y); },
      [=](Workspace<B>& ws, auto const& gy, auto const& gx) {
        kernel::take_channels_backward<B, Rank>(ws, gy, first, gx);
      });
}

template <int Rank, class B, std::same_as<Var<Rank, B>>... More>
Var<Rank, B> concat(Var<Rank, B> first, More... more);

namespace detail {
template <int Rank, class B, std::size_t count>
std::array<Var<Rank, B>, count> split_channels(Var<Rank, B> x, std::array<std::size_t, count> const& channels) {
  Shape<Rank> shape = x.shape();
  std::size_t total = 0;
  for (std::size_t const c : channels) {
    expect_shape(c <= shape[Rank - 1],
                 "split_channels: a part is negative or has more channels than x " + to_string(shape));
    total += c;
  }
  expect_shape(total == shape[Rank - 1], "split_channels: the parts have " + std::to_string(total) +
                                             " channels together, x is " + to_string(shape));
  Tape<B>& tape = x.tape();
  std::array<Var<Rank, B>, count> parts;
  std::size_t at = 0;
  for (std::size_t k = 0; k < count; ++k) {
    shape[Rank - 1] = channels[k];
    parts[k] = tape.make(shape, x.wants_grad());
    kernel::take_channels<B, Rank>(tape.workspace(), x.value, at, {parts[k].value, 0});
    at += channels[k];
  }
  if (x.wants_grad())
    tape.record(
        "heliograd::split_channels", parts,
        [=](Tape<B>& t) {
          auto const gx = t.into(x);
          std::size_t first = 0;
          for (auto const& part : parts) {
            if (gx.beta == typename B::scalar_type(0))
              kernel::put_channels<B, Rank>(t.workspace(), part.grad(), first, gx.out);
            else
              kernel::take_channels_backward<B, Rank>(t.workspace(), part.grad(), first, gx);
            first += part.shape()[Rank - 1];
          }
        },
        [=](Tape<B>& t, auto const&... gpart) {
          if (t.wants(x)) t.deliver(x, concat(gpart...));
        });
  return parts;
}
}  // namespace detail

/// All channels of a tensor, cut into parts: `auto const [a, b] = split_channels(x, 3, 5)`.
/// Shapes   [..., c_1 + c_2 + ...] -> [..., c_1], [..., c_2], ...
/// Gradient those of the parts side by side, in one node; zero for a part that is not used.
/// Keeps    nothing.
/// Cost     one pass over x in each direction.
/// Throws   ShapeError unless the parts have as many channels as x.
template <int Rank, class B, std::convertible_to<std::size_t>... Count>
std::array<Var<Rank, B>, sizeof...(Count)> split_channels(Var<Rank, B> x, Count... channels) {
  static_assert(Rank >= 1 && sizeof...(Count) > 0, "heliograd::split_channels: x needs a channel axis, and parts");
  return detail::split_channels(x, std::array{static_cast<std::size_t>(channels)...});
}

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
  auto const y = tape.make(shape, wants_grad, Kept::neither);
  std::size_t channel = 0;
  for (std::size_t k = 0; k < count; ++k) {
    kernel::put_channels<B, Rank>(tape.workspace(), x[k].value, channel, y.value);
    tape.let_go(x[k]);
    channel += x[k].shape()[Rank - 1];
  }
  if (y.wants_grad())
    tape.record(
        "heliograd::concat", y,
        [=](Tape<B>& t) {
          std::size_t at = 0;
          for (std::size_t k = 0; k < count; ++k) {
            if (x[k].wants_grad()) kernel::take_channels<B, Rank>(t.workspace(), y.grad(), at, t.into(x[k]));
            at += x[k].shape()[Rank - 1];
          }
        },
        [=](Tape<B>& t, Var<Rank, B> gy) {
          std::array<std::size_t, count> channels;
          for (std::size_t k = 0; k < count; ++k) channels[k] = x[k].shape()[Rank - 1];
          auto const parts = detail::split_channels(gy, channels);
          for (std::size_t k = 0; k < count; ++k) t.deliver(x[k], parts[k]);
        });
  return y;
}

namespace detail {
/// A tensor as a matrix: the axes before `axis`, and the others as channels. `inner` receives the size of what follows it.
template <int Rank>
Shape<2> split_at(char const* name, Shape<Rank> const& shape, int axis, std::size_t& inner) {
  expect(axis >= 0 && axis < Rank, std::string(name) + ": there is no axis " + std::to_string(axis) + " in " +
                                       to_string(shape) + "; axes count from 0");
  Shape<2> split{std::size_t{1}, std::size_t{1}};
  inner = 1;
  for (int a = 0; a < Rank; ++a) split[a < axis ? 0 : 1] *= shape[a];
  for (int a = axis + 1; a < Rank; ++a) inner *= shape[a];
  return split;
}
}  // namespace detail

/// A range of any axis: `slice(x, 0, 2, 3)` are the images 2, 3 and 4.
/// Shapes   x -> the same with `count` along `axis`.
/// Gradient that of the output in this range, zero elsewhere.
/// Throws   ShapeError if x has no such range; UsageError for an axis that is not there.
template <int Rank, class B>
Var<Rank, B> slice(Var<Rank, B> x, int axis, std::size_t first, std::size_t count) {
  std::size_t inner = 1;
  Shape<2> const split = detail::split_at("slice", x.shape(), axis, inner);
  Shape<Rank> shape = x.shape();
  expect_shape(count > 0 && first < shape[axis] && count <= shape[axis] - first,
               "slice: " + std::to_string(count) + " from " + std::to_string(first) + " on are not along axis " +
                   std::to_string(axis) + " of x " + to_string(shape));
  shape[axis] = count;
  Tape<B>& tape = x.tape();
  return tape.reshape(slice_channels(tape.reshape(x, split), first * inner, count * inner), shape);
}

/// Tensors one behind the other along any axis; `concat` is the last one.
/// Shapes   equal but for `axis`, along which they add up.
/// Gradient each input receives its part.
/// Throws   ShapeError if another axis differs; UsageError for an axis that is not there.
template <int Rank, class B, std::same_as<Var<Rank, B>>... More>
Var<Rank, B> concat_along(int axis, Var<Rank, B> first, More... more) {
  Tape<B>& tape = first.tape();
  std::size_t inner = 1;
  Shape<Rank> shape = first.shape();
  auto const split = [&](Var<Rank, B> const& x) {
    Shape<2> const two = detail::split_at("concat_along", x.shape(), axis, inner);
    Shape<Rank> other = x.shape();
    other[axis] = first.shape()[axis];
    expect_shape(other == first.shape(), "concat_along: " + to_string(x.shape()) +
                                             " does not go with the first input " + to_string(first.shape()) +
                                             "; all axes but " + std::to_string(axis) + " must agree");
    return tape.reshape(x, two);
  };
  ((shape[axis] += (split(more), more.shape()[axis])), ...);
  return tape.reshape(concat(split(first), split(more)...), shape);
}

/// All channels, several times over: [a, b] -> [a, b, a, b, ...].
/// Shapes   [..., c] -> [..., times c].
/// Gradient the sum over the repetitions.
/// Cost     each output channel is written twice at most.
/// Throws   UsageError for no repetitions.
template <int Rank, class B>
Var<Rank, B> repeat_channels(Var<Rank, B> x, std::size_t times) {
  expect(times > 0, "repeat_channels: the channels must be there once at least");
  if (times == 1) return x;
  if (times % 2 == 1) return concat(repeat_channels(x, times - 1), x);
  auto const half = repeat_channels(x, times / 2);
  return concat(half, half);
}

/// The axes in another order: axis a of the result is axis order[a] of x. `permute(x, {0, 2, 1, 3})` transposes images.
/// Gradient permuted back.
/// Keeps    nothing.
/// Cost     one pass over x in each direction, scattered reads.
/// Throws   UsageError if `order` does not name each axis once.
template <int Rank, class B>
Var<Rank, B> permute(Var<Rank, B> x, std::type_identity_t<std::array<int, Rank>> const& order) {
  std::array<int, Rank> back{};
  std::array<bool, Rank> named{};
  Shape<Rank> shape;
  for (int axis = 0; axis < Rank; ++axis) {
    int const from = order[static_cast<std::size_t>(axis)];
    expect(from >= 0 && from < Rank && !named[static_cast<std::size_t>(from)],
           "permute: the order must name each axis of x " + to_string(x.shape()) + " once, counted from 0");
    named[static_cast<std::size_t>(from)] = true;
    back[static_cast<std::size_t>(from)] = axis;
    shape[axis] = x.shape()[from];
  }
  return detail::linear_pair(
      "heliograd::permute", shape, x,
      [=](Workspace<B>& ws, auto const& in, auto const& y) { kernel::permute<B, Rank>(ws, in, order, y); },
      [=](Workspace<B>& ws, auto const& gy, auto const& gx) { kernel::permute<B, Rank>(ws, gy, back, gx); });
}

}  // namespace heliograd::inline HELIOGRAD_ABI
