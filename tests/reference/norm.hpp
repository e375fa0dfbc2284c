// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cmath>
#include <cstddef>
#include <vector>

#include <heliograd/testing/op_case.hpp>
#include "reference/number.hpp"

namespace test::reference {

/// What a normalisation is, in words of the reference.
struct NormRule {
  bool over_batch = false;
  bool over_channels = false;
  bool unbiased_outside = false;  ///< (x - mean) / (s + epsilon) with count - 1, else 1 / sqrt(v + epsilon)
  bool identity = false;          ///< no statistics at all
  double epsilon = 1e-5;
  double negative_slope = 1;
};

/// x [n, rows, c] (any middle axes); scale and shift [c] or [n, c] as far as given; then, if four more are given, fixed mean
/// and variance [c].
template <class T = double>
heliograd::testing::HostTensorOf<T> norm(Tensors<T> const& in, NormRule const& rule) {
  auto const& x = in[0];
  auto y = heliograd::testing::host_zeros<T>(x.shape);
  std::size_t const channels = x.shape.back(), images = x.shape.front(), rows = x.size() / channels / images;
  for (std::size_t n = 0; n < images; ++n)
    for (std::size_t c = 0; c < channels; ++c) {
      T mean = 0, squares = 0, factor = 1;
      double count = 0;
      auto const over_group = [&](auto const& visit) {
        for (std::size_t n2 = 0; n2 < images; ++n2)
          for (std::size_t r = 0; r < rows; ++r)
            for (std::size_t c2 = 0; c2 < channels; ++c2)
              if ((rule.over_batch || n2 == n) && (rule.over_channels || c2 == c))
                visit(x.values[(n2 * rows + r) * channels + c2]);
      };
      if (in.size() == 5) {
        mean = in[3].values[c];
        factor = 1.0 / std::sqrt(in[4].values[c] + rule.epsilon);
      } else if (!rule.identity) {
        over_group([&](T const& v) {
          mean += v;
          count += 1;
        });
        mean /= count;
        over_group([&](T const& v) { squares += (v - mean) * (v - mean); });
        factor = rule.unbiased_outside ? 1.0 / (std::sqrt(squares / std::max(count - 1, 1.0)) + rule.epsilon)
                                       : 1.0 / std::sqrt(squares / count + rule.epsilon);
      }
      auto const learnt = [&](std::size_t k, T const& none) {
        if (in.size() <= k) return none;
        return in[k].values[in[k].size() == channels ? c : n * channels + c];
      };
      for (std::size_t r = 0; r < rows; ++r) {
        std::size_t const i = (n * rows + r) * channels + c;
        T const z = learnt(1, 1.0) * (x.values[i] - mean) * factor + learnt(2, 0.0);
        y.values[i] = real_part(z) < 0 ? rule.negative_slope * z : z;
      }
    }
  return y;
}

}  // namespace test::reference
