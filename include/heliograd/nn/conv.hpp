// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>

#include <heliograd/nn/init.hpp>
#include <heliograd/op/conv2d.hpp>
#include <heliograd/op/conv_transpose2d.hpp>
#include <heliograd/op/upsample_conv2d.hpp>
#include <heliograd/tape/fields.hpp>

namespace heliograd::inline HELIOGRAD_ABI::nn {

/// A convolution with weights of its own. What follows it, a rectifier or a sum, may be its epilogue: `conv(x, {.negative_slope = 0.2})`.
template <class B>
struct Conv2d {
  Param<4, B> weight;  ///< [kh, kw, c_in, c_out]
  Param<1, B> bias;    ///< [c_out], or empty
  Conv2dOptions options;
  HELIOGRAD_FIELDS(weight, bias, options)

  Var<4, B> operator()(Var<4, B> x, Epilogue<B> const& epilogue = {}) const {
    Tape<B>& tape = x.tape();
    return conv2d(x, tape.watch(weight), tape.watch(bias), options, epilogue);
  }
};

/// A transposed convolution with weights of its own.
template <class B>
struct ConvTranspose2d {
  Param<4, B> weight;  ///< [kh, kw, c_out / groups, c_in]
  Param<1, B> bias;    ///< [c_out], or empty
  ConvTranspose2dOptions options;
  HELIOGRAD_FIELDS(weight, bias, options)

  Var<4, B> operator()(Var<4, B> x, Epilogue<B> const& epilogue = {}) const {
    Tape<B>& tape = x.tape();
    return conv_transpose2d(x, tape.watch(weight), tape.watch(bias), options, epilogue);
  }
};

/// A bilinear up-sampling followed by a 3x3 convolution with reflect padding, computed as one.
template <class B>
struct UpsampleConv2d {
  Param<4, B> weight;  ///< [3, 3, c_in, c_out]
  Param<1, B> bias;    ///< [c_out], or empty
  int factor = 2;
  HELIOGRAD_FIELDS(weight, bias, factor)

  Var<4, B> operator()(Var<4, B> x, Epilogue<B> const& epilogue = {}) const {
    Tape<B>& tape = x.tape();
    return upsample_conv2d(x, tape.watch(weight), tape.watch(bias), factor, epilogue);
  }
};

/// What a convolution layer is made of, besides its channels.
struct Conv2dLayerOptions {
  int filter = 3;
  int stride = 1;
  Padding2d padding = {};
  PaddingMode mode = PaddingMode::zero;
  bool bias = true;
  int dilation = 1;
  int groups = 1;
  ConvAccuracy accuracy = ConvAccuracy::strict;
};

/// What a transposed convolution layer is made of, besides its channels.
struct ConvTranspose2dLayerOptions {
  int filter = 4;
  int stride = 2;
  Padding2d padding = 1;
  int output_padding = 0;
  bool bias = true;
  int dilation = 1;
  int groups = 1;
  ConvAccuracy accuracy = ConvAccuracy::strict;
};

/// Weights and bias start uniform in \f$ \pm 1/\sqrt{c_{in} k^2} \f$, with the input channels of one group.
template <class B>
Conv2d<B> conv2d_layer(Rng& rng, std::size_t c_in, std::size_t c_out, Conv2dLayerOptions const& options = {}) {
  std::size_t const side = static_cast<std::size_t>(options.filter);
  std::size_t const in_group = c_in / static_cast<std::size_t>(options.groups);
  Conv2d<B> layer{make_param<B>("weight", Shape{side, side, in_group, c_out}),
                  make_param<B>("bias", Shape{options.bias ? c_out : std::size_t{0}}),
                  {.stride = options.stride,
                   .padding = options.padding,
                   .mode = options.mode,
                   .dilation = options.dilation,
                   .groups = options.groups,
                   .accuracy = options.accuracy}};
  init_torch_default(rng, layer.weight.value, side * side * in_group);
  if (options.bias) init_torch_default(rng, layer.bias.value, side * side * in_group);
  return layer;
}

/// Weights and bias start uniform in \f$ \pm 1/\sqrt{c_{out} k^2} \f$, with the output channels of one group: PyTorch counts
/// the inputs of the convolution that this is the transpose of.
template <class B>
ConvTranspose2d<B> conv_transpose2d_layer(Rng& rng, std::size_t c_in, std::size_t c_out,
                                          ConvTranspose2dLayerOptions const& options = {}) {
  std::size_t const side = static_cast<std::size_t>(options.filter);
  std::size_t const out_group = c_out / static_cast<std::size_t>(options.groups);
  ConvTranspose2d<B> layer{make_param<B>("weight", Shape{side, side, out_group, c_in}),
                           make_param<B>("bias", Shape{options.bias ? c_out : std::size_t{0}}),
                           {.stride = options.stride,
                            .padding = options.padding,
                            .output_padding = options.output_padding,
                            .dilation = options.dilation,
                            .groups = options.groups,
                            .accuracy = options.accuracy}};
  init_torch_default(rng, layer.weight.value, side * side * out_group);
  if (options.bias) init_torch_default(rng, layer.bias.value, side * side * out_group);
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
