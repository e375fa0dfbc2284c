// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cstdint>

#include <heliograd/core/sink.hpp>
#include <heliograd/core/workspace.hpp>
#include <heliograd/kernel/detail/block_grid.hpp>
#include <heliograd/kernel/detail/conv2d_geometry.hpp>
#include <heliograd/kernel/detail/correlate.hpp>
#include <heliograd/kernel/detail/host_blocks.hpp>
#include <heliograd/kernel/detail/strip.hpp>

/// \file
/// Direct convolution on host spaces. Work is cut into rectangles of the result; each worker copies the padded pixels under
/// its rectangle, then sums over packed filters with tiles of pixels x output channels held in registers. What a number
/// is made of, and in which order, depends neither on the worker nor on the place in the batch.
namespace heliograd::inline HELIOGRAD_ABI::kernel::detail {

/// Rectangles are so large that the padded copy under them and one panel of filters stay in a core's cache.
inline constexpr int block_pixels = 256;
inline constexpr int block_columns = 64;

// ---------------------------------------------------------------------------------------------------------------- forward

/// Packs [terms, channels] filters into panels.
template <class T>
struct PackFilter {
  T const* weight;
  T* packed;
  std::int64_t terms;
  Panels<T> panels;

  void operator()(int, std::int64_t panel_index) const {
    int const panel = static_cast<int>(panel_index);
    int const width = panels.vectors(panel) * Simd<T>::size;
    T* to = packed + panels.offset(panel, terms);
    T const* from = weight + panels.first(panel);
    for (std::int64_t term = 0; term < terms; ++term, from += panels.channels, to += width)
      for (int c = 0; c < width; ++c) to[c] = c < panels.columns(panel) ? from[c] : T(0);
  }
};

/// Packs [terms, channels] filters as [channels, terms].
template <class T>
struct TransposeFilter {
  T const* weight;
  T* packed;
  std::int64_t terms;
  int channels;

  void operator()(int, std::int64_t channel) const {
    for (std::int64_t term = 0; term < terms; ++term)
      packed[channel * terms + term] = weight[term * channels + channel];
  }
};

template <class T>
struct Conv2dForward {
  Conv2dGeometry g;
  BlockGrid grid;
  Run const* runs;
  T const* x;
  T const* filter;  ///< panels, or transposed where there are few channels
  T const* bias;    ///< padded to whole panels
  T* y;
  T* scratch;  ///< null where x needs no padding and is read in place
  std::int64_t scratch_per_worker;
  bool few_channels;

