// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstdint>
#include <utility>

#include <heliograd/core/simd.hpp>

/// \file
/// The innermost loops of every convolution and matrix product on the host: a tile of results that stays in registers
/// while the sum over k runs.
namespace heliograd::inline HELIOGRAD_ABI::kernel::detail {

/// A tile is `rows` x `vectors` accumulators; one register is left for each vector of b and one for a.
template <class T>
struct TileShape {
  static constexpr int vectors = 2;
  static constexpr int rows = (Simd<T>::registers - vectors - 1) / vectors;
  /// Columns of a tile: the width to which b is packed.
  static constexpr int columns = vectors * Simd<T>::size;
};

/// tile[i][j] += sum over k in [0, depth) of a[i * a_row + k * a_depth] * b[k * b_depth + j * Simd::size ...].
template <class T, int Rows, int Vectors>
[[gnu::always_inline]] inline void accumulate(Simd<T> (&tile)[Rows][Vectors], std::int64_t depth, T const* __restrict a,
                                              std::int64_t a_row, std::int64_t a_depth, T const* __restrict b,
                                              std::int64_t b_depth) {
#pragma GCC unroll 2
  for (std::int64_t k = 0; k < depth; ++k) {
    Simd<T> column[Vectors];
#pragma GCC unroll 4
    for (int j = 0; j < Vectors; ++j) column[j] = Simd<T>::load(b + k * b_depth + j * Simd<T>::size);
#pragma GCC unroll 16
    for (int i = 0; i < Rows; ++i) {
      Simd<T> const factor(a[i * a_row + k * a_depth]);
#pragma GCC unroll 4
      for (int j = 0; j < Vectors; ++j) tile[i][j] = fma(factor, column[j], tile[i][j]);
    }
  }
}

/// Calls task.template operator()<Rows>(first) for tiles that cover [0, count): as few as possible, of nearly equal size,
/// because a narrow tile at the end would leave most of the register file idle.
template <int MaxRows, class Task>
[[gnu::always_inline]] inline void for_each_tile(int count, Task const& task) {
  int const tiles = (count + MaxRows - 1) / MaxRows;
  for (int tile = 0, first = 0; tile < tiles; ++tile) {
    int const rows = (count - first) / (tiles - tile);
    [&]<int... Index>(std::integer_sequence<int, Index...>) {
      (void)((rows == Index + 1 && (task.template operator()<Index + 1>(first), true)) || ...);
    }(std::make_integer_sequence<int, MaxRows>{});
    first += rows;
  }
}

}  // namespace heliograd::inline HELIOGRAD_ABI::kernel::detail
