// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

#include <heliograd/core/sink.hpp>
#include <heliograd/core/workspace.hpp>
#include <heliograd/kernel/detail/block_grid.hpp>
#include <heliograd/kernel/detail/conv2d_geometry.hpp>
#include <heliograd/kernel/detail/conv2d_host.hpp>
#include <heliograd/kernel/detail/correlate.hpp>
#include <heliograd/kernel/detail/delivery.hpp>
#include <heliograd/kernel/detail/host_blocks.hpp>
#include <heliograd/kernel/detail/strip.hpp>
#include <heliograd/kernel/detail/thin_row.hpp>

/// \file
/// Convolution on host spaces where one side has few channels and the other many: first and last layers. Such layers move
/// more numbers than they multiply, so pixels are read where they stand, once, and results are written pixel after pixel.
namespace heliograd::inline HELIOGRAD_ABI::kernel::detail {

/// Rectangles of a result, each pixel of which looks at `rows` lines of pixels of so many channels. They are long and large, as
/// far as the lines stay in a core's cache, since that is how memory is read and written at its speed.
template <class T>
BlockGrid thin_rectangles(int images, int height, int width, int rows, int channels) {
  std::int64_t const pixels = static_cast<std::int64_t>(height) * width / 8;
  int const widest = (1 << 18) / static_cast<int>(sizeof(T)) / (rows * channels);
  return BlockGrid::about(images, height, width, static_cast<int>(std::clamp<std::int64_t>(pixels, 256, 2048)),
                          std::clamp(widest, 16, 512));
}

template <class Scope, class T>
void take_bank(Scope& scope, ThinBank<T>& bank) {
  bank.packed = scope.template take<T>(static_cast<std::size_t>(bank.packed_size()));
  for (auto& offsets : bank.offsets)
    offsets = scope.template take<std::int64_t>(static_cast<std::size_t>(bank.steps()));
}

// ---------------------------------------------------------------------------------------------------------------- forward

template <class B, class T = typename B::scalar_type>
struct ThinForward {
  Conv2dGeometry g;
  BlockGrid grid;
  ThinBank<T> const* bank;
  T const* x;
  Delivery<T> y;
  T* scratch;
  std::int64_t strip_size, scratch_per_worker;

  int strip_columns() const { return (grid.most_columns() - 1) * g.stride + g.span_across(); }

