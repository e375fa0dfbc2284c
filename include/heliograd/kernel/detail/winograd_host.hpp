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
#include <heliograd/kernel/detail/host_blocks.hpp>
#include <heliograd/kernel/detail/strip.hpp>

/// \file
/// 3x3 convolution of stride 1 after Winograd, F(2x2, 3x3), on host spaces: tiles of 4x4 pixels and the filters are
/// transformed, multiplied entry by entry (16 matrix products over channels), and transformed back to 2x2 results. That
/// takes 16 multiplications where the definition takes 36, and since the transforms only add and halve, the rounding error
/// stays about that of direct sums. (A. Lavin, S. Gray: Fast algorithms for convolutional neural networks; CVPR 2016.)
namespace heliograd::inline HELIOGRAD_ABI::kernel::detail {

/// The one-dimensional transforms of F(2, 3): out = output(filter(g) * input(d)) entry by entry, and the transposed ones.
struct Winograd {
  static constexpr int outputs = 2;
  static constexpr int inputs = 4;
  static constexpr int products = inputs * inputs;

  struct Input {
    static constexpr int from = 4, to = 4;
    template <class V>
    [[gnu::always_inline]] static void apply(V const (&d)[4], V (&t)[4]) {
      t[0] = d[0] - d[2];
      t[1] = d[1] + d[2];
      t[2] = d[2] - d[1];
      t[3] = d[1] - d[3];
    }
  };
  struct Output {
    static constexpr int from = 4, to = 2;
    template <class V>
    [[gnu::always_inline]] static void apply(V const (&m)[4], V (&y)[2]) {
      y[0] = m[0] + m[1] + m[2];
      y[1] = m[1] - m[2] - m[3];
    }
  };
  struct OutputTransposed {
    static constexpr int from = 2, to = 4;
    template <class V>
    [[gnu::always_inline]] static void apply(V const (&y)[2], V (&m)[4]) {
      m[0] = y[0];
      m[1] = y[0] + y[1];
      m[2] = y[0] - y[1];
      m[3] = -y[1];
    }
  };
  struct Filter {
    static constexpr int from = 3, to = 4;
    template <class V>
    [[gnu::always_inline]] static void apply(V const (&g)[3], V (&u)[4]) {
      V const half(typename V::scalar_type(0.5));
      V const even = half * (g[0] + g[2]);
      V const odd = half * g[1];
      u[0] = g[0];
      u[1] = even + odd;
      u[2] = even - odd;
      u[3] = g[2];
    }
  };
  struct FilterTransposed {
    static constexpr int from = 4, to = 3;
    template <class V>
    [[gnu::always_inline]] static void apply(V const (&u)[4], V (&g)[3]) {
      V const half(typename V::scalar_type(0.5));
      V const even = half * (u[1] + u[2]);
      g[0] = u[0] + even;
      g[1] = half * (u[1] - u[2]);
      g[2] = even + u[3];
    }
  };

  /// The transform down the columns, then along the rows: load(i, j) gives entry (i, j), store(i, j, value) takes it.
  template <class Transform, class V, class Load, class Store>
  [[gnu::always_inline]] static void apply(Load const& load, Store const& store) {
    V half_way[Transform::to][Transform::from];
#pragma GCC unroll 4
    for (int j = 0; j < Transform::from; ++j) {
      V column[Transform::from];
      V result[Transform::to];
#pragma GCC unroll 4
      for (int i = 0; i < Transform::from; ++i) column[i] = load(i, j);
      Transform::apply(column, result);
#pragma GCC unroll 4
      for (int i = 0; i < Transform::to; ++i) half_way[i][j] = result[i];
    }
#pragma GCC unroll 4
    for (int i = 0; i < Transform::to; ++i) {
      V result[Transform::to];
      Transform::apply(half_way[i], result);
#pragma GCC unroll 4
      for (int j = 0; j < Transform::to; ++j) store(i, j, result[j]);
    }
  }
};

/// Tiles in a block: the transformed pixels, products and filters of a block fit a core's cache together.
inline constexpr int winograd_tiles = 48;

/// From one product to the next. Steps of a large power of two would send all sixteen to the same lines of the cache.
template <class T>
std::int64_t product_step(std::int64_t numbers) {
  return numbers + Simd<T>::size;
}

/// Channels rounded up to whole vectors.
template <class T>
int padded_channels(int channels) {
  return (channels + Simd<T>::size - 1) / Simd<T>::size * Simd<T>::size;
}

/// A block of tiles and the pixels under it.
template <class T>
struct WinogradTiles {
  int down, across;
  T const* pixels;  ///< [2 down + 2, pixel_columns, channels]
  int pixel_columns;
  int channels;

