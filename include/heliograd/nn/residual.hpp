// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>

#include <heliograd/nn/activation.hpp>
#include <heliograd/nn/conv.hpp>

namespace heliograd::inline HELIOGRAD_ABI::nn {

/// Two convolutions, each followed by its rectifier, beside the identity: x + prelu(conv(prelu(conv(x)))). Nothing is applied
/// after the sum. Computed as two convolutions with epilogues.
template <class B>
struct ResidualBlock {
  Conv2d<B> conv1;
  PRelu<B> prelu1;
  Conv2d<B> conv2;
  PRelu<B> prelu2;
  HELIOGRAD_FIELDS(conv1, prelu1, conv2, prelu2)

  Var<4, B> operator()(Var<4, B> x) const {
    Tape<B>& tape = x.tape();
    auto const first = conv1(x, {.slope = tape.watch(prelu1.slope)});
    return conv2(tape.spend(first), {.slope = tape.watch(prelu2.slope), .residual = x});
  }
};

/// The convolutions keep the image's size; rectifiers have one slope for all channels.
template <class B>
ResidualBlock<B> residual_block(Rng& rng, std::size_t channels, int filter = 3,
                                PaddingMode mode = PaddingMode::reflect) {
  Conv2dLayerOptions const options{.filter = filter, .padding = filter / 2, .mode = mode};
  return {conv2d_layer<B>(rng, channels, channels, options), prelu_layer<B>(),
          conv2d_layer<B>(rng, channels, channels, options), prelu_layer<B>()};
}

}  // namespace heliograd::inline HELIOGRAD_ABI::nn
