// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>

#include <heliograd/core/fill.hpp>
#include <heliograd/core/math.hpp>
#include <heliograd/core/sink.hpp>
#include <heliograd/kernel/detail/host_blocks.hpp>
#include <heliograd/kernel/detail/register_tile.hpp>
#include <heliograd/kernel/launch.hpp>

/// \file
/// Dot-product attention, tile by tile: the matrix of queries by keys is never stored. Forward, a running maximum rescales what
/// has been summed (Milakov, Gimelshein: 2018); backward, the weights are computed again from the maximum and the total that each
/// query keeps (Dao, Fu, Ermon, Rudra, Re: NeurIPS 2022). Keys are visited in order, so the bits depend on nothing else.
namespace heliograd::inline HELIOGRAD_ABI::kernel {

/// Queries [batch, queries, heads * depth], keys [batch, keys, heads * depth], values [batch, keys, heads * width].
struct AttentionShape {
  std::size_t batch, queries, keys, heads, depth, width;

  KOKKOS_FUNCTION std::size_t query_rows() const { return batch * queries * heads; }
};

/// What each query of each head keeps: the largest logit, and the sum of the exponentials of the distances from it.
template <class T>
struct AttentionTotals {
  T* peak;   // [batch, heads, queries]
  T* total;  // the same
};

namespace detail {

/// The rows of one head of one sample in a tensor [batch, rows, heads * width].
template <class T>
struct HeadRows {
  T* data;
  std::size_t rows, heads, width;

  KOKKOS_FUNCTION std::size_t stride() const { return heads * width; }
  KOKKOS_FUNCTION T* row(std::size_t sample_head, std::size_t i) const {
    return data + ((sample_head / heads * rows + i) * heads + sample_head % heads) * width;
  }
};

/// A left factor [rows][depth]: a broadcast number after the other.
template <class T>
struct LeftFactor {
  T const* data;
  std::size_t row, column;  ///< from row to row, from column to column
};

/// A right factor [depth][columns] in panels as wide as a register tile: [panel][depth][columns of the panel].
template <class T>
struct RightFactor {
  T const* data;
  std::size_t panel;  ///< from panel to panel
};

/// Tiles of some rows of a head, copied as right factors of products, so that what the innermost loops read lies in one piece. As
/// they are, [Rows][width], or transposed and multiplied by a number, [width][Rows]. What is missing from the last tile or
/// panel is zero.
template <class T, std::size_t Rows>
struct HeadTiles {
  static constexpr std::size_t tile = Rows;
  static constexpr std::size_t panel = static_cast<std::size_t>(TileShape<T>::columns);
  HeadRows<T const> from;
  bool transposed = false;
  T factor = 1;
  T* to = nullptr;

  static constexpr std::size_t whole_panels(std::size_t count) { return (count + panel - 1) / panel * panel; }
  /// The width in whole panels.
  std::size_t padded() const { return whole_panels(from.width); }
  std::size_t tiles() const { return (from.rows + tile - 1) / tile; }
  std::size_t rows(std::size_t t) const { return std::min(tile, from.rows - t * tile); }
  std::size_t size() const { return tile * (transposed ? from.width : padded()); }
  RightFactor<T> at(std::size_t sample_head, std::size_t t) const {
    return {to + (sample_head * tiles() + t) * size(), panel * (transposed ? from.width : tile)};
  }

