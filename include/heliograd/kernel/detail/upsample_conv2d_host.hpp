// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cstdint>

#include <heliograd/core/sink.hpp>
#include <heliograd/core/workspace.hpp>
#include <heliograd/kernel/detail/bilinear.hpp>
#include <heliograd/kernel/detail/block_grid.hpp>
#include <heliograd/kernel/detail/conv2d_host.hpp>
#include <heliograd/kernel/detail/correlate.hpp>
#include <heliograd/kernel/detail/delivery.hpp>
#include <heliograd/kernel/detail/host_blocks.hpp>

/// \file
/// A 3x3 convolution of a bilinearly up-sampled image, without the up-sampled image: convolution and interpolation are both
/// linear, so each filter tap can be applied at low resolution (a matrix product), and the nine resulting maps are
/// interpolated, shifted by their tap, and added. Rows are streamed: only what a few rows need is ever in memory.
namespace heliograd::inline HELIOGRAD_ABI::kernel::detail {

struct UpsampleConv2dGeometry {
  int images;
  int height, width, in_channels;
  int out_channels;
  int factor;

  static constexpr int taps = 9;

  KOKKOS_FUNCTION UpsampledAxis rows() const { return {height, factor}; }
  KOKKOS_FUNCTION UpsampledAxis columns() const { return {width, factor}; }
  KOKKOS_FUNCTION std::int64_t x_index(int n, int h, int w, int c) const {
    return ((static_cast<std::int64_t>(n) * height + h) * width + w) * in_channels + c;
  }
  KOKKOS_FUNCTION std::int64_t y_index(int n, int h, int w, int c) const {
    return ((static_cast<std::int64_t>(n) * height * factor + h) * width * factor + w) * out_channels + c;
  }
};

// ---------------------------------------------------------------------------------------------------------------- forward

/// The three taps of each fine position of an axis: entry 3 * position + k is for filter tap k.
template <class T, class Scope>
BilinearTap<T> const* make_taps(Scope& scope, UpsampledAxis const& axis) {
  auto* const taps = scope.template take<BilinearTap<T>>(static_cast<std::size_t>(3 * axis.fine_extent()));
  for (int position = 0; position < axis.fine_extent(); ++position)
    for (int k = 0; k < 3; ++k) taps[3 * position + k] = axis.template tap<T>(position + k - 1);
  return taps;
}

template <class T>
struct UpsampleConv2dForward {
  UpsampleConv2dGeometry g;
  BlockGrid grid;
  BilinearTap<T> const* row_taps;
  BilinearTap<T> const* column_taps;
  Run const* runs;
  T const* x;
  T const* filter;  ///< panels of [tap, c_in]
  Delivery<T> y;
  T* scratch;
  std::int64_t scratch_per_worker;

  /// One row of one map, with a column more on either side of the block.
  static std::int64_t row_size(int columns) { return static_cast<std::int64_t>(columns + 2) * Panels<T>::width; }
  /// The nine maps of three coarse rows; then three rows, already interpolated downwards.
  static std::int64_t scratch_size(int columns) { return (3 * UpsampleConv2dGeometry::taps + 3) * row_size(columns); }

  void operator()(int worker, std::int64_t index) const {
    Panels<T> const panels{g.out_channels};
    Block const block = grid[index / panels.count()];
    int const panel = static_cast<int>(index % panels.count());
    int const first_column = std::max(block.left - 1, 0);
    int const end_column = std::min(block.left + block.columns + 1, g.width);
    T* const maps = scratch + worker * scratch_per_worker;
    T* const lines = maps + 3 * UpsampleConv2dGeometry::taps * row_size(grid.most_columns());

    int next = std::max(block.top - 1, 0);  // the first coarse row whose maps are not there yet
    for (int row = block.top; row < block.top + block.rows; ++row) {
      for (; next <= std::min(row + 1, g.height - 1); ++next)
        apply_taps(block, panel, next, first_column, end_column, maps);
      for (int fine = row * g.factor; fine < (row + 1) * g.factor; ++fine) {
        interpolate_down(panel, fine, end_column - first_column, maps, lines);
        interpolate_across(block, panel, fine, first_column, lines);
      }
    }
    if (y.past_caches) finish_past_caches();
  }

