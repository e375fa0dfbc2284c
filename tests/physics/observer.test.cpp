// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <heliograd/physics/observer.hpp>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_floating_point.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cmath>
#include <map>
#include "physics/cards.hpp"

using namespace heliograd::physics;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::WithinAbs;
using Catch::Matchers::WithinRel;

namespace {

using test::Cards;

/// The header of an HMI cut-out of 2011-02-14, upside down as they come.
Cards hmi_2011() {
  return {{{"CRPIX1", 595.817749},
           {"CRPIX2", -197.1733400000001},
           {"CDELT1", 0.504228},
           {"CDELT2", 0.504228},
           {"CROTA2", 179.929855},
           {"CRLN_OBS", 24.698355},
           {"CRLT_OBS", -6.803794},
           {"DSUN_OBS", 147699950484.1},
           {"RSUN_OBS", 971.976196},
           {"RSUN_REF", 6.96e8}},
          {{"CTYPE1", "HPLN-TAN"},
           {"CTYPE2", "HPLT-TAN"},
           {"CUNIT1", "arcsec"},
           {"CUNIT2", "arcsec"},
           {"T_OBS", "2011.02.14_20:35:09_TAI"}}};
}

DiskView view_of(double longitude, double latitude, double distance_m, Projection projection = Projection::exact) {
  Pointing p;
  p.radius_arcsec = std::asin(solar_radius_m / distance_m) * arcsec_per_radian;
  return DiskView(p, {longitude * degree, latitude * degree}, projection);
}

/// From TAN's plane to angles, in arcsec.
double angle(double plane_arcsec) { return std::atan(plane_arcsec / arcsec_per_radian) * arcsec_per_radian; }

}  // namespace

TEST_CASE("heliographic to helioprojective agrees with sunpy", "[physics][observer]") {
  struct Seen {
    double longitude0, latitude0, distance_m, longitude, latitude, tx, ty;
  };
  // sunpy 7.0.5: SkyCoord(lon, lat, 696000 km, HeliographicStonyhurst).transform_to(Helioprojective(observer)), arcsec; an
  // observer at the Earth, one aside of it and one at 0.35 au.
  constexpr double near = 52359254745.0;
  Seen const seen[] = {
      {0, 5.9158711433410645, 147937426993.6538, 0, 0, 0, -100.4887694850},
      {0, 5.9158711433410645, 147937426993.6538, 30, 20, 457.7631176398, 249.7298456902},
      {0, 5.9158711433410645, 147937426993.6538, -60, -35, -689.5440836498, -595.5774327376},
      {0, 5.9158711433410645, 147937426993.6538, 75, 10, 924.2800566051, 142.2997425798},
      {0, 5.9158711433410645, 147937426993.6538, 10, 70, 57.7512707332, 875.1170779996},
      {120, -7.1, 145809712455.31, 150, 20, 464.2932521978, 434.7829753731},
      {120, -7.1, 145809712455.31, 60, -35, -700.0548282394, -511.7162174349},
      {-75, 3, near, -45, 20, 1302.6044745909, 828.8298531540},
      {-75, 3, near, -135, -35, -1954.8639187550, -1637.4096623065},
      {-75, 3, near, -65, 70, 163.6794625682, 2537.4920236525},
  };
  for (Seen const& s : seen) {
    DiskView const view = view_of(s.longitude0, s.latitude0, s.distance_m);
    auto const at = view.image({s.longitude * degree, s.latitude * degree});
    CHECK_THAT(angle(at.x), WithinAbs(s.tx, 2e-6));
    // Helioprojective latitude: the plane has y / (distance to the plane through the observer and solar north).
    double const ty = std::atan(at.y / arcsec_per_radian * std::cos(std::atan(at.x / arcsec_per_radian)));
    CHECK_THAT(ty * arcsec_per_radian, WithinAbs(s.ty, 2e-6));
    auto const back = view.surface(at.x, at.y);
    CHECK_THAT(back.longitude_rad / degree, WithinAbs(s.longitude, 1e-8));
    CHECK_THAT(back.latitude_rad / degree, WithinAbs(s.latitude, 1e-8));
    CHECK_THAT(view.mu(at.x, at.y), WithinAbs(at.mu, 1e-10));
    CHECK_THAT(view.pointing().mu(at.x, at.y), WithinAbs(at.mu, 1e-9));
  }
}

TEST_CASE("pixels of an HMI header agree with sunpy", "[physics][observer]") {
  // sunpy 7.0.5: Map.pixel_to_world(x, y) transformed to HeliographicCarrington at Map.reference_date, degrees.
  double const seen[][4] = {{0, 0, 43.020510595, -12.361999369},
                            {250, 250, 35.610172900, -20.080619750},
                            {494, 0, 27.749489745, -12.671074920},
                            {100, 480, 41.349446192, -27.059427848}};
  DiskView const view = disk_view_from(hmi_2011(), "hmi.fits");
  for (auto const& [x, y, longitude, latitude] : seen) {
    auto const at = view.surface(x, y);
    // RSUN_OBS is written with nine digits, 7e-7 arcsec off the distance that sunpy takes.
    CHECK_THAT(at.longitude_rad / degree, WithinAbs(longitude, 2e-6));
    CHECK_THAT(at.latitude_rad / degree, WithinAbs(latitude, 2e-6));
    auto const back = view.image(at);
    CHECK_THAT(back.x, WithinAbs(x, 1e-7));
    CHECK_THAT(back.y, WithinAbs(y, 1e-7));
  }
}

