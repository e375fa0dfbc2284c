// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <heliograd/physics/synoptic.hpp>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_floating_point.hpp>
#include <cmath>
#include <vector>

#include <heliograd/core/copy.hpp>
#include <heliograd/op/reduce.hpp>
#include "spaces.hpp"

namespace hg = heliograd;
using namespace heliograd::physics;
using Catch::Matchers::WithinAbs;
using Catch::Matchers::WithinRel;
using B = test::DoubleBackend;

namespace {

constexpr double now = 2459000.5;

/// The Sun at `now`, with a net flux.
double truth(SurfacePoint const& at) {
  double const c = std::cos(at.latitude_rad);
  double const x = c * std::cos(at.longitude_rad), y = c * std::sin(at.longitude_rad), z = std::sin(at.latitude_rad);
  return 30 * x * y + 20 * z * z * z * x * x - 15 * y * z * z + 40 * std::exp(8 * (0.6 * x + 0.64 * y + 0.48 * z - 1)) -
         60 * std::exp(10 * (-0.6 * x - 0.8 * z - 1)) + 2;
}

/// The Sun days before or after, turned by the law.
double truth_at(SurfacePoint at, double days) {
  at.longitude_rad -= howard_rotation().carrington_rad_s(at.latitude_rad) * days * day_s;
  return truth(at);
}

hg::Var<4, B> image(hg::Tape<B>& tape, std::vector<double> const& values, std::size_t h, std::size_t w) {
  auto const x = tape.make(hg::Shape<4>{std::size_t{1}, h, w, std::size_t{1}}, false);
  hg::from_host(tape.exec(), x.value, values);
  return x;
}

DiskInput<B> disk(hg::Tape<B>& tape, double longitude, double latitude, double days, std::size_t n, double au = 1) {
  double const radius = std::asin(solar_radius_m / (au * astronomical_unit_m)) * arcsec_per_radian;
  Pointing p = north_up(n, n, 1, radius);
  double const scale = radius / (0.45 * static_cast<double>(n));
  p.xx = scale * std::cos(0.3), p.xy = -scale * std::sin(0.3), p.yx = scale * std::sin(0.3),
  p.yy = scale * std::cos(0.3);
  DiskView const view(p, {longitude * degree, latitude * degree});
  std::vector<double> field(n * n), seen(n * n);
  for (std::size_t i = 0; i < n * n; ++i) {
    double const x = double(i % n), y = double(i / n);
    if (view.mu(x, y) > 0) field[i] = truth_at(view.surface(x, y), days) * view.mu(x, y), seen[i] = 1;
  }
  return {image(tape, field, n, n), image(tape, seen, n, n), view, now + days, 10};
}

MapInput<B> synoptic(hg::Tape<B>& tape, double days) {
  auto const grid = MapGrid::whole_sun(MapProjection::equal_area, 360, 180, 100 * degree);
  std::vector<double> field(360 * 180), seen(360 * 180, 1.0);
  for (std::size_t i = 0; i < field.size(); ++i)
    field[i] = truth_at(grid.surface(double(i % 360), double(i / 360)), days);
  return {image(tape, field, 180, 360), image(tape, seen, 180, 360), grid, now + days, 3};
}

}  // namespace

