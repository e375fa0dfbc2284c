// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>
#include <vector>

#include <heliograd/kernel/conv_transpose2d.hpp>

/// \file
/// Transposed convolution as its definition reads: every pixel of x throws its filter onto y.
namespace test::reference {

struct ConvTranspose2d {
  heliograd::Shape<4> x, weight, y;
  heliograd::ConvTranspose2dOptions options;

  ConvTranspose2d(heliograd::Shape<4> const& x_shape, heliograd::Shape<4> const& weight_shape,
                  heliograd::ConvTranspose2dOptions const& o)
      : x(x_shape), weight(weight_shape), options(o) {
    auto const out = [&](std::size_t extent, int before, int after, std::size_t filter) {
      return (extent - 1) * static_cast<std::size_t>(o.stride) + (filter - 1) * static_cast<std::size_t>(o.dilation) +
             1 + static_cast<std::size_t>(o.output_padding) - static_cast<std::size_t>(before + after);
    };
    y = {x[0], out(x[1], o.padding.top, o.padding.bottom, weight[0]),
         out(x[2], o.padding.left, o.padding.right, weight[1]), weight[2] * static_cast<std::size_t>(o.groups)};
  }

  using Values = std::vector<double>;

  Values forward(Values const& x_values, Values const& weights, Values const& bias) const {
    Values result(y.size());
    for (std::size_t k = 0; k < result.size(); ++k) result[k] = bias.empty() ? 0.0 : bias[k % y[3]];
    std::size_t const in_group = x[3] / static_cast<std::size_t>(options.groups);
    for (std::size_t n = 0; n < x[0]; ++n)
      for (std::size_t p = 0; p < x[1]; ++p)
        for (std::size_t q = 0; q < x[2]; ++q)
          for (std::size_t i = 0; i < weight[0]; ++i)
            for (std::size_t j = 0; j < weight[1]; ++j) {
              int const row =
                  static_cast<int>(p) * options.stride + static_cast<int>(i) * options.dilation - options.padding.top;
              int const column =
                  static_cast<int>(q) * options.stride + static_cast<int>(j) * options.dilation - options.padding.left;
              if (row < 0 || row >= static_cast<int>(y[1]) || column < 0 || column >= static_cast<int>(y[2])) continue;
              std::size_t const pixel =
                  (n * y[1] + static_cast<std::size_t>(row)) * y[2] + static_cast<std::size_t>(column);
              for (std::size_t o = 0; o < weight[2]; ++o)
                for (std::size_t c = 0; c < x[3]; ++c)
                  result[pixel * y[3] + c / in_group * weight[2] + o] +=
                      x_values[((n * x[1] + p) * x[2] + q) * x[3] + c] *
                      weights[((i * weight[1] + j) * weight[2] + o) * x[3] + c];
            }
    return result;
  }
};

}  // namespace test::reference
