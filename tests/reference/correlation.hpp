// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cmath>
#include <vector>

#include <heliograd/testing/op_case.hpp>
#include "reference/number.hpp"

namespace test::reference {

/// One minus Lin's concordance or Pearson's correlation of in[0] and in[1] with weights in[2] if there are any, for each of
/// `parts` equal parts, averaged.
inline auto disagreement(bool concordance, double epsilon, std::size_t parts) {
  return [=]<class T>(Tensors<T> const& in) {
    auto mean = heliograd::testing::host_zeros<T>({});
    std::size_t const length = in[0].size() / parts;
    for (std::size_t part = 0; part < parts; ++part) {
      auto const x = [&](std::size_t i) { return in[0].values[part * length + i]; };
      auto const y = [&](std::size_t i) { return in[1].values[part * length + i]; };
      auto const w = [&](std::size_t i) {
        return in.size() > 2 ? positive_part(in[2].values[part * length + i]) : T(1);
      };
      T n = 0, mx = 0, my = 0, xx = 0, yy = 0, xy = 0;
      for (std::size_t i = 0; i < length; ++i) n += w(i), mx += w(i) * x(i), my += w(i) * y(i);
      mx /= n, my /= n;
      for (std::size_t i = 0; i < length; ++i) {
        xx += w(i) * (x(i) - mx) * (x(i) - mx);
        yy += w(i) * (y(i) - my) * (y(i) - my);
        xy += w(i) * (x(i) - mx) * (y(i) - my);
      }
      T const c = concordance ? 2.0 * xy / (n - 1.0) / ((xx + yy) / (n - 1.0) + (mx - my) * (mx - my) + epsilon)
                              : xy / std::sqrt((xx + epsilon) * (yy + epsilon));
      mean.values[0] += (1.0 - c) / static_cast<double>(parts);
    }
    return mean;
  };
}

}  // namespace test::reference
