// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <heliograd/base/config.hpp>

/// \file
/// Numbers for tests: the same on every machine, and independent of the library's own generators.
namespace heliograd::inline HELIOGRAD_ABI::testing {

/// SplitMix64 (Steele, Lea, Flood 2014).
class Draws {
 public:
  explicit Draws(std::uint64_t seed) : state_(seed) {}

  std::uint64_t bits() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  /// Uniform in [low, high).
  double uniform(double low, double high) {
    return low + (high - low) * (static_cast<double>(bits() >> 11) * 0x1.0p-53);
  }
  /// Uniform among the integers low..high.
  double integer(int low, int high) {
    return low + static_cast<double>(bits() % static_cast<std::uint64_t>(high - low + 1));
  }

 private:
  std::uint64_t state_;
};

/// Uniform numbers at least `distance` away from each kink, so that one-sided slopes are not mistaken for errors.
inline std::vector<double> draw_uniform(Draws& draws, std::size_t count, double low, double high,
                                        std::vector<double> const& kinks = {}, double distance = 1e-3) {
  std::vector<double> values(count);
  for (double& value : values) {
    bool near = true;
    while (near) {
      value = draws.uniform(low, high);
      near = false;
      for (double const kink : kinks) near = near || std::abs(value - kink) < distance;
    }
  }
  return values;
}

inline std::vector<double> draw_integers(Draws& draws, std::size_t count, int low, int high) {
  std::vector<double> values(count);
  for (double& value : values) value = draws.integer(low, high);
  return values;
}

}  // namespace heliograd::inline HELIOGRAD_ABI::testing
