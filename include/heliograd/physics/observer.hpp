// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <cmath>
#include <cstddef>
#include <initializer_list>
#include <optional>
#include <string>

#include <heliograd/base/error.hpp>
#include <heliograd/physics/disk.hpp>
#include <heliograd/physics/ephemeris.hpp>

/// \file
/// Who looks at the Sun from where, and so which place on the Sun each pixel shows.
///
/// Longitudes are Carrington's, westwards; both angles in radians. Stonyhurst longitudes become Carrington longitudes by
/// adding L0 of the Earth (`sun_from_earth`).
namespace heliograd::inline HELIOGRAD_ABI::physics {

/// A place on the Sun's surface. Where a pixel shows none, both are NaN.
struct SurfacePoint {
  double longitude_rad = 0;
  double latitude_rad = 0;
};

/// A place in an image, and the cosine of the heliocentric angle there. On the far side x and y are NaN and mu is 0.
struct ImagePoint {
  double x = 0;
  double y = 0;
  double mu = 1;
};

/// What stands for a place that is not there.
inline constexpr double missing = Kokkos::Experimental::quiet_NaN_v<double>;

enum class Projection {
  exact,         ///< an observer at a finite distance, as the apparent radius says; gnomonic (TAN) plane
  orthographic,  ///< an observer infinitely far away: the disk is a hemisphere seen from above
};

/// The solar disk of an image and the place of its observer: pixels to heliographic coordinates and back.
///
/// Math   in units of the solar radius, z towards the observer, y to solar north, observer at longitude \f$\lambda_0\f$,
///        latitude \f$B_0\f$, distance \f$D = 1/\sin\rho\f$:
///        \f$ x = \cos\Lambda \sin(\lambda - \lambda_0) \f$,
///        \f$ y = \sin\Lambda \cos B_0 - \cos\Lambda \cos(\lambda - \lambda_0) \sin B_0 \f$,
///        \f$ z = \sin\Lambda \sin B_0 + \cos\Lambda \cos(\lambda - \lambda_0) \cos B_0 \f$;
///        seen at \f$ (x, y) / (D - z) \f$ of the tangent plane if \f$ z > 1/D \f$, with
///        \f$ \mu = (D z - 1) / \sqrt{1 + D^2 - 2 D z} \f$. Orthographic: \f$ (x, y) \f$, \f$ \mu = z > 0 \f$.
/// Source Thompson, A&A 449, 791 (2006).
class DiskView {
 public:
  DiskView() : DiskView(Pointing{}, {}) {}
  DiskView(Pointing const& pointing, SurfacePoint const& below_observer, Projection projection = Projection::exact)
      : pointing_(pointing),
        below_(below_observer),
        orthographic_(projection == Projection::orthographic),
        sine_(std::sin(below_observer.latitude_rad)),
        cosine_(std::cos(below_observer.latitude_rad)),
        distance_(1 / std::sin(pointing.radius_arcsec / arcsec_per_radian)),
        unit_(orthographic_ ? pointing.radius_arcsec : arcsec_per_radian) {}

  Pointing const& pointing() const { return pointing_; }
  SurfacePoint const& below_observer() const { return below_; }
  /// From the centre of the Sun, in solar radii.
  double distance() const { return distance_; }

  /// The same view in pixels 1/n as wide and high.
  DiskView refined(std::size_t n) const {
    return DiskView(pointing_.magnified(static_cast<double>(n)), below_,
                    orthographic_ ? Projection::orthographic : Projection::exact);
  }

  /// The place on the Sun that an image point shows; NaN off the disk.
  KOKKOS_FUNCTION SurfacePoint surface(double x, double y) const {
    Ray const ray = ray_at(x, y);
    if (!(ray.mu > 0)) return {missing, missing};
    double const north = ray.y * cosine_ + ray.z * sine_;
    double const out = ray.z * cosine_ - ray.y * sine_;
    return {below_.longitude_rad + Kokkos::atan2(ray.x, out),
            Kokkos::atan2(north, Kokkos::sqrt(ray.x * ray.x + out * out))};
  }

  /// Where a place on the Sun is seen.
  KOKKOS_FUNCTION ImagePoint image(SurfacePoint const& at) const {
    double const s = Kokkos::sin(at.latitude_rad), c = Kokkos::cos(at.latitude_rad);
    double const angle = at.longitude_rad - below_.longitude_rad;
    double const x = c * Kokkos::sin(angle);
    double const out = c * Kokkos::cos(angle);
    double const y = s * cosine_ - out * sine_;
    double const z = s * sine_ + out * cosine_;
    double const depth = orthographic_ ? 1 : distance_ - z;
    double const mu =
        orthographic_ ? z : (distance_ * z - 1) / Kokkos::sqrt(1 + distance_ * distance_ - 2 * distance_ * z);
    if (!(mu > 0)) return {missing, missing, 0};
    double const tx = unit_ * x / depth, ty = unit_ * y / depth;
    double const determinant = pointing_.xx * pointing_.yy - pointing_.xy * pointing_.yx;
    return {pointing_.center_x + (pointing_.yy * tx - pointing_.xy * ty) / determinant,
            pointing_.center_y + (pointing_.xx * ty - pointing_.yx * tx) / determinant, mu};
  }

