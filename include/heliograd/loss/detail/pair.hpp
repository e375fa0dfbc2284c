// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <string>

#include <heliograd/core/fill.hpp>
#include <heliograd/op/arithmetic.hpp>
#include <heliograd/op/dot.hpp>
#include <heliograd/op/linear_map.hpp>
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
void expect_weights(char const* name, Var<Rank, B> const& prediction, TensorRef<Rank, B> const& weights) {
  if (weights.data())
    expect_shape(shape_of(weights) == prediction.shape(), std::string(name) + ": the prediction has " +
                                                              to_string(prediction.shape()) + ", the weights have " +
                                                              to_string(shape_of(weights)) + "; they must be equal");
}

/// A tensor of one value that nobody wants a gradient of.
template <int Rank, class B>
Var<Rank, B> filled(Tape<B>& tape, Shape<Rank> const& shape, double value) {
  auto const tensor = tape.make(shape, false);
  fill(tape.workspace(), tensor.value, static_cast<typename B::scalar_type>(value));
  return tensor;
}

/// How a loss of the difference x - y bends: by straight pieces, so that its gradient does not change, or as a quadratic form,
/// so that its gradient is linear in x - y.
enum class Bend { straight, quadratic };

/// A loss that is the same with its arguments exchanged, so that one backward kernel, which delivers the gradient of its
/// first argument, serves both.
///
/// `forward(ws, x, y, loss)` and `backward(ws, x, y, gloss, gx)` call kernels.
template <Bend bend, int Rank, class B, class Forward, class Backward>
Var<0, B> symmetric(char const* name, Var<Rank, B> prediction, Var<Rank, B> target, Forward forward,
                    Backward backward) {
  expect_pair(name, prediction, target);
  Tape<B>& tape = prediction.tape();
  auto const loss = tape.make(Shape<0>{}, prediction.wants_grad() || target.wants_grad());
  forward(tape.workspace(), prediction.value, target.value, loss.value);
  if (loss.wants_grad())
    tape.record(
        name, loss,
        [=](Tape<B>& t) {
          if (prediction.wants_grad())
            backward(t.workspace(), prediction.value, target.value, loss.grad(), t.into(prediction));
          if (target.wants_grad()) backward(t.workspace(), target.value, prediction.value, loss.grad(), t.into(target));
        },
        [=](Tape<B>& t, Var<0, B> gloss) {
          auto const one = filled(t, Shape<0>{}, 1).value;
          Var<Rank, B> slope;  // of the prediction; that of the target is its negative
          if constexpr (bend == Bend::straight) {
            slope = t.make(prediction.shape(), false);
            backward(t.workspace(), prediction.value, target.value, one, Sink<Rank, B>{slope.value, 0});
          } else {  // a symmetric matrix times the difference
            auto const zero = filled(t, prediction.shape(), 0).value;
            auto const times = [=](Workspace<B>& ws, auto const& d, auto const& out) {
              backward(ws, d, zero, one, out);
            };
            slope = heliograd::detail::linear_pair(name, prediction.shape(), prediction - target, times, times);
          }
          auto const gradient = scale(gloss, slope);
          t.deliver(prediction, gradient);
          if (t.wants(target)) t.deliver(target, -gradient);
        });
  return loss;
}

}  // namespace heliograd::inline HELIOGRAD_ABI::loss::detail
