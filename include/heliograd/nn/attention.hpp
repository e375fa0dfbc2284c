// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cstddef>

#include <heliograd/nn/spectral_norm.hpp>
#include <heliograd/op/arithmetic.hpp>
#include <heliograd/op/attention.hpp>
#include <heliograd/op/modulate.hpp>
#include <heliograd/op/norm.hpp>
#include <heliograd/op/shape.hpp>

namespace heliograd::inline HELIOGRAD_ABI::nn {

/// How an image and what attention saw in it are brought together. With a = gamma o, the attention's answer:
enum class AttentionFusion {
  sum,         ///< x + a: the block of SAGAN, as many channels as x
  concat,      ///< [x, x + y], y = x + a: twice the channels
  rhp,         ///< [x, x (1 + y)], y = x + a as printed by Sun et al. (2023): twice the channels
  rhp_answer,  ///< [x, x (1 + a)]: starts as [x, x]
};

/// Self-attention over all pixels of an image (Zhang, Goodfellow, Metaxas, Odena: ICML 2019), by spectrally normalised 1x1
/// convolutions: pixel j asks with g(x_j), pixel i answers to f(x_i) with h(x_i).
template <class B>
struct SelfAttention {
  SpectralConv2d<B> f, g, h, v;
  Param<1, B> gamma;  ///< [1], starts at 0
  AttentionFusion fusion = AttentionFusion::sum;
  AttentionOptions options = {.heads = 1, .scale = 1};
  HELIOGRAD_FIELDS(f, g, h, v, gamma, fusion, options)

  /// gamma o, which has the shape of x [n, h, w, c].
  Var<4, B> answer(Var<4, B> x, Mode const& mode) const {
    Tape<B>& tape = x.tape();
    Shape<4> const s = x.shape();
    auto const rows = [&](Var<4, B> y) { return tape.reshape(y, Shape{s[0], s[1] * s[2], y.shape()[3]}); };
    auto const o = attention(rows(g(x, mode)), rows(f(x, mode)), rows(h(x, mode)), options);  // [n, h w, c']
    return scale_shift(v(tape.reshape(o, Shape{s[0], s[1], s[2], o.shape()[2]}), mode), tape.watch(gamma), {});
  }

  Var<4, B> operator()(Var<4, B> x, Mode const& mode) const {
    auto const a = answer(x, mode);
    switch (fusion) {
      case AttentionFusion::concat: return concat(x, x + (x + a));
      case AttentionFusion::rhp: return concat(x, modulate(x, x + a));
      case AttentionFusion::rhp_answer: return concat(x, modulate(x, a));
      default: return x + a;
    }
  }
};

/// \param inner the channels of f, g and h; 0: an eighth of `channels`.
template <class B>
SelfAttention<B> self_attention(Rng& rng, std::size_t channels, AttentionFusion fusion = AttentionFusion::sum,
                                std::size_t inner = 0) {
  if (inner == 0) inner = std::max<std::size_t>(1, channels / 8);
  Conv2dLayerOptions const one{.filter = 1, .bias = false};
  auto const in = [&] { return spectral_conv2d_layer<B>(rng, channels, inner, one); };
  auto f = in(), g = in(), h = in();
  return {f,      g,     h, spectral_conv2d_layer<B>(rng, inner, channels, one), make_param<B>("gamma", Shape{1}),
          fusion, {1, 1}};
}

}  // namespace heliograd::inline HELIOGRAD_ABI::nn
