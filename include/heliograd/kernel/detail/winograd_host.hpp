// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>

#include <heliograd/core/sink.hpp>
#include <heliograd/core/workspace.hpp>
#include <heliograd/kernel/detail/block_grid.hpp>
#include <heliograd/kernel/detail/conv2d_geometry.hpp>
#include <heliograd/kernel/detail/conv2d_host.hpp>
#include <heliograd/kernel/detail/correlate.hpp>
#include <heliograd/kernel/detail/host_blocks.hpp>
#include <heliograd/kernel/detail/strip.hpp>
#include <heliograd/kernel/detail/winograd_transform.hpp>

/// \file
/// Convolution after Winograd on host spaces, one group of channels: square tiles of pixels and the filters are transformed,
/// multiplied entry by entry (so many matrix products over channels), and transformed back.
///     F(2x2, 3x3) takes 16 multiplications where the definition takes 36,   F(4x4, 3x3) 36 of 144,
///     F(3x3, 2x2)       16                                         36.
/// A convolution of stride 2 is one of stride 1 over the image folded 2x2 into channels, with a filter half as large: its
/// four phases are channels among others. So a 4x4 filter of stride 2 is a 2x2 one, for F(3x3, 2x2).
/// In the template parameter F, a `Winograd<outputs, taps>`, the taps are those of the folded filter.
namespace heliograd::inline HELIOGRAD_ABI::kernel::detail {

/// A convolution of stride s seen as one of stride 1 over folded pixels, which have s x s phases of channels.
struct FoldedGeometry : Conv2dGeometry {
  int fold() const { return stride; }
  int phases() const { return stride * stride; }
  int folded_channels() const { return phases() * in_channels; }
  /// The tap (t, u) of the folded filter for a phase; false where the filter ends before it.
  bool tap(int phase, int t, int u, int& i, int& j) const {
    i = stride * t + phase / stride;
    j = stride * u + phase % stride;
    return i < filter_height && j < filter_width;
  }
};

/// Tiles in a block: the transformed pixels, products and filters of a block fit a core's cache together.
inline constexpr int winograd_tiles = 48;

/// From one product to the next. Steps of a large power of two would send all products to the same lines of the cache.
template <class T>
std::int64_t product_step(std::int64_t numbers) {
  return numbers + Simd<T>::size;
}

/// Channels rounded up to whole vectors.
template <class T>
int padded_channels(int channels) {
  return (channels + Simd<T>::size - 1) / Simd<T>::size * Simd<T>::size;
}

/// Panels dealt out to several pieces of work on the same blocks, so that few blocks leave no core idle. Every piece transforms
/// the pixels for itself. No result depends on it.
struct PanelShare {
  int panels, shares;

  template <class B>
  static PanelShare of(Workspace<B> const& ws, std::int64_t blocks, int panels) {
    std::int64_t const workers = worker_count(ws, std::numeric_limits<int>::max());
    return {panels, blocks < 2 * workers ? static_cast<int>(std::min<std::int64_t>(panels, workers)) : 1};
  }
  std::int64_t block(std::int64_t index) const { return index / shares; }
  int begin(std::int64_t index) const { return static_cast<int>(index % shares * panels / shares); }
  int end(std::int64_t index) const { return static_cast<int>((index % shares + 1) * panels / shares); }
};

/// A block of tiles and the pixels under it.
template <class F, class T>
struct WinogradTiles {
  int down, across;
  T const* pixels;  ///< [outputs down + taps - 1, pixel_columns, channels]
  int pixel_columns;
  int channels;

  int count() const { return down * across; }