  int count() const { return down * across; }

  /// to[product][tile][channel] = the transformed pixels, channels filled up to whole vectors with zeros.
  void transform(T* to, std::int64_t product_size) const {
    using V = Simd<T>;
    int const padded = padded_channels<T>(channels);
    std::int64_t const line = static_cast<std::int64_t>(pixel_columns) * channels;
    for (int r = 0; r < down; ++r)
      for (int c = 0; c < across; ++c) {
        T const* const corner = pixels + 2 * r * line + static_cast<std::int64_t>(2 * c) * channels;
        T* const tile = to + static_cast<std::int64_t>(r * across + c) * padded;
        int channel = 0;
        for (; channel + V::size <= channels; channel += V::size)
          Winograd::apply<Winograd::Input, V>(
              [&](int i, int j) {
                return V::load(corner + i * line + static_cast<std::int64_t>(j) * channels + channel);
              },
              [&](int i, int j, V value) { value.store(tile + (i * 4 + j) * product_size + channel); });
        if (channel < channels)
          Winograd::apply<Winograd::Input, V>(
              [&](int i, int j) {
                return V::load(corner + i * line + static_cast<std::int64_t>(j) * channels + channel,
                               channels - channel);
              },
              [&](int i, int j, V value) { value.store(tile + (i * 4 + j) * product_size + channel); });
      }
  }
};

/// Packs transformed filters: panel after panel, product after product, [c_in, columns]. With `transposed`, those of the
/// data gradient: flipped, input and output channels exchanged.
template <class T>
struct PackWinograd {
  Conv2dGeometry g;
  T const* weight;
  T* packed;
  bool transposed;

  int terms() const { return transposed ? g.out_channels : g.in_channels; }
  Panels<T> panels() const { return {transposed ? g.in_channels : g.out_channels}; }

  void operator()(int, std::int64_t in) const {
    using V = Simd<T>;
    T lanes[Winograd::products][V::size];
    for (int out = 0; out < g.out_channels; out += V::size) {
      int const count = std::min(g.out_channels - out, V::size);
      Winograd::apply<Winograd::Filter, V>(
          [&](int i, int j) {
            int const row = transposed ? 2 - i : i;
            int const column = transposed ? 2 - j : j;
            return V::load(weight + g.weight_index(row, column, static_cast<int>(in), out), count);
          },
          [&](int i, int j, V value) { value.store(lanes[i * 4 + j]); });
      for (int product = 0; product < Winograd::products; ++product)
        for (int lane = 0; lane < V::size; ++lane)
          if (transposed) {
            if (lane < count) place(product, out + lane, static_cast<int>(in)) = lanes[product][lane];
          } else {
            if (out + lane < panels().packed(1) && inside_panel(out + lane))
              place(product, static_cast<int>(in), out + lane) = lanes[product][lane];
          }
    }
    if (transposed) zero_behind(static_cast<int>(in));
  }

