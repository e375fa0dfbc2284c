// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cstdint>

#include <heliograd/core/simd.hpp>

/// \file
/// Rows of results of a convolution with few channels on one side. Few terms and many results: a pixel's results are written
/// at once, from terms that are taken one by one. Many terms and few results: lanes run over the terms, sums of products of
/// vectors. Filters stay as they are but for the order.
namespace heliograd::inline HELIOGRAD_ABI::kernel::detail {

/// Vectors that cover `channels`, at least a vector's. The last ends with the channels, so it may share lanes with the one
/// before it.
template <class T>
struct CoveringVectors {
  int channels;

  int count() const { return (channels + Simd<T>::size - 1) / Simd<T>::size; }
  int first(int vector) const { return std::min(vector * Simd<T>::size, channels - Simd<T>::size); }
  /// How many vectors a channel is in.
  int holders(int channel) const {
    bool const in_last = channel >= first(count() - 1);
    return channel < (count() - 1) * Simd<T>::size && in_last ? 2 : 1;
  }
};

/// A bank of filters for rows: where its taps stand in memory, and what they see. The taps are down x across, each with
/// `terms` channels of pixels for `results` channels of the result.
template <class T>
struct ThinBank {
  int down, across, terms, results;
  int reach;        ///< from pixel to pixel of a row of results, in taps; 0 where that is no whole number
  T const* weight;  ///< of the first tap, the first term and the first result
  std::int64_t row, column, term, result;
  /// Where pixels were copied, and where they are read in place: how far apart taps are down and across the image.
  struct Layout {
    std::int64_t line, pixel;
  } layouts[2];
  T* packed;
  std::int64_t* offsets[2];  ///< of what a sum reads, in either layout

  bool dots() const { return results < terms; }
  /// Taps side by side that are summed up at once, because a pixel of one is the next pixel of the other.
  int joined() const { return !dots() || reach != 1 ? 1 : across % 3 == 0 ? 3 : across % 2 == 0 ? 2 : 1; }
  /// Steps of a sum: a vector of terms of all joined taps, or a term.
  int steps_per_tap() const { return dots() ? CoveringVectors<T>{terms}.count() : terms; }
  int steps() const { return down * (across / joined()) * steps_per_tap(); }
  std::int64_t packed_size() const {
    return static_cast<std::int64_t>(steps()) * joined() * results * (dots() ? Simd<T>::size : 1);
  }

  void set_offsets() const {
    for (int in_place : {0, 1}) {
      std::int64_t* to = offsets[in_place];
      for (int i = 0; i < down; ++i)
        for (int j = 0; j < across; j += joined())
          for (int step = 0; step < steps_per_tap(); ++step)
            *to++ = i * layouts[in_place].line + j * layouts[in_place].pixel +
                    (dots() ? CoveringVectors<T>{terms}.first(step) : step);
    }
  }

  /// Dots: [result, step, joined tap, lane], and where two vectors share a channel each has half of its weight. Else [step, result].
  void pack() const {
    T* to = packed;
    if (!dots()) {
      for (int tap = 0; tap < down * across; ++tap)
        for (int t = 0; t < terms; ++t)
          for (int r = 0; r < results; ++r) *to++ = at(tap)[t * term + r * result];
      return;
    }
    CoveringVectors<T> const vectors{terms};
    for (int r = 0; r < results; ++r)
      for (int tap = 0; tap < down * across; tap += joined())
        for (int v = 0; v < vectors.count(); ++v)
          for (int side = 0; side < joined(); ++side)
            for (int lane = 0; lane < Simd<T>::size; ++lane) {
              int const t = vectors.first(v) + lane;
              *to++ = at(tap + side)[t * term + r * result] * (vectors.holders(t) == 2 ? T(0.5) : T(1));
            }
  }