  void operator()(std::size_t item) const {
    std::size_t const sample_head = item / tiles(), t = item % tiles();
    T* const out = to + item * size();
    std::fill(out, out + size(), T(0));
    for (std::size_t r = 0; r < rows(t); ++r) {
      T const* const row = from.row(sample_head, t * tile + r);
      if (transposed) {
        T* const column = out + r / panel * panel * from.width + r % panel;
        for (std::size_t k = 0; k < from.width; ++k) column[k * panel] = factor * row[k];
      } else
        for (std::size_t k = 0; k < from.width; k += panel)
          std::copy(row + k, row + std::min(k + panel, from.width), out + k * tile + r * panel);
    }
  }
};

/// c = a b, or c += a b; columns are whole panels, `row` is from row to row of c.
template <bool Add, class T>
void multiply_tile(LeftFactor<T> const& a, std::size_t rows, std::size_t depth, RightFactor<T> const& b,
                   std::size_t columns, T* c, std::size_t row) {
  using Vector = Simd<T>;
  constexpr int vectors = TileShape<T>::vectors;
  constexpr std::size_t panel = static_cast<std::size_t>(TileShape<T>::columns);
  for_each_tile<TileShape<T>::rows>(static_cast<int>(rows), [&]<int Rows>(int first) {
    for (std::size_t j = 0; j < columns; j += panel) {
      Vector tile[Rows][vectors];
      T* const out = c + static_cast<std::size_t>(first) * row + j;
#pragma GCC unroll 16
      for (int i = 0; i < Rows; ++i)
#pragma GCC unroll 4
        for (int l = 0; l < vectors; ++l)
          tile[i][l] = Add ? Vector::load(out + static_cast<std::size_t>(i) * row + l * Vector::size) : Vector(T(0));
      accumulate<T, Rows, vectors>(tile, static_cast<std::int64_t>(depth),
                                   a.data + static_cast<std::size_t>(first) * a.row, static_cast<std::int64_t>(a.row),
                                   static_cast<std::int64_t>(a.column), b.data + j / panel * b.panel, panel);
#pragma GCC unroll 16
      for (int i = 0; i < Rows; ++i)
#pragma GCC unroll 4
        for (int l = 0; l < vectors; ++l) tile[i][l].store(out + static_cast<std::size_t>(i) * row + l * Vector::size);
    }
  });
}

/// e^x for x <= 0, about the distance of a logit from the largest one. In two thirds of the time of `math::exp`: what would be no
/// normal number is 0. Error below 2 units in the last place.
template <class T>
[[gnu::always_inline]] inline T decay(T x) {
  using F = math::detail::Format<T>;
  T const shifted = x * T(1.44269504088896340736) + F::rounder;
  T const n = shifted - F::rounder;
  T const r = (x - n * F::ln2_high) - n * F::ln2_low;
  T coefficient[F::exp_terms + 1] = {};
  T factorial = 1;
  for (int k = 1; k <= F::exp_terms; ++k) coefficient[k] = 1 / (factorial *= T(k));
  T series = coefficient[F::exp_terms];
  for (int k = F::exp_terms - 1; k >= 1; --k) series = series * r + coefficient[k];
  T const scale =
      math::detail::from_bits<T>((math::detail::bits_of(shifted) << F::mantissa) + math::detail::bits_of(T(1)));
  T const value = scale + scale * (r * series);
  constexpr T least_normal = sizeof(T) == 4 ? T(-87) : T(-708);
  return x < least_normal ? T(0) : value;
}

/// Host: some queries against all keys. Many keys at a time, so that sums are loaded, rescaled and stored rarely; their
/// weights are made for a few queries at a time, which stay in the nearest cache meanwhile.
template <class T>
struct AttentionHost {
  static constexpr std::size_t tile = 64, reach = 512, group = 32;
  using Tiles = HeadTiles<T, reach>;
  AttentionShape shape;
  T scale;
  HeadRows<T const> q;
  Tiles keys, values;  // transposed; rows
  HeadRows<T> o;
  AttentionTotals<T> totals;
  T* scratch;

  std::size_t scratch_size() const { return tile * (reach + values.padded() + shape.depth); }
  std::size_t query_tiles() const { return (shape.queries + tile - 1) / tile; }