  void operator()(int worker, std::int64_t index) const {
    using V = Simd<T>;
    Block const block = grid[index];
    T* const strip = scratch + worker * scratch_per_worker;
    T* const sums = strip + strip_size;
    PixelBlock<T> const pixels =
        x_image(g, x, block.image)
            .rectangle(block.top * g.stride - g.padding.top, block.left * g.stride - g.padding.left,
                       (block.rows - 1) * g.stride + g.span_down(), (block.columns - 1) * g.stride + g.span_across(),
                       strip_columns(), strip);
    bool const in_place = y.beta == T(0);
    for (int row = 0; row < block.rows; ++row) {
      T* const out = y.out + g.y_index(block.image, block.top + row, block.left, 0);
      thin_row<T>({.offsets = bank->offsets[pixels.in_place],
                   .steps = bank->steps(),
                   .pixels = pixels.data + row * g.stride * pixels.line,
                   .pixel = g.stride * pixels.pixel,
                   .filter = bank->packed,
                   .start = y.bias,
                   .out = in_place ? out : sums,
                   .out_pixel = in_place ? g.y_pixel() : g.out_channels,
                   .results = g.out_channels},
                  bank->dots(), bank->joined(), block.columns);
      if (in_place) {
        y.finish(out, g.y_pixel(), block.columns, 0, g.out_channels);
        continue;
      }
      for (int column = 0; column < block.columns; ++column)
        for (int c = 0; c < g.out_channels; c += V::size) {
          int const lanes = std::min(g.out_channels - c, V::size);
          deliver<T>(out + static_cast<std::int64_t>(column) * g.y_pixel() + c, y.beta,
                     V::load(sums + column * g.out_channels + c, lanes), lanes);
        }
    }
  }
};

template <class B, class T = typename B::scalar_type>
void conv2d_thin(Workspace<B>& ws, Conv2dGeometry const& g, T const* x, T const* weight, Delivery<T> const& y) {
  auto scope = ws.scope();
  ThinBank<T>* const bank = scope.template take<ThinBank<T>>(1);
  *bank = {g.filter_height,
           g.filter_width,
           g.in_channels,
           g.out_channels,
           g.dilation == 1 ? g.stride : 0,
           weight,
           g.weight_index(1, 0, 0, 0),
           g.weight_index(0, 1, 0, 0),
           g.weight_index(0, 0, 1, 0),
           1,
           {},
           nullptr,
           {}};
  take_bank(scope, *bank);
  BlockGrid const grid = thin_rectangles<T>(g.images, g.out_height, g.out_width, g.filter_height, g.in_channels);
  ThinForward<B> kernel{g, grid, bank, x, in_panels(ws, scope, y, g.out_channels), nullptr, 0, 0};
  std::int64_t const strip_line = static_cast<std::int64_t>(kernel.strip_columns()) * g.in_channels;
  std::int64_t const gap = g.dilation;
  bank->layouts[0] = {gap * strip_line, gap * g.in_channels};
  bank->layouts[1] = {gap * g.width * g.x_pixel(), gap * g.x_pixel()};
  for_each_block(ws, "heliograd::conv2d_pack", 1, PackThin<T>{bank});

  kernel.strip_size = ((grid.most_rows() - 1) * g.stride + g.span_down()) * strip_line;
  kernel.scratch_per_worker = kernel.strip_size + static_cast<std::int64_t>(grid.most_columns()) * g.out_channels;
  kernel.scratch =
      scope.template take<T>(static_cast<std::size_t>(worker_count(ws, grid.count()) * kernel.scratch_per_worker));
  for_each_block(ws, "heliograd::conv2d", grid.count(), kernel);
}

// ---------------------------------------------------------------------------------------------------------- data gradient

/// Phase by phase as in Conv2dBackwardData. A block none of whose pixels the padding repeats is written in place.
template <class B, class T = typename B::scalar_type>
struct ThinBackwardData : GradientSpans {
  ThinBank<T> const* banks;  ///< one for each phase
  T const* gy;
  Delivery<T> gx;
  T const* zeros;  ///< as many as channels, in whole panels
  T* scratch;
  std::int64_t scratch_per_worker, strip_size, line_size;
  int strip_columns;

  void operator()(int worker, std::int64_t index) const {
    Block const block = grid[index];
    Span const rows = rows_of(block);
    Span const columns = columns_of(block);
    T* const strip = scratch + worker * scratch_per_worker;
    T* const line = strip + strip_size;
    T* const other = line + line_size;
    PixelBlock<T> const pixels = y_image(g, gy, block.image)
                                     .rectangle(first_row(rows.begin), first_column(columns.begin), row_count(rows),
                                                column_count(columns), strip_columns, strip);
    bool const alone = rows.end - rows.begin == block.rows && columns.end - columns.begin == block.columns;
    for (int row = block.top; row < block.top + block.rows; ++row) {
      if (alone && gx.beta == T(0)) {
        T* const out = gx.out + g.x_index(block.image, row, block.left, 0);
        padded_row(pixels, rows, columns, row, gx.bias, out, g.x_pixel());
        gx.finish(out, g.x_pixel(), block.columns, 0, g.in_channels);
        continue;
      }
      PaddedImages const places = padded_images(row, g.height, g.padding.top, g.padding.bottom, g.mode);
      bool first = true;
      for (int range = 0; range < 3; ++range)
        for (int place = places.begin[range]; place < places.end[range]; ++place, first = false) {
          padded_row(pixels, rows, columns, place, zeros, first ? line : other, g.in_channels);
          for (int i = 0; i < (columns.end - columns.begin) * g.in_channels && !first; ++i) line[i] += other[i];
        }
      fold(line, columns, block, row);
    }
  }

