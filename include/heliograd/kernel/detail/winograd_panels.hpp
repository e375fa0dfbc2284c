// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cstdint>

#include <heliograd/core/workspace.hpp>
#include <heliograd/kernel/detail/correlate.hpp>
#include <heliograd/kernel/detail/host_blocks.hpp>
#include <heliograd/kernel/detail/winograd_host.hpp>

/// \file
/// Convolution after Winograd where filters are many and tiles are few. Transformed filters have six times the numbers of the
/// filters, so that to write and read them takes longer than to multiply: here they never leave a core's cache. The pixels of
/// a stretch of tiles are transformed first. Then each panel of filters is transformed, one piece of its sums at a time, and
/// multiplied with all of them at once. Sums are those of whole blocks, number by number.
namespace heliograd::inline HELIOGRAD_ABI::kernel::detail {

/// The products of a stretch with a panel stay in a core's cache beside the filters.
inline constexpr std::int64_t stretch_bytes = std::int64_t{1} << 19;

/// Tiles in a stretch.
template <class F, class T>
int stretch_tiles() {
  return static_cast<int>(stretch_bytes / (F::products * Panels<T>::width * static_cast<std::int64_t>(sizeof(T))));
}

/// The transformed pixels of a stretch: [product][tile][channels].
template <class F, class T>
struct StretchPixels {
  std::int64_t begin, end;  ///< tiles
  int channels;
  T* data;

  std::int64_t tiles() const { return end - begin; }
  std::int64_t product() const { return product_step<T>(tiles() * tile_step<T>(channels)); }
  std::int64_t size() const { return F::products * product(); }
  VectorSquare<T> tile(std::int64_t number) const {
    return {data + (number - begin) * tile_step<T>(channels), F::inputs * product(), product()};
  }
};

/// Transforms the pixels of some tiles of a stretch.
template <class F, class B, class T = typename B::scalar_type>
struct TransformStretch {
  static constexpr int tiles_per_item = 4;
  WinogradCorrelation<F, B> kernel;
  StretchPixels<F, T> pixels;

  std::int64_t items() const { return (pixels.tiles() + tiles_per_item - 1) / tiles_per_item; }

  void operator()(int worker, std::int64_t index) const {
    std::int64_t const begin = pixels.begin + index * tiles_per_item;
    std::int64_t const end = std::min(begin + tiles_per_item, pixels.end);
    T* const copy = kernel.scratch + worker * kernel.scratch_per_worker;
    for (std::int64_t tile = begin; tile < end; ++tile)
      kernel.transform_tile(kernel.tiles[tile], copy, pixels.tile(tile));
  }
};

/// Multiplies a stretch, or a share of it, with a panel, and delivers the results.
template <class F, class B, class T = typename B::scalar_type>
struct MultiplyStretch {
  WinogradCorrelation<F, B> kernel;
  PackWinograd<F, T> pack;
  StretchPixels<F, T> pixels;
  int shares;   ///< of the tiles, where panels alone would leave workers idle
  int workers;  ///< who is done with a share takes the one so much further on, if all are equally fast

  static std::int64_t filter_product() { return product_step<T>(longest_piece * std::int64_t{Panels<T>::width}); }
  static std::int64_t sums_product(std::int64_t tiles) { return product_step<T>(tiles * Panels<T>::width); }
  static std::int64_t scratch_size(std::int64_t tiles) {
    return F::products * (filter_product() + sums_product(tiles));
  }

  void operator()(int worker, std::int64_t index) const {
    int const panel = static_cast<int>(index / shares);
    std::int64_t const begin = pixels.begin + pixels.tiles() * (index % shares) / shares;
    std::int64_t const end = pixels.begin + pixels.tiles() * (index % shares + 1) / shares;
    T* const filter = kernel.scratch + worker * kernel.scratch_per_worker;
    T* const sums = filter + F::products * filter_product();
    std::int64_t const sums_step = sums_product(end - begin);
    int const width = pack.filters.width(panel);
    for (Run const* run = kernel.product.runs;; ++run) {
      int const first = static_cast<int>(run->offset);
      pack.pack(panel, first, first + run->length, filter, filter_product());
      Run const piece{0, run->length, true, true};
      Run const* const next = run->ends_sum ? kernel.product.runs : run + 1;
      int const next_panel = run->ends_sum ? static_cast<int>((index + workers) / shares) : panel;
      for (int product = 0; product < F::products; ++product) {
        T* const out = sums + product * sums_step;
        correlate_row<T>({.runs = &piece,
                          .pixels = pixels.tile(begin).data + product * pixels.product() + first,
                          .pixel = tile_step<T>(pixels.channels),
                          .filter = filter + product * filter_product(),
                          .start = first > 0 ? out : nullptr,
                          .start_pixel = width,
                          .out = out,
                          .out_pixel = width,
                          .columns = width,
                          .next_filter = ahead(next_panel, *next, product),
                          .next_pixels = product + 1 < F::products ? pixels.product() : 0},
                         pack.filters.panels.vectors(panel), static_cast<int>(end - begin));
      }
      if (run->ends_sum) break;
    }
    transform_results<F>(sums, sums_step, end - begin, pack.filters.panels, panel,
                         [&](int tile, int channel, auto const& results) {
                           kernel.deliver_tile(kernel.tiles[begin + tile], channel, results);
                         });
  }

