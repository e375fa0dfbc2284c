// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cstdint>

#include <heliograd/core/sink.hpp>
#include <heliograd/core/workspace.hpp>
#include <heliograd/kernel/detail/conv2d_geometry.hpp>
#include <heliograd/kernel/detail/conv2d_host.hpp>
#include <heliograd/kernel/detail/correlate.hpp>
#include <heliograd/kernel/detail/delivery.hpp>
#include <heliograd/kernel/detail/host_blocks.hpp>

/// \file
/// Convolutions of small images with many channels, whose time is that of reading the filters. Each tap is a matrix product
/// with the filters as they lie in memory, read once from end to end; a pixel then adds up the products of its taps. Taps and
/// pixels that meet only zeros around the image are left out.
namespace heliograd::inline HELIOGRAD_ABI::kernel::detail {

/// The pixels of y whose window has a given tap inside the image: a rectangle.
struct TapWindow {
  int top, left, rows, columns;

  static TapWindow of(Conv2dGeometry const& g, int tap) {
    Range const down = inside(tap / g.filter_width * g.dilation - g.padding.top, g.stride, g.height, g.out_height);
    Range const across = inside(tap % g.filter_width * g.dilation - g.padding.left, g.stride, g.width, g.out_width);
    return {down.begin, across.begin, down.end - down.begin, across.end - across.begin};
  }
  int pixels() const { return rows * columns; }
  bool has(int row, int column) const {
    return row >= top && row < top + rows && column >= left && column < left + columns;
  }
  /// The place of a pixel among those of all images.
  int place(int image, int row, int column) const { return (image * rows + row - top) * columns + column - left; }

 private:
  struct Range {
    int begin, end;
  };
  /// The i in [0, count) for which stride i + offset is in [0, extent).
  static Range inside(int offset, int stride, int extent, int count) {
    int const begin = std::min(count, offset >= 0 ? 0 : (-offset + stride - 1) / stride);
    int const end = offset >= extent ? 0 : std::min(count, (extent - 1 - offset) / stride + 1);
    return {begin, std::max(begin, end)};
  }
};

/// The products of all taps: for each tap [pixel of its window][channels in whole panels].
template <class T>
struct TapProducts {
  Conv2dGeometry g;  ///< of the images that are computed at a time
  Panels<T> panels;  ///< of the channels of the result
  T* products;

  int taps() const { return g.filter_height * g.filter_width; }
  int width() const { return static_cast<int>(panels.packed(1)); }
  int pixels(int tap) const { return g.images * TapWindow::of(g, tap).pixels(); }
  std::int64_t size() const {
    return static_cast<std::int64_t>(taps()) * g.images * g.out_height * g.out_width * width();
  }
  /// out = beta out + the channels at `numbers`, which are there in whole vectors.
  static void add(T const* numbers, T* out, T beta, int channels) {
    for (int c = 0; c < channels; c += Simd<T>::size)
      deliver<T>(out + c, beta, Simd<T>::load(numbers + c), std::min(channels - c, Simd<T>::size));
  }
  T* row(int tap, int place) const {
    return products + (static_cast<std::int64_t>(tap) * g.images * g.out_height * g.out_width + place) * width();
  }
};

/// How many images are computed at a time: their products should stay in a cache.
inline int tap_images(Conv2dGeometry const& g) {
  return std::clamp(256 / std::max(1, g.out_height * g.out_width), 1, std::max(1, g.images));
}

// ---------------------------------------------------------------------------------------------------------------- forward

/// A tap of all pixels: copies of what they see, times the tap's filters [c_in][c_out].
template <class T>
struct TapForward {
  static constexpr int depth = 32;  ///< terms of a piece; so many rows of filters are read at a time
  TapProducts<T> out;
  T const* x;
  T const* weight;
  T* scratch;

  std::int64_t strip_size() const {
    return static_cast<std::int64_t>(out.g.images) * out.g.out_height * out.g.out_width * out.g.in_channels;
  }
  std::int64_t scratch_per_worker() const { return strip_size() + depth * Panels<T>::width; }

