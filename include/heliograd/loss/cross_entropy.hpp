// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>

#include <heliograd/loss/detail/pair.hpp>
#include <heliograd/op/pointwise.hpp>
#include <heliograd/op/reduce.hpp>

/// \file
/// How surprising the truth is to somebody who states probabilities.
namespace heliograd::inline HELIOGRAD_ABI::loss {

namespace detail {

/// ln(1 + e^z), which overflows nowhere and keeps its digits far down.
template <class T>
KOKKOS_FUNCTION T softplus(T z) {
  using math::exp;
  using math::log1p;
  return z > T(0) ? z + log1p(exp(-z)) : log1p(exp(z));
}

template <class Scalar>
struct CrossEntropyFormula {
  Scalar guard;
  template <class T>
  KOKKOS_FUNCTION T operator()(T p, T label) const {
    using math::log;
    T const one(1);
    return -(label * log(p + T(guard))) - (one - label) * log(one - p + T(guard));
  }
};

struct LogitsFormula {
  template <class T>
  KOKKOS_FUNCTION T operator()(T z, T label) const {
    return label * softplus(-z) + (T(1) - label) * softplus(z);
  }
};

/// A formula of a value and a label, for one label everywhere.
template <class Formula, class Scalar>
struct WithLabel {
  Formula formula;
  Scalar label;
  template <class T>
  KOKKOS_FUNCTION T operator()(T x) const {
    return formula(x, T(label));
  }
};

template <class Formula, int Rank, class B>
Var<0, B> mean_with_label(char const* name, Formula const& formula, Var<Rank, B> x, double label) {
  using Scalar = typename B::scalar_type;
  expect_shape(x.value.size() > 0, std::string(name) + ": there are no elements in " + to_string(x.shape()));
  return mean(pointwise(name, WithLabel<Formula, Scalar>{formula, static_cast<Scalar>(label)}, x));
}

}  // namespace detail

/// What is added to a probability before its logarithm is taken, so that a certain and wrong answer costs 27.6 and not
/// infinity.
inline constexpr double probability_guard = 1e-12;

/// The binary cross-entropy of stated probabilities.
/// Shapes   two tensors of one shape, probabilities and labels, both in [0, 1] -> [].
/// Math     \f$ L = -\frac1N \sum_i t_i \ln(p_i + g) + (1 - t_i) \ln(1 - p_i + g) \f$ with g = `probability_guard`
/// Gradient \f$ \bar p_i = -\frac{\bar L}{N} \left( \frac{t_i}{p_i + g} - \frac{1 - t_i}{1 - p_i + g} \right) \f$; that of labels that want one
///          as well. The guard counts where 1 - p is 0 in the precision of p; `bce_with_logits` needs none.
/// Keeps    one tensor.
/// Cost     two passes forward, one backward; summed in double in a fixed order.
/// Throws   ShapeError if the shapes differ or there are no elements.
template <int Rank, class B>
Var<0, B> bce(Var<Rank, B> probability, Var<Rank, B> label) {
  using Scalar = typename B::scalar_type;
  constexpr char const* name = "heliograd::loss::bce";
  detail::expect_pair(name, probability, label);
  return mean(
      pointwise(name, detail::CrossEntropyFormula<Scalar>{static_cast<Scalar>(probability_guard)}, probability, label));
}

/// The same with one label for all.
template <int Rank, class B>
Var<0, B> bce(Var<Rank, B> probability, double label) {
  using Scalar = typename B::scalar_type;
  return detail::mean_with_label("heliograd::loss::bce",
                                 detail::CrossEntropyFormula<Scalar>{static_cast<Scalar>(probability_guard)},
                                 probability, label);
}

/// The binary cross-entropy of the probabilities \f$ 1 / (1 + e^{-z}) \f$, from z: exact for any finite z.
/// Math     \f$ L = \frac1N \sum_i t_i \ln(1 + e^{-z_i}) + (1 - t_i) \ln(1 + e^{z_i}) \f$
/// Gradient \f$ \bar z_i = \frac{\bar L}{N} \left( \frac{1}{1 + e^{-z_i}} - t_i \right) \f$
/// Otherwise as `bce`.
template <int Rank, class B>
Var<0, B> bce_with_logits(Var<Rank, B> logit, Var<Rank, B> label) {
  constexpr char const* name = "heliograd::loss::bce_with_logits";
  detail::expect_pair(name, logit, label);
  return mean(pointwise(name, detail::LogitsFormula{}, logit, label));
}

/// The same with one label for all.
template <int Rank, class B>
Var<0, B> bce_with_logits(Var<Rank, B> logit, double label) {
  return detail::mean_with_label("heliograd::loss::bce_with_logits", detail::LogitsFormula{}, logit, label);
}

}  // namespace heliograd::inline HELIOGRAD_ABI::loss