  /// to[product][tile][channel] = the transformed pixels, channels filled up to whole vectors with zeros.
  void transform_to(T* to, std::int64_t product_size) const {
    using V = Simd<T>;
    int const padded = padded_channels<T>(channels);
    std::int64_t const line = static_cast<std::int64_t>(pixel_columns) * channels;
    for (int r = 0; r < down; ++r)
      for (int c = 0; c < across; ++c) {
        T const* const corner = pixels + F::outputs * r * line + static_cast<std::int64_t>(F::outputs) * c * channels;
        T* const tile = to + static_cast<std::int64_t>(r * across + c) * padded;
        auto const pixel = [&](int i, int j) { return corner + i * line + static_cast<std::int64_t>(j) * channels; };
        int channel = 0;
        auto const store = [&](int i, int j, V value) {
          value.store(tile + (i * F::inputs + j) * product_size + channel);
        };
        for (; channel + V::size <= channels; channel += V::size)
          transform<F::input, V>([&](int i, int j) { return V::load(pixel(i, j) + channel); }, store);
        if (channel < channels)
          transform<F::input, V>([&](int i, int j) { return V::load(pixel(i, j) + channel, channels - channel); },
                                 store);
      }
  }
};

/// Packs transformed filters: panel after panel, product after product, [terms, columns]. Forward, the terms are the folded
/// channels and the columns the output channels; `transposed`, for the data gradient, the other way round and flipped.
template <class F, class T>
struct PackWinograd {
  using V = Simd<T>;
  static constexpr int most_terms = 4 * V::size;  ///< in a piece of work

  FoldedGeometry g;
  T const* weight;
  T* packed;
  bool transposed;

  int terms() const { return transposed ? g.out_channels : g.folded_channels(); }
  Panels<T> panels() const { return {transposed ? g.folded_channels() : g.out_channels}; }
  int parts() const { return (terms() + most_terms - 1) / most_terms; }
  std::int64_t blocks() const { return static_cast<std::int64_t>(panels().count()) * parts(); }

  void operator()(int, std::int64_t index) const {
    int const panel = static_cast<int>(index / parts());
    int const begin = static_cast<int>(index % parts()) * most_terms;
    int const end = std::min(begin + most_terms, terms());
    if (!transposed)
      for (int folded = begin; folded < end; ++folded) {
        Taps const taps = taps_of(folded);
        for (int j = 0; j < panels().vectors(panel); ++j)
          transform_filter(taps, panels().first(panel) + j * V::size,
                           [&](int product, V value) { value.store(row(panel, product, folded) + j * V::size); });
      }
    else
      pack_transposed(panel, begin, end);
  }

 private:
  T* row(int panel, int product, int term) const {
    int const width = panels().vectors(panel) * V::size;
    return packed + panels().offset(panel, static_cast<std::int64_t>(F::products) * terms()) +
           (static_cast<std::int64_t>(product) * terms() + term) * width;
  }

  /// Where the taps of a folded channel's filters stand, in the order of the sums; null where the filter ends before them.
  struct Taps {
    T const* at[F::taps][F::taps];
  };
  Taps taps_of(int folded) const {
    Taps taps{};
    if (folded >= g.folded_channels()) return taps;  // a column that fills up a panel
    for (int t = 0; t < F::taps; ++t)
      for (int u = 0; u < F::taps; ++u) {
        int i;
        int j;
        if (g.tap(folded / g.in_channels, t, u, i, j))
          taps.at[transposed ? F::taps - 1 - t : t][transposed ? F::taps - 1 - u : u] =
              weight + g.weight_index(i, j, folded % g.in_channels, 0);
      }
    return taps;
  }

  /// store(product, vector) for a vector of output channels.
  template <class Store>
  void transform_filter(Taps const& taps, int out, Store const& store) const {
    int const count = std::min(g.out_channels - out, V::size);
    transform<F::filter, V>([&](int t, int u) { return taps.at[t][u] ? V::load(taps.at[t][u] + out, count) : V(T(0)); },
                            [&](int i, int j, V value) { store(i * F::inputs + j, value); });
  }

