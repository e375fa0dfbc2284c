// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>
#include <vector>

#include <heliograd/core/workspace.hpp>
#include "network.hpp"

/// \file
/// Small work on images on the host.
namespace super_resolution {

struct Image {
  std::size_t height = 0;
  std::size_t width = 0;
  std::vector<float> gauss;  ///< [height][width]
  float at(std::size_t y, std::size_t x) const { return gauss[y * width + x]; }
};

/// No field on the Sun is stronger; beyond it a value is missing, whatever the file says.
inline constexpr float strongest_field = 20000;

/// Sets pixels without a usable value to zero and returns how many there were.
std::size_t fill_missing(Image& image);

/// The part between two corners.
Image part(Image const& image, std::size_t y0, std::size_t y1, std::size_t x0, std::size_t x1);

/// The first rows and columns.
Image cropped(Image const& image, std::size_t height, std::size_t width);

/// Without `border` pixels at every edge.
Image cut(Image const& image, std::size_t border);

/// Moved by whole pixels; edges repeat.
Image moved(Image const& image, int dy, int dx);

/// The means of side x side blocks; the image must consist of whole ones.
Image binned(Image const& image, std::size_t side);

/// Magnified by Keys' bicubic kernel and divided: the baseline.
Image bicubic(heliograd::Workspace<Backend>& ws, Image const& image, std::size_t factor, double divisor,
              double cubic = -0.75);

}  // namespace super_resolution
