// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <catch2/catch_test_macros.hpp>
#include <cstdint>
#include <vector>

#include <heliograd/core/workspace.hpp>
#include "spaces.hpp"

namespace hg = heliograd;
using Space = test::ExecutionSpace::memory_space;

TEST_CASE("blocks are aligned and do not overlap", "[core]") {
  hg::Arena<Space> arena;
  auto const* const a = static_cast<char*>(arena.take(1));
  auto const* const b = static_cast<char*>(arena.take(1000));
  auto const* const c = static_cast<char*>(arena.take(100));
  CHECK(reinterpret_cast<std::uintptr_t>(a) % hg::Arena<Space>::alignment == 0);
  CHECK(b - a == 256);
  CHECK(c - b == 1024);
}

TEST_CASE("after a rewind slabs are one, and from then on addresses repeat", "[core]") {
  hg::Arena<Space> arena;
  std::size_t const big = 3 * hg::Arena<Space>::smallest_slab / 4;
  std::size_t const sizes[] = {big, big, 10 * big, big};
  for (std::size_t const bytes : sizes) arena.take(bytes);
  arena.rewind();
  std::vector<char*> first;
  for (std::size_t const bytes : sizes) first.push_back(static_cast<char*>(arena.take(bytes)));
  for (std::size_t k = 0; k < 3; ++k) CHECK(first[k + 1] == first[k] + sizes[k]);
  auto const reserved = arena.reserved_bytes();
  arena.rewind();
  for (std::size_t k = 0; k < 4; ++k) CHECK(arena.take(sizes[k]) == first[k]);
  CHECK(arena.reserved_bytes() == reserved);
  CHECK(arena.peak_bytes() == 13 * big);
}

TEST_CASE("scratch scopes nest", "[core]") {
  hg::Workspace<test::FloatBackend> ws;
  auto outer = ws.scope();
  outer.take<float>(10);
  float* inner_block = nullptr;
  {
    auto inner = ws.scope();
    inner_block = inner.take<float>(10);
  }
  CHECK(outer.take<float>(10) == inner_block);
}