  /// A panel of folded channels, and the output channels [begin, end): a vector of them at a time is turned over.
  void pack_transposed(int panel, int begin, int end) const {
    Taps taps[Panels<T>::width];
    int const width = panels().vectors(panel) * V::size;
    for (int column = 0; column < width; ++column) taps[column] = taps_of(panels().first(panel) + column);
    for (int out = begin; out < end; out += V::size) {
      int const lanes = std::min(end - out, V::size);
      for (int column = 0; column < width; ++column) {
        for (auto const& line : taps[column].at)  // more streams than are fetched ahead by themselves
          for (T const* const tap : line)
            if (tap != nullptr) __builtin_prefetch(tap + out + 2 * V::size);
        transform_filter(taps[column], out, [&](int product, V value) {
          T* to = row(panel, product, out) + column;
          for (int lane = 0; lane < lanes; ++lane, to += width) *to = value[lane];
        });
      }
    }
  }
};

/// From pixels to results: what the forward pass and the data gradient have in common.
template <class F, class T>
struct WinogradProduct {
  int channels;  ///< of the pixels
  Panels<T> panels;
  int most_tiles;
  Run const* runs;
  T const* filter;

  std::int64_t pixel_product() const {
    return product_step<T>(static_cast<std::int64_t>(most_tiles) * padded_channels<T>(channels));
  }
  std::int64_t result_product() const {
    return product_step<T>(static_cast<std::int64_t>(most_tiles) * Panels<T>::width);
  }
  std::int64_t scratch_size() const { return F::products * (pixel_product() + result_product()); }

  /// Calls store(panel, row, column, vector number, value) for each result of the block in some panels.
  template <class Store>
  void operator()(WinogradTiles<F, T> const& tiles, int first_panel, int end_panel, T* scratch,
                  Store const& store) const {
    using V = Simd<T>;
    T* const transformed = scratch;
    T* const results = scratch + F::products * pixel_product();
    std::int64_t const step = result_product();
    tiles.transform_to(transformed, pixel_product());
    for (int panel = first_panel; panel < end_panel; ++panel) {
      int const vectors = panels.vectors(panel);
      int const width = vectors * V::size;
      for (int product = 0; product < F::products; ++product)
        correlate_row<T>({.runs = runs,
                          .pixels = transformed + product * pixel_product(),
                          .pixel = padded_channels<T>(channels),
                          .filter = filter + panels.offset(panel, static_cast<std::int64_t>(F::products) * channels) +
                                    static_cast<std::int64_t>(product) * channels * width,
                          .start = nullptr,
                          .start_pixel = 0,
                          .out = results + product * step,
                          .out_pixel = width,
                          .columns = width},
                         vectors, tiles.count());
      for (int r = 0; r < tiles.down; ++r)
        for (int c = 0; c < tiles.across; ++c)
          for (int j = 0; j < vectors; ++j) {
            T const* const tile = results + (static_cast<std::int64_t>(r * tiles.across + c) * vectors + j) * V::size;
            transform<F::output, V>(
                [&](int a, int b) { return V::load(tile + (a * F::inputs + b) * step); },
                [&](int a, int b, V value) { store(panel, F::outputs * r + a, F::outputs * c + b, j, value); });
          }
    }
  }
};

// ---------------------------------------------------------------------------------------------------------------- forward

template <class F, class B, class T = typename B::scalar_type>
struct WinogradForward {
  FoldedGeometry g;
  BlockGrid grid;  ///< of tiles
  PanelShare share;
  WinogradProduct<F, T> product;
  T const* x;
  T const* bias;  ///< whole panels
  Sink<4, B> y;
  T* scratch;
  std::int64_t scratch_per_worker;

  int pixel_columns() const { return F::outputs * grid.most_columns() + F::taps - 1; }
  std::int64_t strip_size() const {
    return static_cast<std::int64_t>(F::outputs * grid.most_rows() + F::taps - 1) * pixel_columns() *
           g.folded_channels();
  }

