// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <cstddef>

#include <heliograd/kernel/attention.hpp>

/// \file
/// The second derivative of dot-product attention. Like the first, it never holds the matrix of queries by keys: each query, then
/// each key, visits all others in order.
namespace heliograd::inline HELIOGRAD_ABI::kernel {

namespace detail {

/// One query and one key: what their weight, logit and value say, and how the last two move.
template <class T>
struct AttentionPair {
  T weight;
  T logit_motion;  ///< of the scaled dot product of query and key, as they move
  T slope;         ///< of the weight: the output's gradient times the value, less its mean over the keys
  T slope_motion;  ///< of that product, as the value moves

  /// How the logit's gradient, weight * slope, moves with query and key.
  KOKKOS_FUNCTION T bend(T mean, T rest) const {
    return weight * ((logit_motion - mean) * slope + slope_motion - rest);
  }
};

template <class T>
struct AttentionPairs {
  AttentionShape shape;
  T scale;
  HeadRows<T const> q, k, v, go, vq, vk, vv;
  AttentionTotals<T> totals;
  T const* product;  ///< the output times its gradient, for each query

  KOKKOS_FUNCTION AttentionPair<T> operator()(std::size_t sample_head, std::size_t i, std::size_t j) const {
    std::size_t const query = sample_head * shape.queries + i;
    T const* const key = k.row(sample_head, j);
    T const* const asked = q.row(sample_head, i);
    T const* const gradient = go.row(sample_head, i);
    T const logit = scale * dot_row(asked, key, shape.depth);
    return {math::exp(logit - totals.peak[query]) / totals.total[query],
            scale * (dot_row(vq.row(sample_head, i), key, shape.depth) +
                     dot_row(asked, vk.row(sample_head, j), shape.depth)),
            dot_row(gradient, v.row(sample_head, j), shape.width) - product[query],
            dot_row(gradient, vv.row(sample_head, j), shape.width)};
  }
};

/// The means over its keys that a query needs.
template <class T>
struct AttentionBendMeans {
  AttentionPairs<T> pairs;
  T* mean;
  T* rest;
  KOKKOS_FUNCTION void operator()(std::size_t item) const {
    std::size_t const sample_head = item / pairs.shape.queries, i = item % pairs.shape.queries;
    double motion = 0, total = 0;
    for (std::size_t j = 0; j < pairs.shape.keys; ++j) {
      AttentionPair<T> const pair = pairs(sample_head, i, j);
      motion += static_cast<double>(pair.weight * pair.logit_motion);
      total += static_cast<double>(pair.weight * (pair.logit_motion * pair.slope + pair.slope_motion));
    }
    mean[item] = static_cast<T>(motion);
    rest[item] = static_cast<T>(total);
  }
};

/// What one query receives, or one key, and the output's gradient, or one value.
template <class T, bool ByKeys>
struct AttentionBend {
  using Rows = AttentionBackwardDevice<T, ByKeys>;
  AttentionPairs<T> pairs;
  T const* mean;
  T const* rest;
  HeadRows<T> ga, ga2;  // of q and go; or of k and v
  T beta, beta2;

