// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include <heliograd/base/error.hpp>
#include <heliograd/core/random.hpp>

/// \file
/// The symmetries of magnetograms, on the host: turned upside down, mirrored or with their polarities exchanged they are
/// magnetograms again. Input and target of a pair are treated alike.
namespace heliograd::inline HELIOGRAD_ABI::data {

/// Which symmetries are applied.
struct Symmetry {
  bool polarity = false;     ///< fields change sign
  bool north_south = false;  ///< rows in reverse order
  bool east_west = false;    ///< columns in reverse order
  bool operator==(Symmetry const&) const = default;
};

/// Each with probability one half.
inline Symmetry draw_symmetry(Rng& rng) {
  Symmetry symmetry;
  symmetry.polarity = rng.coin();
  symmetry.north_south = rng.coin();
  symmetry.east_west = rng.coin();
  return symmetry;
}

/// A rectangle of an image. It may reach beyond the image.
struct Window {
  std::ptrdiff_t y = 0;
  std::ptrdiff_t x = 0;
  std::size_t height = 0;
  std::size_t width = 0;
  bool operator==(Window const&) const = default;
};

/// A window of the given size inside an image, or reaching up to `margin` pixels beyond its border; every place is equally
/// likely.
/// Throws   ShapeError if the image with its margin is smaller than the window.
inline Window draw_window(Rng& rng, std::size_t image_height, std::size_t image_width, std::size_t height,
                          std::size_t width, std::size_t margin = 0) {
  expect_shape(height <= image_height + 2 * margin && width <= image_width + 2 * margin,
               "draw_window: a window of " + std::to_string(height) + " x " + std::to_string(width) +
                   " pixels does not fit an image of " + std::to_string(image_height) + " x " +
                   std::to_string(image_width));
  auto const place = [&](std::size_t image, std::size_t window) {
    return static_cast<std::ptrdiff_t>(rng.below(image + 2 * margin - window + 1)) -
           static_cast<std::ptrdiff_t>(margin);
  };
  std::ptrdiff_t const y = place(image_height, height);
  std::ptrdiff_t const x = place(image_width, width);
  return {y, x, height, width};
}

/// Copies a window of an image [h, w, c], under a symmetry, to `to` [window.height, window.width, c].
///
/// `signed_channels` has one bit per channel, the lowest for channel 0: fields change sign with the polarity, other channels
/// (distance from the disk's centre, intensities) do not. Outside the image the window holds `outside`, whatever the
/// polarity.
template <class T>
void cut(T const* image, std::size_t image_height, std::size_t image_width, std::size_t channels, Window const& window,
         Symmetry const& symmetry, std::uint64_t signed_channels, T outside, T* to) {
  expect(channels <= 64, "cut: at most 64 channels, found " + std::to_string(channels));
  for (std::size_t row = 0; row < window.height; ++row) {
    std::ptrdiff_t const y =
        window.y + static_cast<std::ptrdiff_t>(symmetry.north_south ? window.height - 1 - row : row);
    bool const row_inside = y >= 0 && y < static_cast<std::ptrdiff_t>(image_height);
    for (std::size_t column = 0; column < window.width; ++column) {
      std::ptrdiff_t const x =
          window.x + static_cast<std::ptrdiff_t>(symmetry.east_west ? window.width - 1 - column : column);
      bool const inside = row_inside && x >= 0 && x < static_cast<std::ptrdiff_t>(image_width);
      T const* const from =
          inside ? image + (static_cast<std::size_t>(y) * image_width + static_cast<std::size_t>(x)) * channels
                 : nullptr;
      for (std::size_t c = 0; c < channels; ++c, ++to) {
        bool const negate = symmetry.polarity && (signed_channels >> c & 1);
        *to = !inside ? outside : negate ? -from[c] : from[c];
      }
    }
  }
}

}  // namespace heliograd::inline HELIOGRAD_ABI::data