  T* map(T* maps, int row, int tap) const {
    return maps + (row % 3 * UpsampleConv2dGeometry::taps + tap) * row_size(grid.most_columns());
  }

  void apply_taps(Block const& block, int panel, int row, int first_column, int end_column, T* maps) const {
    Panels<T> const panels{g.out_channels};
    int const width = panels.vectors(panel) * Simd<T>::size;
    for (int tap = 0; tap < UpsampleConv2dGeometry::taps; ++tap)
      correlate_row<T>({.runs = runs,
                        .pixels = x + g.x_index(block.image, row, first_column, 0),
                        .pixel = g.in_channels,
                        .filter = filter + panels.offset(panel, UpsampleConv2dGeometry::taps * g.in_channels) +
                                  static_cast<std::int64_t>(tap) * g.in_channels * width,
                        .start = nullptr,
                        .start_pixel = 0,
                        .out = map(maps, row, tap),
                        .out_pixel = width,
                        .columns = width},
                       panels.vectors(panel), end_column - first_column);
  }

  /// lines[kx] = sum over ky of the maps (ky, kx), at the fine row.
  void interpolate_down(int panel, int fine, int columns, T* maps, T* lines) const {
    using V = Simd<T>;
    std::int64_t const size = static_cast<std::int64_t>(columns) * Panels<T>{g.out_channels}.vectors(panel) * V::size;
    BilinearTap<T> const* const tap = row_taps + 3 * fine;
    for (int kx = 0; kx < 3; ++kx) {
      T const* low[3];
      T const* high[3];
      V low_weight[3];
      V high_weight[3];
#pragma GCC unroll 3
      for (int ky = 0; ky < 3; ++ky) {
        low[ky] = map(maps, tap[ky].low, 3 * ky + kx);
        high[ky] = map(maps, tap[ky].high, 3 * ky + kx);
        low_weight[ky] = V(tap[ky].low_weight);
        high_weight[ky] = V(tap[ky].high_weight);
      }
      T* const line = lines + kx * row_size(grid.most_columns());
      for (std::int64_t i = 0; i < size; i += V::size) {
        V total = low_weight[0] * V::load(low[0] + i);
        total = fma(high_weight[0], V::load(high[0] + i), total);
#pragma GCC unroll 2
        for (int ky = 1; ky < 3; ++ky) {
          total = fma(low_weight[ky], V::load(low[ky] + i), total);
          total = fma(high_weight[ky], V::load(high[ky] + i), total);
        }
        total.store(line + i);
      }
    }
  }

  /// y = bias + sum over kx of the lines, at each fine column.
  void interpolate_across(Block const& block, int panel, int fine, int first_column, T const* lines) const {
    Panels<T> const panels{g.out_channels};
    if (panels.vectors(panel) == 2)
      interpolate_across<2>(block, panels.first(panel), panels.columns(panel), fine, first_column, lines);
    else
      interpolate_across<1>(block, panels.first(panel), panels.columns(panel), fine, first_column, lines);
  }