  void operator()(int worker, std::int64_t index) const {
    Conv2dGeometry const& g = out.g;
    int const tap = static_cast<int>(index);
    int const pixels = out.pixels(tap);
    if (pixels == 0) return;
    T* const strip = scratch + worker * scratch_per_worker();
    T* const tail = strip + strip_size();
    copy(tap, strip);
    std::int64_t const row = g.y_pixel();
    T const* const filter = weight + g.weight_index(tap / g.filter_width, tap % g.filter_width, 0, 0);
    for (int k = 0; k < g.in_channels; k += depth) {
      int const terms = std::min(depth, g.in_channels - k);
      T const* const block = filter + k * row;
      for (int panel = 0; panel < out.panels.count(); ++panel) {
        prefetch(block + depth * row, terms, panel);
        T const* b = block + out.panels.first(panel);
        std::int64_t b_row = row;
        int const columns = out.panels.columns(panel);
        if (columns < Panels<T>::width) {
          std::fill_n(tail, terms * Panels<T>::width, T(0));
          for (int t = 0; t < terms; ++t) std::copy_n(b + t * row, columns, tail + t * Panels<T>::width);
          b = tail;
          b_row = Panels<T>::width;
        }
        for_each_tile<TileShape<T>::rows>(pixels, [&]<int Pixels>(int first) {
          multiply<Pixels>(strip + static_cast<std::int64_t>(first) * g.in_channels + k, terms, b, b_row,
                           out.row(tap, first) + out.panels.first(panel), k > 0);
        });
      }
    }
  }

  void copy(int tap, T* to) const {
    Conv2dGeometry const& g = out.g;
    TapWindow const window = TapWindow::of(g, tap);
    int const down = tap / g.filter_width * g.dilation - g.padding.top;
    int const across = tap % g.filter_width * g.dilation - g.padding.left;
    for (int n = 0; n < g.images; ++n)
      for (int r = window.top; r < window.top + window.rows; ++r)
        for (int c = window.left; c < window.left + window.columns; ++c, to += g.in_channels)
          std::copy_n(x + g.x_index(n, r * g.stride + down, c * g.stride + across, 0), g.in_channels, to);
  }

  /// This panel's share of the rows that are read next, as they lie.
  void prefetch(T const* next, int terms, int panel) const {
    std::int64_t const all = terms * static_cast<std::int64_t>(out.g.y_pixel());
    std::int64_t const begin = all * panel / out.panels.count(), end = all * (panel + 1) / out.panels.count();
    for (std::int64_t i = begin; i < end; i += 64 / static_cast<int>(sizeof(T))) __builtin_prefetch(next + i, 0, 2);
  }

  template <int Pixels>
  void multiply(T const* a, int terms, T const* b, std::int64_t b_row, T* to, bool add) const {
    using V = Simd<T>;
    constexpr int vectors = TileShape<T>::vectors;
    V tile[Pixels][vectors];
    for (int i = 0; i < Pixels; ++i)
      for (int j = 0; j < vectors; ++j) tile[i][j] = V(T(0));
    accumulate<T, Pixels, vectors>(tile, terms, a, out.g.in_channels, 1, b, b_row);
    for (int i = 0; i < Pixels; ++i)
      for (int j = 0; j < vectors; ++j) {
        T* const place = to + static_cast<std::int64_t>(i) * out.width() + j * V::size;
        (add ? V::load(place) + tile[i][j] : tile[i][j]).store(place);
      }
  }
};

/// Delivers bias + the products of all taps, pixel by pixel.
template <class B, class T = typename B::scalar_type>
struct SumTapsForward {
  TapProducts<T> from;
  Delivery<T> y;
  int first_image;

