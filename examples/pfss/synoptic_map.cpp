// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "synoptic_map.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numbers>

#include <heliograd/base/error.hpp>
#include <heliograd/io/fits.hpp>
#include "commands.hpp"
#include "program.hpp"
#include "units.hpp"

namespace pfss {

namespace hg = heliograd;

namespace {

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return char(std::tolower(c)); });
  return text;
}

std::string number(double value) {
  char text[40];
  std::snprintf(text, sizeof text, "%.9g", value);
  return text;
}

/// A file read so far, and how to complain about it.
struct Source {
  std::string const& file;
  hg::io::FitsHeader const& header;

  [[noreturn]] void refuse(std::string const& what) const { throw hg::InputError(file + ": " + what); }
  std::string text(char const* key) const { return header.text(key).value_or(""); }
  double real(char const* key, double otherwise) const {
    return header.contains(key) ? header.real(key).value_or(otherwise) : otherwise;
  }
};

/// How the rows lie.
enum class Rows { sine, latitude };

/// Sine latitude or latitude, from the coordinate type, the unit and the step; equal-area maps must cover both poles.
Rows rows_of(Source const& source, std::size_t count) {
  std::string const type = source.text("CTYPE2"), unit = lower(source.text("CUNIT2"));
  if (!source.header.contains("CTYPE1") && !source.header.contains("CTYPE2") && !source.header.contains("CDELT2"))
    return Rows::sine;  // the numbers alone: as the models want them
  double const step = std::fabs(source.real("CDELT2", 0));
  double const n = static_cast<double>(count);
  bool const equal_area = type.find("CEA") != std::string::npos || unit.find("sin") != std::string::npos;
  // CDELT2 of such files is the step of sine latitude (GONG, HMI), or, as the standard has it, 180 / pi times that.
  bool const whole_sine = std::fabs(step * n - 2) < 0.02 || std::fabs(step * n * std::numbers::pi / 180 - 2) < 0.02;
  bool const whole_latitude = std::fabs(step * n - 180) < 1.01 * step || std::fabs(step * (n - 1) - 180) < 0.01 * step;
  if (equal_area && whole_sine) return Rows::sine;
  if (!equal_area && whole_latitude) return Rows::latitude;
  source.refuse("does not cover the Sun from pole to pole (found CTYPE2 '" + type + "', CUNIT2 '" + unit +
                "', CDELT2 " + number(source.real("CDELT2", 0)) + " and " + std::to_string(count) +
                " rows, expected equal steps in sine latitude from -1 to 1 or in latitude from -90 to 90)");
}

void fill(std::vector<double>& gauss, std::size_t rows, std::size_t columns, std::string const& missing) {
  std::vector<double> const before = gauss;
  auto const has = [&](std::size_t j, std::size_t i) { return std::isfinite(before[j * columns + i]); };
  for (std::size_t j = 0; j < rows; ++j)
    for (std::size_t i = 0; i < columns; ++i) {
      if (has(j, i)) continue;
      double value = 0;
      if (missing == "nearest")
        for (std::size_t d = 1; d < rows; ++d) {
          bool const south = j >= d && has(j - d, i), north = j + d < rows && has(j + d, i);
          if (!south && !north) continue;
          value = ((south ? before[(j - d) * columns + i] : 0) + (north ? before[(j + d) * columns + i] : 0)) /
                  (south && north ? 2 : 1);
          break;
        }
      gauss[j * columns + i] = value;
    }
}

/// Rows of equal steps in latitude averaged over rows of equal steps in sine latitude; the flux of every column stays.
std::vector<double> to_equal_area(std::vector<double> const& from, std::size_t rows, std::size_t columns,
                                  std::vector<double> const& edges) {
  std::vector<double> to(rows * columns, 0.0);
  double const step = 2 / static_cast<double>(rows);
  for (std::size_t j = 0; j + 1 < edges.size(); ++j) {
    double const low = edges[j], high = edges[j + 1];
    auto first = static_cast<std::size_t>(std::max(0.0, std::floor((low + 1) / step)));
    for (std::size_t k = first; k < rows; ++k) {
      double const south = -1 + static_cast<double>(k) * step;
      double const share = std::min(high, south + step) - std::max(low, south);
      if (share <= 0) {
        if (south >= high) break;
        continue;
      }
      for (std::size_t i = 0; i < columns; ++i) to[k * columns + i] += share / step * from[j * columns + i];
    }
  }
  return to;
}

}  // namespace