  void operator()(int worker, std::int64_t index) const {
    Block const block = grid[index];
    T const* pixels;
    std::int64_t line;
    if (scratch == nullptr) {
      pixels = x + g.x_index(block.image, block.top * g.stride, block.left * g.stride, 0);
      line = static_cast<std::int64_t>(g.width) * g.in_channels;
    } else {
      T* const strip = scratch + worker * scratch_per_worker;
      int const strip_columns = (grid.most_columns() - 1) * g.stride + g.filter_width;
      PaddedImage<T> const image{x + g.x_index(block.image, 0, 0, 0), g.height, g.width, g.in_channels, g.mode};
      image.copy_rectangle(block.top * g.stride - g.padding.top, block.left * g.stride - g.padding.left,
                           (block.rows - 1) * g.stride + g.filter_height, strip_columns, strip);
      pixels = strip;
      line = static_cast<std::int64_t>(strip_columns) * g.in_channels;
    }

    Panels<T> const panels{g.out_channels};
    std::int64_t const pixel = static_cast<std::int64_t>(g.stride) * g.in_channels;
    std::int64_t const terms = g.terms();
    for (int panel = 0; panel < panels.count(); ++panel)
      for (int row = 0; row < block.rows; ++row) {
        CorrelateRow<T> const task{.runs = runs,
                                   .pixels = pixels + row * g.stride * line,
                                   .pixel = pixel,
                                   .filter = filter + panels.offset(panel, terms),
                                   .start = bias + panels.first(panel),
                                   .start_pixel = 0,
                                   .out = y + g.y_index(block.image, block.top + row, block.left, panels.first(panel)),
                                   .out_pixel = g.out_channels,
                                   .columns = panels.columns(panel)};
        if (few_channels)
          correlate_row_few_channels(task, terms, block.columns);
        else
          correlate_row(task, panels.vectors(panel), block.columns);
      }
  }
};

template <class B, class T = typename B::scalar_type>
void conv2d_host(Workspace<B>& ws, Conv2dGeometry const& g, T const* x, T const* weight, T const* bias, T* y) {
  auto scope = ws.scope();
  Panels<T> const panels{g.out_channels};
  T* const filter = scope.template take<T>(static_cast<std::size_t>(panels.packed(g.terms())));
  bool const few_channels = are_few_channels<T>(g.out_channels, g.row_terms());
  if (few_channels)
    for_each_block(ws, "heliograd::conv2d_pack", g.out_channels,
                   TransposeFilter<T>{weight, filter, g.terms(), g.out_channels});
  else
    for_each_block(ws, "heliograd::conv2d_pack", panels.count(), PackFilter<T>{weight, filter, g.terms(), panels});
  T* const padded_bias = scope.template take<T>(static_cast<std::size_t>(panels.packed(1)));
  for (int c = 0; c < panels.packed(1); ++c) padded_bias[c] = bias != nullptr && c < g.out_channels ? bias[c] : T(0);

  BlockGrid const grid = BlockGrid::about(g.images, g.out_height, g.out_width, block_pixels, block_columns);
  bool const in_place = g.padding == Padding2d(0);
  std::int64_t const strip_columns = (grid.most_columns() - 1) * g.stride + g.filter_width;
  std::int64_t const strip_rows = (grid.most_rows() - 1) * g.stride + g.filter_height;
  std::int64_t const strip_size = strip_rows * strip_columns * g.in_channels;
  T* const scratch =
      in_place ? nullptr
               : scope.template take<T>(static_cast<std::size_t>(worker_count(ws, grid.count()) * strip_size));
  Run* const runs = scope.template take<Run>(static_cast<std::size_t>(run_count(g.filter_height, g.row_terms())));
  make_runs(g.filter_height, g.row_terms(), (in_place ? g.width : strip_columns) * g.in_channels, runs);
  for_each_block(ws, "heliograd::conv2d", grid.count(),
                 Conv2dForward<T>{g, grid, runs, x, filter, padded_bias, y, scratch, strip_size, few_channels});
}

// ---------------------------------------------------------------------------------------------------------- data gradient

/// The gradient with respect to the padded x is a correlation of gy with the flipped filter. With stride s it falls into
/// s x s phases: padded pixels (s i + a, s j + b) see only the filter taps (a + s t, b + s u), so each phase is a
/// correlation of stride 1 with its own small filter.
struct Phase {
  int taps_down, taps_across;
  std::int64_t filter;  ///< where its packed filter starts
  Run const* runs;
  bool few_channels;  ///< the filter is [c_in, terms] instead of panels
};

template <class T>
struct PackPhases {
  Conv2dGeometry g;
  T const* weight;
  T* packed;
  Phase const* phases;
  Panels<T> panels;

  void operator()(int, std::int64_t index) const {
    int const panel = static_cast<int>(index % panels.count());
    int const a = static_cast<int>(index / panels.count()) / g.stride;
    int const b = static_cast<int>(index / panels.count()) % g.stride;
    Phase const& phase = phases[a * g.stride + b];
    int const width = panels.vectors(panel) * Simd<T>::size;
    int const columns = panels.columns(panel);
    std::int64_t const terms = static_cast<std::int64_t>(phase.taps_down) * phase.taps_across * g.out_channels;
    T* to = packed + phase.filter + panels.offset(panel, terms);
    for (int t = phase.taps_down - 1; t >= 0; --t)
      for (int u = phase.taps_across - 1; u >= 0; --u) {
        T const* const tap = weight + g.weight_index(a + g.stride * t, b + g.stride * u, panels.first(panel), 0);
        if (phase.few_channels) {
          for (int in = 0; in < columns; ++in)
            std::copy_n(tap + static_cast<std::int64_t>(in) * g.out_channels, g.out_channels, to + in * terms);
          to += g.out_channels;
          continue;
        }
        for (int in = 0; in < width; ++in)
          for (int out = 0; out < g.out_channels; ++out)
            to[static_cast<std::int64_t>(out) * width + in] =
                in < columns ? tap[static_cast<std::int64_t>(in) * g.out_channels + out] : T(0);
        to += static_cast<std::int64_t>(width) * g.out_channels;
      }
  }
};

/// The padded positions [begin, end) at which pixels [first, first + count) stand.
struct Span {
  int begin, end;

