// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>

#include <heliograd/kernel/matmul.hpp>
#include <heliograd/tape/tape.hpp>

namespace heliograd::inline HELIOGRAD_ABI {

/// The product of two matrices, for each pair of a batch; either factor may be taken transposed.
///
/// Shapes   a [n, rows, depth], b [n, depth, columns] -> [n, rows, columns]; with transpose_a, a is [n, depth, rows], with
///          transpose_b, b is [n, columns, depth].
/// Math     \f$ c_{nij} = \sum_k a_{nik}\, b_{nkj} \f$.
/// Gradient \f$ \bar a = \bar c\, b^T \f$, \f$ \bar b = a^T \bar c \f$, or their transposes.
/// Keeps    a if b wants a gradient, b if a does.
/// Cost     2 n rows depth columns flops, twice that backward.
/// Throws   ShapeError if the batches differ, or the columns of a and the rows of b.
template <class B>
Var<3, B> matmul(Var<3, B> a, Var<3, B> b, MatmulOptions options = {}) {
  Tape<B>& tape = a.tape();
  auto const c = tape.make(kernel::matmul_shape(a.shape(), b.shape(), options), a.wants_grad() || b.wants_grad());
  tape.add_work(c.value.size() * a.shape()[options.transpose_a ? 1 : 2]);
  kernel::matmul<B>(tape.workspace(), a.value, b.value, {c.value, 0}, options);
  tape.add_work(c.value.size() * a.shape()[options.transpose_a ? 1 : 2]);
  if (c.wants_grad())
    tape.record(
        "heliograd::matmul", c,
        [=](Tape<B>& t) {
          auto const [transpose_a, transpose_b] = options;
          if (a.wants_grad() && transpose_a)
            kernel::matmul<B>(t.workspace(), b.value, c.grad(), t.into(a), {transpose_b, true});
          else if (a.wants_grad())
            kernel::matmul<B>(t.workspace(), c.grad(), b.value, t.into(a), {false, !transpose_b});
          if (b.wants_grad() && transpose_b)
            kernel::matmul<B>(t.workspace(), c.grad(), a.value, t.into(b), {true, transpose_a});
          else if (b.wants_grad())
            kernel::matmul<B>(t.workspace(), a.value, c.grad(), t.into(b), {!transpose_a, false});
        },
        [=](Tape<B>& t, Var<3, B> gc) {
          auto const [transpose_a, transpose_b] = options;
          if (t.wants(a))
            t.deliver(a, transpose_a ? matmul(b, gc, MatmulOptions{transpose_b, true})
                                     : matmul(gc, b, MatmulOptions{false, !transpose_b}));
          if (t.wants(b))
            t.deliver(b, transpose_b ? matmul(gc, a, MatmulOptions{true, transpose_a})
                                     : matmul(a, gc, MatmulOptions{!transpose_a, false}));
        });
  return c;
}

/// The same for a single pair.
template <class B>
Var<2, B> matmul(Var<2, B> a, Var<2, B> b, MatmulOptions options = {}) {
  Tape<B>& tape = a.tape();
  auto const batch = [&](Var<2, B> const& x) {
    return tape.reshape(x, Shape{std::size_t{1}, x.shape()[0], x.shape()[1]});
  };
  auto const c = matmul(batch(a), batch(b), options);
  return tape.reshape(c, Shape{c.shape()[1], c.shape()[2]});
}

}  // namespace heliograd::inline HELIOGRAD_ABI