 private:
  T const* at(int tap) const { return weight + tap / across * row + tap % across * column; }
};

template <class T>
struct PackThin {
  ThinBank<T> const* banks;
  void operator()(int, std::int64_t bank) const {
    banks[bank].set_offsets();
    banks[bank].pack();
  }
};

/// out[i * out_pixel + r] = start[r] + the sum over steps of pixels[i * pixel + offset of the step] * filter of the step.
template <class T>
struct ThinRow {
  std::int64_t const* offsets;
  int steps;
  T const* pixels;
  std::int64_t pixel;
  T const* filter;
  T const* start;
  T* out;
  std::int64_t out_pixel;
  int results;
};

/// Few terms: `Pixels` pixels x `Vectors` vectors of results from `result` on.
template <class T, int Pixels, int Vectors>
[[gnu::noinline]] void spread_tile(ThinRow<T> const& row, int first, int result) {
  using V = Simd<T>;
  std::int64_t const pixel = row.pixel;
  std::int64_t const out_pixel = row.out_pixel;
  int const results = row.results;
  T const* const pixels = row.pixels + first * pixel;
  T const* filter = row.filter + result;
  V sum[Pixels][Vectors];
#pragma GCC unroll 16
  for (int i = 0; i < Pixels; ++i)
#pragma GCC unroll 4
    for (int j = 0; j < Vectors; ++j) sum[i][j] = V::load(row.start + result + j * V::size);
  for (std::int64_t const *offset = row.offsets, *const end = offset + row.steps; offset < end;
       ++offset, filter += results) {
    V weight[Vectors];
#pragma GCC unroll 4
    for (int j = 0; j < Vectors; ++j) weight[j] = V::load(filter + j * V::size);
#pragma GCC unroll 16
    for (int i = 0; i < Pixels; ++i) {
      V const value(pixels[i * pixel + *offset]);
#pragma GCC unroll 4
      for (int j = 0; j < Vectors; ++j) sum[i][j] = fma(value, weight[j], sum[i][j]);
    }
  }
  T* const out = row.out + first * out_pixel + result;
#pragma GCC unroll 16
  for (int i = 0; i < Pixels; ++i)
#pragma GCC unroll 4
    for (int j = 0; j < Vectors; ++j) sum[i][j].store(out + i * out_pixel + j * V::size);
}

/// Many terms: `Pixels` pixels x `Results` results. A vector of pixels is multiplied with all `Joined` taps that see it.
template <class T, int Pixels, int Results, int Joined>
[[gnu::noinline]] void dot_tile(ThinRow<T> const& row, int first, int result) {
  using V = Simd<T>;
  std::int64_t const pixel = row.pixel;
  std::int64_t const bank = static_cast<std::int64_t>(row.steps) * Joined * V::size;
  T const* const pixels = row.pixels + first * pixel;
  T const* filter = row.filter + result * bank;
  V total[Pixels][Results];
#pragma GCC unroll 16
  for (int i = 0; i < Pixels; ++i)
#pragma GCC unroll 4
    for (int r = 0; r < Results; ++r) total[i][r] = V(T(0));
  for (std::int64_t const *offset = row.offsets, *const end = offset + row.steps; offset < end;
       ++offset, filter += Joined * V::size) {
    V weight[Results][Joined];
#pragma GCC unroll 4
    for (int r = 0; r < Results; ++r)
#pragma GCC unroll 4
      for (int tap = 0; tap < Joined; ++tap) weight[r][tap] = V::load(filter + r * bank + tap * V::size);
#pragma GCC unroll 16
    for (int place = 0; place < Pixels + Joined - 1; ++place) {
      V const value = V::load(pixels + place * pixel + *offset);
#pragma GCC unroll 4
      for (int tap = 0; tap < Joined; ++tap)
        if (int const i = place - tap; i >= 0 && i < Pixels) {
#pragma GCC unroll 4
          for (int r = 0; r < Results; ++r) total[i][r] = fma(value, weight[r][tap], total[i][r]);
        }
    }
  }
  for (int i = 0; i < Pixels; ++i)
    for (int r = 0; r < Results; ++r)
      row.out[(first + i) * row.out_pixel + result + r] = row.start[result + r] + sum(total[i][r]);
}

/// Calls task.template operator()<Pixels>(first) for tiles that cover [0, count). The last one may cover pixels again, which
/// get the same results.
template <int Pixels, class Task>
[[gnu::always_inline]] inline void for_each_covering_tile(int count, Task const& task) {
  if (count < Pixels)
    for (int i = 0; i < count; ++i) task.template operator()<1>(i);
  else
    for (int i = 0; i < count; i += Pixels) task.template operator()<Pixels>(std::min(i, count - Pixels));
}

/// All results of a row of `count` pixels.
template <class T>
void thin_row(ThinRow<T> const& row, bool dots, int joined, int count) {
  using V = Simd<T>;
  constexpr int wide = V::registers / 8;
  if (!dots)
    for_each_covering_tile<(V::registers - wide - 1) / wide>(count, [&]<int Pixels>(int first) {
      int result = 0;
      for (; result + wide * V::size <= row.results; result += wide * V::size)
        spread_tile<T, Pixels, wide>(row, first, result);
      for (; result < row.results; result += V::size)
        spread_tile<T, Pixels, 1>(row, first, std::min(result, row.results - V::size));
    });
  else
    for_each_covering_tile<8>(count, [&]<int Pixels>(int first) {
      auto const tiles = [&]<int Joined>() {
        constexpr int most = V::registers / 16;
        int result = 0;
        for (; result + most <= row.results; result += most) dot_tile<T, Pixels, most, Joined>(row, first, result);
        for (; result < row.results; ++result) dot_tile<T, Pixels, 1, Joined>(row, first, result);
      };
      if (joined == 3)
        tiles.template operator()<3>();
      else if (joined == 2)
        tiles.template operator()<2>();
      else
        tiles.template operator()<1>();
    });
}

}  // namespace heliograd::inline HELIOGRAD_ABI::kernel::detail
