// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cstdint>

#include <heliograd/base/config.hpp>

namespace heliograd::inline HELIOGRAD_ABI::kernel::detail {

/// A rectangle of one image.
struct Block {
  int image;
  int top, left, rows, columns;
};

/// Images cut into rectangles of nearly equal size, numbered from 0.
struct BlockGrid {
  int images, height, width;
  int down, across;  ///< rectangles per image

  /// Rectangles of about `pixels` pixels and at most `widest` columns.
  static BlockGrid about(int images, int height, int width, int pixels, int widest) {
    int const across = std::max(1, (width + widest - 1) / widest);
    int const columns = std::max(1, (width + across - 1) / across);
    int const rows = std::max(1, pixels / columns);
    return {images, height, width, std::max(1, (height + rows - 1) / rows), across};
  }

  std::int64_t count() const { return static_cast<std::int64_t>(images) * down * across; }
  int most_rows() const { return (height + down - 1) / down; }
  int most_columns() const { return (width + across - 1) / across; }

  Block operator[](std::int64_t index) const {
    int const column = static_cast<int>(index % across);
    int const row = static_cast<int>(index / across % down);
    int const top = cut(height, row, down);
    int const left = cut(width, column, across);
    return {static_cast<int>(index / across / down), top, left, cut(height, row + 1, down) - top,
            cut(width, column + 1, across) - left};
  }

 private:
  static int cut(int extent, int piece, int pieces) {
    return static_cast<int>(static_cast<std::int64_t>(extent) * piece / pieces);
  }
};

}  // namespace heliograd::inline HELIOGRAD_ABI::kernel::detail