  /// line[column] = start + the gradient at the padded row `place`, for the padded columns of the span, which lie
  /// `line_pixel` apart.
  void padded_row(PixelBlock<T> const& pixels, Span const& rows, Span const& columns, int place, T const* start,
                  T* line, int line_pixel) const {
    int const padded_row = place + g.padding.top;
    int const padded_begin = columns.begin + g.padding.left;
    int const padded_end = columns.end + g.padding.left;
    for (int b = 0; b < g.stride; ++b) {
      ThinBank<T> const& bank = banks[padded_row % g.stride * g.stride + b];
      PhaseAxis const down = PhaseAxis::of(padded_row % g.stride, g.filter_height, g.stride, g.dilation);
      PhaseAxis const across = PhaseAxis::of(b, g.filter_width, g.stride, g.dilation);
      int const begin = padded_begin + (b - padded_begin % g.stride + g.stride) % g.stride;
      int const count = (padded_end - begin + g.stride - 1) / g.stride;
      if (count <= 0) continue;
      std::int64_t const pixel_row = padded_row / g.stride - down.reach - first_row(rows.begin);
      std::int64_t const pixel_column = begin / g.stride - across.reach - first_column(columns.begin);
      thin_row<T>({.offsets = bank.offsets[pixels.in_place],
                   .steps = bank.steps(),
                   .pixels = pixels.data + pixel_row * pixels.line + pixel_column * pixels.pixel,
                   .pixel = pixels.pixel,
                   .filter = bank.packed,
                   .start = start,
                   .out = line + static_cast<std::int64_t>(begin - padded_begin) * line_pixel,
                   .out_pixel = static_cast<std::int64_t>(g.stride) * line_pixel,
                   .results = g.in_channels},
                  bank.dots(), bank.joined(), count);
    }
  }

