// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "image.hpp"

/// \file
/// A made-up atmosphere over a real photospheric field, and what AIA would see of it: for sets of pairs where no calibrated
/// pairs are at hand. Every number that comes from it is synthetic and must be called so.
///
/// What there is of physics:
/// - the potential field above the photosphere, flat, by cosines (no field through the side walls);
/// - loops along its lines, their feet drawn in proportion to |B|, each carrying the same flux; heated in proportion to their
///   mean field over their length and to chance; hydrostatic, with the scaling law of Rosner, Tucker & Vaiana (ApJ 220, 643;
///   1978): T ~ (B L)^(2/7) for heating ~ B / L, and density ~ T^2 / L; temperature falls to the feet at constant pressure;
/// - emission n^2 R(T) along the line of sight, R a Gaussian of log T about the temperatures at which each passband of AIA
///   responds most (Lemen et al., Sol. Phys. 275, 17; 2012), nothing being absorbed;
/// - the chromosphere and transition region: emission that grows with a power of the smoothed |B| (Schrijver et al., ApJ 337,
///   964; 1989: about 0.6), and in the ultraviolet the photosphere, dark in spots;
/// - the instrument: a narrow point-spread function with wide wings, and the noise of photons and of the reading.
/// The constants are chosen so that quiet Sun and active regions are as bright as AIA sees them, roughly. There are no flares,
/// filaments, flows, nor anything of the real atmosphere of the day.
namespace pix2pix {

/// How a passband sees the atmosphere. Intensities in DN/s per pixel of AIA.
struct Passband {
  char const* channel;
  double peak_mk[2];      ///< temperatures of the response's two peaks; 0: no such peak
  double share[2];        ///< heights of the peaks
  double width_dex;       ///< their width
  double quiet;           ///< of the lower atmosphere where the smoothed field is 10 G
  double exponent;        ///< with which that grows with the field
  double spot_darkness;   ///< share of the lower atmosphere that a spot takes away
  double limb_darkening;  ///< at the limb; negative: brightening
  double loops;           ///< scale of the loops
};

/// The nine passbands, or nothing.
Passband const* passband_of(std::string const& channel);
std::vector<Passband> const& passbands();

/// A photosphere: the vertical field on a grid, gauss.
struct Photosphere {
  Image field;
  double pixel_mm = 0.366;
};

struct CoronaOptions {
  std::uint64_t seed = 1;
  double pixels_per_loop = 26;  ///< of the photosphere
  double spread = 0.8;  ///< of the logarithm of a loop's heating, which comes and goes; 0: the field says it all
  std::size_t coarse_side = 160;  ///< the field above is computed on at most so many points along a side
};

/// A piece of a loop.
struct LoopPiece {
  float x, y;  ///< pixels of the photosphere
  float height_mm;
  float temperature_mk;
  float emission;     ///< n^2 times length and cross-section in pixels of the photosphere
  bool last = false;  ///< of its loop
};

/// The pieces of the loops over a photosphere; the same options give the same ones, for any number of threads.
std::vector<LoopPiece> loops_over(HostSpace& ws, Photosphere const& photosphere, CoronaOptions const& options);

/// What the lower atmosphere sends out upwards, DN/s.
Image lower_atmosphere(HostSpace& ws, Photosphere const& photosphere, Passband const& band);

/// R(T) of a passband.
double response(Passband const& band, double temperature_mk);

/// What the instrument makes of intensities: blurred and with noise.
/// \param pixel_mm side of a pixel on the Sun; noise is less where a pixel covers several of AIA's.
Image observed(HostSpace& ws, Image const& intensity, double pixel_mm, std::uint64_t seed);

/// A drawing of the spots, 0 for paper to 1 for ink, as a draughtsman sees them: umbra, penumbra, hatched, outlines that shake.
Image drawn_spots(HostSpace& ws, Photosphere const& photosphere, std::uint64_t seed);

}  // namespace pix2pix