 private:
  bool inside_panel(int channel) const {
    int const panel = channel / Panels<T>::width;
    return channel - panels().first(panel) < panels().vectors(panel) * Simd<T>::size;
  }
  /// The last input channel's worker also clears the columns that fill up its panel.
  void zero_behind(int in) const {
    if (in != g.in_channels - 1) return;
    for (int channel = g.in_channels; inside_panel(channel) && channel < panels().packed(1); ++channel)
      for (int product = 0; product < Winograd::products; ++product)
        for (int term = 0; term < terms(); ++term) place(product, term, channel) = T(0);
  }
  T& place(int product, int term, int channel) const {
    int const panel = channel / Panels<T>::width;
    int const width = panels().vectors(panel) * Simd<T>::size;
    return packed[panels().offset(panel, static_cast<std::int64_t>(Winograd::products) * terms()) +
                  (static_cast<std::int64_t>(product) * terms() + term) * width + channel - panels().first(panel)];
  }
};

/// From pixels to results: what the forward pass and the data gradient have in common.
template <class T>
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
  std::int64_t scratch_size() const { return Winograd::products * (pixel_product() + result_product()); }

  /// Calls store(panel, row, column, vector number, value) for each result of the block.
  template <class Store>
  void operator()(WinogradTiles<T> const& tiles, T* scratch, Store const& store) const {
    using V = Simd<T>;
    T* const transformed = scratch;
    T* const results = scratch + Winograd::products * pixel_product();
    std::int64_t const step = result_product();
    tiles.transform(transformed, pixel_product());
    for (int panel = 0; panel < panels.count(); ++panel) {
      int const vectors = panels.vectors(panel);
      int const width = vectors * V::size;
      for (int product = 0; product < Winograd::products; ++product)
        correlate_row<T>(
            {.runs = runs,
             .pixels = transformed + product * pixel_product(),
             .pixel = padded_channels<T>(channels),
             .filter = filter + panels.offset(panel, static_cast<std::int64_t>(Winograd::products) * channels) +
                       static_cast<std::int64_t>(product) * channels * width,
             .start = nullptr,
             .start_pixel = 0,
             .out = results + product * result_product(),
             .out_pixel = width,
             .columns = width},
            vectors, tiles.count());
      for (int r = 0; r < tiles.down; ++r)
        for (int c = 0; c < tiles.across; ++c)
          for (int j = 0; j < vectors; ++j) {
            T const* const tile = results + (static_cast<std::int64_t>(r * tiles.across + c) * vectors + j) * V::size;
            Winograd::apply<Winograd::Output, V>(
                [&](int a, int b) { return V::load(tile + (a * 4 + b) * step); },
                [&](int a, int b, V value) { store(panel, 2 * r + a, 2 * c + b, j, value); });
          }
    }
  }
};

// ---------------------------------------------------------------------------------------------------------------- forward

template <class B, class T = typename B::scalar_type>
struct WinogradForward {
  Conv2dGeometry g;
  BlockGrid grid;  ///< of tiles
  WinogradProduct<T> product;
  T const* x;
  T const* bias;  ///< whole panels
  Sink<4, B> y;
  T* scratch;
  std::int64_t scratch_per_worker;

  int pixel_columns() const { return 2 * grid.most_columns() + 2; }
  std::int64_t strip_size() const {
    return static_cast<std::int64_t>(2 * grid.most_rows() + 2) * pixel_columns() * g.in_channels;
  }

  void operator()(int worker, std::int64_t index) const {
    using V = Simd<T>;
    Block const block = grid[index];
    T* const strip = scratch + worker * scratch_per_worker;
    x_image(g, x, block.image)
        .copy_rectangle(2 * block.top - g.padding.top, 2 * block.left - g.padding.left, 2 * block.rows + 2,
                        pixel_columns(), strip);
    int const rows = g.out_height - 2 * block.top;
    int const columns = g.out_width - 2 * block.left;
    T* const out = y.out.data() + g.y_index(block.image, 2 * block.top, 2 * block.left, 0);
    product({block.rows, block.columns, strip, pixel_columns(), g.in_channels}, strip + strip_size(),
            [&](int panel, int row, int column, int j, V value) {
              if (row >= rows || column >= columns) return;
              int const channel = product.panels.first(panel) + j * V::size;
              deliver<T>(out + (static_cast<std::int64_t>(row) * g.out_width + column) * g.y_pixel() + channel, y.beta,
                         value + V::load(bias + channel), std::min(g.out_channels - channel, V::size));
            });
  }
};

