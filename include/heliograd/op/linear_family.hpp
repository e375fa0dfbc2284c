// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <heliograd/op/dot.hpp>
#include <heliograd/op/linear_map.hpp>

namespace heliograd::inline HELIOGRAD_ABI {

namespace detail {

template <int RankY, int Rank, class B, class Forward, class Adjoint>
Var<RankY, B> linear_family_pair(char const* name, Shape<RankY> const& shape, Var<Rank, B> x, Var<0, B> p,
                                 Forward const& forward, Adjoint const& adjoint, int order) {
  Tape<B>& tape = x.tape();
  auto const y = tape.make(shape, x.wants_grad() || p.wants_grad());
  forward(tape.workspace(), x.value, Sink<RankY, B>{y.value, 0}, order);
  if (!y.wants_grad()) return y;
  tape.record(
      name, y,
      [=](Tape<B>& t) {
        if (x.wants_grad()) adjoint(t.workspace(), y.grad(), t.into(x), order);
        if (!p.wants_grad()) return;
        auto scope = t.workspace().scope();
        auto const slope = scope.tensor(shape);
        forward(t.workspace(), x.value, Sink<RankY, B>{slope, 0}, order + 1);
        kernel::dot<B, RankY>(t.workspace(), slope, y.grad(), t.into(p));
      },
      [=](Tape<B>& t, Var<RankY, B> gy) {
        if (t.wants(x)) t.deliver(x, linear_family_pair(name, x.shape(), gy, p, adjoint, forward, order));
        if (p.wants_grad() && t.wants(p))
          t.deliver(p, dot(gy, linear_family_pair(name, shape, x, p, forward, adjoint, order + 1)));
      });
  return y;
}

}  // namespace detail

/// y = A(p) x for an A that is linear in x and depends on one number p, of which kernels know the products with it, with its
/// transpose, and with the derivatives of both with respect to p. Differentiable in x and p, as often as the kernels know
/// derivatives.
///
/// \param shape of y
/// \param p may be empty: then only x is differentiated.
/// \param forward `forward(ws, x, y, order)` delivers d^order A / dp^order x into the Sink y.
/// \param adjoint the same for the transpose.
///
/// Both capture plain values only, p's among them.
template <int RankY, int Rank, class B, class Forward, class Adjoint>
Var<RankY, B> linear_family(char const* name, Shape<RankY> const& shape, Var<Rank, B> x, Var<0, B> p,
                            Forward const& forward, Adjoint const& adjoint) {
  return detail::linear_family_pair(name, shape, x, p, forward, adjoint, 0);
}

}  // namespace heliograd::inline HELIOGRAD_ABI
