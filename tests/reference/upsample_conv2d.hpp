// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "reference/conv2d.hpp"

/// \file
/// The same in two steps, in double precision: up-sample, then convolve.
namespace test::reference {

struct UpsampleConv2d {
  heliograd::Shape<4> x;
  int factor;
  Conv2d conv;

  UpsampleConv2d(heliograd::Shape<4> const& x_shape, heliograd::Shape<4> const& weight_shape, int f)
      : x(x_shape),
        factor(f),
        conv({x[0], x[1] * static_cast<std::size_t>(f), x[2] * static_cast<std::size_t>(f), x[3]}, weight_shape,
             {1, 1, heliograd::PaddingMode::reflect}) {}

  /// Calls visit(coarse index, fine index, weight) for everything that bilinear interpolation adds up.
  template <class Visit>
  void for_each_share(Visit const& visit) const {
    auto const share = [&](std::size_t fine, std::size_t extent, int which) {
      double const at =
          std::clamp((static_cast<double>(fine) + 0.5) / factor - 0.5, 0.0, static_cast<double>(extent - 1));
      double const low = std::min(std::floor(at), std::max(static_cast<double>(extent) - 2.0, 0.0));
      return std::pair{std::min(static_cast<std::size_t>(low) + static_cast<std::size_t>(which), extent - 1),
                       which == 1 ? at - low : 1.0 - (at - low)};
    };
    for (std::size_t n = 0; n < x[0]; ++n)
      for (std::size_t h = 0; h < conv.x[1]; ++h)
        for (std::size_t w = 0; w < conv.x[2]; ++w)
          for (int a : {0, 1})
            for (int b : {0, 1}) {
              auto const [row, down] = share(h, x[1], a);
              auto const [column, across] = share(w, x[2], b);
              for (std::size_t c = 0; c < x[3]; ++c)
                visit(((n * x[1] + row) * x[2] + column) * x[3] + c, ((n * conv.x[1] + h) * conv.x[2] + w) * x[3] + c,
                      down * across);
            }
  }

  using Values = std::vector<double>;

  Values upsampled(Values const& values) const {
    Values fine(conv.x.size());
    for_each_share([&](std::size_t from, std::size_t to, double weight) { fine[to] += weight * values[from]; });
    return fine;
  }
  Values forward(Values const& values, Values const& weights, Values const& bias) const {
    return conv.forward(upsampled(values), weights, bias);
  }
  Values backward_data(Values const& gy, Values const& weights) const {
    Values const fine = conv.backward_data(gy, weights);
    Values result(x.size());
    for_each_share([&](std::size_t from, std::size_t to, double weight) { result[from] += weight * fine[to]; });
    return result;
  }
  Values backward_weight(Values const& values, Values const& gy) const {
    return conv.backward_weight(upsampled(values), gy);
  }
  Values backward_bias(Values const& gy) const { return conv.backward_bias(gy); }
};

}  // namespace test::reference
