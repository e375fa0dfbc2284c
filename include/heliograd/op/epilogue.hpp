// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <heliograd/kernel/activation.hpp>
#include <heliograd/kernel/epilogue.hpp>
#include <heliograd/op/activation.hpp>

namespace heliograd::inline HELIOGRAD_ABI {

/// What a convolution does with its sums before it stores them, instead of passes of their own: with u = sum + bias,
/// y = f(u) + r. Values are those of separate ops, bit by bit; gradients as well, of both orders.
///
/// f is a rectifier (u where it is positive, else a u), or the hyperbolic tangent, which goes with no residual; by default
/// f(u) = u.
///
/// Keeps    y for a rectifier of a fixed slope from 0 on, and for tanh; u for one with a residual, a negative slope or a learnt
///          one. Applied, nothing but y is ever stored.
template <class B>
struct Epilogue {
  double negative_slope = 1;  ///< a: 1 no rectifier, 0 ReLU, 0.2 a leaky one
  Var<1, B> slope = {};       ///< or a learnt one: [1], or [c_out] with one for each channel
  bool tanh = false;          ///< instead of a rectifier
  Var<4, B> residual = {};    ///< r, shaped as y
};

namespace detail {

/// The result y of a convolution that has an epilogue, and u, what the convolution itself is recorded to have made. Mostly u is
/// nowhere: it has a gradient, but no memory.
template <class B>
struct Epilogued {
  Epilogue<B> epilogue;
  Var<4, B> u, y;

  Epilogued(Tape<B>& tape, Epilogue<B> const& given, Shape<4> const& shape, bool wants_grad) : epilogue(given) {
    bool const told_by_y = epilogue.negative_slope >= 0 && !learns() && !has_residual();
    bool const reads_y = epilogue.tanh || (is_rectified() && told_by_y);
    y = tape.make(shape, wants_grad || epilogue.slope.wants_grad() || epilogue.residual.wants_grad(),
                  reads_y ? Kept::both : Kept::input);
    u = y;
    if (is_identity()) return;
    bool const kept = y.wants_grad() && is_rectified() && !told_by_y;
    u = kept ? tape.make(shape, wants_grad) : tape.unstored(shape, wants_grad);
  }

  bool learns() const { return epilogue.slope.value.size() > 0; }
  bool has_residual() const { return epilogue.residual.value.data() != nullptr; }
  bool is_rectified() const { return epilogue.negative_slope != 1 || learns(); }
  bool is_identity() const { return !is_rectified() && !epilogue.tanh && !has_residual(); }

  kernel::Epilogue<B> kernel() const {
    return {epilogue.negative_slope, epilogue.slope.value, epilogue.tanh, epilogue.residual.value,
            is_identity() ? TensorRef<4, B>{} : u.value};
  }

  /// y, with the way from its gradient to u's on the tape. To be called when the convolution that makes u is there.
  Var<4, B> recorded() const {
    if (is_identity() || !y.wants_grad()) return y;
    Epilogued const e = *this;
    y.tape().record(
        "heliograd::epilogue", y, [e](Tape<B>& t) { e.once(t); }, [e](Tape<B>& t, Var<4, B> gy) { e.twice(t, gy); });
    return y;
  }

 private:
  kernel::LeakyRelu leaky() const { return kernel::LeakyRelu{epilogue.negative_slope}; }
  /// Where the sign of u is read.
  Var<4, B> side() const { return u.value.data() != nullptr ? u : y; }

  void once(Tape<B>& t) const {
    bool const shared = epilogue.residual.wants_grad();  // the residual's gradient is y's, maybe in its memory
    if (shared) t.pass_on(epilogue.residual, y);
    bool const learns_slope = epilogue.slope.wants_grad();
    if (!u.wants_grad() && !learns_slope) return;
    auto const gu = [&] { return !u.wants_grad() ? Sink<4, B>{} : shared ? t.into(u) : t.into_over(u, y); };
    if (learns())
      kernel::prelu_backward<B, 4>(t.workspace(), u.value, epilogue.slope.value, y.grad(), gu(),
                                   learns_slope ? t.into(epilogue.slope) : Sink<1, B>{});
    else if (is_rectified())
      kernel::activation_backward<B, 4>(t.workspace(), "heliograd::leaky_relu", leaky(), side().value, y.value,
                                        y.grad(), gu());
    else if (epilogue.tanh)
      kernel::activation_backward<B, 4>(t.workspace(), "heliograd::tanh", kernel::Tanh{}, y.value, y.value, y.grad(),
                                        gu());
    else if (shared)
      accumulate(t.workspace(), t.into(u), y.grad());
    else
      t.pass_on(u, y);
  }

  void twice(Tape<B>& t, Var<4, B> const& gy) const {
    if (t.wants(epilogue.residual)) t.deliver(epilogue.residual, gy);
    if (learns())
      prelu_twice(t, u, epilogue.slope, gy);
    else if (!t.wants(u))
      return;
    else if (is_rectified())
      t.deliver(u, StraightSlope<kernel::LeakyRelu>{"heliograd::leaky_relu_backward", leaky()}(side(), y, gy));
    else
      t.deliver(u, epilogue.tanh ? TanhSlope{}(y, y, gy) : gy);
  }
};

}  // namespace detail

}  // namespace heliograd::inline HELIOGRAD_ABI
