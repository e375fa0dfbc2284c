// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// pfss synchronic: disks and a synoptic map in files, a map of one time out.
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_floating_point.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cmath>
#include <filesystem>
#include <string>

#include <heliograd/io/fits.hpp>
#include <heliograd/physics/map_grid.hpp>
#include <heliograd/physics/observer.hpp>
#include "program.hpp"

namespace hg = heliograd;
namespace ph = heliograd::physics;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::WithinAbs;
using test::Folder;

namespace {

test::Program const pfss("pfss");

double truth(ph::SurfacePoint const& at) {
  double const c = std::cos(at.latitude_rad);
  return 40 * c * std::cos(at.longitude_rad) * std::sin(at.latitude_rad) + 25 * c * std::sin(2 * at.longitude_rad);
}

/// A disk seen over a longitude, HMI's way up.
void write_disk(std::string const& path, double longitude, double latitude, char const* unit = "Gauss") {
  std::size_t const n = 256;
  hg::io::FitsImage<float> image;
  image.width = image.height = n;
  auto& h = image.header;
  for (char const* const axis : {"1", "2"}) {
    h.set(std::string("CTYPE") + axis, *axis == '1' ? "HPLN-TAN" : "HPLT-TAN");
    h.set(std::string("CUNIT") + axis, "arcsec");
    h.set(std::string("CRPIX") + axis, 128.5);
    h.set(std::string("CRVAL") + axis, 0.0);
    h.set(std::string("CDELT") + axis, 8.0);
  }
  h.set("CROTA2", 179.9);
  h.set("RSUN_OBS", 960.0);
  h.set("CRLN_OBS", longitude);
  h.set("CRLT_OBS", latitude);
  h.set("T_OBS", "2018.11.06_12:00:00_TAI");
  h.set("BUNIT", unit);
  auto const view = ph::disk_view_from(h, path);
  image.pixels.assign(n * n, NAN);
  for (std::size_t i = 0; i < n * n; ++i) {
    double const x = double(i % n), y = double(i / n);
    if (view.mu(x, y) > 0) image.pixels[i] = float(truth(view.surface(x, y)) * view.mu(x, y));
  }
  hg::io::write_fits(path, image);
}

void write_synoptic(std::string const& path) {
  hg::io::FitsImage<float> image;
  image.width = 360, image.height = 180;
  auto& h = image.header;
  h.set("CTYPE1", "CRLN-CEA"), h.set("CTYPE2", "CRLT-CEA");
  h.set("CRPIX1", 180.5), h.set("CRVAL1", 346.0), h.set("CDELT1", 1.0);
  h.set("CRPIX2", 90.5), h.set("CRVAL2", 0.0), h.set("CDELT2", 0.0111111);
  h.set("MAPDATE", "2018-11-06"), h.set("MAPTIME", "11:59"), h.set("BUNIT", "Gauss");
  auto const grid = ph::map_grid_from(h, 360, 180, path);
  for (std::size_t i = 0; i < 360 * 180; ++i)
    image.pixels.push_back(float(truth(grid.surface(double(i % 360), double(i / 360)))));
  hg::io::write_fits(path, image);
}

}  // namespace

TEST_CASE("pfss synchronic gives the Sun back", "[programs][pfss]") {
  Folder const folder;
  std::string const front = folder / "front.fits", far = folder / "far.fits", fill = folder / "fill.fits",
                    out = folder / "out.fits";
  write_disk(front, 20, 4);
  write_disk(far, 150, -6);
  write_synoptic(fill);
  for (char const* const map : {"cea", "car"}) {
    auto const run = pfss("synchronic " + front + " --far " + far + " --fill " + fill + " -o " + out + " --png " +
                          (folder / "out.png") + " --overwrite --size 180x90 --map " + map);
    INFO(run.err);
    REQUIRE(run.code == 0);
    CHECK(run.err.empty());
    auto const image = hg::io::read_fits<float>(out);
    REQUIRE(image.width == 180);
    REQUIRE(image.height == 90);
    CHECK(image.header.text("CTYPE1") == (std::string(map) == "cea" ? "CRLN-CEA" : "CRLN-CAR"));
    CHECK(image.header.text("DATE-OBS")->starts_with("2018-11-06T11:59:23"));
    auto const grid = ph::map_grid_from(image.header, 180, 90, out);
    double worst = 0;
    for (std::size_t i = 0; i < image.pixels.size(); ++i) {
      auto const at = grid.surface(double(i % 180), double(i / 180));
      if (std::abs(at.latitude_rad) < 60 * ph::degree)
        worst = std::max(worst, std::abs(double(image.pixels[i]) - truth(at)));
    }
    // Pixels of two degrees are averaged: h^2/24 of the second derivative in each direction, 0.2 % of 100 G.
    CHECK(worst < 0.2);
  }
}

TEST_CASE("pfss synchronic says what is wrong", "[programs][pfss]") {
  Folder const folder;
  std::string const front = folder / "front.fits", counts = folder / "counts.fits", out = " -o " + (folder / "o.fits");
  write_disk(front, 20, 4);
  write_disk(counts, 20, 4, "DN/s");
  auto const refused = [&](std::string const& arguments, int code, std::string const& text) {
    auto const run = pfss("synchronic " + arguments);
    CHECK(run.code == code);
    CHECK_THAT(run.err, ContainsSubstring("pfss: error: ") && ContainsSubstring(text));
    CHECK_FALSE(std::filesystem::exists(folder / "o.fits"));
  };
  refused(counts + out, 3, "DN/s");
  refused(front + " --fill " + front + out, 3, "HPLN-TAN");
  refused((folder / "none.fits") + out, 3, "none.fits");
  refused(front + out + " --size 3", 2, "--size");
  refused(front + out + " --time yesterday", 2, "yesterday");
  refused(front + out + " --alone 70", 2, "--alone");
  refused(front + " --overwrite -o " + front, 2, "input");
  auto const alone = pfss("synchronic " + front + out);
  CHECK(alone.code == 0);
  CHECK_THAT(alone.err, ContainsSubstring("seen by nobody"));
}
