// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <vector>

#include <heliograd/io/picture.hpp>

/// \file
/// What pictures of a corona are made of: maps with lines on them, and the disk with field lines.
namespace pfss {

/// A piece of a line on a map: places in columns and rows, middles of pixels at whole numbers.
struct Segment {
  double x0, y0, x1, y1;
};

/// Where a map that goes around the Sun changes its sign, cell by cell (marching squares, linear in between).
std::vector<Segment> zero_contour(std::vector<double> const& values, std::size_t rows, std::size_t columns);

/// Directions on the unit sphere of the middles of segments on a map of equal steps in sine latitude.
std::vector<std::array<double, 3>> directions(std::vector<Segment> const& segments, std::size_t rows,
                                              std::size_t columns);

/// The mean, over both sets, of the angle to the nearest member of the other, degrees; NaN if one is empty.
double mean_distance(std::vector<std::array<double, 3>> const& a, std::vector<std::array<double, 3>> const& b);

/// A soft-edged line of `width` pixels.
void draw_line(heliograd::io::Picture& picture, double x0, double y0, double x1, double y1, double width,
               heliograd::io::Rgb colour, double cover = 1);

/// A map, `width` pixels wide and half as high, north up, with its name above, segments on it and a colour bar below.
struct MapPanel {
  std::string label;
  std::vector<double> const* values = nullptr;
  double range = 1;  ///< colours from -range to range
  heliograd::io::Stretch stretch = heliograd::io::Stretch::linear;
  heliograd::io::ColourMap map = heliograd::io::ColourMap::magnetic;
  std::string unit = "G";
  std::vector<Segment> const* lines = nullptr;
};
heliograd::io::Picture draw_maps(std::vector<MapPanel> const& panels, std::size_t rows, std::size_t columns,
                                 std::string const& title, std::string const& note, std::size_t width = 900);

/// Field lines seen from far away over one longitude, above a magnetogram on the Sun's disk.
struct LinePath {
  std::vector<float> const* points;  ///< x, y, z each
  int polarity;
};
heliograd::io::Picture draw_corona(std::vector<double> const& boundary, std::size_t rows, std::size_t columns,
                                   double range, std::vector<LinePath> const& lines, double longitude, double rss,
                                   std::string const& title, std::size_t side = 900);

/// The value that a fraction of all absolute values lies below, made round; at least a little above zero.
double round_range(std::vector<double> const& values, double fraction);

}  // namespace pfss
