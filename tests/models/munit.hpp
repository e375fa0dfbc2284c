// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <vector>

#include <heliograd/nn/norm.hpp>
#include <heliograd/op/activation.hpp>
#include <heliograd/op/pool.hpp>
#include <heliograd/op/resample.hpp>
#include <heliograd/op/shape.hpp>
#include "models/conv_pair.hpp"

namespace models {

/// System S6, the generator of one domain: what an image shows and how it shows it are separated, and put together again.
template <class B>
struct Munit {
  std::vector<nn::Conv2d<B>> style;  ///< the last one after global pooling
  std::vector<nn::Conv2d<B>> content;
  std::vector<ConvPair<B>> content_blocks, decoder_blocks;
  std::vector<nn::Conv2d<B>> mlp;  ///< 8 -> 256 -> 256 -> 4096, as 1x1 convolutions of one pixel
  std::vector<nn::Conv2d<B>> decoder;
  std::vector<nn::ImageNorm<B>> decoder_norms;
  nn::Conv2d<B> last;
  HELIOGRAD_FIELDS(style, content, content_blocks, decoder_blocks, mlp, decoder, decoder_norms, last)

  /// [n, h, w, 1] -> [n, 1, 1, 8]
  hg::Var<4, B> encode_style(hg::Var<4, B> x) const {
    for (std::size_t i = 0; i + 1 < style.size(); ++i) x = hg::relu(style[i](x));
    auto const mean = hg::global_average_pool(x);  // [n, c]
    return style.back()(x.tape().reshape(mean, hg::Shape<4>{mean.shape()[0], 1, 1, mean.shape()[1]}));
  }

  /// [n, h, w, 1] -> [n, h/4, w/4, 256]
  hg::Var<4, B> encode_content(hg::Var<4, B> x) const {
    auto const norm = [](hg::Var<4, B> y) { return hg::instance_norm(y); };
    auto const active = [](hg::Var<4, B> y) { return hg::instance_norm(y, {.negative_slope = 0}); };
    for (auto const& conv : content) x = active(conv(x));
    for (auto const& block : content_blocks) x = block(x, active, norm);
    return x;
  }

  hg::Var<4, B> decode(hg::Var<4, B> x, hg::Var<4, B> code) const {
    auto const lines = mlp[2](hg::relu(mlp[1](hg::relu(mlp[0](code)))));  // [n, 1, 1, 16 * 256]: shifts, then scales
    std::size_t at = 0;
    auto const next = [&](hg::Var<4, B> y, double slope) {
      std::size_t const c = y.shape()[3];
      hg::Shape<2> const flat{y.shape()[0], c};
      auto const part = [&](std::size_t first) { return y.tape().reshape(hg::slice_channels(lines, first, c), flat); };
      auto const shift = part(at), scale = part(at + c);
      at += 2 * c;
      return hg::adain(y, scale, shift, {.negative_slope = slope});
    };
    for (auto const& block : decoder_blocks)
      x = block(x, [&](hg::Var<4, B> y) { return next(y, 0); }, [&](hg::Var<4, B> y) { return next(y, 1); });
    for (std::size_t i = 0; i < decoder.size(); ++i)
      x = decoder_norms[i](decoder[i](hg::resample(x, 2, {hg::Resampling::nearest})));
    return hg::tanh(last(x));
  }

  hg::Var<4, B> operator()(hg::Var<4, B> x) const { return decode(encode_content(x), encode_style(x)); }
};

template <class B>
Munit<B> munit(hg::Rng& rng) {
  auto const conv = [&](std::size_t c_in, std::size_t c_out, int filter, int stride = 1) {
    bool const point = filter == 1;
    return nn::conv2d_layer<B>(rng, c_in, c_out,
                               {.filter = filter,
                                .stride = stride,
                                .padding = stride == 2 ? 1 : filter / 2,
                                .mode = point ? hg::PaddingMode::zero : hg::PaddingMode::reflect});
  };
  Munit<B> m;
  m.style = {conv(1, 64, 7),       conv(64, 128, 4, 2),  conv(128, 256, 4, 2),
             conv(256, 256, 4, 2), conv(256, 256, 4, 2), conv(256, 8, 1)};
  m.content = {conv(1, 64, 7), conv(64, 128, 4, 2), conv(128, 256, 4, 2)};
  for (int i = 0; i < 4; ++i) {
    m.content_blocks.push_back(conv_pair<B>(rng, 256, hg::PaddingMode::reflect));
    m.decoder_blocks.push_back(conv_pair<B>(rng, 256, hg::PaddingMode::reflect));
  }
  m.mlp = {conv(8, 256, 1), conv(256, 256, 1), conv(256, 4096, 1)};
  m.decoder = {conv(256, 128, 5), conv(128, 64, 5)};
  for (std::size_t const channels : {128, 64}) {
    m.decoder_norms.push_back(nn::image_norm_layer<B>(channels, {.negative_slope = 0}));
    nn::init_uniform(rng, m.decoder_norms.back().scale.value, 0, 1);
  }
  m.last = conv(64, 1, 7);
  return m;
}

}  // namespace models
