// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include <heliograd/core/arena.hpp>

namespace heliograd::inline HELIOGRAD_ABI::detail {

/// Arena memory that can be given back block by block. A request is served by the block of exactly that size given back
/// last, else from the arena; since a step repeats its sizes, gradients of a deep network share a few blocks.
template <class MemorySpace>
class BlockPool {
 public:
  explicit BlockPool(bool dry = false) : arena_(dry) {}

  void* take(std::size_t bytes) {
    auto const found = std::find_if(free_.rbegin(), free_.rend(), [&](Block const& b) { return b.bytes == bytes; });
    if (found == free_.rend()) return arena_.take(bytes);
    void* const data = found->data;
    free_.erase(std::next(found).base());
    return data;
  }

  void give_back(void* data, std::size_t bytes) { free_.push_back({data, bytes}); }

  void rewind() {
    free_.clear();
    arena_.rewind();
  }

  Arena<MemorySpace> const& arena() const { return arena_; }

 private:
  struct Block {
    void* data;
    std::size_t bytes;
  };

  Arena<MemorySpace> arena_;
  std::vector<Block> free_;
};

}  // namespace heliograd::inline HELIOGRAD_ABI::detail
