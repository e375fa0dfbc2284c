// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <heliograd/physics/map_grid.hpp>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_floating_point.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cmath>
#include <map>
#include "physics/cards.hpp"

using namespace heliograd::physics;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::WithinAbs;

namespace {

using test::Cards;

Cards cea(double crpix1, double crval1, double cdelt1, double crpix2, double crval2, double cdelt2, char const* unit2) {
  return {{{"CRPIX1", crpix1},
           {"CRVAL1", crval1},
           {"CDELT1", cdelt1},
           {"CRPIX2", crpix2},
           {"CRVAL2", crval2},
           {"CDELT2", cdelt2}},
          {{"CTYPE1", "CRLN-CEA"}, {"CTYPE2", "CRLT-CEA"}, {"CUNIT2", unit2}}};
}

double longitude(MapGrid const& grid, double x) {
  double const l = std::fmod(grid.surface(x, 10).longitude_rad / degree, 360.0);
  return l < 0 ? l + 360 : l;
}

}  // namespace

TEST_CASE("maps of the whole Sun", "[physics][map_grid]") {
  for (auto const projection : {MapProjection::equal_area, MapProjection::plate_carree}) {
    auto const grid = MapGrid::whole_sun(projection, 360, 180, 30 * degree);
    CHECK(grid.goes_round());
    CHECK_THAT(grid.surface(-0.5, 89.5).longitude_rad / degree, WithinAbs(30, 1e-12));
    CHECK_THAT(grid.surface(0, 89.5).latitude_rad, WithinAbs(0, 1e-12));
    CHECK_THAT(grid.surface(0, -0.5).latitude_rad / degree, WithinAbs(-90, 1e-5));
    CHECK(std::isnan(grid.surface(0, 180).latitude_rad));
    double area = 0;
    for (int y = 0; y < 180; ++y) area += 360 * grid.area(y);
    CHECK_THAT(area, WithinAbs(4 * pi, projection == MapProjection::equal_area ? 1e-10 : 2e-4));
    for (double const x : {-0.4, 0.0, 123.25, 359.4})
      for (double const y : {0.0, 50.5, 179.0}) {
        auto const back = grid.image(grid.surface(x, y));
        CHECK_THAT(back.x, WithinAbs(x, 1e-9));
        CHECK_THAT(back.y, WithinAbs(y, 1e-9));
      }
    auto around = grid.surface(12, 34);
    around.longitude_rad -= 6 * pi;
    CHECK_THAT(grid.image(around).x, WithinAbs(12, 1e-9));
    auto const fine = grid.refined(4);
    CHECK_THAT(fine.surface(-0.5, -0.5).longitude_rad, WithinAbs(grid.surface(-0.5, -0.5).longitude_rad, 1e-12));
    CHECK_THAT(fine.surface(5.5, 9.5).latitude_rad, WithinAbs(grid.surface(1, 2).latitude_rad, 1e-12));
  }
}

TEST_CASE("synoptic headers as they come", "[physics][map_grid]") {
  // GONG, 2018-11-06 (LONG0 = 166 is the left edge): sine latitude without a unit.
  auto const gong = map_grid_from(cea(180.5, 346, 1, 90.5, 0, 0.0111111, ""), 360, 180, "gong.fits");
  CHECK(gong.goes_round());
  CHECK_THAT(longitude(gong, -0.5), WithinAbs(166, 1e-9));
  CHECK_THAT(gong.surface(0, 0).latitude_rad, WithinAbs(std::asin(-179.0 / 180), 1e-4));
  // HMI of the same day counts Carrington time: the left edge is 60 degrees east of the observer at 219.89.
  auto const hmi = map_grid_from(cea(360.4, 795260.299997, -0.5, 180.5, 0, 0.005556, "sin(deg)"), 720, 360, "hmi.fits");
  CHECK(hmi.goes_round());
  CHECK_THAT(longitude(hmi, -0.5), WithinAbs(219.89 - 60, 0.4));
  CHECK(hmi.longitude_step_rad > 0);
  // The same grid as FITS defines CEA: degrees of (180/pi) sine latitude.
  auto const fits = map_grid_from(cea(180.5, 346, 1, 90.5, 0, 2.0 / 180 / degree, "deg"), 360, 180, "fits.fits");
  CHECK_THAT(fits.surface(3, 7).latitude_rad, WithinAbs(gong.surface(3, 7).latitude_rad, 2e-4));
  // Longitudes that fall from left to right.
  auto const falling = map_grid_from(cea(1, 359.5, -1, 90.5, 0, 0.0111111, ""), 360, 180, "falling.fits");
  CHECK_THAT(longitude(falling, 10), WithinAbs(349.5, 1e-9));
  CHECK_THAT(falling.image(falling.surface(10, 20)).x, WithinAbs(10, 1e-9));
}

TEST_CASE("the tilted grid of a SHARP agrees with astropy", "[physics][map_grid]") {
  auto const grid = map_grid_from(cea(372.5, 34.879105, 0.03, 189, -21.0769, 0.03, "degree"), 744, 377, "sharp.fits");
  CHECK_FALSE(grid.goes_round());
  // astropy 8.0.2: WCS(header).wcs_pix2world(x, y, 0), HARP 377 of 2011-02-15 02:00.
  double const seen[][4] = {{0, 0, 22.48980681, -26.29391719},
                            {371.5, 188, 34.879105, -21.0769},
                            {743, 376, 46.36721169, -15.02698599},
                            {100, 300, 26.35089038, -17.49728551}};
  for (auto const& [x, y, l, b] : seen) {
    auto const at = grid.surface(x, y);
    CHECK_THAT(at.longitude_rad / degree, WithinAbs(l, 1e-8));
    CHECK_THAT(at.latitude_rad / degree, WithinAbs(b, 1e-8));
    CHECK_THAT(grid.image(at).x, WithinAbs(x, 1e-8));
    CHECK_THAT(grid.image(at).y, WithinAbs(y, 1e-8));
  }
}

TEST_CASE("what is no map is refused", "[physics][map_grid]") {
  Cards cards = cea(180.5, 346, 1, 90.5, 0, 0.0111111, "");
  cards.words["CTYPE1"] = "HPLN-TAN";
  CHECK_THROWS_WITH(map_grid_from(cards, 360, 180, "a.fits"),
                    ContainsSubstring("a.fits") && ContainsSubstring("HPLN-TAN"));
  cards = cea(180.5, 346, 1, 90.5, 0, 0.0111111, "");
  cards.numbers.erase("CDELT2");
  CHECK_THROWS_WITH(map_grid_from(cards, 360, 180, "a.fits"), ContainsSubstring("CDELT2"));
  CHECK_THROWS_WITH(map_grid_from(cea(180.5, 346, 1, 0.5, 0, 0.0111111, ""), 360, 180, "a.fits"),
                    ContainsSubstring("pole"));
}
