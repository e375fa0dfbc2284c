// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <heliograd/kernel/softmax.hpp>
#include <heliograd/op/norm.hpp>

namespace heliograd::inline HELIOGRAD_ABI {

/// Exponentials that sum to one along the last axis.
/// Shapes   [..., c] -> the same.
/// Math     \f$ y_i = e^{x_i} / \sum_j e^{x_j} \f$, the largest x taken away first.
/// Gradient \f$ \bar x_i = y_i (\bar y_i - \sum_j \bar y_j y_j) \f$.
///          Differentiable to any order.
/// Keeps    y, which the tape has anyway.
/// Cost     one pass in each direction; sums in double, in order.
template <int Rank, class B>
Var<Rank, B> softmax(Var<Rank, B> x) {
  static_assert(Rank >= 1, "heliograd::softmax: x needs an axis to sum along");
  Tape<B>& tape = x.tape();
  auto const y = tape.make(x.shape(), x.wants_grad());
  kernel::softmax<B, Rank>(tape.workspace(), x.value, y.value);
  if (y.wants_grad())
    tape.record(
        "heliograd::softmax", y,
        [=](Tape<B>& t) { kernel::softmax_backward<B, Rank>(t.workspace(), y.value, y.grad(), t.into(x)); },
        [=](Tape<B>& t, Var<Rank, B> gy) {
          if (!t.wants(x)) return;
          std::size_t const width = y.shape()[Rank - 1];
          kernel::NormGroups const row{{y.value.size() / width, width, 1}};
          auto const product = gy * y;
          t.deliver(x, product - y * detail::group_spread(detail::group_sum(product, row), row, y.shape()));
        });
  return y;
}

}  // namespace heliograd::inline HELIOGRAD_ABI
