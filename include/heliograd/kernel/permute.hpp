// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <array>
#include <cstddef>

#include <heliograd/core/sink.hpp>
#include <heliograd/kernel/launch.hpp>

namespace heliograd::inline HELIOGRAD_ABI::kernel {

namespace detail {

/// y[i] = beta y[i] + x[source of i]: the indices of y, innermost last, times the strides of x.
template <class T, int Rank>
struct Permute {
  T const* x;
  T* y;
  T beta;
  Kokkos::Array<std::size_t, Rank> extent, stride;

  KOKKOS_FUNCTION void operator()(std::size_t i) const {
    std::size_t rest = i, source = 0;
    for (int axis = Rank - 1; axis >= 0; --axis) {
      source += rest % extent[axis] * stride[axis];
      rest /= extent[axis];
    }
    y[i] = beta != T(0) ? beta * y[i] + x[source] : x[source];
  }
};

}  // namespace detail

/// y = beta y + x with its axes in another order: axis a of y is axis order[a] of x.
template <class B, int Rank>
void permute(Workspace<B>& ws, ConstTensorRef<Rank, B> const& x, std::array<int, Rank> const& order,
             Sink<Rank, B> const& y) {
  detail::Permute<typename B::scalar_type, Rank> permute{x.data(), y.out.data(), y.beta, {}, {}};
  for (int axis = 0; axis < Rank; ++axis) {
    int const from = order[static_cast<std::size_t>(axis)];
    permute.extent[axis] = x.extent(from);
    permute.stride[axis] = 1;
    for (int inner = from + 1; inner < Rank; ++inner) permute.stride[axis] *= x.extent(inner);
  }
  for_each_element(ws, "heliograd::permute", x.size(), permute);
}

}  // namespace heliograd::inline HELIOGRAD_ABI::kernel