template <class B, class T = typename B::scalar_type>
void conv2d_winograd(Workspace<B>& ws, Conv2dGeometry const& g, T const* x, T const* weight, T const* bias,
                     Sink<4, B> y) {
  auto scope = ws.scope();
  Panels<T> const panels{g.out_channels};
  T* const filter = scope.template take<T>(
      static_cast<std::size_t>(panels.packed(static_cast<std::int64_t>(Winograd::products) * g.in_channels)));
  for_each_block(ws, "heliograd::conv2d_pack", g.in_channels, PackWinograd<T>{g, weight, filter, false});
  Run const* const runs = make_runs(scope, {1, 1, g.in_channels});

  BlockGrid const grid =
      BlockGrid::about(g.images, (g.out_height + 1) / 2, (g.out_width + 1) / 2, winograd_tiles, winograd_tiles);
  WinogradForward<B> kernel{g,
                            grid,
                            {g.in_channels, panels, grid.most_rows() * grid.most_columns(), runs, filter},
                            x,
                            whole_panels(scope, bias, g.out_channels),
                            y,
                            nullptr,
                            0};
  kernel.scratch_per_worker = kernel.strip_size() + kernel.product.scratch_size();
  kernel.scratch =
      scope.template take<T>(static_cast<std::size_t>(worker_count(ws, grid.count()) * kernel.scratch_per_worker));
  for_each_block(ws, "heliograd::conv2d", grid.count(), kernel);
}

// ---------------------------------------------------------------------------------------------------------- data gradient

/// Blocks of x. The gradient is computed at all padded positions where a pixel of the block stands, then folded.
template <class B, class T = typename B::scalar_type>
struct WinogradBackwardData {
  Conv2dGeometry g;
  BlockGrid grid;
  WinogradProduct<T> product;
  T const* gy;
  T const* bias;  ///< whole panels
  Sink<4, B> gx;
  T* scratch;
  std::int64_t scratch_per_worker;
  int tiles_down, tiles_across;  ///< of the largest block

  Span rows_of(Block const& block) const {
    return Span::of(block.top, block.rows, g.height, g.padding.top, g.padding.bottom, g.mode);
  }
  Span columns_of(Block const& block) const {
    return Span::of(block.left, block.columns, g.width, g.padding.left, g.padding.right, g.mode);
  }
  int pixel_columns() const { return 2 * tiles_across + 2; }
  std::int64_t strip_size() const {
    return static_cast<std::int64_t>(2 * tiles_down + 2) * pixel_columns() * g.out_channels;
  }
  int padded_pixel() const { return static_cast<int>(product.panels.packed(1)); }
  std::int64_t padded_size() const { return static_cast<std::int64_t>(4) * tiles_down * tiles_across * padded_pixel(); }

  void operator()(int worker, std::int64_t index) const {
    using V = Simd<T>;
    Block const block = grid[index];
    Span const rows = rows_of(block);
    Span const columns = columns_of(block);
    int const down = (rows.end - rows.begin + 1) / 2;
    int const across = (columns.end - columns.begin + 1) / 2;
    T* const strip = scratch + worker * scratch_per_worker;
    T* const padded = strip + strip_size();
    y_image(g, gy, block.image)
        .copy_rectangle(rows.begin + g.padding.top - 2, columns.begin + g.padding.left - 2, 2 * down + 2,
                        pixel_columns(), strip);
    int const line = 2 * across * padded_pixel();
    product({down, across, strip, pixel_columns(), g.out_channels}, padded + padded_size(),
            [&](int panel, int row, int column, int j, V value) {
              value.store(padded + static_cast<std::int64_t>(row) * line + column * padded_pixel() +
                          product.panels.first(panel) + j * V::size);
            });
    fold(block, rows, columns, padded, line);
  }

