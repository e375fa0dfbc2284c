// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <heliograd/io/fits_header.hpp>
#include <heliograd/metrics/joint_histogram.hpp>
#include <heliograd/metrics/moments.hpp>
#include <heliograd/metrics/pearson.hpp>
#include <heliograd/metrics/power_spectrum.hpp>
#include <heliograd/physics/disk.hpp>
#include "image.hpp"
#include "scaling.hpp"

/// \file
/// How good a translated image is, in the numbers that the papers give.
namespace pix2pix {

/// Where on the Sun an image is, as far as its header says.
struct Place {
  std::optional<heliograd::physics::Pointing> disk;  ///< of images that show a whole one
  double pixel_cm2 = 1;                              ///< area of a pixel at disk centre; 1 if nobody knows
};
Place place_of(heliograd::io::FitsHeader const& header, std::size_t height, std::size_t width);

/// Named numbers, in the order in which they are shown.
using Numbers = std::vector<std::pair<std::string, double>>;

/// What is measured of one pair of images.
struct Measured {
  Numbers scores;
  /// Sums over the disk, an active and a quiet region: correlated over a set. NaN where there is no such region.
  Numbers prediction_sums, truth_sums;
  heliograd::metrics::Correlation pixels;                                          ///< of all pixels that count
  heliograd::metrics::JointHistogram scatter;                                      ///< gauss, or bits: log2 of DN/s + 1
  std::optional<heliograd::metrics::PowerSpectrum> prediction_power, truth_power;  ///< in the networks' numbers
  std::size_t missing = 0;  ///< pixels on the disk that have no value in one of both
};

/// Throws   InputError if no pixel of both counts.
Measured measure(HostSpace& ws, Image const& prediction, Image const& truth, Scaling const& scaling,
                 Place const& place);

/// Pearson's correlation, in physical units, of two images in the networks' numbers, over the pixels within a radius of the
/// middle; 0 if one is constant there.
double correlation_within(HostSpace& ws, Image prediction, Image truth, Scaling const& scaling, double radius);

/// Frequencies from here on, in cycles a pixel, are detail.
inline constexpr double detail_frequency = 0.125;

}  // namespace pix2pix
