// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cmath>
#include <cstddef>
#include <vector>

#include <heliograd/testing/op_case.hpp>
#include "reference/number.hpp"

namespace test::reference {

/// The structural similarity in every 11 x 11 window inside the images: sums over the window's 121 pixels, first the means,
/// then the moments about them.
template <class T>
heliograd::testing::HostTensorOf<T> ssim_map(heliograd::testing::HostTensorOf<T> const& x,
                                             heliograd::testing::HostTensorOf<T> const& y, double range,
                                             bool luminance_of_magnitude, double sigma = 1.5) {
  constexpr std::size_t side = 11;
  std::vector<double> weight(side * side);
  double sum = 0;
  for (std::size_t a = 0; a < side; ++a)
    for (std::size_t b = 0; b < side; ++b) {
      double const da = static_cast<double>(a) - 5;
      double const db = static_cast<double>(b) - 5;
      sum += weight[a * side + b] = std::exp(-(da * da + db * db) / (2 * sigma * sigma));
    }
  for (double& w : weight) w /= sum;
  double const c1 = std::pow(0.01 * range, 2);
  double const c2 = std::pow(0.03 * range, 2);
  auto const& s = x.shape;
  auto map = heliograd::testing::host_zeros<T>({s[0], s[1] - side + 1, s[2] - side + 1, s[3]});
  std::size_t out = 0;
  for (std::size_t n = 0; n < s[0]; ++n)
    for (std::size_t i = 0; i + side <= s[1]; ++i)
      for (std::size_t j = 0; j + side <= s[2]; ++j)
        for (std::size_t c = 0; c < s[3]; ++c) {
          auto const over_window = [&](auto const& term) {
            T total = 0;
            for (std::size_t a = 0; a < side; ++a)
              for (std::size_t b = 0; b < side; ++b) {
                std::size_t const at = ((n * s[1] + i + a) * s[2] + j + b) * s[3] + c;
                total += weight[a * side + b] * term(x.values[at], y.values[at]);
              }
            return total;
          };
          T const mx = over_window([](T p, T) { return p; });
          T const my = over_window([](T, T q) { return q; });
          T const lx = luminance_of_magnitude ? over_window([](T p, T) { return magnitude(p); }) : mx;
          T const ly = luminance_of_magnitude ? over_window([](T, T q) { return magnitude(q); }) : my;
          T const vx = over_window([&](T p, T) { return (p - mx) * (p - mx); });
          T const vy = over_window([&](T, T q) { return (q - my) * (q - my); });
          T const vxy = over_window([&](T p, T q) { return (p - mx) * (q - my); });
          map.values[out++] = (2.0 * lx * ly + c1) / (lx * lx + ly * ly + c1) * (2.0 * vxy + c2) / (vx + vy + c2);
        }
  return map;
}

/// One minus the mean similarity.
inline auto ssim_loss(double range, bool luminance_of_magnitude) {
  return [=]<class T>(Tensors<T> const& in) {
    auto const map = ssim_map(in[0], in[1], range, luminance_of_magnitude);
    auto loss = heliograd::testing::host_zeros<T>({});
    for (T const& v : map.values) loss.values[0] += v / static_cast<double>(map.size());
    loss.values[0] = 1.0 - loss.values[0];
    return loss;
  };
}

}  // namespace test::reference