  void operator()(int worker, std::int64_t index) const {
    using V = Simd<T>;
    Block const block = grid[share.block(index)];
    T* const strip = scratch + worker * scratch_per_worker;
    int const top = F::outputs * block.top;
    int const left = F::outputs * block.left;
    x_image(g, x, block.image)
        .copy_folded(g.fold() * top - g.padding.top, g.fold() * left - g.padding.left,
                     F::outputs * block.rows + F::taps - 1, pixel_columns(), g.fold(), strip);
    int const rows = g.out_height - top;
    int const columns = g.out_width - left;
    T* const out = y.out.data() + g.y_index(block.image, top, left, 0);
    product({block.rows, block.columns, strip, pixel_columns(), g.folded_channels()}, share.begin(index),
            share.end(index), strip + strip_size(), [&](int panel, int row, int column, int j, V value) {
              if (row >= rows || column >= columns) return;
              int const channel = product.panels.first(panel) + j * V::size;
              deliver<T>(out + (static_cast<std::int64_t>(row) * g.out_width + column) * g.y_pixel() + channel, y.beta,
                         value + V::load(bias + channel), std::min(g.out_channels - channel, V::size));
            });
  }
};

/// Tiles that cover an output, in blocks.
template <class F>
BlockGrid tile_grid(Conv2dGeometry const& g) {
  auto const tiles = [](int extent) { return (extent + F::outputs - 1) / F::outputs; };
  return BlockGrid::about(g.images, tiles(g.out_height), tiles(g.out_width), winograd_tiles, winograd_tiles);
}

template <class F, class B, class T = typename B::scalar_type>
void conv2d_winograd(Workspace<B>& ws, Conv2dGeometry const& geometry, T const* x, T const* weight, T const* bias,
                     Sink<4, B> y) {
  FoldedGeometry const g{geometry};
  auto scope = ws.scope();
  Panels<T> const panels{g.out_channels};
  T* const filter = scope.template take<T>(
      static_cast<std::size_t>(panels.packed(static_cast<std::int64_t>(F::products) * g.folded_channels())));
  PackWinograd<F, T> const pack{g, weight, filter, false};
  for_each_block(ws, "heliograd::conv2d_pack", pack.blocks(), pack);

  BlockGrid const grid = tile_grid<F>(g);
  Run const* const runs = make_runs(scope, {1, 1, g.folded_channels()});
  auto const share = PanelShare::of(ws, grid.count(), panels.count());
  WinogradForward<F, B> kernel{
      g,     grid,
      share, {g.folded_channels(), panels, grid.most_rows() * grid.most_columns(), runs, filter},
      x,     whole_panels(scope, bias, g.out_channels),
      y,     nullptr,
      0};
  kernel.scratch_per_worker = kernel.strip_size() + kernel.product.scratch_size();
  std::int64_t const items = grid.count() * share.shares;
  kernel.scratch =
      scope.template take<T>(static_cast<std::size_t>(worker_count(ws, items) * kernel.scratch_per_worker));
  for_each_block(ws, "heliograd::conv2d", items, kernel);
}

// ---------------------------------------------------------------------------------------------------------- data gradient

/// Blocks of x, cut so that their folded pixels are whole tiles. The gradient is computed at all padded positions where a
/// pixel of the block stands, then folded back.
template <class F, class B, class T = typename B::scalar_type>
struct WinogradBackwardData {
  FoldedGeometry g;
  BlockGrid grid;  ///< of tiles' pixels
  PanelShare share;
  WinogradProduct<F, T> product;
  T const* gy;
  T const* bias;  ///< whole panels
  Sink<4, B> gx;
  T* scratch;
  std::int64_t scratch_per_worker;
  int tiles_down, tiles_across;  ///< of the largest block