  void operator()(int worker, std::int64_t block) const {
    std::size_t const sample_head = static_cast<std::size_t>(block) / query_tiles();
    std::size_t const first = static_cast<std::size_t>(block) % query_tiles() * tile;
    std::size_t const rows = std::min(tile, shape.queries - first);
    std::size_t const padded = values.padded();
    T* const weights = scratch + static_cast<std::size_t>(worker) * scratch_size();
    T* const sum = weights + tile * reach;
    T* const asked = sum + tile * padded;
    T peak[tile], factor[tile];
    double total[tile] = {};
    std::fill(peak, peak + tile, -std::numeric_limits<T>::infinity());
    std::fill(weights + rows * reach, weights + tile * reach, T(0));
    std::fill(sum, sum + rows * padded, T(0));
    for (std::size_t r = 0; r < rows; ++r)
      for (std::size_t k = 0; k < shape.depth; ++k)
        asked[r * shape.depth + k] = scale * q.row(sample_head, first + r)[k];
    for (std::size_t t = 0; t < keys.tiles(); ++t) {
      std::size_t const count = keys.rows(t);
      for (std::size_t r = 0; r < rows; r += group) {
        T* const part = weights + r * reach;
        multiply_tile<false, T>({asked + r * shape.depth, shape.depth, 1}, std::min(group, rows - r), shape.depth,
                                keys.at(sample_head, t), Tiles::whole_panels(count), part, reach);
        exponentials(part, count, peak + r, total + r, factor + r);
      }
      for (std::size_t r = 0; r < rows; ++r) {
        T* const s = sum + r * padded;
        T const by = factor[r];
        if (by != T(1)) {
          HELIOGRAD_INDEPENDENT_LOOP
          for (std::size_t c = 0; c < padded; ++c) s[c] *= by;
        }
      }
      multiply_tile<true, T>({weights, reach, 1}, rows, count, values.at(sample_head, t), padded, sum, padded);
    }
    for (std::size_t r = 0; r < rows; ++r) {
      T const share = static_cast<T>(1 / total[r]);
      T* const out = o.row(sample_head, first + r);
      for (std::size_t c = 0; c < shape.width; ++c) out[c] = share * sum[r * padded + c];
      totals.peak[sample_head * shape.queries + first + r] = peak[r];
      totals.total[sample_head * shape.queries + first + r] = static_cast<T>(total[r]);
    }
  }

  /// Turns rows of logits into exponentials about their new peaks; gives the factors for what was summed about the old.
  /// As many rows at a time as there are lanes, so that what is one number for a row is a vector as well.
  [[gnu::noinline]] HELIOGRAD_WHOLE_REGISTERS void exponentials(T* weights, std::size_t count, T* peak, double* total,
                                                                T* factor) const {
    using V = Simd<T>;
    constexpr std::size_t size = static_cast<std::size_t>(V::size);
    std::size_t const columns = Tiles::whole_panels(count);
    for (std::size_t r = 0; r < group; ++r)
      std::fill(weights + r * reach + count, weights + r * reach + columns, -std::numeric_limits<T>::infinity());
    for (std::size_t first = 0; first < group; first += size) {
      T* const rows = weights + first * reach;
      V lanes[size];
      for (std::size_t r = 0; r < size; ++r) {
        lanes[r] = V::load(rows + r * reach);
        for (std::size_t j = size; j < columns; j += size) lanes[r] = max(lanes[r], V::load(rows + r * reach + j));
      }
      T now[size], sums[size];
      max(V::load(peak + first), joined_lanes(lanes, [](V a, V b) { return max(a, b); })).store(now);
      for (std::size_t r = 0; r < size; ++r) {
        T* const row = rows + r * reach;
        T const top = now[r];
        HELIOGRAD_INDEPENDENT_LOOP
        for (std::size_t j = 0; j < columns; ++j) row[j] = decay(row[j] - top);
        lanes[r] = V::load(row);
        for (std::size_t j = size; j < columns; j += size) lanes[r] += V::load(row + j);
      }
      joined_lanes(lanes, [](V a, V b) { return a + b; }).store(sums);
      T* const old = peak + first;
      T* const f = factor + first;
      double* const sum = total + first;
      HELIOGRAD_INDEPENDENT_LOOP
      for (std::size_t r = 0; r < size; ++r) {
        f[r] = math::exp(old[r] - now[r]);
        sum[r] = sum[r] * static_cast<double>(f[r]) + static_cast<double>(sums[r]);
        old[r] = now[r];
      }
    }
  }
};

/// Host, backward: some tiles of keys against all queries. The gradients of their keys and values are theirs alone; what they
/// add to the gradient of each query goes to a part of its own, which `AttentionSum` adds up.
template <class T>
struct AttentionBackwardHost {
  static constexpr std::size_t tile = 64, reach = 256;
  using Tiles = HeadTiles<T, reach>;
  AttentionShape shape;
  std::size_t groups;  ///< of key tiles
  T scale;
  HeadRows<T const> k, v;
  Tiles q_columns, go_columns;  // transposed
  Tiles q_rows, go_rows;        // as rows
  HeadTiles<T, tile> k_rows;
  AttentionTotals<T> totals;
  T const* product;  // the output times its gradient, for each query
  T* gq = nullptr;   // [sample and head][group][query][padded], or null: not wanted
  T* gk = nullptr;   // [sample and head][key][padded], or null
  T* gv = nullptr;   // [sample and head][key][padded], or null
  T* scratch = nullptr;