SynopticMap read_synoptic_map(std::string const& file, std::string const& missing, bool ignore_checksum) {
  auto const image = hg::io::read_fits<double>(file, {.verify_checksums = !ignore_checksum});
  SynopticMap map;
  map.file = file;
  map.header = image.header;
  Source const source{file, image.header};
  std::string const unit = source.text("BUNIT");
  if (!examples::may_be_gauss(unit))
    source.refuse("is not in gauss (found BUNIT '" + unit + "', expected Gauss or Mx/cm^2); convert it first");

  // Axis 1 is longitude, but for files whose short axis comes first.
  std::size_t columns = image.width, rows = image.height;
  std::vector<double> gauss = image.pixels;
  bool const plain = !source.header.contains("CTYPE1") && !source.header.contains("CDELT1");
  bool swapped = source.text("CTYPE1").find("LT-") != std::string::npos;
  if (plain && image.height > image.width) {  // latitude along axis 1, as POT3D has it: colatitude, poles included
    swapped = true;
  }
  if (swapped) {
    std::vector<double> turned(gauss.size());
    for (std::size_t y = 0; y < rows; ++y)
      for (std::size_t x = 0; x < columns; ++x) turned[x * rows + y] = gauss[y * columns + x];
    gauss = std::move(turned);
    std::swap(columns, rows);
    map.transposed = true;
  }
  if (columns < 4 || rows < 2)
    source.refuse("is too small (found " + std::to_string(columns) + " x " + std::to_string(rows) +
                  " pixels, expected at least 4 x 2)");

  double step = source.real("CDELT1", 0), reference = source.real("CRVAL1", 0);
  double pixel = source.real("CRPIX1", (static_cast<double>(columns) + 1) / 2);
  Rows layout = Rows::sine;
  bool const nodes = plain && columns % 2 == 1 && rows % 2 == 1;  // both ends included
  if (plain) {
    layout = nodes ? Rows::latitude : Rows::sine;
    step = 360 / static_cast<double>(nodes ? columns - 1 : columns);
    reference = nodes ? 0 : 180;
    if (nodes) pixel = 1;
  } else {
    if (swapped) source.refuse("has latitude along axis 1; write it with longitude first");
    layout = rows_of(source, rows);
    if (step == 0) source.refuse("has no step in longitude (CDELT1 is missing or 0)");
  }

  // A last meridian that repeats the first one is dropped.
  double const full = 360 / std::fabs(step);
  if (std::fabs(full - static_cast<double>(columns - 1)) < 0.01 && columns > 8) {
    std::vector<double> shorter(rows * (columns - 1));
    for (std::size_t j = 0; j < rows; ++j) std::copy_n(&gauss[j * columns], columns - 1, &shorter[j * (columns - 1)]);
    gauss = std::move(shorter);
    --columns;
    map.repeated = true;
  } else if (std::fabs(full - static_cast<double>(columns)) > 0.02 * full / 10) {
    source.refuse("does not go around the Sun (found " + std::to_string(columns) + " columns of " + number(step) +
                  " degrees, expected 360 degrees)");
  }

  std::size_t finite = 0;
  for (double const b : gauss) finite += std::isfinite(b) ? 1 : 0;
  map.filled = gauss.size() - finite;
  if (finite == 0) source.refuse("has no pixel with a value");
  if (map.filled > 0 && missing == "refuse")
    source.refuse("has " + std::to_string(map.filled) + " pixels without a value (found NaN, expected a field " +
                  "everywhere); leave --missing at nearest, or choose zero");
  if (4 * finite < 3 * gauss.size())
    source.refuse("has no value in " + std::to_string(map.filled) + " of its " + std::to_string(gauss.size()) +
                  " pixels, too many to make up");
  if (map.filled > 0) fill(gauss, rows, columns, missing);

  // HMI writes Carrington time, 360 per rotation, which falls while longitude rises: the columns run eastwards. Otherwise
  // a negative step means that they run westwards.
  if (step < 0) {
    if (std::fabs(reference) > 720 || source.header.contains("CARRTIME")) {
      reference = -reference;
    } else {
      for (std::size_t j = 0; j < rows; ++j)
        std::reverse(gauss.begin() + std::ptrdiff_t(j * columns), gauss.begin() + std::ptrdiff_t((j + 1) * columns));
      pixel = static_cast<double>(columns) + 1 - pixel;
      map.mirrored = true;
    }
    step = -step;
  }
  if (source.real("CDELT2", nodes ? -1 : 1) < 0) {  // plain files with poles are in colatitude
    for (std::size_t j = 0; j < rows / 2; ++j)
      std::swap_ranges(gauss.begin() + std::ptrdiff_t(j * columns), gauss.begin() + std::ptrdiff_t((j + 1) * columns),
                       gauss.begin() + std::ptrdiff_t((rows - 1 - j) * columns));
    map.turned = true;
  }

  if (layout == Rows::latitude) {
    // With or without rows on the poles.
    bool const with_poles = nodes || std::fabs(std::fabs(source.real("CDELT2", 0)) * double(rows - 1) - 180) < 1e-6;
    double const dlat = 180 / static_cast<double>(with_poles ? rows - 1 : rows);
    double const first = with_poles ? -90 - dlat / 2 : -90;
    std::vector<double> edges(rows + 1);
    for (std::size_t j = 0; j <= rows; ++j)
      edges[j] = std::sin(std::clamp(first + double(j) * dlat, -90.0, 90.0) * std::numbers::pi / 180);
    edges.front() = -1, edges.back() = 1;
    for (std::size_t j = 0; j < rows; ++j)
      map.latitudes.push_back((first + (double(j) + 0.5) * dlat) * std::numbers::pi / 180);
    gauss = to_equal_area(gauss, rows, columns, edges);
  }

  double sum = 0;
  for (double const b : gauss) sum += b;
  map.net_flux = sum / static_cast<double>(gauss.size());
  for (double& b : gauss) b -= map.net_flux;

  // Longitudes count modulo whole turns.
  step = 360 / static_cast<double>(columns);
  double const edge = std::fmod(reference + (0.5 - pixel) * step, 360.0);
  map.first_longitude = edge < 0 ? edge + 360 : edge;
  map.stonyhurst = source.text("CTYPE1").starts_with("HGLN");
  map.rows = rows;
  map.columns = columns;
  map.gauss = std::move(gauss);
  return map;
}

