// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>

#include <heliograd/nn/init.hpp>
#include <heliograd/op/conv2d.hpp>
#include <heliograd/op/upsample_conv2d.hpp>
#include <heliograd/tape/fields.hpp>

namespace heliograd::inline HELIOGRAD_ABI::nn {

/// A convolution with weights of its own.
template <class B>
struct Conv2d {
  Param<4, B> weight;  ///< [kh, kw, c_in, c_out]
  Param<1, B> bias;    ///< [c_out], or empty
  Conv2dOptions options;
  HELIOGRAD_FIELDS(weight, bias, options)

  Var<4, B> operator()(Var<4, B> x) const {
    Tape<B>& tape = x.tape();
    return conv2d(x, tape.watch(weight), tape.watch(bias), options);
  }
};

/// A bilinear up-sampling followed by a 3x3 convolution with reflect padding, computed as one.
template <class B>
struct UpsampleConv2d {
  Param<4, B> weight;  ///< [3, 3, c_in, c_out]
  Param<1, B> bias;    ///< [c_out], or empty
  int factor = 2;
  HELIOGRAD_FIELDS(weight, bias, factor)

  Var<4, B> operator()(Var<4, B> x) const {
    Tape<B>& tape = x.tape();
    return upsample_conv2d(x, tape.watch(weight), tape.watch(bias), factor);
  }
};

/// What a convolution layer is made of, besides its channels.
struct Conv2dLayerOptions {
  int filter = 3;
  int stride = 1;
  Padding2d padding = {};
  PaddingMode mode = PaddingMode::zero;
  bool bias = true;
};

/// Weights and bias start uniform in \f$ \pm 1/\sqrt{c_{in} k^2} \f$.
template <class B>
Conv2d<B> conv2d_layer(Rng& rng, std::size_t c_in, std::size_t c_out, Conv2dLayerOptions const& options = {}) {
  std::size_t const side = static_cast<std::size_t>(options.filter);
  std::size_t const fan_in = side * side * c_in;
  Conv2d<B> layer{make_param<B>("weight", Shape{side, side, c_in, c_out}),
                  make_param<B>("bias", Shape{options.bias ? c_out : std::size_t{0}}),
                  {options.stride, options.padding, options.mode}};
  init_torch_default(rng, layer.weight.value, fan_in);
  if (options.bias) init_torch_default(rng, layer.bias.value, fan_in);
  return layer;
}

/// The same for the up-sampling convolution.
template <class B>
UpsampleConv2d<B> upsample_conv2d_layer(Rng& rng, std::size_t c_in, std::size_t c_out, int factor) {
  UpsampleConv2d<B> layer{make_param<B>("weight", Shape{std::size_t{3}, std::size_t{3}, c_in, c_out}),
                          make_param<B>("bias", Shape{c_out}), factor};
  init_torch_default(rng, layer.weight.value, 9 * c_in);
  init_torch_default(rng, layer.bias.value, 9 * c_in);
  return layer;
}

}  // namespace heliograd::inline HELIOGRAD_ABI::nn
