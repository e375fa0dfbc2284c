// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <heliograd/nn/mode.hpp>
#include <heliograd/op/dropout.hpp>
#include <heliograd/tape/fields.hpp>

namespace heliograd::inline HELIOGRAD_ABI::nn {

/// Dropout in modes that draw random numbers, nothing in the others. For Monte-Carlo dropout apply the model several times
/// with `Mode::sample(rng)`: each pass drops other elements, and no state of the model moves.
struct Dropout {
  double probability = 0.5;
  HELIOGRAD_FIELDS(probability)

  bool drops(Mode const& mode) const { return mode.random() && probability > 0; }

  template <int Rank, class B>
  Var<Rank, B> operator()(Var<Rank, B> x, Mode const& mode) const {
    if (drops(mode)) return dropout(x, probability, mode.rng().fork());
    x.spent = false;  // it goes on
    return x;
  }
};

}  // namespace heliograd::inline HELIOGRAD_ABI::nn