  template <int Vectors>
  void interpolate_across(Block const& block, int channel, int channels, int fine, int first_column,
                          T const* lines) const {
    using V = Simd<T>;
    std::int64_t const line_size = row_size(grid.most_columns());
    T* out = y.out + g.y_index(block.image, fine, block.left * g.factor, channel);
    V start[Vectors];
    for (int j = 0; j < Vectors; ++j) start[j] = V::load(y.bias + channel + j * V::size);
    for (int column = block.left * g.factor; column < (block.left + block.columns) * g.factor;
         ++column, out += g.out_channels) {
      BilinearTap<T> const* const tap = column_taps + 3 * column;
      V total[Vectors];
#pragma GCC unroll 2
      for (int j = 0; j < Vectors; ++j) total[j] = start[j];
#pragma GCC unroll 3
      for (int kx = 0; kx < 3; ++kx) {
        T const* const line = lines + kx * line_size;
        T const* const low = line + static_cast<std::int64_t>(tap[kx].low - first_column) * Vectors * V::size;
        T const* const high = line + static_cast<std::int64_t>(tap[kx].high - first_column) * Vectors * V::size;
        V const low_weight(tap[kx].low_weight);
        V const high_weight(tap[kx].high_weight);
#pragma GCC unroll 2
        for (int j = 0; j < Vectors; ++j) {
          total[j] = fma(low_weight, V::load(low + j * V::size), total[j]);
          total[j] = fma(high_weight, V::load(high + j * V::size), total[j]);
        }
      }
      for (int j = 0; j < Vectors; ++j)
        y.deliver_vector(out + j * V::size, channel + j * V::size, total[j], std::min(channels - j * V::size, V::size));
    }
  }
};

template <class B, class T = typename B::scalar_type>
void upsample_conv2d_host(Workspace<B>& ws, UpsampleConv2dGeometry const& g, T const* x, T const* weight,
                          Delivery<T> const& y) {
  auto scope = ws.scope();
  Panels<T> const panels{g.out_channels};
  std::int64_t const terms = static_cast<std::int64_t>(UpsampleConv2dGeometry::taps) * g.in_channels;
  T* const filter = scope.template take<T>(static_cast<std::size_t>(panels.packed(terms)));
  for_each_block(ws, "heliograd::upsample_conv2d_pack", panels.count(),
                 PackFilter<T>{weight, filter, terms, g.out_channels, panels});

  // Tall blocks: the maps of the rows just above and below are computed twice.
  BlockGrid const grid = BlockGrid::about(g.images, g.height, g.width, 32 * block_columns, block_columns);
  std::int64_t const items = grid.count() * panels.count();
  std::int64_t const per_worker = UpsampleConv2dForward<T>::scratch_size(grid.most_columns());
  T* const scratch = scope.template take<T>(static_cast<std::size_t>(worker_count(ws, items) * per_worker));
  auto const numbers = static_cast<std::size_t>(g.y_index(g.images, 0, 0, 0));
  auto const to = in_panels(ws, scope, y, g.out_channels).past_caches_if_large(numbers, g.out_channels);
  for_each_block(ws, "heliograd::upsample_conv2d", items,
                 UpsampleConv2dForward<T>{g, grid, make_taps<T>(scope, g.rows()), make_taps<T>(scope, g.columns()),
                                          make_runs(scope, {1, 1, g.in_channels}), x, filter, to, scratch, per_worker});
}

// --------------------------------------------------------------------------------------------------------------- backward

/// The transpose of the interpolation along an axis: coarse pixel `p` gathers from `count` fine positions, the first of
/// which is first[p], with weights[(p * 3 + k) * count + i] for filter tap k.
template <class T>
struct AxisGather {
  int count;
  int const* first;
  T const* weights;

