// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <cmath>
#include <cstddef>
#include <string>

#include <heliograd/base/error.hpp>
#include <heliograd/physics/ephemeris.hpp>
#include <heliograd/physics/observer.hpp>

/// \file
/// Maps of the Sun in longitude and latitude, whole or in part.
namespace heliograd::inline HELIOGRAD_ABI::physics {

enum class MapProjection {
  equal_area,   ///< rows are steps of sine latitude (cylindrical equal area, CEA)
  plate_carree  ///< rows are steps of latitude (CAR)
};

/// A cylindrical map: pixel (x, y), counted from 0 with centres on whole numbers, shows longitude
/// longitude_rad + longitude_step_rad x and, on its axis of rows, the number row + row_step y: sine latitude or latitude.
///
/// With a `tilt` the cylinder does not touch the equator but the great circle through (middle_rad, tilt) at right angles to the
/// meridian: maps of an active region without distortion at their centre (SHARP: Sun, arXiv:1309.2392).
struct MapGrid {
  MapProjection projection = MapProjection::equal_area;
  std::size_t width = 360;
  std::size_t height = 180;
  double longitude_rad = 0;  ///< of the first column's centre
  double longitude_step_rad = degree;
  double row = 0;  ///< of the first row's centre
  double row_step = 0;
  double middle_rad = 0;  ///< longitude where the cylinder touches at `tilt_rad`; of no account without a tilt
  double tilt_rad = 0;

  /// A map of the whole Sun whose first column begins at a longitude; row 0 is southernmost.
  static MapGrid whole_sun(MapProjection projection, std::size_t width, std::size_t height, double left_edge_rad = 0) {
    expect(width > 0 && height > 0, "MapGrid::whole_sun: the map needs pixels");
    MapGrid grid;
    grid.projection = projection;
    grid.width = width;
    grid.height = height;
    grid.longitude_step_rad = 2 * pi / static_cast<double>(width);
    grid.longitude_rad = left_edge_rad + 0.5 * grid.longitude_step_rad;
    double const most = projection == MapProjection::equal_area ? 1 : pi / 2;
    grid.row_step = 2 * most / static_cast<double>(height);
    grid.row = -most + 0.5 * grid.row_step;
    return grid;
  }

  /// True if the columns go once around the Sun, so that the first follows the last.
  bool goes_round() const {
    return tilt_rad == 0 && std::abs(std::abs(longitude_step_rad) * static_cast<double>(width) - 2 * pi) <
                                1e-3 * std::abs(longitude_step_rad);
  }

  /// The same part of the Sun in pixels 1/n as wide and high.
  MapGrid refined(std::size_t n) const {
    MapGrid grid = *this;
    double const first = 0.5 / static_cast<double>(n) - 0.5;
    grid.width = width * n;
    grid.height = height * n;
    grid.longitude_rad += first * longitude_step_rad;
    grid.row += first * row_step;
    grid.longitude_step_rad /= static_cast<double>(n);
    grid.row_step /= static_cast<double>(n);
    return grid;
  }

  /// The place on the Sun that a map point shows; NaN beyond a pole.
  KOKKOS_FUNCTION SurfacePoint surface(double x, double y) const {
    double const on_axis = row + row_step * y;
    double const longitude = longitude_rad + longitude_step_rad * x;
    bool const equal_area = projection == MapProjection::equal_area;
    if (!(Kokkos::fabs(on_axis) <= (equal_area ? 1 : pi / 2) * (1 + 1e-9))) return {missing, missing};
    double const s = equal_area ? within(on_axis, 1) : 0;
    double const latitude = equal_area ? Kokkos::asin(s) : within(on_axis, pi / 2);
    return tilt_rad == 0 ? SurfacePoint{longitude, latitude} : tilted({longitude, latitude}, tilt_rad);
  }

  /// Where a place on the Sun lies in the map, the longitude taken nearest to the map's middle. It may lie outside.
  KOKKOS_FUNCTION ImagePoint image(SurfacePoint const& at) const {
    SurfacePoint const p = tilt_rad == 0 ? at : tilted(at, -tilt_rad);
    double const center = longitude_rad + 0.5 * longitude_step_rad * (static_cast<double>(width) - 1);
    double offset = p.longitude_rad - center;
    offset -= 2 * pi * Kokkos::floor(offset / (2 * pi) + 0.5);
    double const on_axis = projection == MapProjection::equal_area ? Kokkos::sin(p.latitude_rad) : p.latitude_rad;
    return {offset / longitude_step_rad + 0.5 * (static_cast<double>(width) - 1), (on_axis - row) / row_step, 1};
  }

  /// The cosine of latitude per step on the axis of rows: the area of the pixels of a row in units of the solar radius squared.
  KOKKOS_FUNCTION double area(double y) const {
    double const cell = Kokkos::fabs(longitude_step_rad * row_step);
    return projection == MapProjection::equal_area ? cell : cell * Kokkos::cos(row + row_step * y);
  }

