// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

#include <heliograd/kernel/padding.hpp>

namespace heliograd::inline HELIOGRAD_ABI::kernel::detail {

/// A rectangle of pixels as it lies in memory.
template <class T>
struct PixelBlock {
  T const* data;
  std::int64_t line, pixel;  ///< from row to row, from pixel to pixel
  bool in_place;
};

/// One image [height, width, channels], and what stands outside it.
template <class T>
struct PaddedImage {
  T const* data;
  int height, width, channels;
  PaddingMode mode;
  int pixel = channels;  ///< from one pixel to the next; more than `channels` where only some are wanted

  /// Copies the rectangle of `rows` x `columns` pixels that starts at (top, left), which may be negative, into consecutive
  /// memory, so that the loops over it need not look for borders.
  void copy_rectangle(int top, int left, int rows, int columns, T* to) const {
    std::int64_t const row_size = static_cast<std::int64_t>(columns) * channels;
    for (int r = 0; r < rows; ++r, to += row_size) {
      int const source = padded_source(top + r, height, mode);
      if (source < 0 || source >= height)
        std::memset(to, 0, static_cast<std::size_t>(row_size) * sizeof(T));
      else
        copy_row(data + static_cast<std::int64_t>(source) * width * pixel, left, columns, to);
    }
  }

  /// That rectangle where it stands in the image, or, where it reaches out of it, copied to `scratch` in lines of
  /// `line_columns` pixels.
  PixelBlock<T> rectangle(int top, int left, int rows, int columns, int line_columns, T* scratch) const {
    std::int64_t const line = static_cast<std::int64_t>(width) * pixel;
    if (top >= 0 && left >= 0 && top + rows <= height && left + columns <= width)
      return {data + top * line + static_cast<std::int64_t>(left) * pixel, line, pixel, true};
    copy_rectangle(top, left, rows, line_columns, scratch);
    return {scratch, static_cast<std::int64_t>(line_columns) * channels, channels, false};
  }

  /// Copies as well, but makes `fold` x `fold` pixels one, with their channels one after the other: `rows` x `columns` such
  /// pixels are copied.
  void copy_folded(int top, int left, int rows, int columns, int fold, T* to) const {
    if (fold == 1) return copy_rectangle(top, left, rows, columns, to);
    std::int64_t const folded_pixel = static_cast<std::int64_t>(fold) * fold * channels;
    for (int r = 0; r < rows * fold; ++r) {
      int const source = padded_source(top + r, height, mode);
      bool const inside = source >= 0 && source < height;
      T const* const row = data + static_cast<std::int64_t>(inside ? source : 0) * width * pixel;
      T* const line = to + r / fold * columns * folded_pixel + static_cast<std::int64_t>(r % fold) * fold * channels;
      for (int c = 0; c < columns; ++c) {
        T* const folded = line + c * folded_pixel;
        for (int b = 0; b < fold; ++b)
          if (inside)
            copy_pixel(row, left + c * fold + b, folded + static_cast<std::int64_t>(b) * channels);
          else
            std::memset(folded + static_cast<std::int64_t>(b) * channels, 0,
                        static_cast<std::size_t>(channels) * sizeof(T));
      }
    }
  }

 private:
  void copy_row(T const* row, int left, int columns, T* to) const {
    int const inside_begin = std::min(std::max(0, -left), columns);
    int const inside_end = std::max(inside_begin, std::min(columns, width - left));
    for (int c = 0; c < inside_begin; ++c) copy_pixel(row, left + c, to + static_cast<std::int64_t>(c) * channels);
    if (pixel == channels)
      std::memcpy(to + static_cast<std::int64_t>(inside_begin) * channels,
                  row + static_cast<std::int64_t>(left + inside_begin) * channels,
                  static_cast<std::size_t>(inside_end - inside_begin) * static_cast<std::size_t>(channels) * sizeof(T));
    else
      for (int c = inside_begin; c < inside_end; ++c)
        copy_pixel(row, left + c, to + static_cast<std::int64_t>(c) * channels);
    for (int c = inside_end; c < columns; ++c) copy_pixel(row, left + c, to + static_cast<std::int64_t>(c) * channels);
  }

  void copy_pixel(T const* row, int position, T* to) const {
    int const source = padded_source(position, width, mode);
    if (source < 0 || source >= width)
      std::memset(to, 0, static_cast<std::size_t>(channels) * sizeof(T));
    else
      std::memcpy(to, row + static_cast<std::int64_t>(source) * pixel, static_cast<std::size_t>(channels) * sizeof(T));
  }
};

}  // namespace heliograd::inline HELIOGRAD_ABI::kernel::detail
