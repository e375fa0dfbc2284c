// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cstdint>

#include <heliograd/core/sink.hpp>
#include <heliograd/core/workspace.hpp>
#include <heliograd/kernel/detail/block_grid.hpp>
#include <heliograd/kernel/detail/conv2d_geometry.hpp>
#include <heliograd/kernel/detail/conv2d_host.hpp>
#include <heliograd/kernel/detail/correlate.hpp>
#include <heliograd/kernel/detail/delivery.hpp>
#include <heliograd/kernel/detail/host_blocks.hpp>
#include <heliograd/kernel/detail/strip.hpp>
#include <heliograd/kernel/detail/winograd_transform.hpp>

/// \file
/// Convolution after Winograd on host spaces, one group of channels: square tiles of pixels and the filters are transformed,
/// multiplied entry by entry (so many matrix products over channels), and transformed back.
///     F(2x2, 3x3) takes 16 multiplications where the definition takes 36,   F(4x4, 3x3) 36 of 144,
///     F(3x3, 2x2)       16                                         36,      F(4x4, 2x2) 25 of  64,
///                                                                           F(4x4, 4x4) 49 of 256.
/// A convolution of stride 2 is one of stride 1 over the image folded 2x2 into channels, with a filter half as large: its
/// four phases are channels among others. So a 4x4 filter of stride 2 is a 2x2 one, for F(3x3, 2x2).
/// In the template parameter F, a `Winograd<outputs, taps>`, the taps are those of the folded filter.
///
/// Transformed pixels are multiplied a block of tiles at a time. Tiles are numbered through all images, so that small images
/// fill blocks as well as large ones. How tiles and panels are cut changes no bit: every result is the same sum.
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

/// Tiles in a block. They share a panel's filters, so that few of them would leave filters to be fetched faster than sums use
/// them; and the products of a block with a panel fit a core's cache.
inline constexpr int winograd_tiles = 72;

/// Of transformed filters, or of one part of their gradients, that are held at a time. Pixels are transformed again for each
/// piece, which a large piece makes up for.
inline constexpr std::int64_t winograd_bytes = std::int64_t{32} << 20;

/// From one product to the next. Steps of a large power of two would send all products to the same lines of the cache.
template <class T>
std::int64_t product_step(std::int64_t numbers) {
  return numbers + Simd<T>::size;
}

/// From the channels of one tile to the next's, for the same reason an odd number of vectors.
template <class T>
int tile_step(int channels) {
  return ((channels + Simd<T>::size - 1) / Simd<T>::size | 1) * Simd<T>::size;
}

/// Panels in a row.
struct PanelRange {
  int begin, end;
  int count() const { return end - begin; }
};

/// Where the transformed filters of some panels, or their gradients, lie: panel after panel, product after product, [terms,
/// columns]. They have several times the numbers of the filters, so that not all panels are held at a time.
template <class F, class T>
struct TransformedFilters {
  Panels<T> panels;
  int terms;
  PanelRange held;

  static TransformedFilters all(Panels<T> const& panels, int terms) { return {panels, terms, {0, panels.count()}}; }

  /// Calls body(filters) with a piece after the other: some of the panels that are held, at least one.
  template <class Body>
  void in_pieces(Body const& body) const {
    std::int64_t const panel_bytes = F::products * product() * static_cast<std::int64_t>(sizeof(T));
    int const fit =
        static_cast<int>(std::max<std::int64_t>(winograd_bytes / std::max<std::int64_t>(panel_bytes, 1), 1));
    int const pieces = (held.count() + fit - 1) / fit;
    auto const cut = [&](int piece) { return held.begin + held.count() * piece / pieces; };
    for (int i = 0; i < pieces; ++i) body(TransformedFilters{panels, terms, {cut(i), cut(i + 1)}});
  }

  int width(int panel) const { return panels.vectors(panel) * Simd<T>::size; }
  std::int64_t product() const { return product_step<T>(static_cast<std::int64_t>(terms) * Panels<T>::width); }
  std::int64_t place(int panel, int product_number) const {
    return (static_cast<std::int64_t>(panel - held.begin) * F::products + product_number) * product();
  }
  std::int64_t size() const { return place(held.end, 0); }
};

/// Panels dealt out to several pieces of work on the same blocks, so that few blocks leave no core idle. Every piece transforms
/// the pixels for itself. No result depends on it.
struct PanelShare {
  PanelRange panels;
  int shares;

  template <class B>
  static PanelShare of(Workspace<B> const& ws, std::int64_t blocks, PanelRange const& panels) {
    std::int64_t const workers = worker_count(ws);
    bool const even = blocks % workers == 0 || blocks >= 2 * workers;
    return {panels, even ? 1 : static_cast<int>(std::min<std::int64_t>(panels.count(), workers))};
  }
  std::int64_t block(std::int64_t index) const { return index / shares; }
  int begin(std::int64_t index) const { return cut(index % shares); }
  int end(std::int64_t index) const { return cut(index % shares + 1); }