  template <class Scope>
  static AxisGather make(Scope& scope, UpsampledAxis const& axis) {
    int count = 0;
    for (int pixel = 0; pixel < axis.extent; ++pixel)
      count = std::max(count, axis.touched_end(pixel) - axis.touched_begin(pixel));
    int* const first = scope.template take<int>(static_cast<std::size_t>(axis.extent));
    T* const weights = scope.template take<T>(static_cast<std::size_t>(3 * axis.extent * count));
    for (int pixel = 0; pixel < axis.extent; ++pixel) {
      first[pixel] = std::min(axis.touched_begin(pixel), axis.fine_extent() - count);
      for (int k = 0; k < 3; ++k)
        for (int i = 0; i < count; ++i)
          weights[(3 * pixel + k) * count + i] = axis.template tap<T>(first[pixel] + i + k - 1).weight_of(pixel);
    }
    return {count, first, weights};
  }
};

/// What the backward pass wants: null where a gradient is not wanted.
template <class T>
struct UpsampleConv2dTargets {
  T* gx;
  T gx_beta;
  T* weight_partials;
  double* bias_partials;
};

/// One group of blocks. For each block and panel of output channels: gather the gradients of the nine maps, then their two
/// matrix products, with the filters (gx) and with x (gw).
template <class T>
struct UpsampleConv2dBackward {
  UpsampleConv2dGeometry g;
  BlockGrid grid;
  AxisGather<T> row_gather;
  AxisGather<T> column_gather;
  FilterGradient<T> gradient;
  Run const* const* runs;  ///< for one and for two vectors of output channels
  T const* x;
  T const* gy;
  T const* filter;  ///< for each panel of output channels: panels of input channels of [tap, output channel]
  std::int64_t filter_panel;
  UpsampleConv2dTargets<T> targets;
  T* scratch;
  std::int64_t scratch_per_worker;

  static constexpr int taps = UpsampleConv2dGeometry::taps;

  // A worker's scratch: gradients of the maps [tap, pixel]; lines, gathered across [fine row, kx, column]; gx [pixel].
  std::int64_t map_size() const {
    return static_cast<std::int64_t>(grid.most_rows()) * grid.most_columns() * Panels<T>::width;
  }
  std::int64_t line_size() const { return static_cast<std::int64_t>(grid.most_columns()) * Panels<T>::width; }
  std::int64_t gx_pixel() const { return Panels<T>{g.in_channels}.packed(1); }
  std::int64_t scratch_size() const {
    return taps * map_size() + 3 * row_gather.count * line_size() +
           static_cast<std::int64_t>(grid.most_rows()) * grid.most_columns() * gx_pixel();
  }

  void operator()(int worker, std::int64_t group) const {
    T* const maps = scratch + worker * scratch_per_worker;
    T* const lines = maps + taps * map_size();
    T* const gx_block = lines + 3 * row_gather.count * line_size();
    std::int64_t const begin = grid.count() * group / gradient.groups;
    std::int64_t const end = grid.count() * (group + 1) / gradient.groups;
    T* const partial = targets.weight_partials ? targets.weight_partials + group * gradient.size() : nullptr;
    double* const bias_partial = targets.bias_partials ? targets.bias_partials + group * g.out_channels : nullptr;
    if (bias_partial) std::fill_n(bias_partial, g.out_channels, 0.0);
    if (partial && begin == end) std::fill_n(partial, gradient.size(), T(0));  // an empty batch

    for (std::int64_t b = begin; b < end; ++b) {
      Block const block = grid[b];
      if (targets.gx) std::fill_n(gx_block, block.rows * block.columns * gx_pixel(), T(0));
      for (int panel = 0; panel < Panels<T>{g.out_channels}.count(); ++panel) {
        if (bias_partial) sum_bias(block, panel, bias_partial);
        if (!partial && !targets.gx) continue;
        if (Panels<T>{g.out_channels}.vectors(panel) == 2)
          gather_maps<2>(block, panel, lines, maps);
        else
          gather_maps<1>(block, panel, lines, maps);
        if (targets.gx) add_to_gx(block, panel, maps, gx_block);
        if (partial) add_to_gw(block, panel, maps, b > begin, partial);
      }
      if (targets.gx) deliver_gx(block, gx_block);
    }
  }

  template <int Vectors>
  void gather_maps(Block const& block, int panel, T* lines, T* maps) const {
    constexpr int width = Vectors * Simd<T>::size;
    int next = row_gather.first[block.top];  // the first fine row that has not been gathered across
    for (int row = 0; row < block.rows; ++row) {
      int const coarse = block.top + row;
      int const first = row_gather.first[coarse];
      for (; next < first + row_gather.count; ++next)
        gather_across<Vectors>(block, panel, next, lines + next % row_gather.count * 3 * line_size());
      for (int kx = 0; kx < 3; ++kx)
        gather_down<Vectors>(coarse, block.columns, lines + kx * line_size(),
                             maps + kx * map_size() + static_cast<std::int64_t>(row) * block.columns * width);
    }
  }

