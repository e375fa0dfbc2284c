// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <string>

#include <heliograd/kernel/activation.hpp>
#include <heliograd/tape/tape.hpp>

/// \file
/// Activation functions, element by element, on tensors of any rank. Each keeps its input and its output, which are on the
/// tape anyway, and costs one pass over memory in each direction.
namespace heliograd::inline HELIOGRAD_ABI {

namespace detail {
template <int Rank, class B, class Curve>
Var<Rank, B> activate(char const* name, Curve curve, Var<Rank, B> x) {
  Tape<B>& tape = x.tape();
  auto const y = tape.make(x.shape(), x.wants_grad());
  kernel::activation<B, Rank>(tape.workspace(), name, curve, x.value, y.value);
  if (y.wants_grad())
    tape.record(name, y, [=](Tape<B>& t) {
      kernel::activation_backward<B, Rank>(t.workspace(), name, curve, x.value, y.value, y.grad(), t.into(x));
    });
  return y;
}
}  // namespace detail

/// The positive part.
/// Math     \f$ y = \max(x, 0) \f$
/// Gradient 1 where x is positive, else 0 (also at the kink).
template <int Rank, class B>
Var<Rank, B> relu(Var<Rank, B> x) {
  return detail::activate("heliograd::relu", kernel::Relu{}, x);
}

/// A rectifier that lets a fixed part of negative values through.
/// Math     \f$ y = x \f$ for positive x, else \f$ s x \f$.
/// Gradient 1 where x is positive, else s (also at the kink).
template <int Rank, class B>
Var<Rank, B> leaky_relu(Var<Rank, B> x, double negative_slope = 0.2) {
  return detail::activate("heliograd::leaky_relu", kernel::LeakyRelu{negative_slope}, x);
}

/// The hyperbolic tangent.
/// Gradient \f$ 1 - y^2 \f$.
template <int Rank, class B>
Var<Rank, B> tanh(Var<Rank, B> x) {
  return detail::activate("heliograd::tanh", kernel::Tanh{}, x);
}

/// The logistic function.
/// Math     \f$ y = 1 / (1 + e^{-x}) \f$
/// Gradient \f$ y (1 - y) \f$.
template <int Rank, class B>
Var<Rank, B> sigmoid(Var<Rank, B> x) {
  return detail::activate("heliograd::sigmoid", kernel::Sigmoid{}, x);
}

/// A smooth rectifier.
/// Math     \f$ y = \ln(1 + e^x) \f$, without overflow.
/// Gradient the logistic function of x.
template <int Rank, class B>
Var<Rank, B> softplus(Var<Rank, B> x) {
  return detail::activate("heliograd::softplus", kernel::Softplus{}, x);
}

/// A smooth, not monotone rectifier (Misra: Mish; BMVC 2020).
/// Math     \f$ y = x \tanh(\ln(1 + e^x)) \f$
/// Gradient \f$ t + x (1 - t^2) \sigma(x) \f$, t the tanh and \f$\sigma\f$ the logistic function.
template <int Rank, class B>
Var<Rank, B> mish(Var<Rank, B> x) {
  return detail::activate("heliograd::mish", kernel::Mish{}, x);
}

/// The sigmoid-weighted unit, also called swish (Elfwing, Uchibe, Doya: Neural Networks 107, 2018).
/// Math     \f$ y = x \sigma(x) \f$
/// Gradient \f$ \sigma(x) + x \sigma(x) \sigma(-x) \f$.
template <int Rank, class B>
Var<Rank, B> silu(Var<Rank, B> x) {
  return detail::activate("heliograd::silu", kernel::Silu{}, x);
}

/// The Gaussian error linear unit, exact, not by the tanh approximation (Hendrycks, Gimpel: 2016).
/// Math     \f$ y = x \Phi(x) \f$, \f$\Phi\f$ the normal distribution function.
/// Gradient \f$ \Phi(x) + x \varphi(x) \f$.
template <int Rank, class B>
Var<Rank, B> gelu(Var<Rank, B> x) {
  return detail::activate("heliograd::gelu", kernel::Gelu{}, x);
}

/// The exponential linear unit (Clevert, Unterthiner, Hochreiter: ICLR 2016).
/// Math     \f$ y = x \f$ for positive x, else \f$ \alpha (e^x - 1) \f$.
/// Gradient 1, else \f$ \alpha e^x \f$.
template <int Rank, class B>
Var<Rank, B> elu(Var<Rank, B> x, double alpha = 1.0) {
  return detail::activate("heliograd::elu", kernel::Elu{alpha}, x);
}

/// A rectifier whose slope for negative values is learnt (He, Zhang, Ren, Sun: Delving deep into rectifiers; ICCV 2015).
/// Shapes   x [..., c], slope [1] (shared) or [c] (one per channel) -> the shape of x.
/// Math     \f$ y = x \f$ for positive x, else \f$ a_c x \f$.
/// Gradient x: 1 where x is positive, else \f$ a_c \f$; slope: \f$ \sum_{x \le 0} \bar y x \f$, summed in double in a fixed
///          order. Both in one pass.
/// Keeps    x.
/// Throws   ShapeError if there is neither one slope nor one per channel.
template <int Rank, class B>
Var<Rank, B> prelu(Var<Rank, B> x, Var<1, B> slope) {
  static_assert(Rank >= 1, "heliograd::prelu: x needs a channel axis");
  std::size_t const slopes = slope.shape()[0];
  expect_shape(slopes == 1 || slopes == x.shape()[Rank - 1], "prelu: slope has " + to_string(slope.shape()) +
                                                                 ", expected [1] or one per channel of x " +
                                                                 to_string(x.shape()));
  Tape<B>& tape = x.tape();
  auto const y = tape.make(x.shape(), x.wants_grad() || slope.wants_grad());
  kernel::prelu<B, Rank>(tape.workspace(), x.value, slope.value, y.value);
  if (y.wants_grad())
    tape.record("heliograd::prelu", y, [=](Tape<B>& t) {
      kernel::prelu_backward<B, Rank>(t.workspace(), x.value, slope.value, y.grad(),
                                      x.wants_grad() ? t.into(x) : Sink<Rank, B>{},
                                      slope.wants_grad() ? t.into(slope) : Sink<1, B>{});
    });
  return y;
}

}  // namespace heliograd::inline HELIOGRAD_ABI