 private:
  int cut(std::int64_t share) const { return panels.begin + static_cast<int>(share * panels.count() / shares); }
};

/// All tiles of all images, numbered image by image and row by row, in blocks of nearly equal size.
struct TileBlocks {
  int images, down, across;  ///< tiles of an image
  std::int64_t blocks;

  /// Blocks of about `tiles`; as many for each of `workers`, where that leaves them large enough.
  static TileBlocks about(int images, int down, int across, int tiles, int workers) {
    constexpr int fewest_tiles = 32;
    TileBlocks cut{images, down, across, 1};
    cut.blocks = (cut.count() + tiles - 1) / tiles;
    std::int64_t const even = (cut.blocks + workers - 1) / workers * workers;
    if (cut.count() >= fewest_tiles * even) cut.blocks = even;
    return cut;
  }
  std::int64_t count() const { return static_cast<std::int64_t>(images) * down * across; }
  int most_tiles() const { return blocks == 0 ? 0 : static_cast<int>((count() + blocks - 1) / blocks); }
  std::int64_t begin(std::int64_t block) const { return count() * block / blocks; }
  std::int64_t end(std::int64_t block) const { return count() * (block + 1) / blocks; }

  struct Tile {
    int image, row, column;
  };
  Tile operator[](std::int64_t tile) const {
    return {static_cast<int>(tile / across / down), static_cast<int>(tile / across % down),
            static_cast<int>(tile % across)};
  }
};

/// to[channel] = the transform of a square of folded pixels that begins at (top, left) of an image, channels filled up to
/// whole vectors with zeros. It is read where it stands; what reaches out of the image is copied to `scratch` first.
template <auto const& Matrix, class T>
void transform_pixels(PaddedImage<T> const& image, int fold, int top, int left, T* scratch, VectorSquare<T> const& to) {
  constexpr int side = std::remove_cvref_t<decltype(Matrix)>::columns;
  constexpr int vector = Simd<T>::size;
  auto const pass = [&](T const* from, std::int64_t line, std::int64_t pixel, int channels, int first) {
    for (int c = 0; c < channels; c += vector)
      transform<Matrix, T>({from + c, line, pixel}, {to.data + first + c, to.row, to.column},
                           std::min(channels - c, vector));
  };
  bool const inside = top >= 0 && left >= 0 && top + side * fold <= image.height && left + side * fold <= image.width;
  if (inside && (fold == 1 || image.channels % vector == 0)) {
    std::int64_t const line = static_cast<std::int64_t>(image.width) * image.pixel;
    for (int phase = 0; phase < fold * fold; ++phase)
      pass(image.data + (top + phase / fold) * line + static_cast<std::int64_t>(left + phase % fold) * image.pixel,
           fold * line, static_cast<std::int64_t>(fold) * image.pixel, image.channels, phase * image.channels);
  } else {
    std::int64_t const pixel = static_cast<std::int64_t>(fold) * fold * image.channels;
    image.copy_folded(top, left, side, side, fold, scratch);
    pass(scratch, side * pixel, pixel, static_cast<int>(pixel), 0);
  }
}

/// Packs transformed filters: panel after panel, product after product, [terms, columns]. Forward, the terms are the folded
/// channels and the columns the output channels; `transposed`, for the data gradient, the other way round and flipped.
template <class F, class T>
struct PackWinograd {
  using V = Simd<T>;
  static constexpr int most_terms = 4 * V::size;  ///< in a piece of work

  FoldedGeometry g;
  T const* weight;
  bool transposed;
  TransformedFilters<F, T> filters;
  int first_folded = 0;  ///< where the panels of a transposed one begin among the folded channels
  T* packed = nullptr;

  static PackWinograd forward(FoldedGeometry const& g, T const* weight) {
    return {g, weight, false, TransformedFilters<F, T>::all({g.out_channels}, g.folded_channels())};
  }
  static PackWinograd to_data(FoldedGeometry const& g, T const* weight) {
    return {g, weight, true, TransformedFilters<F, T>::all({g.folded_channels()}, g.out_channels)};
  }
  /// One phase of the image alone.
  static PackWinograd to_phase(FoldedGeometry const& g, T const* weight, int phase) {
    return {g, weight, true, TransformedFilters<F, T>::all({g.in_channels}, g.out_channels), phase * g.in_channels};
  }

  int parts() const { return (filters.terms + most_terms - 1) / most_terms; }
  std::int64_t blocks() const { return static_cast<std::int64_t>(filters.held.count()) * parts(); }

  void operator()(int, std::int64_t index) const {
    int const panel = filters.held.begin + static_cast<int>(index / parts());
    int const begin = static_cast<int>(index % parts()) * most_terms;
    int const end = std::min(begin + most_terms, filters.terms);
    pack(panel, begin, end, packed + filters.place(panel, 0) + static_cast<std::int64_t>(begin) * filters.width(panel),
         filters.product());
  }

