// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <heliograd/op/pointwise.hpp>

/// \file
/// Sums, differences, products and quotients of equally shaped Vars, and with numbers. Chains of them are several passes
/// over memory; for a longer formula write one functor and call `pointwise`.
namespace heliograd::inline HELIOGRAD_ABI {

namespace detail {

struct AddFormula {
  template <class T>
  KOKKOS_FUNCTION T operator()(T a, T b) const {
    return a + b;
  }
};
struct SubtractFormula {
  template <class T>
  KOKKOS_FUNCTION T operator()(T a, T b) const {
    return a - b;
  }
};
struct MultiplyFormula {
  template <class T>
  KOKKOS_FUNCTION T operator()(T a, T b) const {
    return a * b;
  }
};
struct DivideFormula {
  template <class T>
  KOKKOS_FUNCTION T operator()(T a, T b) const {
    return a / b;
  }
};
/// scale * x + offset
template <class Scalar>
struct AffineFormula {
  Scalar scale, offset;
  template <class T>
  KOKKOS_FUNCTION T operator()(T x) const {
    return T(scale) * x + T(offset);
  }
};

}  // namespace detail

/// a + b, element by element. Shapes equal. Gradient: passed on to both.
template <int Rank, class B>
Var<Rank, B> operator+(Var<Rank, B> a, Var<Rank, B> b) {
  return pointwise("heliograd::add", detail::AddFormula{}, a, b);
}

/// a - b, element by element.
template <int Rank, class B>
Var<Rank, B> operator-(Var<Rank, B> a, Var<Rank, B> b) {
  return pointwise("heliograd::subtract", detail::SubtractFormula{}, a, b);
}

/// a * b, element by element.
template <int Rank, class B>
Var<Rank, B> operator*(Var<Rank, B> a, Var<Rank, B> b) {
  return pointwise("heliograd::multiply", detail::MultiplyFormula{}, a, b);
}

/// a / b, element by element.
template <int Rank, class B>
Var<Rank, B> operator/(Var<Rank, B> a, Var<Rank, B> b) {
  return pointwise("heliograd::divide", detail::DivideFormula{}, a, b);
}

/// scale * x + offset, as one pass.
template <int Rank, class B>
Var<Rank, B> affine(Var<Rank, B> x, double scale, double offset) {
  using Scalar = typename B::scalar_type;
  return pointwise("heliograd::affine",
                   detail::AffineFormula<Scalar>{static_cast<Scalar>(scale), static_cast<Scalar>(offset)}, x);
}

/// A tensor times a number.
template <int Rank, class B>
Var<Rank, B> operator*(double scale, Var<Rank, B> x) {
  return affine(x, scale, 0.0);
}

/// -x.
template <int Rank, class B>
Var<Rank, B> operator-(Var<Rank, B> x) {
  return affine(x, -1.0, 0.0);
}

}  // namespace heliograd::inline HELIOGRAD_ABI
