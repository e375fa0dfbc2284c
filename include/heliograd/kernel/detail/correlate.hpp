// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cstdint>

#include <heliograd/kernel/detail/register_tile.hpp>

/// \file
/// Sums of products of pixels with packed filters: the host loop shared by convolution, its data gradient, and matrix products.
namespace heliograd::inline HELIOGRAD_ABI::kernel::detail {

/// The terms of one sum lie in memory as runs of consecutive numbers: with channels last, one filter row is one run.
struct Run {
  std::int64_t offset;  ///< from the first term of the first run
  int length;
  /// Sums are carried in pieces: a piece starts at zero and is then added to the total, so that rounding errors grow with
  /// the square root of the piece, not of the whole.
  bool ends_piece;
  bool ends_sum;
};

/// The longest piece.
inline constexpr int longest_piece = 256;

/// Where the terms of a sum lie: `down` x `across` pieces of memory of `length` consecutive terms, so far apart.
struct TermGrid {
  int down, across, length;
  std::int64_t row = 0;
  std::int64_t column = 0;

  /// The taps of a filter over pixels of `channels` numbers, `line` numbers to a row, `gap` pixels from tap to tap: with
  /// channels last and no gap, a whole filter row is one piece.
  static TermGrid taps(int down, int across, int channels, int gap, std::int64_t line) {
    if (gap == 1) return {down, 1, across * channels, line, 0};
    return {down, across, channels, gap * line, static_cast<std::int64_t>(gap) * channels};
  }

  int pieces() const { return down * across; }
  std::int64_t terms() const { return static_cast<std::int64_t>(pieces()) * length; }
  std::int64_t offset(int piece) const { return piece / across * row + piece % across * column; }
};

/// The runs of such a sum, in scratch memory.
template <class Scope>
Run const* make_runs(Scope& scope, TermGrid const& grid) {
  int const parts = (grid.length + longest_piece - 1) / longest_piece;
  int const pieces_per_sum = std::max(1, longest_piece / std::max(grid.length, 1));
  Run* const runs = scope.template take<Run>(static_cast<std::size_t>(grid.pieces()) * static_cast<std::size_t>(parts));
  Run* run = runs;
  for (int piece = 0; piece < grid.pieces(); ++piece)
    for (int part = 0, first = 0; part < parts; ++part) {
      int const terms = (grid.length - first) / (parts - part);
      bool const last = piece == grid.pieces() - 1 && part == parts - 1;
      bool const ends_piece = last || parts > 1 || (piece + 1) % pieces_per_sum == 0;
      *run++ = {grid.offset(piece) + first, terms, ends_piece, last};
      first += terms;
    }
  return runs;
}

/// Numbers in a line of the cache.
template <class T>
inline constexpr int line_numbers = 64 / static_cast<int>(sizeof(T));

/// Memory that will be read soon: rows of so many numbers. It is fetched little by little while something else is computed.
template <class T>
struct FetchAhead {
  T const* data = nullptr;
  std::int64_t row = 0;  ///< from row to row
  int rows = 0;
  int numbers = 0;

  /// What falls to the pixels [first, first + some) of `count`.
  FetchAhead share(std::int64_t first, int some, int count) const {
    std::int64_t const begin = rows * first / count;
    return {data + begin * row, row, static_cast<int>(rows * (first + some) / count - begin), numbers};
  }
  /// One of `parts` of what is left.
  void fetch(int parts) {
    if (rows == 0) return;
    for (int const end = rows - (rows + parts - 1) / parts; rows > end; --rows, data += row)
      for (int i = 0; i < numbers; i += line_numbers<T>) __builtin_prefetch(data + i, 0, 2);
  }
};

/// A row of results and what it is computed from. Result i, column j:
/// out[i * out_pixel + j] = start[i * start_pixel + j] + sum over terms t of pixels[i * pixel + term t] * filter[t][j].
template <class T>
struct CorrelateRow {
  Run const* runs;
  T const* pixels;
  std::int64_t pixel;
  T const* filter;  ///< packed: term after term, `vectors` vectors each
  T const* start;   ///< whole vectors: a bias (start_pixel 0), or the output itself to add to it; null: zeros
  std::int64_t start_pixel;
  T* out;
  std::int64_t out_pixel;
  int columns;                     ///< how many of the computed columns are written
  FetchAhead<T> next_filter = {};  ///< what is multiplied after this row, or what its filter is made of
  /// How much further on the row after this one has its pixels: they are fetched ahead as well. 0: nothing.
  std::int64_t next_pixels = 0;

