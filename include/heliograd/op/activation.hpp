// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <string>

#include <heliograd/kernel/activation.hpp>
#include <heliograd/op/arithmetic.hpp>
#include <heliograd/op/channel_sum.hpp>
#include <heliograd/op/reduce.hpp>

/// \file
/// Activation functions, element by element, on tensors of any rank. Each keeps its input and its output, which are on the
/// tape anyway, and costs one pass over memory in each direction.
namespace heliograd::inline HELIOGRAD_ABI {

namespace detail {
/// What a curve's slope can do with.
template <class Curve>
Kept kept(Curve const&) {
  return Kept::input;
}
inline Kept kept(kernel::Relu const&) { return Kept::output; }
inline Kept kept(kernel::LeakyRelu const& curve) {  // a positive slope leaves the sign as it is
  return curve.negative_slope >= 0 ? Kept::output : Kept::input;
}
inline Kept kept(kernel::Tanh const&) { return Kept::output; }
inline Kept kept(kernel::Sigmoid const&) { return Kept::output; }
inline Kept kept(kernel::Elu const&) { return Kept::both; }

/// `slope(x, y, gy)` is gy times the curve's slope, in ops.
template <int Rank, class B, class Curve, class Slope>
Var<Rank, B> activate(char const* name, Curve curve, Var<Rank, B> x, Slope slope) {
  Tape<B>& tape = x.tape();
  auto const y = tape.make_over(x, x.wants_grad(), kept(curve));
  kernel::activation<B, Rank>(tape.workspace(), name, curve, x.value, y.value);
  if (y.wants_grad())
    tape.record(
        name, y,
        [=](Tape<B>& t) {
          kernel::activation_backward<B, Rank>(t.workspace(), name, curve, x.value, y.value, y.grad(),
                                               t.into_over(x, y));
        },
        [=](Tape<B>& t, Var<Rank, B> gy) {
          if (t.wants(x)) t.deliver(x, slope(x, y, gy));
        });
  return y;
}

/// For curves of straight pieces: gy times the slope at x is linear in gy, its own adjoint, and does not change with x.
template <class Curve>
struct StraightSlope {
  char const* name;
  Curve curve;