  static Span of(int first, int count, int extent, int before, int after, PaddingMode mode) {
    Span span{first, first + count};
    for (int pixel = first; pixel < first + count; ++pixel) {
      PaddedImages const images = padded_images(pixel, extent, before, after, mode);
      for (int range : {0, 2})
        if (images.begin[range] < images.end[range]) {
          span.begin = std::min(span.begin, images.begin[range]);
          span.end = std::max(span.end, images.end[range]);
        }
    }
    return span;
  }
};

template <class B, class T = typename B::scalar_type>
struct Conv2dBackwardData {
  Conv2dGeometry g;
  BlockGrid grid;
  Phase const* phases;
  T const* gy;
  T const* filter;
  Sink<4, B> gx;
  T* scratch;
  std::int64_t scratch_per_worker;
  int strip_columns;
  std::int64_t strip_size;

  Span rows_of(Block const& block) const {
    return Span::of(block.top, block.rows, g.height, g.padding.top, g.padding.bottom, g.mode);
  }
  Span columns_of(Block const& block) const {
    return Span::of(block.left, block.columns, g.width, g.padding.left, g.padding.right, g.mode);
  }
  /// The first row (column) of gy that touches a padded position, and how many rows a span of positions touches.
  int first_row(int position) const { return (position + g.padding.top) / g.stride - (phases[0].taps_down - 1); }
  int first_column(int position) const { return (position + g.padding.left) / g.stride - (phases[0].taps_across - 1); }
  int row_count(Span const& span) const {
    return (span.end - 1 + g.padding.top) / g.stride - first_row(span.begin) + 1;
  }
  int column_count(Span const& span) const {
    return (span.end - 1 + g.padding.left) / g.stride - first_column(span.begin) + 1;
  }

  void operator()(int worker, std::int64_t index) const {
    Block const block = grid[index];
    Span const rows = rows_of(block);
    Span const columns = columns_of(block);
    T* const strip = scratch + worker * scratch_per_worker;
    T* const line = strip + strip_size;
    PaddedImage<T> const image{gy + g.y_index(block.image, 0, 0, 0), g.out_height, g.out_width, g.out_channels,
                               PaddingMode::zero};
    image.copy_rectangle(first_row(rows.begin), first_column(columns.begin), row_count(rows), strip_columns, strip);

    Panels<T> const panels{g.in_channels};
    // Where padded positions are the pixels themselves there is nothing to fold.
    bool const in_place =
        g.stride == 1 && gx.beta == T(0) && (g.mode == PaddingMode::zero || g.padding == Padding2d(0));
    for (int panel = 0; panel < panels.count(); ++panel)
      for (int row = block.top; row < block.top + block.rows; ++row) {
        if (in_place) {
          T* const out = gx.out.data() + g.x_index(block.image, row, block.left, panels.first(panel));
          padded_row(strip, rows, columns, panel, row, true, out, g.in_channels, panels.columns(panel));
          continue;
        }
        int const width = panels.vectors(panel) * Simd<T>::size;
        PaddedImages const places = padded_images(row, g.height, g.padding.top, g.padding.bottom, g.mode);
        bool first = true;
        for (int range = 0; range < 3; ++range)
          for (int place = places.begin[range]; place < places.end[range]; ++place, first = false)
            padded_row(strip, rows, columns, panel, place, first, line, width, width);
        fold(line, columns, block, panel, row);
      }
  }

