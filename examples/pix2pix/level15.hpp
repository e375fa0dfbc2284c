// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <map>
#include <string>
#include <vector>

#include <heliograd/io/fits_header.hpp>
#include "image.hpp"

/// \file
/// Images of AIA, HMI, MDI and EUVI as their archives give them: what each is, when it was taken, and in which unit its
/// numbers become those of a set.
namespace pix2pix {

/// By how much the counts of a channel are multiplied to become those of an instrument that has not aged.
class Degradation {
 public:
  Degradation() = default;
  /// A CSV file: a header line time,CHANNEL,CHANNEL...; times as 2012-05-01, factors in the order of the channels, named
  /// aia94 or 94. Between two times on the straight line, outside as at the nearest.
  /// Throws   InputError naming file and line.
  explicit Degradation(std::string const& file);

  bool knows(std::string const& channel) const { return series_.contains(channel); }
  /// 1 for a channel that the table does not have.
  double factor(std::string const& channel, double julian_date) const;
  std::string const& name() const { return name_; }  ///< of the file, empty without one

 private:
  std::string name_;
  std::map<std::string, std::vector<std::pair<double, double>>> series_;
};

/// An image as it was taken, in physical units.
struct Observation {
  std::string channel;     ///< hmi, mdi, aia171, euvi304
  double julian_date = 0;  ///< terrestrial time
  Image image;             ///< gauss or DN/s, NaN where there is no value
  heliograd::io::FitsHeader header;
  std::string done;  ///< what was done to the numbers, for HISTORY
};

struct ObservationOptions {
  bool any_quality = false;  ///< take images whose QUALITY says that something is wrong
};

/// Reads an image of one of these instruments.
/// Throws   InputError naming the file, the card, and what is wrong.
Observation read_observation(std::string const& file, Degradation const& degradation,
                             ObservationOptions const& options);

}  // namespace pix2pix
