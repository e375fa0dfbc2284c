// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cmath>
#include <vector>

#include <heliograd/testing/op_case.hpp>
#include "reference/number.hpp"

namespace test::reference {

/// The mean over all elements of penalty(x - y).
template <class Penalty>
auto mean_penalty(Penalty penalty) {
  return [penalty]<class T>(Tensors<T> const& in) {
    auto mean = heliograd::testing::host_zeros<T>({});
    for (std::size_t i = 0; i < in[0].size(); ++i) mean.values[0] += penalty(in[0].values[i] - in[1].values[i]);
    mean.values[0] /= static_cast<double>(in[0].size());
    return mean;
  };
}

/// The mean of penalty(x - y) with weights in[2], of which only positive ones count.
template <class Penalty>
auto weighted_mean_penalty(Penalty penalty) {
  return [penalty]<class T>(Tensors<T> const& in) {
    auto mean = heliograd::testing::host_zeros<T>({});
    T total = 0;
    for (std::size_t i = 0; i < in[0].size(); ++i) {
      if (real_part(in[2].values[i]) <= 0) continue;
      mean.values[0] += in[2].values[i] * penalty(in[0].values[i] - in[1].values[i]);
      total += in[2].values[i];
    }
    mean.values[0] /= total;
    return mean;
  };
}

}  // namespace test::reference
