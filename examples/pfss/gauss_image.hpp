// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <cmath>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include <heliograd/core/copy.hpp>
#include <heliograd/io/fits.hpp>
#include <heliograd/physics/ephemeris.hpp>
#include <heliograd/tape/tape.hpp>
#include "units.hpp"

/// \file
/// Images of the magnetic field in gauss, disks and maps alike, from files and onto a tape.
namespace pfss {

using GaussBackend = heliograd::Backend<Kokkos::DefaultExecutionSpace, float>;

struct GaussImage {
  std::string path;
  heliograd::io::FitsImage<float> image;
  std::optional<double> time;  ///< Julian date, if the file has one
};

/// Throws InputError for what is not in gauss.
inline GaussImage read_gauss_image(std::string const& path, bool ignore_checksum) {
  namespace hg = heliograd;
  GaussImage file{path, hg::io::read_fits<float>(path, {.verify_checksums = !ignore_checksum}), {}};
  std::string const unit = file.image.header.text("BUNIT").value_or("");
  if (!examples::is_gauss(unit))
    throw hg::InputError(path + ": is not in gauss (found BUNIT '" + unit.substr(0, 30) +
                         "', expected Gauss or Mx/cm^2); convert it first");
  file.time = hg::physics::julian_date_of(file.image.header);
  return file;
}

/// Pixels, and a mask of those that have a value.
struct GaussOnTape {
  heliograd::Var<4, GaussBackend> field, seen;
  std::size_t missing = 0;
};

/// The pixels on a tape: zero, and not seen, where they have no value or `shows(x, y)` is false.
template <class Shows>
GaussOnTape load_on_tape(heliograd::Tape<GaussBackend>& tape, heliograd::io::FitsImage<float> const& image,
                         Shows&& shows) {
  namespace hg = heliograd;
  constexpr float strongest = 20000;  // no field on the Sun is stronger: a value is missing, whatever the file says
  std::vector<float> field = image.pixels, seen(field.size(), 1);
  GaussOnTape loaded;
  for (std::size_t i = 0; i < field.size(); ++i) {
    bool const inside = shows(double(i % image.width), double(i / image.width));
    bool const value = std::fabs(field[i]) <= strongest;
    if (inside && !value) ++loaded.missing;
    if (!inside || !value) field[i] = seen[i] = 0;
  }
  hg::Shape<4> const shape{std::size_t(1), image.height, image.width, std::size_t(1)};
  loaded.field = tape.make(shape, false);
  loaded.seen = tape.make(shape, false);
  hg::from_host(tape.exec(), loaded.field.value, field);
  hg::from_host(tape.exec(), loaded.seen.value, seen);
  return loaded;
}

}  // namespace pfss
