// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <string>

#include <heliograd/kernel/dropout.hpp>
#include <heliograd/op/linear_map.hpp>

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
  return linear_map(
      "heliograd::dropout", x.shape(), x,
      [=](Workspace<B>& ws, auto const& in, auto const& y) {
        kernel::dropout<B, Rank>(ws, in, y, probability, stream);
      },
      [=](Workspace<B>& ws, auto const& gy, auto const& gx) {
        kernel::dropout_backward<B, Rank>(ws, gy, gx, probability, stream);
      });
}

}  // namespace heliograd::inline HELIOGRAD_ABI
