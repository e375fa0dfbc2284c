// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>
#include <vector>

#include <heliograd/kernel/conv2d.hpp>

/// \file
/// Convolution as its definition reads: loops in double precision over every product x * weight -> y. The gradients run
/// through the same products.
namespace test::reference {

/// Where position `i` of a padded row of `n` pixels takes its value from; -1: a zero. Written by walking, one step at a time.
inline int source(int i, int n, heliograd::PaddingMode mode) {
  using enum heliograd::PaddingMode;
  if (mode == periodic) return ((i % n) + n) % n;
  if (mode == replicate) return i < 0 ? 0 : i >= n ? n - 1 : i;
  if (mode == reflect) {
    int at = 0;
    int step = n > 1 ? 1 : 0;
    for (int k = 0; k < (i < 0 ? -i : i); ++k) {
      if (at + step < 0 || at + step >= n) step = -step;
      at += step;
    }
    return at;
  }
  return i < 0 || i >= n ? -1 : i;
}

struct Conv2d {
  heliograd::Shape<4> x, weight, y;
  heliograd::Conv2dOptions options;

  Conv2d(heliograd::Shape<4> const& x_shape, heliograd::Shape<4> const& weight_shape, heliograd::Conv2dOptions const& o)
      : x(x_shape), weight(weight_shape), options(o) {
    auto const out = [&](std::size_t extent, int before, int after, std::size_t filter) {
      std::size_t const span = (filter - 1) * static_cast<std::size_t>(o.dilation) + 1;
      return (extent + static_cast<std::size_t>(before + after) - span) / static_cast<std::size_t>(o.stride) + 1;
    };
    y = {x[0], out(x[1], o.padding.top, o.padding.bottom, weight[0]),
         out(x[2], o.padding.left, o.padding.right, weight[1]), weight[3]};
  }

  /// Calls visit(x index, weight index, y index) for every product.
  template <class Visit>
  void for_each_product(Visit const& visit) const {
    int const stride = options.stride;
    int const dilation = options.dilation;
    std::size_t const in_group = weight[2];
    std::size_t const out_group = weight[3] / static_cast<std::size_t>(options.groups);
    for (std::size_t n = 0; n < y[0]; ++n)
      for (std::size_t p = 0; p < y[1]; ++p)
        for (std::size_t q = 0; q < y[2]; ++q)
          for (std::size_t i = 0; i < weight[0]; ++i)
            for (std::size_t j = 0; j < weight[1]; ++j) {
              int const h = source(static_cast<int>(p) * stride + static_cast<int>(i) * dilation - options.padding.top,
                                   static_cast<int>(x[1]), options.mode);
              int const w = source(static_cast<int>(q) * stride + static_cast<int>(j) * dilation - options.padding.left,
                                   static_cast<int>(x[2]), options.mode);
              if (h < 0 || w < 0) continue;
              std::size_t const pixel = (n * x[1] + static_cast<std::size_t>(h)) * x[2] + static_cast<std::size_t>(w);
              for (std::size_t c = 0; c < in_group; ++c)
                for (std::size_t o = 0; o < y[3]; ++o)
                  visit(pixel * x[3] + o / out_group * in_group + c, ((i * weight[1] + j) * in_group + c) * y[3] + o,
                        ((n * y[1] + p) * y[2] + q) * y[3] + o);
            }
  }

  using Values = std::vector<double>;

  Values forward(Values const& x_values, Values const& weights, Values const& bias) const {
    Values result(y.size());
    for (std::size_t k = 0; k < result.size(); ++k) result[k] = bias.empty() ? 0.0 : bias[k % y[3]];
    for_each_product([&](std::size_t a, std::size_t b, std::size_t c) { result[c] += x_values[a] * weights[b]; });
    return result;
  }
  Values backward_data(Values const& gy, Values const& weights) const {
    Values result(x.size());
    for_each_product([&](std::size_t a, std::size_t b, std::size_t c) { result[a] += gy[c] * weights[b]; });
    return result;
  }
  Values backward_weight(Values const& x_values, Values const& gy) const {
    Values result(weight.size());
    for_each_product([&](std::size_t a, std::size_t b, std::size_t c) { result[b] += gy[c] * x_values[a]; });
    return result;
  }
  Values backward_bias(Values const& gy) const {
    Values result(y[3]);
    for (std::size_t k = 0; k < gy.size(); ++k) result[k % y[3]] += gy[k];
    return result;
  }
};

}  // namespace test::reference
