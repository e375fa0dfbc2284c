// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <cstddef>
#include <string>

#include <heliograd/base/error.hpp>

namespace heliograd::inline HELIOGRAD_ABI::metrics::detail {

/// An image cut into side x side tiles from its first pixel; what does not fill a tile at the far edges is left out.
struct Tiles {
  std::size_t width;
  std::size_t side;
  std::size_t across;
  std::size_t count;

  Tiles(char const* name, std::size_t image_height, std::size_t image_width, std::size_t tile_side)
      : width(image_width), side(tile_side) {
    expect(side > 0, std::string(name) + ": the side of a tile must be positive");
    across = image_width / side;
    count = across * (image_height / side);
  }

  /// The flat index of the first pixel in a tile's row.
  KOKKOS_FUNCTION std::size_t row_begin(std::size_t tile, std::size_t row) const {
    return (tile / across * side + row) * width + tile % across * side;
  }
};

}  // namespace heliograd::inline HELIOGRAD_ABI::metrics::detail