  /// Delivers a row of gx: each pixel gathers the padded columns at which it stands.
  void fold(T const* line, Span const& columns, Block const& block, int row) const {
    using V = Simd<T>;
    for (int column = block.left; column < block.left + block.columns; ++column) {
      PaddedImages const places = padded_images(column, g.width, g.padding.left, g.padding.right, g.mode);
      T* const out = gx.out + g.x_index(block.image, row, column, 0);
      for (int c = 0; c < g.in_channels; c += V::size) {
        int const lanes = std::min(g.in_channels - c, V::size);
        V total = V::load(gx.bias + c);
        for (int range = 0; range < 3; ++range)
          for (int place = places.begin[range]; place < places.end[range]; ++place)
            total += V::load(line + static_cast<std::int64_t>(place - columns.begin) * g.in_channels + c, lanes);
        gx.deliver_vector(out + c, c, total, lanes);
      }
    }
  }
};

template <class B, class T = typename B::scalar_type>
void conv2d_backward_data_thin(Workspace<B>& ws, Conv2dGeometry const& g, T const* gy, T const* weight,
                               Delivery<T> const& gx) {
  auto scope = ws.scope();
  int const phases = g.stride * g.stride;
  BlockGrid const grid = thin_rectangles<T>(g.images, g.height, g.width, g.filter_height, g.out_channels);
  ThinBank<T>* const banks = scope.template take<ThinBank<T>>(static_cast<std::size_t>(phases));
  ThinBackwardData<B> kernel{
      {g, grid}, banks, gy, in_panels(ws, scope, gx, g.in_channels), zeros<T>(scope, g.in_channels), nullptr, 0,
      0,         0,     0};
  int const step = PhaseAxis::step(g.stride, g.dilation);
  for (int i = 0; i < phases; ++i) {
    PhaseAxis const down = PhaseAxis::of(i / g.stride, g.filter_height, g.stride, g.dilation);
    PhaseAxis const across = PhaseAxis::of(i % g.stride, g.filter_width, g.stride, g.dilation);
    kernel.reach_down = std::max(kernel.reach_down, down.reach);
    kernel.reach_across = std::max(kernel.reach_across, across.reach);
    // The filter is flipped: its last tap comes first.
    T const* const last =
        weight + g.weight_index(down.first + step * (down.count - 1), across.first + step * (across.count - 1), 0, 0);
    banks[i] = {down.count,
                across.count,
                g.out_channels,
                g.in_channels,
                PhaseAxis::gap(g.stride, g.dilation) == 1 ? 1 : 0,
                last,
                -g.weight_index(step, 0, 0, 0),
                -g.weight_index(0, step, 0, 0),
                1,
                g.weight_index(0, 0, 1, 0),
                {},
                nullptr,
                {}};
    take_bank(scope, banks[i]);
  }
  auto const most = kernel.most();
  kernel.strip_columns = most.columns;
  std::int64_t const gap = PhaseAxis::gap(g.stride, g.dilation);
  for (int i = 0; i < phases; ++i) {
    banks[i].layouts[0] = {gap * most.columns * g.out_channels, gap * g.out_channels};
    banks[i].layouts[1] = {gap * g.out_width * g.y_pixel(), gap * g.y_pixel()};
  }
  for_each_block(ws, "heliograd::conv2d_pack", phases, PackThin<T>{banks});

  kernel.strip_size = static_cast<std::int64_t>(most.rows) * most.columns * g.out_channels;
  kernel.line_size = static_cast<std::int64_t>(most.padded_columns) * g.in_channels;
  kernel.scratch_per_worker = kernel.strip_size + 2 * kernel.line_size;
  kernel.scratch =
      scope.template take<T>(static_cast<std::size_t>(worker_count(ws, grid.count()) * kernel.scratch_per_worker));
  for_each_block(ws, "heliograd::conv2d_backward_data", grid.count(), kernel);
}

// -------------------------------------------------------------------------------------------------------- filter gradient

/// Sums of products over a rectangle of pixels, row after row of the gradient:
/// out[row * out_row + j] (+)= sum over lines, pixels of left * right[j], where one of the two is `offsets[row]` further on.
template <class T>
struct ThinProduct {
  int lines, pixels;
  T const* left;
  std::int64_t left_line, left_pixel;
  T const* right;
  std::int64_t right_line, right_pixel;
  std::int64_t const* offsets;
  T* out;
  std::int64_t out_row;
  bool add;
};

/// `Rows` rows, `Vectors` vectors of right.
template <class T, bool LeftMoves, int Rows, int Vectors>
[[gnu::noinline]] void thin_product_tile(ThinProduct<T> const& product, int row, int right, int column) {
  using V = Simd<T>;
  V tile[Rows][Vectors];
  std::int64_t offset[Rows];
  std::int64_t const left_pixel = product.left_pixel;
  std::int64_t const right_pixel = product.right_pixel;
#pragma GCC unroll 4
  for (int i = 0; i < Rows; ++i) {
    offset[i] = product.offsets[row + i];
#pragma GCC unroll 4
    for (int j = 0; j < Vectors; ++j) tile[i][j] = V(T(0));
  }
  for (int line = 0; line < product.lines; ++line) {
    T const* l = product.left + line * product.left_line;
    T const* r = product.right + line * product.right_line + right;
    for (int pixel = 0; pixel < product.pixels; ++pixel, l += left_pixel, r += right_pixel) {
      if constexpr (LeftMoves) {
        V factor[Vectors];
#pragma GCC unroll 4
        for (int j = 0; j < Vectors; ++j) factor[j] = V::load(r + j * V::size);
#pragma GCC unroll 4
        for (int i = 0; i < Rows; ++i) {
          V const value(l[offset[i]]);
#pragma GCC unroll 4
          for (int j = 0; j < Vectors; ++j) tile[i][j] = fma(value, factor[j], tile[i][j]);
        }
      } else {
        V const value(*l);
#pragma GCC unroll 4
        for (int i = 0; i < Rows; ++i)
#pragma GCC unroll 4
          for (int j = 0; j < Vectors; ++j) tile[i][j] = fma(value, V::load(r + offset[i] + j * V::size), tile[i][j]);
      }
    }
  }
#pragma GCC unroll 4
  for (int i = 0; i < Rows; ++i)
#pragma GCC unroll 4
    for (int j = 0; j < Vectors; ++j) {
      T* const place = product.out + (row + i) * product.out_row + column + j * V::size;
      (product.add ? V::load(place) + tile[i][j] : tile[i][j]).store(place);
    }
}

template <class T, bool LeftMoves>
void thin_product(ThinProduct<T> const& product, int rows, CoveringVectors<T> const& right) {
  constexpr int wide = Simd<T>::registers / 8;
  for_each_tile<4>(rows, [&]<int Rows>(int row) {
    int vector = 0;
    for (; (vector + wide) * Simd<T>::size <= right.channels; vector += wide)
      thin_product_tile<T, LeftMoves, Rows, wide>(product, row, right.first(vector), vector * Simd<T>::size);
    for (; vector < right.count(); ++vector)
      thin_product_tile<T, LeftMoves, Rows, 1>(product, row, right.first(vector), vector * Simd<T>::size);
  });
}

/// A group of blocks makes its own gradient [tap, channel of the thin side, vectors of the other].
template <class T>
struct ThinPartialGradient {
  Conv2dGeometry g;
  BlockGrid grid;
  int groups;
  T const* x;
  T const* gy;
  std::int64_t* offsets[2];  ///< of what x's pixel is multiplied with: from copied pixels, from pixels in place
  T* partials;
  T* scratch;
  std::int64_t scratch_per_worker;

