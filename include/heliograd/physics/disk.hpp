// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <cmath>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include <heliograd/base/error.hpp>
#include <heliograd/core/tensor.hpp>
#include <heliograd/kernel/launch.hpp>

/// \file
/// Where the Sun is in an image: centre, plate scale, apparent radius; and for every pixel its distance from disk centre in
/// solar radii and the cosine of its heliocentric angle.
///
/// Offsets in arcsec are those in the plane of the gnomonic projection that the headers mean (HPLN-TAN): tan of the angle from
/// disk centre. Taken for the angle itself, as `radius` does, they are wrong by less than 1e-5 of a radius; `mu` and what
/// observer.hpp does are exact. Pixels are counted from 0 with centres on whole numbers, x along FITS axis 1, y along axis 2.
namespace heliograd::inline HELIOGRAD_ABI::physics {

inline constexpr double astronomical_unit_m = 149597870691.0;
inline constexpr double solar_radius_m = 6.96e8;
inline constexpr double arcsec_per_radian = 206264.80624709636;

/// The place, scale and orientation of the solar disk in an image.
struct Pointing {
  double center_x = 0;  ///< pixel of disk centre along a row
  double center_y = 0;  ///< row of disk centre
  /// Arcsec per pixel: helioprojective offset (west, north) = matrix * (x - center_x, y - center_y).
  double xx = 1, xy = 0, yx = 0, yy = 1;
  double radius_arcsec = 959.63;  ///< apparent radius of the Sun

  /// The distance of a pixel from disk centre, in solar radii; it goes on growing beyond the limb.
  KOKKOS_FUNCTION double radius(double x, double y) const {
    double const dx = x - center_x;
    double const dy = y - center_y;
    double const tx = xx * dx + xy * dy;
    double const ty = yx * dx + yy * dy;
    return Kokkos::sqrt(tx * tx + ty * ty) / radius_arcsec;
  }

  /// The cosine of the angle between the line of sight and the local vertical, 0 from the limb on.
  /// Math  \f$ \mu = \sqrt{1 - (\sin\theta / \sin\rho)^2} \f$ with \f$\theta\f$ the angle from disk centre and \f$\rho\f$
  ///       the apparent radius, exact for an observer at any distance.
  KOKKOS_FUNCTION double mu(double x, double y) const {
    double const rho = radius_arcsec / arcsec_per_radian;
    double const t = radius(x, y) * rho;  // tan(theta)
    double const sine = Kokkos::sin(rho);
    double const s2 = t * t / ((1 + t * t) * sine * sine);
    return s2 < 1 ? Kokkos::sqrt(1 - s2) : 0.0;
  }

  /// The side of a pixel in arcsec (the geometric mean of both sides).
  double scale_arcsec() const { return std::sqrt(std::abs(xx * yy - xy * yx)); }

  /// The apparent radius in pixels.
  double radius_pixels() const { return radius_arcsec / scale_arcsec(); }

  /// The position angle of the rows' normal: by how much the image must be turned counter-clockwise to bring solar north
  /// up, as the keyword CROTA2 states it.
  double rotation_rad() const { return std::atan2(yx, xx); }

  /// The area of a pixel at disk centre on the Sun's surface, in cm^2; divide by mu elsewhere.
  double pixel_area_cm2() const {
    double const side_cm = 100 * solar_radius_m / radius_pixels();
    return side_cm * side_cm;
  }

  /// The pointing after magnification of the image: one pixel becomes `factor` times `factor`.
  Pointing magnified(double factor) const {
    Pointing p = *this;
    p.center_x = (center_x + 0.5) * factor - 0.5;
    p.center_y = (center_y + 0.5) * factor - 0.5;
    for (double* const m : {&p.xx, &p.xy, &p.yx, &p.yy}) *m /= factor;
    return p;
  }

