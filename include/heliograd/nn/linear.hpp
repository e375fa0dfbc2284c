// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>

#include <heliograd/nn/init.hpp>
#include <heliograd/op/linear.hpp>
#include <heliograd/tape/fields.hpp>

namespace heliograd::inline HELIOGRAD_ABI::nn {

/// A fully connected layer with weights of its own.
template <class B>
struct Linear {
  Param<2, B> weight;  ///< [c_in, c_out]
  Param<1, B> bias;    ///< [c_out], or empty
  HELIOGRAD_FIELDS(weight, bias)

  template <int Rank>
  Var<Rank, B> operator()(Var<Rank, B> x) const {
    Tape<B>& tape = x.tape();
    return linear(x, tape.watch(weight), tape.watch(bias));
  }
};

/// Weights and bias start uniform in \f$ \pm 1/\sqrt{c_{in}} \f$.
template <class B>
Linear<B> linear_layer(Rng& rng, std::size_t c_in, std::size_t c_out, bool with_bias = true) {
  Linear<B> layer{make_param<B>("weight", Shape{c_in, c_out}),
                  make_param<B>("bias", Shape{with_bias ? c_out : std::size_t{0}})};
  init_torch_default(rng, layer.weight.value, c_in);
  if (with_bias) init_torch_default(rng, layer.bias.value, c_in);
  return layer;
}

}  // namespace heliograd::inline HELIOGRAD_ABI::nn
