// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>

#include <heliograd/kernel/random.hpp>
#include <heliograd/loss/detail/pair.hpp>
#include <heliograd/op/arithmetic.hpp>
#include <heliograd/op/image_sum.hpp>
#include <heliograd/op/pointwise.hpp>
#include <heliograd/op/reduce.hpp>

namespace heliograd::inline HELIOGRAD_ABI::loss {

struct GradientPenaltyOptions {
  double norm = 1;         ///< the length that gradients should have
  bool one_sided = false;  ///< shorter ones are free
};

namespace detail {
/// (sqrt(q) - norm)^2 of a squared length q.
template <class Scalar>
struct LengthPenalty {
  static constexpr int derivatives = 1;
  Scalar norm;
  bool one_sided;
  template <class T>
  KOKKOS_FUNCTION T operator()(T q) const {
    using Kokkos::sqrt;
    if (norm == Scalar(0)) return q;
    T const excess = sqrt(q + T(Scalar(1e-12))) - T(norm);  // a gradient of zero has a direction of zero
    return one_sided && excess < T(0) ? T(0) : excess * excess;
  }
};
}  // namespace detail

/// Keeps a critic smooth: what it pays for gradients with respect to its images that are not of the wanted length.
/// Shapes   images [n, h, w, c] -> []; critic([n, h, w, c]) gives verdicts of any shape, each a function of one image.
/// Math     \f$ \frac1n \sum_n (\lVert \nabla_{x_n} \sum D(x_n) \rVert - r)^2 \f$; with r = 0 the mean squared length (R1: Mescheder et al. 2018)
/// Gradient exact, to everything the critic watches, through its second derivatives; none to the images.
/// Keeps    what the critic's forward and backward pass keep.
/// Cost     the critic forward, backward, and both again when the penalty is differentiated.
/// Throws   as `Tape::gradients`, for critics of ops without a second derivative.
/// With r = 1 between real and generated images it is that of Gulrajani et al. (WGAN-GP; NeurIPS 2017).
template <class B, class Critic>
Var<0, B> gradient_penalty(Tape<B>& tape, Critic const& critic, TensorRef<4, B> images,
                           GradientPenaltyOptions const& options = {}) {
  using Scalar = typename B::scalar_type;
  expect(options.norm >= 0, "heliograd::loss::gradient_penalty: the norm must not be negative");
  auto const x = tape.variable(images);
  auto const slope = tape.gradients(critic(x), x);
  return mean(pointwise("heliograd::loss::gradient_penalty",
                        detail::LengthPenalty<Scalar>{static_cast<Scalar>(options.norm), options.one_sided},
                        image_sum(slope * slope)));
}

/// The same at images between real and generated ones: each pair mixed in a random share, number n of the stream.
template <class B, class Critic>
Var<0, B> gradient_penalty(Tape<B>& tape, Critic const& critic, Var<4, B> real, Var<4, B> fake,
                           RandomStream const& stream, GradientPenaltyOptions const& options = {}) {
  detail::expect_pair("heliograd::loss::gradient_penalty", fake, real);
  auto const between = tape.make(real.shape(), false);
  kernel::random_mix<B, 4>(tape.workspace(), stream, real.value, fake.value, between.value);
  return gradient_penalty(tape, critic, between.value, options);
}

}  // namespace heliograd::inline HELIOGRAD_ABI::loss