  /// The terms [begin, end) of a panel to `to`, from product to product a `step`.
  void pack(int panel, int begin, int end, T* to, std::int64_t step) const {
    if (transposed) return pack_transposed(panel, begin, end, to, step);
    for (int folded = begin; folded < end; ++folded) {
      Taps const taps = taps_of(folded);
      for (int j = 0; j < filters.panels.vectors(panel); ++j, to += V::size) {
        T filter[F::taps][F::taps][V::size];
        int const out = filters.panels.first(panel) + j * V::size;
        fetch(taps, out + rows_ahead * g.y_pixel());
        load(taps, out, [&](int t, int u, V value) { value.store(filter[t][u]); });
        deposit(filter, to, step);
      }
    }
  }

  /// What `pack` reads for these terms, in F::products parts, to be fetched while something else is computed: of a transposed one,
  /// which reads a vector of each of so many filters that it would wait for most. Forward it looks ahead far enough by itself.
  FetchAhead<T> ahead(int panel, int begin, int end, int part) const {
    constexpr int parts = F::products / (F::taps * F::taps);  // of a tap
    int const tap = part / parts;
    int const folded = first_folded + filters.panels.first(panel);
    int i;
    int j;
    if (!transposed || tap >= F::taps * F::taps || !g.tap(folded / g.in_channels, tap / F::taps, tap % F::taps, i, j))
      return {};
    auto const cut = [&](int number) { return begin + (end - begin) * number / parts; };
    int const out = cut(part % parts);
    return {weight + g.weight_index(i, j, folded % g.in_channels, out), g.y_pixel(), filters.panels.columns(panel),
            cut(part % parts + 1) - out};
  }

 private:
  static constexpr int rows_ahead = 4;

  /// Where the taps of a folded channel's filters stand, in the order of the sums; null where the filter ends before them.
  struct Taps {
    T const* at[F::taps][F::taps];
  };
  Taps taps_of(int folded) const {
    Taps taps{};
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

  /// Taps are more streams than are fetched ahead by themselves.
  static void fetch(Taps const& taps, int ahead) {
    for (auto const& line : taps.at)
      for (T const* const tap : line)
        if (tap != nullptr) __builtin_prefetch(tap + ahead);
  }
  V load(T const* tap, int out) const {
    return tap != nullptr ? V::load(tap + out, std::min(g.out_channels - out, V::size)) : V(T(0));
  }
  /// take(t, u, vector) for a vector of output channels.
  template <class Take>
  void load(Taps const& taps, int out, Take const& take) const {
    for (int t = 0; t < F::taps; ++t)
      for (int u = 0; u < F::taps; ++u) take(t, u, load(taps.at[t][u], out));
  }
  /// Transforms the filters of a vector of channels.
  static void deposit(T const (&filter)[F::taps][F::taps][V::size], T* to, std::int64_t step) {
    transform<F::filter, T>({filter[0][0], F::taps * V::size, V::size}, {to, F::inputs * step, step});
  }

  /// A panel of folded channels, and the output channels [begin, end). Filters are turned over, a vector of folded by a vector
  /// of output channels at a time, before they are transformed: they are fewer then.
  void pack_transposed(int panel, int begin, int end, T* to, std::int64_t step) const {
    T turned[V::size][F::taps][F::taps][V::size];
    int const width = filters.width(panel);
    for (int j = 0; j < filters.panels.vectors(panel); ++j) {
      Taps taps[V::size];
      for (int lane = 0; lane < V::size; ++lane) {
        int const column = filters.panels.first(panel) + j * V::size + lane;
        taps[lane] = column < filters.panels.channels ? taps_of(first_folded + column) : Taps{};
      }
      for (int out = begin; out < end; out += V::size) {
        for (int lane = 0; lane < V::size; ++lane) fetch(taps[lane], out + 2 * V::size);
        for (int t = 0; t < F::taps; ++t)
          for (int u = 0; u < F::taps; ++u) {
            V square[V::size];
            for (int lane = 0; lane < V::size; ++lane) square[lane] = load(taps[lane].at[t][u], out);
            transpose(square);
            for (int o = 0; o < V::size; ++o) square[o].store(turned[o][t][u]);
          }
        for (int o = 0; o < std::min(end - out, V::size); ++o)
          deposit(turned[o], to + static_cast<std::int64_t>(out - begin + o) * width + j * V::size, step);
      }
    }
  }
};

/// Transforms the products of some tiles with a panel back, a `step` from product to product, and calls store(tile, channel,
/// results), with a square of vectors, for each tile and vector of channels.
template <class F, class T, class Store>
void transform_results(T const* products, std::int64_t step, std::int64_t tiles, Panels<T> const& panels, int panel,
                       Store const& store) {
  using V = Simd<T>;
  for (int tile = 0; tile < tiles; ++tile)
    for (int j = 0; j < panels.vectors(panel); ++j, products += V::size) {
      T square[F::outputs][F::outputs][V::size];
      transform<F::output, T>({products, F::inputs * step, step}, {square[0][0], F::outputs * V::size, V::size});
      store(tile, panels.first(panel) + j * V::size, square);
    }
}

/// From transformed pixels to results: what the forward pass and the data gradient have in common.
template <class F, class T>
struct WinogradProduct {
  TransformedFilters<F, T> filters;
  T const* filter;
  int most_tiles;
  Run const* runs;

