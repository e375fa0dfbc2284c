// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <algorithm>
#include <cstddef>

#include <heliograd/core/workspace.hpp>

/// \file
/// The two shapes in which kernels are launched.
///
/// `for_each_item` runs one work item per index: a tile, an image row, a channel. The item writes its own inner loops.
/// `for_each_element` runs a functor that treats one element; on the host the elements are dealt out in chunks, so that the
/// compiler vectorises the loop inside a chunk. In a dry run neither does anything. A single item runs on the calling thread.
namespace heliograd::inline HELIOGRAD_ABI::kernel {

/// Elements per work item of element-wise host loops: small enough to balance, large enough to amortise the dispatch.
inline constexpr std::size_t host_chunk = small_work;

namespace detail {

template <class Functor>
struct Chunked {
  Functor functor;
  std::size_t count;

  KOKKOS_FUNCTION void operator()(std::size_t chunk) const {
    std::size_t const begin = chunk * host_chunk;
    std::size_t const end = begin + host_chunk < count ? begin + host_chunk : count;
    Functor const f = functor;
    HELIOGRAD_INDEPENDENT_LOOP
    for (std::size_t i = begin; i < end; ++i) f(i);
  }
};

}  // namespace detail

/// Runs `functor(i)` for i in [0, count), one work item each, ordered on the workspace's instance.
template <class B, class Functor>
void for_each_item(Workspace<B>& ws, char const* label, std::size_t count, Functor const& functor) {
  if (count == 0 || ws.dry()) return;
  if constexpr (runs_at_once<typename B::execution_space>)
    if (count == 1) return functor(std::size_t{0});
  using Policy = Kokkos::RangePolicy<typename B::execution_space, Kokkos::IndexType<std::size_t>>;
  Kokkos::parallel_for(label, Policy(ws.exec(), 0, count, Kokkos::ChunkSize(1)), functor);
}

/// Runs `functor(i)` for i in [0, count), where the calls are independent of each other and cheap.
template <class B, class Functor>
void for_each_element(Workspace<B>& ws, char const* label, std::size_t count, Functor const& functor) {
  if constexpr (B::on_host)
    for_each_item(ws, label, (count + host_chunk - 1) / host_chunk, detail::Chunked<Functor>{functor, count});
  else
    for_each_item(ws, label, count, functor);
}

}  // namespace heliograd::inline HELIOGRAD_ABI::kernel