  KOKKOS_FUNCTION void operator()(std::size_t item) const {
    AttentionShape const& shape = pairs.shape;
    std::size_t const mine = ByKeys ? shape.keys : shape.queries, others = ByKeys ? shape.queries : shape.keys;
    std::size_t const sample_head = item / mine, own = item % mine;
    Rows::start(ga, beta, sample_head, own);
    Rows::start(ga2, beta2, sample_head, own);
    for (std::size_t other = 0; other < others; ++other) {
      std::size_t const i = ByKeys ? other : own, j = ByKeys ? own : other;
      std::size_t const query = sample_head * shape.queries + i;
      AttentionPair<T> const pair = pairs(sample_head, i, j);
      T const bend = pairs.scale * pair.bend(mean[query], rest[query]);
      T const slope = pairs.scale * pair.weight * pair.slope;
      T const motion = pair.weight * (pair.logit_motion - mean[query]);
      if constexpr (ByKeys) {
        Rows::add(ga, sample_head, own, bend, pairs.q.row(sample_head, i));
        Rows::add(ga, sample_head, own, slope, pairs.vq.row(sample_head, i));
        Rows::add(ga2, sample_head, own, motion, pairs.go.row(sample_head, i));
      } else {
        Rows::add(ga, sample_head, own, bend, pairs.k.row(sample_head, j));
        Rows::add(ga, sample_head, own, slope, pairs.vk.row(sample_head, j));
        Rows::add(ga2, sample_head, own, motion, pairs.v.row(sample_head, j));
        Rows::add(ga2, sample_head, own, pair.weight, pairs.vv.row(sample_head, j));
      }
    }
  }
};

}  // namespace detail

/// The gradients of <vq, gq> + <vk, gk> + <vv, gv>, where gq, gk, gv are those of `attention_backward`, with respect to q, go, k
/// and v. A sink without memory is not wanted. Sinks may share memory: they are written in the order q and go, k and v.
template <class B>
void attention_bend(Workspace<B>& ws, AttentionShape const& s, double scale, ConstTensorRef<3, B> const& q,
                    ConstTensorRef<3, B> const& k, ConstTensorRef<3, B> const& v, ConstTensorRef<3, B> const& o,
                    AttentionTotals<typename B::scalar_type> const& totals, ConstTensorRef<3, B> const& go,
                    ConstTensorRef<3, B> const& vq, ConstTensorRef<3, B> const& vk, ConstTensorRef<3, B> const& vv,
                    Sink<3, B> const& gq, Sink<3, B> const& ggo, Sink<3, B> const& gk, Sink<3, B> const& gv) {
  using T = typename B::scalar_type;
  using detail::HeadRows;
  auto scope = ws.scope();
  T* const product = scope.template take<T>(s.query_rows());
  T* const mean = scope.template take<T>(s.query_rows());
  T* const rest = scope.template take<T>(s.query_rows());
  HeadRows<T const> const gos{go.data(), s.queries, s.heads, s.width};
  for_each_element(ws, "heliograd::attention_product", s.query_rows(),
                   detail::AttentionProduct<T>{{o.data(), s.queries, s.heads, s.width}, gos, product});
  detail::AttentionPairs<T> const pairs{s,
                                        static_cast<T>(scale),
                                        {q.data(), s.queries, s.heads, s.depth},
                                        {k.data(), s.keys, s.heads, s.depth},
                                        {v.data(), s.keys, s.heads, s.width},
                                        gos,
                                        {vq.data(), s.queries, s.heads, s.depth},
                                        {vk.data(), s.keys, s.heads, s.depth},
                                        {vv.data(), s.keys, s.heads, s.width},
                                        totals,
                                        product};
  for_each_item(ws, "heliograd::attention_bend_means", s.query_rows(),
                detail::AttentionBendMeans<T>{pairs, mean, rest});
  if (gq.out.data() || ggo.out.data())
    for_each_item(ws, "heliograd::attention_bend_q", s.query_rows(),
                  detail::AttentionBend<T, false>{pairs,
                                                  mean,
                                                  rest,
                                                  {gq.out.data(), s.queries, s.heads, s.depth},
                                                  {ggo.out.data(), s.queries, s.heads, s.width},
                                                  gq.beta,
                                                  ggo.beta});
  if (gk.out.data() || gv.out.data())
    for_each_item(ws, "heliograd::attention_bend_kv", s.batch * s.heads * s.keys,
                  detail::AttentionBend<T, true>{pairs,
                                                 mean,
                                                 rest,
                                                 {gk.out.data(), s.keys, s.heads, s.depth},
                                                 {gv.out.data(), s.keys, s.heads, s.width},
                                                 gk.beta,
                                                 gv.beta});
}

}  // namespace heliograd::inline HELIOGRAD_ABI::kernel
