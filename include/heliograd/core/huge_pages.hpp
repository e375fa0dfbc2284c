// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>
#include <cstdint>

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include <Kokkos_Core.hpp>
#include <type_traits>

#include <heliograd/base/config.hpp>

namespace heliograd::inline HELIOGRAD_ABI {

/// Asks Linux to back large host memory, not touched yet, by pages of 2 MiB: one fault where there would be 512, and few
/// misses of the address cache. Advice only; elsewhere, for device memory and for small blocks nothing is done.
template <class MemorySpace>
void advise_huge_pages(void* data, std::size_t bytes) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
  constexpr std::uintptr_t page = std::uintptr_t{1} << 21;
  if constexpr (std::is_same_v<MemorySpace, Kokkos::HostSpace>) {
    auto const first = reinterpret_cast<std::uintptr_t>(data);
    std::uintptr_t const begin = (first + page - 1) / page * page;
    std::uintptr_t const end = (first + bytes) / page * page;
    if (end > begin) static_cast<void>(::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE));
  }
#endif
  static_cast<void>(data);
  static_cast<void>(bytes);
}

}  // namespace heliograd::inline HELIOGRAD_ABI