  void operator()(int, std::int64_t pixel) const {
    Conv2dGeometry const& g = from.g;
    int const column = static_cast<int>(pixel % g.out_width);
    int const row = static_cast<int>(pixel / g.out_width % g.out_height);
    int const image = static_cast<int>(pixel / g.out_width / g.out_height);
    T* const out = y.out + g.y_index(first_image + image, row, column, 0);
    from.add(y.bias, out, y.beta, g.out_channels);
    for (int tap = 0; tap < from.taps(); ++tap) {
      TapWindow const window = TapWindow::of(g, tap);
      if (window.has(row, column)) from.add(from.row(tap, window.place(image, row, column)), out, T(1), g.out_channels);
    }
    y.finish(out, 0, 1, 0, g.out_channels);
  }
};

template <class B, class T = typename B::scalar_type>
void conv2d_taps(Workspace<B>& ws, Conv2dGeometry g, T const* x, T const* weight, Delivery<T> y) {
  auto scope = ws.scope();
  int const images = g.images;
  int const at_once = tap_images(g);
  y = in_panels(ws, scope, y, g.out_channels);
  for (int first = 0; first < images; first += at_once) {
    auto inner = ws.scope();
    g.images = std::min(at_once, images - first);
    TapProducts<T> products{g, {g.out_channels}, nullptr};
    products.products = inner.template take<T>(static_cast<std::size_t>(products.size()));
    TapForward<T> kernel{products, x + g.x_index(first, 0, 0, 0), weight, nullptr};
    kernel.scratch = inner.template take<T>(
        static_cast<std::size_t>(worker_count(ws, products.taps()) * kernel.scratch_per_worker()));
    for_each_block(ws, "heliograd::conv2d_taps", products.taps(), kernel);
    for_each_block(ws, "heliograd::conv2d_sum_taps", static_cast<std::int64_t>(g.images) * g.out_height * g.out_width,
                   SumTapsForward<B>{products, y, first});
  }
}

// ---------------------------------------------------------------------------------------------------------- data gradient

/// Some channels of a tap, at all pixels: dot products of the gradient's pixels with the tap's filters [c_in][c_out].
template <class T>
struct TapBackwardData {
  static constexpr int channels_per_item = 64;
  /// A tile of dot products, whose sums over the lanes are a vector.
  static constexpr int rows = Simd<T>::size >= 8 ? 4 : 2;
  static constexpr int columns = Simd<T>::size / rows;
  TapProducts<T> out;
  T const* gy;
  T const* weight;

  int parts() const { return (out.g.in_channels + channels_per_item - 1) / channels_per_item; }

  void operator()(int, std::int64_t index) const {
    Conv2dGeometry const& g = out.g;
    int const tap = static_cast<int>(index / parts());
    int const begin = static_cast<int>(index % parts()) * channels_per_item;
    int const end = std::min(begin + channels_per_item, g.in_channels);
    TapWindow const window = TapWindow::of(g, tap);
    int const pixels = g.images * window.pixels();
    if (pixels == 0) return;
    T const* const filter = weight + g.weight_index(tap / g.filter_width, tap % g.filter_width, 0, 0);
    for (int c = begin; c < end; c += rows) {
      T const* line[rows];
      for (int r = 0; r < rows; ++r)
        line[r] = filter + static_cast<std::int64_t>(std::min(c + r, end - 1)) * g.y_pixel();
      for (int first = 0; first < pixels; first += columns) {
        T const* pixel[columns];
        for (int p = 0; p < columns; ++p) pixel[p] = place(window, std::min(first + p, pixels - 1));
        T sums[rows * columns];
        multiply(line, pixel, first == 0 ? rows * static_cast<std::int64_t>(g.y_pixel()) : 0).store(sums);
        for (int p = 0; p < std::min(columns, pixels - first); ++p)
          std::copy_n(sums + p * rows, rows, out.row(tap, first + p) + c);
      }
    }
  }

  T const* place(TapWindow const& window, int i) const {
    int const column = i % window.columns, row = i / window.columns % window.rows;
    return gy + out.g.y_index(i / window.pixels(), window.top + row, window.left + column, 0);
  }