  /// The cosine of the heliocentric angle at an image point, 0 off the disk.
  KOKKOS_FUNCTION double mu(double x, double y) const { return ray_at(x, y).mu; }

  /// The part of the Sun's surface that a pixel covers, in cm^2, from the size of its projection at its centre; 0 off the disk.
  /// Math     \f$ dA = R^2 d^2 \cos^3\theta \, d\Omega_{plane} / \mu \f$, d the distance to the surface in solar radii
  KOKKOS_FUNCTION double area_cm2(double x, double y) const {
    Ray const ray = ray_at(x, y);
    if (!(ray.mu > 0)) return 0;
    double const side = 100 * solar_radius_m / unit_;
    double const determinant = Kokkos::fabs(pointing_.xx * pointing_.yy - pointing_.xy * pointing_.yx);
    return determinant * side * side * ray.spread / ray.mu;
  }

 private:
  struct Ray {
    double x, y, z;     // where it meets the Sun
    double mu = 0;      // 0: it does not
    double spread = 1;  // area seen at right angles per area of the plane
  };

  KOKKOS_FUNCTION Ray ray_at(double px, double py) const {
    double const dx = px - pointing_.center_x, dy = py - pointing_.center_y;
    double const tx = (pointing_.xx * dx + pointing_.xy * dy) / unit_;
    double const ty = (pointing_.yx * dx + pointing_.yy * dy) / unit_;
    double const t2 = tx * tx + ty * ty;
    if (orthographic_) {
      if (!(t2 < 1)) return {0, 0, 0};
      double const z = Kokkos::sqrt(1 - t2);
      return {tx, ty, z, z, 1};
    }
    double const cosine2 = 1 / (1 + t2);
    double const s2 = distance_ * distance_ * t2 * cosine2;
    if (!(s2 < 1)) return {0, 0, 0};
    double const mu = Kokkos::sqrt(1 - s2);
    double const cosine = Kokkos::sqrt(cosine2);
    double const length = distance_ * cosine - mu;
    double const along = length * cosine;
    return {along * tx, along * ty, distance_ - along, mu, length * length * cosine2 * cosine};
  }

  Pointing pointing_;
  SurfacePoint below_;
  bool orthographic_;
  double sine_, cosine_, distance_, unit_;
};

/// Disk centre in heliographic coordinates, from the header: CRLN_OBS or OBS_L0 or L0, else HGLN_OBS and the Earth's L0;
/// CRLT_OBS or HGLT_OBS or OBS_B0 or SOLAR_B0 or B0. What is missing is computed for an observer on Earth.
///
/// Throws   InputError naming `file` if it has to be computed and the header has no time, or if it makes no sense.
template <class Header>
SurfacePoint below_observer_from(Header const& header, std::string const& file) {
  auto const first = [&](std::initializer_list<char const*> keys) -> std::optional<double> {
    for (char const* const key : keys)
      if (auto const value = header.real(key)) {
        if (!(std::abs(*value) <= 720))
          throw InputError(file + ": " + key + " is no angle in degrees (found " + std::to_string(*value) + ")");
        return *value * degree;
      }
    return std::nullopt;
  };
  auto longitude = first({"CRLN_OBS", "OBS_L0", "L0"});
  auto latitude = first({"CRLT_OBS", "HGLT_OBS", "OBS_B0", "SOLAR_B0", "B0"});
  if (longitude && latitude) return {*longitude, *latitude};
  auto const time = julian_date_of(header);
  if (!time)
    throw InputError(
        file + ": says neither where the observer is (keywords CRLN_OBS and CRLT_OBS) nor when (T_OBS, DATE-OBS)");
  SunFromEarth const earth = sun_from_earth(*time);
  if (!longitude) longitude = earth.longitude_rad + first({"HGLN_OBS"}).value_or(0);
  if (!latitude) latitude = earth.latitude_rad;
  return {*longitude, *latitude};
}

/// Pointing and observer from a header.
template <class Header>
DiskView disk_view_from(Header const& header, std::string const& file) {
  return DiskView(pointing_from(header, file), below_observer_from(header, file));
}

}  // namespace heliograd::inline HELIOGRAD_ABI::physics
