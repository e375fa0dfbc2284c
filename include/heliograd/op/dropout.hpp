// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <string>

#include <heliograd/kernel/dropout.hpp>
#include <heliograd/tape/tape.hpp>

namespace heliograd::inline HELIOGRAD_ABI {

/// Sets each element to zero with the given probability and scales the others, so that the expectation stays (inverted
/// dropout; Srivastava et al.: JMLR 15, 2014). The stream decides which: take a fresh one for each call, `rng.fork()`.
///
/// Shapes   any -> the same.
/// Math     \f$ y_i = m_i x_i / (1 - p) \f$, \f$ m_i \f$ zero with probability p, else one.
/// Gradient \f$ \bar x_i = m_i \bar y_i / (1 - p) \f$.
/// Keeps    nothing: the backward pass draws the same numbers again.
/// Cost     one pass; 16 bytes of random bits for four elements.
/// Throws   UsageError unless 0 <= p < 1.
template <int Rank, class B>
Var<Rank, B> dropout(Var<Rank, B> x, double probability, RandomStream stream) {
  expect(probability >= 0 && probability < 1,
         "dropout: the probability must lie in [0, 1), found " + std::to_string(probability));
  Tape<B>& tape = x.tape();
  auto const y = tape.make(x.shape(), x.wants_grad());
  kernel::dropout<B, Rank>(tape.workspace(), x.value, y.value, probability, stream);
  if (y.wants_grad())
    tape.record("heliograd::dropout", y, [=](Tape<B>& t) {
      kernel::dropout_backward<B, Rank>(t.workspace(), y.grad(), t.into(x), probability, stream);
    });
  return y;
}

}  // namespace heliograd::inline HELIOGRAD_ABI
