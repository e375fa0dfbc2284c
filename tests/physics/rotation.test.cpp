// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <heliograd/physics/rotation.hpp>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_floating_point.hpp>

#include <heliograd/physics/ephemeris.hpp>

using namespace heliograd::physics;
using Catch::Matchers::WithinAbs;

TEST_CASE("differential rotation agrees with sunpy", "[physics][rotation]") {
  // sunpy 7.0.5: differential_rotation(5 day, latitude, model, frame_time), degrees.
  struct Turned {
    DifferentialRotation law;
    double sidereal[4], synodic[4];
  };
  double const latitudes[4] = {0, 15, 30, 60};
  Turned const laws[] = {
      {howard_rotation(),
       {71.63164191, 70.88089914, 68.41081696, 58.53485804},
       {66.70364191, 65.95289914, 63.48281696, 53.60685804}},
      {snodgrass_rotation(),
       {70.56731551, 69.94595625, 67.71157927, 57.60047847},
       {65.63931551, 65.01795625, 62.78357927, 52.67247847}},
  };
  for (auto const& [law, sidereal, synodic] : laws)
    for (int i = 0; i < 4; ++i) {
      double const latitude = latitudes[i] * degree, days = 5 * day_s;
      CHECK_THAT(law.sidereal_rad_s(latitude) * days / degree, WithinAbs(sidereal[i], 1e-8));
      CHECK_THAT(law.synodic_rad_s(latitude) * days / degree, WithinAbs(synodic[i], 1e-8));
      CHECK_THAT(law.sidereal_rad_s(-latitude) * days / degree, WithinAbs(sidereal[i], 1e-8));
    }
  CHECK_THAT(rigid_rotation().sidereal_rad_s(1) * 5 * day_s / degree, WithinAbs(70.922, 1e-8));
  CHECK_THAT(rigid_rotation().synodic_rad_s(1) * 5 * day_s / degree, WithinAbs(65.994, 1e-8));
  CHECK(rigid_rotation().carrington_rad_s(0.7) == 0);
  CHECK(howard_rotation().carrington_rad_s(0) > 0);
  CHECK(howard_rotation().carrington_rad_s(1) < 0);
}
