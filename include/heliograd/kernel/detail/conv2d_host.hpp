// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cstdint>
#include <numeric>

#include <heliograd/core/sink.hpp>
#include <heliograd/core/workspace.hpp>
#include <heliograd/kernel/detail/block_grid.hpp>
#include <heliograd/kernel/detail/conv2d_geometry.hpp>
#include <heliograd/kernel/detail/correlate.hpp>
#include <heliograd/kernel/detail/delivery.hpp>
#include <heliograd/kernel/detail/host_blocks.hpp>
#include <heliograd/kernel/detail/strip.hpp>

/// \file
/// Direct convolution on host spaces, one group of channels. Work is cut into rectangles of the result; each worker copies
/// the padded pixels under its rectangle, then sums over packed filters with tiles of pixels x output channels held in
/// registers. What a number is made of, and in which order, depends neither on the worker nor on the place in the batch.
namespace heliograd::inline HELIOGRAD_ABI::kernel::detail {

/// Rectangles are so large that the padded copy under them and one panel of filters stay in a core's cache.
inline constexpr int block_pixels = 256;
inline constexpr int block_columns = 64;

/// Rectangles of a result; where it is a single row, they are as long as they are large.
inline BlockGrid rectangles(int images, int height, int width) {
  return BlockGrid::about(images, height, width, block_pixels, height == 1 ? block_pixels : block_columns);
}

/// The image that a group of channels of x is, from the first pixel of image n on.
template <class T>
PaddedImage<T> x_image(Conv2dGeometry const& g, T const* x, int n) {
  return {x + g.x_index(n, 0, 0, 0), g.height, g.width, g.in_channels, g.mode, g.x_pixel()};
}
/// The same of y or its gradient, with zeros around.
template <class T>
PaddedImage<T> y_image(Conv2dGeometry const& g, T const* y, int n) {
  return {y + g.y_index(n, 0, 0, 0), g.out_height, g.out_width, g.out_channels, PaddingMode::zero, g.y_pixel()};
}

/// Zeros for sums to start with, in whole panels.
template <class T, class Scope>
T const* zeros(Scope& scope, int channels) {
  auto const packed = static_cast<std::size_t>(Panels<T>{channels}.packed(1));
  return std::fill_n(scope.template take<T>(packed), packed, T(0)) - packed;
}

/// A delivery with its bias and its slopes in whole panels.
template <class B, class Scope, class T = typename B::scalar_type>
Delivery<T> in_panels(Workspace<B> const& ws, Scope& scope, Delivery<T> y, int channels) {
  auto const packed = static_cast<std::size_t>(Panels<T>{channels}.packed(1));
  T* const bias = scope.template take<T>(packed);
  T* const slope = y.is_rectified() ? scope.template take<T>(packed) : nullptr;
  auto const fill = [&](T* to, auto const& at) {
    for (std::size_t c = 0; c < packed; ++c) to[c] = c < static_cast<std::size_t>(channels) ? at(c) : T(0);
  };
  if (!ws.dry()) {
    fill(bias, [&](std::size_t c) { return y.bias ? y.bias[c] : T(0); });
    if (slope) fill(slope, [&](std::size_t c) { return y.slope ? y.slope[y.slopes ? c : 0] : y.negative_slope; });
  }
  y.bias = bias;
  y.slope = slope;
  return y;
}

/// Whether a panel of filters makes a better piece of work than a rectangle of the result. Where there are few rectangles,
/// it leaves no core idle; and where packing a panel costs more than copying the pixels under all rectangles once again for
/// each, a panel that is packed just before it is used need not go through memory. No result depends on it.
template <class T>
bool is_work_by_panels(std::int64_t rectangles, std::int64_t strip_size, std::int64_t terms, Panels<T> const& panels) {
  return panels.count() > 1 && (rectangles < 4 || rectangles * strip_size <= terms * Panels<T>::width);
}

// ---------------------------------------------------------------------------------------------------------------- forward

/// Packs [terms, channels] filters, whose terms lie `row` apart, into panels.
template <class T>
struct PackFilter {
  T const* weight;
  T* packed;
  std::int64_t terms;
  std::int64_t row;
  Panels<T> panels;