  template <int Rank, class B>
  Var<Rank, B> operator()(Var<Rank, B> x, Var<Rank, B>, Var<Rank, B> gy) const {
    auto const at = x.value;
    auto const pass = [at, label = name, bend = curve](Workspace<B>& ws, auto const& g, auto const& out) {
      kernel::activation_backward<B, Rank>(ws, label, bend, at, at, g, out);
    };
    return linear_pair(name, gy.shape(), gy, pass, pass);
  }
};
struct TanhSlope {
  template <class V>
  V operator()(V const&, V const& y, V const& gy) const {
    return gy * affine(y * y, -1.0, 1.0);
  }
};
struct SigmoidSlope {
  template <class V>
  V operator()(V const&, V const& y, V const& gy) const {
    return gy * (y * affine(y, -1.0, 1.0));
  }
};
struct SoftplusSlope {
  template <class V>
  V operator()(V const& x, V const&, V const& gy) const {
    return gy * sigmoid(x);
  }
};
struct MishSlope {
  template <class V>
  V operator()(V const& x, V const&, V const& gy) const {
    V const t = tanh(softplus(x));
    return gy * (t + x * affine(t * t, -1.0, 1.0) * sigmoid(x));
  }
};
struct SiluSlope {
  template <class V>
  V operator()(V const& x, V const&, V const& gy) const {
    V const s = sigmoid(x);
    return gy * (s + x * (s * affine(s, -1.0, 1.0)));
  }
};
/// The density of the normal distribution.
struct NormalDensity {
  template <class T>
  KOKKOS_FUNCTION T operator()(T x) const {
    using Kokkos::exp;
    return T(0.3989422804014327) * exp(T(-0.5) * x * x);
  }
};
/// The slope of GELU as a curve of its own, \f$ \Phi(x) + x \varphi(x) \f$.
struct GeluSlopeCurve {
  template <class T>
  KOKKOS_FUNCTION T value(T x) const {
    return kernel::Gelu{}.slope(x, x);
  }
  template <class T>
  KOKKOS_FUNCTION T slope(T x, T) const {
    return NormalDensity{}(x) * (T(2) - x * x);
  }
};
struct GeluSlopeSlope {
  template <class V>
  V operator()(V const& x, V const&, V const& gy) const {
    return gy * (pointwise("heliograd::normal_density", NormalDensity{}, x) * affine(x * x, -1.0, 2.0));
  }
};
struct GeluSlope {
  template <class V>
  V operator()(V const& x, V const&, V const& gy) const {
    return gy * activate("heliograd::gelu_slope", GeluSlopeCurve{}, x, GeluSlopeSlope{});
  }
};
struct EluSlope {
  double alpha;
  template <class V>
  V operator()(V const& x, V const& y, V const& gy) const {
    V const above = StraightSlope<kernel::Relu>{"heliograd::elu_backward", {}}(x, x, gy);
    return above + (gy - above) * affine(y, 1.0, alpha);
  }
};

/// The pullback of `prelu` in ops.
template <int Rank, class B>
void prelu_twice(Tape<B>& t, Var<Rank, B> const& x, Var<1, B> const& slope, Var<Rank, B> const& gy) {
  StraightSlope<kernel::Relu> const positive{"heliograd::prelu_backward", {}};
  auto const above = positive(x, x, gy);  // gy where x is positive
  auto const below = gy - above;
  if (t.wants(x)) t.deliver(x, above + below * channel_spread(slope, x.shape()));
  if (!t.wants(slope)) return;
  auto const product = below * x;
  if (slope.value.size() > 1)
    t.deliver(slope, channel_sum(product));
  else
    t.deliver(slope, t.reshape(sum(product), Shape<1>{1}));
}
}  // namespace detail

/// The positive part.
/// Math     \f$ y = \max(x, 0) \f$
/// Gradient 1 where x is positive, else 0 (also at the kink).
template <int Rank, class B>
Var<Rank, B> relu(Var<Rank, B> x) {
  return detail::activate("heliograd::relu", kernel::Relu{}, x,
                          detail::StraightSlope<kernel::Relu>{"heliograd::relu_backward", {}});
}

/// A rectifier that lets a fixed part of negative values through.
/// Math     \f$ y = x \f$ for positive x, else \f$ s x \f$.
/// Gradient 1 where x is positive, else s (also at the kink).
template <int Rank, class B>
Var<Rank, B> leaky_relu(Var<Rank, B> x, double negative_slope = 0.2) {
  kernel::LeakyRelu const curve{negative_slope};
  return detail::activate("heliograd::leaky_relu", curve, x,
                          detail::StraightSlope<kernel::LeakyRelu>{"heliograd::leaky_relu_backward", curve});
}

/// The hyperbolic tangent.
/// Gradient \f$ 1 - y^2 \f$.
template <int Rank, class B>
Var<Rank, B> tanh(Var<Rank, B> x) {
  return detail::activate("heliograd::tanh", kernel::Tanh{}, x, detail::TanhSlope{});
}

/// The logistic function.
/// Math     \f$ y = 1 / (1 + e^{-x}) \f$
/// Gradient \f$ y (1 - y) \f$.
template <int Rank, class B>
Var<Rank, B> sigmoid(Var<Rank, B> x) {
  return detail::activate("heliograd::sigmoid", kernel::Sigmoid{}, x, detail::SigmoidSlope{});
}

/// A smooth rectifier.
/// Math     \f$ y = \ln(1 + e^x) \f$, without overflow.
/// Gradient the logistic function of x.
template <int Rank, class B>
Var<Rank, B> softplus(Var<Rank, B> x) {
  return detail::activate("heliograd::softplus", kernel::Softplus{}, x, detail::SoftplusSlope{});
}

/// A smooth, not monotone rectifier (Misra: Mish; BMVC 2020).
/// Math     \f$ y = x \tanh(\ln(1 + e^x)) \f$
/// Gradient \f$ t + x (1 - t^2) \sigma(x) \f$, t the tanh and \f$\sigma\f$ the logistic function.
template <int Rank, class B>
Var<Rank, B> mish(Var<Rank, B> x) {
  return detail::activate("heliograd::mish", kernel::Mish{}, x, detail::MishSlope{});
}

/// The sigmoid-weighted unit, also called swish (Elfwing, Uchibe, Doya: Neural Networks 107, 2018).
/// Math     \f$ y = x \sigma(x) \f$
/// Gradient \f$ \sigma(x) + x \sigma(x) \sigma(-x) \f$.
template <int Rank, class B>
Var<Rank, B> silu(Var<Rank, B> x) {
  return detail::activate("heliograd::silu", kernel::Silu{}, x, detail::SiluSlope{});
}

/// The Gaussian error linear unit, exact, not by the tanh approximation (Hendrycks, Gimpel: 2016).
/// Math     \f$ y = x \Phi(x) \f$, \f$\Phi\f$ the normal distribution function.
/// Gradient \f$ \Phi(x) + x \varphi(x) \f$.
template <int Rank, class B>
Var<Rank, B> gelu(Var<Rank, B> x) {
  return detail::activate("heliograd::gelu", kernel::Gelu{}, x, detail::GeluSlope{});
}

/// The exponential linear unit (Clevert, Unterthiner, Hochreiter: ICLR 2016).
/// Math     \f$ y = x \f$ for positive x, else \f$ \alpha (e^x - 1) \f$.
/// Gradient 1, else \f$ \alpha e^x \f$.
template <int Rank, class B>
Var<Rank, B> elu(Var<Rank, B> x, double alpha = 1.0) {
  return detail::activate("heliograd::elu", kernel::Elu{alpha}, x, detail::EluSlope{alpha});
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
  auto const y = tape.make_over(x, x.wants_grad() || slope.wants_grad(), Kept::input);
  kernel::prelu<B, Rank>(tape.workspace(), x.value, slope.value, y.value);
  if (y.wants_grad())
    tape.record(
        "heliograd::prelu", y,
        [=](Tape<B>& t) {
          auto const gx =
              x.wants_grad() ? t.into_over(x, y) : Sink<Rank, B>{};  // written first, should both be one Var
          auto const gslope = slope.wants_grad() ? t.into(slope) : Sink<1, B>{};
          kernel::prelu_backward<B, Rank>(t.workspace(), x.value, slope.value, y.grad(), gx, gslope);
        },
        [=](Tape<B>& t, Var<Rank, B> gy) { detail::prelu_twice(t, x, slope, gy); });
  return y;
}

}  // namespace heliograd::inline HELIOGRAD_ABI
