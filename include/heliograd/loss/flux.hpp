// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <string>

#include <heliograd/kernel/flux.hpp>
#include <heliograd/loss/detail/pair.hpp>
#include <heliograd/op/arithmetic.hpp>
#include <heliograd/op/dot.hpp>
#include <heliograd/op/image_sum.hpp>
#include <heliograd/op/pointwise.hpp>

/// \file
/// Losses that ask for the right flux through a whole image, wherever in it the flux goes through.
namespace heliograd::inline HELIOGRAD_ABI::loss {

namespace detail {

/// What a pixel lets through, or its slope, times its weight.
template <class Through, bool Slope>
struct WeightedFlux {
  static constexpr int derivatives = 1;
  Through through;
  template <class T>
  KOKKOS_FUNCTION T operator()(T b) const {
    if constexpr (Slope)
      return through.slope(b);
    else
      return through.value(b);
  }
  template <class T>
  KOKKOS_FUNCTION T operator()(T b, T weight) const {
    return weight > T(0) ? weight * (*this)(b) : T(0);
  }
};

/// A weight as it counts.
struct PositivePart {
  static constexpr int derivatives = 1;
  template <class T>
  KOKKOS_FUNCTION T operator()(T weight) const {
    return weight > T(0) ? weight : T(0);
  }
};

/// `through` computes in double, `again` the same in the precision of the tape, for second derivatives.
template <class Through, class Again, int Rank, class B>
Var<0, B> squared_flux(char const* name, Through const& through, Again const& again, Var<Rank, B> prediction,
                       Var<Rank, B> target, TensorRef<Rank, B> const& weights) {
  static_assert(Rank >= 1, "heliograd::loss: the first axis counts images");
  expect_pair(name, prediction, target);
  expect_weights(name, prediction, weights);
  Tape<B>& tape = prediction.tape();
  std::size_t const images = prediction.shape()[0];
  auto const loss = tape.make(Shape<0>{}, prediction.wants_grad() || target.wants_grad());
  auto* const difference = tape.template keep<kernel::FluxDifference>(images);
  kernel::mean_squared_flux<B, Rank>(tape.workspace(), through, images, prediction.value, target.value, weights,
                                     loss.value, difference);
  if (loss.wants_grad())
    tape.record(
        name, loss,
        [=](Tape<B>& t) {
          if (prediction.wants_grad())
            kernel::mean_squared_flux_backward<B, Rank>(t.workspace(), through, images, prediction.value, weights,
                                                        difference, 1, loss.grad(), t.into(prediction));
          if (target.wants_grad())
            kernel::mean_squared_flux_backward<B, Rank>(t.workspace(), through, images, target.value, weights,
                                                        difference, -1, loss.grad(), t.into(target));
        },
        [=](Tape<B>& t, Var<0, B> gloss) {
          bool const weighted = weights.data() != nullptr;
          auto const weigh = [&](auto const& formula, Var<Rank, B> b) {
            return weighted ? pointwise(name, formula, b, t.constant(weights)) : pointwise(name, formula, b);
          };
          auto const value = [&](Var<Rank, B> b) { return weigh(WeightedFlux<Again, false>{again}, b); };
          auto const slope = [&](Var<Rank, B> b) { return weigh(WeightedFlux<Again, true>{again}, b); };
          auto const error = image_sum(value(prediction) - value(target));
          double const share = 2 / static_cast<double>(images);
          auto const of_image = [&] {
            double const pixels = static_cast<double>(prediction.value.size()) / static_cast<double>(images);
            if (!weighted) return (share / (pixels * pixels)) * error;
            auto const total = image_sum(pointwise(name, PositivePart{}, t.constant(weights)));
            return share * (error / (total * total));
          }();
          auto const common = image_spread(scale(gloss, of_image), prediction.shape());
          if (t.wants(prediction)) t.deliver(prediction, common * slope(prediction));
          if (t.wants(target)) t.deliver(target, -(common * slope(target)));
        });
  return loss;
}
}  // namespace detail

/// The squared error of the mean field, image by image: of the net flux over the area.
/// Shapes   two tensors of one shape whose first axis counts images, and weights of that shape or none -> [].
/// Math     \f$ L = \frac1n \sum_n d_n^2, \ d_n = \sum_i w_{ni} (x_{ni} - y_{ni}) / \sum_i w_{ni} \f$; weights (areas over \f$ \mu^2 \f$, a mask)
///          that are not positive leave their pixels out, without weights all count 1.
/// Gradient \f$ \bar x_{ni} = \frac{2 \bar L}{n} d_n w_{ni} / \sum_i w_{ni} \f$, and its negative for the target if it wants one.
///          Twice differentiable, but for images none of whose weights is positive.
/// Keeps    two numbers an image.
/// Cost     one pass forward, one backward per gradient; carried in double in a fixed order.
/// Throws   ShapeError if the shapes differ or there are no elements.
template <int Rank, class B>
Var<0, B> net_flux(Var<Rank, B> prediction, Var<Rank, B> target, TensorRef<Rank, B> weights = {}) {
  return detail::squared_flux("heliograd::loss::net_flux", kernel::NetFlux{}, kernel::NetFlux{}, prediction, target,
                              weights);
}

/// The squared error of the mean unsigned field, image by image; otherwise as `net_flux`.
/// Math     \f$ |x| \f$ in the place of x, rounded off as \f$ \sqrt{x^2 + \epsilon^2} \f$ with \f$ \epsilon \f$ = smooth.
/// Gradient that of `net_flux` times \f$ x / \sqrt{x^2 + \epsilon^2} \f$; without rounding 0 at 0.
/// Throws   also UsageError for a negative `smooth`.
///
/// \param smooth in the unit of the field; below it a field is noise and is hardly pulled.
template <int Rank, class B>
Var<0, B> unsigned_flux(Var<Rank, B> prediction, Var<Rank, B> target, double smooth = 0,
                        TensorRef<Rank, B> weights = {}) {
  using Scalar = typename B::scalar_type;
  expect(smooth >= 0, "heliograd::loss::unsigned_flux: smooth must not be negative (found " + std::to_string(smooth) +
                          ", expected a field strength)");
  return detail::squared_flux("heliograd::loss::unsigned_flux", kernel::UnsignedFlux<double>{smooth},
                              kernel::UnsignedFlux<Scalar>{static_cast<Scalar>(smooth)}, prediction, target, weights);
}

}  // namespace heliograd::inline HELIOGRAD_ABI::loss
