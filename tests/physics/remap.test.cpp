// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <heliograd/physics/remap.hpp>

#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_floating_point.hpp>
#include <cmath>
#include <filesystem>
#include <vector>

#include <heliograd/core/copy.hpp>
#include <heliograd/io/fits.hpp>
#include "spaces.hpp"

namespace hg = heliograd;
using namespace heliograd::physics;
using Catch::Matchers::WithinAbs;
using Catch::Matchers::WithinRel;
using B = test::DoubleBackend;

namespace {

hg::Var<4, B> image(hg::Tape<B>& tape, std::vector<double> const& values, std::size_t h, std::size_t w) {
  auto const x = tape.make(hg::Shape<4>{std::size_t{1}, h, w, std::size_t{1}}, false);
  hg::from_host(tape.exec(), x.value, values);
  return x;
}
std::vector<double> host(hg::Tape<B>& tape, hg::Var<4, B> x) { return hg::to_host(tape.exec(), x.value); }

/// A smooth field on the Sun with two spots.
double field(SurfacePoint const& at) {
  double const c = std::cos(at.latitude_rad);
  double const x = c * std::cos(at.longitude_rad), y = c * std::sin(at.longitude_rad), z = std::sin(at.latitude_rad);
  return 20 * x * y + 30 * std::exp(60 * (0.8 * x + 0.36 * y + 0.48 * z - 1)) -
         50 * std::exp(80 * (0.9 * x + 0.36 * y - std::sqrt(0.0604) * z - 1));
}

DiskView disk_of(std::size_t n, double longitude, double latitude) {
  Pointing p = north_up(n, n, 1, 960);
  double const scale = 960 / (0.47 * static_cast<double>(n));
  p.xx = scale * std::cos(0.3), p.xy = -scale * std::sin(0.3), p.yx = scale * std::sin(0.3),
  p.yy = scale * std::cos(0.3);
  return DiskView(p, {longitude * degree, latitude * degree});
}

/// The radial field, off the disk that of its limb.
std::vector<double> seen_by(DiskView const& view, std::size_t n) {
  std::vector<double> pixels(n * n);
  for (std::size_t i = 0; i < pixels.size(); ++i) {
    auto const at = view.surface(double(i % n), double(i / n));
    pixels[i] = std::isnan(at.latitude_rad) ? 0 : field(at);
  }
  return pixels;
}

double pearson(std::vector<double> const& a, std::vector<double> const& b, std::vector<bool> const& use) {
  double n = 0, sa = 0, sb = 0, saa = 0, sbb = 0, sab = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (use[i]) n += 1, sa += a[i], sb += b[i], saa += a[i] * a[i], sbb += b[i] * b[i], sab += a[i] * b[i];
  return (sab - sa * sb / n) / std::sqrt((saa - sa * sa / n) * (sbb - sb * sb / n));
}

}  // namespace

TEST_CASE("a disk becomes a map and a disk again", "[physics][remap]") {
  std::size_t const n = 256;
  DiskView const view = disk_of(n, 20, 5);
  auto const original = seen_by(view, n);
  for (auto const projection : {MapProjection::equal_area, MapProjection::plate_carree})
    for (auto const method : {hg::Interpolation::bilinear, hg::Interpolation::pchip}) {
      hg::Tape<B> tape;
      RemapOptions options;
      options.sample.method = method;
      auto const grid = MapGrid::whole_sun(projection, 1440, 720, 150 * degree);
      auto const map = remap(image(tape, original, n, n), view, grid, options);
      auto const again = host(tape, remap(map, grid, view, n, n, options));
      auto const values = host(tape, map);
      double worst_map = 0, worst_disk = 0;
      for (std::size_t i = 0; i < values.size(); ++i) {
        auto const at = grid.surface(double(i % 1440), double(i / 1440));
        if (view.image(at).mu > 0.4) worst_map = std::max(worst_map, std::abs(values[i] - field(at)));
        if (view.image(at).mu == 0) REQUIRE(values[i] == 0);
      }
      for (std::size_t i = 0; i < again.size(); ++i)
        if (view.mu(double(i % n), double(i / n)) > 0.5)
          worst_disk = std::max(worst_disk, std::abs(again[i] - original[i]));
      // Spots of 7 degrees on pixels of 0.5 degrees: bilinear interpolation is off by h^2/8 of the second derivative,
      // (0.5/7)^2/8 * 50 * 1/mu^2, about 0.1; monotone cubics flatten extrema by as much.
      CHECK(worst_map < 0.25);
      CHECK(worst_disk < 0.4);
    }
}

