// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <heliograd/io/fits_header.hpp>

/// \file
/// Maps of the whole Sun as the models want them: rows of equal steps in sine latitude from south to north, columns
/// eastwards in longitude from the western edge of the first one, nothing missing, no net flux.
namespace pfss {

struct SynopticMap {
  std::size_t rows = 0, columns = 0;
  std::vector<double> gauss;         ///< [rows][columns]
  double first_longitude = 0;        ///< western edge of the first column, degrees
  bool stonyhurst = false;           ///< longitudes count from the Earth's meridian, else Carrington's
  double net_flux = 0;               ///< mean field that was taken out, gauss
  std::size_t filled = 0;            ///< pixels that had no value
  bool transposed = false;           ///< latitude ran along axis 1 of the file
  bool repeated = false;             ///< the file's last meridian is its first one
  bool mirrored = false;             ///< columns ran westwards in the file
  bool turned = false;               ///< rows ran southwards in the file
  std::vector<double> latitudes;     ///< of the rows, radians, if they were of equal steps in latitude
  heliograd::io::FitsHeader header;  ///< as read
  std::string file;
};

/// Reads a synoptic or synchronic map of the radial field. Understands GONG and HMI files as they come: CTYPE ..-CEA and
/// ..-CAR, CUNIT2 "Sine Latitude", "sin(deg)" or degrees, CDELT1 of either sign, Carrington times as longitudes.
/// \param missing what becomes of pixels without a value: "refuse", "zero" or "nearest" (in their column).
/// Throws   InputError naming the file, what was found and what was expected.
SynopticMap read_synoptic_map(std::string const& file, std::string const& missing, bool ignore_checksum);

/// Values on the map's grid as an image on the grid of its file, and that image's size.
struct FileImage {
  std::size_t width, height;
  std::vector<double> pixels;
};
FileImage on_file_grid(SynopticMap const& map, std::vector<double> const& values);

/// The map averaged over the cells of another's grid; its net flux stays zero.
SynopticMap on_grid_of(SynopticMap const& map, SynopticMap const& other);

/// The coordinates of an image on the map's grid: cell middles, axis 1 longitude, axis 2 sine latitude.
heliograd::io::FitsHeader map_header(SynopticMap const& map);

}  // namespace pfss