  void operator()(int, std::int64_t panel) const {
    pack(static_cast<int>(panel), packed + panels.offset(static_cast<int>(panel), terms));
  }

  void pack(int panel, T* to) const {
    int const width = panels.vectors(panel) * Simd<T>::size;
    T const* from = weight + panels.first(panel);
    for (std::int64_t term = 0; term < terms; ++term, from += row, to += width)
      for (int c = 0; c < width; ++c) to[c] = c < panels.columns(panel) ? from[c] : T(0);
  }
};

template <class B, class T = typename B::scalar_type>
struct Conv2dForward {
  Conv2dGeometry g;
  BlockGrid grid;
  Run const* runs;
  T const* x;
  PackFilter<T> filter;
  Delivery<T> y;
  T* scratch;
  std::int64_t strip_size;  ///< 0 where x needs no padding and is read in place
  std::int64_t scratch_per_worker;
  bool by_panels;  ///< a piece of work is a panel, packed by who needs it; else a rectangle

  std::int64_t sums_size() const { return static_cast<std::int64_t>(grid.most_columns()) * Panels<T>::width; }

  void operator()(int worker, std::int64_t index) const {
    T* const strip = scratch + worker * scratch_per_worker;
    Panels<T> const panels{g.out_channels};
    if (!by_panels) return rectangle(grid[index], 0, panels.count(), filter.packed, strip);
    int const panel = static_cast<int>(index);
    T* const packed = strip + strip_size + sums_size();
    filter.pack(panel, packed);
    for (std::int64_t b = 0; b < grid.count(); ++b) rectangle(grid[b], panel, panel + 1, packed, strip);
  }

