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

/// Tiles of 64 rows of a head, copied so that the innermost loops load whole vectors: transposed [width][64], or as rows padded
/// to whole vectors. What is missing from the last tile is zero.
template <class T>
struct HeadTiles {
  static constexpr std::size_t tile = 64;
  HeadRows<T const> from;
  std::size_t padded;  ///< numbers in a row, or 0: transposed
  T* to;

  static std::size_t padded_to_vectors(std::size_t width) {
    constexpr std::size_t columns = static_cast<std::size_t>(TileShape<T>::columns);
    return (width + columns - 1) / columns * columns;
  }
  std::size_t tiles() const { return (from.rows + tile - 1) / tile; }
  std::size_t size() const { return tile * (padded > 0 ? padded : from.width); }
  T const* at(std::size_t sample_head, std::size_t t) const { return to + (sample_head * tiles() + t) * size(); }

  void operator()(std::size_t item) const {
    std::size_t const sample_head = item / tiles(), first = item % tiles() * tile;
    std::size_t const count = std::min(tile, from.rows - first);
    T* const out = to + item * size();
    std::fill(out, out + size(), T(0));
    for (std::size_t r = 0; r < count; ++r) {
      T const* const row = from.row(sample_head, first + r);
      if (padded > 0)
        std::copy(row, row + from.width, out + r * padded);
      else
        for (std::size_t k = 0; k < from.width; ++k) out[k * tile + r] = row[k];
    }
  }
};

/// c = a b, or c += a b: a [rows][depth] at any stride, b [depth][columns], columns whole vectors.
template <bool Add, class T>
void multiply_tile(T const* a, std::size_t a_row, std::size_t rows, std::size_t depth, T const* b, std::size_t columns,
                   T* c) {
  using Vector = Simd<T>;
  constexpr int vectors = TileShape<T>::vectors;
  for (std::size_t j = 0; j < columns; j += static_cast<std::size_t>(TileShape<T>::columns))
    for_each_tile<TileShape<T>::rows>(static_cast<int>(rows), [&]<int Rows>(int first) {
      Vector tile[Rows][vectors];
      T* const out = c + static_cast<std::size_t>(first) * columns + j;
      for (int i = 0; i < Rows; ++i)
        for (int l = 0; l < vectors; ++l)
          tile[i][l] =
              Add ? Vector::load(out + static_cast<std::size_t>(i) * columns + l * Vector::size) : Vector(T(0));
      accumulate<T, Rows, vectors>(tile, static_cast<std::int64_t>(depth), a + static_cast<std::size_t>(first) * a_row,
                                   static_cast<std::int64_t>(a_row), 1, b + j, static_cast<std::int64_t>(columns));
      for (int i = 0; i < Rows; ++i)
        for (int l = 0; l < vectors; ++l)
          tile[i][l].store(out + static_cast<std::size_t>(i) * columns + l * Vector::size);
    });
}

/// Host: one tile of queries against all keys.
template <class T>
struct AttentionHost {
  static constexpr std::size_t tile = HeadTiles<T>::tile;
  AttentionShape shape;
  T scale;
  HeadRows<T const> q;
  HeadTiles<T> keys, values;  // transposed; rows
  HeadRows<T> o;
  AttentionTotals<T> totals;
  T* scratch;

  std::size_t scratch_size() const { return tile * (tile + values.padded); }
  std::size_t query_tiles() const { return (shape.queries + tile - 1) / tile; }

  void operator()(int worker, std::int64_t block) const {
    std::size_t const sample_head = static_cast<std::size_t>(block) / query_tiles();
    std::size_t const first = static_cast<std::size_t>(block) % query_tiles() * tile;
    std::size_t const rows = std::min(tile, shape.queries - first);
    T* const weights = scratch + static_cast<std::size_t>(worker) * scratch_size();
    T* const sum = weights + tile * tile;
    T peak[tile];
    double total[tile] = {};
    std::fill(peak, peak + tile, -std::numeric_limits<T>::infinity());
    std::fill(sum, sum + rows * values.padded, T(0));
    for (std::size_t t = 0; t < keys.tiles(); ++t) {
      std::size_t const count = std::min(tile, shape.keys - t * tile);
      multiply_tile<false>(q.row(sample_head, first), q.stride(), rows, shape.depth, keys.at(sample_head, t), tile,
                           weights);
      for (std::size_t r = 0; r < rows; ++r) {
        T const factor = exponentials(weights + r * tile, count, peak[r], total[r]);
        T* const s = sum + r * values.padded;
        if (factor != T(1)) {
          HELIOGRAD_INDEPENDENT_LOOP
          for (std::size_t c = 0; c < values.padded; ++c) s[c] *= factor;
        }
      }
      multiply_tile<true>(weights, tile, rows, tile, values.at(sample_head, t), values.padded, sum);
    }
    for (std::size_t r = 0; r < rows; ++r) {
      T const share = static_cast<T>(1 / total[r]);
      T* const out = o.row(sample_head, first + r);
      for (std::size_t c = 0; c < shape.width; ++c) out[c] = share * sum[r * values.padded + c];
      totals.peak[sample_head * shape.queries + first + r] = peak[r];
      totals.total[sample_head * shape.queries + first + r] = static_cast<T>(total[r]);
    }
  }

