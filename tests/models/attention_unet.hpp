// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <heliograd/nn/attention.hpp>
#include <heliograd/nn/unet.hpp>

namespace models {

namespace hg = heliograd;
namespace nn = heliograd::nn;

/// System S9: a U-Net with self-attention between encoder and decoder, or on one of the skips.
template <class B>
struct AttentionUNet {
  nn::UNet<B> unet;
  nn::SelfAttention<B> attention;
  int stage = -1;  ///< the encoder's map it looks at; -1: the innermost
  HELIOGRAD_FIELDS(unet, attention, stage)

  hg::Var<4, B> operator()(hg::Var<4, B> x, nn::Mode const& mode) const {
    auto maps = unet.encode(x, mode);
    auto& seen = stage < 0 ? maps.back() : maps[static_cast<std::size_t>(stage)];
    seen = attention(seen, mode);
    auto const innermost = maps.back();
    maps.pop_back();
    return unet.decode(innermost, maps, mode);
  }
};

/// In the innermost place the decoder receives twice the channels. On a skip the joined map keeps its size: the stage
/// behind it takes half as many channels more.
template <class B>
AttentionUNet<B> attention_unet(hg::Rng& rng, int depth, int stage = -1) {
  nn::UNetOptions options{.depth = depth};
  if (stage < 0) options.bottleneck_channels = 1024;
  AttentionUNet<B> model{nn::unet<B>(rng, options), nn::self_attention<B>(rng, 512, nn::AttentionFusion::rhp), stage};
  if (stage >= 0) {
    auto& next = model.unet.up[static_cast<std::size_t>(depth - 1 - stage)].conv;
    std::size_t const c_out = next.weight.value.extent(2);
    next = nn::conv_transpose2d_layer<B>(rng, 512 + 2 * 512, c_out, {.bias = next.bias.value.size() > 0});
  }
  return model;
}

}  // namespace models
