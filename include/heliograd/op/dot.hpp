// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <heliograd/kernel/dot.hpp>
#include <heliograd/op/trilinear.hpp>

namespace heliograd::inline HELIOGRAD_ABI {

namespace detail {
/// \f$ T(s, x, y) = s \langle x, y \rangle \f$
template <int Rank>
struct DotForm {
  template <int Free, class B, class A, class C, int RankY>
  void face(Workspace<B>& ws, A const& a, C const& b, Sink<RankY, B> const& out) const {
    if constexpr (Free == 0)
      kernel::dot<B, Rank>(ws, a, b, out);
    else
      kernel::scale<B, Rank>(ws, a, b, out);
  }
};
}  // namespace detail

/// The inner product of two tensors of one shape.
/// Shapes   [...], [...] -> [].
/// Math     \f$ y = \sum_i a_i b_i \f$
/// Gradient \f$ \bar a = \bar y b \f$, \f$ \bar b = \bar y a \f$; to any order.
/// Keeps    a and b.
/// Cost     one read; carried in double, in a fixed tree: the same bits for any number of threads.
/// Throws   ShapeError if the shapes differ.
template <int Rank, class B>
Var<0, B> dot(Var<Rank, B> a, Var<Rank, B> b) {
  expect_shape(a.shape() == b.shape(), "dot: a has " + to_string(a.shape()) + ", b has " + to_string(b.shape()) +
                                           "; the inner product needs equal shapes");
  return trilinear<0>("heliograd::dot", detail::DotForm<Rank>{}, Shape<0>{}, a, b);
}

/// A tensor times a number on the device.
/// Shapes   s [], x [...] -> [...].
/// Math     \f$ y_i = s x_i \f$
/// Gradient \f$ \bar s = \langle x, \bar y \rangle \f$, \f$ \bar x = s \bar y \f$; to any order.
/// Keeps    s and x.
/// Cost     one pass.
template <int Rank, class B>
Var<Rank, B> scale(Var<0, B> s, Var<Rank, B> x) {
  return trilinear<2>("heliograd::scale", detail::DotForm<Rank>{}, x.shape(), s, x);
}

}  // namespace heliograd::inline HELIOGRAD_ABI
