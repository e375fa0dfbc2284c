// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <concepts>
#include <cstddef>
#include <string>
#include <utility>

#include <heliograd/core/dual.hpp>
#include <heliograd/kernel/elementwise.hpp>
#include <heliograd/tape/tape.hpp>

namespace heliograd::inline HELIOGRAD_ABI {

namespace detail {

/// How often a formula can be differentiated: two times, or as its member `derivatives` says. Each time costs two kernels
/// of compile time.
template <class Formula>
inline constexpr int derivatives_of = [] {
  if constexpr (requires { Formula::derivatives; })
    return Formula::derivatives;
  else
    return 2;
}();

/// The gradient of a formula with respect to one input, as a formula of its inputs and the gradient of its result.
template <class Formula>
struct GradientFormula {
  static constexpr int derivatives = derivatives_of<Formula> - 1;
  Formula formula;
  int which;

  template <class T, class... More>
  KOKKOS_FUNCTION T operator()(T first, More... more) const {
    T const x[] = {first, more...};
    return evaluate(x, std::make_index_sequence<sizeof...(More)>{});
  }
  template <class T, std::size_t... K>
  KOKKOS_FUNCTION T evaluate(T const* x, std::index_sequence<K...>) const {
    return x[sizeof...(K)] * formula(tangent(x[K], static_cast<int>(K))...).slope[0];
  }
  template <class T>
  KOKKOS_FUNCTION Dual<T, 1> tangent(T x, int k) const {
    Dual<T, 1> d(x);
    d.slope[0] = T(k == which ? 1 : 0);
    return d;
  }
};

/// `pointwise` with the second-order pullback to choose: `twice(t, x, y, gy)`.
template <class Formula, class Twice, int Rank, class B, std::size_t count>
Var<Rank, B> pointwise(char const* name, Formula const& formula, Twice const& twice,
                       Kokkos::Array<Var<Rank, B>, count> const& x) {
  using Scalar = typename B::scalar_type;
  Tape<B>& tape = x[0].tape();
  Kokkos::Array<Scalar const*, count> values{};
  bool wants_grad = false;
  for (std::size_t k = 0; k < count; ++k) {
    expect_shape(x[k].shape() == x[0].shape(), std::string(name) + ": input " + std::to_string(k + 1) + " has " +
                                                   to_string(x[k].shape()) + ", the first input has " +
                                                   to_string(x[0].shape()));
    values[k] = x[k].value.data();
    wants_grad = wants_grad || x[k].wants_grad();
  }
  auto const y = tape.make(x[0].shape(), wants_grad);
  kernel::map<B>(tape.workspace(), name, y.value.size(), formula, values, y.value.data());
  if (!y.wants_grad()) return y;

  auto const once = [=](Tape<B>& t) {
    Kokkos::Array<Scalar*, count> gradients{};
    Kokkos::Array<Scalar, count> beta{};
    bool again = false;  // the same Var twice, as in x * x: its contributions must not race in one kernel
    for (std::size_t k = 0; k < count; ++k)
      for (std::size_t other = 0; other < k; ++other) again = again || (x[k].slot && x[k].slot == x[other].slot);
    std::size_t last = 0;
    for (std::size_t k = 0; k < count; ++k)
      if (x[k].wants_grad()) last = k;
    for (std::size_t k = 0; k < count; ++k) {
      if (!x[k].wants_grad()) continue;
      auto const sink = k == last && !again ? t.into_over(x[k], y) : t.into(x[k]);
      gradients[k] = sink.out.data();
      beta[k] = sink.beta;
      if (again) {
        kernel::map_backward<B>(t.workspace(), name, y.value.size(), formula, values, y.grad().data(), gradients, beta);
        gradients[k] = nullptr;
      }
    }
    if (!again)
      kernel::map_backward<B>(t.workspace(), name, y.value.size(), formula, values, y.grad().data(), gradients, beta);
  };
  if constexpr (derivatives_of<Formula> > 1)
    tape.record(name, y, once, [=](Tape<B>& t, Var<Rank, B> gy) { twice(t, x, y, gy); });
  else
    tape.record(name, y, once);
  return y;
}

/// The gradients of a formula are formulas.
template <class Formula>
struct ByFormula {
  char const* name;
  Formula formula;

  template <int Rank, class B, std::size_t count>
  void operator()(Tape<B>& t, Kokkos::Array<Var<Rank, B>, count> const& x, Var<Rank, B> const&, Var<Rank, B> gy) const {
    Kokkos::Array<Var<Rank, B>, count + 1> inputs{};
    for (std::size_t k = 0; k < count; ++k) inputs[k] = x[k];
    inputs[count] = gy;
    for (std::size_t k = 0; k < count; ++k) {
      if (!t.wants(x[k])) continue;
      GradientFormula<Formula> const gradient{formula, static_cast<int>(k)};
      t.deliver(x[k], pointwise(name, gradient, ByFormula<GradientFormula<Formula>>{name, gradient}, inputs));
    }
  }
};

}  // namespace detail

/// A formula of your own, element by element, with no backward pass to write.
///
/// `formula` is a functor `template <class T> KOKKOS_FUNCTION T operator()(T a, T b, ...) const` written with
/// `using Kokkos::sqrt;` style calls; it is run on numbers forward and on dual numbers backward, as one fused kernel each.
///
/// Shapes   N inputs of one shape -> the same shape.
/// Math     \f$ y_i = f(x_{1,i}, \dots, x_{N,i}) \f$
/// Gradient \f$ \bar x_{k,i} = \bar y_i \, \partial f / \partial x_k \f$, exact (forward-mode dual numbers). It is a formula
///          again: second derivatives come with it, third ones if the functor says `static constexpr int derivatives = 3`.
/// Keeps    the inputs.
/// Cost     one evaluation per element forward, one of duals backward.
/// Throws   ShapeError if the shapes differ.
template <class Formula, int Rank, class B, std::same_as<Var<Rank, B>>... More>
Var<Rank, B> pointwise(char const* name, Formula formula, Var<Rank, B> first, More... more) {
  return detail::pointwise(name, formula, detail::ByFormula<Formula>{name, formula},
                           Kokkos::Array<Var<Rank, B>, 1 + sizeof...(More)>{first, more...});
}

}  // namespace heliograd::inline HELIOGRAD_ABI