  int channels() const { return filters.terms; }  ///< of the pixels

  std::int64_t pixel_product() const {
    return product_step<T>(static_cast<std::int64_t>(most_tiles) * tile_step<T>(channels()));
  }
  std::int64_t result_product() const {
    return product_step<T>(static_cast<std::int64_t>(most_tiles) * Panels<T>::width);
  }
  std::int64_t scratch_size() const { return F::products * (pixel_product() + result_product()); }

  /// Where the transformed pixels of a tile belong.
  VectorSquare<T> tile(T* scratch, std::int64_t number) const {
    return {scratch + number * tile_step<T>(channels()), F::inputs * pixel_product(), pixel_product()};
  }

  /// Multiplies the transformed pixels at `scratch` with the filters of some panels, and stores as `transform_results` does.
  template <class Store>
  void operator()(std::int64_t tiles, int first_panel, int end_panel, T* scratch, Store const& store) const {
    T* const results = scratch + F::products * pixel_product();
    std::int64_t const step = result_product();
    // What stays in a core's cache need not be fetched.
    constexpr std::int64_t cache = std::int64_t{3} << 19;
    bool const far = (F::products * pixel_product() + filters.size()) * static_cast<std::int64_t>(sizeof(T)) > cache;
    for (int panel = first_panel; panel < end_panel; ++panel) {
      int const width = filters.width(panel);
      for (int product = 0; product < F::products; ++product) {
        bool const last = product == F::products - 1;
        T const* const next = last ? filter + filters.place(panel + 1, 0) : filter + filters.place(panel, product + 1);
        bool const is_next = far && !(last && panel + 1 == end_panel);
        correlate_row<T>({.runs = runs,
                          .pixels = scratch + product * pixel_product(),
                          .pixel = tile_step<T>(channels()),
                          .filter = filter + filters.place(panel, product),
                          .start = nullptr,
                          .start_pixel = 0,
                          .out = results + product * step,
                          .out_pixel = width,
                          .columns = width,
                          .next_filter = {next, width, is_next ? channels() : 0, width},
                          .next_pixels = last ? 0 : pixel_product()},
                         filters.panels.vectors(panel), static_cast<int>(tiles));
      }
      transform_results<F>(results, step, tiles, filters.panels, panel, store);
    }
  }
};

// --------------------------------------------------------------------- forward, and the data gradient with zeros around

/// How far tiles lie from one another in an image, and where the first begins.
struct TileOrigin {
  int fold;  ///< pixels of the image to a pixel of a tile, down and across
  int top, left;
};

/// Forward from x to y. Where padding is zeros or none, the data gradient from gy to gx is the same: every padded position is
/// one pixel or none.
template <class F, class B, class T = typename B::scalar_type>
struct WinogradCorrelation {
  Conv2dGeometry g;
  bool to_data;
  TileBlocks tiles;
  TileOrigin from_origin, to_origin;
  PanelShare share;
  WinogradProduct<F, T> product;
  T const* from;
  Delivery<T> to;
  T* scratch;
  std::int64_t scratch_per_worker;

  std::int64_t copy_size() const { return static_cast<std::int64_t>(F::products) * product.channels(); }

  void operator()(int worker, std::int64_t index) const {
    std::int64_t const begin = tiles.begin(share.block(index));
    std::int64_t const end = tiles.end(share.block(index));
    T* const copy = scratch + worker * scratch_per_worker;
    T* const transformed = copy + copy_size();
    for (std::int64_t tile = begin; tile < end; ++tile)
      transform_tile(tiles[tile], copy, product.tile(transformed, tile - begin));
    product(end - begin, share.begin(index), share.end(index), transformed,
            [&](int tile, int channel, auto const& results) { deliver_tile(tiles[begin + tile], channel, results); });
  }

  void transform_tile(TileBlocks::Tile const& tile, T* copy, VectorSquare<T> const& transformed) const {
    int const side = F::outputs * from_origin.fold;
    transform_pixels<F::input>(to_data ? y_image(g, from, tile.image) : x_image(g, from, tile.image), from_origin.fold,
                               from_origin.top + side * tile.row, from_origin.left + side * tile.column, copy,
                               transformed);
  }

