// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <heliograd/nn/mode.hpp>
#include <heliograd/op/dropout.hpp>
#include <heliograd/tape/fields.hpp>

namespace heliograd::inline HELIOGRAD_ABI::nn {

/// Dropout while training, nothing otherwise. (For Monte-Carlo dropout apply the model in training mode, several times.)
struct Dropout {
  double probability = 0.5;
  HELIOGRAD_FIELDS(probability)

  template <int Rank, class B>
  Var<Rank, B> operator()(Var<Rank, B> x, Mode const& mode) const {
    return mode.training() && probability > 0 ? dropout(x, probability, mode.rng().fork()) : x;
  }
};

}  // namespace heliograd::inline HELIOGRAD_ABI::nn