  /// line[column] = (first ? 0 : line[column]) + gradient at the padded row `place`, for the padded columns of the span,
  /// which lie `line_pixel` apart; `channels` of the panel are written.
  void padded_row(T const* strip, Span const& rows, Span const& columns, int panel, int place, bool first, T* line,
                  int line_pixel, int channels) const {
    Panels<T> const panels{g.in_channels};
    int const padded_row = place + g.padding.top;
    int const padded_begin = columns.begin + g.padding.left;
    int const padded_end = columns.end + g.padding.left;
    for (int b = 0; b < g.stride; ++b) {
      Phase const& phase = phases[padded_row % g.stride * g.stride + b];
      std::int64_t const terms = static_cast<std::int64_t>(phase.taps_down) * phase.taps_across * g.out_channels;
      int const begin = padded_begin + (b - padded_begin % g.stride + g.stride) % g.stride;
      int const count = (padded_end - begin + g.stride - 1) / g.stride;
      if (count <= 0) continue;
      T* const out = line + static_cast<std::int64_t>(begin - padded_begin) * line_pixel;
      std::int64_t const out_pixel = static_cast<std::int64_t>(g.stride) * line_pixel;
      if (terms == 0) {
        for (int i = 0; i < count && first; ++i) std::fill_n(out + i * out_pixel, channels, T(0));
        continue;
      }
      std::int64_t const strip_row = padded_row / g.stride - (phase.taps_down - 1) - first_row(rows.begin);
      std::int64_t const strip_column = begin / g.stride - (phase.taps_across - 1) - first_column(columns.begin);
      CorrelateRow<T> const task{.runs = phase.runs,
                                 .pixels = strip + (strip_row * strip_columns + strip_column) * g.out_channels,
                                 .pixel = g.out_channels,
                                 .filter = filter + phase.filter + panels.offset(panel, terms),
                                 .start = first ? nullptr : out,
                                 .start_pixel = out_pixel,
                                 .out = out,
                                 .out_pixel = out_pixel,
                                 .columns = phase.few_channels ? g.in_channels : channels};
      if (phase.few_channels)
        correlate_row_few_channels(task, terms, count);
      else
        correlate_row(task, panels.vectors(panel), count);
    }
  }

  /// Delivers a row of gx: each pixel gathers the padded columns at which it stands.
  void fold(T const* line, Span const& columns, Block const& block, int panel, int row) const {
    using V = Simd<T>;
    Panels<T> const panels{g.in_channels};
    int const vectors = panels.vectors(panel);
    for (int column = block.left; column < block.left + block.columns; ++column) {
      PaddedImages const places = padded_images(column, g.width, g.padding.left, g.padding.right, g.mode);
      T* const out = gx.out.data() + g.x_index(block.image, row, column, panels.first(panel));
      for (int j = 0; j < vectors; ++j) {
        V total(T(0));
        for (int range = 0; range < 3; ++range)
          for (int place = places.begin[range]; place < places.end[range]; ++place)
            total += V::load(line + (static_cast<std::int64_t>(place - columns.begin) * vectors + j) * V::size);
        int const lanes = std::min(panels.columns(panel) - j * V::size, V::size);
        if (gx.beta != T(0)) total = fma(V(gx.beta), V::load(out + j * V::size, lanes), total);
        total.store(out + j * V::size, lanes);
      }
    }
  }
};

template <class B, class T = typename B::scalar_type>
void conv2d_backward_data_host(Workspace<B>& ws, Conv2dGeometry const& g, T const* gy, T const* weight, Sink<4, B> gx) {
  auto scope = ws.scope();
  Panels<T> const panels{g.in_channels};
  BlockGrid const grid = BlockGrid::about(g.images, g.height, g.width, block_pixels, block_columns);
  Phase* const phases = scope.template take<Phase>(static_cast<std::size_t>(g.stride * g.stride));
  std::int64_t filter_size = 0;
  for (int a = 0; a < g.stride; ++a)
    for (int b = 0; b < g.stride; ++b) {
      int const down = (std::max(g.filter_height - a, 0) + g.stride - 1) / g.stride;
      int const across = (std::max(g.filter_width - b, 0) + g.stride - 1) / g.stride;
      phases[a * g.stride + b] = {down, across, filter_size, nullptr,
                                  are_few_channels<T>(g.in_channels, across * g.out_channels)};
      filter_size += panels.packed(static_cast<std::int64_t>(down) * across * g.out_channels);
    }

  Conv2dBackwardData<B> kernel{g, grid, phases, gy, nullptr, gx, nullptr, 0, 0, 0};
  int strip_rows = 0;
  int line_columns = 0;
  for (int i = 0; i < grid.down; ++i)
    strip_rows = std::max(strip_rows, kernel.row_count(kernel.rows_of(grid[i * grid.across])));
  for (int i = 0; i < grid.across; ++i) {
    Span const span = kernel.columns_of(grid[i]);
    kernel.strip_columns = std::max(kernel.strip_columns, kernel.column_count(span));
    line_columns = std::max(line_columns, span.end - span.begin);
  }
  for (int i = 0; i < g.stride * g.stride; ++i) {
    int const row_terms = phases[i].taps_across * g.out_channels;
    Run* const runs = scope.template take<Run>(static_cast<std::size_t>(run_count(phases[i].taps_down, row_terms)));
    make_runs(phases[i].taps_down, row_terms, static_cast<std::int64_t>(kernel.strip_columns) * g.out_channels, runs);
    phases[i].runs = runs;
  }

  T* const filter = scope.template take<T>(static_cast<std::size_t>(filter_size));
  for_each_block(ws, "heliograd::conv2d_pack", static_cast<std::int64_t>(g.stride) * g.stride * panels.count(),
                 PackPhases<T>{g, weight, filter, phases, panels});
  kernel.filter = filter;
  kernel.strip_size = static_cast<std::int64_t>(strip_rows) * kernel.strip_columns * g.out_channels;
  kernel.scratch_per_worker = kernel.strip_size + static_cast<std::int64_t>(line_columns) * Panels<T>::width;
  kernel.scratch =
      scope.template take<T>(static_cast<std::size_t>(worker_count(ws, grid.count()) * kernel.scratch_per_worker));
  for_each_block(ws, "heliograd::conv2d_backward_data", grid.count(), kernel);
}

// -------------------------------------------------------------------------------------------------------- filter gradient

/// Every group of blocks makes its own partial gradient; the groups are fixed by the shape, and so is the order in which
/// their parts are added: the same bits for any number of threads.
inline int partial_groups(std::int64_t partial_bytes, std::int64_t blocks) {
  constexpr std::int64_t most_groups = 64;
  constexpr std::int64_t fewest_blocks = 4;  // in a group, so that adding up its part costs little beside making it
  constexpr std::int64_t most_bytes = std::int64_t{64} << 20;
  return static_cast<int>(
      std::max<std::int64_t>(std::min({most_bytes / partial_bytes, most_groups, blocks / fewest_blocks}), 1));
}

inline constexpr int gradient_pixels = 128;

/// The partial gradients of a filter bank. Each filter row is a matrix product of a left factor, which is broadcast, and a
/// right one, which is packed in panels: of (x under a filter row, gy) the narrow one had better be on the left.
template <class T>
struct FilterGradient {
  int filter_height, row_terms, out_channels;
  bool gy_left;
  int groups;

