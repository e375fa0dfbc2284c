// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <heliograd/op/pointwise.hpp>

/// \file
/// Sums, differences, products and quotients of equally shaped Vars, and with numbers. Chains of them are several passes
/// over memory; for a longer formula write one functor and call `pointwise`.
namespace heliograd::inline HELIOGRAD_ABI {

namespace detail {

// Each formula is followed by its second-order pullback in terms of the same ops, so that it can be differentiated to any
// order without further kernels.
struct AddFormula {
  template <class T>
  KOKKOS_FUNCTION T operator()(T a, T b) const {
    return a + b;
  }
};
struct AddTwice {
  template <class Tape, class Pair, class V>
  void operator()(Tape& t, Pair const& x, V const&, V const& gy) const {
    t.deliver(x[0], gy);
    t.deliver(x[1], gy);
  }
};
struct SubtractFormula {
  template <class T>
  KOKKOS_FUNCTION T operator()(T a, T b) const {
    return a - b;
  }
};
struct SubtractTwice {
  template <class Tape, class Pair, class V>
  void operator()(Tape& t, Pair const& x, V const&, V const& gy) const {
    t.deliver(x[0], gy);
    if (t.wants(x[1])) t.deliver(x[1], -gy);
  }
};
struct MultiplyFormula {
  template <class T>
  KOKKOS_FUNCTION T operator()(T a, T b) const {
    return a * b;
  }
};
struct MultiplyTwice {
  template <class Tape, class Pair, class V>
  void operator()(Tape& t, Pair const& x, V const&, V const& gy) const {
    if (t.wants(x[0])) t.deliver(x[0], gy * x[1]);
    if (t.wants(x[1])) t.deliver(x[1], gy * x[0]);
  }
};
struct DivideFormula {
  template <class T>
  KOKKOS_FUNCTION T operator()(T a, T b) const {
    return a / b;
  }
};
struct DivideTwice {
  template <class Tape, class Pair, class V>
  void operator()(Tape& t, Pair const& x, V const& y, V const& gy) const {
    auto const ratio = gy / x[1];
    t.deliver(x[0], ratio);
    if (t.wants(x[1])) t.deliver(x[1], -(ratio * y));
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
struct AffineTwice {
  double scale;
  template <class Tape, class One, class V>
  void operator()(Tape& t, One const& x, V const&, V const& gy) const {
    if (t.wants(x[0])) t.deliver(x[0], scale * gy);
  }
};

template <class Formula, class Twice, int Rank, class B>
Var<Rank, B> arithmetic(char const* name, Formula const& formula, Twice const& twice, Var<Rank, B> a, Var<Rank, B> b) {
  return pointwise(name, formula, twice, Kokkos::Array<Var<Rank, B>, 2>{a, b});
}

}  // namespace detail

/// a + b, element by element. Shapes equal. Gradient: passed on to both.
template <int Rank, class B>
Var<Rank, B> operator+(Var<Rank, B> a, Var<Rank, B> b) {
  return detail::arithmetic("heliograd::add", detail::AddFormula{}, detail::AddTwice{}, a, b);
}

/// a - b, element by element.
template <int Rank, class B>
Var<Rank, B> operator-(Var<Rank, B> a, Var<Rank, B> b) {
  return detail::arithmetic("heliograd::subtract", detail::SubtractFormula{}, detail::SubtractTwice{}, a, b);
}

/// a * b, element by element.
template <int Rank, class B>
Var<Rank, B> operator*(Var<Rank, B> a, Var<Rank, B> b) {
  return detail::arithmetic("heliograd::multiply", detail::MultiplyFormula{}, detail::MultiplyTwice{}, a, b);
}

/// a / b, element by element.
template <int Rank, class B>
Var<Rank, B> operator/(Var<Rank, B> a, Var<Rank, B> b) {
  return detail::arithmetic("heliograd::divide", detail::DivideFormula{}, detail::DivideTwice{}, a, b);
}

/// scale * x + offset, as one pass.
template <int Rank, class B>
Var<Rank, B> affine(Var<Rank, B> x, double scale, double offset) {
  using Scalar = typename B::scalar_type;
  return detail::pointwise("heliograd::affine",
                           detail::AffineFormula<Scalar>{static_cast<Scalar>(scale), static_cast<Scalar>(offset)},
                           detail::AffineTwice{scale}, Kokkos::Array<Var<Rank, B>, 1>{x});
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
