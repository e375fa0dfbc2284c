// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>

#include <heliograd/nn/mode.hpp>
#include <heliograd/op/norm.hpp>
#include <heliograd/tape/fields.hpp>

namespace heliograd::inline HELIOGRAD_ABI::nn {

/// Batch normalisation with a learnt line for each channel. Training uses the batch's statistics and moves the running ones;
/// otherwise the mode says which are used: `Mode::apply()` the running ones, `Mode::sample(rng)` and
/// `Mode::apply_with_batch_statistics()` those of the batch at hand, without moving anything.
template <class B>
struct BatchNorm {
  Param<1, B> scale;              ///< [c]
  Param<1, B> shift;              ///< [c]
  Tensor<1, B> running_mean;      ///< [c], state
  Tensor<1, B> running_variance;  ///< [c], state
  double momentum = 0.1;
  NormOptions options = {};
  HELIOGRAD_FIELDS(scale, shift, running_mean, running_variance, momentum, options)

  template <int Rank>
  Var<Rank, B> operator()(Var<Rank, B> x, Mode const& mode) const {
    Tape<B>& tape = x.tape();
    auto const a = tape.watch(scale);
    auto const b = tape.watch(shift);
    RunningStatistics<B> const running{running_mean, running_variance};
    if (mode.training()) return batch_norm(x, a, b, running, momentum, options);
    return mode.batch_statistics() ? batch_norm(x, a, b, options) : fixed_norm(x, a, b, running, options);
  }
};

/// Scale 1, shift 0, running mean 0 and variance 1.
template <class B>
BatchNorm<B> batch_norm_layer(std::size_t channels, NormOptions const& options = {}, double momentum = 0.1) {
  using Scalar = typename B::scalar_type;
  BatchNorm<B> layer{make_param<B>("scale", Shape{channels}),
                     make_param<B>("shift", Shape{channels}),
                     make_zeros<B>("running_mean", Shape{channels}),
                     make_zeros<B>("running_variance", Shape{channels}),
                     momentum,
                     options};
  fill(typename B::execution_space{}, layer.scale.value, Scalar(1));
  fill(typename B::execution_space{}, layer.running_variance, Scalar(1));
  return layer;
}

/// Instance normalisation; scale and shift are empty unless it is made with a line.
template <class B>
struct InstanceNorm {
  Param<1, B> scale;  ///< [c] or empty
  Param<1, B> shift;  ///< [c] or empty
  NormOptions options = {};
  HELIOGRAD_FIELDS(scale, shift, options)

  template <int Rank>
  Var<Rank, B> operator()(Var<Rank, B> x) const {
    Tape<B>& tape = x.tape();
    return instance_norm(x, tape.watch(scale), tape.watch(shift), options);
  }
};

/// \param channels 0: no learnt line.
template <class B>
InstanceNorm<B> instance_norm_layer(std::size_t channels = 0, NormOptions const& options = {}) {
  InstanceNorm<B> layer{make_param<B>("scale", Shape{channels}), make_param<B>("shift", Shape{channels}), options};
  fill(typename B::execution_space{}, layer.scale.value, typename B::scalar_type(1));
  return layer;
}

/// One mean and one deviation for each image, a learnt line for each channel.
template <class B>
struct ImageNorm {
  Param<1, B> scale;  ///< [c]
  Param<1, B> shift;  ///< [c]
  NormOptions options = {};
  ImageNormForm form = ImageNormForm::munit;
  HELIOGRAD_FIELDS(scale, shift, options, form)

  template <int Rank>
  Var<Rank, B> operator()(Var<Rank, B> x) const {
    Tape<B>& tape = x.tape();
    return image_norm(x, tape.watch(scale), tape.watch(shift), options, form);
  }
};

/// Scale 1, shift 0. (MUNIT draws the scale uniformly from [0, 1): `init_uniform(rng, layer.scale.value, 0, 1)`.)
template <class B>
ImageNorm<B> image_norm_layer(std::size_t channels, NormOptions const& options = {},
                              ImageNormForm form = ImageNormForm::munit) {
  ImageNorm<B> layer{make_param<B>("scale", Shape{channels}), make_param<B>("shift", Shape{channels}), options, form};
  fill(typename B::execution_space{}, layer.scale.value, typename B::scalar_type(1));
  return layer;
}

}  // namespace heliograd::inline HELIOGRAD_ABI::nn
