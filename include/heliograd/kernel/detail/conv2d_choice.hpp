// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
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
  bool (*can)(Conv2dGeometry const&);
  ConvAccuracy accuracy;  ///< what `automatic` must be allowed
  int fewest_channels;    ///< and needs, on either side of a group,
  int fewest_pixels;      ///< in an image of y,
  int fewest_numbers;     ///< and of the fewer channels at all its pixels, for transforms of filters to pay
  int most_pixels = std::numeric_limits<int>::max();
};

/// Few channels on one side of a group and many on the other: at least a vector, whatever the instruction set.
inline constexpr int few_channels = 8;
inline constexpr int many_channels = 16;

inline bool is_thin(Conv2dGeometry const& g) {
  return std::min(g.in_channels, g.out_channels) <= few_channels &&
         std::max(g.in_channels, g.out_channels) >= many_channels;
}

/// A square filter without dilation.
inline bool is_square(Conv2dGeometry const& g, int smallest, int largest, int stride) {
  return g.filter_height == g.filter_width && g.filter_height >= smallest && g.filter_height <= largest &&
         g.stride == stride && g.dilation == 1;
}
inline bool is_plain_3x3(Conv2dGeometry const& g) { return is_square(g, 3, 3, 1); }
inline bool is_plain_4x4(Conv2dGeometry const& g) { return is_square(g, 4, 4, 1); }
inline bool is_halving(Conv2dGeometry const& g) { return is_square(g, 4, 6, 2); }
inline bool is_pointwise(Conv2dGeometry const& g) {
  return g.filter_height == 1 && g.filter_width == 1 && g.stride == 1 && g.padding == Padding2d(0);
}

/// The first row that fits is taken; `direct` serves what is left.
inline constexpr ConvChoice conv_choices[] = {
    {ConvAlgorithm::thin, "up to 8 channels on one side, from 16 on the other", is_thin, ConvAccuracy::strict, 1, 1, 1},
    {ConvAlgorithm::gemm, "1x1 filters of stride 1 without padding", is_pointwise, ConvAccuracy::strict, 1, 1, 1},
    {ConvAlgorithm::winograd_f4, "undilated 3x3 and 4x4 filters of stride 1", is_plain_3x3, ConvAccuracy::fast, 16, 256,
     16384},
    {ConvAlgorithm::winograd_f4, "undilated 3x3 and 4x4 filters of stride 1", is_plain_4x4, ConvAccuracy::fast, 32, 256,
     16384},
    {ConvAlgorithm::winograd_f2, "undilated 3x3 filters of stride 1", is_plain_3x3, ConvAccuracy::strict, 16, 256, 1},
    {ConvAlgorithm::winograd_f2, "undilated 3x3 filters of stride 1", is_plain_3x3, ConvAccuracy::strict, 256, 64, 1},
    {ConvAlgorithm::polyphase_f4, "undilated 4x4 to 6x6 filters of stride 2", is_halving, ConvAccuracy::fast, 32, 64,
     16384},
    {ConvAlgorithm::polyphase, "undilated 4x4 to 6x6 filters of stride 2", is_halving, ConvAccuracy::strict, 32, 64,
     16384},
    {ConvAlgorithm::taps, "zeros around images", is_zero_padded, ConvAccuracy::strict, 256, 1, 1, 64},
};

/// The algorithm that the options name, if it serves this geometry; else the first of the table that pays.
inline ConvAlgorithm choose(Conv2dGeometry const& g, Conv2dOptions const& options) {
  if (options.algorithm == ConvAlgorithm::direct) return ConvAlgorithm::direct;
  bool const automatic = options.algorithm == ConvAlgorithm::automatic;
  char const* serves = nullptr;
  for (ConvChoice const& choice : conv_choices) {
    std::int64_t const pixels = static_cast<std::int64_t>(g.out_height) * g.out_width;
    bool const pays = options.accuracy >= choice.accuracy && g.in_channels >= choice.fewest_channels &&
                      g.out_channels >= choice.fewest_channels && pixels >= choice.fewest_pixels &&
                      pixels * std::min(g.in_channels, g.out_channels) >= choice.fewest_numbers &&
                      pixels <= choice.most_pixels;
    if (!(automatic ? pays : options.algorithm == choice.algorithm)) continue;
    if (choice.can(g)) return choice.algorithm;
    serves = choice.serves;
  }
  expect(automatic || serves == nullptr,
         "conv2d: " + to_string(options.algorithm) + " serves " + (serves != nullptr ? serves : "") + " (found " +
             std::to_string(g.filter_height) + " x " + std::to_string(g.filter_width) + ", stride " +
             std::to_string(g.stride) + ", dilation " + std::to_string(g.dilation) + ", " +
             std::to_string(g.in_channels) + " to " + std::to_string(g.out_channels) +
             " channels); use ConvAlgorithm::automatic");
  return ConvAlgorithm::direct;
}

}  // namespace heliograd::inline HELIOGRAD_ABI::kernel::detail