  bool x_thin() const { return g.in_channels < g.out_channels; }
  int taps() const { return g.filter_height * g.filter_width; }
  int thin() const { return x_thin() ? g.in_channels : g.out_channels; }
  CoveringVectors<T> right() const { return {x_thin() ? g.out_channels : g.in_channels}; }
  int row_size() const { return right().count() * Simd<T>::size; }
  int rows() const { return taps() * thin(); }
  std::int64_t size() const { return static_cast<std::int64_t>(rows()) * row_size(); }
  int strip_columns() const { return (grid.most_columns() - 1) * g.stride + g.span_across(); }
  std::int64_t strip_size() const {
    return ((grid.most_rows() - 1) * static_cast<std::int64_t>(g.stride) + g.span_down()) * strip_columns() *
           g.in_channels;
  }

  static BlockGrid cut(Conv2dGeometry const& g) {
    // Where x has the many channels each tap reads it again: blocks that are nearly square stay in the nearest cache.
    bool const x_thin = g.in_channels < g.out_channels;
    return BlockGrid::about(g.images, g.out_height, g.out_width, gradient_pixels,
                            x_thin ? gradient_pixels : 8 * g.stride);
  }

  void operator()(int worker, std::int64_t group) const {
    T* const strip = scratch + worker * scratch_per_worker;
    T* const partial = partials + group * size();
    std::int64_t const begin = grid.count() * group / groups;
    std::int64_t const end = grid.count() * (group + 1) / groups;
    if (begin == end) std::fill_n(partial, size(), T(0));  // an empty batch
    for (std::int64_t b = begin; b < end; ++b) {
      Block const block = grid[b];
      PixelBlock<T> const pixels =
          x_image(g, x, block.image)
              .rectangle(block.top * g.stride - g.padding.top, block.left * g.stride - g.padding.left,
                         (block.rows - 1) * g.stride + g.span_down(), (block.columns - 1) * g.stride + g.span_across(),
                         strip_columns(), strip);
      T const* const gradients = gy + g.y_index(block.image, block.top, block.left, 0);
      ThinProduct<T> product{.lines = block.rows,
                             .pixels = block.columns,
                             .left = pixels.data,
                             .left_line = g.stride * pixels.line,
                             .left_pixel = g.stride * pixels.pixel,
                             .right = gradients,
                             .right_line = static_cast<std::int64_t>(g.out_width) * g.y_pixel(),
                             .right_pixel = g.y_pixel(),
                             .offsets = offsets[pixels.in_place],
                             .out = partial,
                             .out_row = row_size(),
                             .add = b > begin};
      if (x_thin()) {
        thin_product<T, true>(product, rows(), right());
        continue;
      }
      std::swap(product.left, product.right);
      std::swap(product.left_line, product.right_line);
      std::swap(product.left_pixel, product.right_pixel);
      product.out_row *= thin();
      for (int out = 0; out < thin(); ++out, ++product.left, product.out += row_size())
        thin_product<T, false>(product, taps(), right());
    }
  }
};

/// gw = beta gw + the sum over groups, in double precision.
template <class B, class T = typename B::scalar_type>
struct ThinSumGradients {
  ThinPartialGradient<T> partial;
  Sink<4, B> gw;

