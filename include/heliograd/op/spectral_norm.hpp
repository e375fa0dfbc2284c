// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>
#include <string>

#include <heliograd/core/copy.hpp>
#include <heliograd/kernel/spectral_norm.hpp>
#include <heliograd/op/arithmetic.hpp>
#include <heliograd/op/dot.hpp>

namespace heliograd::inline HELIOGRAD_ABI {

namespace detail {
struct ReciprocalFormula {
  template <class T>
  KOKKOS_FUNCTION T operator()(T x) const {
    return T(1) / x;
  }
};
}  // namespace detail

/// Approximate singular vectors of a weight [..., c_out]: state that power iteration improves from step to step.
template <class B>
struct SpectralVectors {
  TensorRef<1, B> u;  ///< [c_out]
  TensorRef<1, B> v;  ///< one number for each row: the product of the other axes
};

struct SpectralNormOptions {
  int iterations = 1;      ///< power iterations before the division: 0 leaves u and v as they are (inference)
  double epsilon = 1e-12;  ///< least length in the normalisation of u and v
};

/// A weight divided by its largest singular value, as power iteration sees it (Miyato, Kataoka, Koyama, Yoshida: ICLR 2018).
///
/// Shapes   weight [..., c_out] -> the same.
/// Math     \f$ \hat W = W / \sigma \f$, \f$ \sigma = v^T W u \f$; before that \f$ v \leftarrow W u / |W u| \f$ and
///          \f$ u \leftarrow W^T v / |W^T v| \f$, as often as `iterations` says, with u and v overwritten.
/// Gradient \f$ \bar W = (\bar{\hat W} - \langle \bar{\hat W}, \hat W \rangle v u^T) / \sigma \f$: u and v are constants.
/// Keeps    the weight, and copies of u and v: a later call may move them before the backward pass.
/// Cost     four passes over the weight for each iteration, three more forward, three backward. Sums in double.
/// Throws   ShapeError if u or v have another size; UsageError for a negative number of iterations.
template <int Rank, class B>
Var<Rank, B> spectral_norm(Var<Rank, B> weight, SpectralVectors<B> const& vectors,
                           SpectralNormOptions const& options = {}) {
  static_assert(Rank >= 2, "heliograd::spectral_norm: a weight needs inputs and outputs");
  using Scalar = typename B::scalar_type;
  std::size_t const columns = weight.shape()[Rank - 1];
  std::size_t const rows = columns > 0 ? weight.value.size() / columns : 0;
  expect_shape(rows > 0 && vectors.u.size() == columns && vectors.v.size() == rows,
               "spectral_norm: u " + to_string(shape_of(vectors.u)) + " and v " + to_string(shape_of(vectors.v)) +
                   " do not fit weight " + to_string(weight.shape()) + ": expected [" + std::to_string(columns) +
                   "] and [" + std::to_string(rows) + "]");
  expect(options.iterations >= 0, "spectral_norm: the number of iterations must not be negative");
  Tape<B>& tape = weight.tape();
  auto const y = tape.make(weight.shape(), weight.wants_grad());
  kernel::SpectralMatrix<Scalar> matrix{weight.value.data(), rows, columns, vectors.u.data(), vectors.v.data()};
  for (int i = 0; i < options.iterations; ++i) kernel::spectral_iteration<B>(tape.workspace(), matrix, options.epsilon);
  auto* const sigma = tape.template keep<double>(1);
  TensorRef<1, B> const u(tape.template keep<Scalar>(columns), columns), v(tape.template keep<Scalar>(rows), rows);
  copy(tape.workspace(), u, vectors.u);
  copy(tape.workspace(), v, vectors.v);
  matrix.u = u.data();
  matrix.v = v.data();
  kernel::spectral_norm<B>(tape.workspace(), matrix, sigma, y.value.data());
  if (y.wants_grad())
    tape.record(
        "heliograd::spectral_norm", y,
        [=](Tape<B>& t) {
          auto const sink = t.into(weight);
          kernel::spectral_norm_backward<B>(t.workspace(), matrix, sigma, y.grad().data(), sink.out.data(), sink.beta);
        },
        [=](Tape<B>& t, Var<Rank, B> gy) {
          if (!t.wants(weight)) return;
          auto const outer = t.make(weight.shape(), false);  // v u
          kernel::spectral_outer<B>(t.workspace(), matrix, outer.value.data());
          auto const inverse = pointwise("heliograd::reciprocal", detail::ReciprocalFormula{}, dot(weight, outer));
          t.deliver(weight, scale(inverse, gy - scale(dot(gy, weight) * inverse, outer)));
        });
  return y;
}

}  // namespace heliograd::inline HELIOGRAD_ABI