 private:
  FetchAhead<T> ahead(int panel, Run const& run, int product) const {
    if (panel >= pack.filters.panels.count()) return {};
    int const first = static_cast<int>(run.offset);
    return pack.ahead(panel, first, first + run.length, product);
  }
};

/// Whether filters are better transformed where they are used: where they would leave the cache, or where there are too few
/// tiles for several blocks, which transform their pixels each for itself. No result depends on it.
template <class F, class T>
bool pays_by_panels(TransformedFilters<F, T> const& filters, std::int64_t tiles) {
  constexpr std::int64_t cache = std::int64_t{3} << 19;
  bool const far = filters.size() * static_cast<std::int64_t>(sizeof(T)) > cache;
  return tiles <= (far ? 2 * stretch_tiles<F, T>() : winograd_tiles);
}

/// Into how many shares tiles are cut for the panels to keep all workers busy.
inline int tile_shares(int panels, int workers, std::int64_t tiles) {
  int shares = 1;
  while (panels * shares % workers != 0 && panels * shares < 2 * workers) ++shares;
  return static_cast<int>(std::clamp<std::int64_t>(tiles, 1, shares));
}

/// The same as whole blocks give.
template <class F, class B, class T = typename B::scalar_type>
void winograd_by_panels(Workspace<B>& ws, char const* name, WinogradCorrelation<F, B> kernel, PackWinograd<F, T> pack) {
  auto scope = ws.scope();
  int const workers = worker_count(ws);
  int const panels = pack.filters.panels.count();
  std::int64_t const tiles = kernel.tiles.count();
  std::int64_t const stretches = (tiles + stretch_tiles<F, T>() - 1) / stretch_tiles<F, T>();
  std::int64_t const most_tiles = stretches == 0 ? 0 : (tiles + stretches - 1) / stretches;
  StretchPixels<F, T> pixels{0, most_tiles, pack.filters.terms, nullptr};
  pixels.data = scope.template take<T>(static_cast<std::size_t>(pixels.size()));
  kernel.scratch_per_worker = std::max(kernel.copy_size(), MultiplyStretch<F, B>::scratch_size(most_tiles));
  kernel.scratch = scope.template take<T>(static_cast<std::size_t>(workers * kernel.scratch_per_worker));
  for (std::int64_t stretch = 0; stretch < stretches; ++stretch) {
    pixels.begin = tiles * stretch / stretches;
    pixels.end = tiles * (stretch + 1) / stretches;
    TransformStretch<F, B> const transform{kernel, pixels};
    for_each_block(ws, "heliograd::conv2d_transform", transform.items(), transform);
    int const shares = tile_shares(panels, workers, pixels.tiles());
    for_each_block(ws, name, std::int64_t{panels} * shares,
                   MultiplyStretch<F, B>{kernel, pack, pixels, shares, workers});
  }
}

// -------------------------------------------------------------------------------------------------------- filter gradient

/// The transformed pixels and output gradients of all tiles: [product][tile][channels], panel after panel of gradients.
template <class F, class T>
struct GradientFactors : GradientTiles<F, T> {
  T* pixels;
  T* gradients;

  Panels<T> panels() const { return {this->g.out_channels}; }
  std::int64_t pixel_product() const {
    return product_step<T>(this->tiles.count() * tile_step<T>(this->g.folded_channels()));
  }
  std::int64_t gradient_product() const { return product_step<T>(this->tiles.count() * Panels<T>::width); }
  std::int64_t pixels_size() const { return F::products * pixel_product(); }
  std::int64_t gradients_size() const { return panels().count() * F::products * gradient_product(); }