  /// The side of a tile in pixels, and how far the first tile reaches out of the image to begin with a whole folded pixel.
  static int side(int fold) { return F::outputs * fold; }
  static BlockGrid cut(FoldedGeometry const& g) {
    auto const tiles = [&](int extent, int before) {
      return (extent + before % g.fold() + side(g.fold()) - 1) / side(g.fold());
    };
    return BlockGrid::about(g.images, tiles(g.height, g.padding.top), tiles(g.width, g.padding.left), winograd_tiles,
                            winograd_tiles);
  }
  /// The pixels of a block of tiles.
  Block pixels_of(Block const& tiles) const {
    auto const first = [&](int tile, int before) { return std::max(tile * side(g.fold()) - before % g.fold(), 0); };
    auto const end = [&](int tile, int before, int extent) {
      return std::min(tile * side(g.fold()) - before % g.fold(), extent);
    };
    int const top = first(tiles.top, g.padding.top);
    int const left = first(tiles.left, g.padding.left);
    return {tiles.image, top, left, end(tiles.top + tiles.rows, g.padding.top, g.height) - top,
            end(tiles.left + tiles.columns, g.padding.left, g.width) - left};
  }

  /// The padded positions at which the pixels of a block stand, and the folded ones, counted from the padding's first.
  struct Stretch {
    Span padded;
    int begin, tiles;
  };
  Stretch stretch(Span const& padded, int before) const {
    int const begin = (padded.begin + before) / g.fold();
    int const end = (padded.end - 1 + before) / g.fold() + 1;
    return {padded, begin, (end - begin + F::outputs - 1) / F::outputs};
  }
  Stretch rows_of(Block const& block) const {
    return stretch(Span::of(block.top, block.rows, g.height, g.padding.top, g.padding.bottom, g.mode), g.padding.top);
  }
  Stretch columns_of(Block const& block) const {
    return stretch(Span::of(block.left, block.columns, g.width, g.padding.left, g.padding.right, g.mode),
                   g.padding.left);
  }
  int pixel_columns() const { return F::outputs * tiles_across + F::taps - 1; }
  std::int64_t strip_size() const {
    return static_cast<std::int64_t>(F::outputs * tiles_down + F::taps - 1) * pixel_columns() * g.out_channels;
  }
  int folded_pixel() const { return static_cast<int>(product.panels.packed(1)); }
  std::int64_t folded_size() const {
    return static_cast<std::int64_t>(F::outputs * F::outputs) * tiles_down * tiles_across * folded_pixel();
  }

  void operator()(int worker, std::int64_t index) const {
    using V = Simd<T>;
    Block const block = pixels_of(grid[share.block(index)]);
    Stretch const rows = rows_of(block);
    Stretch const columns = columns_of(block);
    T* const strip = scratch + worker * scratch_per_worker;
    T* const folded = strip + strip_size();
    y_image(g, gy, block.image)
        .copy_rectangle(rows.begin - (F::taps - 1), columns.begin - (F::taps - 1),
                        F::outputs * rows.tiles + F::taps - 1, pixel_columns(), strip);
    std::int64_t const line = static_cast<std::int64_t>(F::outputs) * columns.tiles * folded_pixel();
    product({rows.tiles, columns.tiles, strip, pixel_columns(), g.out_channels}, share.begin(index), share.end(index),
            folded + folded_size(), [&](int panel, int row, int column, int j, V value) {
              value.store(folded + row * line + static_cast<std::int64_t>(column) * folded_pixel() +
                          product.panels.first(panel) + j * V::size);
            });
    int const first = share.shares == 1 ? 0 : product.panels.first(share.begin(index));
    int const end = share.shares == 1 ? g.in_channels : std::min(product.panels.first(share.end(index)), g.in_channels);
    unfold(block, rows, columns, first, end, folded, line);
  }