TEST_CASE("the far side and the sky are NaN", "[physics][observer]") {
  for (Projection const projection : {Projection::exact, Projection::orthographic}) {
    DiskView const view = view_of(10, -5, astronomical_unit_m, projection);
    CHECK(std::isnan(view.image({190 * degree, 5 * degree}).x));
    CHECK(view.image({190 * degree, 5 * degree}).mu == 0);
    CHECK(std::isnan(view.surface(0, 1000).latitude_rad));
    CHECK(view.mu(0, 1000) == 0);
    CHECK(view.area_cm2(0, 1000) == 0);
    CHECK_THAT(view.surface(0, 0).latitude_rad / degree, WithinAbs(-5, 1e-12));
    CHECK(view.mu(0, 0) == 1);
  }
  // Parts of the hemisphere are hidden from an observer who is near: those with z below 1/D.
  double const edge = 89.8 * degree;
  CHECK(view_of(0, 0, astronomical_unit_m).image({edge, 0}).mu == 0);
  CHECK(view_of(0, 0, astronomical_unit_m, Projection::orthographic).image({edge, 0}).mu > 0);
}

TEST_CASE("orthographic is the limit of great distance", "[physics][observer]") {
  DiskView const exact = view_of(40, 7, 1e4 * astronomical_unit_m);
  DiskView const flat = view_of(40, 7, 1e4 * astronomical_unit_m, Projection::orthographic);
  for (double const longitude : {-30.0, 40.0, 80.0})
    for (double const latitude : {-50.0, 0.0, 60.0}) {
      SurfacePoint const at{longitude * degree, latitude * degree};
      double const radius = flat.pointing().radius_arcsec;
      CHECK_THAT(exact.image(at).x / radius, WithinAbs(flat.image(at).x / radius, 1e-6));
      CHECK_THAT(exact.image(at).y / radius, WithinAbs(flat.image(at).y / radius, 1e-6));
      CHECK_THAT(exact.image(at).mu, WithinAbs(flat.image(at).mu, 1e-6));
      auto const back = flat.surface(flat.image(at).x, flat.image(at).y);
      CHECK_THAT(back.longitude_rad, WithinAbs(at.longitude_rad, 1e-12));
    }
}

TEST_CASE("pixel areas add up to the cap that is seen", "[physics][observer]") {
  // The visible cap has the area 2 pi R^2 (1 - 1/D).  mu > 0.2 cuts the rim, where one value per pixel does not do:
  // mu = (D z - 1)/sqrt(1 + D^2 - 2 D z) = 0.2 bounds the cap at z = mu^2-quadratic below.
  for (double const au : {1.0, 0.2}) {
    Pointing p;
    p.radius_arcsec = std::asin(solar_radius_m / (au * astronomical_unit_m)) * arcsec_per_radian;
    p.xx = 0.9 * p.radius_arcsec / 400, p.yy = 1.1 * p.radius_arcsec / 400;
    DiskView const view(p, {0, 0});
    double const d = view.distance(), mu = 0.2;
    double const z = (1 - mu * mu + mu * std::sqrt(d * d - 1 + mu * mu)) / d;
    double sum = 0;
    for (int y = -500; y <= 500; ++y)
      for (int x = -500; x <= 500; ++x)
        if (view.mu(x, y) > mu) sum += view.area_cm2(x, y);
    double const r = 100 * solar_radius_m;
    CHECK_THAT(sum, WithinRel(2 * pi * r * r * (1 - z), 2e-4));
  }
}

TEST_CASE("the observer is found or computed", "[physics][observer]") {
  Cards cards = hmi_2011();
  auto const stated = below_observer_from(cards, "hmi.fits");
  CHECK_THAT(stated.longitude_rad / degree, WithinAbs(24.698355, 1e-12));
  cards.numbers.erase("CRLN_OBS");
  cards.numbers.erase("CRLT_OBS");
  auto const computed = below_observer_from(cards, "hmi.fits");
  // SDO is within 0.02 degrees of the Earth's direction; its CRLN_OBS is 0.07 degrees ahead of sunpy's L0 (24.627 here).
  CHECK_THAT(computed.longitude_rad, WithinAbs(stated.longitude_rad, 0.1 * degree));
  CHECK_THAT(computed.latitude_rad, WithinAbs(stated.latitude_rad, 0.03 * degree));
  cards.numbers["HGLN_OBS"] = -86.6;
  CHECK_THAT(below_observer_from(cards, "").longitude_rad, WithinAbs(computed.longitude_rad - 86.6 * degree, 1e-12));
  cards.words.erase("T_OBS");
  CHECK_THROWS_WITH(below_observer_from(cards, "hmi.fits"),
                    ContainsSubstring("hmi.fits") && ContainsSubstring("T_OBS"));
  cards.numbers["CRLN_OBS"] = 1e5;
  CHECK_THROWS_WITH(below_observer_from(cards, "hmi.fits"), ContainsSubstring("CRLN_OBS"));
}