  /// Turns a row of dot products into exponentials about the new peak; gives the factor for what was summed about the old one.
  T exponentials(T* row, std::size_t count, T& peak, double& total) const {
    T const by = scale;
    HELIOGRAD_INDEPENDENT_LOOP
    for (std::size_t j = 0; j < tile; ++j) row[j] *= by;
    for (std::size_t j = count; j < tile; ++j) row[j] = -std::numeric_limits<T>::infinity();
    Simd<T> most = Simd<T>::load(row);
    for (std::size_t j = 0; j < tile; j += Simd<T>::size) most = max(most, Simd<T>::load(row + j));
    T now = peak;
    for (int l = 0; l < Simd<T>::size; ++l) now = most[l] > now ? most[l] : now;
    T const factor = math::exp(peak - now);
    HELIOGRAD_INDEPENDENT_LOOP
    for (std::size_t j = 0; j < tile; ++j) row[j] = math::exp(row[j] - now);
    Simd<T> part(T(0));
    for (std::size_t j = 0; j < tile; j += Simd<T>::size) part += Simd<T>::load(row + j);
    total = total * static_cast<double>(factor) + static_cast<double>(sum(part));
    peak = now;
    return factor;
  }
};

/// Host, backward: one tile of queries against all keys (gradient of q), or one tile of keys against all queries (of k and v).
/// With rows a, a' and columns b, b': the weights come from a b, their gradients from a' b'.
template <class T, bool ByKeys>
struct AttentionBackwardHost {
  static constexpr std::size_t tile = HeadTiles<T>::tile;
  AttentionShape shape;
  T scale;
  HeadRows<T const> a, a2;       // q and the output's gradient; or k and v
  HeadTiles<T> b, b2;            // transposed: k and v; or q and the output's gradient
  HeadTiles<T> b_rows, b2_rows;  // as rows; the second for keys alone
  AttentionTotals<T> totals;
  T const* product;  // the output times its gradient, for each query
  HeadRows<T> ga, ga2;
  T beta, beta2;
  T* scratch;

  std::size_t scratch_size() const { return tile * (2 * tile + b_rows.padded + (ByKeys ? b2_rows.padded : 0)); }
  std::size_t row_tiles() const { return (a.rows + tile - 1) / tile; }

  void operator()(int worker, std::int64_t block) const {
    std::size_t const sample_head = static_cast<std::size_t>(block) / row_tiles();
    std::size_t const first = static_cast<std::size_t>(block) % row_tiles() * tile;
    std::size_t const rows = std::min(tile, a.rows - first);
    T* const weights = scratch + static_cast<std::size_t>(worker) * scratch_size();
    T* const slopes = weights + tile * tile;
    T* const sum = slopes + tile * tile;
    T* const sum2 = sum + tile * b_rows.padded;
    std::fill(sum, weights + scratch_size(), T(0));
    for (std::size_t t = 0; t < b.tiles(); ++t) {
      std::size_t const count = std::min(tile, b.from.rows - t * tile);
      multiply_tile<false>(a.row(sample_head, first), a.stride(), rows, shape.depth, b.at(sample_head, t), tile,
                           weights);
      multiply_tile<false>(a2.row(sample_head, first), a2.stride(), rows, shape.width, b2.at(sample_head, t), tile,
                           slopes);
      differentiate(sample_head * shape.queries + (ByKeys ? t * tile : first), rows, count, weights, slopes);
      multiply_tile<true>(slopes, tile, rows, tile, b_rows.at(sample_head, t), b_rows.padded, sum);
      if constexpr (ByKeys)
        multiply_tile<true>(weights, tile, rows, tile, b2_rows.at(sample_head, t), b2_rows.padded, sum2);
    }
    deliver(ga, beta, sample_head, first, rows, scale, sum, b_rows.padded);
    if constexpr (ByKeys) deliver(ga2, beta2, sample_head, first, rows, T(1), sum2, b2_rows.padded);
  }

