// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <vector>

#include <heliograd/nn/unet.hpp>
#include "models/conv_pair.hpp"

namespace models {

/// System S5: a U-Net of five halvings with nine residual blocks at its smallest size, whose result the decoder joins with
/// what the encoder had there.
template <class B>
struct Denoiser {
  nn::UNet<B> unet;
  std::vector<ConvPair<B>> blocks;
  std::vector<nn::BatchNorm<B>> norms;  // two for each block
  HELIOGRAD_FIELDS(unet, blocks, norms)

  hg::Var<4, B> operator()(hg::Var<4, B> x, nn::Mode const& mode) const {
    std::vector<hg::Var<4, B>> maps;
    for (std::size_t i = 0; i < unet.down.size(); ++i) {
      x = unet.down[i].conv(i == 0 ? x : hg::leaky_relu(x, 0.2));
      if (i > 0) x = unet.down[i].norm(x, mode);
      maps.push_back(x);
    }
    for (std::size_t i = 0; i < blocks.size(); ++i)
      x = blocks[i](
          x, [&](hg::Var<4, B> y) { return hg::relu(norms[2 * i](y, mode)); },
          [&](hg::Var<4, B> y) { return norms[2 * i + 1](y, mode); });
    x = hg::relu(hg::concat(x, maps.back()));
    maps.pop_back();
    return unet.decode(x, maps, mode);
  }
};

template <class B>
Denoiser<B> denoiser(hg::Rng& rng) {
  Denoiser<B> model;
  model.unet = nn::unet<B>(rng, {.depth = 5,
                                 .bias = nn::UNetBias::output,
                                 .output = nn::UNetOutput::linear,
                                 .dropped_stages = 0,
                                 .innermost_norm = true,
                                 .bottleneck_channels = 1024});
  model.unet.down[0].conv = nn::conv2d_layer<B>(rng, 1, 64, {.filter = 4, .stride = 2, .padding = 1});
  for (int i = 0; i < 9; ++i) {
    model.blocks.push_back(conv_pair<B>(rng, 512, hg::PaddingMode::zero, false));
    for (int k = 0; k < 2; ++k) model.norms.push_back(nn::batch_norm_layer<B>(512));
  }
  return model;
}

}  // namespace models