  VectorSquare<T> pixel(std::int64_t tile) const {
    return {pixels + tile * tile_step<T>(this->g.folded_channels()), F::inputs * pixel_product(), pixel_product()};
  }
  VectorSquare<T> gradient(std::int64_t tile, int panel) const {
    return {gradients + panel * F::products * gradient_product() + tile * panels().vectors(panel) * Simd<T>::size,
            F::inputs * gradient_product(), gradient_product()};
  }
};

template <class F, class T>
struct TransformFactors {
  static constexpr int tiles_per_item = 4;
  GradientFactors<F, T> factors;
  T* scratch;

  std::int64_t items() const { return (factors.tiles.count() + tiles_per_item - 1) / tiles_per_item; }

  void operator()(int worker, std::int64_t index) const {
    std::int64_t const begin = index * tiles_per_item;
    std::int64_t const end = std::min(begin + tiles_per_item, factors.tiles.count());
    T* const copy = scratch + worker * factors.copy_size();
    for (std::int64_t tile = begin; tile < end; ++tile) {
      factors.transform_x(tile, copy, factors.pixel(tile));
      for (int panel = 0; panel < factors.panels().count(); ++panel)
        factors.transform_gy(tile, panel, copy, factors.gradient(tile, panel));
    }
  }
};

/// The gradient of some terms of a panel of filters, transformed back while it is in a core's cache. Blocks of tiles are added
/// up as in WinogradPartialGradient.
template <class F, class B, class T = typename B::scalar_type>
struct MultiplyFactors {
  static constexpr int most_terms = 8 * TileShape<T>::rows;
  GradientFactors<F, T> factors;
  Sink<4, B> gw;
  T* scratch;

  static std::int64_t product() { return product_step<T>(most_terms * std::int64_t{Panels<T>::width}); }
  int cuts() const { return (factors.g.folded_channels() + most_terms - 1) / most_terms; }
  std::int64_t items() const { return std::int64_t{cuts()} * factors.panels().count(); }
  int cut(std::int64_t number) const { return static_cast<int>(number * factors.g.folded_channels() / cuts()); }

  void operator()(int worker, std::int64_t index) const {
    Panels<T> const panels = factors.panels();
    int const panel = static_cast<int>(index % panels.count());
    int const begin = cut(index / panels.count());
    int const end = cut(index / panels.count() + 1);
    T* const sums = scratch + worker * F::products * product();
    int const width = panels.vectors(panel) * Simd<T>::size;
    for (std::int64_t block = 0; block < factors.tiles.blocks; ++block) {
      std::int64_t const tile = factors.tiles.begin(block);
      for (int i = 0; i < F::products; ++i)
        outer_product<T>({.lines = 1,
                          .pixels = static_cast<int>(factors.tiles.end(block) - tile),
                          .left = factors.pixel(tile).data + i * factors.pixel_product() + begin,
                          .left_line = 0,
                          .left_pixel = tile_step<T>(factors.g.folded_channels()),
                          .right = factors.gradient(tile, panel).data + i * factors.gradient_product(),
                          .out = sums + i * product(),
                          .add = block > 0,
                          .next_left = i + 1 < F::products ? factors.pixel_product() : 0},
                         panels.vectors(panel), end - begin);
    }
    for (int folded = begin; folded < end; ++folded)
      for (int j = 0; j < panels.vectors(panel); ++j)
        deliver_filter<F>(factors.g, gw, folded, panels.first(panel) + j * Simd<T>::size,
                          sums + static_cast<std::int64_t>(folded - begin) * width + j * Simd<T>::size, product());
  }
};

template <class F, class B, class T = typename B::scalar_type>
void winograd_gradient_by_panels(Workspace<B>& ws, GradientFactors<F, T> factors, Sink<4, B> gw) {
  auto scope = ws.scope();
  auto const take = [&](std::int64_t numbers) { return scope.template take<T>(static_cast<std::size_t>(numbers)); };
  int const workers = worker_count(ws);
  factors.pixels = take(factors.pixels_size());
  factors.gradients = take(factors.gradients_size());
  TransformFactors<F, T> const transform{factors, take(workers * factors.copy_size())};
  for_each_block(ws, "heliograd::conv2d_transform", transform.items(), transform);
  MultiplyFactors<F, B> const multiply{factors, gw, take(workers * F::products * MultiplyFactors<F, B>::product())};
  for_each_block(ws, "heliograd::conv2d_backward_weight", multiply.items(), multiply);
}

}  // namespace heliograd::inline HELIOGRAD_ABI::kernel::detail
