// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <heliograd/core/random.hpp>
#include <heliograd/nn/activation.hpp>
#include <heliograd/nn/conv.hpp>
#include <heliograd/nn/dropout.hpp>
#include <heliograd/nn/residual.hpp>
#include <heliograd/op/resample.hpp>
#include <heliograd/op/upsample_conv2d.hpp>
#include <heliograd/tape/fields.hpp>

/// \file
/// The network of Munoz-Jaramillo et al. 2021 for one view: a residual encoder at low resolution, a bilinear magnification,
/// and a decoder of one 3x3 and one 1x1 convolution. (Its recursive fusion of several views has nothing to fuse here.)
namespace super_resolution {

namespace hg = heliograd;

template <class B>
struct Encoder {
  hg::nn::Conv2d<B> first;
  hg::nn::PRelu<B> prelu;
  std::vector<hg::nn::ResidualBlock<B>> blocks;
  hg::nn::Conv2d<B> last;
  HELIOGRAD_FIELDS(first, prelu, blocks, last)
};

template <class B>
struct Decoder {
  hg::nn::Conv2d<B> first;
  hg::nn::PRelu<B> prelu;
  hg::nn::Conv2d<B> last;
  HELIOGRAD_FIELDS(first, prelu, last)
};

/// How the magnification and the convolution that follows it are computed; both give the same function.
enum class Upsampling {
  fused,  ///< one op that never makes the magnified feature maps
  plain,  ///< bilinear magnification, then the convolution
};

/// Pixels at low resolution that an output pixel depends on, to each side: six 3x3 convolutions, the magnification, and one
/// 3x3 convolution at high resolution.
inline constexpr std::size_t receptive_halo = 8;
/// The same for the decoder alone.
inline constexpr std::size_t decoder_halo = 2;

template <class B>
struct SuperResolution {
  Encoder<B> encoder;
  Decoder<B> decoder;
  int scale = 4;
  hg::nn::Dropout dropout{0};
  Upsampling upsampling = Upsampling::fused;
  HELIOGRAD_FIELDS(encoder, decoder, scale, dropout, upsampling)

  /// [n, h, w, 2] -> [n, h, w, 64]; channel 0 is the distance from disk centre in solar radii, channel 1 the field in units
  /// of field_unit_gauss.
  hg::Var<4, B> encode(hg::Var<4, B> x, hg::nn::Mode const& mode) const {
    auto& tape = x.tape();
    auto y = rectified(tape, encoder.prelu, mode, [&](hg::Epilogue<B> const& epilogue) {
      return encoder.first(x, epilogue);  // [n, h, w, 64]
    });
    for (hg::nn::ResidualBlock<B> const& block : encoder.blocks) {
      auto const z = block(y);
      tape.done_with(y);
      y = z;
    }
    return encoder.last(tape.spend(y));
  }

  /// [n, h, w, 64] -> [n, scale*h, scale*w, 1]
  hg::Var<4, B> decode(hg::Var<4, B> features, hg::nn::Mode const& mode) const {
    auto& tape = features.tape();
    auto const rectifiers = rectified(tape, decoder.prelu, mode, [&](hg::Epilogue<B> const& epilogue) {
      if (upsampling == Upsampling::plain)
        return decoder.first(hg::resample(features, static_cast<std::size_t>(scale)), epilogue);
      return hg::upsample_conv2d(features, tape.watch(decoder.first.weight), tape.watch(decoder.first.bias), scale,
                                 epilogue);
    });
    return decoder.last(tape.spend(rectifiers));
  }

  hg::Var<4, B> operator()(hg::Var<4, B> x, hg::nn::Mode const& mode = hg::nn::Mode::apply()) const {
    return decode(encode(x, mode), mode);
  }

 private:
  /// A convolution, `conv(epilogue)`, with the dropout and the rectifier behind it: in one, where nothing is dropped.
  template <class Conv>
  hg::Var<4, B> rectified(hg::Tape<B>& tape, hg::nn::PRelu<B> const& prelu, hg::nn::Mode const& mode,
                          Conv const& conv) const {
    if (!dropout.drops(mode)) return conv({.slope = tape.watch(prelu.slope)});
    return prelu(tape.spend(dropout(tape.spend(conv({})), mode)));
  }
};

/// A new network with PyTorch's default initialisation. scale is 1, 2 or 4.
template <class B>
SuperResolution<B> super_resolution_network(hg::Rng& rng, int scale = 4, double dropout = 0) {
  hg::expect(scale == 1 || scale == 2 || scale == 4,
             "the scale must be 1, 2 or 4 (found " + std::to_string(scale) + ")");
  hg::expect(dropout >= 0 && dropout < 1, "the dropout must lie in [0, 1) (found " + std::to_string(dropout) + ")");
  auto const conv3 = [&](std::size_t c_in) {
    return hg::nn::conv2d_layer<B>(rng, c_in, 64, {.padding = 1, .mode = hg::PaddingMode::reflect});
  };
  SuperResolution<B> model;
  model.encoder.first = conv3(2);
  model.encoder.prelu = hg::nn::prelu_layer<B>();
  for (int i = 0; i < 2; ++i) model.encoder.blocks.push_back(hg::nn::residual_block<B>(rng, 64));
  model.encoder.last = conv3(64);
  model.decoder.first = conv3(64);
  model.decoder.prelu = hg::nn::prelu_layer<B>();
  model.decoder.last = hg::nn::conv2d_layer<B>(rng, 64, 1, {.filter = 1});
  model.scale = scale;
  model.dropout.probability = dropout;
  return model;
}

/// One unit of the network's field channel and of its output.
inline constexpr double field_unit_gauss = 3500;

}  // namespace super_resolution