  /// Delivers the channels [first, end) of a block.
  void unfold(Block const& block, Stretch const& row_stretch, Stretch const& column_stretch, int first, int end,
              T const* folded, std::int64_t line) const {
    using V = Simd<T>;
    auto const place = [&](int row, int column) {
      int const h = row + g.padding.top;
      int const w = column + g.padding.left;
      int const phase = h % g.fold() * g.fold() + w % g.fold();
      return folded + (h / g.fold() - row_stretch.begin) * line +
             static_cast<std::int64_t>(w / g.fold() - column_stretch.begin) * folded_pixel() + phase * g.in_channels;
    };
    for (int row = block.top; row < block.top + block.rows; ++row) {
      PaddedImages const rows = padded_images(row, g.height, g.padding.top, g.padding.bottom, g.mode);
      for (int column = block.left; column < block.left + block.columns; ++column) {
        PaddedImages const columns = padded_images(column, g.width, g.padding.left, g.padding.right, g.mode);
        T* const out = gx.out.data() + g.x_index(block.image, row, column, 0);
        T const* const here = place(row, column);
        bool const alone = rows.alone() && columns.alone();
        for (int c = first; c < end; c += V::size) {
          int const lanes = std::min(end - c, V::size);
          V total = V::load(bias + c);
          if (alone)
            total += V::load(here + c, lanes);
          else
            for (int a = 0; a < 3; ++a)
              for (int i = rows.begin[a]; i < rows.end[a]; ++i)
                for (int b = 0; b < 3; ++b)
                  for (int j = columns.begin[b]; j < columns.end[b]; ++j) total += V::load(place(i, j) + c, lanes);
          deliver<T>(out + c, gx.beta, total, lanes);
        }
      }
    }
  }
};

template <class F, class B, class T = typename B::scalar_type>
void conv2d_backward_data_winograd(Workspace<B>& ws, Conv2dGeometry const& geometry, T const* gy, T const* weight,
                                   T const* bias, Sink<4, B> gx) {
  FoldedGeometry const g{geometry};
  auto scope = ws.scope();
  Panels<T> const panels{g.folded_channels()};
  T* const filter = scope.template take<T>(
      static_cast<std::size_t>(panels.packed(static_cast<std::int64_t>(F::products) * g.out_channels)));
  PackWinograd<F, T> const pack{g, weight, filter, true};
  for_each_block(ws, "heliograd::conv2d_pack", pack.blocks(), pack);

  BlockGrid const grid = WinogradBackwardData<F, B>::cut(g);
  Run const* const runs = make_runs(scope, {1, 1, g.out_channels});
  // With a fold, the channels of a pixel are spread over all panels.
  auto const share = g.fold() == 1 ? PanelShare::of(ws, grid.count(), panels.count()) : PanelShare{panels.count(), 1};
  WinogradBackwardData<F, B> kernel{g,     grid,
                                    share, {g.out_channels, panels, 0, runs, filter},
                                    gy,    whole_panels(scope, bias, g.in_channels),
                                    gx,    nullptr,
                                    0,     0,
                                    0};
  for (int i = 0; i < grid.down; ++i)
    kernel.tiles_down = std::max(kernel.tiles_down, kernel.rows_of(kernel.pixels_of(grid[i * grid.across])).tiles);
  for (int i = 0; i < grid.across; ++i)
    kernel.tiles_across = std::max(kernel.tiles_across, kernel.columns_of(kernel.pixels_of(grid[i])).tiles);
  kernel.product.most_tiles = kernel.tiles_down * kernel.tiles_across;
  kernel.scratch_per_worker = kernel.strip_size() + kernel.folded_size() + kernel.product.scratch_size();
  std::int64_t const items = grid.count() * share.shares;
  kernel.scratch =
      scope.template take<T>(static_cast<std::size_t>(worker_count(ws, items) * kernel.scratch_per_worker));
  for_each_block(ws, "heliograd::conv2d_backward_data", items, kernel);
}

// -------------------------------------------------------------------------------------------------------- filter gradient

/// One group of blocks and one panel of output channels: the gradient of the transformed filters, [product, channel,
/// columns], is a sum over tiles of outer products of transformed pixels and transformed output gradients.
template <class F, class T>
struct WinogradPartialGradient {
  FoldedGeometry g;
  BlockGrid grid;  ///< of tiles
  Panels<T> panels;
  int groups;
  PanelShare share;
  T const* x;
  T const* gy;
  T* partials;
  T* scratch;
  std::int64_t scratch_per_worker;

