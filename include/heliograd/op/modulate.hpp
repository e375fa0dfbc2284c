// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <heliograd/op/pointwise.hpp>

namespace heliograd::inline HELIOGRAD_ABI {

namespace detail {
struct ModulateFormula {
  template <class T>
  KOKKOS_FUNCTION T operator()(T x, T mask) const {
    return x + x * mask;
  }
};
}  // namespace detail

/// The residual Hadamard product: what a mask says is added to x in proportion to x (Sun et al.: 2023).
/// Shapes   equal.
/// Math     \f$ y = x (1 + m) \f$
/// Gradient x: \f$ \bar y (1 + m) \f$; mask: \f$ \bar y x \f$.
/// Keeps    both.
template <int Rank, class B>
Var<Rank, B> modulate(Var<Rank, B> x, Var<Rank, B> mask) {
  return pointwise("heliograd::modulate", detail::ModulateFormula{}, x, mask);
}

}  // namespace heliograd::inline HELIOGRAD_ABI
