// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <vector>

#include <heliograd/base/config.hpp>
#include <heliograd/core/huge_pages.hpp>

namespace heliograd::inline HELIOGRAD_ABI {

/// Bump allocation from slabs of one memory space.
///
/// What took several slabs gets one the next time, with room for all that was ever in use at one time. From then on the same
/// sequence of requests yields the same addresses and allocates nothing: a steady training step costs no allocation, and what
/// it enqueues could be captured and replayed. Blocks are aligned to 256 bytes. Objects placed here are never destroyed.
///
/// A dry arena counts what is taken and allocates next to nothing. There is no memory behind large blocks; small ones come from
/// a ring, because the fronts of host kernels write tables there.
template <class MemorySpace>
class Arena {
 public:
  static constexpr std::size_t alignment = 256;
  static constexpr std::size_t smallest_slab = std::size_t{1} << 22;

  /// A position to return to.
  struct Mark {
    std::size_t slab = 0;
    std::size_t used = 0;
  };

  /// \param dry_base where the addresses of a dry arena begin: those of two arenas must not be confused.
  explicit Arena(bool dry = false, std::uintptr_t dry_base = alignment) : dry_(dry), dry_base_(dry_base) {}
  Arena(Arena const&) = delete;
  Arena& operator=(Arena const&) = delete;

  /// What is taken for a request of so many bytes.
  static constexpr std::size_t rounded(std::size_t bytes) {
    return std::max(alignment, (bytes + alignment - 1) / alignment * alignment);
  }

  /// `bytes` of uninitialised memory, valid until a rewind or release past it.
  void* take(std::size_t bytes) {
    void* const block = take_untouched(bytes);
    return dry_ && rounded(bytes) <= smallest_slab / 4 ? in_ring(rounded(bytes)) : block;
  }

  /// The same where only kernels touch the memory: in a dry arena there is never any behind the address.
  void* take_untouched(std::size_t bytes) {
    bytes = rounded(bytes);
    while (current_ < slabs_.size() && slabs_[current_].used + bytes > slabs_[current_].bytes) ++current_;
    if (current_ == slabs_.size()) grow(bytes);
    Slab& slab = slabs_[current_];
    void* const block = slab.base + slab.used;
    slab.used += bytes;
    in_use_ += bytes;
    peak_ = std::max(peak_, in_use_);
    return block;
  }

  Mark mark() const { return {current_, current_ < slabs_.size() ? slabs_[current_].used : 0}; }

  /// Gives back everything taken since the mark.
  void release(Mark const& mark) {
    for (std::size_t i = mark.slab; i < slabs_.size(); ++i) slabs_[i].used = i == mark.slab ? mark.used : 0;
    current_ = mark.slab;
    in_use_ = 0;
    for (Slab const& slab : slabs_) in_use_ += slab.used;
    if (in_use_ == 0 && slabs_.size() > 1) join_slabs();
  }

  /// Gives back everything; keeps the memory, unless it lies in pieces.
  void rewind() { release({}); }

  bool dry() const { return dry_; }

  /// Whether an address is one of this arena's.
  bool holds(void const* data) const {
    auto const at = reinterpret_cast<std::uintptr_t>(data);
    return std::any_of(slabs_.begin(), slabs_.end(), [at](Slab const& slab) {
      auto const base = reinterpret_cast<std::uintptr_t>(slab.base);
      return at >= base && at - base < slab.bytes;
    });
  }

  /// Bytes allocated from the system.
  std::size_t reserved_bytes() const {
    if (dry_) return ring_.size();
    std::size_t bytes = 0;
    for (Slab const& slab : slabs_) bytes += slab.bytes;
    return bytes;
  }

  /// The most bytes that were in use at one time.
  std::size_t peak_bytes() const { return peak_; }

 private:
  struct Slab {
    Kokkos::View<std::byte*, MemorySpace> memory;
    std::byte* base = nullptr;  // the first aligned byte
    std::size_t bytes = 0;      // from there on
    std::size_t used = 0;
  };

  /// Keeps one slab at most, on which all would have found room.
  void join_slabs() {
    Slab const largest =
        *std::max_element(slabs_.begin(), slabs_.end(), [](Slab const& a, Slab const& b) { return a.bytes < b.bytes; });
    slabs_.clear();
    if (largest.bytes >= peak_) slabs_.push_back(largest);
  }

  void* in_ring(std::size_t bytes) {
    if (ring_.size() == 0)
      ring_ = Kokkos::View<std::byte*, MemorySpace>(Kokkos::view_alloc(Kokkos::WithoutInitializing, "heliograd::arena"),
                                                    smallest_slab + alignment);
    if (ring_used_ + bytes > smallest_slab) ring_used_ = 0;
    std::byte* const base = ring_.data();
    void* const block =
        base + (alignment - reinterpret_cast<std::uintptr_t>(base) % alignment) % alignment + ring_used_;
    ring_used_ += bytes;
    return block;
  }

  void grow(std::size_t bytes) {
    if (dry_) {  // one slab that is never full
      slabs_.push_back({{}, reinterpret_cast<std::byte*>(dry_base_), std::numeric_limits<std::size_t>::max() / 8, 0});
      return;
    }
    // A host gives pages when they are touched: there a generous slab costs nothing, and spares the holes between slabs.
    constexpr bool lazy = std::is_same_v<MemorySpace, Kokkos::HostSpace>;
    std::size_t const known = std::max(smallest_slab, peak_);
    std::size_t const more = lazy ? std::max({16 * smallest_slab, 2 * bytes, 2 * reserved_bytes()})
                                  : std::max({smallest_slab, bytes, reserved_bytes() / 2});
    std::size_t const wanted = slabs_.empty() && bytes <= known ? known : more;
    Slab slab;
    slab.memory = Kokkos::View<std::byte*, MemorySpace>(
        Kokkos::view_alloc(Kokkos::WithoutInitializing, "heliograd::arena"), wanted + alignment);
    slab.base = slab.memory.data();
    advise_huge_pages<MemorySpace>(slab.base, wanted + alignment);
    slab.base += (alignment - reinterpret_cast<std::uintptr_t>(slab.base) % alignment) % alignment;
    slab.bytes = wanted;
    slabs_.push_back(slab);
  }

  bool dry_;
  std::uintptr_t dry_base_;
  Kokkos::View<std::byte*, MemorySpace> ring_;  // of a dry arena
  std::size_t ring_used_ = 0;
  std::vector<Slab> slabs_;
  std::size_t current_ = 0;
  std::size_t in_use_ = 0;
  std::size_t peak_ = 0;
};

}  // namespace heliograd::inline HELIOGRAD_ABI