  static std::size_t most_groups() { return 16; }
  std::size_t scratch_size() const { return 2 * tile * reach; }
  std::size_t depth() const { return q_rows.padded(); }
  std::size_t width() const { return go_rows.padded(); }

  void operator()(int worker, std::int64_t block) const {
    std::size_t const sample_head = static_cast<std::size_t>(block) / groups;
    std::size_t const group = static_cast<std::size_t>(block) % groups;
    T* const weights = scratch + static_cast<std::size_t>(worker) * scratch_size();
    T* const slopes = weights + tile * reach;
    T* const part = gq ? gq + static_cast<std::size_t>(block) * shape.queries * depth() : nullptr;
    if (part) std::fill(part, part + shape.queries * depth(), T(0));
    std::size_t const tiles = k_rows.tiles();
    for (std::size_t t = tiles * group / groups; t < tiles * (group + 1) / groups; ++t) {
      std::size_t const keys = k_rows.rows(t), first = sample_head * shape.keys + t * tile;
      T* const sum_k = gk ? gk + first * depth() : nullptr;
      T* const sum_v = gv ? gv + first * width() : nullptr;
      if (sum_k) std::fill(sum_k, sum_k + keys * depth(), T(0));
      if (sum_v) std::fill(sum_v, sum_v + keys * width(), T(0));
      LeftFactor<T> const key{k.row(sample_head, t * tile), k.stride(), 1};
      LeftFactor<T> const value{v.row(sample_head, t * tile), v.stride(), 1};
      for (std::size_t u = 0; u < q_rows.tiles(); ++u) {
        std::size_t const queries = q_rows.rows(u), columns = Tiles::whole_panels(queries);
        multiply_tile<false, T>(key, keys, shape.depth, q_columns.at(sample_head, u), columns, weights, reach);
        multiply_tile<false, T>(value, keys, shape.width, go_columns.at(sample_head, u), columns, slopes, reach);
        differentiate(sample_head * shape.queries + u * reach, keys, queries, weights, slopes);
        if (sum_v)
          multiply_tile<true, T>({weights, reach, 1}, keys, queries, go_rows.at(sample_head, u), width(), sum_v,
                                 width());
        if (sum_k)
          multiply_tile<true, T>({slopes, reach, 1}, keys, queries, q_rows.at(sample_head, u), depth(), sum_k, depth());
        if (part)
          multiply_tile<true, T>({slopes, 1, reach}, queries, keys, k_rows.at(sample_head, t), depth(),
                                 part + u * reach * depth(), depth());
      }
    }
  }

  /// Logits of keys and queries become weights p, and their gradients become those of the logits, p (dp - product).
  [[gnu::noinline]] HELIOGRAD_WHOLE_REGISTERS void differentiate(std::size_t query, std::size_t keys,
                                                                 std::size_t queries, T* weights, T* slopes) const {
    T const* const peak = totals.peak + query;
    T const* const mean = product + query;
    T share[reach];
    for (std::size_t i = 0; i < queries; ++i) share[i] = T(1) / totals.total[query + i];
    for (std::size_t r = 0; r < keys; ++r) {
      T* const w = weights + r * reach;
      T* const s = slopes + r * reach;
      HELIOGRAD_INDEPENDENT_LOOP
      for (std::size_t j = 0; j < queries; ++j) {
        w[j] = decay(w[j] - peak[j]) * share[j];
        s[j] = w[j] * (s[j] - mean[j]);
      }
    }
  }
};

/// A gradient's rows: out = beta out + scale times the sum of its parts [sample and head][part][row][padded], in order.
template <class T>
struct AttentionSum {
  HeadRows<T> out;
  T beta, scale;
  T const* from;
  std::size_t parts, padded;

