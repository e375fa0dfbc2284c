// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>
#include <vector>

#include <heliograd/base/config.hpp>

namespace heliograd::inline HELIOGRAD_ABI::detail {

/// Bump allocation of plain host objects: the closures and gradient slots of a tape. Nothing placed here is destroyed, and
/// nothing is moved (a Kokkos::View may not be relocated bytewise under every compiler).
class HostArena {
 public:
  template <class T, class... Arguments>
  T* make(Arguments&&... arguments) {
    static_assert(std::is_trivially_destructible_v<T>, "heliograd: host arena objects are never destroyed");
    return ::new (take(sizeof(T), alignof(T))) T{std::forward<Arguments>(arguments)...};
  }

  void rewind() {
    block_ = 0;
    used_ = 0;
  }

 private:
  static constexpr std::size_t block_bytes = std::size_t{1} << 16;

  struct Block {
    std::unique_ptr<std::byte[]> memory;
    std::size_t bytes;
  };

  void* take(std::size_t bytes, std::size_t alignment) {
    for (;; ++block_, used_ = 0) {
      if (block_ == blocks_.size()) {
        std::size_t const wanted = std::max(block_bytes, bytes + alignment);
        blocks_.push_back({std::make_unique_for_overwrite<std::byte[]>(wanted), wanted});
      }
      Block& block = blocks_[block_];
      void* position = block.memory.get() + used_;
      std::size_t space = block.bytes - used_;
      if (std::align(alignment, bytes, position, space)) {
        used_ = block.bytes - space + bytes;
        return position;
      }
    }
  }

  std::vector<Block> blocks_;
  std::size_t block_ = 0;
  std::size_t used_ = 0;
};

}  // namespace heliograd::inline HELIOGRAD_ABI::detail
