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

/// The bytes [first, last) of a block.
struct ByteRange {
  std::size_t first = 0;
  std::size_t last = 0;
};

/// The whole pages of a host block that is large enough to give some of them back; none elsewhere.
template <class MemorySpace>
ByteRange pages_to_give_back(void const* data, std::size_t bytes) {
  constexpr std::size_t page = std::size_t{1} << 21;
  constexpr std::size_t least = 2 * page;
  ByteRange range;
#if defined(__linux__)
  if (std::is_same_v<MemorySpace, Kokkos::HostSpace> && bytes >= least) {
    auto const begin = reinterpret_cast<std::uintptr_t>(data);
    range = {(begin + page - 1) / page * page - begin, (begin + bytes) / page * page - begin};
  }
#endif
  static_cast<void>(data);
  return range;
}

/// Makes zeros of those pages that take no memory until they are written to. Nothing may be at work on them. Returns what it
/// did; the rest of the block is as it was.
template <class MemorySpace>
ByteRange give_back_pages(void* data, std::size_t bytes) {
  ByteRange const range = pages_to_give_back<MemorySpace>(data, bytes);
#if defined(__linux__)
  if (range.last > range.first &&
      ::madvise(static_cast<std::byte*>(data) + range.first, range.last - range.first, MADV_DONTNEED) == 0)
    return range;
#endif
  return {};
}

}  // namespace heliograd::inline HELIOGRAD_ABI