  /// The panels [first_panel, end_panel) of a rectangle; the packed filters start with the first.
  void rectangle(Block const& block, int first_panel, int end_panel, T const* packed, T* strip) const {
    T* const sums = strip + strip_size;
    T const* pixels = strip;
    int line_pixels = (grid.most_columns() - 1) * g.stride + g.span_across();
    if (strip_size > 0) {
      x_image(g, x, block.image)
          .copy_rectangle(block.top * g.stride - g.padding.top, block.left * g.stride - g.padding.left,
                          (block.rows - 1) * g.stride + g.span_down(), line_pixels, strip);
    } else {
      pixels = x + g.x_index(block.image, block.top * g.stride, block.left * g.stride, 0);
      line_pixels = g.width;
    }

    Panels<T> const panels{g.out_channels};
    bool const in_place = y.beta == T(0);
    std::int64_t const line = static_cast<std::int64_t>(line_pixels) * g.in_channels;
    for (int panel = first_panel; panel < end_panel; ++panel) {
      int const width = panels.vectors(panel) * Simd<T>::size;
      for (int row = 0; row < block.rows; ++row) {
        T* const out = y.out + g.y_index(block.image, block.top + row, block.left, panels.first(panel));
        CorrelateRow<T> const task{.runs = runs,
                                   .pixels = pixels + row * g.stride * line,
                                   .pixel = static_cast<std::int64_t>(g.stride) * g.in_channels,
                                   .filter = packed + panels.offset(panel - first_panel, g.terms()),
                                   .start = y.bias + panels.first(panel),
                                   .start_pixel = 0,
                                   .out = in_place ? out : sums,
                                   .out_pixel = in_place ? g.y_pixel() : width,
                                   .columns = in_place ? panels.columns(panel) : width};
        correlate_row(task, panels.vectors(panel), block.columns);
        if (in_place) {
          y.finish(out, g.y_pixel(), block.columns, panels.first(panel), panels.columns(panel));
          continue;
        }
        for (int column = 0; column < block.columns; ++column)
          for (int c = 0; c < panels.columns(panel); c += Simd<T>::size)
            deliver<T>(out + static_cast<std::int64_t>(column) * g.y_pixel() + c, y.beta,
                       Simd<T>::load(sums + column * width + c), std::min(panels.columns(panel) - c, Simd<T>::size));
      }
    }
  }
};

template <class B, class T = typename B::scalar_type>
void conv2d_host(Workspace<B>& ws, Conv2dGeometry const& g, T const* x, T const* weight, Delivery<T> const& y) {
  auto scope = ws.scope();
  Panels<T> const panels{g.out_channels};
  BlockGrid const grid = rectangles(g.images, g.out_height, g.out_width);
  bool const in_place = g.padding == Padding2d(0) && g.groups == 1;
  std::int64_t const strip_columns = (grid.most_columns() - 1) * g.stride + g.span_across();
  std::int64_t const strip_rows = (grid.most_rows() - 1) * g.stride + g.span_down();
  std::int64_t const strip_size = in_place ? 0 : strip_rows * strip_columns * g.in_channels;
  auto const taps = TermGrid::taps(g.filter_height, g.filter_width, g.in_channels, g.dilation,
                                   (in_place ? g.width : strip_columns) * g.in_channels);

  PackFilter<T> filter{weight, nullptr, g.terms(), g.y_pixel(), panels};
  bool const by_panels = is_work_by_panels(grid.count(), strip_rows * strip_columns * g.in_channels, g.terms(), panels);
  std::int64_t const items = by_panels ? panels.count() : grid.count();
  Conv2dForward<B> kernel{
      g, grid,     make_runs(scope, taps), x, filter, in_panels(ws, scope, y, g.out_channels), nullptr, strip_size,
      0, by_panels};
  kernel.scratch_per_worker = strip_size + kernel.sums_size();
  if (by_panels) {
    kernel.scratch_per_worker += g.terms() * Panels<T>::width;
  } else {
    kernel.filter.packed = scope.template take<T>(static_cast<std::size_t>(panels.packed(g.terms())));
    for_each_block(ws, "heliograd::conv2d_pack", panels.count(), kernel.filter);
  }
  kernel.scratch =
      scope.template take<T>(static_cast<std::size_t>(worker_count(ws, items) * kernel.scratch_per_worker));
  for_each_block(ws, "heliograd::conv2d", items, kernel);
}

// ---------------------------------------------------------------------------------------------------------- data gradient

/// The gradient with respect to the padded x is a correlation of gy with the flipped filter. With stride s it falls into
/// s x s phases: the padded positions s i + a see only some of the filter taps, so each phase is a correlation of stride 1
/// with its own small filter. Along one axis:
struct PhaseAxis {
  int first, count;  ///< the taps are first, first + step, first + 2 step, ...
  int reach;         ///< the last tap stands on row i - reach of gy; from tap to tap it is `gap` rows

  /// The taps t with dilation t = a (modulo stride).
  static PhaseAxis of(int a, int filter, int stride, int dilation) {
    int const step = PhaseAxis::step(stride, dilation);
    int first = 0;
    while (first < step && (dilation * first - a) % stride != 0) ++first;
    if (first == step || first >= filter) return {0, 0, 0};
    int const count = (filter - 1 - first) / step + 1;
    return {first, count, (dilation * (first + (count - 1) * step) - a) / stride};
  }
  static int step(int stride, int dilation) { return stride / std::gcd(stride, dilation); }
  static int gap(int stride, int dilation) { return dilation / std::gcd(stride, dilation); }
};

struct Phase {
  PhaseAxis down, across;
  TermGrid taps;
  Run const* runs;
  std::int64_t first_term;  ///< terms of the phases before it
};

template <class T>
struct PackPhases {
  Conv2dGeometry g;
  T const* weight;
  T* packed;
  Phase const* phases;
  Panels<T> panels;

  /// Where a panel's filter for a phase starts among all.
  T* place(Phase const& phase, int panel) const {
    return packed + panels.packed(phase.first_term) + panels.offset(panel, phase.taps.terms());
  }
  void operator()(int, std::int64_t index) const {
    Phase const& phase = phases[index / panels.count()];
    int const panel = static_cast<int>(index % panels.count());
    pack(phase, panel, place(phase, panel));
  }

