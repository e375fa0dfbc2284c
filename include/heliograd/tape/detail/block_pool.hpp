// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <vector>

#include <heliograd/core/arena.hpp>

namespace heliograd::inline HELIOGRAD_ABI::detail {

/// Arena memory that is given back block by block. A request is served by the smallest free stretch that holds it, else from
/// the arena; neighbours that are free are one stretch. What is given back need not come from this arena. Since a step repeats
/// its requests, it repeats its addresses.
template <class MemorySpace>
class BlockPool {
 public:
  explicit BlockPool(bool dry = false, std::uintptr_t dry_base = Arena<MemorySpace>::alignment)
      : arena_(dry, dry_base) {}

  void* take(std::size_t bytes) {
    bytes = Arena<MemorySpace>::rounded(bytes);
    auto best = free_.end();
    for (auto it = free_.begin(); it != free_.end(); ++it)
      if (it->bytes >= bytes && (best == free_.end() || it->bytes < best->bytes)) best = it;
    if (best == free_.end()) return arena_.take_untouched(bytes);
    void* const data = best->data;
    best->data += bytes;
    best->bytes -= bytes;
    if (best->bytes == 0) free_.erase(best);
    return data;
  }

  void give_back(void* data, std::size_t bytes) {
    Stretch const freed{static_cast<std::byte*>(data), Arena<MemorySpace>::rounded(bytes)};
    auto const next = std::lower_bound(free_.begin(), free_.end(), freed,
                                       [](Stretch const& a, Stretch const& b) { return a.data < b.data; });
    bool const joins_next = next != free_.end() && freed.end() == next->data;
    bool const joins_last = next != free_.begin() && std::prev(next)->end() == freed.data;
    if (joins_last && joins_next) {
      std::prev(next)->bytes += freed.bytes + next->bytes;
      free_.erase(next);
    } else if (joins_last) {
      std::prev(next)->bytes += freed.bytes;
    } else if (joins_next) {
      *next = {freed.data, freed.bytes + next->bytes};
    } else {
      free_.insert(next, freed);
    }
  }

  /// A state to return to, in the reverse order.
  struct Mark {
    typename Arena<MemorySpace>::Mark arena;
    std::size_t stretches;  // that are remembered below it
  };
  Mark mark() {
    Mark const mark{arena_.mark(), remembered_.size()};
    remembered_.insert(remembered_.end(), free_.begin(), free_.end());
    return mark;
  }
  /// All that was taken since is free again, all that was given back since is not.
  void release(Mark const& mark) {
    auto const from = remembered_.begin() + static_cast<std::ptrdiff_t>(mark.stretches);
    free_.assign(from, remembered_.end());
    remembered_.erase(from, remembered_.end());
    arena_.release(mark.arena);
  }

  void rewind() {
    free_.clear();
    arena_.rewind();
  }

  /// The arena itself: what is taken from it directly is not given back by blocks.
  Arena<MemorySpace>& arena() { return arena_; }
  Arena<MemorySpace> const& arena() const { return arena_; }

 private:
  struct Stretch {
    std::byte* data;
    std::size_t bytes;
    std::byte* end() const { return data + bytes; }
  };

  Arena<MemorySpace> arena_;
  std::vector<Stretch> free_;  // by address
  std::vector<Stretch> remembered_;
};

}  // namespace heliograd::inline HELIOGRAD_ABI::detail
