// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <heliograd/loss/pixel.hpp>
#include <heliograd/op/arithmetic.hpp>

namespace heliograd::inline HELIOGRAD_ABI::loss {

/// How differently a discriminator sees the real and the fake image, layer by layer (Salimans et al. 2016; Wang et al. 2018).
/// Shapes   as many layers of features of the fake as of the real image, of equal shapes -> [].
/// Math     \f$ L = \sum_l w_l \langle |f_l(\text{fake}) - f_l(\text{real})| \rangle \f$, each a mean over its layer
/// Gradient that of `l1` to the features of the fake; none to those of the real image, wanted or not.
/// Keeps    nothing but its arguments.
/// Cost     one pass over all features forward, one backward.
/// Throws   UsageError if the numbers of layers or weights differ, or there are none; ShapeError if shapes differ.
///
/// \param weights one a layer; without any all are 1.
template <int Rank, class B>
Var<0, B> feature_matching(std::vector<Var<Rank, B>> const& fake, std::vector<Var<Rank, B>> const& real,
                           std::vector<double> const& weights = {}) {
  constexpr char const* name = "heliograd::loss::feature_matching";
  expect(!fake.empty() && fake.size() == real.size(),
         std::string(name) + ": fake and real need the same layers (found " + std::to_string(fake.size()) + " and " +
             std::to_string(real.size()) + ")");
  expect(weights.empty() || weights.size() == fake.size(), std::string(name) + ": one weight a layer, or none (found " +
                                                               std::to_string(weights.size()) + " for " +
                                                               std::to_string(fake.size()) + " layers)");
  auto const layer = [&](std::size_t k) {
    auto const distance = l1(fake[k], fake[k].tape().detach(real[k]));
    return weights.empty() ? distance : weights[k] * distance;
  };
  auto total = layer(0);
  for (std::size_t k = 1; k < fake.size(); ++k) total = total + layer(k);
  return total;
}

}  // namespace heliograd::inline HELIOGRAD_ABI::loss