  void operator()(std::size_t item) const {
    std::size_t const sample_head = item / out.rows, i = item % out.rows;
    T* const to = out.row(sample_head, i);
    T const* const first = from + (sample_head * parts * out.rows + i) * padded;
    for (std::size_t c = 0; c < out.width; ++c) {
      T sum = first[c];
      for (std::size_t part = 1; part < parts; ++part) sum += first[part * out.rows * padded + c];
      to[c] = (beta != T(0) ? beta * to[c] : T(0)) + scale * sum;
    }
  }
};

template <class T>
KOKKOS_FUNCTION T dot_row(T const* a, T const* b, std::size_t count) {
  T sum = 0;
  for (std::size_t k = 0; k < count; ++k) sum += a[k] * b[k];
  return sum;
}

/// The output times its gradient, for each query of each head.
template <class T>
struct AttentionProduct {
  HeadRows<T const> o, go;
  T* product;
  KOKKOS_FUNCTION void operator()(std::size_t item) const {
    std::size_t const sample_head = item / o.rows, i = item % o.rows;
    T const* const a = o.row(sample_head, i);
    T const* const b = go.row(sample_head, i);
    double sum = 0;
    for (std::size_t c = 0; c < o.width; ++c) sum += static_cast<double>(a[c]) * static_cast<double>(b[c]);
    product[item] = static_cast<T>(sum);
  }
};

/// Devices: one query.
template <class T>
struct AttentionDevice {
  AttentionShape shape;
  T scale;
  HeadRows<T const> q, k, v;
  HeadRows<T> o;
  AttentionTotals<T> totals;

  KOKKOS_FUNCTION void operator()(std::size_t item) const {
    std::size_t const sample_head = item / shape.queries, i = item % shape.queries;
    T const* const query = q.row(sample_head, i);
    T* const out = o.row(sample_head, i);
    for (std::size_t c = 0; c < shape.width; ++c) out[c] = 0;
    T peak = scale * dot_row(query, k.row(sample_head, 0), shape.depth);
    double total = 0;
    for (std::size_t j = 0; j < shape.keys; ++j) {
      T const logit = scale * dot_row(query, k.row(sample_head, j), shape.depth);
      if (logit > peak) {
        T const factor = math::exp(peak - logit);
        for (std::size_t c = 0; c < shape.width; ++c) out[c] *= factor;
        total *= static_cast<double>(factor);
        peak = logit;
      }
      T const weight = math::exp(logit - peak);
      T const* const value = v.row(sample_head, j);
      for (std::size_t c = 0; c < shape.width; ++c) out[c] += weight * value[c];
      total += static_cast<double>(weight);
    }
    for (std::size_t c = 0; c < shape.width; ++c) out[c] *= static_cast<T>(1 / total);
    totals.peak[item] = peak;
    totals.total[item] = static_cast<T>(total);
  }
};

/// Devices, backward: one query (gradient of q), or one key (of k and v).
template <class T, bool ByKeys>
struct AttentionBackwardDevice {
  AttentionShape shape;
  T scale;
  HeadRows<T const> q, k, v, go;
  AttentionTotals<T> totals;
  T const* product;
  HeadRows<T> ga, ga2;  // of q; or of k and v
  T beta, beta2;