  /// Vectors of a folded image are not shared by two phases.
  void deliver_tile(TileBlocks::Tile const& tile, int folded,
                    T const (&results)[F::outputs][F::outputs][Simd<T>::size]) const {
    int const fold = to_origin.fold;
    int const channels = to_data ? g.in_channels : g.out_channels;
    int const phase = folded / channels;
    int const channel = folded % channels;
    int const height = to_data ? g.height : g.out_height;
    int const width = to_data ? g.width : g.out_width;
    int const pixel = to_data ? g.x_pixel() : g.y_pixel();
    int const top = to_origin.top + F::outputs * fold * tile.row + phase / fold;
    int const left = to_origin.left + F::outputs * fold * tile.column + phase % fold;
    T* const image = to.out + static_cast<std::int64_t>(tile.image) * height * width * pixel + channel;
    Simd<T> const start = Simd<T>::load(to.bias + channel);
    int const lanes = std::min(channels - channel, Simd<T>::size);
    for (int a = 0; a < F::outputs; ++a)
      for (int b = 0; b < F::outputs; ++b) {
        int const row = top + fold * a;
        int const column = left + fold * b;
        if (row < 0 || row >= height || column < 0 || column >= width) continue;
        T* const place = image + (static_cast<std::int64_t>(row) * width + column) * pixel;
        __builtin_prefetch(place + F::outputs * fold * pixel, 1);  // the same of the next tile
        to.deliver_vector(place, channel, Simd<T>::load(results[a][b]) + start, lanes);
      }
  }
};

/// Transforms the filters of the panels that are held.
template <class F, class B, class Scope, class T = typename B::scalar_type>
T const* pack_winograd(Workspace<B>& ws, Scope& scope, PackWinograd<F, T> pack) {
  pack.packed = scope.template take<T>(static_cast<std::size_t>(pack.filters.size()));
  for_each_block(ws, "heliograd::conv2d_pack", pack.blocks(), pack);
  return pack.packed;
}

/// The results of a correlation: so many rows and columns of (folded) pixels, which pixels they begin with, and at which.
struct CorrelationPlan {
  int rows, columns;
  TileOrigin from, to;

  static CorrelationPlan forward(FoldedGeometry const& g) {
    return {g.out_height, g.out_width, {g.fold(), -g.padding.top, -g.padding.left}, {1, 0, 0}};
  }
  /// To all phases of x: folded pixels from the first that holds a pixel of x to the last.
  static CorrelationPlan to_data(FoldedGeometry const& g, int taps) { return to_data(g, taps, 0, 0, g.fold() - 1); }
  /// To one of them: fewer folded pixels.
  static CorrelationPlan to_phase(FoldedGeometry const& g, int taps, int phase) {
    return to_data(g, taps, phase / g.fold(), phase % g.fold(), 0);
  }

 private:
  /// The folded pixels that hold pixels of x at (row, column), or up to `more` further down and across.
  static CorrelationPlan to_data(FoldedGeometry const& g, int taps, int row, int column, int more) {
    auto const first = [&](int before, int phase) {
      return std::max(before - phase - more + g.fold() - 1, 0) / g.fold();
    };
    auto const end = [&](int before, int extent, int phase) {
      return (before + extent - 1 - phase + g.fold()) / g.fold();
    };
    int const top = first(g.padding.top, row);
    int const left = first(g.padding.left, column);
    return {end(g.padding.top, g.height, row) - top,
            end(g.padding.left, g.width, column) - left,
            {1, top - (taps - 1), left - (taps - 1)},
            {g.fold(), g.fold() * top + row - g.padding.top, g.fold() * left + column - g.padding.left}};
  }
};

/// A correlation with everything but its transformed filters and scratch memory.
template <class B, class Scope, class F, class T = typename B::scalar_type>
WinogradCorrelation<F, B> correlation(Workspace<B>& ws, Scope& scope, CorrelationPlan const& plan,
                                      PackWinograd<F, T> const& pack, T const* from, Delivery<T> const& to) {
  auto const tiles = [](int extent) { return (extent + F::outputs - 1) / F::outputs; };
  auto const cut =
      TileBlocks::about(pack.g.images, tiles(plan.rows), tiles(plan.columns), winograd_tiles, worker_count(ws));
  return {pack.g,
          pack.transposed,
          cut,
          plan.from,
          plan.to,
          {},
          {pack.filters, nullptr, cut.most_tiles(), make_runs(scope, {1, 1, pack.filters.terms})},
          from,
          in_panels(ws, scope, to, pack.transposed ? pack.g.in_channels : pack.g.out_channels),
          nullptr,
          0};
}

/// Block after block of tiles, with filters that are transformed before.
template <class F, class B, class T = typename B::scalar_type>
void winograd_by_blocks(Workspace<B>& ws, char const* name, WinogradCorrelation<F, B> kernel, PackWinograd<F, T> pack) {
  auto scope = ws.scope();
  int const workers = worker_count(ws);
  kernel.scratch_per_worker = kernel.copy_size() + kernel.product.scratch_size();
  kernel.scratch = scope.template take<T>(static_cast<std::size_t>(workers * kernel.scratch_per_worker));
  auto const filters = pack.filters;
  filters.in_pieces([&](TransformedFilters<F, T> const& piece) {
    auto piece_scope = ws.scope();
    pack.filters = kernel.product.filters = piece;
    kernel.product.filter = pack_winograd<F, B>(ws, piece_scope, pack);
    kernel.share = PanelShare::of(ws, kernel.tiles.blocks, piece.held);
    for_each_block(ws, name, kernel.tiles.blocks * kernel.share.shares, kernel);
  });
}

// ------------------------------------------------------------------------ data gradient where padding repeats pixels

/// Blocks of x, cut so that their folded pixels are whole tiles. The gradient is computed at all padded positions where a
/// pixel of the block stands, then folded back.
template <class F, class B, class T = typename B::scalar_type>
struct WinogradBackwardData {
  FoldedGeometry g;
  BlockGrid grid;  ///< of tiles' pixels
  PanelShare share;
  WinogradProduct<F, T> product;
  T const* gy;
  Delivery<T> gx;
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
  std::int64_t copy_size() const { return static_cast<std::int64_t>(F::products) * g.out_channels; }
  int folded_pixel() const { return static_cast<int>(product.filters.panels.packed(1)); }
  std::int64_t folded_size() const {
    return static_cast<std::int64_t>(F::outputs * F::outputs) * tiles_down * tiles_across * folded_pixel();
  }