TEST_CASE("three observers and a synoptic map give the Sun back", "[physics][synoptic]") {
  for (auto const projection : {MapProjection::equal_area, MapProjection::plate_carree})
    for (double const blend : {0.1, 0.0}) {
      hg::Tape<B> tape;
      auto const target = MapGrid::whole_sun(projection, 360, 180, 17 * degree);
      SynchronicOptions options;
      options.blend = blend;
      options.samples = 1;
      auto const map = synchronic_map<B>(
          {disk(tape, 20, 5, 0, 512), disk(tape, 140, -6, 0.2, 512, 0.96), disk(tape, -100, 2, -0.3, 512, 1.05)},
          synoptic(tape, -10), target, now, options);
      auto const field = hg::to_host(tape.exec(), map.field.value);
      double mean = 0, area = 0;
      for (std::size_t i = 0; i < field.size(); ++i) {
        double const a = target.area(double(i / 360));
        mean += a * truth(target.surface(double(i % 360), double(i / 360)));
        area += a;
      }
      mean /= area;
      CHECK_THAT(hg::to_host(tape.exec(), map.monopole.value)[0],
                 WithinAbs(mean, projection == MapProjection::equal_area ? 1e-3 : 1e-2));
      double worst = 0;
      for (std::size_t i = 0; i < field.size(); ++i) {
        auto const at = target.surface(double(i % 360), double(i / 360));
        // Bilinear interpolation is off by h^2/8 of the second derivative. Along rows, one degree and 60 G * 10 at the spot:
        // 0.023 G. Across, 1/90 in z = sin(latitude), where the field bends by (1 - z^2)^(-3/2) times its slope in the cosine,
        // up to 180 G, at z = 0.9: 0.033 G. And the mean that was taken off is known to 0.01 G: in all 0.066 G of 60.
        if (std::abs(std::sin(at.latitude_rad)) > 0.9) continue;
        worst = std::max(worst, std::abs(field[i] + mean - truth(at)));
      }
      CHECK(worst < 0.066);
      std::vector<double> sum(field.size(), 0), used;
      for (auto const& share : map.shares) {
        auto const s = hg::to_host(tape.exec(), share.value);
        double total = 0;
        for (std::size_t i = 0; i < s.size(); ++i) sum[i] += s[i], total += s[i] * target.area(double(i / 360)) / area;
        used.push_back(total);
      }
      for (double const s : sum) REQUIRE_THAT(s, WithinAbs(1, 1e-12));
      for (double const u : used) CHECK(u > 0.1);
      // A hard cut at 60 degrees: each disk has (1 - cos 60)/2 of the Sun, no two of these overlap much.
      if (blend == 0) CHECK_THAT(used[0], WithinAbs(0.25, 0.003));
      // Below the first observer its noise alone: 10 G of mu 1.
      auto const noise = hg::to_host(tape.exec(), map.noise.value);
      auto const at = target.image({20 * degree, 5 * degree});
      CHECK_THAT(noise[std::size_t(at.y + 0.5) * 360 + std::size_t(at.x + 0.5)], WithinRel(10.0, 1e-3));
    }
}

TEST_CASE("blending leaves no edge", "[physics][synoptic]") {
  // A disk that reads 1 G more everywhere than the synoptic map: neighbours differ by the slope of the ramp, or by all.
  auto const largest_step = [](double blend) {
    hg::Tape<B> tape;
    auto front = disk(tape, 0, 0, 0, 256);
    std::vector<double> one(256 * 256);
    for (std::size_t i = 0; i < one.size(); ++i) one[i] = front.view.mu(double(i % 256), double(i / 256));
    front.field = image(tape, one, 256, 256);
    auto back = synoptic(tape, 0);
    back.field = image(tape, std::vector<double>(360 * 180, 0.0), 180, 360);
    SynchronicOptions options;
    options.blend = blend;
    options.keep_monopole = true;
    auto const target = MapGrid::whole_sun(MapProjection::equal_area, 360, 180, -180 * degree);
    auto const field = hg::to_host(tape.exec(), synchronic_map<B>({front}, back, target, now, options).field.value);
    CHECK_THAT(field[90 * 360 + 180], WithinRel(1.0, 1e-3));
    CHECK(field[90 * 360] == 0);
    double step = 0;
    for (std::size_t x = 0; x + 1 < 360; ++x)
      step = std::max(step, std::abs(field[90 * 360 + x + 1] - field[90 * 360 + x]));
    return step;
  };
  CHECK(largest_step(0) > 0.95);
  // mu changes by sin(60 deg) per radian, the ramp by 1.5 / blend at most: 1.5 / 0.1 * 0.87 * pi/180 = 0.23 per degree.
  CHECK(largest_step(0.1) < 0.25);
}

