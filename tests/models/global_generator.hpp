// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <vector>

#include <heliograd/nn/norm.hpp>
#include <heliograd/op/activation.hpp>
#include "models/conv_pair.hpp"

namespace models {

/// Systems S3 and S4: a 7x7 convolution, halvings that double the channels, residual blocks, doublings, a 7x7 convolution.
struct GlobalGeneratorOptions {
  std::size_t c_in = 3;
  std::size_t c_out = 1;
  std::size_t base = 32;
  int halvings = 4;
  int blocks = 9;
  int halving_filter = 3;
  bool mish = false;  ///< instead of ReLU
  hg::PaddingMode mode = hg::PaddingMode::reflect;
};

template <class B>
struct GlobalGenerator {
  nn::Conv2d<B> first;
  std::vector<nn::Conv2d<B>> down;
  std::vector<ConvPair<B>> blocks;
  std::vector<nn::ConvTranspose2d<B>> up;
  nn::Conv2d<B> last;
  GlobalGeneratorOptions options;
  HELIOGRAD_FIELDS(first, down, blocks, up, last, options)

  hg::Var<4, B> operator()(hg::Var<4, B> x) const {
    auto const norm = [](hg::Var<4, B> y) { return hg::instance_norm(y); };
    auto const active = [&](hg::Var<4, B> y) {
      return options.mish ? hg::mish(norm(y)) : hg::instance_norm(y, {.negative_slope = 0});
    };
    x = active(first(x));
    for (auto const& conv : down) x = active(conv(x));
    for (auto const& block : blocks) x = block(x, active, norm);
    for (auto const& conv : up) x = active(conv(x));
    return last(x);
  }
};

template <class B>
GlobalGenerator<B> global_generator(hg::Rng& rng, GlobalGeneratorOptions const& options) {
  nn::Conv2dLayerOptions const wide{.filter = 7, .padding = 3, .mode = options.mode};
  GlobalGenerator<B> model;
  model.options = options;
  model.first = nn::conv2d_layer<B>(rng, options.c_in, options.base, wide);
  std::size_t channels = options.base;
  for (int i = 0; i < options.halvings; ++i, channels *= 2)
    model.down.push_back(
        nn::conv2d_layer<B>(rng, channels, 2 * channels,
                            {.filter = options.halving_filter, .stride = 2, .padding = options.halving_filter / 2}));
  for (int i = 0; i < options.blocks; ++i) model.blocks.push_back(conv_pair<B>(rng, channels, options.mode));
  for (int i = 0; i < options.halvings; ++i, channels /= 2)
    model.up.push_back(nn::conv_transpose2d_layer<B>(rng, channels, channels / 2,
                                                     {.filter = 3, .stride = 2, .padding = 1, .output_padding = 1}));
  model.last = nn::conv2d_layer<B>(rng, options.base, options.c_out, wide);
  return model;
}

}  // namespace models
