// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>

#include <heliograd/op/activation.hpp>
#include <heliograd/tape/fields.hpp>

namespace heliograd::inline HELIOGRAD_ABI::nn {

/// A rectifier with a learnt slope: shared by all channels, or one per channel.
template <class B>
struct PRelu {
  Param<1, B> slope;
  HELIOGRAD_FIELDS(slope)

  template <int Rank>
  Var<Rank, B> operator()(Var<Rank, B> x) const {
    return prelu(x, x.tape().watch(slope));
  }
};

/// \param channels 1 for a shared slope.
template <class B>
PRelu<B> prelu_layer(std::size_t channels = 1, double initial_slope = 0.25) {
  PRelu<B> layer{make_param<B>("slope", Shape{channels})};
  fill(typename B::execution_space{}, layer.slope.value, static_cast<typename B::scalar_type>(initial_slope));
  return layer;
}

}  // namespace heliograd::inline HELIOGRAD_ABI::nn