TEST_CASE("what nobody has seen is zero and has no share", "[physics][synoptic]") {
  hg::Tape<B> tape;
  auto front = disk(tape, 0, 0, 0, 128);
  // A hole in the data does not spread.
  auto seen = hg::to_host(tape.exec(), front.seen.value), field = hg::to_host(tape.exec(), front.field.value);
  for (std::size_t y = 60; y < 70; ++y)
    for (std::size_t x = 60; x < 70; ++x) seen[y * 128 + x] = 0, field[y * 128 + x] = 1e30;
  front.seen = image(tape, seen, 128, 128);
  front.field = image(tape, field, 128, 128);
  auto const target = MapGrid::whole_sun(MapProjection::equal_area, 180, 90, -180 * degree);
  SynchronicOptions options;
  options.keep_monopole = true;
  auto const map = synchronic_map<B>({front}, std::nullopt, target, now, options);
  auto const share = hg::to_host(tape.exec(), map.shares[0].value), result = hg::to_host(tape.exec(), map.field.value);
  std::size_t holes = 0;
  for (std::size_t i = 0; i < share.size(); ++i) {
    double const mu = front.view.image(target.surface(double(i % 180), double(i / 180))).mu;
    REQUIRE((share[i] == 0 || share[i] == 1));
    if (share[i] == 0) CHECK(result[i] == 0);
    if (mu <= 0.5) CHECK(share[i] == 0);
    if (mu > 0.52 && share[i] == 0) ++holes;
    REQUIRE(std::abs(result[i]) < 200);
  }
  CHECK(holes > 3);
  CHECK(holes < 40);
}

TEST_CASE("the map is differentiated in its inputs", "[physics][synoptic]") {
  // Linear in the far-side disk: <A dx, y> = <dx, A^T y>.
  hg::Tape<B> tape;
  auto inputs = std::vector{disk(tape, 20, 5, 0, 96), disk(tape, 150, -6, 0.2, 96)};
  auto const target = MapGrid::whole_sun(MapProjection::plate_carree, 72, 36);
  auto const fill = synoptic(tape, -3);
  std::size_t const n = 96 * 96, m = 72 * 36;
  std::vector<double> dx(n), y(m);
  for (std::size_t i = 0; i < n; ++i) dx[i] = std::sin(0.37 * double(i));
  for (std::size_t i = 0; i < m; ++i) y[i] = std::cos(0.73 * double(i));
  auto const first = hg::to_host(tape.exec(), inputs[1].field.value);
  auto moved = first;
  for (std::size_t i = 0; i < n; ++i) moved[i] += dx[i];

  inputs[1].field = tape.variable(inputs[1].field.value);
  auto const map = synchronic_map<B>(inputs, fill, target, now);
  auto const before = hg::to_host(tape.exec(), map.field.value);
  tape.backward(sum(map.field * image(tape, y, 36, 72)));
  auto const gradient = hg::to_host(tape.exec(), inputs[1].field.grad());
  inputs[1].field = image(tape, moved, 96, 96);
  auto const after = hg::to_host(tape.exec(), synchronic_map<B>(inputs, fill, target, now).field.value);
  double left = 0, right = 0, size = 0;
  for (std::size_t i = 0; i < m; ++i) left += (after[i] - before[i]) * y[i];
  for (std::size_t i = 0; i < n; ++i) right += gradient[i] * dx[i], size += std::abs(gradient[i] * dx[i]);
  CHECK(size > 0.1);
  CHECK_THAT(left, WithinAbs(right, 1e-12 * 60 * size));  // differences of fields of 60 G
}

TEST_CASE("a synchronic map needs a disk", "[physics][synoptic]") {
  auto const target = MapGrid::whole_sun(MapProjection::equal_area, 36, 18);
  CHECK_THROWS_AS(synchronic_map<B>({}, std::nullopt, target, now), hg::UsageError);
}
