// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <heliograd/nn/attention.hpp>
#include <heliograd/nn/unet.hpp>

namespace heliograd::inline HELIOGRAD_ABI::nn {

/// A self-attention and the encoder's map it looks at: 0 the largest, -1 the innermost.
template <class B>
struct AttendedMap {
  SelfAttention<B> attention;
  int stage = -1;
  HELIOGRAD_FIELDS(attention, stage)
};

/// A U-Net with self-attention between encoder and decoder or on skips (Sun et al. 2023); with none it is a U-Net.
template <class B>
struct AttentionUNet {
  UNet<B> unet;
  std::vector<AttendedMap<B>> attended;
  HELIOGRAD_FIELDS(unet, attended)

  Var<4, B> operator()(Var<4, B> x, Mode const& mode) const {
    std::size_t const depth = unet.down.size();
    return unet.through(x, mode, [&](std::size_t stage, Var<4, B> map) {
      for (AttendedMap<B> const& part : attended)
        if (stage == (part.stage < 0 ? depth - 1 : static_cast<std::size_t>(part.stage)))
          map = part.attention(map, mode);
      return map;
    });
  }
};

struct AttentionUNetOptions {
  UNetOptions unet = {};
  std::vector<int> stages = {-1};  ///< the maps that are looked at
  AttentionFusion fusion = AttentionFusion::rhp;
};

/// The decoder receives what the fusion gives: where that has twice the channels, the convolution behind takes as many more.
/// Initialised as `unet`; the attentions' answers start at 0.
/// Throws   UsageError for options that make no network.
template <class B>
AttentionUNet<B> attention_unet(Rng& rng, AttentionUNetOptions const& options) {
  AttentionUNet<B> model{unet<B>(rng, options.unet), {}};
  std::size_t const depth = model.unet.down.size();
  for (int const stage : options.stages) {
    expect(stage >= -1 && stage < options.unet.depth, "nn::attention_unet: the attention looks at map " +
                                                          std::to_string(stage) + ", expected -1 to " +
                                                          std::to_string(options.unet.depth - 1));
    std::size_t const at = stage < 0 ? depth - 1 : static_cast<std::size_t>(stage);
    std::size_t const channels = model.unet.down[at].conv.weight.value.extent(3);
    model.attended.push_back({self_attention<B>(rng, channels, options.fusion), stage});
    if (options.fusion == AttentionFusion::sum) continue;
    auto& next = model.unet.up[depth - 1 - at].conv;
    bool const bias = next.bias.value.size() > 0;
    next = conv_transpose2d_layer<B>(rng, next.weight.value.extent(3) + channels, next.weight.value.extent(2),
                                     {.bias = bias});
    init_normal(rng, next.weight.value, 0.0, 0.02);
    fill(typename B::execution_space{}, next.bias.value, typename B::scalar_type(0));
  }
  return model;
}

}  // namespace heliograd::inline HELIOGRAD_ABI::nn
