// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <heliograd/nn/conv.hpp>

namespace models {

namespace hg = heliograd;
namespace nn = heliograd::nn;

/// The two convolutions of a residual block with norms: x + norm2(conv2(rectify(norm1(conv1(x))))).
template <class B>
struct ConvPair {
  nn::Conv2d<B> conv1, conv2;
  HELIOGRAD_FIELDS(conv1, conv2)

  /// norm1 rectifies as well.
  template <class Norm1, class Norm2>
  hg::Var<4, B> operator()(hg::Var<4, B> x, Norm1 const& norm1, Norm2 const& norm2) const {
    return x + norm2(conv2(norm1(conv1(x))));
  }
};

template <class B>
ConvPair<B> conv_pair(hg::Rng& rng, std::size_t channels, hg::PaddingMode mode, bool bias = true) {
  nn::Conv2dLayerOptions const same{.filter = 3, .padding = 1, .mode = mode, .bias = bias};
  return {nn::conv2d_layer<B>(rng, channels, channels, same), nn::conv2d_layer<B>(rng, channels, channels, same)};
}

}  // namespace models
