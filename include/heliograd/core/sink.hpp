// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <cstddef>

#include <heliograd/core/tensor.hpp>

namespace heliograd::inline HELIOGRAD_ABI {

/// Where a backward kernel delivers a gradient: out = beta * out + contribution.
///
/// beta is 0 for the first contribution, when `out` is uninitialised memory and must not be read, and 1 afterwards. So no
/// gradient is ever filled with zeros first, and several uses of one value add up.
template <int Rank, class B>
struct Sink {
  using scalar_type = typename B::scalar_type;

  TensorRef<Rank, B> out;
  scalar_type beta = 0;

  /// Delivers one element, addressed by its flat row-major index.
  KOKKOS_FUNCTION void add(std::size_t index, scalar_type contribution) const {
    scalar_type& target = out.data()[index];
    target = (beta != scalar_type(0) ? beta * target : scalar_type(0)) + contribution;
  }
};

/// A sink that overwrites: for gradients computed outside a tape.
template <class B, int Rank>
Sink<Rank, B> overwrite(TensorRef<Rank, B> const& out) {
  return {out, 0};
}

}  // namespace heliograd::inline HELIOGRAD_ABI
