// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <heliograd/physics/disk.hpp>

#include <catch2/catch_approx.hpp>
#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <map>

#include <heliograd/core/copy.hpp>
#include "physics/cards.hpp"
#include "spaces.hpp"

namespace hg = heliograd;
using Catch::Approx;
using Catch::Matchers::ContainsSubstring;

namespace {

using test::Cards;

Cards mdi_2010() {
  return {{{"CRPIX1", 512.5771484375},
           {"CRPIX2", 512.1712646484375},
           {"CRVAL1", 0},
           {"CRVAL2", 0},
           {"CDELT1", 1.9860081672668457},
           {"CDELT2", 1.9860081672668457},
           {"CROTA2", 0},
           {"RSUN_OBS", 970.4159229184},
           {"R_SUN", 488.62637329101562},
           {"DSUN_OBS", 147937426993.65381},
           {"RSUN_REF", 6.96e8}},
          {{"CTYPE1", "HPLN-TAN"}, {"CTYPE2", "HPLT-TAN"}, {"CUNIT1", "arcsec"}, {"CUNIT2", "arcsec"}}};
}

}  // namespace

TEST_CASE("the pointing of an MDI full disk", "[physics][disk]") {
  auto const p = hg::physics::pointing_from(mdi_2010(), "mdi.fits");
  CHECK(p.center_x == Approx(511.5771484375));
  CHECK(p.center_y == Approx(511.1712646484375));
  CHECK(p.radius_pixels() == Approx(488.62637329101562).epsilon(1e-6));
  CHECK(p.radius(p.center_x, p.center_y) == 0);
  CHECK(p.radius(p.center_x + 488.6263733, p.center_y) == Approx(1).epsilon(1e-6));
  CHECK(p.radius(p.center_x, p.center_y - 600) == Approx(600 * 1.9860081672668457 / 970.4159229184));
  CHECK(p.mu(p.center_x, p.center_y) == 1);
  CHECK(p.mu(p.center_x + 0.6 * 488.6263733, p.center_y) == Approx(0.8).epsilon(1e-5));
  CHECK(p.mu(p.center_x + 500, p.center_y) == 0);
  CHECK(p.pixel_area_cm2() == Approx(std::pow(6.96e10 / 488.6263733, 2)).epsilon(1e-6));
}

TEST_CASE("the radius is found however it is written", "[physics][disk]") {
  double const expected = 970.4159;
  auto with = [](char const* key, double value) {
    Cards cards = mdi_2010();
    for (char const* const other : {"RSUN_OBS", "R_SUN", "DSUN_OBS"}) cards.numbers.erase(other);
    cards.numbers[key] = value;
    return hg::physics::pointing_from(cards, "f").radius_arcsec;
  };
  CHECK(with("OBS_R0", 970.4159) == Approx(expected));
  CHECK(with("SOLAR_R", 970.4159) == Approx(expected));
  CHECK(with("SOLAR_R", 488.62637329101562) == Approx(expected));
  CHECK(with("RADIUS", 970.4159) == Approx(expected));
  CHECK(with("R_SUN", 488.62637329101562) == Approx(expected));
  CHECK(with("SEMIDIAM", 970.4159 / 206264.80625) == Approx(expected));
  CHECK(with("DSUN_OBS", 147937426993.65381) == Approx(expected).epsilon(1e-5));
  CHECK_THROWS_WITH(with("NOTHING", 1), ContainsSubstring("f: ") && ContainsSubstring("RSUN_OBS"));
}

TEST_CASE("rotation, offset and the three ways to write the matrix agree", "[physics][disk]") {
  double const a = 179.93 * 3.14159265358979323846 / 180;
  Cards rotated = mdi_2010();
  rotated.numbers["CROTA2"] = 179.93;
  rotated.numbers["CRVAL1"] = 12;
  rotated.numbers["CRVAL2"] = -30;
  rotated.numbers["CDELT2"] = 2.5;
  Cards pc = rotated;
  pc.numbers.erase("CROTA2");
  double const d1 = rotated.numbers["CDELT1"];
  double const d2 = 2.5;
  pc.numbers["PC1_1"] = std::cos(a), pc.numbers["PC1_2"] = -std::sin(a) * d2 / d1;
  pc.numbers["PC2_1"] = std::sin(a) * d1 / d2, pc.numbers["PC2_2"] = std::cos(a);
  Cards cd = pc;
  for (char const* const key : {"PC1_1", "PC1_2"}) cd.numbers[std::string("CD") + (key + 2)] = d1 * pc.numbers[key];
  for (char const* const key : {"PC2_1", "PC2_2"}) cd.numbers[std::string("CD") + (key + 2)] = d2 * pc.numbers[key];
  auto const first = hg::physics::pointing_from(rotated, "f");
  for (Cards const& other : {pc, cd}) {
    auto const p = hg::physics::pointing_from(other, "f");
    CHECK(p.center_x == Approx(first.center_x));
    CHECK(p.center_y == Approx(first.center_y));
    for (double const x : {0.0, 100.0, 700.0}) CHECK(p.radius(x, 2 * x) == Approx(first.radius(x, 2 * x)));
  }
  CHECK(first.rotation_rad() == Approx(a));
  // The reference pixel is at (12", -30") on the sky.
  CHECK(first.radius(511.5771484375, 511.1712646484375) * 970.4159229184 == Approx(std::hypot(12.0, 30.0)));
}