  static FilterGradient plan(int filter_height, int row_terms, int out_channels, bool gy_left, std::int64_t blocks) {
    FilterGradient gradient{filter_height, row_terms, out_channels, gy_left, 1};
    gradient.groups = partial_groups(gradient.size() * static_cast<std::int64_t>(sizeof(T)), blocks);
    return gradient;
  }

  int left_rows() const { return gy_left ? out_channels : row_terms; }
  Panels<T> right() const { return {gy_left ? row_terms : out_channels}; }
  /// One partial: filter row after filter row, panel after panel, left row after left row.
  std::int64_t size() const { return filter_height * right().packed(left_rows()); }
  std::int64_t place(int filter_row, int panel) const {
    return filter_row * right().packed(left_rows()) + right().offset(panel, left_rows());
  }
};

/// gw = beta gw + the sum of the partial gradients, group after group in double precision.
template <class B, class T = typename B::scalar_type>
struct SumFilterGradients {
  FilterGradient<T> gradient;
  T const* partials;
  Sink<4, B> gw;

  std::int64_t blocks() const { return static_cast<std::int64_t>(gradient.filter_height) * gradient.right().count(); }

  void operator()(int, std::int64_t index) const {
    Panels<T> const right = gradient.right();
    int const panel = static_cast<int>(index % right.count());
    int const filter_row = static_cast<int>(index / right.count());
    int const width = right.vectors(panel) * Simd<T>::size;
    double total[Panels<T>::width];
    for (int row = 0; row < gradient.left_rows(); ++row) {
      std::fill_n(total, width, 0.0);
      T const* part = partials + gradient.place(filter_row, panel) + static_cast<std::int64_t>(row) * width;
      for (int group = 0; group < gradient.groups; ++group, part += gradient.size())
        for (int j = 0; j < width; ++j) total[j] += static_cast<double>(part[j]);
      for (int j = 0; j < right.columns(panel); ++j) {
        int const column = right.first(panel) + j;
        std::int64_t const term =
            static_cast<std::int64_t>(filter_row) * gradient.row_terms + (gradient.gy_left ? column : row);
        gw.add(static_cast<std::size_t>(term * gradient.out_channels + (gradient.gy_left ? row : column)),
               static_cast<T>(total[j]));
      }
    }
  }
};

template <class T>
struct Conv2dPartialGradient {
  Conv2dGeometry g;
  BlockGrid grid;
  FilterGradient<T> gradient;
  T const* x;
  T const* gy;
  T* partials;
  T* scratch;
  std::int64_t scratch_per_worker;
  int strip_columns;
  std::int64_t strip_size;