  void fold(Block const& block, Span const& row_span, Span const& column_span, T const* padded, int line) const {
    using V = Simd<T>;
    for (int row = block.top; row < block.top + block.rows; ++row) {
      PaddedImages const rows = padded_images(row, g.height, g.padding.top, g.padding.bottom, g.mode);
      for (int column = block.left; column < block.left + block.columns; ++column) {
        PaddedImages const columns = padded_images(column, g.width, g.padding.left, g.padding.right, g.mode);
        T* const out = gx.out.data() + g.x_index(block.image, row, column, 0);
        T const* const here = padded + static_cast<std::int64_t>(row - row_span.begin) * line +
                              (column - column_span.begin) * padded_pixel();
        bool const alone = rows.alone() && columns.alone();
        for (int c = 0; c < g.in_channels; c += V::size) {
          V total = V::load(bias + c);
          if (alone)
            total += V::load(here + c);
          else
            for (int a = 0; a < 3; ++a)
              for (int i = rows.begin[a]; i < rows.end[a]; ++i)
                for (int b = 0; b < 3; ++b)
                  for (int j = columns.begin[b]; j < columns.end[b]; ++j)
                    total += V::load(padded + static_cast<std::int64_t>(i - row_span.begin) * line +
                                     (j - column_span.begin) * padded_pixel() + c);
          deliver<T>(out + c, gx.beta, total, std::min(g.in_channels - c, V::size));
        }
      }
    }
  }
};

template <class B, class T = typename B::scalar_type>
void conv2d_backward_data_winograd(Workspace<B>& ws, Conv2dGeometry const& g, T const* gy, T const* weight,
                                   T const* bias, Sink<4, B> gx) {
  auto scope = ws.scope();
  Panels<T> const panels{g.in_channels};
  T* const filter = scope.template take<T>(
      static_cast<std::size_t>(panels.packed(static_cast<std::int64_t>(Winograd::products) * g.out_channels)));
  for_each_block(ws, "heliograd::conv2d_pack", g.in_channels, PackWinograd<T>{g, weight, filter, true});
  Run const* const runs = make_runs(scope, {1, 1, g.out_channels});

  BlockGrid const grid = BlockGrid::about(g.images, g.height, g.width, 4 * winograd_tiles, 2 * winograd_tiles);
  WinogradBackwardData<B> kernel{
      g, grid, {g.out_channels, panels, 0, runs, filter}, gy, whole_panels(scope, bias, g.in_channels), gx, nullptr, 0,
      0, 0};
  for (int i = 0; i < grid.down; ++i) {
    Span const span = kernel.rows_of(grid[i * grid.across]);
    kernel.tiles_down = std::max(kernel.tiles_down, (span.end - span.begin + 1) / 2);
  }
  for (int i = 0; i < grid.across; ++i) {
    Span const span = kernel.columns_of(grid[i]);
    kernel.tiles_across = std::max(kernel.tiles_across, (span.end - span.begin + 1) / 2);
  }
  kernel.product.most_tiles = kernel.tiles_down * kernel.tiles_across;
  kernel.scratch_per_worker = kernel.strip_size() + kernel.padded_size() + kernel.product.scratch_size();
  kernel.scratch =
      scope.template take<T>(static_cast<std::size_t>(worker_count(ws, grid.count()) * kernel.scratch_per_worker));
  for_each_block(ws, "heliograd::conv2d_backward_data", grid.count(), kernel);
}

// -------------------------------------------------------------------------------------------------------- filter gradient

/// One group of blocks and one panel of output channels: the gradient of the transformed filters, [product, c_in, columns],
/// is a sum over tiles of outer products of transformed pixels and transformed output gradients.
template <class T>
struct WinogradPartialGradient {
  Conv2dGeometry g;
  BlockGrid grid;  ///< of tiles
  Panels<T> panels;
  int groups;
  T const* x;
  T const* gy;
  T* partials;
  T* scratch;
  std::int64_t scratch_per_worker;

