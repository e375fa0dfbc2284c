// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>
#include <limits>
#include <string>
#include <vector>

#include "common_options.hpp"

/// \file
/// The sub-commands of the program: what each can be told, and the function that does it. Functions return an exit code and
/// throw heliograd's exceptions.
namespace pfss {

inline constexpr char const* program = "pfss";

using examples::CommonOptions;

/// How a boundary map becomes a coronal field.
struct ModelOptions {
  std::string method = "fd";  ///< or "harmonics"
  double rss = 2.5;           ///< radius of the source surface, solar radii
  std::size_t nr = 40;        ///< cells between the Sun and the source surface
  bool centred = false;       ///< second order at the source surface
  std::size_t lmax = 90;      ///< highest degree of the harmonics
  bool double_precision = false;
  std::string missing = "nearest";  ///< pixels without a value: nearest (of their column), zero, or refuse
  bool ignore_checksum = false;
};

struct SolveOptions {
  std::string input;
  std::string output;
  std::string vtk;
  std::string png;
  ModelOptions model;
};
int solve(SolveOptions const& options, CommonOptions const& common);

struct TraceOptions {
  std::string input;
  std::string output;  ///< open and closed regions, expansion factors: FITS
  std::string vtk;     ///< the lines themselves
  std::string png;
  std::size_t longitudes = 180;  ///< seeds around the Sun
  std::size_t latitudes = 90;    ///< seeds from pole to pole, equal steps of sine latitude
  double tolerance = 1e-6;
  ModelOptions model;
};
int trace(TraceOptions const& options, CommonOptions const& common);

struct CompareOptions {
  std::string truth;
  std::string other;
  std::string json;
  std::string png;
  ModelOptions model;
};
int compare(CompareOptions const& options, CommonOptions const& common);

struct RecoverOptions {
  std::string input;
  std::string output;
  std::string png;
  double longitude =
      std::numeric_limits<double>::quiet_NaN();  ///< of the middle of what is hidden; NaN: the map's ends
  double width = 90;                             ///< of what is hidden, degrees
  std::size_t steps = 300;
  ModelOptions model;
};
int recover(RecoverOptions const& options, CommonOptions const& common);

struct ObserveOptions {
  std::string input;
  std::string output;
  double longitude = 0;  ///< Carrington, of the observer, degrees
  double latitude = 0;
  double distance = 1;     ///< au
  std::size_t size = 512;  ///< pixels along a side
  std::string time;        ///< empty: that of the map
  bool ignore_checksum = false;
};
int observe(ObserveOptions const& options, CommonOptions const& common);

struct SynchronicOptions {
  std::string front;             ///< disk that stands alone about its centre
  std::vector<std::string> far;  ///< disks of other observers
  std::string fill;              ///< synoptic map for the rest
  std::string output;
  std::string png;
  std::string size = "360x180";
  std::string map = "cea";                 ///< or "car"
  std::string time;                        ///< of the map; empty: that of the front
  double longitude = 0;                    ///< Carrington, of the left edge, degrees
  double power = 4;                        ///< a disk counts as mu to this power
  double edge = 60;                        ///< degrees from disk centre where it ends
  double alone = 45;                       ///< degrees within which the front stands alone
  double blend = 0.1;                      ///< range of mu over which one gives way to another
  std::string rotation = "howard";         ///< "snodgrass", "rigid"
  std::string interpolation = "bilinear";  ///< or "pchip"
  std::size_t samples = 4;
  double noise = 10;      ///< of a pixel of a disk, gauss
  double fill_noise = 3;  ///< of a pixel of the synoptic map
  bool keep_net_flux = false;
  bool ignore_checksum = false;
};
int synchronic(SynchronicOptions const& options, CommonOptions const& common);

}  // namespace pfss