  int pixel_columns() const { return F::outputs * grid.most_columns() + F::taps - 1; }
  std::int64_t strip_size() const {
    return static_cast<std::int64_t>(F::outputs * grid.most_rows() + F::taps - 1) * pixel_columns() *
           g.folded_channels();
  }
  int most_tiles() const { return grid.most_rows() * grid.most_columns(); }
  std::int64_t pixel_product() const {
    return product_step<T>(static_cast<std::int64_t>(most_tiles()) * padded_channels<T>(g.folded_channels()));
  }
  std::int64_t gradient_product() const {
    return product_step<T>(static_cast<std::int64_t>(most_tiles()) * Panels<T>::width);
  }
  std::int64_t gy_strip_size() const {
    return static_cast<std::int64_t>(F::outputs * F::outputs) * most_tiles() * g.out_channels;
  }
  std::int64_t scratch_size() const {
    return strip_size() + gy_strip_size() + F::products * (pixel_product() + gradient_product());
  }
  std::int64_t terms() const { return static_cast<std::int64_t>(F::products) * g.folded_channels(); }
  std::int64_t partial_size() const { return panels.packed(terms()); }

  void operator()(int worker, std::int64_t index) const {
    std::int64_t const group = share.block(index);
    T* const strip = scratch + worker * scratch_per_worker;
    T* const gy_strip = strip + strip_size();
    T* const pixels = gy_strip + gy_strip_size();
    T* const gradients = pixels + F::products * pixel_product();
    std::int64_t const begin = grid.count() * group / groups;
    std::int64_t const end = grid.count() * (group + 1) / groups;
    T* const partial = partials + group * partial_size();
    if (begin == end && share.begin(index) == 0) std::fill_n(partial, partial_size(), T(0));  // an empty batch

    for (std::int64_t b = begin; b < end; ++b) {
      Block const block = grid[b];
      int const top = F::outputs * block.top;
      int const left = F::outputs * block.left;
      x_image(g, x, block.image)
          .copy_folded(g.fold() * top - g.padding.top, g.fold() * left - g.padding.left,
                       F::outputs * block.rows + F::taps - 1, pixel_columns(), g.fold(), strip);
      y_image(g, gy, block.image)
          .copy_rectangle(top, left, F::outputs * block.rows, F::outputs * block.columns, gy_strip);
      WinogradTiles<F, T>{block.rows, block.columns, strip, pixel_columns(), g.folded_channels()}.transform_to(
          pixels, pixel_product());
      for (int panel = share.begin(index); panel < share.end(index); ++panel) {
        transform_gradients(block, panel, gy_strip, gradients);
        int const width = panels.vectors(panel) * Simd<T>::size;
        for (int product = 0; product < F::products; ++product)
          outer_product<T>({.lines = 1,
                            .pixels = block.rows * block.columns,
                            .left = pixels + product * pixel_product(),
                            .left_line = 0,
                            .left_pixel = padded_channels<T>(g.folded_channels()),
                            .right = gradients + product * gradient_product(),
                            .out = partial + panels.offset(panel, terms()) +
                                   static_cast<std::int64_t>(product) * g.folded_channels() * width,
                            .add = b > begin},
                           panels.vectors(panel), g.folded_channels());
      }
    }
  }

  void transform_gradients(Block const& block, int panel, T const* gy_strip, T* to) const {
    using V = Simd<T>;
    int const vectors = panels.vectors(panel);
    std::int64_t const step = gradient_product();
    std::int64_t const line = static_cast<std::int64_t>(F::outputs) * block.columns * g.out_channels;
    for (int r = 0; r < block.rows; ++r)
      for (int c = 0; c < block.columns; ++c)
        for (int j = 0; j < vectors; ++j, to += V::size) {
          int const channel = panels.first(panel) + j * V::size;
          int const lanes = std::min(g.out_channels - channel, V::size);
          T const* const corner =
              gy_strip + F::outputs * r * line + static_cast<std::int64_t>(F::outputs) * c * g.out_channels + channel;
          auto const pixel = [&](int a, int b) {
            return corner + a * line + static_cast<std::int64_t>(b) * g.out_channels;
          };
          auto const store = [&](int a, int b, V value) { value.store(to + (a * F::inputs + b) * step); };
          if (lanes == V::size)
            transform<F::output_transposed, V>([&](int a, int b) { return V::load(pixel(a, b)); }, store);
          else
            transform<F::output_transposed, V>([&](int a, int b) { return V::load(pixel(a, b), lanes); }, store);
        }
  }
};

/// gw = beta gw + the sum over groups, in double precision, transformed back to filters.
template <class F, class B, class T = typename B::scalar_type>
struct WinogradSumGradients {
  FoldedGeometry g;
  Panels<T> panels;
  int groups;
  std::int64_t partial_size;
  T const* partials;
  Sink<4, B> gw;

