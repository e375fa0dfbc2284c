// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <heliograd/physics/ephemeris.hpp>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_floating_point.hpp>
#include <cmath>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>

using namespace heliograd::physics;
using Catch::Matchers::WithinAbs;

namespace {

struct Seen {
  char const* utc;
  double julian_date_tt, b0, l0, p, au;
};

// astropy 8.0.2, sunpy 7.0.5: Time(utc).tt.jd; sunpy.coordinates.sun.B0, L0 (light travel time corrected), P, earth_distance.
constexpr std::initializer_list<Seen> seen{
    {"1992-10-13T00:00:00", 2448908.500685000, 5.989809, 238.624162, 26.273740, 0.997608343},
    {"1999-12-10T23:59:30", 2451523.500395648, -0.344030, 284.667505, 12.191680, 0.984769670},
    {"2010-10-15T00:03:30", 2455484.503196574, 5.888584, 203.357473, 26.202292, 0.997300371},
    {"2018-11-06T12:00:00", 2458429.000800741, 3.833663, 219.787973, 23.474277, 0.991270361},
    {"2022-08-02T10:47:53", 2459793.950719722, 5.868648, 204.444255, 11.347954, 1.014877118},
    {"2026-04-01T06:00:00", 2461131.750800741, -6.546786, 190.270777, -26.142428, 0.999160034},
};

struct Cards {
  std::map<std::string, std::string> words;
  std::optional<std::string> text(std::string const& key) const {
    auto const at = words.find(key);
    return at == words.end() ? std::nullopt : std::optional<std::string>(at->second);
  }
};

}  // namespace

TEST_CASE("the Sun from the Earth agrees with sunpy", "[physics][ephemeris]") {
  for (Seen const& s : seen) {
    INFO(s.utc);
    auto const time = julian_date_from(s.utc);
    REQUIRE(time.has_value());
    CHECK_THAT(*time, WithinAbs(s.julian_date_tt, 2e-9));
    auto const sun = sun_from_earth(*time);
    CHECK_THAT(sun.latitude_rad / degree, WithinAbs(s.b0, 0.01));
    CHECK_THAT(sun.longitude_rad / degree, WithinAbs(s.l0, 0.01));
    CHECK_THAT(sun.north_angle_rad / degree, WithinAbs(s.p, 0.01));
    CHECK_THAT(sun.distance_au, WithinAbs(s.au, 6e-5));
  }
}

TEST_CASE("Meeus' own example", "[physics][ephemeris]") {
  // Astronomical Algorithms, 2nd edition, example 29.a: 1992 October 13, 0 h UT.
  auto const sun = sun_from_earth(2448908.50068);
  CHECK_THAT(sun.north_angle_rad / degree, WithinAbs(26.27, 0.005));
  CHECK_THAT(sun.latitude_rad / degree, WithinAbs(5.99, 0.005));
  CHECK_THAT(sun.longitude_rad / degree, WithinAbs(238.63, 0.005));
}

TEST_CASE("times as headers write them", "[physics][ephemeris]") {
  double const utc = *julian_date_from("2010-10-15T00:03:30");
  CHECK_THAT(*julian_date_from("2010.10.15_00:04:04_TAI"), WithinAbs(utc, 1e-9));  // 34 s of leap seconds
  CHECK_THAT(*julian_date_from("2010.10.15_00:04:04.000_TAI"), WithinAbs(utc, 1e-9));
  CHECK_THAT(*julian_date_from("2010/10/15 00:03:30Z"), WithinAbs(utc, 1e-9));
  CHECK_THAT(*julian_date_from("2010-10-15T00:03:30.500"), WithinAbs(utc + 0.5 / 86400, 1e-9));
  CHECK_THAT(*julian_date_from("2010-10-15"), WithinAbs(utc - 210.0 / 86400, 1e-9));
  CHECK_THAT(*julian_date_from("2010-10-15T00:03"), WithinAbs(utc - 30.0 / 86400, 1e-9));
  // Either side of the leap second of 2016-12-31: two seconds pass between 23:59:59 and 00:00:00.
  CHECK_THAT((*julian_date_from("2017-01-01T00:00:00") - *julian_date_from("2016-12-31T23:59:59")) * 86400,
             WithinAbs(2, 1e-4));
  for (char const* const bad : {"", "yesterday", "2010", "2010-10", "2010-13-01", "2010-10-15T25:00", "2010-10-15x",
                                "2010-10-15T00:03:30_EST", "-2010-10-15"}) {
    INFO(bad);
    CHECK_FALSE(julian_date_from(bad).has_value());
  }
}

TEST_CASE("times written are times read", "[physics][ephemeris]") {
  for (char const* const text : {"2010-10-15T00:03:30.500", "2016-02-29T23:59:59.999", "2011-01-01T00:00:00.000",
                                 "1999-12-31T23:59:59.000", "2017-01-01T00:00:00.000"}) {
    INFO(text);
    CHECK(date_text(*julian_date_from(text)) == text);
  }
}

TEST_CASE("the time of an image", "[physics][ephemeris]") {
  double const time = *julian_date_from("2018-11-06T00:04:00");
  CHECK(julian_date_of(Cards{{{"DATE-OBS", "2018-11-06"}, {"MAPDATE", "2018-11-06"}, {"MAPTIME", "00:04"}}}) == time);
  CHECK(julian_date_of(Cards{{{"DATE-OBS", "2018-11-06"}, {"TIME-OBS", "00:04:00"}}}) == time);
  CHECK(julian_date_of(Cards{{{"T_OBS", "unknown"}, {"DATE_OBS", "2018-11-06T00:04:00Z"}}}) == time);
  CHECK_FALSE(julian_date_of(Cards{{{"DATE", "2018-11-06"}}}).has_value());
}
