// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include <heliograd/nn/conv.hpp>
#include <heliograd/nn/norm.hpp>

namespace heliograd::inline HELIOGRAD_ABI::nn {

/// What stands between a discriminator's convolutions.
enum class DiscriminatorNorm { batch, instance, none };

struct PatchDiscriminatorOptions {
  std::size_t c_in = 2;
  std::size_t base = 64;     ///< channels of the first stage; they double at each stage
  std::size_t widest = 512;  ///< up to these, or 8 * base if that is less
  int halvings = 3;  ///< stages of stride 2: 1, 2, 3, 4, 5 give fields of 16, 34, 70, 142, 286 pixels; 0 one of 1
  DiscriminatorNorm norm = DiscriminatorNorm::batch;
  bool inner_bias = false;  ///< a bias also where a norm follows
  bool plain_tail = false;  ///< MUNIT's: no k4 s1 stage, a 1x1 convolution as head
  bool same_size =
      false;  ///< k4 s1 stages keep the size, one pixel of padding before and two after, as TensorFlow does
  PaddingMode mode = PaddingMode::zero;
  NormOptions norm_options = {.negative_slope = 0.2};
};

/// One stage: a convolution, its norm, a leaky rectifier.
template <class B>
struct DiscriminatorStage {
  Conv2d<B> conv;
  BatchNorm<B> norm;  ///< empty unless the norm is batch norm
  HELIOGRAD_FIELDS(conv, norm)
};

/// A classifier of patches: is this piece of the image real? (Isola, Zhu, Zhou, Efros; CVPR 2017.)
///
/// Shapes   [n, h, w, c_in] -> logits [n, p, q, 1]; with three halvings 256 -> 30, 512 -> 62, 1024 -> 126.
template <class B>
struct PatchDiscriminator {
  std::vector<DiscriminatorStage<B>> stages;
  Conv2d<B> head;
  PatchDiscriminatorOptions options;
  HELIOGRAD_FIELDS(stages, head, options)

  Var<4, B> operator()(Var<4, B> x, Mode const& mode) const {
    for (std::size_t i = 0; i < stages.size(); ++i) x = x.tape().spend(stage(i, x, mode));
    return head(x);
  }

  /// What every stage gives, the logits last: for feature matching.
  std::vector<Var<4, B>> features(Var<4, B> x, Mode const& mode) const {
    std::vector<Var<4, B>> maps;
    for (std::size_t i = 0; i < stages.size(); ++i) maps.push_back(x = stage(i, x, mode));
    maps.push_back(head(x));
    return maps;
  }

 private:
  Var<4, B> stage(std::size_t i, Var<4, B> x, Mode const& mode) const {
    bool const plain = options.norm == DiscriminatorNorm::none || i == 0;
    if (plain) return stages[i].conv(x, {.negative_slope = options.norm_options.negative_slope});
    auto const u = x.tape().spend(stages[i].conv(x));
    return options.norm == DiscriminatorNorm::batch ? stages[i].norm(u, mode) : instance_norm(u, options.norm_options);
  }
};

/// Weights start normal with deviation 0.02, biases 0, norms' factors normal about 1 with 0.02.
template <class B>
PatchDiscriminator<B> patch_discriminator(Rng& rng, PatchDiscriminatorOptions const& options = {}) {
  expect(options.halvings >= 0 && options.halvings <= 8 && options.c_in > 0 && options.base > 0,
         "nn::patch_discriminator: the halvings must lie in [0, 8] and channels must be positive (found " +
             std::to_string(options.halvings) + " halvings)");
  PatchDiscriminator<B> model;
  model.options = options;
  std::size_t c_in = options.c_in;
  bool const pixels = options.halvings == 0;
  auto const conv = [&](std::size_t c_out, Conv2dLayerOptions layer_options) {
    layer_options.mode = options.mode;
    if (options.same_size && layer_options.filter == 4 && layer_options.stride == 1)
      layer_options.padding = Padding2d(1, 2, 1, 2);
    auto layer = conv2d_layer<B>(rng, c_in, c_out, layer_options);
    init_normal(rng, layer.weight.value, 0.0, 0.02);
    fill(typename B::execution_space{}, layer.bias.value, typename B::scalar_type(0));
    return layer;
  };
  auto const stage = [&](std::size_t c_out, int stride) {
    bool const first = model.stages.empty();
    bool const normed = !first && options.norm == DiscriminatorNorm::batch;
    DiscriminatorStage<B> made{
        conv(c_out, {.filter = pixels ? 1 : 4,
                     .stride = stride,
                     .padding = pixels ? 0 : 1,
                     .bias = first || options.inner_bias || options.norm == DiscriminatorNorm::none}),
        batch_norm_layer<B>(normed ? c_out : 0, options.norm_options)};
    if (normed) init_normal(rng, made.norm.scale.value, 1.0, 0.02);
    model.stages.push_back(made);
    c_in = c_out;
  };
  std::size_t channels = options.base;
  std::size_t const widest = std::min(options.widest, 8 * options.base);
  for (int i = 0; i < options.halvings; ++i) {
    stage(channels, 2);
    channels = std::min(2 * channels, widest);
  }
  if (pixels) {
    stage(options.base, 1);
    stage(2 * options.base, 1);
  } else if (!options.plain_tail) {
    stage(channels, 1);
  }
  bool const point = pixels || options.plain_tail;
  model.head = conv(1, {.filter = point ? 1 : 4, .padding = point ? 0 : 1});
  return model;
}

}  // namespace heliograd::inline HELIOGRAD_ABI::nn
