// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <string>

#include <heliograd/core/fill.hpp>
#include <heliograd/core/tensor.hpp>

namespace heliograd::inline HELIOGRAD_ABI {

/// A trainable tensor: value and gradient buffer. Without a gradient buffer it is frozen, and no backward kernel is launched
/// on its behalf.
template <int Rank, class B>
struct Param {
  static constexpr int rank = Rank;
  using backend = B;

  Tensor<Rank, B> value;
  Tensor<Rank, B> grad;

  bool frozen() const { return grad.data() == nullptr; }
};

/// A parameter of zeros with a gradient buffer of zeros; initialisers fill the value.
template <class B, int Rank>
Param<Rank, B> make_param(std::string const& label, Shape<Rank> const& shape) {
  return {make_zeros<B>(label, shape), make_zeros<B>(label + ".grad", shape)};
}

}  // namespace heliograd::inline HELIOGRAD_ABI