  void operator()(int, std::int64_t row) const {
    using V = Simd<T>;
    auto const& g = partial.g;
    int const tap = static_cast<int>(row) / partial.thin();
    int const thin = static_cast<int>(row) % partial.thin();
    auto const right = partial.right();
    for (int vector = 0; vector < right.count(); ++vector) {
      double total[V::size] = {};
      T const* part = partial.partials + row * partial.row_size() + vector * V::size;
      for (int group = 0; group < partial.groups; ++group, part += partial.size())
        for (int lane = 0; lane < V::size; ++lane) total[lane] += static_cast<double>(part[lane]);
      for (int channel = vector * V::size; channel < std::min((vector + 1) * V::size, right.channels); ++channel) {
        std::int64_t const place =
            partial.x_thin() ? g.weight_index(0, tap, thin, channel) : g.weight_index(0, tap, channel, thin);
        gw.add(static_cast<std::size_t>(place), static_cast<T>(total[channel - right.first(vector)]));
      }
    }
  }
};

template <class B, class T = typename B::scalar_type>
void conv2d_backward_weight_thin(Workspace<B>& ws, Conv2dGeometry const& g, T const* x, T const* gy, Sink<4, B> gw) {
  auto scope = ws.scope();
  ThinPartialGradient<T> kernel{g, ThinPartialGradient<T>::cut(g), 1, x, gy, {}, nullptr, nullptr, 0};
  kernel.groups = partial_groups(kernel.size() * static_cast<std::int64_t>(sizeof(T)), kernel.grid.count());
  int const each = kernel.x_thin() ? g.in_channels : 1;
  for (int in_place : {0, 1}) {
    std::int64_t* to = scope.template take<std::int64_t>(static_cast<std::size_t>(kernel.taps()) * each);
    kernel.offsets[in_place] = to;
    std::int64_t const pixel = in_place ? g.x_pixel() : g.in_channels;
    std::int64_t const line = pixel * (in_place ? g.width : kernel.strip_columns());
    for (int i = 0; i < g.filter_height && !ws.dry(); ++i)
      for (int j = 0; j < g.filter_width; ++j)
        for (int c = 0; c < each; ++c) *to++ = g.dilation * (i * line + j * pixel) + c;
  }
  kernel.partials = scope.template take<T>(static_cast<std::size_t>(kernel.groups * kernel.size()));
  kernel.scratch_per_worker = kernel.strip_size();
  kernel.scratch =
      scope.template take<T>(static_cast<std::size_t>(worker_count(ws, kernel.groups) * kernel.scratch_per_worker));
  for_each_block(ws, "heliograd::conv2d_backward_weight", kernel.groups, kernel);
  for_each_block(ws, "heliograd::conv2d_backward_weight_sum", kernel.rows(), ThinSumGradients<B>{kernel, gw});
}

}  // namespace heliograd::inline HELIOGRAD_ABI::kernel::detail
