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
    std::int64_t const workers = worker_count(ws, std::numeric_limits<int>::max());
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
  T* packed;

  static TransformedFilters<F, T> all(FoldedGeometry const& g, bool transposed) {
    return TransformedFilters<F, T>::all({transposed ? g.folded_channels() : g.out_channels},
                                         transposed ? g.out_channels : g.folded_channels());
  }

  int parts() const { return (filters.terms + most_terms - 1) / most_terms; }
  std::int64_t blocks() const { return static_cast<std::int64_t>(filters.held.count()) * parts(); }

  void operator()(int, std::int64_t index) const {
    int const panel = filters.held.begin + static_cast<int>(index / parts());
    int const begin = static_cast<int>(index % parts()) * most_terms;
    int const end = std::min(begin + most_terms, filters.terms);
    if (!transposed)
      for (int folded = begin; folded < end; ++folded) {
        Taps const taps = taps_of(folded);
        for (int j = 0; j < filters.panels.vectors(panel); ++j) {
          T filter[F::taps][F::taps][V::size];
          int const out = filters.panels.first(panel) + j * V::size;
          fetch(taps, out + 2 * g.y_pixel());
          load(taps, out, [&](int t, int u, V value) { value.store(filter[t][u]); });
          deposit(filter, panel, folded, j);
        }
      }
    else
      pack_transposed(panel, begin, end);
  }

 private:
  T* row(int panel, int product, int term) const {
    return packed + filters.place(panel, product) + static_cast<std::int64_t>(term) * filters.width(panel);
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

  /// Taps are more streams than are fetched ahead by themselves.
  static void fetch(Taps const& taps, int ahead) {
    for (auto const& line : taps.at)
      for (T const* const tap : line)
        if (tap != nullptr) __builtin_prefetch(tap + ahead);
  }
  /// take(t, u, vector) for a vector of output channels.
  template <class Take>
  void load(Taps const& taps, int out, Take const& take) const {
    int const lanes = std::min(g.out_channels - out, V::size);
    for (int t = 0; t < F::taps; ++t)
      for (int u = 0; u < F::taps; ++u)
        take(t, u, taps.at[t][u] != nullptr ? V::load(taps.at[t][u] + out, lanes) : V(T(0)));
  }
  /// Transforms the filters of a term for vector j of a panel.
  void deposit(T const (&filter)[F::taps][F::taps][V::size], int panel, int term, int j) const {
    std::int64_t const step = row(panel, 1, term) - row(panel, 0, term);
    transform<F::filter, T>({filter[0][0], F::taps * V::size, V::size},
                            {row(panel, 0, term) + j * V::size, F::inputs * step, step});
  }

  /// A panel of folded channels, and the output channels [begin, end). Filters are turned over, a vector of folded by a vector
  /// of output channels at a time, before they are transformed: they are fewer then.
  void pack_transposed(int panel, int begin, int end) const {
    T turned[V::size][F::taps][F::taps][V::size];
    for (int j = 0; j < filters.panels.vectors(panel); ++j) {
      Taps taps[V::size];
      for (int lane = 0; lane < V::size; ++lane) taps[lane] = taps_of(filters.panels.first(panel) + j * V::size + lane);
      for (int out = begin; out < end; out += V::size) {
        int const outs = std::min(end - out, V::size);
        for (int lane = 0; lane < V::size; ++lane) {
          fetch(taps[lane], out + 2 * V::size);
          load(taps[lane], out, [&](int t, int u, V value) {
            for (int o = 0; o < V::size; ++o) turned[o][t][u][lane] = value[o];
          });
        }
        for (int o = 0; o < outs; ++o) deposit(turned[o], panel, out + o, j);
      }
    }
  }
};

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

  /// Multiplies the transformed pixels at `scratch` with the filters of some panels. Calls store(tile, channel, results), with
  /// a square of vectors, for each tile and vector of channels.
  template <class Store>
  void operator()(std::int64_t tiles, int first_panel, int end_panel, T* scratch, Store const& store) const {
    using V = Simd<T>;
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
        correlate_row<T>({.runs = runs,
                          .pixels = scratch + product * pixel_product(),
                          .pixel = tile_step<T>(channels()),
                          .filter = filter + filters.place(panel, product),
                          .start = nullptr,
                          .start_pixel = 0,
                          .out = results + product * step,
                          .out_pixel = width,
                          .columns = width,
                          .next_filter = !far || (last && panel + 1 == end_panel) ? nullptr : next,
                          .next_pixels = last ? 0 : pixel_product()},
                         filters.panels.vectors(panel), static_cast<int>(tiles));
      }
      T const* from = results;
      for (int tile = 0; tile < tiles; ++tile)
        for (int j = 0; j < filters.panels.vectors(panel); ++j, from += V::size) {
          T square[F::outputs][F::outputs][V::size];
          transform<F::output, T>({from, F::inputs * step, step}, {square[0][0], F::outputs * V::size, V::size});
          store(tile, filters.panels.first(panel) + j * V::size, square);
        }
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
  T const* bias;  ///< whole panels
  Sink<4, B> to;
  T* scratch;
  std::int64_t scratch_per_worker;

  std::int64_t copy_size() const { return static_cast<std::int64_t>(F::products) * product.channels(); }

  void operator()(int worker, std::int64_t index) const {
    std::int64_t const begin = tiles.begin(share.block(index));
    std::int64_t const end = tiles.end(share.block(index));
    T* const copy = scratch + worker * scratch_per_worker;
    T* const transformed = copy + copy_size();
    for (std::int64_t tile = begin; tile < end; ++tile) {
      auto const [image, row, column] = tiles[tile];
      int const side = F::outputs * from_origin.fold;
      transform_pixels<F::input>(to_data ? y_image(g, from, image) : x_image(g, from, image), from_origin.fold,
                                 from_origin.top + side * row, from_origin.left + side * column, copy,
                                 product.tile(transformed, tile - begin));
    }
    product(end - begin, share.begin(index), share.end(index), transformed,
            [&](int tile, int channel, auto const& results) { deliver_tile(tiles[begin + tile], channel, results); });
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
    T* const image = to.out.data() + static_cast<std::int64_t>(tile.image) * height * width * pixel + channel;
    Simd<T> const start = Simd<T>::load(bias + channel);
    int const lanes = std::min(channels - channel, Simd<T>::size);
    for (int a = 0; a < F::outputs; ++a)
      for (int b = 0; b < F::outputs; ++b) {
        int const row = top + fold * a;
        int const column = left + fold * b;
        if (row < 0 || row >= height || column < 0 || column >= width) continue;
        T* const place = image + (static_cast<std::int64_t>(row) * width + column) * pixel;
        __builtin_prefetch(place + F::outputs * fold * pixel, 1);  // the same of the next tile
        deliver<T>(place, to.beta, Simd<T>::load(results[a][b]) + start, lanes);
      }
  }
};