  int pixel_columns() const { return 2 * grid.most_columns() + 2; }
  std::int64_t strip_size() const {
    return static_cast<std::int64_t>(2 * grid.most_rows() + 2) * pixel_columns() * g.in_channels;
  }
  int most_tiles() const { return grid.most_rows() * grid.most_columns(); }
  std::int64_t pixel_product() const {
    return product_step<T>(static_cast<std::int64_t>(most_tiles()) * padded_channels<T>(g.in_channels));
  }
  std::int64_t gradient_product() const {
    return product_step<T>(static_cast<std::int64_t>(most_tiles()) * Panels<T>::width);
  }
  std::int64_t gy_strip_size() const { return static_cast<std::int64_t>(4) * most_tiles() * g.out_channels; }
  std::int64_t scratch_size() const {
    return strip_size() + gy_strip_size() + Winograd::products * (pixel_product() + gradient_product());
  }
  std::int64_t partial_size() const {
    return panels.packed(static_cast<std::int64_t>(Winograd::products) * g.in_channels);
  }

  void operator()(int worker, std::int64_t group) const {
    T* const strip = scratch + worker * scratch_per_worker;
    T* const gy_strip = strip + strip_size();
    T* const pixels = gy_strip + gy_strip_size();
    T* const gradients = pixels + Winograd::products * pixel_product();
    std::int64_t const begin = grid.count() * group / groups;
    std::int64_t const end = grid.count() * (group + 1) / groups;
    T* const partial = partials + group * partial_size();
    if (begin == end) std::fill_n(partial, partial_size(), T(0));  // an empty batch

    for (std::int64_t b = begin; b < end; ++b) {
      Block const block = grid[b];
      x_image(g, x, block.image)
          .copy_rectangle(2 * block.top - g.padding.top, 2 * block.left - g.padding.left, 2 * block.rows + 2,
                          pixel_columns(), strip);
      y_image(g, gy, block.image)
          .copy_rectangle(2 * block.top, 2 * block.left, 2 * block.rows, 2 * block.columns, gy_strip);
      WinogradTiles<T>{block.rows, block.columns, strip, pixel_columns(), g.in_channels}.transform(pixels,
                                                                                                   pixel_product());
      for (int panel = 0; panel < panels.count(); ++panel) {
        transform_gradients(block, panel, gy_strip, gradients);
        int const width = panels.vectors(panel) * Simd<T>::size;
        for (int product = 0; product < Winograd::products; ++product)
          outer_product<T>(
              {.lines = 1,
               .pixels = block.rows * block.columns,
               .left = pixels + product * pixel_product(),
               .left_line = 0,
               .left_pixel = padded_channels<T>(g.in_channels),
               .right = gradients + product * gradient_product(),
               .out = partial + panels.offset(panel, static_cast<std::int64_t>(Winograd::products) * g.in_channels) +
                      static_cast<std::int64_t>(product) * g.in_channels * width,
               .add = b > begin},
              panels.vectors(panel), g.in_channels);
      }
    }
  }

  void transform_gradients(Block const& block, int panel, T const* gy_strip, T* to) const {
    using V = Simd<T>;
    int const vectors = panels.vectors(panel);
    std::int64_t const step = gradient_product();
    std::int64_t const line = static_cast<std::int64_t>(2 * block.columns) * g.out_channels;
    for (int r = 0; r < block.rows; ++r)
      for (int c = 0; c < block.columns; ++c)
        for (int j = 0; j < vectors; ++j, to += V::size) {
          int const channel = panels.first(panel) + j * V::size;
          int const lanes = std::min(g.out_channels - channel, V::size);
          T const* const corner = gy_strip + 2 * r * line + static_cast<std::int64_t>(2 * c) * g.out_channels + channel;
          auto const pixel = [&](int a, int b) {
            return corner + a * line + static_cast<std::int64_t>(b) * g.out_channels;
          };
          auto const store = [&](int a, int b, V value) { value.store(to + (a * 4 + b) * step); };
          if (lanes == V::size)
            Winograd::apply<Winograd::OutputTransposed, V>([&](int a, int b) { return V::load(pixel(a, b)); }, store);
          else
            Winograd::apply<Winograd::OutputTransposed, V>([&](int a, int b) { return V::load(pixel(a, b), lanes); },
                                                           store);
        }
  }
};