  void pack(Phase const& phase, int panel, T* to) const {
    constexpr int run =
        4 * Simd<T>::size;  // of a row, turned over at a time: a few lines, so that they come as a stream
    int const width = panels.vectors(panel) * Simd<T>::size;
    int const columns = panels.columns(panel);
    int const step = PhaseAxis::step(g.stride, g.dilation);
    std::int64_t const row = g.weight_index(0, 0, 1, 0);
    for (int t = phase.down.count - 1; t >= 0; --t)
      for (int u = phase.across.count - 1; u >= 0; --u) {
        T const* const tap =
            weight + g.weight_index(phase.down.first + step * t, phase.across.first + step * u, panels.first(panel), 0);
        for (int first = 0; first < g.out_channels; first += run) {
          int const end = std::min(first + run, g.out_channels);
          for (int in = 0; in < width; ++in) {
            T* line = to + static_cast<std::int64_t>(first) * width + in;
            if (in >= columns) {
              for (int out = first; out < end; ++out, line += width) *line = T(0);
              continue;
            }
            T const* const from = tap + in * row;
            for (int ahead = 0; ahead < run; ahead += Simd<T>::size) __builtin_prefetch(from + end + ahead);
            for (int out = first; out < end; ++out, line += width) *line = from[out];
          }
        }
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

/// The padded positions at which blocks of x stand, and the pixels of gy under them.
struct GradientSpans {
  Conv2dGeometry g;
  BlockGrid grid;
  int reach_down = 0;  ///< the longest of all phases
  int reach_across = 0;

  Span rows_of(Block const& block) const {
    return Span::of(block.top, block.rows, g.height, g.padding.top, g.padding.bottom, g.mode);
  }
  Span columns_of(Block const& block) const {
    return Span::of(block.left, block.columns, g.width, g.padding.left, g.padding.right, g.mode);
  }
  /// The first row (column) of gy that touches a padded position, and how many rows a span of positions touches.
  int first_row(int position) const { return (position + g.padding.top) / g.stride - reach_down; }
  int first_column(int position) const { return (position + g.padding.left) / g.stride - reach_across; }
  int row_count(Span const& span) const {
    return (span.end - 1 + g.padding.top) / g.stride - first_row(span.begin) + 1;
  }
  int column_count(Span const& span) const {
    return (span.end - 1 + g.padding.left) / g.stride - first_column(span.begin) + 1;
  }

  /// The largest of all blocks: rows and columns of gy under it, and padded columns.
  struct Most {
    int rows, columns, padded_columns;
  };
  Most most() const {
    Most most{};
    for (int i = 0; i < grid.down; ++i) most.rows = std::max(most.rows, row_count(rows_of(grid[i * grid.across])));
    for (int i = 0; i < grid.across; ++i) {
      Span const span = columns_of(grid[i]);
      most.columns = std::max(most.columns, column_count(span));
      most.padded_columns = std::max(most.padded_columns, span.end - span.begin);
    }
    return most;
  }
};

template <class B, class T = typename B::scalar_type>
struct Conv2dBackwardData : GradientSpans {
  Phase const* phases;
  T const* gy;
  PackPhases<T> filter;
  Delivery<T> gx;
  T const* zeros;  ///< one panel
  T* scratch;
  std::int64_t scratch_per_worker;
  int strip_columns;
  std::int64_t strip_size, line_size;
  bool by_panels;  ///< as in Conv2dForward

  void operator()(int worker, std::int64_t index) const {
    T* const strip = scratch + worker * scratch_per_worker;
    Panels<T> const panels{g.in_channels};
    if (!by_panels) return rectangle(grid[index], 0, panels.count(), nullptr, strip);
    int const panel = static_cast<int>(index);
    T* const packed = strip + strip_size + line_size;
    for (int i = 0; i < g.stride * g.stride; ++i)
      filter.pack(phases[i], panel, packed + phases[i].first_term * Panels<T>::width);
    for (std::int64_t b = 0; b < grid.count(); ++b) rectangle(grid[b], panel, panel + 1, packed, strip);
  }

  /// The panels [first_panel, end_panel) of a rectangle, by their own packed filters, or by all where that is null.
  void rectangle(Block const& block, int first_panel, int end_panel, T const* own, T* strip) const {
    Span const rows = rows_of(block);
    Span const columns = columns_of(block);
    T* const line = strip + strip_size;
    y_image(g, gy, block.image)
        .copy_rectangle(first_row(rows.begin), first_column(columns.begin), row_count(rows), strip_columns, strip);

    Panels<T> const panels{g.in_channels};
    // Where padded positions are the pixels themselves there is nothing to fold.
    bool const in_place = gx.beta == T(0) && is_zero_padded(g);
    for (int panel = first_panel; panel < end_panel; ++panel)
      for (int row = block.top; row < block.top + block.rows; ++row) {
        T const* const start = gx.bias + panels.first(panel);
        if (in_place) {
          T* const out = gx.out + g.x_index(block.image, row, block.left, panels.first(panel));
          padded_row(strip, own, rows, columns, panel, row, start, out, g.x_pixel(), panels.columns(panel));
          gx.finish(out, g.x_pixel(), block.columns, panels.first(panel), panels.columns(panel));
          continue;
        }
        int const width = panels.vectors(panel) * Simd<T>::size;
        PaddedImages const places = padded_images(row, g.height, g.padding.top, g.padding.bottom, g.mode);
        bool first = true;
        for (int range = 0; range < 3; ++range)
          for (int place = places.begin[range]; place < places.end[range]; ++place, first = false)
            padded_row(strip, own, rows, columns, panel, place, first ? zeros : nullptr, line, width, width);
        fold(line, columns, block, panel, row, start);
      }
  }

  /// line[column] = start + the gradient at the padded row `place`, for the padded columns of the span, which lie
  /// `line_pixel` apart; `channels` of the panel are written. Without a start, added to what stands there.
  void padded_row(T const* strip, T const* own, Span const& rows, Span const& columns, int panel, int place,
                  T const* start, T* line, int line_pixel, int channels) const {
    Panels<T> const panels{g.in_channels};
    int const padded_row = place + g.padding.top;
    int const padded_begin = columns.begin + g.padding.left;
    int const padded_end = columns.end + g.padding.left;
    for (int b = 0; b < g.stride; ++b) {
      Phase const& phase = phases[padded_row % g.stride * g.stride + b];
      int const begin = padded_begin + (b - padded_begin % g.stride + g.stride) % g.stride;
      int const count = (padded_end - begin + g.stride - 1) / g.stride;
      if (count <= 0) continue;
      T* const out = line + static_cast<std::int64_t>(begin - padded_begin) * line_pixel;
      std::int64_t const out_pixel = static_cast<std::int64_t>(g.stride) * line_pixel;
      if (phase.taps.terms() == 0) {
        for (int i = 0; i < count && start; ++i) std::copy_n(start, channels, out + i * out_pixel);
        continue;
      }
      std::int64_t const strip_row = padded_row / g.stride - phase.down.reach - first_row(rows.begin);
      std::int64_t const strip_column = begin / g.stride - phase.across.reach - first_column(columns.begin);
      CorrelateRow<T> const task{.runs = phase.runs,
                                 .pixels = strip + (strip_row * strip_columns + strip_column) * g.out_channels,
                                 .pixel = g.out_channels,
                                 .filter = own ? own + phase.first_term * Panels<T>::width : filter.place(phase, panel),
                                 .start = start ? start : out,
                                 .start_pixel = start ? 0 : out_pixel,
                                 .out = out,
                                 .out_pixel = out_pixel,
                                 .columns = channels};
      correlate_row(task, panels.vectors(panel), count);
    }
  }

  /// Delivers a row of gx: each pixel gathers the padded columns at which it stands.
  void fold(T const* line, Span const& columns, Block const& block, int panel, int row, T const* start) const {
    using V = Simd<T>;
    Panels<T> const panels{g.in_channels};
    int const vectors = panels.vectors(panel);
    for (int column = block.left; column < block.left + block.columns; ++column) {
      PaddedImages const places = padded_images(column, g.width, g.padding.left, g.padding.right, g.mode);
      T* const out = gx.out + g.x_index(block.image, row, column, panels.first(panel));
      for (int j = 0; j < vectors; ++j) {
        V total = V::load(start + j * V::size);
        for (int range = 0; range < 3; ++range)
          for (int place = places.begin[range]; place < places.end[range]; ++place)
            total += V::load(line + (static_cast<std::int64_t>(place - columns.begin) * vectors + j) * V::size);
        gx.deliver_vector(out + j * V::size, panels.first(panel) + j * V::size, total,
                          std::min(panels.columns(panel) - j * V::size, V::size));
      }
    }
  }
};

/// Delivers the gradient. Bias and epilogue are wanted by transposed convolutions, whose forward pass this is.
template <class B, class T = typename B::scalar_type>
void conv2d_backward_data_host(Workspace<B>& ws, Conv2dGeometry const& g, T const* gy, T const* weight,
                               Delivery<T> const& gx) {
  auto scope = ws.scope();
  Panels<T> const panels{g.in_channels};
  BlockGrid const grid = rectangles(g.images, g.height, g.width);
  Phase* const phases =
      scope.template take<Phase>(static_cast<std::size_t>(g.stride) * static_cast<std::size_t>(g.stride));
  Conv2dBackwardData<B> kernel{{g, grid},
                               phases,
                               gy,
                               {g, weight, nullptr, phases, panels},
                               in_panels(ws, scope, gx, g.in_channels),
                               nullptr,
                               nullptr,
                               0,
                               0,
                               0,
                               0,
                               false};
  for (int a = 0; a < g.stride; ++a)
    for (int b = 0; b < g.stride; ++b) {
      Phase& phase = phases[a * g.stride + b];
      phase.down = PhaseAxis::of(a, g.filter_height, g.stride, g.dilation);
      phase.across = PhaseAxis::of(b, g.filter_width, g.stride, g.dilation);
      kernel.reach_down = std::max(kernel.reach_down, phase.down.reach);
      kernel.reach_across = std::max(kernel.reach_across, phase.across.reach);
    }

  auto const most = kernel.most();
  kernel.strip_columns = most.columns;
  std::int64_t terms = 0;
  for (int i = 0; i < g.stride * g.stride; ++i) {
    Phase& phase = phases[i];
    phase.taps =
        TermGrid::taps(phase.down.count, phase.across.count, g.out_channels, PhaseAxis::gap(g.stride, g.dilation),
                       static_cast<std::int64_t>(kernel.strip_columns) * g.out_channels);
    phase.runs = make_runs(scope, phase.taps);
    phase.first_term = terms;
    terms += phase.taps.terms();
  }
  kernel.zeros = zeros<T>(scope, Panels<T>::width);
  kernel.strip_size = static_cast<std::int64_t>(most.rows) * most.columns * g.out_channels;
  kernel.line_size = static_cast<std::int64_t>(most.padded_columns) * Panels<T>::width;
  kernel.scratch_per_worker = kernel.strip_size + kernel.line_size;
  kernel.by_panels = is_work_by_panels(grid.count(), kernel.strip_size, terms, panels);
  if (kernel.by_panels) {
    kernel.scratch_per_worker += terms * Panels<T>::width;
  } else {
    kernel.filter.packed = scope.template take<T>(static_cast<std::size_t>(panels.packed(terms)));
    for_each_block(ws, "heliograd::conv2d_pack", static_cast<std::int64_t>(g.stride) * g.stride * panels.count(),
                   kernel.filter);
  }
  std::int64_t const items = kernel.by_panels ? panels.count() : grid.count();
  kernel.scratch =
      scope.template take<T>(static_cast<std::size_t>(worker_count(ws, items) * kernel.scratch_per_worker));
  for_each_block(ws, "heliograd::conv2d_backward_data", items, kernel);
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

/// The partial gradients of a filter bank, one piece of its terms after the other (a filter row, or a tap where the filter
/// is dilated). Each is a matrix product of a left factor, which is broadcast, and a right one, which is packed in panels: of
/// (x under the piece, gy) the narrow one had better be on the left.
template <class T>
struct FilterGradient {
  int pieces, piece_terms, out_channels;
  bool gy_left;
  int groups;

  static FilterGradient plan(int pieces, int piece_terms, int out_channels, bool gy_left, std::int64_t blocks) {
    FilterGradient gradient{pieces, piece_terms, out_channels, gy_left, 1};
    gradient.groups = partial_groups(gradient.size() * static_cast<std::int64_t>(sizeof(T)), blocks);
    return gradient;
  }

  int left_rows() const { return gy_left ? out_channels : piece_terms; }
  Panels<T> right() const { return {gy_left ? piece_terms : out_channels}; }
  /// One partial: piece after piece, panel after panel, left row after left row.
  std::int64_t size() const { return pieces * right().packed(left_rows()); }
  std::int64_t place(int piece, int panel) const {
    return piece * right().packed(left_rows()) + right().offset(panel, left_rows());
  }
};

/// gw = beta gw + the sum of the partial gradients, group after group in double precision.
template <class B, class T = typename B::scalar_type>
struct SumFilterGradients {
  FilterGradient<T> gradient;
  T const* partials;
  Sink<4, B> gw;
  int gw_row;  ///< from term to term

  std::int64_t blocks() const { return static_cast<std::int64_t>(gradient.pieces) * gradient.right().count(); }

  void operator()(int, std::int64_t index) const {
    Panels<T> const right = gradient.right();
    int const panel = static_cast<int>(index % right.count());
    int const piece = static_cast<int>(index / right.count());
    int const width = right.vectors(panel) * Simd<T>::size;
    double total[Panels<T>::width];
    for (int row = 0; row < gradient.left_rows(); ++row) {
      std::fill_n(total, width, 0.0);
      T const* part = partials + gradient.place(piece, panel) + static_cast<std::int64_t>(row) * width;
      for (int group = 0; group < gradient.groups; ++group, part += gradient.size())
        for (int j = 0; j < width; ++j) total[j] += static_cast<double>(part[j]);
      for (int j = 0; j < right.columns(panel); ++j) {
        int const column = right.first(panel) + j;
        std::int64_t const term =
            static_cast<std::int64_t>(piece) * gradient.piece_terms + (gradient.gy_left ? column : row);
        gw.add(static_cast<std::size_t>(term * gw_row + (gradient.gy_left ? row : column)), static_cast<T>(total[j]));
      }
    }
  }
};

template <class B, class T = typename B::scalar_type>
struct Conv2dPartialGradient {
  Conv2dGeometry g;
  BlockGrid grid;
  TermGrid taps;  ///< in a strip
  FilterGradient<T> gradient;
  T const* x;
  T const* gy;
  T* partials;    ///< null where there is one group only, whose gradient is delivered at once
  Sink<4, B> gw;  ///< for that case
  T* scratch;
  std::int64_t scratch_per_worker;
  int strip_columns;
  std::int64_t strip_size, packed_size;

  void operator()(int worker, std::int64_t index) const {
    Panels<T> const right = gradient.right();
    int const group = static_cast<int>(index / right.count());
    int const panel = static_cast<int>(index % right.count());
    T* const strip = scratch + worker * scratch_per_worker;
    T* const packed = strip + strip_size;
    T* const partial = partials ? partials + group * gradient.size() : packed + packed_size;
    auto const place = [&](int piece) {  // a worker's own partial has one panel
      return partial +
             (partials ? gradient.place(piece, panel) : piece * gradient.left_rows() * std::int64_t{Panels<T>::width});
    };
    std::int64_t const begin = grid.count() * group / gradient.groups;
    std::int64_t const end = grid.count() * (group + 1) / gradient.groups;
    std::int64_t const strip_row = static_cast<std::int64_t>(strip_columns) * g.in_channels;
    std::int64_t const strip_pixel = static_cast<std::int64_t>(g.stride) * g.in_channels;

    for (std::int64_t b = begin; b < end; ++b) {
      Block const block = grid[b];
      x_image(g, x, block.image)
          .copy_rectangle(block.top * g.stride - g.padding.top, block.left * g.stride - g.padding.left,
                          (block.rows - 1) * g.stride + g.span_down(), strip_columns, strip);
      T const* const gy_block = gy + g.y_index(block.image, block.top, block.left, 0);
      std::int64_t const gy_row = static_cast<std::int64_t>(g.out_width) * g.y_pixel();
      for (int i = 0; i < gradient.pieces; ++i) {
        T const* const x_block = strip + taps.offset(i);
        OuterProduct<T> product{.lines = block.rows,
                                .pixels = block.columns,
                                .left = x_block,
                                .left_line = g.stride * strip_row,
                                .left_pixel = strip_pixel,
                                .right = packed,
                                .out = place(i),
                                .add = b > begin};
        if (gradient.gy_left) {
          pack(x_block, g.stride * strip_row, strip_pixel, block, panel, packed);
          product.left = gy_block;
          product.left_line = gy_row;
          product.left_pixel = g.y_pixel();
        } else if (i == 0) {
          pack(gy_block, gy_row, g.y_pixel(), block, panel, packed);
        }
        outer_product(product, right.vectors(panel), gradient.left_rows());
        if (!partials && b == end - 1) deliver_piece(i, panel, product.out);
      }
    }
    if (begin == end)  // an empty batch
      for (int i = 0; i < gradient.pieces; ++i) {
        std::fill_n(place(i), static_cast<std::int64_t>(gradient.left_rows()) * right.vectors(panel) * Simd<T>::size,
                    T(0));
        if (!partials) deliver_piece(i, panel, place(i));
      }
  }

  /// gw = beta gw + a panel of a piece, whose rows are terms.
  void deliver_piece(int piece, int panel, T const* from) const {
    using V = Simd<T>;
    Panels<T> const right = gradient.right();
    int const columns = right.columns(panel);
    T* to = gw.out.data() + static_cast<std::int64_t>(piece) * gradient.piece_terms * g.y_pixel() + right.first(panel);
    for (int row = 0; row < gradient.left_rows(); ++row, to += g.y_pixel())
      for (int j = 0; j < right.vectors(panel); ++j, from += V::size)
        deliver<T>(to + j * V::size, gw.beta, V::load(from), std::min(columns - j * V::size, V::size));
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
  int const strip_columns = (grid.most_columns() - 1) * g.stride + g.span_across();
  std::int64_t const strip_rows = (grid.most_rows() - 1) * g.stride + g.span_down();
  std::int64_t const strip_size = strip_rows * strip_columns * g.in_channels;
  auto const taps = TermGrid::taps(g.filter_height, g.filter_width, g.in_channels, g.dilation,
                                   static_cast<std::int64_t>(strip_columns) * g.in_channels);
  bool const gy_left =
      g.out_channels * Panels<T>{taps.length}.packed(1) < taps.length * Panels<T>{g.out_channels}.packed(1);
  auto const gradient = FilterGradient<T>::plan(taps.pieces(), taps.length, g.out_channels, gy_left, grid.count());
  std::int64_t const items = static_cast<std::int64_t>(gradient.groups) * gradient.right().count();
  std::int64_t const packed_size = static_cast<std::int64_t>(grid.most_rows()) * grid.most_columns() * Panels<T>::width;
  bool const at_once = gradient.groups == 1 && !gy_left;
  std::int64_t const own = at_once ? gradient.pieces * gradient.left_rows() * std::int64_t{Panels<T>::width} : 0;
  std::int64_t const per_worker = strip_size + packed_size + own;
  T* const partials =
      at_once ? nullptr : scope.template take<T>(static_cast<std::size_t>(gradient.groups * gradient.size()));
  T* const scratch = scope.template take<T>(static_cast<std::size_t>(worker_count(ws, items) * per_worker));
  for_each_block(ws, "heliograd::conv2d_backward_weight", items,
                 Conv2dPartialGradient<B>{g, grid, taps, gradient, x, gy, partials, gw, scratch, per_worker,
                                          strip_columns, strip_size, packed_size});
  if (at_once) return;
  SumFilterGradients<B> const sum{gradient, partials, gw, g.y_pixel()};
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
  if (!ws.dry()) add_channel_sums<B>(partials, groups, channels, sums);
}

}  // namespace heliograd::inline HELIOGRAD_ABI::kernel::detail