  /// Dot products become weights p, and their gradients become those of the logits, p (dp - product).
  void differentiate(std::size_t query, std::size_t rows, std::size_t count, T* weights, T* slopes) const {
    T peak[tile] = {}, share[tile] = {}, mean[tile] = {};
    std::size_t const queries = ByKeys ? count : rows;
    for (std::size_t i = 0; i < queries; ++i) {
      peak[i] = totals.peak[query + i];
      share[i] = T(1) / totals.total[query + i];
      mean[i] = product[query + i];
    }
    T const by = scale;
    for (std::size_t r = 0; r < rows; ++r) {
      T* const w = weights + r * tile;
      T* const s = slopes + r * tile;
      if constexpr (ByKeys) {
        HELIOGRAD_INDEPENDENT_LOOP
        for (std::size_t j = 0; j < tile; ++j) {
          w[j] = math::exp(by * w[j] - peak[j]) * share[j];
          s[j] = w[j] * (s[j] - mean[j]);
        }
      } else {
        T const top = peak[r], part = share[r], middle = mean[r];
        HELIOGRAD_INDEPENDENT_LOOP
        for (std::size_t j = 0; j < tile; ++j) {
          w[j] = math::exp(by * w[j] - top) * part;
          s[j] = w[j] * (s[j] - middle);
        }
      }
      for (std::size_t j = count; j < tile; ++j) w[j] = s[j] = T(0);
    }
  }

  static void deliver(HeadRows<T> const& out, T beta, std::size_t sample_head, std::size_t first, std::size_t rows,
                      T by, T const* sum, std::size_t padded) {
    if (!out.data) return;
    for (std::size_t r = 0; r < rows; ++r) {
      T* const to = out.row(sample_head, first + r);
      T const* const from = sum + r * padded;
      for (std::size_t c = 0; c < out.width; ++c) to[c] = (beta != T(0) ? beta * to[c] : T(0)) + by * from[c];
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
template <class B>
HeadTiles<typename B::scalar_type> pack_heads(Workspace<B>& ws, typename Workspace<B>::Scope& scope,
                                              HeadRows<typename B::scalar_type const> const& rows, std::size_t batch,
                                              bool transposed) {
  using T = typename B::scalar_type;
  HeadTiles<T> tiles{rows, transposed ? 0 : HeadTiles<T>::padded_to_vectors(rows.width), nullptr};
  std::size_t const count = batch * rows.heads * tiles.tiles();
  tiles.to = scope.template take<T>(count * tiles.size());
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
    auto const keys = detail::pack_heads(ws, scope, ks, s.batch, true);
    auto const values = detail::pack_heads(ws, scope, vs, s.batch, false);
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
  bool const by_queries = gqs.data, by_keys = gks.data || gvs.data;
  if constexpr (B::on_host) {
    if (by_queries) {
      auto scope = ws.scope();
      auto const kt = detail::pack_heads(ws, scope, ks, s.batch, true),
                 vt = detail::pack_heads(ws, scope, vs, s.batch, true);
      auto const rows = detail::pack_heads(ws, scope, ks, s.batch, false);
      detail::AttentionBackwardHost<T, false> const pass{s,      by,      qs,  gos, kt,      vt, rows,   {},
                                                         totals, product, gqs, {},  gq.beta, 0,  nullptr};
      detail::run_attention(ws, scope, "heliograd::attention_backward_q", s.batch * s.heads * pass.row_tiles(), pass);
    }
    if (by_keys) {
      auto scope = ws.scope();
      auto const qt = detail::pack_heads(ws, scope, qs, s.batch, true),
                 got = detail::pack_heads(ws, scope, gos, s.batch, true);
      auto const rows = detail::pack_heads(ws, scope, qs, s.batch, false),
                 rows2 = detail::pack_heads(ws, scope, gos, s.batch, false);
      detail::AttentionBackwardHost<T, true> const pass{s,      by,      ks,  vs,  qt,      got,     rows,   rows2,
                                                        totals, product, gks, gvs, gk.beta, gv.beta, nullptr};
      detail::run_attention(ws, scope, "heliograd::attention_backward_kv", s.batch * s.heads * pass.row_tiles(), pass);
    }
  } else {
    if (by_queries)
      for_each_item(
          ws, "heliograd::attention_backward_q", s.query_rows(),
          detail::AttentionBackwardDevice<T, false>{s, by, qs, ks, vs, gos, totals, product, gqs, {}, gq.beta, 0});
    if (by_keys)
      for_each_item(ws, "heliograd::attention_backward_kv", s.batch * s.heads * s.keys,
                    detail::AttentionBackwardDevice<T, true>{s, by, qs, ks, vs, gos, totals, product, gks, gvs, gk.beta,
                                                             gv.beta});
  }
}

}  // namespace heliograd::inline HELIOGRAD_ABI::kernel
