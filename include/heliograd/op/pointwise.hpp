// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <concepts>
#include <cstddef>
#include <string>

#include <heliograd/kernel/elementwise.hpp>
#include <heliograd/tape/tape.hpp>

namespace heliograd::inline HELIOGRAD_ABI {

/// A formula of your own, element by element, with no backward pass to write.
///
/// `formula` is a functor `template <class T> KOKKOS_FUNCTION T operator()(T a, T b, ...) const` written with
/// `using Kokkos::sqrt;` style calls; it is run on numbers forward and on dual numbers backward, as one fused kernel each.
///
/// Shapes   N inputs of one shape -> the same shape.
/// Math     \f$ y_i = f(x_{1,i}, \dots, x_{N,i}) \f$
/// Gradient \f$ \bar x_{k,i} = \bar y_i \, \partial f / \partial x_k \f$, exact (forward-mode dual numbers).
/// Keeps    the inputs.
/// Cost     one evaluation per element forward, one of duals backward.
/// Throws   ShapeError if the shapes differ.
template <class Formula, int Rank, class B, std::same_as<Var<Rank, B>>... More>
Var<Rank, B> pointwise(char const* name, Formula formula, Var<Rank, B> first, More... more) {
  constexpr std::size_t count = 1 + sizeof...(More);
  using Scalar = typename B::scalar_type;
  Tape<B>& tape = first.tape();
  Kokkos::Array<Var<Rank, B>, count> const x{first, more...};

  Kokkos::Array<Scalar const*, count> values{};
  bool wants_grad = false;
  for (std::size_t k = 0; k < count; ++k) {
    expect_shape(x[k].shape() == first.shape(), std::string(name) + ": input " + std::to_string(k + 1) + " has " +
                                                    to_string(x[k].shape()) + ", the first input has " +
                                                    to_string(first.shape()));
    values[k] = x[k].value.data();
    wants_grad = wants_grad || x[k].wants_grad();
  }
  auto const y = tape.make(first.shape(), wants_grad);
  kernel::map<B>(tape.workspace(), name, y.value.size(), formula, values, y.value.data());

  if (y.wants_grad())
    tape.record(name, y, [=](Tape<B>& t) {
      Kokkos::Array<Scalar*, count> gradients{};
      Kokkos::Array<Scalar, count> beta{};
      bool again = false;  // the same Var twice, as in x * x: its contributions must not race in one kernel
      for (std::size_t k = 0; k < count; ++k)
        for (std::size_t other = 0; other < k; ++other) again = again || (x[k].slot && x[k].slot == x[other].slot);
      for (std::size_t k = 0; k < count; ++k) {
        if (!x[k].wants_grad()) continue;
        auto const sink = t.into(x[k]);
        gradients[k] = sink.out.data();
        beta[k] = sink.beta;
        if (again) {
          kernel::map_backward<B>(t.workspace(), name, y.value.size(), formula, values, y.grad().data(), gradients,
                                  beta);
          gradients[k] = nullptr;
        }
      }
      if (!again)
        kernel::map_backward<B>(t.workspace(), name, y.value.size(), formula, values, y.grad().data(), gradients, beta);
    });
  return y;
}

}  // namespace heliograd::inline HELIOGRAD_ABI
