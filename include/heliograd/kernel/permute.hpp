// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <array>
#include <cstddef>

#include <heliograd/core/pack.hpp>
#include <heliograd/core/sink.hpp>
#include <heliograd/kernel/launch.hpp>

namespace heliograd::inline HELIOGRAD_ABI::kernel {

/// y = beta y + x with its axes in another order: axis a of y is axis order[a] of x.
template <class B, int Rank>
void permute(Workspace<B>& ws, ConstTensorRef<Rank, B> const& x, std::array<int, Rank> const& order,
             Sink<Rank, B> const& y) {
  heliograd::detail::Gather<typename B::scalar_type, Rank> gather{x.data(), y.out.data(), y.beta, {}, {}};
  for (int axis = 0; axis < Rank; ++axis) {
    int const from = order[static_cast<std::size_t>(axis)];
    gather.extent[axis] = x.extent(from);
    gather.stride[axis] = 1;
    for (int inner = from + 1; inner < Rank; ++inner) gather.stride[axis] *= x.extent(inner);
  }
  for_each_element(ws, "heliograd::permute", x.size(), gather);
}

}  // namespace heliograd::inline HELIOGRAD_ABI::kernel
