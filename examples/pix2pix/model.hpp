// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>

#include <heliograd/nn/accuracy.hpp>
#include <heliograd/nn/attention_unet.hpp>
#include <heliograd/nn/patch_discriminator.hpp>
#include "common/accuracy.hpp"
#include "presets.hpp"

/// \file
/// The networks of a preset: a U-Net, which may have attention, and a discriminator of 70 x 70 patches.
namespace pix2pix {

template <class B>
heliograd::nn::AttentionUNet<B> generator_of(heliograd::Rng& rng, System const& system) {
  namespace nn = heliograd::nn;
  GeneratorDesign const& d = system.generator;
  nn::AttentionUNetOptions options;
  options.unet = {.c_in = system.inputs.size(),
                  .depth = d.depth,
                  .base = static_cast<std::size_t>(d.base),
                  .widest = static_cast<std::size_t>(d.widest),
                  .order = d.after ? nn::UNetOrder::after : nn::UNetOrder::before,
                  .bias = d.bias == GeneratorDesign::Bias::output ? nn::UNetBias::output
                          : d.bias == GeneratorDesign::Bias::ends ? nn::UNetBias::ends
                                                                  : nn::UNetBias::none,
                  .output = d.tanh ? nn::UNetOutput::tanh : nn::UNetOutput::linear,
                  .dropped_stages = d.dropped_stages,
                  .dropout = d.dropout,
                  .innermost_norm = d.innermost_norm,
                  .norm = {.epsilon = d.norm_epsilon}};
  options.stages.clear();
  if (d.attention != Attention::none) options.stages.push_back(d.attention_stage);
  options.fusion = d.attention == Attention::cat          ? nn::AttentionFusion::concat
                   : d.attention == Attention::rhp_answer ? nn::AttentionFusion::rhp_answer
                                                          : nn::AttentionFusion::rhp;
  auto generator = nn::attention_unet<B>(rng, options);
  nn::set_accuracy(generator, examples::accuracy_of(system.accuracy));
  return generator;
}

/// It sees the input's channels and the target's.
template <class B>
heliograd::nn::PatchDiscriminator<B> discriminator_of(heliograd::Rng& rng, System const& system) {
  DiscriminatorDesign const& d = system.discriminator;
  auto discriminator =
      heliograd::nn::patch_discriminator<B>(rng, {.c_in = system.inputs.size() + 1,
                                                  .base = static_cast<std::size_t>(d.base),
                                                  .widest = static_cast<std::size_t>(d.widest),
                                                  .halvings = d.halvings,
                                                  .inner_bias = d.inner_bias,
                                                  .same_size = d.same_size,
                                                  .norm_options = {.epsilon = d.norm_epsilon, .negative_slope = 0.2}});
  heliograd::nn::set_accuracy(discriminator, examples::accuracy_of(system.accuracy));
  return discriminator;
}

}  // namespace pix2pix