FileImage on_file_grid(SynopticMap const& map, std::vector<double> const& values) {
  std::size_t const rows = map.rows, width = map.columns + (map.repeated ? 1 : 0);
  FileImage image{width, rows, std::vector<double>(rows * width)};
  for (std::size_t j = 0; j < rows; ++j) {
    std::size_t low = j, high = j;
    double part = 0;
    if (!map.latitudes.empty()) {  // linear in sine latitude between the middles of rows
      double const place = std::clamp((std::sin(map.latitudes[j]) + 1) / 2 * double(rows) - 0.5, 0.0, double(rows - 1));
      low = std::min(static_cast<std::size_t>(place), rows - 2);
      high = low + 1;
      part = place - double(low);
    }
    double* const row = &image.pixels[(map.turned ? rows - 1 - j : j) * width];
    for (std::size_t i = 0; i < map.columns; ++i) {
      double const a = values[low * map.columns + i], b = values[high * map.columns + i];
      row[map.mirrored ? map.columns - 1 - i : i] = a + part * (b - a);
    }
    if (map.repeated) row[map.columns] = row[0];
  }
  if (map.transposed) {
    FileImage turned{rows, width, std::vector<double>(rows * width)};
    for (std::size_t j = 0; j < rows; ++j)
      for (std::size_t i = 0; i < width; ++i) turned.pixels[i * rows + j] = image.pixels[j * width + i];
    return turned;
  }
  return image;
}

SynopticMap on_grid_of(SynopticMap const& map, SynopticMap const& other) {
  std::size_t const rows = other.rows, columns = other.columns;
  SynopticMap result = other;
  result.file = map.file;
  result.header = map.header;
  result.filled = map.filled;
  result.net_flux = map.net_flux;
  if (map.rows == rows && map.columns == columns && map.first_longitude == other.first_longitude) {
    result.gauss = map.gauss;
    return result;
  }
  std::vector<double> between(map.rows * columns, 0.0);
  double const ratio = double(map.columns) / double(columns);  // cells of the map in one of the other
  double const start = (other.first_longitude - map.first_longitude) / 360 * double(map.columns);
  for (std::size_t i = 0; i < columns; ++i) {
    double const west = start + double(i) * ratio, east = west + ratio;
    for (double cell = std::floor(west); cell < east; ++cell) {
      double const share = (std::min(cell + 1, east) - std::max(cell, west)) / ratio;
      auto const n = static_cast<long>(map.columns);
      auto const from = static_cast<std::size_t>(((static_cast<long>(cell) % n) + n) % n);
      for (std::size_t j = 0; j < map.rows; ++j) between[j * columns + i] += share * map.gauss[j * map.columns + from];
    }
  }
  std::vector<double> edges(map.rows + 1);
  for (std::size_t j = 0; j <= map.rows; ++j) edges[j] = 2 * double(j) / double(map.rows) - 1;
  result.gauss = to_equal_area(between, rows, columns, edges);
  return result;
}

hg::io::FitsHeader map_header(SynopticMap const& map) {
  hg::io::FitsHeader header;
  double const step = 360 / static_cast<double>(map.columns);
  double const columns = static_cast<double>(map.columns), rows = static_cast<double>(map.rows);
  header.set("WCSNAME", map.stonyhurst ? "Stonyhurst Heliographic" : "Carrington Heliographic");
  header.set("CTYPE1", map.stonyhurst ? "HGLN-CEA" : "CRLN-CEA");
  header.set("CTYPE2", map.stonyhurst ? "HGLT-CEA" : "CRLT-CEA");
  header.set("CUNIT1", "deg");
  header.set("CUNIT2", "deg");
  header.set("CRPIX1", (columns + 1) / 2);
  header.set("CRPIX2", (rows + 1) / 2);
  header.set("CRVAL1", std::fmod(map.first_longitude + 180, 360.0), "[deg] longitude of the middle");
  header.set("CRVAL2", 0.0);
  header.set("CDELT1", step);
  header.set("CDELT2", 2 / rows * 180 / std::numbers::pi, "180 / pi times the step of sine latitude");
  header.set("BUNIT", "Gauss");
  for (char const* const key : {"TELESCOP", "INSTRUME", "DATE-OBS", "T_OBS", "CAR_ROT", "CRLN_OBS", "CRLT_OBS"})
    if (auto const text = map.header.text(key)) {
      if (!text->empty()) header.set(key, *text);
    }
  return header;
}

}  // namespace pfss
