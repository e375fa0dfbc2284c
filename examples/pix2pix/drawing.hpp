// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <optional>
#include <string>

#include <heliograd/physics/disk.hpp>
#include "image.hpp"

/// \file
/// Drawings of the Sun, scanned: what is ink, where the disk is, which way is north.
namespace pix2pix {

struct DrawingOptions {
  bool light_ink = false;  ///< the scan is a negative
  bool mirrored = false;   ///< west is to the left
  /// Position of solar north, degrees counter-clockwise from up; without it the drawn axis says it.
  std::optional<double> north_deg;
  /// Middle and radius of the disk in pixels of the scan, rows counted from the bottom; without it the drawn limb says it.
  std::optional<heliograd::physics::Pointing> disk;
};

struct Drawing {
  Image ink;  ///< 0 paper, 1 ink
  heliograd::physics::Pointing pointing;
  double limb_share = 1;     ///< of the directions in which a limb was seen
  double limb_rms = 0;       ///< pixels
  double axis_contrast = 0;  ///< ink on the axis less ink beside it; 0 if the axis was given
};

/// Flattens a scan and finds disk and axis.
/// \param brightness 0 black to 1 white, row 0 at the bottom.
/// Throws   InputError naming the file if there is no limb or no axis to be seen.
Drawing read_drawing(HostSpace& ws, Image const& brightness, DrawingOptions const& options, std::string const& file);

/// The time in a file's name, as Julian date: 20110215, 20110215_1630, 2011-02-15T16:30:00; nothing if there is none.
std::optional<double> time_in_name(std::string const& file);

}  // namespace pix2pix
