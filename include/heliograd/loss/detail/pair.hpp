// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <array>
#include <string>
#include <utility>

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

/// The gradient of a loss of two tensors, for a loss that is the same with them exchanged: an op with two results, of which
/// the second is left out where nobody asks for it. It can be differentiated, once.
///
/// `form` has two members that call kernels: `slope(ws, x, y, gx)` delivers the gradient to x, `bend(ws, x, y, vx, vy, gx)` how it
/// changes as x moves along vx and y along vy. The Hessian is symmetric, so that is also what a gradient (vx, vy) of the two
/// results gives x.
template <class Form, int Rank, class B>
std::array<Var<Rank, B>, 2> pair_slope(char const* name, Form const& form, Var<Rank, B> x, Var<Rank, B> y, bool both) {
  Tape<B>& tape = x.tape();
  bool const wanted = x.wants_grad() || y.wants_grad();
  std::array const g{tape.make(x.shape(), wanted), tape.make(x.shape(), wanted)};
  form.slope(tape.workspace(), x.value, y.value, Sink<Rank, B>{g[0].value, 0});
  if (both) form.slope(tape.workspace(), y.value, x.value, Sink<Rank, B>{g[1].value, 0});
  if (wanted)
    tape.record(name, g, [=](Tape<B>& t) {
      auto& ws = t.workspace();
      if (x.wants_grad()) form.bend(ws, x.value, y.value, g[0].grad(), g[1].grad(), t.into(x));
      if (y.wants_grad()) form.bend(ws, y.value, x.value, g[1].grad(), g[0].grad(), t.into(y));
    });
  return g;
}

/// The second-order pullback of such a loss.
template <class Form, int Rank, class B>
void deliver_slope(Tape<B>& t, char const* name, Form const& form, Var<Rank, B> prediction, Var<Rank, B> target,
                   Var<0, B> gloss) {
  bool const first = t.wants(prediction), second = t.wants(target);
  if (!first) std::swap(prediction, target);
  auto const g = pair_slope(name, form, prediction, target, first && second);
  t.deliver(prediction, scale(gloss, g[0]));
  if (first && second) t.deliver(target, scale(gloss, g[1]));
}

}  // namespace heliograd::inline HELIOGRAD_ABI::loss::detail