  void operator()(int worker, std::int64_t index) const {
    Panels<T> const right = gradient.right();
    int const group = static_cast<int>(index / right.count());
    int const panel = static_cast<int>(index % right.count());
    T* const strip = scratch + worker * scratch_per_worker;
    T* const packed = strip + strip_size;
    T* const partial = partials + group * gradient.size();
    std::int64_t const begin = grid.count() * group / gradient.groups;
    std::int64_t const end = grid.count() * (group + 1) / gradient.groups;
    std::int64_t const strip_row = static_cast<std::int64_t>(strip_columns) * g.in_channels;
    std::int64_t const strip_pixel = static_cast<std::int64_t>(g.stride) * g.in_channels;

    for (std::int64_t b = begin; b < end; ++b) {
      Block const block = grid[b];
      PaddedImage<T> const image{x + g.x_index(block.image, 0, 0, 0), g.height, g.width, g.in_channels, g.mode};
      image.copy_rectangle(block.top * g.stride - g.padding.top, block.left * g.stride - g.padding.left,
                           (block.rows - 1) * g.stride + g.filter_height, strip_columns, strip);
      T const* const gy_block = gy + g.y_index(block.image, block.top, block.left, 0);
      std::int64_t const gy_row = static_cast<std::int64_t>(g.out_width) * g.out_channels;
      for (int i = 0; i < g.filter_height; ++i) {
        T const* const x_block = strip + i * strip_row;
        OuterProduct<T> product{.lines = block.rows,
                                .pixels = block.columns,
                                .left = x_block,
                                .left_line = g.stride * strip_row,
                                .left_pixel = strip_pixel,
                                .right = packed,
                                .out = partial + gradient.place(i, panel),
                                .add = b > begin};
        if (gradient.gy_left) {
          pack(x_block, g.stride * strip_row, strip_pixel, block, panel, packed);
          product.left = gy_block;
          product.left_line = gy_row;
          product.left_pixel = g.out_channels;
        } else if (i == 0) {
          pack(gy_block, gy_row, g.out_channels, block, panel, packed);
        }
        outer_product(product, right.vectors(panel), gradient.left_rows());
      }
    }
    if (begin == end)  // an empty batch
      for (int i = 0; i < g.filter_height; ++i)
        std::fill_n(partial + gradient.place(i, panel),
                    static_cast<std::int64_t>(gradient.left_rows()) * right.vectors(panel) * Simd<T>::size, T(0));
  }

