// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <string>

#include <heliograd/kernel/attention.hpp>
#include <heliograd/kernel/attention_bend.hpp>
#include <heliograd/tape/tape.hpp>

namespace heliograd::inline HELIOGRAD_ABI {

struct AttentionOptions {
  std::size_t heads = 1;  ///< the last axis of each input is cut into that many parts, each attended to by itself
  double scale = 0;       ///< of the dot products; 0: 1 / sqrt(d). The attention of SAGAN has 1
};

namespace detail {

/// What the gradient of `attention` knows from the forward pass.
template <class B>
struct AttentionKnown {
  kernel::AttentionShape shape;
  double scale;
  TensorRef<3, B> o;
  kernel::AttentionTotals<typename B::scalar_type> totals;
};

/// The gradients to q, k and v as one op with three results, those left out that nobody asks for. It can be differentiated,
/// once.
template <class B>
std::array<Var<3, B>, 3> attention_slope(AttentionKnown<B> const& known, std::array<Var<3, B>, 3> const& qkv,
                                         Var<3, B> go, std::array<bool, 3> const& asked) {
  Tape<B>& tape = go.tape();
  auto const [q, k, v] = qkv;
  bool const wanted = q.wants_grad() || k.wants_grad() || v.wants_grad() || go.wants_grad();
  std::array const g{tape.make(q.shape(), wanted), tape.make(k.shape(), wanted), tape.make(v.shape(), wanted)};
  std::array<Sink<3, B>, 3> sinks{};
  for (std::size_t i = 0; i < 3; ++i)
    if (asked[i]) sinks[i].out = g[i].value;
  kernel::attention_backward<B>(tape.workspace(), known.shape, known.scale, q.value.data(), k.value.data(),
                                v.value.data(), known.o.data(), known.totals, go.value.data(), sinks[0], sinks[1],
                                sinks[2]);
  if (wanted)
    tape.record("heliograd::attention_slope", g, [=](Tape<B>& t) {
      auto const into = [&](Var<3, B> const& x) { return x.wants_grad() ? t.into(x) : Sink<3, B>{}; };
      auto const gq = into(qkv[0]), ggo = into(go), gk = into(qkv[1]), gv = into(qkv[2]);
      kernel::attention_bend<B>(t.workspace(), known.shape, known.scale, qkv[0].value, qkv[1].value, qkv[2].value,
                                known.o, known.totals, go.value, g[0].grad(), g[1].grad(), g[2].grad(), gq, ggo, gk,
                                gv);
    });
  return g;
}

}  // namespace detail

/// Dot-product attention: each query receives a mean of the values, weighted by how well their keys fit.
///
/// Shapes   q [n, i, h d], k [n, j, h d], v [n, j, h e] -> [n, i, h e], h the heads.
/// Math     \f$ o_i = \sum_j p_{ij} v_j \f$, \f$ p_{ij} = e^{s q_i k_j} / \sum_l e^{s q_i k_l} \f$, for each head.
/// Gradient with \f$ \bar p_{ij} = \bar o_i v_j \f$ and \f$ z_{ij} = p_{ij} (\bar p_{ij} - \bar o_i o_i) \f$:
///          \f$ \bar v_j = \sum_i p_{ij} \bar o_i \f$, \f$ \bar q_i = s \sum_j z_{ij} k_j \f$, \f$ \bar k_j = s \sum_i z_{ij} q_i \f$.
///          Twice differentiable; the second derivatives visit all pairs three times, without vector code.
/// Keeps    q, k, v, o and two numbers for each query: never a matrix of queries by keys. The weights are computed again.
/// Cost     2 n h i j (d + e) flops forward; backward 2 n h i j (5 d + 4 e) flops in two passes, without atomics.
/// Throws   ShapeError if the shapes do not fit together or the heads do not divide them; UsageError for no heads.
template <class B>
Var<3, B> attention(Var<3, B> q, Var<3, B> k, Var<3, B> v, AttentionOptions const& options = {}) {
  expect(options.heads > 0, "attention: there must be one head at least");
  Shape<3> const qs = q.shape(), ks = k.shape(), vs = v.shape();
  std::size_t const heads = options.heads;
  expect_shape(qs[0] == ks[0] && qs[0] == vs[0] && ks[1] == vs[1] && qs[2] == ks[2] && ks[1] > 0,
               "attention: q " + to_string(qs) + ", k " + to_string(ks) + ", v " + to_string(vs) +
                   "; expected [n, i, d], [n, j, d], [n, j, e] with j > 0");
  expect_shape(
      qs[2] % heads == 0 && vs[2] % heads == 0 && qs[2] > 0,
      "attention: " + std::to_string(heads) + " heads do not divide q " + to_string(qs) + " and v " + to_string(vs));
  kernel::AttentionShape const shape{qs[0], qs[1], ks[1], heads, qs[2] / heads, vs[2] / heads};
  double const scale = options.scale != 0 ? options.scale : 1 / std::sqrt(static_cast<double>(shape.depth));
  using Scalar = typename B::scalar_type;
  Tape<B>& tape = q.tape();
  auto const o = tape.make(Shape{qs[0], qs[1], vs[2]}, q.wants_grad() || k.wants_grad() || v.wants_grad());
  kernel::AttentionTotals<Scalar> const totals{tape.template keep<Scalar>(shape.query_rows()),
                                               tape.template keep<Scalar>(shape.query_rows())};
  tape.add_work(qs[0] * qs[1] * ks[1] * (qs[2] + vs[2]));
  kernel::attention<B>(tape.workspace(), shape, scale, q.value.data(), k.value.data(), v.value.data(), o.value.data(),
                       totals);
  if (o.wants_grad())
    tape.record(
        "heliograd::attention", o,
        [=](Tape<B>& t) {
          auto const gq = q.wants_grad() ? t.into(q) : Sink<3, B>{};
          auto const gk = k.wants_grad() ? t.into(k) : Sink<3, B>{};
          auto const gv = v.wants_grad() ? t.into(v) : Sink<3, B>{};
          kernel::attention_backward<B>(t.workspace(), shape, scale, q.value.data(), k.value.data(), v.value.data(),
                                        o.value.data(), totals, o.grad().data(), gq, gk, gv);
        },
        [=](Tape<B>& t, Var<3, B> go) {
          std::array const qkv{q, k, v};
          auto const g = detail::attention_slope(detail::AttentionKnown<B>{shape, scale, o.value, totals}, qkv, go,
                                                 {t.wants(q), t.wants(k), t.wants(v)});
          for (std::size_t i = 0; i < 3; ++i) t.deliver(qkv[i], g[i]);
        });
  return o;
}

}  // namespace heliograd::inline HELIOGRAD_ABI
