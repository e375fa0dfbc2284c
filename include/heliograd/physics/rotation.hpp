// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>

#include <heliograd/base/config.hpp>

/// \file
/// The Sun's differential rotation.
namespace heliograd::inline HELIOGRAD_ABI::physics {

/// The sidereal rate of Carrington's frame, 14.1844 degrees per day: one turn in 25.38 days.
inline constexpr double carrington_rate_rad_s = 14.1844 * 3.14159265358979323846 / 180 / 86400;
/// The mean rate of the Earth around the Sun, 0.9856 degrees per day: sidereal less this is synodic.
inline constexpr double earth_rate_rad_s = 0.9856 * 3.14159265358979323846 / 180 / 86400;

/// A law of rotation.
/// Math     \f$ \omega(\Lambda) = a + b \sin^2\Lambda + c \sin^4\Lambda \f$, sidereal, \f$\Lambda\f$ the heliographic latitude
struct DifferentialRotation {
  double a_rad_s = carrington_rate_rad_s;
  double b_rad_s = 0;
  double c_rad_s = 0;

  KOKKOS_FUNCTION double sidereal_rad_s(double latitude_rad) const {
    double const s = Kokkos::sin(latitude_rad);
    double const s2 = s * s;
    return a_rad_s + s2 * (b_rad_s + s2 * c_rad_s);
  }
  /// As seen from the Earth: the rate of Stonyhurst longitudes.
  KOKKOS_FUNCTION double synodic_rad_s(double latitude_rad) const {
    return sidereal_rad_s(latitude_rad) - earth_rate_rad_s;
  }
  /// The rate of Carrington longitudes.
  KOKKOS_FUNCTION double carrington_rad_s(double latitude_rad) const {
    return sidereal_rad_s(latitude_rad) - carrington_rate_rad_s;
  }
};

/// Magnetic features: Howard, Harvey & Forgach, Sol. Phys. 130, 295 (1990).
inline DifferentialRotation howard_rotation() { return {2.894e-6, -0.428e-6, -0.370e-6}; }
/// Magnetic features by cross-correlation: Snodgrass, ApJ 270, 288 (1983).
inline DifferentialRotation snodgrass_rotation() { return {2.851e-6, -0.343e-6, -0.474e-6}; }
/// A rigid Sun, in Carrington's frame at rest.
inline DifferentialRotation rigid_rotation() { return {}; }

}  // namespace heliograd::inline HELIOGRAD_ABI::physics