/// Transforms the filters of the panels that `filters` holds.
template <class F, class B, class Scope, class T = typename B::scalar_type>
T const* pack_winograd(Workspace<B>& ws, Scope& scope, FoldedGeometry const& g, T const* weight, bool transposed,
                       TransformedFilters<F, T> const& filters) {
  PackWinograd<F, T> const pack{g, weight, transposed, filters,
                                scope.template take<T>(static_cast<std::size_t>(filters.size()))};
  for_each_block(ws, "heliograd::conv2d_pack", pack.blocks(), pack);
  return pack.packed;
}

template <class F, class B, class T = typename B::scalar_type>
void winograd_correlation(Workspace<B>& ws, Conv2dGeometry const& geometry, bool to_data, T const* from,
                          T const* weight, T const* bias, Sink<4, B> to) {
  FoldedGeometry const g{geometry};
  auto scope = ws.scope();
  auto const filters = PackWinograd<F, T>::all(g, to_data);

  // Results are y, or folded pixels from the first that holds a pixel of x to the last.
  int const top = to_data ? g.padding.top / g.fold() : 0;
  int const left = to_data ? g.padding.left / g.fold() : 0;
  int const rows = to_data ? (g.padding.top + g.height - 1) / g.fold() + 1 - top : g.out_height;
  int const columns = to_data ? (g.padding.left + g.width - 1) / g.fold() + 1 - left : g.out_width;
  auto const tiles = [](int extent) { return (extent + F::outputs - 1) / F::outputs; };
  int const workers = worker_count(ws, std::numeric_limits<int>::max());
  auto const cut = TileBlocks::about(g.images, tiles(rows), tiles(columns), winograd_tiles, workers);
  TileOrigin const inner = to_data ? TileOrigin{1, top - (F::taps - 1), left - (F::taps - 1)}
                                   : TileOrigin{g.fold(), -g.padding.top, -g.padding.left};
  TileOrigin const outer = to_data
                               ? TileOrigin{g.fold(), g.fold() * top - g.padding.top, g.fold() * left - g.padding.left}
                               : TileOrigin{1, 0, 0};
  WinogradCorrelation<F, B> kernel{g,
                                   to_data,
                                   cut,
                                   inner,
                                   outer,
                                   {},
                                   {filters, nullptr, cut.most_tiles(), make_runs(scope, {1, 1, filters.terms})},
                                   from,
                                   whole_panels(scope, bias, to_data ? g.in_channels : g.out_channels),
                                   to,
                                   nullptr,
                                   0};
  kernel.scratch_per_worker = kernel.copy_size() + kernel.product.scratch_size();
  kernel.scratch = scope.template take<T>(static_cast<std::size_t>(workers * kernel.scratch_per_worker));
  filters.in_pieces([&](TransformedFilters<F, T> const& piece) {
    auto piece_scope = ws.scope();
    kernel.product.filters = piece;
    kernel.product.filter = pack_winograd<F, B>(ws, piece_scope, g, weight, to_data, piece);
    kernel.share = PanelShare::of(ws, cut.blocks, piece.held);
    for_each_block(ws, to_data ? "heliograd::conv2d_backward_data" : "heliograd::conv2d",
                   cut.blocks * kernel.share.shares, kernel);
  });
}

