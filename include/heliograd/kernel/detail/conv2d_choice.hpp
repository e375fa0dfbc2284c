// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstdint>
#include <string>

#include <heliograd/base/error.hpp>
#include <heliograd/kernel/conv2d_options.hpp>
#include <heliograd/kernel/detail/conv2d_geometry.hpp>

/// \file
/// Which algorithm computes a convolution on hosts.
namespace heliograd::inline HELIOGRAD_ABI::kernel::detail {

/// A row of the table: what an algorithm serves, and from where on it is the faster one.
struct ConvChoice {
  ConvAlgorithm algorithm;
  char const* serves;
  int smallest_filter, largest_filter;  ///< square ones, without dilation
  int stride;
  bool padded;            ///< whether there may be padding
  ConvAccuracy accuracy;  ///< what `automatic` must be allowed
  int fewest_channels;    ///< and needs, on either side of a group
  int fewest_pixels;      ///< and in an image of y
};

/// The first row that fits is taken; `direct` serves what is left.
inline constexpr ConvChoice conv_choices[] = {
    {ConvAlgorithm::gemm, "1 x 1 filters of stride 1 without padding", 1, 1, 1, false, ConvAccuracy::strict, 1, 1},
    {ConvAlgorithm::winograd_f4, "3 x 3 filters of stride 1", 3, 3, 1, true, ConvAccuracy::fast, 16, 1024},
    {ConvAlgorithm::winograd_f2, "3 x 3 filters of stride 1", 3, 3, 1, true, ConvAccuracy::strict, 16, 16},
    {ConvAlgorithm::polyphase, "4 x 4 to 6 x 6 filters of stride 2", 4, 6, 2, true, ConvAccuracy::strict, 32, 1024},
};

inline bool serves(ConvChoice const& choice, Conv2dGeometry const& g) {
  return g.filter_height == g.filter_width && g.filter_height >= choice.smallest_filter &&
         g.filter_height <= choice.largest_filter && g.stride == choice.stride &&
         (g.dilation == 1 || g.filter_height == 1) && (choice.padded || g.padding == Padding2d(0));
}

/// The algorithm that the options name, if it serves this geometry; else the first of the table that pays.
inline ConvAlgorithm choose(Conv2dGeometry const& g, Conv2dOptions const& options) {
  if (options.algorithm == ConvAlgorithm::direct) return ConvAlgorithm::direct;
  for (ConvChoice const& choice : conv_choices) {
    if (options.algorithm == choice.algorithm) {
      expect(serves(choice, g), "conv2d: " + to_string(choice.algorithm) + " serves undilated " + choice.serves +
                                    " (found " + std::to_string(g.filter_height) + " x " +
                                    std::to_string(g.filter_width) + ", stride " + std::to_string(g.stride) +
                                    ", dilation " + std::to_string(g.dilation) + "); use ConvAlgorithm::automatic");
      return choice.algorithm;
    }
    if (options.algorithm == ConvAlgorithm::automatic && options.accuracy >= choice.accuracy && serves(choice, g) &&
        g.in_channels >= choice.fewest_channels && g.out_channels >= choice.fewest_channels &&
        static_cast<std::int64_t>(g.out_height) * g.out_width >= choice.fewest_pixels)
      return choice.algorithm;
  }
  return ConvAlgorithm::direct;
}

}  // namespace heliograd::inline HELIOGRAD_ABI::kernel::detail
