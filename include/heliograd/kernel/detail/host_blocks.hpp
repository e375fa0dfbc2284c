// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include <heliograd/core/workspace.hpp>

namespace heliograd::inline HELIOGRAD_ABI::kernel::detail {

/// How many workers there are.
template <class B>
int worker_count(Workspace<B> const& ws) {
  return std::max(static_cast<int>(ws.exec().concurrency()), 1);
}

/// How many of them share `blocks` pieces of work.
template <class B>
int worker_count(Workspace<B> const& ws, std::int64_t blocks) {
  return static_cast<int>(std::clamp<std::int64_t>(blocks, 1, worker_count(ws)));
}

/// One worker: takes the next block that nobody has, until none is left.
template <class Body>
struct BlockWorker {
  Body body;
  std::int64_t blocks;
  std::int64_t* next;

  void operator()(int worker) const {
    for (std::int64_t block = take(); block < blocks; block = take()) body(worker, block);
  }
  std::int64_t take() const { return Kokkos::atomic_fetch_add(next, std::int64_t{1}); }
};

/// Calls body(worker, block) once for every block in [0, blocks), on a host space. Blocks go to whichever worker is free,
/// so what a block computes must not depend on its worker; the worker's number serves to find its own scratch memory.
template <class B, class Body>
void for_each_block(Workspace<B>& ws, std::string const& label, std::int64_t blocks, Body const& body) {
  if (blocks == 0) return;
  auto scope = ws.scope();
  std::int64_t* const next = scope.template take<std::int64_t>(1);
  if (ws.dry()) return;
  if constexpr (runs_at_once<typename B::execution_space>)
    if (blocks == 1) return body(0, 0);
  *next = 0;
  using Policy =
      Kokkos::RangePolicy<typename B::execution_space, Kokkos::IndexType<int>, Kokkos::Schedule<Kokkos::Static>>;
  Kokkos::parallel_for(label, Policy(ws.exec(), 0, worker_count(ws, blocks), Kokkos::ChunkSize(1)),
                       BlockWorker<Body>{body, blocks, next});
}

}  // namespace heliograd::inline HELIOGRAD_ABI::kernel::detail