  /// The pointing of the part of the image that starts at column x, row y.
  Pointing cropped(double x, double y) const {
    Pointing p = *this;
    p.center_x -= x;
    p.center_y -= y;
    return p;
  }
};

/// The cosine of the heliocentric angle of a point at `radius` solar radii from disk centre, for a distant observer.
KOKKOS_INLINE_FUNCTION double orthographic_mu(double radius) {
  return radius < 1 ? Kokkos::sqrt(1 - radius * radius) : 0.0;
}

namespace detail {

struct CardWords {
  std::string_view name;
  double arcsec;
};

/// The factor from a CUNIT word to arcsec; nothing for a word that is no angle.
inline std::optional<double> arcsec_per_unit(std::string word) {
  for (char& c : word)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
  for (CardWords const unit :
       {CardWords{"arcsec", 1}, CardWords{"arcsecond", 1}, CardWords{"arcseconds", 1}, CardWords{"arcsecs", 1},
        CardWords{"deg", 3600}, CardWords{"degree", 3600}, CardWords{"degrees", 3600}, CardWords{"arcmin", 60},
        CardWords{"rad", arcsec_per_radian}, CardWords{"mas", 1e-3}})
    if (word == unit.name) return unit.arcsec;
  return std::nullopt;
}

/// True for the names of helioprojective axes, today's and those of older files.
inline bool is_helioprojective(std::string word, char axis) {
  for (char& c : word)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
  std::string const suffix(1, axis == 'x' ? 'n' : 't');
  return word.starts_with("hpl" + suffix) || word.starts_with(std::string("solar-") + axis) ||
         word.starts_with(std::string("solar_") + axis) || word == std::string("solar") + axis || word == "linear" ||
         word == "arcsec" || word.empty();
}

/// Apparent radii a solar image can show: from 0.05 to 10 times the distance of the Earth.
inline bool plausible_radius(double arcsec) { return arcsec > 90 && arcsec < 20000; }

template <class Header>
std::optional<double> solar_radius_arcsec(Header const& header, double scale) {
  for (char const* const key : {"RSUN_OBS", "OBS_R0"})
    if (auto const value = header.real(key); value && plausible_radius(*value)) return value;
  if (auto const value = header.real("SEMIDIAM"); value && plausible_radius(*value * arcsec_per_radian))
    return *value * arcsec_per_radian;
  for (char const* const key : {"SOLAR_R", "RADIUS"})  // in arcsec or in pixels, depending on who wrote the file
    if (auto const value = header.real(key)) {
      if (*value > 850 && *value < 1100) return value;
      if (plausible_radius(*value * scale)) return *value * scale;
    }
  if (auto const distance = header.real("DSUN_OBS"); distance && *distance > 1e9) {
    double const reference = header.real("RSUN_REF").value_or(solar_radius_m);
    if (reference > 0 && reference < *distance) return std::asin(reference / *distance) * arcsec_per_radian;
  }
  if (auto const value = header.real("R_SUN"); value && plausible_radius(*value * scale)) return *value * scale;
  return std::nullopt;
}

}  // namespace detail

/// Reads the pointing from the cards of a header. `Header` needs `std::optional<double> real(keyword)` and
/// `std::optional<std::string> text(keyword)`; io::FitsHeader has them.
///
/// Understood are CRPIXn, CRVALn, CDELTn with CROTA2 or PCi_j, CDi_j, the CTYPEn and CUNITn of helioprojective images; of
/// older files X0, Y0 (counted from 0), IM_SCALE, XSCALE, and P_ANGLE (solar north, of MDI, with the other sign). The
/// apparent radius is the first of RSUN_OBS, OBS_R0, SEMIDIAM, SOLAR_R, RADIUS, DSUN_OBS with RSUN_REF, and R_SUN (in
/// pixels) that makes sense.
///
/// Throws   InputError naming `file` and the keyword that is missing or makes no sense.
template <class Header>
Pointing pointing_from(Header const& header, std::string const& file) {
  auto const refuse = [&](std::string const& what) {
    throw InputError(file + ": " + what + "; give the pointing in the header or treat the image as a patch without it");
  };
  double unit[2];
  std::string const axis_name = "xy";
  for (int axis = 0; axis < 2; ++axis) {
    std::string const n = std::to_string(axis + 1);
    std::string const type = header.text("CTYPE" + n).value_or("");
    if (!detail::is_helioprojective(type, axis_name[static_cast<std::size_t>(axis)]))
      refuse("CTYPE" + n + " is no helioprojective axis (found '" + type.substr(0, 20) + "', expected " +
             (axis == 0 ? "HPLN-TAN)" : "HPLT-TAN)"));
    std::string const word = header.text("CUNIT" + n).value_or("arcsec");
    auto const factor = detail::arcsec_per_unit(word.empty() ? std::string("arcsec") : word);
    if (!factor) refuse("CUNIT" + n + " is no angle (found '" + word.substr(0, 20) + "', expected arcsec or deg)");
    unit[axis] = *factor;
  }

  // The matrix from pixels to arcsec.
  Pointing p;
  auto const cd = [&](char const* key) { return header.real(key); };
  if (cd("CD1_1") && cd("CD2_2")) {
    p.xx = *cd("CD1_1") * unit[0];
    p.xy = cd("CD1_2").value_or(0) * unit[0];
    p.yx = cd("CD2_1").value_or(0) * unit[1];
    p.yy = *cd("CD2_2") * unit[1];
  } else {
    double delta[2];
    for (int axis = 0; axis < 2; ++axis) {
      std::string const n = std::to_string(axis + 1);
      auto value = header.real("CDELT" + n);
      if (value) *value *= unit[axis];
      for (std::string const& key : {std::string("IM_SCALE"), std::string(axis == 0 ? "XSCALE" : "YSCALE")})
        if (!value) value = header.real(key);
      if (!value) refuse("the header has no plate scale (keyword CDELT" + n + ")");
      delta[axis] = *value;
    }
    double c11 = header.real("PC1_1").value_or(1), c12 = header.real("PC1_2").value_or(0);
    double c21 = header.real("PC2_1").value_or(0), c22 = header.real("PC2_2").value_or(1);
    bool const has_pc = header.real("PC1_1") || header.real("PC1_2") || header.real("PC2_1") || header.real("PC2_2");
    if (!has_pc) {
      auto angle = header.real("CROTA2");
      if (!angle) angle = header.real("CROTA1");
      if (!angle && header.real("P_ANGLE")) angle = -*header.real("P_ANGLE");
      double const a = angle.value_or(0) * 3.14159265358979323846 / 180;
      c11 = std::cos(a), c22 = std::cos(a);
      c12 = -std::sin(a) * delta[1] / delta[0];
      c21 = std::sin(a) * delta[0] / delta[1];
    }
    p.xx = delta[0] * c11, p.xy = delta[0] * c12;
    p.yx = delta[1] * c21, p.yy = delta[1] * c22;
  }
  double const determinant = p.xx * p.yy - p.xy * p.yx;
  double const scale = std::sqrt(std::abs(determinant));
  if (!(scale > 1e-3 && scale < 1e3))
    refuse("CDELT1 and CDELT2 give an absurd plate scale (found " + std::to_string(scale) + " arcsec per pixel)");

  // Disk centre: where the helioprojective offset is zero.
  auto const x = header.real("CRPIX1");
  auto const y = header.real("CRPIX2");
  if (x && y) {
    double const tx = header.real("CRVAL1").value_or(0) * unit[0];
    double const ty = header.real("CRVAL2").value_or(0) * unit[1];
    p.center_x = *x - 1 - (p.yy * tx - p.xy * ty) / determinant;
    p.center_y = *y - 1 - (p.xx * ty - p.yx * tx) / determinant;
  } else if (header.real("X0") && header.real("Y0")) {
    p.center_x = *header.real("X0");
    p.center_y = *header.real("Y0");
  } else {
    refuse("the header does not say where disk centre is (keywords CRPIX1 and CRPIX2)");
  }
  if (!(std::abs(p.center_x) < 1e6 && std::abs(p.center_y) < 1e6))
    refuse("CRPIX1 and CRPIX2 put disk centre absurdly far away");

  auto const radius = detail::solar_radius_arcsec(header, scale);
  if (!radius) refuse("the header does not say how large the Sun appears (keywords RSUN_OBS, DSUN_OBS, R_SUN)");
  p.radius_arcsec = *radius;
  return p;
}

namespace detail {

template <class Scalar>
struct RadiusMap {
  Pointing pointing;
  double x0, y0;
  std::size_t width;
  Scalar* out;
  KOKKOS_FUNCTION void operator()(std::size_t i) const {
    out[i] =
        static_cast<Scalar>(pointing.radius(x0 + static_cast<double>(i % width), y0 + static_cast<double>(i / width)));
  }
};

template <class Scalar>
struct MuMap {
  Pointing pointing;
  double x0, y0;
  std::size_t width;
  Scalar* out;
  KOKKOS_FUNCTION void operator()(std::size_t i) const {
    out[i] = static_cast<Scalar>(pointing.mu(x0 + static_cast<double>(i % width), y0 + static_cast<double>(i / width)));
  }
};

}  // namespace detail

/// The distance from disk centre in solar radii, for the pixels of the part of an image that starts at column x0, row y0.
/// Shapes   out [h, w]
template <class B>
void radius_map(Workspace<B>& ws, Pointing const& pointing, double x0, double y0, TensorRef<2, B> out) {
  kernel::for_each_element(ws, "heliograd::radius_map", out.size(),
                           detail::RadiusMap<typename B::scalar_type>{pointing, x0, y0, out.extent(1), out.data()});
}

/// The cosine of the heliocentric angle for the same pixels, 0 off the disk.
/// Shapes   out [h, w]
template <class B>
void mu_map(Workspace<B>& ws, Pointing const& pointing, double x0, double y0, TensorRef<2, B> out) {
  kernel::for_each_element(ws, "heliograd::mu_map", out.size(),
                           detail::MuMap<typename B::scalar_type>{pointing, x0, y0, out.extent(1), out.data()});
}

}  // namespace heliograd::inline HELIOGRAD_ABI::physics