  void pack(T const* from, std::int64_t line, std::int64_t pixel, Block const& block, int panel, T* to) const {
    using V = Simd<T>;
    Panels<T> const right = gradient.right();
    for (int r = 0; r < block.rows; ++r)
      for (int c = 0; c < block.columns; ++c)
        for (int j = 0; j < right.vectors(panel); ++j, to += V::size)
          V::load(from + r * line + c * pixel + right.first(panel) + j * V::size,
                  std::min(right.columns(panel) - j * V::size, V::size))
              .store(to);
  }
};

template <class B, class T = typename B::scalar_type>
void conv2d_backward_weight_host(Workspace<B>& ws, Conv2dGeometry const& g, T const* x, T const* gy, Sink<4, B> gw) {
  auto scope = ws.scope();
  BlockGrid const grid = BlockGrid::about(g.images, g.out_height, g.out_width, gradient_pixels, gradient_pixels);
  bool const gy_left =
      g.out_channels * Panels<T>{g.row_terms()}.packed(1) < g.row_terms() * Panels<T>{g.out_channels}.packed(1);
  auto const gradient = FilterGradient<T>::plan(g.filter_height, g.row_terms(), g.out_channels, gy_left, grid.count());
  std::int64_t const items = static_cast<std::int64_t>(gradient.groups) * gradient.right().count();
  int const strip_columns = (grid.most_columns() - 1) * g.stride + g.filter_width;
  std::int64_t const strip_rows = (grid.most_rows() - 1) * g.stride + g.filter_height;
  std::int64_t const strip_size = strip_rows * strip_columns * g.in_channels;
  std::int64_t const per_worker =
      strip_size + static_cast<std::int64_t>(grid.most_rows()) * grid.most_columns() * Panels<T>::width;
  T* const partials = scope.template take<T>(static_cast<std::size_t>(gradient.groups * gradient.size()));
  T* const scratch = scope.template take<T>(static_cast<std::size_t>(worker_count(ws, items) * per_worker));
  for_each_block(
      ws, "heliograd::conv2d_backward_weight", items,
      Conv2dPartialGradient<T>{g, grid, gradient, x, gy, partials, scratch, per_worker, strip_columns, strip_size});
  SumFilterGradients<B> const sum{gradient, partials, gw};
  for_each_block(ws, "heliograd::conv2d_backward_weight_sum", sum.blocks(), sum);
}

// ---------------------------------------------------------------------------------------------------------- bias gradient

/// Sums over pixels, channel by channel: groups fixed by the shape, pieces of 64 pixels, double precision above.
template <class T>
struct PartialChannelSums {
  T const* gy;
  std::int64_t pixels;
  int channels;
  int groups;
  double* partials;

  void operator()(int, std::int64_t group) const {
    using V = Simd<T>;
    std::int64_t const begin = pixels * group / groups;
    std::int64_t const end = pixels * (group + 1) / groups;
    if (channels == 1) {  // the pixels are the lanes
      double total[V::size] = {};
      for (std::int64_t first = begin; first < end;) {
        std::int64_t const vectors = std::min<std::int64_t>(64, (end - first) / V::size);
        V const piece = vectors > 0 ? sum_of_vectors(gy + first, V::size, vectors, V::size)
                                    : V::load(gy + first, static_cast<int>(end - first));
        first += std::max<std::int64_t>(vectors, 1) * V::size;
        for (int lane = 0; lane < V::size; ++lane) total[lane] += static_cast<double>(piece[lane]);
      }
      partials[group] = 0;
      for (double const lane : total) partials[group] += lane;
      return;
    }
    for (int c = 0; c < channels; c += V::size) {
      int const lanes = std::min(channels - c, V::size);
      double total[V::size] = {};
      for (std::int64_t first = begin; first < end; first += 64) {
        V const piece =
            sum_of_vectors(gy + first * channels + c, channels, std::min<std::int64_t>(64, end - first), lanes);
        for (int lane = 0; lane < V::size; ++lane) total[lane] += static_cast<double>(piece[lane]);
      }
      std::copy_n(total, lanes, partials + group * channels + c);
    }
  }
};

/// sums = beta sums + the groups' parts, in order.
template <class B>
void add_channel_sums(double const* partials, int groups, int channels, Sink<1, B> const& sums) {
  for (int c = 0; c < channels; ++c) {
    double total = 0;
    for (int group = 0; group < groups; ++group) total += partials[group * channels + c];
    sums.add(static_cast<std::size_t>(c), static_cast<typename B::scalar_type>(total));
  }
}

template <class B, class T = typename B::scalar_type>
void channel_sums_host(Workspace<B>& ws, T const* gy, std::int64_t pixels, int channels, Sink<1, B> sums) {
  auto scope = ws.scope();
  int const groups = static_cast<int>(std::clamp<std::int64_t>(pixels / 512, 1, 64));
  double* const partials = scope.template take<double>(static_cast<std::size_t>(groups * channels));
  for_each_block(ws, "heliograd::conv2d_backward_bias", groups,
                 PartialChannelSums<T>{gy, pixels, channels, groups, partials});
  add_channel_sums<B>(partials, groups, channels, sums);
}

}  // namespace heliograd::inline HELIOGRAD_ABI::kernel::detail