  /// line[kx][column] = sum over fine columns of weight * gy.
  template <int Vectors>
  void gather_across(Block const& block, int panel, int fine, T* line) const {
    using V = Simd<T>;
    Panels<T> const panels{g.out_channels};
    T const* const gy_row = gy + g.y_index(block.image, fine, 0, panels.first(panel));
    int const count = column_gather.count;
    int const last_lanes = panels.columns(panel) - (Vectors - 1) * V::size;
    for (int column = 0; column < block.columns; ++column) {
      T const* const weights = column_gather.weights + static_cast<std::int64_t>(3 * (block.left + column)) * count;
      T const* pixel = gy_row + static_cast<std::int64_t>(column_gather.first[block.left + column]) * g.out_channels;
      V total[3][Vectors];
      for (int kx = 0; kx < 3; ++kx)
        for (int j = 0; j < Vectors; ++j) total[kx][j] = V(T(0));
      auto const add = [&](int i, V const(&value)[Vectors]) {
#pragma GCC unroll 3
        for (int kx = 0; kx < 3; ++kx) {
          V const weight(weights[kx * count + i]);
#pragma GCC unroll 2
          for (int j = 0; j < Vectors; ++j) total[kx][j] = fma(weight, value[j], total[kx][j]);
        }
      };
      V value[Vectors];
      if (last_lanes == V::size)
        for (int i = 0; i < count; ++i, pixel += g.out_channels) {
#pragma GCC unroll 2
          for (int j = 0; j < Vectors; ++j) value[j] = V::load(pixel + j * V::size);
          add(i, value);
        }
      else
        for (int i = 0; i < count; ++i, pixel += g.out_channels) {
          for (int j = 0; j < Vectors; ++j)
            value[j] = V::load(pixel + j * V::size, j < Vectors - 1 ? V::size : last_lanes);
          add(i, value);
        }
      for (int kx = 0; kx < 3; ++kx)
        for (int j = 0; j < Vectors; ++j)
          total[kx][j].store(line + kx * line_size() + (static_cast<std::int64_t>(column) * Vectors + j) * V::size);
    }
  }

  /// maps[3 ky + kx] of one coarse row = sum over fine rows of weight * line[kx].
  template <int Vectors>
  void gather_down(int coarse, int columns, T const* lines, T* maps) const {
    using V = Simd<T>;
    constexpr int width = Vectors * V::size;
    int const count = row_gather.count;
    int const first = row_gather.first[coarse];
    T const* const weights = row_gather.weights + static_cast<std::int64_t>(3 * coarse) * count;
    for (int column = 0; column < columns; ++column) {
      V total[3][Vectors];
      for (int ky = 0; ky < 3; ++ky)
        for (int j = 0; j < Vectors; ++j) total[ky][j] = V(T(0));
      for (int i = 0, slot = first % count; i < count; ++i, slot = slot + 1 == count ? 0 : slot + 1) {
        T const* const line = lines + 3 * slot * line_size() + static_cast<std::int64_t>(column) * width;
        V value[Vectors];
#pragma GCC unroll 2
        for (int j = 0; j < Vectors; ++j) value[j] = V::load(line + j * V::size);
#pragma GCC unroll 3
        for (int ky = 0; ky < 3; ++ky) {
          V const weight(weights[ky * count + i]);
#pragma GCC unroll 2
          for (int j = 0; j < Vectors; ++j) total[ky][j] = fma(weight, value[j], total[ky][j]);
        }
      }
      for (int ky = 0; ky < 3; ++ky)
        for (int j = 0; j < Vectors; ++j)
          total[ky][j].store(maps + 3 * ky * map_size() + static_cast<std::int64_t>(column) * width + j * V::size);
    }
  }

