// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <cmath>
#include <cstddef>
#include <type_traits>

#include <heliograd/core/shape.hpp>
#include <heliograd/core/tensor.hpp>

/// \file
/// Where the pixels of a warped image come from.
///
/// A map of positions is any functor `Position operator()(std::size_t n, std::size_t p, std::size_t q) const`, callable on the
/// device: for output pixel (p, q) of image n the place in the input image. Two are here; an instrument's or a planet's
/// geometry makes others. One that looks at n has a member `per_image` that is true.
namespace heliograd::inline HELIOGRAD_ABI {

/// A place in an image in pixels from 0, the centres of pixels on whole numbers. Row first, as tensors have it.
struct Position {
  double y = 0;
  double x = 0;
};

/// A linear map and an offset: y = yy p + yx q + y0, x = xy p + xx q + x0. Nothing is stored per pixel.
struct AffineMap {
  double yy = 1, yx = 0, y0 = 0;
  double xy = 0, xx = 1, x0 = 0;

  KOKKOS_FUNCTION Position operator()(std::size_t, std::size_t p, std::size_t q) const {
    double const row = static_cast<double>(p);
    double const column = static_cast<double>(q);
    // Not left to the compiler: forward and backward must agree on which pixel a position lies.
    return {Kokkos::fma(yy, row, Kokkos::fma(yx, column, y0)), Kokkos::fma(xy, row, Kokkos::fma(xx, column, x0))};
  }

  /// The map that undoes this one.
  AffineMap inverse() const {
    double const determinant = yy * xx - yx * xy;
    AffineMap map{xx / determinant, -yx / determinant, 0, -xy / determinant, yy / determinant, 0};
    map.y0 = -(map.yy * y0 + map.yx * x0);
    map.x0 = -(map.xy * y0 + map.xx * x0);
    return map;
  }
};

/// The positions that turn an image by `angle_rad`, from the direction of growing columns to that of growing rows
/// (counter-clockwise where row 0 is at the bottom, as solar images are shown), and magnify it by `scale`, bringing its
/// point `from` to the point `to` of the result.
inline AffineMap rotation(double angle_rad, double scale, Position const& from, Position const& to) {
  double const c = std::cos(angle_rad) / scale;
  double const s = std::sin(angle_rad) / scale;
  return {c, -s, from.y - c * to.y + s * to.x, s, c, from.x - s * to.y - c * to.x};
}

/// The middle of an image.
inline Position middle(std::size_t height, std::size_t width) {
  return {(static_cast<double>(height) - 1) / 2, (static_cast<double>(width) - 1) / 2};
}

/// Positions from memory, [p, q, 2] for all images or [n, p, q, 2]: row, column. In double or single precision.
template <class Coordinate>
struct PositionField {
  Coordinate const* at = nullptr;
  std::size_t height = 0;
  std::size_t width = 0;
  bool per_image = false;

  KOKKOS_FUNCTION std::size_t index(std::size_t n, std::size_t p, std::size_t q) const {
    return 2 * (((per_image ? n : 0) * height + p) * width + q);
  }
  KOKKOS_FUNCTION Position operator()(std::size_t n, std::size_t p, std::size_t q) const {
    std::size_t const i = index(n, p, q);
    return {static_cast<double>(at[i]), static_cast<double>(at[i + 1])};
  }
};

/// The field in a row-major view [p, q, 2] or [n, p, q, 2]; one image's positions are used for all.
template <class View>
auto position_field(View const& view) {
  constexpr int rank = static_cast<int>(View::rank());
  static_assert(rank == 3 || rank == 4, "heliograd::position_field: positions are [p, q, 2] or [n, p, q, 2]");
  static_assert(std::is_same_v<typename View::array_layout, Kokkos::LayoutRight>,
                "heliograd::position_field: the view must be row-major");
  using Coordinate = typename View::non_const_value_type;
  return PositionField<Coordinate>{view.data(), view.extent(rank - 3), view.extent(rank - 2),
                                   rank == 4 && view.extent(0) != 1};
}

}  // namespace heliograd::inline HELIOGRAD_ABI
