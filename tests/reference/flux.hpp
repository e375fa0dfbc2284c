// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cmath>
#include <vector>

#include <heliograd/testing/op_case.hpp>
#include "reference/number.hpp"

namespace test::reference {

/// The mean over images of the squared difference of the weighted means of f(in[0]) and f(in[1]), weights in[2] if there are any.
template <class Through>
auto squared_flux(Through through) {
  return [through]<class T>(Tensors<T> const& in) {
    auto mean = heliograd::testing::host_zeros<T>({});
    std::size_t const images = in[0].shape[0], length = in[0].size() / images;
    for (std::size_t n = 0; n < images; ++n) {
      T sum = 0, total = 0;
      for (std::size_t i = n * length; i < (n + 1) * length; ++i) {
        T const w = in.size() > 2 ? in[2].values[i] : T(1);
        if (real_part(w) <= 0) continue;
        sum += w * (through(in[0].values[i]) - through(in[1].values[i]));
        total += w;
      }
      mean.values[0] += sum / total * (sum / total) / static_cast<double>(images);
    }
    return mean;
  };
}

}  // namespace test::reference