TEST_CASE("magnified and cropped images point to the same place on the Sun", "[physics][disk]") {
  auto const p = hg::physics::pointing_from(mdi_2010(), "f");
  auto const fine = p.magnified(4);
  CHECK(fine.radius_pixels() == Approx(4 * p.radius_pixels()));
  // The corner between four pixels stays where it is.
  CHECK(fine.radius(4 * 100 - 0.5, 4 * 200 - 0.5) == Approx(p.radius(99.5, 199.5)));
  CHECK(p.cropped(30, 40).radius(1, 2) == p.radius(31, 42));
}

TEST_CASE("headers without a usable pointing are refused by keyword", "[physics][disk]") {
  auto const refused = [](auto change, char const* keyword) {
    Cards cards = mdi_2010();
    change(cards);
    CHECK_THROWS_AS(hg::physics::pointing_from(cards, "x.fits"), hg::InputError);
    CHECK_THROWS_WITH(hg::physics::pointing_from(cards, "x.fits"),
                      ContainsSubstring("x.fits: ") && ContainsSubstring(keyword));
  };
  refused([](Cards& c) { c.words["CTYPE1"] = "CRLN-CEA"; }, "CTYPE1");
  refused([](Cards& c) { c.words["CTYPE2"] = "DEC--TAN"; }, "CTYPE2");
  refused([](Cards& c) { c.words["CUNIT2"] = "Sine Latitude"; }, "CUNIT2");
  refused([](Cards& c) { c.numbers["CDELT1"] = 0; }, "CDELT1");
  refused([](Cards& c) { c.numbers.erase("CDELT2"); }, "CDELT2");
  refused([](Cards& c) { c.numbers["CRPIX1"] = 1e30; }, "CRPIX1");
  refused([](Cards& c) { c.numbers.erase("CRPIX1"); }, "CRPIX1");
}

TEST_CASE("older spellings are understood", "[physics][disk]") {
  Cards old;
  old.numbers = {
      {"X0", 511.5087}, {"Y0", 511.054}, {"IM_SCALE", 1.985598880261}, {"OBS_R0", 984.95}, {"P_ANGLE", -179.999994991}};
  old.words = {{"CTYPE1", "solar-x"}, {"CTYPE2", "solar-y"}};
  auto const p = hg::physics::pointing_from(old, "f");
  CHECK(p.center_x == 511.5087);
  CHECK(p.scale_arcsec() == Approx(1.985598880261));
  CHECK(p.radius_arcsec == 984.95);
  CHECK(std::abs(p.rotation_rad()) == Approx(3.14159265).epsilon(1e-6));
}

TEMPLATE_LIST_TEST_CASE("maps of radius and mu over a tile", "[physics][disk]", test::Backends) {
  using B = TestType;
  auto const p = hg::physics::pointing_from(mdi_2010(), "f");
  hg::Workspace<B> ws;
  auto const r = hg::make_tensor<B>("r", hg::Shape{5, 7});
  auto const mu = hg::make_tensor<B>("mu", hg::Shape{5, 7});
  hg::physics::radius_map<B>(ws, p, 900, 300, r);
  hg::physics::mu_map<B>(ws, p, 900, 300, mu);
  auto const radius = hg::to_host(ws.exec(), r);
  auto const cosine = hg::to_host(ws.exec(), mu);
  for (std::size_t y = 0; y < 5; ++y)
    for (std::size_t x = 0; x < 7; ++x) {
      double const tx = (900.0 + double(x) - 511.5771484375) * 1.9860081672668457;
      double const ty = (300.0 + double(y) - 511.1712646484375) * 1.9860081672668457;
      double const expected = std::hypot(tx, ty) / 970.4159229184;
      CHECK(double(radius[y * 7 + x]) == Approx(expected).epsilon(1e-6));
      CHECK(double(cosine[y * 7 + x]) == Approx(std::sqrt(1 - expected * expected)).epsilon(1e-4));
    }
}