  void operator()(int worker, std::int64_t index) const {
    using V = Simd<T>;
    Block const block = pixels_of(grid[share.block(index)]);
    Stretch const rows = rows_of(block);
    Stretch const columns = columns_of(block);
    T* const copy = scratch + worker * scratch_per_worker;
    T* const folded = copy + copy_size();
    T* const transformed = folded + folded_size();
    for (int r = 0, tile = 0; r < rows.tiles; ++r)
      for (int c = 0; c < columns.tiles; ++c, ++tile)
        transform_pixels<F::input>(y_image(g, gy, block.image), 1, rows.begin - (F::taps - 1) + F::outputs * r,
                                   columns.begin - (F::taps - 1) + F::outputs * c, copy,
                                   product.tile(transformed, tile));
    std::int64_t const line = static_cast<std::int64_t>(F::outputs) * columns.tiles * folded_pixel();
    product(rows.tiles * columns.tiles, share.begin(index), share.end(index), transformed,
            [&](int tile, int channel, auto const& results) {
              T* const corner = folded + F::outputs * (tile / columns.tiles * line) +
                                static_cast<std::int64_t>(F::outputs * (tile % columns.tiles)) * folded_pixel() +
                                channel;
              for (int a = 0; a < F::outputs; ++a)
                for (int b = 0; b < F::outputs; ++b)
                  V::load(results[a][b]).store(corner + a * line + static_cast<std::int64_t>(b) * folded_pixel());
            });
    int const first = share.shares == 1 ? 0 : product.filters.panels.first(share.begin(index));
    int const end =
        share.shares == 1 ? g.in_channels : std::min(product.filters.panels.first(share.end(index)), g.in_channels);
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
        T* const out = gx.out + g.x_index(block.image, row, column, 0);
        T const* const here = place(row, column);
        bool const alone = rows.alone() && columns.alone();
        for (int c = first; c < end; c += V::size) {
          int const lanes = std::min(end - c, V::size);
          V total = V::load(gx.bias + c);
          if (alone)
            total += V::load(here + c, lanes);
          else
            for (int a = 0; a < 3; ++a)
              for (int i = rows.begin[a]; i < rows.end[a]; ++i)
                for (int b = 0; b < 3; ++b)
                  for (int j = columns.begin[b]; j < columns.end[b]; ++j) total += V::load(place(i, j) + c, lanes);
          gx.deliver_vector(out + c, c, total, lanes);
        }
      }
    }
  }
};

template <class F, class B, class T = typename B::scalar_type>
void winograd_data_repeated(Workspace<B>& ws, FoldedGeometry const& g, T const* gy, T const* weight,
                            Delivery<T> const& gx) {
  auto scope = ws.scope();
  auto const pack = PackWinograd<F, T>::to_data(g, weight);
  auto const& filters = pack.filters;
  T const* const filter = pack_winograd<F, B>(ws, scope, pack);

  BlockGrid const grid = WinogradBackwardData<F, B>::cut(g);
  Run const* const runs = make_runs(scope, {1, 1, g.out_channels});
  // With a fold, the channels of a pixel are spread over all panels.
  auto const share = g.fold() == 1 ? PanelShare::of(ws, grid.count(), filters.held) : PanelShare{filters.held, 1};
  WinogradBackwardData<F, B> kernel{
      g, grid, share, {filters, filter, 0, runs}, gy, in_panels(ws, scope, gx, g.in_channels), nullptr, 0, 0, 0};
  for (int i = 0; i < grid.down; ++i)
    kernel.tiles_down = std::max(kernel.tiles_down, kernel.rows_of(kernel.pixels_of(grid[i * grid.across])).tiles);
  for (int i = 0; i < grid.across; ++i)
    kernel.tiles_across = std::max(kernel.tiles_across, kernel.columns_of(kernel.pixels_of(grid[i])).tiles);
  kernel.product.most_tiles = kernel.tiles_down * kernel.tiles_across;
  kernel.scratch_per_worker = kernel.copy_size() + kernel.folded_size() + kernel.product.scratch_size();
  std::int64_t const items = grid.count() * share.shares;
  kernel.scratch =
      scope.template take<T>(static_cast<std::size_t>(worker_count(ws, items) * kernel.scratch_per_worker));
  for_each_block(ws, "heliograd::conv2d_backward_data", items, kernel);
}

