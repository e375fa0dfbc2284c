// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>
#include <vector>

#include <heliograd/nn/patch_discriminator.hpp>
#include <heliograd/op/pool.hpp>

namespace heliograd::inline HELIOGRAD_ABI::nn {

/// Discriminators of one plan, each with weights of its own, for an image and its smaller versions: each half the size of the
/// one before, by averages of 3x3 pixels that do not count what lies outside (Wang et al.: pix2pixHD; CVPR 2018).
template <class B>
struct MultiScaleDiscriminator {
  std::vector<PatchDiscriminator<B>> scales;
  HELIOGRAD_FIELDS(scales)

  /// The logits of each scale, full size first.
  std::vector<Var<4, B>> operator()(Var<4, B> x, Mode const& mode) const {
    std::vector<Var<4, B>> logits;
    for (auto const& maps : features(x, mode)) logits.push_back(maps.back());
    return logits;
  }

  /// What the stages of each scale give, its logits last.
  std::vector<std::vector<Var<4, B>>> features(Var<4, B> x, Mode const& mode) const {
    auto const images = pyramid(x, scales.size());
    std::vector<std::vector<Var<4, B>>> maps;
    for (std::size_t i = 0; i < scales.size(); ++i) maps.push_back(scales[i].features(images[i], mode));
    return maps;
  }
};

template <class B>
MultiScaleDiscriminator<B> multi_scale_discriminator(Rng& rng, std::size_t scales,
                                                     PatchDiscriminatorOptions const& options = {}) {
  MultiScaleDiscriminator<B> model;
  for (std::size_t i = 0; i < scales; ++i) model.scales.push_back(patch_discriminator<B>(rng, options));
  return model;
}

}  // namespace heliograd::inline HELIOGRAD_ABI::nn