 private:
  KOKKOS_FUNCTION static double within(double value, double most) {
    return value > most ? most : value < -most ? -most : value;
  }
  /// Turned about the axis through the equator at middle_rad + 90 degrees, northwards by `angle` at middle_rad.
  KOKKOS_FUNCTION SurfacePoint tilted(SurfacePoint const& at, double angle) const {
    double const s = Kokkos::sin(angle), c = Kokkos::cos(angle);
    double const west = at.longitude_rad - middle_rad;
    double const cosine = Kokkos::cos(at.latitude_rad);
    double const x = cosine * Kokkos::cos(west), y = cosine * Kokkos::sin(west), z = Kokkos::sin(at.latitude_rad);
    double const forward = c * x - s * z, up = s * x + c * z;
    return {middle_rad + Kokkos::atan2(y, forward), Kokkos::atan2(up, Kokkos::sqrt(forward * forward + y * y))};
  }
};

/// Reads the grid of a map of NAXIS1 x NAXIS2 pixels from its header.
///
/// Understood are CTYPEn CRLN-CEA, CRLT-CEA and CRLN-CAR, CRLT-CAR with CRPIXn, CRVALn, CDELTn. Rows of CEA maps count degrees
/// of (180/pi) sine latitude, as FITS has it, or sine latitude itself (GONG has no CUNIT2; HMI says 'Sine Latitude' or
/// 'sin(deg)'). CRVAL1 beyond 720 is Carrington time, 360 (rotation) - longitude, which falls where longitude grows (HMI).
/// CRVAL2 other than 0 tilts a CEA map in degrees (SHARP).
///
/// Throws   InputError naming `file` and the keyword.
template <class Header>
MapGrid map_grid_from(Header const& header, std::size_t width, std::size_t height, std::string const& file) {
  auto const refuse = [&](std::string const& what) {
    throw InputError(file + ": " + what + "; give a map with CTYPE1 CRLN-CEA or CRLN-CAR");
  };
  auto const need = [&](std::string const& key) {
    auto const value = header.real(key);
    if (!value || !(std::abs(*value) < 1e9)) refuse("has no number for " + key);
    return *value;
  };
  MapGrid grid;
  grid.width = width;
  grid.height = height;
  std::string const type1 = header.text("CTYPE1").value_or(""), type2 = header.text("CTYPE2").value_or("");
  auto const is = [](std::string const& word, char const* start, char const* end) {
    return word.starts_with(start) && word.find(end) != std::string::npos;
  };
  if (is(type1, "CRLN", "CEA") && is(type2, "CRLT", "CEA"))
    grid.projection = MapProjection::equal_area;
  else if (is(type1, "CRLN", "CAR") && is(type2, "CRLT", "CAR"))
    grid.projection = MapProjection::plate_carree;
  else
    refuse("is no map in Carrington coordinates (found CTYPE1 '" + type1.substr(0, 20) + "', CTYPE2 '" +
           type2.substr(0, 20) + "')");
  double const x = need("CRPIX1") - 1, y = need("CRPIX2") - 1;
  double value1 = need("CRVAL1"), step1 = need("CDELT1");
  double const value2 = header.real("CRVAL2").value_or(0), step2 = need("CDELT2");
  if (step1 == 0 || step2 == 0) refuse("has a CDELT of zero");
  if (std::abs(value1) > 720) value1 = -value1, step1 = -step1;  // Carrington time
  value1 = std::fmod(value1, 360.0);
  grid.longitude_step_rad = step1 * degree;
  grid.longitude_rad = (value1 - step1 * x) * degree;

  std::string unit = header.text("CUNIT2").value_or("");
  for (char& c : unit)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
  double const extent = std::abs(step2) * static_cast<double>(height);
  bool const sine = grid.projection == MapProjection::equal_area &&
                    (unit.find("sin") != std::string::npos || (extent < 2.01 && (unit.empty() || grid.goes_round())));
  double const factor = sine ? 1 : degree;
  grid.row_step = step2 * factor;
  if (grid.projection == MapProjection::equal_area && !sine && value2 != 0) {
    grid.tilt_rad = value2 * degree;
    grid.middle_rad = value1 * degree;
    grid.row = -grid.row_step * y;
  } else {
    grid.row = value2 * factor - grid.row_step * y;
  }
  double const most = grid.projection == MapProjection::equal_area ? 1 : pi / 2;
  double const last = grid.row + grid.row_step * (static_cast<double>(height) - 1);
  if (!(std::abs(grid.row) < 1.02 * most && std::abs(last) < 1.02 * most))
    refuse("CRPIX2 and CDELT2 lead beyond a pole");
  return grid;
}

}  // namespace heliograd::inline HELIOGRAD_ABI::physics