TEST_CASE("a map of another time and a disk of another observer", "[physics][remap]") {
  std::size_t const n = 512;
  DiskView const here = disk_of(n, 20, 5), there = disk_of(200, -15, -4);
  auto const law = howard_rotation();
  hg::Tape<B> tape;
  auto const x = image(tape, seen_by(here, n), n, n);
  RemapOptions options;
  options.rotation = law;
  options.elapsed_s = 3 * day_s;
  auto const later = host(tape, remap(x, here, there, 200, 200, options));
  std::size_t checked = 0;
  for (std::size_t i = 0; i < later.size(); ++i) {
    auto at = there.surface(double(i % 200), double(i / 200));
    if (std::isnan(at.latitude_rad)) continue;
    at.longitude_rad -= (law.sidereal_rad_s(at.latitude_rad) * 3 * day_s - 3 * 14.1844 * degree);
    if (here.image(at).mu < 0.3) continue;
    REQUIRE_THAT(later[i], WithinAbs(field(at), 0.1));
    ++checked;
  }
  CHECK(checked > 15000);
}

TEST_CASE("averaged remapping keeps flux", "[physics][remap]") {
  // The flux of what lies within 50 degrees of disk centre, on the disk and in maps of fewer pixels.
  std::size_t const n = 512;
  DiskView const view = disk_of(n, 20, 5);
  auto pixels = seen_by(view, n);
  hg::Tape<B> tape;
  auto const area = hg::make_tensor<B>("area", hg::Shape<2>{n, n});
  area_map<B>(tape.workspace(), view, area);
  auto const areas = hg::to_host(tape.exec(), area);
  double on_disk = 0, unsigned_flux = 0;
  for (std::size_t i = 0; i < pixels.size(); ++i) {
    double const mu = view.mu(double(i % n), double(i / n));
    double const t = std::min(1.0, std::max(0.0, (mu - 0.5) / 0.2));  // fades towards its rim
    pixels[i] *= t * t * (3 - 2 * t);
    on_disk += pixels[i] * areas[i];
    unsigned_flux += std::abs(pixels[i]) * areas[i];
  }
  double const r2 = std::pow(100 * solar_radius_m, 2);
  auto const flux_in_map = [&](MapProjection projection, std::size_t samples) {
    auto const grid = MapGrid::whole_sun(projection, 90, 45);
    RemapOptions options;
    options.samples = samples;
    auto const map = host(tape, remap(image(tape, pixels, n, n), view, grid, options));
    double sum = 0;
    for (std::size_t i = 0; i < map.size(); ++i) sum += map[i] * r2 * grid.area(double(i / 90));
    return sum;
  };
  for (auto const projection : {MapProjection::equal_area, MapProjection::plate_carree})
    CHECK(std::abs(flux_in_map(projection, 12) - on_disk) < 1e-3 * unsigned_flux);
}

TEST_CASE("north up and rescaled by the disk alone", "[physics][remap]") {
  std::size_t const n = 256;
  DiskView const view = disk_of(n, 20, 5);
  Pointing const upright = north_up(200, 180, 960 / 85.0, 960);
  auto const there = DiskView(upright, view.below_observer());
  auto const map = disk_to_disk(view.pointing(), upright);
  SurfaceMap<DiskView, DiskView> const by_surface{view, there};
  for (std::size_t p = 40; p < 160; p += 13)
    for (std::size_t q = 30; q < 150; q += 11) {
      CHECK_THAT(map(0, p, q).x, WithinAbs(by_surface(0, p, q).x, 1e-9));
      CHECK_THAT(map(0, p, q).y, WithinAbs(by_surface(0, p, q).y, 1e-9));
    }
  CHECK_THAT(map(0, 0, 0).y, !WithinAbs(map(0, 0, 1).y, 1e-3));  // it is rotated
}