/// gw = beta gw + the sum over groups, in double precision, transformed back to 3x3 filters.
template <class B, class T = typename B::scalar_type>
struct WinogradSumGradients {
  Conv2dGeometry g;
  Panels<T> panels;
  int groups;
  std::int64_t partial_size;
  T const* partials;
  Sink<4, B> gw;

  void operator()(int, std::int64_t in) const {
    using V = Simd<T>;
    double total[Winograd::products][Panels<T>::width];
    T sums[Winograd::products][Panels<T>::width];
    for (int panel = 0; panel < panels.count(); ++panel) {
      int const width = panels.vectors(panel) * V::size;
      std::int64_t const place =
          panels.offset(panel, static_cast<std::int64_t>(Winograd::products) * g.in_channels) + in * width;
      for (auto& row : total) std::fill_n(row, width, 0.0);
      for (int group = 0; group < groups; ++group)
        for (int product = 0; product < Winograd::products; ++product) {
          T const* const part =
              partials + group * partial_size + place + static_cast<std::int64_t>(product) * g.in_channels * width;
          for (int j = 0; j < width; ++j) total[product][j] += static_cast<double>(part[j]);
        }
      for (int product = 0; product < Winograd::products; ++product)
        for (int j = 0; j < width; ++j) sums[product][j] = static_cast<T>(total[product][j]);
      for (int j = 0; j < panels.vectors(panel); ++j) {
        int const channel = panels.first(panel) + j * V::size;
        int const lanes = std::min(g.out_channels - channel, V::size);
        Winograd::apply<Winograd::FilterTransposed, V>(
            [&](int a, int b) { return V::load(sums[a * 4 + b] + j * V::size); },
            [&](int a, int b, V value) {
              T* const out = gw.out.data() + g.weight_index(a, b, static_cast<int>(in), channel);
              deliver<T>(out, gw.beta, value, lanes);
            });
      }
    }
  }
};

template <class B, class T = typename B::scalar_type>
void conv2d_backward_weight_winograd(Workspace<B>& ws, Conv2dGeometry const& g, T const* x, T const* gy,
                                     Sink<4, B> gw) {
  auto scope = ws.scope();
  BlockGrid const grid =
      BlockGrid::about(g.images, (g.out_height + 1) / 2, (g.out_width + 1) / 2, winograd_tiles, winograd_tiles);
  WinogradPartialGradient<T> kernel{g, grid, {g.out_channels}, 1, x, gy, nullptr, nullptr, 0};
  kernel.groups = partial_groups(kernel.partial_size() * static_cast<std::int64_t>(sizeof(T)), grid.count());
  kernel.partials = scope.template take<T>(static_cast<std::size_t>(kernel.groups * kernel.partial_size()));
  kernel.scratch_per_worker = kernel.scratch_size();
  kernel.scratch =
      scope.template take<T>(static_cast<std::size_t>(worker_count(ws, kernel.groups) * kernel.scratch_per_worker));
  for_each_block(ws, "heliograd::conv2d_backward_weight", kernel.groups, kernel);
  for_each_block(ws, "heliograd::conv2d_backward_weight_sum", g.in_channels,
                 WinogradSumGradients<B>{g, kernel.panels, kernel.groups, kernel.partial_size(), kernel.partials, gw});
}

}  // namespace heliograd::inline HELIOGRAD_ABI::kernel::detail