  /// Pixel after pixel, the sums of all lines. `ahead` of the lines is what is read next.
  [[gnu::always_inline]] Simd<T> multiply(T const* const (&line)[rows], T const* const (&pixel)[columns],
                                          std::int64_t ahead) const {
    using V = Simd<T>;
    V tile[columns * rows];
#pragma GCC unroll 16
    for (int i = 0; i < columns * rows; ++i) tile[i] = V(T(0));
    auto const step = [&](int k, auto... lanes) __attribute__((always_inline)) {
      V a[rows];
#pragma GCC unroll 4
      for (int r = 0; r < rows; ++r) a[r] = V::load(line[r] + k, lanes...);
#pragma GCC unroll 4
      for (int p = 0; p < columns; ++p) {
        V const b = V::load(pixel[p] + k, lanes...);
#pragma GCC unroll 4
        for (int r = 0; r < rows; ++r) tile[p * rows + r] = fma(a[r], b, tile[p * rows + r]);
      }
    };
    int const terms = out.g.out_channels;
    int k = 0;
    if (ahead > 0)
      for (; k + V::size <= terms; k += V::size) {
#pragma GCC unroll 4
        for (int r = 0; r < rows; ++r) __builtin_prefetch(line[r] + ahead + k);
        step(k);
      }
    for (; k + V::size <= terms; k += V::size) step(k);
    if (k < terms) step(k, terms - k);
    return joined_lanes(tile, [](V a, V b) { return a + b; });
  }
};

/// Delivers bias + the products of all taps that meet a pixel.
template <class B, class T = typename B::scalar_type>
struct SumTapsBackwardData {
  TapProducts<T> from;
  Delivery<T> gx;
  int first_image;

  void operator()(int, std::int64_t pixel) const {
    Conv2dGeometry const& g = from.g;
    int const column = static_cast<int>(pixel % g.width);
    int const row = static_cast<int>(pixel / g.width % g.height);
    int const image = static_cast<int>(pixel / g.width / g.height);
    T* const out = gx.out + g.x_index(first_image + image, row, column, 0);
    from.add(gx.bias, out, gx.beta, g.in_channels);
    for (int tap = 0; tap < from.taps(); ++tap) {
      int const down = row + g.padding.top - tap / g.filter_width * g.dilation;
      int const across = column + g.padding.left - tap % g.filter_width * g.dilation;
      if (down < 0 || across < 0 || down % g.stride != 0 || across % g.stride != 0) continue;
      TapWindow const window = TapWindow::of(g, tap);
      if (window.has(down / g.stride, across / g.stride))
        from.add(from.row(tap, window.place(image, down / g.stride, across / g.stride)), out, T(1), g.in_channels);
    }
    gx.finish(out, 0, 1, 0, g.in_channels);
  }
};

template <class B, class T = typename B::scalar_type>
void conv2d_backward_data_taps(Workspace<B>& ws, Conv2dGeometry g, T const* gy, T const* weight, Delivery<T> gx) {
  auto scope = ws.scope();
  int const images = g.images;
  int const at_once = tap_images(g);
  gx = in_panels(ws, scope, gx, g.in_channels);
  for (int first = 0; first < images; first += at_once) {
    auto inner = ws.scope();
    g.images = std::min(at_once, images - first);
    TapProducts<T> products{g, {g.in_channels}, nullptr};
    products.products = inner.template take<T>(static_cast<std::size_t>(products.size()));
    TapBackwardData<T> const kernel{products, gy + g.y_index(first, 0, 0, 0), weight};
    for_each_block(ws, "heliograd::conv2d_backward_data_taps", products.taps() * kernel.parts(), kernel);
    for_each_block(ws, "heliograd::conv2d_backward_data_sum_taps",
                   static_cast<std::int64_t>(g.images) * g.height * g.width,
                   SumTapsBackwardData<B>{products, gx, first});
  }
}

}  // namespace heliograd::inline HELIOGRAD_ABI::kernel::detail