  /// gx_block[pixel] (+)= sum over taps and this panel's output channels of maps * filter.
  void add_to_gx(Block const& block, int panel, T const* maps, T* gx_block) const {
    Panels<T> const in{g.in_channels};
    int const vectors = Panels<T>{g.out_channels}.vectors(panel);
    int const width = vectors * Simd<T>::size;
    for (int in_panel = 0; in_panel < in.count(); ++in_panel) {
      T* const out = gx_block + in.first(in_panel);
      correlate_row<T>(
          {.runs = runs[vectors - 1],
           .pixels = maps,
           .pixel = width,
           .filter = filter + panel * filter_panel + in.offset(in_panel, static_cast<std::int64_t>(taps) * width),
           .start = out,
           .start_pixel = gx_pixel(),
           .out = out,
           .out_pixel = gx_pixel(),
           .columns = in.vectors(in_panel) * Simd<T>::size},
          in.vectors(in_panel), block.rows * block.columns);
    }
  }

  void deliver_gx(Block const& block, T* gx_block) const {
    using V = Simd<T>;
    for (int row = 0; row < block.rows; ++row)
      for (int column = 0; column < block.columns; ++column) {
        T* const from = gx_block + (static_cast<std::int64_t>(row) * block.columns + column) * gx_pixel();
        T* const to = targets.gx + g.x_index(block.image, block.top + row, block.left + column, 0);
        for (int c = 0; c < g.in_channels; c += V::size) {
          int const lanes = std::min(g.in_channels - c, V::size);
          deliver<T>(to + c, targets.gx_beta, V::load(from + c), lanes);
        }
      }
  }

  void add_to_gw(Block const& block, int panel, T const* maps, bool add, T* partial) const {
    int const vectors = gradient.right().vectors(panel);
    for (int tap = 0; tap < taps; ++tap)
      outer_product<T>({.lines = block.rows,
                        .pixels = block.columns,
                        .left = x + g.x_index(block.image, block.top, block.left, 0),
                        .left_line = static_cast<std::int64_t>(g.width) * g.in_channels,
                        .left_pixel = g.in_channels,
                        .right = maps + tap * map_size(),
                        .out = partial + gradient.place(tap / 3, panel) +
                               static_cast<std::int64_t>(tap % 3) * g.in_channels * vectors * Simd<T>::size,
                        .add = add},
                       vectors, g.in_channels);
  }

  void sum_bias(Block const& block, int panel, double* bias_partial) const {
    using V = Simd<T>;
    Panels<T> const panels{g.out_channels};
    for (int j = 0; j < panels.vectors(panel); ++j) {
      int const channel = panels.first(panel) + j * V::size;
      int const lanes = std::min(g.out_channels - channel, V::size);
      for (int fine = block.top * g.factor; fine < (block.top + block.rows) * g.factor; ++fine) {
        V const total = sum_of_vectors(gy + g.y_index(block.image, fine, block.left * g.factor, channel),
                                       g.out_channels, block.columns * g.factor, lanes);
        for (int lane = 0; lane < lanes; ++lane) bias_partial[channel + lane] += static_cast<double>(total[lane]);
      }
    }
  }
};

/// Packs weights [tap, c_in, c_out] for the data gradient: panel of output channels after panel of output channels.
template <class T>
struct PackUpsampleTranspose {
  UpsampleConv2dGeometry g;
  T const* weight;
  T* packed;
  std::int64_t filter_panel;

