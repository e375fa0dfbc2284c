// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>
#include <string>
#include <vector>

/// \file
/// How good a magnetogram is, in the four numbers that training watches; `evaluate` measures more.
namespace super_resolution {

struct Scores {
  double correlation = 0;  ///< Pearson
  double rmse = 0;         ///< gauss
  double gradient = 0;     ///< gauss per pixel: mean length of the Sobel gradient (divided by 8) of the difference
  double extremes = 0;     ///< gauss: mean error of the largest and smallest value in tiles of 32 x 32 pixels
};

/// Compares two images [height][width] in gauss, leaving out `border` pixels at every edge.
Scores compare(std::vector<float> const& prediction, std::vector<float> const& truth, std::size_t height,
               std::size_t width, std::size_t border = 8);

/// The mean of the four errors (1 - correlation for the first) as shares of those of a baseline: below 1 is better than it.
double relative(Scores const& scores, Scores const& baseline);

/// "CC 0.9784  RMSE 30.5 G  gradient 11.02 G  extremes 86.1 G"
std::string text(Scores const& scores);

}  // namespace super_resolution
