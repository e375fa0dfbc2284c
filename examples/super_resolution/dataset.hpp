// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <heliograd/core/random.hpp>
#include <heliograd/physics/instrument.hpp>
#include "images.hpp"

/// \file
/// What the network is trained on: high-resolution magnetograms to be degraded, and real pairs. Everything here is on the
/// host, in gauss; missing pixels are zero.
namespace super_resolution {

/// High-resolution pixels around a crop that are only there to be blurred in.
inline constexpr std::size_t blur_margin = 12;

/// One high-resolution magnetogram and the region of the Sun it shows.
struct Magnetogram {
  std::string file;
  std::string region;  ///< "HARP 1447", "NOAA 11158", or the file's name
  Image fine;
};

/// One real pair: both instruments at the same time, on the grid of the finer one, brought on top of each other.
struct RealPair {
  std::string name;
  Image reading;  ///< the coarser instrument, on the fine grid
  Image fine;
  int shift_y = 0, shift_x = 0;  ///< by how much the reading was moved
  double correlation = 0;        ///< of the two, after that
};

/// Which magnetograms of a folder are used for what.
struct Collection {
  std::vector<Magnetogram> training;
  std::vector<Magnetogram> validation;
  std::vector<std::string> skipped;  ///< "file: reason"
};

/// Reads every line-of-sight magnetogram (*.fits, *.fts) of the given folders. Images that are not signed fields in gauss,
/// vector components, and those smaller than `smallest` are passed over with a reason. A region is kept aside for validation
/// if `aside` names it: a HARP or NOAA number, or a part of the file name. If `aside` is empty, every fifth region is.
/// Throws   InputError if a folder cannot be read or nothing remains to train on.
Collection collect(std::vector<std::string> const& folders, std::vector<std::string> const& aside,
                   std::size_t smallest);

/// Reads a magnetogram as gauss, missing and absurd pixels as 0.
Magnetogram read_magnetogram(std::string const& file);

/// Reads a real pair of equal size and moves the reading by the whole shift that makes both correlate best.
RealPair read_pair(std::string const& reading, std::string const& fine);

/// The part of a pair between two shares of its width.
RealPair part_of(RealPair const& pair, double from, double to);

struct SamplerOptions {
  std::size_t factor = 4;  ///< high-resolution pixels along the side of a low-resolution one
  std::size_t crop = 96;   ///< side of the high-resolution crop
  std::size_t batch = 16;
  double strong = 0.5;            ///< share of crops that are the strongest of four
  double pairs = 0.15;            ///< share of crops from real pairs, if there are any
  double without_pointing = 0.3;  ///< share of crops whose radius channel is zero, as with --no-wcs
  double at_limb = 0.05;          ///< share of crops that reach over the limb
  heliograd::physics::InstrumentRange instrument = heliograd::physics::mdi_like();
};

/// One batch, on the host.
struct Batch {
  std::size_t count = 0;
  std::size_t crop = 0;
  std::vector<float> fine;          ///< [n, crop + 2 margin, crop + 2 margin], gauss: to be degraded
  std::vector<float> target;        ///< [n, crop, crop], gauss
  std::vector<float> radius;        ///< [n, crop/factor, crop/factor], solar radii
  std::vector<float> reading;       ///< [n, crop/factor, crop/factor], gauss: of real pairs; elsewhere unused
  std::vector<float> on_disk;       ///< [n, crop/factor, crop/factor], 1 on the disk, 0 beyond the limb
  std::vector<unsigned char> real;  ///< [n], 1 if the crop is of a real pair
  std::vector<heliograd::physics::Instrument> instruments;
  heliograd::RandomStream noise;
};

/// Draws batches. A batch is a pure function of the seed and its number: training can be resumed anywhere, and no state has
/// to be saved.
class Sampler {
 public:
  Sampler(std::vector<Magnetogram> const& images, std::vector<RealPair> const& pairs, SamplerOptions const& options,
          std::uint64_t seed);

  Batch draw(std::uint64_t number) const;

 private:
  std::vector<Magnetogram> const* images_;
  std::vector<RealPair> const* pairs_;
  SamplerOptions options_;
  std::uint64_t seed_;
  std::vector<std::vector<std::size_t>> regions_;  ///< images of each region
};

}  // namespace super_resolution