// -------------------------------------------------------------------------------------------------------- filter gradient

/// The tiles of y, and how pixels and output gradients under them are transformed. The gradient of the transformed filters,
/// [product, channel, columns], is a sum over tiles of outer products of the two.
template <class F, class T>
struct GradientTiles {
  FoldedGeometry g;
  TileBlocks tiles;
  T const* x;
  T const* gy;

  static constexpr int block_tiles = 96;  ///< the same for any number of threads: sums are over blocks

  static GradientTiles of(FoldedGeometry const& g, T const* x, T const* gy) {
    auto const tiles = [](int extent) { return (extent + F::outputs - 1) / F::outputs; };
    return {g, TileBlocks::about(g.images, tiles(g.out_height), tiles(g.out_width), block_tiles, 1), x, gy};
  }

  std::int64_t copy_size() const {
    return std::max<std::int64_t>(static_cast<std::int64_t>(F::products) * g.folded_channels(),
                                  F::outputs * F::outputs * Panels<T>::width);
  }
  void transform_x(std::int64_t tile, T* copy, VectorSquare<T> const& to) const {
    auto const [image, row, column] = tiles[tile];
    transform_pixels<F::input>(x_image(g, x, image), g.fold(), g.fold() * F::outputs * row - g.padding.top,
                               g.fold() * F::outputs * column - g.padding.left, copy, to);
  }
  void transform_gy(std::int64_t tile, int panel, T* copy, VectorSquare<T> const& to) const {
    auto const [image, row, column] = tiles[tile];
    Panels<T> const panels{g.out_channels};
    PaddedImage<T> part = y_image(g, gy, image);
    part.data += panels.first(panel);
    part.channels = panels.columns(panel);
    transform_pixels<F::output_transposed>(part, 1, F::outputs * row, F::outputs * column, copy, to);
  }
};

/// One group of blocks and some panels of output channels.
template <class F, class T>
struct WinogradPartialGradient : GradientTiles<F, T> {
  TransformedFilters<F, T> filters;
  int groups;
  PanelShare share;
  T* partials;
  T* scratch;
  std::int64_t scratch_per_worker;

  using GradientTiles<F, T>::g;
  using GradientTiles<F, T>::tiles;

  std::int64_t pixel_product() const {
    return product_step<T>(static_cast<std::int64_t>(tiles.most_tiles()) * tile_step<T>(g.folded_channels()));
  }
  std::int64_t gradient_product() const {
    return product_step<T>(static_cast<std::int64_t>(tiles.most_tiles()) * Panels<T>::width);
  }
  std::int64_t scratch_size() const { return this->copy_size() + F::products * (pixel_product() + gradient_product()); }

  void operator()(int worker, std::int64_t index) const {
    std::int64_t const group = share.block(index);
    T* const pixels = scratch + worker * scratch_per_worker;
    T* const gradients = pixels + F::products * pixel_product();
    T* const copy = gradients + F::products * gradient_product();
    std::int64_t const first_block = tiles.blocks * group / groups;
    std::int64_t const end_block = tiles.blocks * (group + 1) / groups;
    T* const partial = partials + group * filters.size();
    if (first_block == end_block && share.begin(index) == filters.held.begin)
      std::fill_n(partial, filters.size(), T(0));  // an empty batch

    for (std::int64_t block = first_block; block < end_block; ++block) {
      std::int64_t const begin = tiles.begin(block);
      std::int64_t const end = tiles.end(block);
      for (std::int64_t tile = begin; tile < end; ++tile)
        this->transform_x(tile, copy,
                          {pixels + (tile - begin) * tile_step<T>(g.folded_channels()), F::inputs * pixel_product(),
                           pixel_product()});
      for (int panel = share.begin(index); panel < share.end(index); ++panel) {
        for (std::int64_t tile = begin; tile < end; ++tile)
          this->transform_gy(
              tile, panel, copy,
              {gradients + (tile - begin) * filters.width(panel), F::inputs * gradient_product(), gradient_product()});
        for (int product = 0; product < F::products; ++product)
          outer_product<T>({.lines = 1,
                            .pixels = static_cast<int>(end - begin),
                            .left = pixels + product * pixel_product(),
                            .left_line = 0,
                            .left_pixel = tile_step<T>(g.folded_channels()),
                            .right = gradients + product * gradient_product(),
                            .out = partial + filters.place(panel, product),
                            .add = block > first_block,
                            .next_left = product + 1 < F::products ? pixel_product() : 0},
                           filters.panels.vectors(panel), g.folded_channels());
      }
    }
  }
};