  void operator()(int, std::int64_t index) const {
    Panels<T> const out{g.out_channels};
    Panels<T> const in{g.in_channels};
    int const out_panel = static_cast<int>(index / in.count());
    int const in_panel = static_cast<int>(index % in.count());
    int const out_width = out.vectors(out_panel) * Simd<T>::size;
    int const in_width = in.vectors(in_panel) * Simd<T>::size;
    T* const panel = packed + out_panel * filter_panel +
                     in.offset(in_panel, static_cast<std::int64_t>(UpsampleConv2dGeometry::taps) * out_width);
    for (int tap = 0; tap < UpsampleConv2dGeometry::taps; ++tap)
      for (int c = 0; c < in_width; ++c)
        for (int o = 0; o < out_width; ++o) {
          bool const real = c < in.columns(in_panel) && o < out.columns(out_panel);
          std::int64_t const from =
              (static_cast<std::int64_t>(tap) * g.in_channels + in.first(in_panel) + c) * g.out_channels +
              out.first(out_panel) + o;
          panel[(static_cast<std::int64_t>(tap) * out_width + o) * in_width + c] = real ? weight[from] : T(0);
        }
  }
};

template <class B>
void upsample_conv2d_backward_host(Workspace<B>& ws, UpsampleConv2dGeometry const& g, typename B::scalar_type const* x,
                                   typename B::scalar_type const* gy, typename B::scalar_type const* weight,
                                   Sink<4, B> gx, Sink<4, B> gw, Sink<1, B> gb) {
  using T = typename B::scalar_type;
  using Kernel = UpsampleConv2dBackward<T>;
  bool const wants_gx = gx.out.data() != nullptr;
  bool const wants_gw = gw.out.data() != nullptr;
  bool const wants_gb = gb.out.data() != nullptr;
  auto scope = ws.scope();
  Panels<T> const in{g.in_channels};
  Panels<T> const out{g.out_channels};
  BlockGrid const grid = BlockGrid::about(g.images, g.height, g.width, block_pixels, block_columns);
  auto const gradient = FilterGradient<T>::plan(3, 3 * g.in_channels, g.out_channels, false, grid.count());

  std::int64_t const filter_panel = in.packed(static_cast<std::int64_t>(Kernel::taps) * Panels<T>::width);
  T* filter = nullptr;
  if (wants_gx) {
    filter = scope.template take<T>(static_cast<std::size_t>(out.count() * filter_panel));
    for_each_block(ws, "heliograd::upsample_conv2d_pack", static_cast<std::int64_t>(out.count()) * in.count(),
                   PackUpsampleTranspose<T>{g, weight, filter, filter_panel});
  }
  UpsampleConv2dTargets<T> const targets{
      gx.out.data(), gx.beta,
      wants_gw ? scope.template take<T>(static_cast<std::size_t>(gradient.groups * gradient.size())) : nullptr,
      wants_gb ? scope.template take<double>(static_cast<std::size_t>(gradient.groups * g.out_channels)) : nullptr};
  Run const** const runs = scope.template take<Run const*>(2);
  Kernel kernel{.g = g,
                .grid = grid,
                .row_gather = AxisGather<T>::make(scope, g.rows()),
                .column_gather = AxisGather<T>::make(scope, g.columns()),
                .gradient = gradient,
                .runs = runs,
                .x = x,
                .gy = gy,
                .filter = filter,
                .filter_panel = filter_panel,
                .targets = targets,
                .scratch = nullptr,
                .scratch_per_worker = 0};
  for (int vectors : {1, 2})
    runs[vectors - 1] = make_runs(scope, {Kernel::taps, 1, vectors * Simd<T>::size, kernel.map_size()});
  kernel.scratch_per_worker = kernel.scratch_size();
  kernel.scratch =
      scope.template take<T>(static_cast<std::size_t>(worker_count(ws, gradient.groups) * kernel.scratch_per_worker));
  for_each_block(ws, "heliograd::upsample_conv2d_backward", gradient.groups, kernel);

  if (wants_gw) {
    SumFilterGradients<B> const sum{gradient, targets.weight_partials, gw, g.out_channels};
    for_each_block(ws, "heliograd::upsample_conv2d_backward_weight_sum", sum.blocks(), sum);
  }
  if (wants_gb && !ws.dry()) add_channel_sums<B>(targets.bias_partials, gradient.groups, g.out_channels, gb);
}

}  // namespace heliograd::inline HELIOGRAD_ABI::kernel::detail
