// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include <heliograd/base/error.hpp>
#include <heliograd/kernel/launch.hpp>

/// \file
/// Large images in tiles. Each tile is computed from a piece that reaches `halo` pixels further than what is kept of it. If
/// the halo is at least as wide as the network's view, what is kept is exactly what the whole image would have given: on
/// inner sides the network's padding is cut off with the halo, and on the image's own border there is no halo, so that the
/// padding there is the one the whole image gets.
namespace heliograd::inline HELIOGRAD_ABI::data {

struct Rect {
  std::size_t y = 0;
  std::size_t x = 0;
  std::size_t height = 0;
  std::size_t width = 0;
  bool operator==(Rect const&) const = default;
};

struct Tile {
  Rect read;  ///< what the network is given
  Rect keep;  ///< what is kept of its result; inside `read`. Both in pixels of the input image.
};

struct TileOptions {
  std::size_t tile = 128;  ///< largest side of what is kept, a multiple of `align`
  std::size_t halo = 8;    ///< how far the network looks
  std::size_t align = 1;   ///< pieces begin at multiples of this: the total stride of the network
};

/// How an image is cut into tiles: rows of tiles from top to bottom, nearly equal in size, covering every pixel once.
class TilePlan {
 public:
  TilePlan(std::size_t height, std::size_t width, TileOptions const& options)
      : rows_(cuts(height, options)), columns_(cuts(width, options)) {
    std::size_t const halo = (options.halo + options.align - 1) / options.align * options.align;
    auto const span = [&](std::vector<std::size_t> const& at, std::size_t k) {
      std::size_t const begin = at[k] > halo ? at[k] - halo : 0;
      return std::pair{begin, std::min(at[k + 1] + halo, at.back()) - begin};
    };
    for (std::size_t i = 0; i < rows(); ++i)
      for (std::size_t j = 0; j < columns(); ++j) {
        auto const [y, read_height] = span(rows_, i);
        auto const [x, read_width] = span(columns_, j);
        tiles_.push_back({{y, x, read_height, read_width},
                          {rows_[i], columns_[j], rows_[i + 1] - rows_[i], columns_[j + 1] - columns_[j]}});
      }
  }

  std::size_t rows() const { return rows_.size() - 1; }
  std::size_t columns() const { return columns_.size() - 1; }
  /// Row by row: tile (i, j) is number i * columns() + j.
  std::vector<Tile> const& tiles() const& { return tiles_; }
  std::vector<Tile> tiles() && { return std::move(tiles_); }

 private:
  /// Where one axis is cut, ends included: the blocks of `align` pixels are dealt out as evenly as they can be.
  static std::vector<std::size_t> cuts(std::size_t extent, TileOptions const& options) {
    expect(options.align > 0 && options.tile > 0 && options.tile % options.align == 0,
           "TilePlan: the tile (found " + std::to_string(options.tile) +
               ") must be a positive multiple of align (found " + std::to_string(options.align) + ")");
    expect_shape(extent > 0, "TilePlan: the image has no pixels");
    std::size_t const blocks = (extent + options.align - 1) / options.align;
    std::size_t const most = options.tile / options.align;
    std::size_t const count = (blocks + most - 1) / most;
    std::vector<std::size_t> at;
    for (std::size_t k = 0; k < count; ++k) at.push_back(blocks * k / count * options.align);
    at.push_back(extent);
    return at;
  }

  std::vector<std::size_t> rows_, columns_;
  std::vector<Tile> tiles_;
};

namespace detail {

/// to[n, to_y + y, to_x + x, :] = from[n, from_y + y, from_x + x, :]: one row of pixels per work item on the host, one
/// number elsewhere.
template <class T, bool OnHost>
struct CopyRect {
  T const* from;
  T* to;
  std::size_t from_height, from_width, from_y, from_x;
  std::size_t to_height, to_width, to_y, to_x;
  std::size_t height, width, channels;

  KOKKOS_FUNCTION void operator()(std::size_t item) const {
    std::size_t const length = width * channels;
    std::size_t const row = OnHost ? item : item / length;
    std::size_t const n = row / height;
    std::size_t const y = row % height;
    T const* const source = from + ((n * from_height + y + from_y) * from_width + from_x) * channels;
    T* const target = to + ((n * to_height + y + to_y) * to_width + to_x) * channels;
    if constexpr (OnHost) {
      HELIOGRAD_INDEPENDENT_LOOP
      for (std::size_t i = 0; i < length; ++i) target[i] = source[i];
    } else {
      target[item % length] = source[item % length];
    }
  }
};

template <class B>
void copy_rect(Workspace<B>& ws, std::string const& name, ConstTensorRef<4, B> const& from, std::size_t from_y,
               std::size_t from_x, TensorRef<4, B> const& to, std::size_t to_y, std::size_t to_x, std::size_t height,
               std::size_t width) {
  using T = typename B::scalar_type;
  std::size_t const channels = from.extent(3);
  expect_shape(from.extent(0) == to.extent(0) && channels == to.extent(3) && from_y + height <= from.extent(1) &&
                   from_x + width <= from.extent(2) && to_y + height <= to.extent(1) && to_x + width <= to.extent(2),
               name + ": a rectangle of " + std::to_string(height) + " x " + std::to_string(width) +
                   " pixels does not lie in both " + to_string(shape_of(from)) + " and " + to_string(shape_of(to)));
  std::size_t const rows = from.extent(0) * height;
  kernel::for_each_item(ws, ("heliograd::" + name).c_str(), B::on_host ? rows : rows * width * channels,
                        CopyRect<T, B::on_host>{from.data(), to.data(), from.extent(1), from.extent(2), from_y, from_x,
                                                to.extent(1), to.extent(2), to_y, to_x, height, width, channels});
}

}  // namespace detail

/// Copies what a tile reads of an image [n, h, w, c] to `patch` [n, tile.read.height, tile.read.width, c].
template <class B>
void cut_tile(Workspace<B>& ws, ConstTensorRef<4, B> const& image, Tile const& tile, TensorRef<4, B> const& patch) {
  detail::copy_rect<B>(ws, "cut_tile", image, tile.read.y, tile.read.x, patch, 0, 0, tile.read.height, tile.read.width);
}

/// Copies what is kept of a tile's result into the result for the whole image. Results have `factor` times as many pixels
/// along each side as the input.
template <class B>
void paste_tile(Workspace<B>& ws, ConstTensorRef<4, B> const& patch, Tile const& tile, std::size_t factor,
                TensorRef<4, B> const& image) {
  detail::copy_rect<B>(ws, "paste_tile", patch, (tile.keep.y - tile.read.y) * factor,
                       (tile.keep.x - tile.read.x) * factor, image, tile.keep.y * factor, tile.keep.x * factor,
                       tile.keep.height * factor, tile.keep.width * factor);
}

}  // namespace heliograd::inline HELIOGRAD_ABI::data
