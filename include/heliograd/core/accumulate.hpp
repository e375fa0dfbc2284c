// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <cstddef>

#include <heliograd/core/sink.hpp>
#include <heliograd/core/workspace.hpp>

namespace heliograd::inline HELIOGRAD_ABI {

namespace detail {
template <class Scalar>
struct Accumulate {
  Scalar const* x;
  Scalar* out;
  Scalar beta;
  KOKKOS_FUNCTION void operator()(std::size_t i) const {
    out[i] = (beta != Scalar(0) ? beta * out[i] : Scalar(0)) + x[i];
  }
};
}  // namespace detail

/// out = beta out + x, ordered on the workspace's instance: delivers numbers that are there already. Both have as many elements.
template <int Rank, class B, class View>
void accumulate(Workspace<B> const& ws, Sink<Rank, B> const& sink, View const& x) {
  if (ws.dry()) return;
  detail::Accumulate<typename B::scalar_type> const add{x.data(), sink.out.data(), sink.beta};
  if constexpr (runs_at_once<typename B::execution_space>)
    if (x.size() <= small_work) {
      for (std::size_t i = 0; i < x.size(); ++i) add(i);
      return;
    }
  using Policy = Kokkos::RangePolicy<typename B::execution_space, Kokkos::IndexType<std::size_t>>;
  Kokkos::parallel_for("heliograd::accumulate", Policy(ws.exec(), 0, x.size()), add);
}

}  // namespace heliograd::inline HELIOGRAD_ABI