  std::int64_t terms() const {
    std::int64_t total = 0;
    for (Run const* run = runs;; ++run) {
      total += run->length;
      if (run->ends_sum) return total;
    }
  }
};

template <class T, int Pixels, int Vectors>
[[gnu::noinline]] void correlate_tile(CorrelateRow<T> const& row, std::int64_t first, int count) {
  using V = Simd<T>;
  constexpr int width = Vectors * V::size;
  T const* const pixels = row.pixels + first * row.pixel;
  std::int64_t const pixel = row.pixel;
  T const* filter = row.filter;
  T const* start = row.start ? row.start + first * row.start_pixel : nullptr;
  std::int64_t start_pixel = row.start_pixel;
  // Of the next filter as much as this tile has of all pixels, a part of it with each line of pixels.
  FetchAhead<T> next_filter = row.next_filter.share(first, Pixels, count);
  bool const ahead = next_filter.rows > 0 || row.next_pixels != 0;
  int const step = ahead ? line_numbers<T> : longest_piece;
  int steps = next_filter.rows > 0 ? static_cast<int>((row.terms() + step - 1) / step) : 1;
  T total[Pixels][width];
  V piece[Pixels][Vectors];
  for (Run const* run = row.runs;; ++run) {
#pragma GCC unroll 16
    for (int i = 0; i < Pixels; ++i)
#pragma GCC unroll 4
      for (int j = 0; j < Vectors; ++j) piece[i][j] = V(T(0));
    for (;; ++run) {
      for (int term = 0; term < run->length; term += step) {
        int const terms = std::min(step, run->length - term);
        T const* const from = pixels + run->offset + term;
        if (ahead) {
          for (int i = 0; i < Pixels && row.next_pixels != 0; ++i)
            __builtin_prefetch(from + row.next_pixels + i * pixel);
          next_filter.fetch(steps);
          steps = std::max(steps - 1, 1);
        }
        accumulate<T, Pixels, Vectors>(piece, terms, from, pixel, 1, filter, width);
        filter += terms * width;
      }
      if (run->ends_piece) break;
    }
    if (start) {
#pragma GCC unroll 16
      for (int i = 0; i < Pixels; ++i)
#pragma GCC unroll 4
        for (int j = 0; j < Vectors; ++j) piece[i][j] += V::load(start + i * start_pixel + j * V::size);
    }
    if (run->ends_sum) break;
#pragma GCC unroll 16
    for (int i = 0; i < Pixels; ++i)
#pragma GCC unroll 4
      for (int j = 0; j < Vectors; ++j) piece[i][j].store(total[i] + j * V::size);
    start = total[0];
    start_pixel = width;
  }

  T* const out = row.out + first * row.out_pixel;
  if (row.columns == width) {
#pragma GCC unroll 16
    for (int i = 0; i < Pixels; ++i)
#pragma GCC unroll 4
      for (int j = 0; j < Vectors; ++j) piece[i][j].store(out + i * row.out_pixel + j * V::size);
  } else {
#pragma GCC unroll 16
    for (int i = 0; i < Pixels; ++i)
#pragma GCC unroll 4
      for (int j = 0; j < Vectors; ++j)
        piece[i][j].store(out + i * row.out_pixel + j * V::size, std::clamp(row.columns - j * V::size, 0, V::size));
  }
}

/// All results of a row of `count` pixels.
template <class T>
void correlate_row(CorrelateRow<T> const& row, int vectors, int count) {
  if (vectors == 1)
    for_each_tile<TileShape<T>::rows>(count,
                                      [&]<int Pixels>(int first) { correlate_tile<T, Pixels, 1>(row, first, count); });
  else
    for_each_tile<TileShape<T>::rows>(count,
                                      [&]<int Pixels>(int first) { correlate_tile<T, Pixels, 2>(row, first, count); });
}

/// A sum of outer products over a rectangle of pixels:
/// out[i * width + j] (+)= sum over lines, pixels of left[line, pixel][i] * right[line, pixel][j], width = whole vectors.
template <class T>
struct OuterProduct {
  int lines, pixels;
  T const* left;
  std::int64_t left_line, left_pixel;
  T const* right;  ///< packed: pixel after pixel
  T* out;
  bool add;
  std::int64_t next_left =
      0;  ///< what the next product reads of `left`, so much further on, is fetched meanwhile; 0: nothing
};

template <class T, int Rows, int Vectors>
[[gnu::noinline]] void outer_tile(OuterProduct<T> const& product, int first) {
  using V = Simd<T>;
  constexpr int width = Vectors * V::size;
  V tile[Rows][Vectors];
#pragma GCC unroll 16
  for (int i = 0; i < Rows; ++i)
#pragma GCC unroll 4
    for (int j = 0; j < Vectors; ++j) tile[i][j] = V(T(0));
  T* const out = product.out + static_cast<std::int64_t>(first) * width;
#pragma GCC unroll 16
  for (int i = 0; i < Rows; ++i)
#pragma GCC unroll 4
    for (int j = 0; j < Vectors; ++j) __builtin_prefetch(out + (i * Vectors + j) * V::size, 1);
  int const step = product.next_left != 0 ? 16 : product.pixels;
  for (int line = 0; line < product.lines; ++line) {
    T const* left = product.left + line * product.left_line + first;
    T const* right = product.right + static_cast<std::int64_t>(line) * product.pixels * width;
    for (int pixel = 0; pixel < product.pixels; pixel += step) {
      int const pixels = std::min(step, product.pixels - pixel);
      for (int i = 0; i < pixels && product.next_left != 0; ++i)
        __builtin_prefetch(left + product.next_left + i * product.left_pixel);
      accumulate<T, Rows, Vectors>(tile, pixels, left, 1, product.left_pixel, right, width);
      left += pixels * product.left_pixel;
      right += pixels * width;
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < Rows; ++i)
#pragma GCC unroll 4
    for (int j = 0; j < Vectors; ++j) {
      T* const place = out + (i * Vectors + j) * V::size;
      (product.add ? V::load(place) + tile[i][j] : tile[i][j]).store(place);
    }
}

/// All `rows` rows of out.
template <class T>
void outer_product(OuterProduct<T> const& product, int vectors, int rows) {
  if (vectors == 1)
    for_each_tile<TileShape<T>::rows>(rows, [&]<int Rows>(int first) { outer_tile<T, Rows, 1>(product, first); });
  else
    for_each_tile<TileShape<T>::rows>(rows, [&]<int Rows>(int first) { outer_tile<T, Rows, 2>(product, first); });
}

/// The sum of `count` vectors of `lanes` numbers that lie `step` apart. Four chains of additions hide each other's latency.
template <class T>
Simd<T> sum_of_vectors(T const* from, std::int64_t step, std::int64_t count, int lanes) {
  using V = Simd<T>;
  V chain[4] = {V(T(0)), V(T(0)), V(T(0)), V(T(0))};
  std::int64_t i = 0;
  if (lanes == V::size)
    for (; i + 4 <= count; i += 4)
#pragma GCC unroll 4
      for (int k = 0; k < 4; ++k) chain[k] += V::load(from + (i + k) * step);
  for (; i < count; ++i) chain[0] += V::load(from + i * step, lanes);
  return (chain[0] + chain[1]) + (chain[2] + chain[3]);
}

/// Output channels are computed in panels of two vectors; what remains at the end may need one only.
template <class T>
struct Panels {
  static constexpr int width = TileShape<T>::columns;

  int channels;

  int count() const { return (channels + width - 1) / width; }
  int first(int panel) const { return panel * width; }
  int columns(int panel) const { return std::min(width, channels - first(panel)); }
  int vectors(int panel) const { return columns(panel) > Simd<T>::size ? 2 : 1; }
  /// Where the packed filter of a panel starts when each term takes `terms` places.
  std::int64_t offset(int panel, std::int64_t terms) const { return static_cast<std::int64_t>(first(panel)) * terms; }
  /// Numbers in all packed panels.
  std::int64_t packed(std::int64_t terms) const { return static_cast<std::int64_t>(count()) * width * terms; }
};

}  // namespace heliograd::inline HELIOGRAD_ABI::kernel::detail