TEST_CASE("mu, factor and mask of a remap", "[physics][remap]") {
  DiskView const view = disk_of(64, 0, 0);
  auto const grid = MapGrid::whole_sun(MapProjection::equal_area, 36, 18, -180 * degree);
  hg::Workspace<B> ws;
  auto const mu = hg::make_tensor<B>("mu", hg::Shape<2>{std::size_t{18}, std::size_t{36}});
  remapped_mu<B>(ws, view, grid, {}, mu);
  auto const seen = hg::to_host(ws.exec(), mu);
  for (std::size_t i = 0; i < seen.size(); ++i)
    CHECK(seen[i] == view.image(grid.surface(double(i % 36), double(i / 36))).mu);
  auto const factor = hg::make_tensor<B>("factor", hg::Shape<2>{std::size_t{64}, std::size_t{64}});
  radial_factor<B>(ws, view, 0.3, factor);
  auto const f = hg::to_host(ws.exec(), factor);
  for (std::size_t i = 0; i < f.size(); ++i) {
    double const m = view.mu(double(i % 64), double(i / 64));
    CHECK(f[i] == (m > 0.3 ? 1 / m : 0));
  }
}

TEST_CASE("an HMI disk on the grid of a SHARP agrees with the SHARP", "[physics][remap][data]") {
  // HARP 377 (AR 11158) at 02:00 on 2011-02-15 as JSOC mapped it, and a part of the disk 5.4 hours before.
  std::filesystem::path const data = HELIOGRAD_DATA_DIR;
  auto const disk_file = (data / "hmi-cutouts/sdo-hmi_2011-02-14_20-34-12.fits").string();
  auto const sharp_file = (data / "hmi-sharp/hmi.sharp_cea_720s.377.20110215_020000_TAI.magnetogram.fits").string();
  if (!std::filesystem::exists(disk_file) || !std::filesystem::exists(sharp_file)) SKIP("no HMI files in " << data);
  auto const disk = hg::io::read_fits<double>(disk_file), sharp = hg::io::read_fits<double>(sharp_file);
  auto const view = disk_view_from(disk.header, disk_file);
  auto const grid = map_grid_from(sharp.header, sharp.width, sharp.height, sharp_file);
  double const elapsed = (*julian_date_of(sharp.header) - *julian_date_of(disk.header)) * day_s;
  CHECK_THAT(elapsed, WithinAbs(5.4125 * 3600, 60));
  auto const correlation = [&](double seconds, double longitude_error) {
    hg::Tape<B> tape;
    RemapOptions options;
    options.rotation = howard_rotation();
    options.elapsed_s = seconds;
    options.sample.fill = std::nan("");
    MapGrid moved = grid;
    moved.middle_rad += longitude_error;
    moved.longitude_rad += longitude_error;
    auto const map = host(tape, remap(image(tape, disk.pixels, disk.height, disk.width), view, moved, options));
    std::vector<bool> use(map.size());
    std::size_t count = 0;
    for (std::size_t i = 0; i < map.size(); ++i)
      count += use[i] = std::isfinite(map[i]) && std::isfinite(sharp.pixels[i]);
    CHECK(count > map.size() / 2);
    return pearson(map, sharp.pixels, use);
  };
  double const best = correlation(elapsed, 0);
  INFO("correlation " << best << ", 0.5 degrees aside " << correlation(elapsed, 0.5 * degree) << " "
                      << correlation(elapsed, -0.5 * degree) << ", turned the wrong way " << correlation(-elapsed, 0));
  CHECK(best > 0.83);  // the spots of this region moved by several degrees per day by themselves
  CHECK(best > correlation(elapsed, 0.5 * degree) + 0.1);
  CHECK(best > correlation(elapsed, -0.5 * degree) + 0.1);
}
