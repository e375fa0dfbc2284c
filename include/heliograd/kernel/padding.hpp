// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <algorithm>
#include <string>

#include <heliograd/base/config.hpp>
#include <heliograd/base/error.hpp>

namespace heliograd::inline HELIOGRAD_ABI {

/// What lies outside an image, in the letters of a row a b c d:
///   zero       0 0 | a b c d | 0 0
///   reflect    c b | a b c d | c b     (the edge is not repeated)
///   replicate  a a | a b c d | d d
///   periodic   c d | a b c d | a b     (solar longitude)
enum class PaddingMode { zero, reflect, replicate, periodic };

inline std::string to_string(PaddingMode mode) {
  switch (mode) {
    case PaddingMode::zero: return "zero";
    case PaddingMode::reflect: return "reflect";
    case PaddingMode::replicate: return "replicate";
    case PaddingMode::periodic: return "periodic";
  }
  return "unknown";
}

/// How many pixels are added on each side of an image. One number means the same on all four.
struct Padding2d {
  int top = 0;
  int bottom = 0;
  int left = 0;
  int right = 0;

  constexpr Padding2d() = default;
  constexpr Padding2d(int all) : top(all), bottom(all), left(all), right(all) {}
  constexpr Padding2d(int t, int b, int l, int r) : top(t), bottom(b), left(l), right(r) {}

  bool operator==(Padding2d const&) const = default;
};

namespace kernel {

/// Which of the `extent` real pixels stands at `position`; -1 means a zero. Positions before the first pixel are negative.
KOKKOS_INLINE_FUNCTION int padded_source(int position, int extent, PaddingMode mode) {
  if (position >= 0 && position < extent) return position;
  switch (mode) {
    case PaddingMode::zero: return -1;
    case PaddingMode::reflect: return position < 0 ? -position : 2 * (extent - 1) - position;
    case PaddingMode::replicate: return position < 0 ? 0 : extent - 1;
    case PaddingMode::periodic: return position < 0 ? position + extent : position - extent;
  }
  return -1;
}

/// The positions at which one real pixel stands, itself included: three ranges [begin, end), in ascending order.
struct PaddedImages {
  int begin[3];
  int end[3];

  /// The pixel is repeated nowhere.
  KOKKOS_FUNCTION bool alone() const { return begin[0] == end[0] && begin[2] == end[2]; }
};

/// The inverse of padded_source: gradients of the padding are gathered over these positions.
KOKKOS_INLINE_FUNCTION PaddedImages padded_images(int pixel, int extent, int before, int after, PaddingMode mode) {
  PaddedImages images{{0, pixel, 0}, {0, pixel + 1, 0}};
  auto const one = [&images](int range, int position) {
    images.begin[range] = position;
    images.end[range] = position + 1;
  };
  switch (mode) {
    case PaddingMode::zero: break;
    case PaddingMode::reflect:
      if (pixel >= 1 && pixel <= before) one(0, -pixel);
      if (pixel <= extent - 2 && 2 * (extent - 1) - pixel < extent + after) one(2, 2 * (extent - 1) - pixel);
      break;
    case PaddingMode::replicate:
      if (pixel == 0) images.begin[0] = -before;
      if (pixel == extent - 1) {
        images.begin[2] = extent;
        images.end[2] = extent + after;
      }
      break;
    case PaddingMode::periodic:
      if (pixel - extent >= -before) one(0, pixel - extent);
      if (pixel + extent < extent + after) one(2, pixel + extent);
      break;
  }
  return images;
}

/// Throws ShapeError where `mode` cannot supply so many pixels: a reflection needs as many neighbours, a period as many pixels.
inline void expect_padding(std::string const& op, Padding2d const& padding, PaddingMode mode, std::size_t height,
                           std::size_t width) {
  int const smallest = std::min({padding.top, padding.bottom, padding.left, padding.right});
  expect(smallest >= 0,
         op + ": padding is negative (found " + std::to_string(smallest) + ", expected 0 or more); crop instead");
  if (mode == PaddingMode::zero || mode == PaddingMode::replicate) return;
  std::size_t const rows = static_cast<std::size_t>(std::max(padding.top, padding.bottom));
  std::size_t const columns = static_cast<std::size_t>(std::max(padding.left, padding.right));
  std::size_t const more = mode == PaddingMode::reflect ? 1 : 0;
  bool const fits = (rows == 0 || rows + more <= height) && (columns == 0 || columns + more <= width);
  expect_shape(fits, op + ": " + to_string(mode) + " padding of " + std::to_string(rows) + " rows and " +
                         std::to_string(columns) + " columns does not fit an image of " + std::to_string(height) +
                         " x " + std::to_string(width) + "; use replicate or zero, or a larger image");
}

}  // namespace kernel
}  // namespace heliograd::inline HELIOGRAD_ABI