  KOKKOS_FUNCTION void operator()(std::size_t item) const {
    std::size_t const mine = ByKeys ? shape.keys : shape.queries, others = ByKeys ? shape.queries : shape.keys;
    std::size_t const sample_head = item / mine, own = item % mine;
    start(ga, beta, sample_head, own);
    if (ByKeys) start(ga2, beta2, sample_head, own);
    for (std::size_t other = 0; other < others; ++other) {
      std::size_t const i = ByKeys ? other : own, j = ByKeys ? own : other;
      std::size_t const query = sample_head * shape.queries + i;
      T const logit = scale * dot_row(q.row(sample_head, i), k.row(sample_head, j), shape.depth);
      T const weight = math::exp(logit - totals.peak[query]) / totals.total[query];
      T const slope = dot_row(go.row(sample_head, i), v.row(sample_head, j), shape.width) - product[query];
      T const* const across = ByKeys ? q.row(sample_head, i) : k.row(sample_head, j);
      add(ga, sample_head, own, scale * weight * slope, across);
      if (ByKeys) add(ga2, sample_head, own, weight, go.row(sample_head, i));
    }
  }
  KOKKOS_FUNCTION static void start(HeadRows<T> const& out, T beta, std::size_t sample_head, std::size_t i) {
    if (!out.data) return;
    T* const row = out.row(sample_head, i);
    for (std::size_t c = 0; c < out.width; ++c) row[c] = beta != T(0) ? beta * row[c] : T(0);
  }
  KOKKOS_FUNCTION static void add(HeadRows<T> const& out, std::size_t sample_head, std::size_t i, T factor,
                                  T const* x) {
    if (!out.data) return;
    T* const row = out.row(sample_head, i);
    for (std::size_t c = 0; c < out.width; ++c) row[c] += factor * x[c];
  }
};

/// Packs the tiles of a head's rows into scratch.
template <class B, class Tiles>
Tiles pack_heads(Workspace<B>& ws, typename Workspace<B>::Scope& scope, std::size_t batch, Tiles tiles) {
  std::size_t const count = batch * tiles.from.heads * tiles.tiles();
  tiles.to = scope.template take<typename B::scalar_type>(count * tiles.size());
  for_each_item(ws, "heliograd::attention_pack", count, tiles);
  return tiles;
}

/// Runs a host pass on its blocks, each worker with scratch of its own.
template <class B, class Pass>
void run_attention(Workspace<B>& ws, typename Workspace<B>::Scope& scope, char const* label, std::size_t blocks,
                   Pass pass) {
  auto const workers = static_cast<std::size_t>(worker_count(ws, static_cast<std::int64_t>(blocks)));
  pass.scratch = scope.template take<typename B::scalar_type>(workers * pass.scratch_size());
  for_each_block(ws, label, static_cast<std::int64_t>(blocks), pass);
}

/// The gradients of `batch` samples from sample `first` on, in the order q, k, v.
template <class B, class T = typename B::scalar_type>
void attention_backward_host(Workspace<B>& ws, AttentionBackwardHost<T> pass, std::size_t first, std::size_t batch,
                             HeadRows<T> const (&out)[3], T const (&beta)[3]) {
  auto scope = ws.scope();
  auto const from_first = [&](auto rows) {
    if (rows.data) rows.data += first * rows.rows * rows.stride();
    return rows;
  };
  AttentionShape& s = pass.shape;
  std::size_t const totals = first * s.heads * s.queries;
  pass.totals = {pass.totals.peak + totals, pass.totals.total + totals};
  pass.product += totals;
  s.batch = batch;
  pass.k = from_first(pass.k);
  pass.v = from_first(pass.v);
  auto const qs = from_first(pass.q_rows.from), gos = from_first(pass.go_rows.from);
  using Tiles = typename AttentionBackwardHost<T>::Tiles;
  pass.q_columns = pack_heads(ws, scope, batch, Tiles{qs, true, pass.scale});
  pass.go_columns = pack_heads(ws, scope, batch, Tiles{gos, true});
  pass.q_rows = pack_heads(ws, scope, batch, Tiles{qs});
  pass.go_rows = pack_heads(ws, scope, batch, Tiles{gos});
  pass.k_rows.from = pass.k;
  pass.k_rows = pack_heads(ws, scope, batch, pass.k_rows);
  std::size_t const samples = batch * s.heads;
  auto const take = [&](int which, std::size_t numbers) {
    return out[which].data ? scope.template take<T>(samples * numbers) : nullptr;
  };
  pass.gq = take(0, pass.groups * s.queries * pass.depth());
  pass.gk = take(1, s.keys * pass.depth());
  pass.gv = take(2, s.keys * pass.width());
  run_attention(ws, scope, "heliograd::attention_backward", samples * pass.groups, pass);
  AttentionSum<T> const sums[] = {{from_first(out[0]), beta[0], pass.scale, pass.gq, pass.groups, pass.depth()},
                                  {from_first(out[1]), beta[1], pass.scale, pass.gk, 1, pass.depth()},
                                  {from_first(out[2]), beta[2], T(1), pass.gv, 1, pass.width()}};
  for (AttentionSum<T> const& sum : sums)
    if (sum.out.data) for_each_item(ws, "heliograd::attention_backward_sum", samples * sum.out.rows, sum);
}

}  // namespace detail

/// o_i = sum over j of softmax_j(scale q_i k_j) v_j, for each head of each sample. `totals` is written: the backward pass needs
/// it.
template <class B>
void attention(Workspace<B>& ws, AttentionShape const& s, double scale, typename B::scalar_type const* q,
               typename B::scalar_type const* k, typename B::scalar_type const* v, typename B::scalar_type* o,
               AttentionTotals<typename B::scalar_type> const& totals) {
  using T = typename B::scalar_type;
  using detail::HeadRows;
  HeadRows<T const> const qs{q, s.queries, s.heads, s.depth}, ks{k, s.keys, s.heads, s.depth},
      vs{v, s.keys, s.heads, s.width};
  HeadRows<T> const os{o, s.queries, s.heads, s.width};
  if (s.query_rows() == 0) return;
  if constexpr (B::on_host) {
    auto scope = ws.scope();
    using Tiles = typename detail::AttentionHost<T>::Tiles;
    auto const keys = detail::pack_heads(ws, scope, s.batch, Tiles{ks, true});
    auto const values = detail::pack_heads(ws, scope, s.batch, Tiles{vs});
    detail::AttentionHost<T> const pass{s, static_cast<T>(scale), qs, keys, values, os, totals, nullptr};
    detail::run_attention(ws, scope, "heliograd::attention", s.batch * s.heads * pass.query_tiles(), pass);
  } else
    for_each_item(ws, "heliograd::attention", s.query_rows(),
                  detail::AttentionDevice<T>{s, static_cast<T>(scale), qs, ks, vs, os, totals});
}

/// The gradients of `attention`. A sink without memory is not wanted. Sinks may share memory: they are written in the order
/// q, k, v.
template <class B>
void attention_backward(Workspace<B>& ws, AttentionShape const& s, double scale, typename B::scalar_type const* q,
                        typename B::scalar_type const* k, typename B::scalar_type const* v,
                        typename B::scalar_type const* o, AttentionTotals<typename B::scalar_type> const& totals,
                        typename B::scalar_type const* go, Sink<3, B> const& gq, Sink<3, B> const& gk,
                        Sink<3, B> const& gv) {
  using T = typename B::scalar_type;
  using detail::HeadRows;
  if (s.query_rows() == 0) {  // nobody asks the keys
    for (Sink<3, B> const& g : {gk, gv})
      if (g.out.data() && g.beta == T(0)) fill(ws, g.out, T(0));
    return;
  }
  T const by = static_cast<T>(scale);
  HeadRows<T const> const qs{q, s.queries, s.heads, s.depth}, ks{k, s.keys, s.heads, s.depth},
      vs{v, s.keys, s.heads, s.width}, os{o, s.queries, s.heads, s.width}, gos{go, s.queries, s.heads, s.width};
  HeadRows<T> const gqs{gq.out.data(), s.queries, s.heads, s.depth}, gks{gk.out.data(), s.keys, s.heads, s.depth},
      gvs{gv.out.data(), s.keys, s.heads, s.width};
  auto outer = ws.scope();
  T* const product = outer.template take<T>(s.query_rows());
  for_each_element(ws, "heliograd::attention_product", s.query_rows(), detail::AttentionProduct<T>{os, gos, product});
  if constexpr (B::on_host) {
    detail::AttentionBackwardHost<T> pass{s, 1, by, ks, vs, {qs}, {gos}, {qs}, {gos}, {ks}, totals, product};
    // The parts of a group's queries and the samples whose parts are there at a time are bounded.
    constexpr std::size_t most = std::size_t{64} << 20;
    std::size_t const part = s.queries * pass.depth() * sizeof(T);
    pass.groups = std::clamp<std::size_t>(most / part, 1, std::min(pass.most_groups(), pass.k_rows.tiles()));
    std::size_t const at_once = std::clamp<std::size_t>(most / (part * pass.groups * s.heads), 1, s.batch);
    for (std::size_t n = 0; n < s.batch; n += at_once)
      detail::attention_backward_host<B>(ws, pass, n, std::min(at_once, s.batch - n), {gqs, gks, gvs},
                                         {gq.beta, gk.beta, gv.beta});
  } else {
    if (gqs.data)
      for_each_item(
          ws, "heliograd::attention_backward_q", s.query_rows(),
          detail::AttentionBackwardDevice<T, false>{s, by, qs, ks, vs, gos, totals, product, gqs, {}, gq.beta, 0});
    if (gks.data || gvs.data)
      for_each_item(ws, "heliograd::attention_backward_kv", s.batch * s.heads * s.keys,
                    detail::AttentionBackwardDevice<T, true>{s, by, qs, ks, vs, gos, totals, product, gks, gvs, gk.beta,
                                                             gv.beta});
  }
}

}  // namespace heliograd::inline HELIOGRAD_ABI::kernel
