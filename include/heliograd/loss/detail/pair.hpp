// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <string>

#include <heliograd/tape/tape.hpp>

namespace heliograd::inline HELIOGRAD_ABI::loss::detail {

/// Throws unless the two are of one shape and hold at least one element.
template <int Rank, class B>
void expect_pair(char const* name, Var<Rank, B> const& prediction, Var<Rank, B> const& target) {
  expect_shape(prediction.shape() == target.shape(), std::string(name) + ": the prediction has " +
                                                         to_string(prediction.shape()) + ", the target has " +
                                                         to_string(target.shape()) + "; they must be equal");
  expect_shape(prediction.value.size() > 0,
               std::string(name) + ": there are no elements in " + to_string(prediction.shape()));
}

/// Throws unless the weights, where there are any, have the shape of what they weigh.
template <int Rank, class B>
void expect_weights(char const* name, Var<Rank, B> const& prediction, ConstTensorRef<Rank, B> const& weights) {
  if (weights.data())
    expect_shape(shape_of(weights) == prediction.shape(), std::string(name) + ": the prediction has " +
                                                              to_string(prediction.shape()) + ", the weights have " +
                                                              to_string(shape_of(weights)) + "; they must be equal");
}

/// A loss that is the same with its arguments exchanged, so that one backward kernel, which delivers the gradient of its
/// first argument, serves both.
///
/// `forward(ws, x, y, loss)` and `backward(ws, x, y, gloss, gx)` call kernels.
template <int Rank, class B, class Forward, class Backward>
Var<0, B> symmetric(char const* name, Var<Rank, B> prediction, Var<Rank, B> target, Forward forward,
                    Backward backward) {
  expect_pair(name, prediction, target);
  Tape<B>& tape = prediction.tape();
  auto const loss = tape.make(Shape<0>{}, prediction.wants_grad() || target.wants_grad());
  forward(tape.workspace(), prediction.value, target.value, loss.value);
  if (loss.wants_grad())
    tape.record(name, loss, [=](Tape<B>& t) {
      if (prediction.wants_grad())
        backward(t.workspace(), prediction.value, target.value, loss.grad(), t.into(prediction));
      if (target.wants_grad()) backward(t.workspace(), target.value, prediction.value, loss.grad(), t.into(target));
    });
  return loss;
}

}  // namespace heliograd::inline HELIOGRAD_ABI::loss::detail
