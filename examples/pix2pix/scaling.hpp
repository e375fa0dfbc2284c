// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cmath>
#include <string>

#include <heliograd/base/error.hpp>
#include <heliograd/data/normalise.hpp>
#include "common/units.hpp"

namespace pix2pix {

/// Between physical values and the networks' [-1, 1], as the papers have it. What saturates does not come back; everything
/// else does, to rounding.
struct Scaling {
  enum class Law {
    field,    ///< gauss: clipped to +-limit, divided by it
    photons,  ///< DN/s: 0 to 2^limit - 1, logarithmic
    share,    ///< 0 to 1, linear: the ink of a drawing
  };
  Law law = Law::field;
  double limit = 3000;  ///< gauss, or bits
  int levels = 0;       ///< if positive, values are rounded to so many steps: 256 for networks that were given bytes

  /// A missing value is 0 in physical units.
  float to_network(float physical) const {
    double const x = std::isfinite(physical) ? static_cast<double>(physical) : 0.0;
    double y = 0;
    switch (law) {
      case Law::field: y = std::clamp(x, -limit, limit) / limit; break;
      case Law::photons: y = heliograd::data::Log2Scale{limit}.to_network(x); break;
      case Law::share: y = 2 * std::clamp(x, 0.0, 1.0) - 1; break;
    }
    if (levels > 1) y = std::round((y + 1) / 2 * (levels - 1)) / (levels - 1) * 2 - 1;
    return static_cast<float>(y);
  }

  float to_physical(float network) const {
    double const y = static_cast<double>(network);
    switch (law) {
      case Law::field: return static_cast<float>(limit * y);
      case Law::photons: return static_cast<float>(heliograd::data::Log2Scale{limit}.to_physical(y));
      case Law::share: return static_cast<float>((y + 1) / 2);
    }
    return 0;
  }

  char const* unit() const { return law == Law::field ? "G" : law == Law::photons ? "DN/s" : ""; }

  /// Throws   InputError unless a BUNIT of `unit` can be meant.
  void check_unit(std::string const& file, std::string const& found) const {
    std::string const word = examples::plain_unit(found);
    bool const fits = word.empty() || (law == Law::field     ? examples::is_gauss(found)
                                       : law == Law::photons ? word == "dn/s" || word == "dns-1" || word == "dn/sec" ||
                                                                   word == "dn/second" || word == "dn/pixel/s"
                                                             : true);
    if (!fits)
      throw heliograd::InputError(file + ": is in another unit (found BUNIT '" + found.substr(0, 30) + "', expected " +
                                  unit() + "); convert it first, or make a set with the command prepare");
  }

  bool operator==(Scaling const&) const = default;
};

}  // namespace pix2pix