/// gw = beta gw + what the transformed filters' gradient says of a folded channel and a vector of output channels, `step` from
/// product to product.
template <class F, class B, class T = typename B::scalar_type>
void deliver_filter(FoldedGeometry const& g, Sink<4, B> const& gw, int folded, int channel, T const* sums,
                    std::int64_t step) {
  T filter[F::taps][F::taps][Simd<T>::size];
  transform<F::filter_transposed, T>({sums, F::inputs * step, step},
                                     {filter[0][0], F::taps * Simd<T>::size, Simd<T>::size});
  for (int t = 0; t < F::taps; ++t)
    for (int u = 0; u < F::taps; ++u) {
      int row;
      int column;
      if (!g.tap(folded / g.in_channels, t, u, row, column)) continue;
      T* const place = gw.out.data() + g.weight_index(row, column, folded % g.in_channels, channel);
      __builtin_prefetch(place + 2 * g.y_pixel(), 1);  // of the channel after the next
      deliver<T>(place, gw.beta, Simd<T>::load(filter[t][u]), std::min(g.out_channels - channel, Simd<T>::size));
    }
}

/// gw = beta gw + the sum over groups, in double precision, transformed back to filters: a few folded channels at a time.
template <class F, class B, class T = typename B::scalar_type>
struct WinogradSumGradients {
  static constexpr int most_channels = 16;

  FoldedGeometry g;
  TransformedFilters<F, T> filters;
  int groups;
  T const* partials;
  Sink<4, B> gw;

  std::int64_t blocks() const { return (g.folded_channels() + most_channels - 1) / most_channels; }

  void operator()(int, std::int64_t index) const {
    int const begin = static_cast<int>(index) * most_channels;
    int const end = std::min(begin + most_channels, g.folded_channels());
    T sums[F::products][most_channels * Panels<T>::width + Simd<T>::size];
    for (int panel = filters.held.begin; panel < filters.held.end; ++panel) {
      int const width = filters.width(panel);
      for (int product = 0; product < F::products; ++product)
        add_up(partials + filters.place(panel, product) + static_cast<std::int64_t>(begin) * width,
               (end - begin) * width, filters.product(), sums[product]);
      for (int folded = begin; folded < end; ++folded)
        for (int j = 0; j < filters.panels.vectors(panel); ++j)
          deliver_filter<F>(g, gw, folded, filters.panels.first(panel) + j * Simd<T>::size,
                            sums[0] + (folded - begin) * width + j * Simd<T>::size, sums[1] - sums[0]);
    }
  }

  /// `next` numbers further on lies what is added up next.
  void add_up(T const* part, int count, std::int64_t next, T* sums) const {
    double total[most_channels * Panels<T>::width];
    for (int i = 0; i < count; i += line_numbers<T>) __builtin_prefetch(part + next + i);
    for (int i = 0; i < count; ++i) total[i] = static_cast<double>(part[i]);
    for (int group = 1; group < groups; ++group)
      for (int i = 0; i < count; ++i) total[i] += static_cast<double>(part[group * filters.size() + i]);
    for (int i = 0; i < count; ++i) sums[i] = static_cast<T>(total[i]);
  }
};

template <class F, class B, class T = typename B::scalar_type>
void winograd_gradient_by_blocks(Workspace<B>& ws, GradientTiles<F, T> const& tiles, int groups, Sink<4, B> gw) {
  auto scope = ws.scope();
  auto const filters = TransformedFilters<F, T>::all({tiles.g.out_channels}, tiles.g.folded_channels());
  WinogradPartialGradient<F, T> kernel{tiles, filters, groups, {}, nullptr, nullptr, 0};
  kernel.scratch_per_worker = kernel.scratch_size();
  int const workers = worker_count(ws);
  kernel.scratch = scope.template take<T>(static_cast<std::size_t>(workers * kernel.scratch_per_worker));
  filters.in_pieces([&](TransformedFilters<F, T> const& piece) {
    auto piece_scope = ws.scope();
    kernel.filters = piece;
    kernel.share = PanelShare::of(ws, groups, piece.held);
    kernel.partials = piece_scope.template take<T>(static_cast<std::size_t>(groups * piece.size()));
    for_each_block(ws, "heliograd::conv2d_backward_weight", groups * kernel.share.shares, kernel);
    WinogradSumGradients<F, B> const sum{tiles.g, piece, groups, kernel.partials, gw};
    for_each_block(ws, "heliograd::conv2d_backward_weight_sum", sum.blocks(), sum);
  });
}

}  // namespace heliograd::inline HELIOGRAD_ABI::kernel::detail
