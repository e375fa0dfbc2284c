// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cmath>
#include <vector>

#include <heliograd/testing/op_case.hpp>

namespace test::reference {

/// The mean over images of the squared difference of the weighted means of f(in[0]) and f(in[1]), weights in[2] if there are any.
template <class Through>
auto squared_flux(Through through) {
  return [through](std::vector<heliograd::testing::HostTensor> const& in) {
    auto mean = heliograd::testing::host_zeros({});
    std::size_t const images = in[0].shape[0], length = in[0].size() / images;
    for (std::size_t n = 0; n < images; ++n) {
      double sum = 0, total = 0;
      for (std::size_t i = n * length; i < (n + 1) * length; ++i) {
        double const w = in.size() > 2 ? in[2].values[i] : 1.0;
        if (w <= 0) continue;
        sum += w * (through(in[0].values[i]) - through(in[1].values[i]));
        total += w;
      }
      mean.values[0] += sum / total * (sum / total) / static_cast<double>(images);
    }
    return mean;
  };
}

}  // namespace test::reference