template <class F, class B, class T = typename B::scalar_type>
void conv2d_winograd(Workspace<B>& ws, Conv2dGeometry const& g, T const* x, T const* weight, T const* bias,
                     Sink<4, B> y) {
  winograd_correlation<F, B>(ws, g, false, x, weight, bias, y);
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
  if (is_zero_padded(g) && (g.fold() == 1 || g.in_channels % Simd<T>::size == 0))
    return winograd_correlation<F, B>(ws, g, true, gy, weight, bias, gx);
  auto scope = ws.scope();
  auto const filters = PackWinograd<F, T>::all(g, true);
  T const* const filter = pack_winograd<F, B>(ws, scope, g, weight, true, filters);

  BlockGrid const grid = WinogradBackwardData<F, B>::cut(g);
  Run const* const runs = make_runs(scope, {1, 1, g.out_channels});
  // With a fold, the channels of a pixel are spread over all panels.
  auto const share = g.fold() == 1 ? PanelShare::of(ws, grid.count(), filters.held) : PanelShare{filters.held, 1};
  WinogradBackwardData<F, B> kernel{
      g, grid, share, {filters, filter, 0, runs}, gy, whole_panels(scope, bias, g.in_channels), gx, nullptr, 0, 0, 0};
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

/// One group of blocks and some panels of output channels: the gradient of the transformed filters, [product, channel,
/// columns], is a sum over tiles of outer products of transformed pixels and transformed output gradients.
template <class F, class T>
struct WinogradPartialGradient {
  FoldedGeometry g;
  TileBlocks tiles;  ///< of y
  TransformedFilters<F, T> filters;
  int groups;
  PanelShare share;
  T const* x;
  T const* gy;
  T* partials;
  T* scratch;
  std::int64_t scratch_per_worker;

  std::int64_t copy_size() const { return static_cast<std::int64_t>(F::products) * g.folded_channels(); }
  std::int64_t pixel_product() const {
    return product_step<T>(static_cast<std::int64_t>(tiles.most_tiles()) * tile_step<T>(g.folded_channels()));
  }
  std::int64_t gradient_product() const {
    return product_step<T>(static_cast<std::int64_t>(tiles.most_tiles()) * Panels<T>::width);
  }
  std::int64_t scratch_size() const {
    return std::max<std::int64_t>(copy_size(), F::outputs * F::outputs * Panels<T>::width) +
           F::products * (pixel_product() + gradient_product());
  }

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
      for (std::int64_t tile = begin; tile < end; ++tile) {
        auto const [image, row, column] = tiles[tile];
        transform_pixels<F::input>(x_image(g, x, image), g.fold(), g.fold() * F::outputs * row - g.padding.top,
                                   g.fold() * F::outputs * column - g.padding.left, copy,
                                   {pixels + (tile - begin) * tile_step<T>(g.folded_channels()),
                                    F::inputs * pixel_product(), pixel_product()});
      }
      for (int panel = share.begin(index); panel < share.end(index); ++panel) {
        transform_gradients(begin, end, panel, copy, gradients);
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

  void transform_gradients(std::int64_t begin, std::int64_t end, int panel, T* copy, T* to) const {
    for (std::int64_t tile = begin; tile < end; ++tile, to += filters.panels.vectors(panel) * Simd<T>::size) {
      auto const [image, row, column] = tiles[tile];
      PaddedImage<T> part = y_image(g, gy, image);
      part.data += filters.panels.first(panel);
      part.channels = filters.panels.columns(panel);
      transform_pixels<F::output_transposed>(part, 1, F::outputs * row, F::outputs * column, copy,
                                             {to, F::inputs * gradient_product(), gradient_product()});
    }
  }
};

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
          deliver_filter(folded, filters.panels.first(panel) + j * Simd<T>::size,
                         sums[0] + (folded - begin) * width + j * Simd<T>::size);
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

  void deliver_filter(int folded, int channel, T const* sums) const {
    constexpr int step = most_channels * Panels<T>::width + Simd<T>::size;
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
};

template <class F, class B, class T = typename B::scalar_type>
void conv2d_backward_weight_winograd(Workspace<B>& ws, Conv2dGeometry const& geometry, T const* x, T const* gy,
                                     Sink<4, B> gw) {
  constexpr int block_tiles = 96;  // the same for any number of threads: sums are over blocks
  FoldedGeometry const g{geometry};
  auto scope = ws.scope();
  auto const tiles = [](int extent) { return (extent + F::outputs - 1) / F::outputs; };
  auto const cut = TileBlocks::about(g.images, tiles(g.out_height), tiles(g.out_width), block_tiles, 1);
  auto const filters = TransformedFilters<F, T>::all({g.out_channels}, g.folded_channels());
  int const groups = partial_groups(filters.size() * static_cast<std::int64_t>(sizeof(T)), cut.blocks);
  WinogradPartialGradient<F, T> kernel{g, cut, filters, groups, {}, x, gy, nullptr, nullptr, 0};
  kernel.scratch_per_worker = kernel.scratch_size();
  int const workers = worker_count(ws, std::numeric_limits<int>::max());
  kernel.scratch = scope.template take<T>(static_cast<std::size_t>(workers * kernel.scratch_per_worker));
  filters.in_pieces([&](TransformedFilters<F, T> const& piece) {
    auto piece_scope = ws.scope();
    kernel.filters = piece;
    kernel.share = PanelShare::of(ws, groups, piece.held);
    kernel.partials = piece_scope.template take<T>(static_cast<std::size_t>(groups * piece.size()));
    for_each_block(ws, "heliograd::conv2d_backward_weight", groups * kernel.share.shares, kernel);
    WinogradSumGradients<F, B> const sum{g, piece, groups, kernel.partials, gw};
    for_each_block(ws, "heliograd::conv2d_backward_weight_sum", sum.blocks(), sum);
  });
}

}  // namespace heliograd::inline HELIOGRAD_ABI::kernel::detail