  void operator()(int, std::int64_t index) const {
    using V = Simd<T>;
    int const folded = static_cast<int>(index);
    int const phase = folded / g.in_channels;
    int const in = folded % g.in_channels;
    double total[F::products][Panels<T>::width];
    T sums[F::products][Panels<T>::width];
    for (int panel = 0; panel < panels.count(); ++panel) {
      int const width = panels.vectors(panel) * V::size;
      std::int64_t const place = panels.offset(panel, static_cast<std::int64_t>(F::products) * g.folded_channels()) +
                                 static_cast<std::int64_t>(folded) * width;
      for (auto& row : total) std::fill_n(row, width, 0.0);
      for (int group = 0; group < groups; ++group)
        for (int product = 0; product < F::products; ++product) {
          T const* const part = partials + group * partial_size + place +
                                static_cast<std::int64_t>(product) * g.folded_channels() * width;
          for (int j = 0; j < width; ++j) total[product][j] += static_cast<double>(part[j]);
        }
      for (int product = 0; product < F::products; ++product)
        for (int j = 0; j < width; ++j) sums[product][j] = static_cast<T>(total[product][j]);
      for (int j = 0; j < panels.vectors(panel); ++j) {
        int const channel = panels.first(panel) + j * V::size;
        int const lanes = std::min(g.out_channels - channel, V::size);
        transform<F::filter_transposed, V>([&](int a, int b) { return V::load(sums[a * F::inputs + b] + j * V::size); },
                                           [&](int t, int u, V value) {
                                             int row;
                                             int column;
                                             if (!g.tap(phase, t, u, row, column)) return;
                                             deliver<T>(gw.out.data() + g.weight_index(row, column, in, channel),
                                                        gw.beta, value, lanes);
                                           });
      }
    }
  }
};

template <class F, class B, class T = typename B::scalar_type>
void conv2d_backward_weight_winograd(Workspace<B>& ws, Conv2dGeometry const& geometry, T const* x, T const* gy,
                                     Sink<4, B> gw) {
  FoldedGeometry const g{geometry};
  auto scope = ws.scope();
  BlockGrid const grid = tile_grid<F>(g);
  WinogradPartialGradient<F, T> kernel{g, grid, {g.out_channels}, 1, {}, x, gy, nullptr, nullptr, 0};
  kernel.groups = partial_groups(kernel.partial_size() * static_cast<std::int64_t>(sizeof(T)), grid.count());
  kernel.share = PanelShare::of(ws, kernel.groups, kernel.panels.count());
  std::int64_t const items = static_cast<std::int64_t>(kernel.groups) * kernel.share.shares;
  kernel.partials = scope.template take<T>(static_cast<std::size_t>(kernel.groups * kernel.partial_size()));
  kernel.scratch_per_worker = kernel.scratch_size();
  kernel.scratch =
      scope.template take<T>(static_cast<std::size_t>(worker_count(ws, items) * kernel.scratch_per_worker));
  for_each_block(ws, "heliograd::conv2d_backward_weight", items, kernel);
  for_each_block(
      ws, "heliograd::conv2d_backward_weight_sum", g.folded_channels(),
      WinogradSumGradients<F, B>{g, kernel.panels, kernel.groups, kernel.partial_size(), kernel.partials, gw});
}

}  // namespace heliograd::inline HELIOGRAD_ABI::kernel::detail
