// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>
#include <string>

#include <heliograd/op/conv2d.hpp>
#include <heliograd/tape/tape.hpp>

namespace heliograd::inline HELIOGRAD_ABI {

/// A fully connected layer: a matrix product along the last axis. It is the 1x1 convolution of as many pixels as there are
/// rows, and is computed and recorded as one.
///
/// Shapes   x [..., c_in], weight [c_in, c_out], bias [c_out] (or empty) -> [..., c_out].
/// Math     \f$ y_{ro} = b_o + \sum_c x_{rc}\, w_{co} \f$.
/// Gradient x: \f$ \bar y\, w^T \f$; weight: \f$ x^T \bar y \f$; bias: the sum over rows.
/// Keeps    x if weight wants a gradient, weight if x does; never y.
/// Cost     2 rows c_in c_out flops forward, twice that backward.
/// Throws   ShapeError if the channel counts differ.
template <int Rank, class B>
Var<Rank, B> linear(Var<Rank, B> x, Var<2, B> weight, Var<1, B> bias) {
  auto shape = x.shape();
  auto const w = weight.shape();
  expect_shape(shape[Rank - 1] == w[0] && w.size() > 0 && (bias.value.size() == 0 || bias.value.extent(0) == w[1]),
               "linear: x is " + to_string(shape) + ", weight " + to_string(w) + ", bias " + to_string(bias.shape()) +
                   ", expected x [..., c_in], weight [c_in, c_out], bias [c_out] or empty");
  Tape<B>& tape = x.tape();
  std::size_t const one = 1;
  std::size_t const rows = shape.size() / w[0];
  Shape<4> const image = rows > 0 ? Shape{one, one, rows, w[0]} : Shape{rows, one, one, w[0]};  // or none
  auto const y = conv2d(tape.reshape(x, image), tape.reshape(weight, Shape{one, one, w[0], w[1]}), bias);
  shape[Rank - 1] = w[1];
  return tape.reshape(y, shape);
}

/// The same without a bias.
template <int Rank, class B>
Var<Rank, B> linear(Var<Rank, B> x, Var<2, B> weight) {
  return linear(x, weight, Var<1, B>{});
}

}  // namespace heliograd::inline HELIOGRAD_ABI
