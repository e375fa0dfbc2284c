// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// pix2pix prepare, synthesize and evaluate: files in, sets and scores out.
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_floating_point.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include <heliograd/io/fits.hpp>
#include <heliograd/io/png.hpp>
#include <heliograd/physics/observer.hpp>
#include "program.hpp"

namespace hg = heliograd;
namespace fs = std::filesystem;
namespace ph = heliograd::physics;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::WithinAbs;
using Catch::Matchers::WithinRel;
using test::check_failure;
using test::contents;
using test::Folder;

namespace {

test::Program const program("pix2pix");

/// A disk off the middle, the wrong way up, in coarse pixels.
hg::io::FitsHeader disk_header(std::string const& date, double rotation = 179.9) {
  hg::io::FitsHeader h;
  for (char const* const axis : {"1", "2"}) {
    h.set(std::string("CTYPE") + axis, *axis == '1' ? "HPLN-TAN" : "HPLT-TAN");
    h.set(std::string("CUNIT") + axis, "arcsec");
    h.set(std::string("CRPIX") + axis, *axis == '1' ? 101.25 : 97.75);
    h.set(std::string("CRVAL") + axis, 0.0);
    h.set(std::string("CDELT") + axis, 12.0);
  }
  h.set("CROTA2", rotation);
  h.set("RSUN_OBS", 960.0);
  h.set("CRLN_OBS", 123.0);
  h.set("CRLT_OBS", 5.0);
  h.set("DATE-OBS", date);
  h.set("QUALITY", 0);
  h.append_comment("kept as it stands");
  return h;
}

/// An image of 200 pixels whose value is a function of the place on the disk, in solar radii west and north.
template <class Value>
void write_disk(std::string const& path, hg::io::FitsHeader const& header, Value const& value) {
  std::size_t const n = 200;
  auto const p = ph::pointing_from(header, path);
  std::vector<float> pixels(n * n);
  for (std::size_t i = 0; i < n * n; ++i) {
    double const dx = double(i % n) - p.center_x, dy = double(i / n) - p.center_y;
    double const west = (p.xx * dx + p.xy * dy) / p.radius_arcsec, north = (p.yx * dx + p.yy * dy) / p.radius_arcsec;
    pixels[i] = float(value(west, north));
  }
  hg::io::write_fits(path, pixels.data(), n, n, header);
}

void write_hmi(std::string const& path, std::string const& date) {
  auto h = disk_header(date);
  h.set("INSTRUME", "HMI_FRONT2");
  h.set("CONTENT", "MAGNETOGRAM");
  h.set("BUNIT", "Gauss");
  write_disk(path, h, [](double west, double north) {
    return west * west + north * north < 1.2 ? 300 * west - 200 * north + 10 : std::nan("");
  });
}

void write_aia(std::string const& path, std::string const& date, double exposure = 2) {
  auto h = disk_header(date, 0.02);
  h.set("INSTRUME", "AIA_4");
  h.set("WAVELNTH", 304);
  if (exposure > 0) h.set("EXPTIME", exposure);
  write_disk(path, h, [](double west, double north) { return 100 + 40 * west + 20 * north; });
}

/// Two poles on noise-free ground.
void write_region(std::string const& path, std::string const& harp, double spin) {
  std::size_t const n = 72;
  std::vector<float> pixels(n * n);
  for (std::size_t i = 0; i < n * n; ++i) {
    double const x = double(i % n) - 36, y = double(i / n) - 36;
    double const u = x * std::cos(spin) + y * std::sin(spin), v = y * std::cos(spin) - x * std::sin(spin);
    pixels[i] = float(1500 * std::exp(-(std::pow(u - 14, 2) + v * v) / 60) -
                      1500 * std::exp(-(std::pow(u + 14, 2) + v * v) / 60));
  }
  hg::io::FitsHeader h;
  h.set("BUNIT", "Gauss");
  h.set("HARPNUM", harp);
  hg::io::write_fits(path, pixels.data(), n, n, h);
}

}  // namespace

TEST_CASE("synthetic pairs repeat, and their corona knows the field", "[programs]") {
  Folder const folder;
  for (int k = 0; k < 3; ++k) write_region(folder / ("r" + std::to_string(k) + ".fits"), std::to_string(k), 0.7 * k);
  std::string const inputs = (folder / "r0.fits") + " " + (folder / "r1.fits") + " " + (folder / "r2.fits");
  std::string const what = " --count 8 --side 48 --channels hmi aia171 aia304 drawing -q";
  REQUIRE(program("synthesize " + inputs + " -o " + (folder / "a") + what + " --threads 1").code == 0);
  REQUIRE(program("synthesize " + inputs + " -o " + (folder / "b") + what + " --threads 2").code == 0);
  REQUIRE(program("synthesize " + inputs + " -o " + (folder / "c") + what + " --seed 2").code == 0);
  std::string const list = contents(folder / "a/pairs.csv");
  CHECK_THAT(list,
             ContainsSubstring("split,time,hmi,aia171,aia304,drawing\ntrain,2000-01-01T00:00:00,hmi/000000.fits,"));
  CHECK(std::count(list.begin(), list.end(), '\n') == 9);
  CHECK_THAT(list, ContainsSubstring("\nvalidation,"));
  CHECK_THAT(list, ContainsSubstring("\ntest,"));
  for (char const* const cell : {"/hmi/000003.fits", "/aia171/000003.fits", "/drawing/000007.fits"}) {
    CHECK(contents(folder / ("a" + std::string(cell))) == contents(folder / ("b" + std::string(cell))));
    CHECK(contents(folder / ("a" + std::string(cell))) != contents(folder / ("c" + std::string(cell))));
  }
  CHECK(fs::file_size(folder / "a/contact.png") > 1000);
  // Bright where the field is strong; ink in the spots alone.
  double strong = 0, weak = 0, ink = 0, clean = 0;
  std::size_t n_strong = 0, n_weak = 0;
  for (int k = 0; k < 8; ++k) {
    std::string const name = "/00000" + std::to_string(k) + ".fits";
    auto const field = hg::io::read_fits<float>(folder / ("a/hmi" + name));
    auto const light = hg::io::read_fits<float>(folder / ("a/aia304" + name));
    auto const drawing = hg::io::read_fits<float>(folder / ("a/drawing" + name));
    CHECK(field.width == 48);
    CHECK(light.header.text("TELESCOP") == "synthetic");
    CHECK(light.header.text("BUNIT") == "DN/s");
    for (std::size_t i = 0; i < field.pixels.size(); ++i) {
      double const b = std::fabs(double(field.pixels[i]));
      if (b > 400 && b < 600) strong += double(light.pixels[i]), ++n_strong;
      if (b < 5) weak += double(light.pixels[i]), clean = std::max(clean, double(drawing.pixels[i])), ++n_weak;
      if (b > 1500) ink = std::max(ink, double(drawing.pixels[i]));
    }
  }
  REQUIRE(n_strong > 0);
  REQUIRE(n_weak > 0);
  CHECK(strong / double(n_strong) > 3 * weak / double(n_weak));
  CHECK(ink > 0.7);
  CHECK(clean < 0.2);

  // Stopped, and gone on with.
  fs::remove(folder / "a/pairs.csv");
  fs::remove(folder / "a/aia171/000003.fits");
  std::string const again = "synthesize " + inputs + " -o " + (folder / "a") + what + " --resume";
  check_failure(program(again + " --steady"), 4, "made otherwise");
  REQUIRE(program(again).code == 0);
  CHECK(contents(folder / "a/pairs.csv") == list);
  for (char const* const cell : {"/aia171/000003.fits", "/aia171/000005.fits"})
    CHECK(contents(folder / ("a" + std::string(cell))) == contents(folder / ("b" + std::string(cell))));
  check_failure(program("synthesize " + (folder / "a/hmi") + " -o " + (folder / "a") + what + " --overwrite"), 2,
                "different folders");
  check_failure(program("synthesize " + inputs + " -o " + (folder / "a") + what), 4, "pairs.csv: is there already");
  check_failure(program("synthesize " + inputs + " -o " + (folder / "d") + " --channels aia999"), 2, "aia999");
  check_failure(program("synthesize " + inputs + " -o " + (folder / "d") + " --scene disk"), 3, "a part of the Sun");
  check_failure(program("synthesize " + (folder / "none.fits") + " -o " + (folder / "d")), 3, "none.fits");
}

TEST_CASE("synthetic disks from a map of the whole Sun", "[programs]") {
  Folder const folder;
  std::size_t const w = 90, h = 45;
  std::vector<float> pixels(w * h);
  for (std::size_t i = 0; i < w * h; ++i)
    pixels[i] = float(200 * std::exp(-(std::pow(double(i % w) - 30, 2) + std::pow(double(i / w) - 28, 2)) / 8) -
                      200 * std::exp(-(std::pow(double(i % w) - 34, 2) + std::pow(double(i / w) - 27, 2)) / 8));
  hg::io::FitsHeader header;
  header.set("CTYPE1", "CRLN-CEA");
  header.set("CTYPE2", "CRLT-CEA");
  header.set("CRPIX1", 0.5), header.set("CRPIX2", 23.0);
  header.set("CRVAL1", 0.0), header.set("CRVAL2", 0.0);
  header.set("CDELT1", 4.0), header.set("CDELT2", 2.0 / 45);
  header.set("CUNIT2", "Sine Latitude");
  header.set("BUNIT", "Gauss");
  hg::io::write_fits(folder / "map.fits", pixels.data(), w, h, header);
  auto const done = program("synthesize " + (folder / "map.fits") + " -o " + (folder / "set") +
                            " --scene disk --side 64 --count 2 --channels hmi aia193");
  INFO(done.err);
  REQUIRE(done.code == 0);
  auto const light = hg::io::read_fits<float>(folder / "set/aia193/000001.fits");
  auto const pointing = ph::pointing_from(light.header, "light");
  CHECK_THAT(pointing.radius_pixels(), WithinAbs(24.5, 1e-6));
  double inside = 0, outside = 0;
  for (std::size_t i = 0; i < light.pixels.size(); ++i) {
    double const r = pointing.radius(double(i % 64), double(i / 64));
    if (r < 0.95) inside = std::max(inside, double(light.pixels[i]));
    if (r > 1.25) outside = std::max(outside, double(light.pixels[i]));
  }
  CHECK(inside > 50);
  CHECK(outside < 0.3 * inside);
}

TEST_CASE("scores of images whose differences are known", "[programs]") {
  Folder const folder;
  std::size_t const n = 64;
  auto const write = [&](std::string const& name, char const* unit, auto const& value) {
    std::vector<float> pixels(n * n);
    for (std::size_t i = 0; i < n * n; ++i) pixels[i] = float(value(double(i % n), double(i / n)));
    hg::io::FitsHeader h;
    h.set("BUNIT", unit);
    hg::io::write_fits(folder / name, pixels.data(), n, n, h);
  };
  auto const light = [](double x, double y) { return 300 + 200 * std::sin(0.7 * x) * std::cos(0.4 * y) + x; };
  write("truth.fits", "DN/s", light);
  write("brighter.fits", "DN/s", [&](double x, double y) { return 1.08 * light(x, y); });
  auto const done =
      program("evaluate --truth " + (folder / "truth.fits") + " --prediction " + (folder / "brighter.fits") +
              " --target aia193 --against park2019 --json " + (folder / "s.json") + " --png " + (folder / "s.png"));
  INFO(done.err);
  REQUIRE(done.code == 0);
  CHECK_THAT(done.out, ContainsSubstring("* aia193"));
  CHECK_THAT(done.out, ContainsSubstring("0.78"));
  auto const scores = [&](nlohmann::json const& j, char const* name) {
    return j["scores"][name]["mean"].get<double>();
  };
  auto const j = nlohmann::json::parse(contents(folder / "s.json"));
  double mean = 0;
  for (std::size_t i = 0; i < n * n; ++i) mean += light(double(i % n), double(i / n)) / double(n * n);
  CHECK_THAT(scores(j, "CC"), WithinAbs(1, 1e-6));
  CHECK_THAT(scores(j, "CC paper"), WithinAbs(1, 1e-6));
  CHECK_THAT(scores(j, "RE"), WithinRel(0.08 * mean / (mean + 1), 1e-4));  // the paper adds one
  CHECK(scores(j, "PPE10") == 1);
  CHECK_THAT(scores(j, "bias"), WithinRel(0.08 * mean, 1e-4));
  CHECK(scores(j, "SSIM") > 0.97);
  CHECK(scores(j, "SSIM") < 1);
  CHECK_THAT(j["published"]["table"]["aia171"]["CC A"].get<double>(), WithinAbs(0.69, 1e-12));
  CHECK(fs::file_size(folder / "s.png") > 1000);

  auto const field = [](double x, double y) { return 400 * std::sin(0.3 * x) * std::cos(0.2 * y); };
  write("field.fits", "Gauss", field);
  write("half.fits", "Gauss", [&](double x, double y) { return 0.5 * field(x, y); });
  REQUIRE(program("evaluate --truth " + (folder / "field.fits") + " --prediction " + (folder / "half.fits") +
                  " --json " + (folder / "f.json"))
              .code == 0);
  auto const f = nlohmann::json::parse(contents(folder / "f.json"));
  CHECK(f["target"] == "hmi");
  CHECK_THAT(scores(f, "CC |B|>100"), WithinAbs(1, 1e-6));
  CHECK_THAT(scores(f, "slope |B|>100"), WithinAbs(0.5, 1e-6));
  CHECK_THAT(scores(f, "detail"), WithinRel(0.25, 1e-3));  // power goes with the square
  auto const& image = f["images"][0];
  CHECK_THAT(image["prediction"]["net flux disk"].get<double>(),
             WithinAbs(0.5 * image["truth"]["net flux disk"].get<double>(), 1));

  // A set: predictions lie under the same names; those that are missing are counted.
  fs::create_directories(folder / "set/hmi");
  fs::create_directories(folder / "answers/hmi");
  std::ofstream list(folder / "set/pairs.csv");
  list << "split,time,hmi\n";
  for (int k = 0; k < 4; ++k) {
    std::string const cell = "hmi/" + std::to_string(k) + ".fits";
    list << "test,2011-01-0" << k + 1 << "," << cell << "\n";
    write("set/" + cell, "Gauss", [&](double x, double y) { return (1 + k) * field(x + 3 * k, y) / 2; });
    if (k < 3) write("answers/" + cell, "Gauss", [&](double x, double y) { return (1 + k) * field(x + 3 * k, y) / 4; });
  }
  list.close();
  auto const set =
      program("evaluate --data " + (folder / "set") + " --prediction " + (folder / "answers") + " --target hmi");
  INFO(set.err);
  CHECK(set.code == 0);
  CHECK_THAT(set.out, ContainsSubstring("hmi: 3 images"));
  CHECK_THAT(set.out, ContainsSubstring("1 images of the truth have no prediction"));
  CHECK_THAT(set.out, ContainsSubstring("CC of TUMF disk"));

  check_failure(program("evaluate --truth " + (folder / "field.fits") + " --prediction " + (folder / "truth.fits")), 3,
                "truth.fits: is in another unit");
  check_failure(program("evaluate --prediction " + (folder / "half.fits")), 2, "--truth");
  write("bare.fits", "", field);
  check_failure(program("evaluate --truth " + (folder / "bare.fits") + " --prediction " + (folder / "bare.fits")), 3,
                "--target");
  check_failure(program("evaluate --truth " + (folder / "field.fits") + " --prediction " + (folder / "half.fits") +
                        " --against nobody2020"),
                2, "park2019");
}

TEST_CASE("prepared images lie where they should, in the set's units", "[programs]") {
  Folder const folder;
  fs::create_directories(folder / "raw");
  write_hmi(folder / "raw/hmi.fits", "2017-03-05T06:00:00");
  write_hmi(folder / "raw/hmi_late.fits", "2017-09-05T06:00:00");
  write_aia(folder / "raw/aia.fits", "2017-03-05T06:03:00");
  write_aia(folder / "raw/aia_alone.fits", "2012-03-05T06:00:00");
  write_aia(folder / "raw/no_exposure.fits", "2012-04-05T06:00:00", 0);
  std::ofstream(folder / "aging.csv") << "time,304\n2017-01-01,1.5\n2017-12-31,1.5\n";
  std::string const what = " --preset park2019-b --passband 304 --side 64 --depth 6 --degradation " +
                           (folder / "aging.csv") + " -o " + (folder / "set");
  auto const done = program("prepare " + (folder / "raw") + what);
  INFO(done.err);
  REQUIRE(done.code == 0);
  CHECK_THAT(done.out, ContainsSubstring("4 images prepared, 0 kept, 1 left out; 3 times (1 with all of aia304 hmi)"));
  CHECK_THAT(done.err, ContainsSubstring("no_exposure.fits: does not say how long it was exposed (keyword EXPTIME"));
  CHECK(contents(folder / "set/pairs.csv") ==
        "split,time,aia304,hmi\n"
        "train,2012-03-05T06:00:00,aia304/20120305_060000.fits,\n"
        "validation,2017-03-05T06:03:00,aia304/20170305_060300.fits,hmi/20170305_060000.fits\n"
        "test,2017-09-05T06:00:00,,hmi/20170905_060000.fits\n");

  auto const hmi = hg::io::read_fits<float>(folder / "set/hmi/20170305_060000.fits");
  auto const aia = hg::io::read_fits<float>(folder / "set/aia304/20170305_060300.fits");
  CHECK(hmi.header.comments() == std::vector<std::string>{"kept as it stands"});
  CHECK(hmi.header.text("PARENT") == "hmi.fits");
  CHECK(aia.header.text("BUNIT") == "DN/s");
  auto const pointing = ph::pointing_from(hmi.header, "hmi");
  CHECK_THAT(pointing.radius_pixels(), WithinAbs(24.5, 1e-9));
  CHECK_THAT(pointing.rotation_rad(), WithinAbs(0, 1e-12));
  double worst_field = 0, worst_light = 0;
  std::size_t beyond = 0;
  for (std::size_t i = 0; i < 64 * 64; ++i) {
    double const west = (double(i % 64) - 31.5) / 24.5, north = (double(i / 64) - 31.5) / 24.5;
    double const r = std::hypot(west, north);
    if (r < 0.95)
      worst_field = std::max(worst_field, std::fabs(double(hmi.pixels[i]) - (300 * west - 200 * north + 10)));
    if (r > 1 && std::isfinite(hmi.pixels[i])) ++beyond;
    if (r < 1.1)
      worst_light = std::max(worst_light, std::fabs(double(aia.pixels[i]) - 0.75 * (100 + 40 * west + 20 * north)));
  }
  CHECK(worst_field < 2e-3);  // straight lines are kept by linear interpolation, to single precision
  CHECK(worst_light < 1e-3);
  CHECK(beyond == 0);

  // Again: refused; going on: nothing is done twice; done otherwise: refused.
  check_failure(program("prepare " + (folder / "raw") + what), 4, "--resume");
  check_failure(program("prepare " + (folder / "set") + what + " --overwrite"), 2, "different folders");
  write_hmi(folder / "raw/new.fits", "2017-04-05T06:00:00");
  auto const more = program("prepare " + (folder / "raw") + what + " --resume -q");
  CHECK_THAT(more.out, ContainsSubstring("1 images prepared, 4 kept, 1 left out; 4 times"));
  check_failure(program("prepare " + (folder / "raw/new.fits") + what + " --resume --samples 2"), 4, "made otherwise");
  // A file that is named must do.
  check_failure(program("prepare " + (folder / "raw/no_exposure.fits") + what + " --resume"), 3, "EXPTIME");
  auto cut = disk_header("2017-05-01T00:00:00");
  cut.set("INSTRUME", "HMI_SIDE1"), cut.set("BUNIT", "Gauss"), cut.set("CRPIX1", -60.0);
  write_disk(folder / "cut.fits", cut, [](double, double) { return 1.0; });
  check_failure(program("prepare " + (folder / "cut.fits") + what + " --resume"), 3,
                "cut.fits: shows too little of the disk");
  std::ofstream(folder / "bad.csv") << "time,304\n2017-01-01,lots\n";
  check_failure(
      program("prepare " + (folder / "raw") + " -o " + (folder / "x") + " --degradation " + (folder / "bad.csv")), 3,
      "bad.csv: line 2");
  check_failure(program("prepare " + (folder / "raw") + " -o " + (folder / "x") + " --test 2017-13"), 2, "2017-13");

  // Heliographic coordinates: 0.1 degrees a pixel about the middle of the disk.
  auto const map = program("prepare " + (folder / "raw/hmi.fits") + " --preset sun2023-rhp -o " + (folder / "map"));
  INFO(map.err);
  REQUIRE(map.code == 0);
  auto const remapped = hg::io::read_fits<float>(folder / "map/hmi/20170305_060000.fits");
  REQUIRE(remapped.width == 900);
  REQUIRE(remapped.height == 800);
  auto const view = ph::disk_view_from(disk_header("2017-03-05"), "view");
  double worst = 0;
  for (std::size_t i = 0; i < remapped.pixels.size(); i += 997) {
    ph::SurfacePoint const at{(123 + (double(i % 900) - 449.5) * 0.1) * ph::degree,
                              (double(i / 900) - 399.5) * 0.1 * ph::degree};
    auto const seen = view.image(at);
    auto const& p = view.pointing();
    double const dx = seen.x - p.center_x, dy = seen.y - p.center_y;
    double const west = (p.xx * dx + p.xy * dy) / 960, north = (p.yx * dx + p.yy * dy) / 960;
    worst = std::max(worst, std::fabs(double(remapped.pixels[i]) - (300 * west - 200 * north + 10)));
  }
  CHECK(worst < 0.05);  // monotone cubics keep straight lines but for their last digits
}

TEST_CASE("a drawing is flattened, found and turned upright", "[programs]") {
  Folder const folder;
  // A scan with a shadow: limb, axis 12 degrees from upright, one spot 0.4 radii west and 0.3 north of the middle.
  std::size_t const w = 420, h = 400;
  double const cx = 205.3, cy = 190.8, radius = 150.4, turn = 12 * ph::degree;
  hg::io::Picture scan(w, h);
  for (std::size_t i = 0; i < w * h; ++i) {
    double const dx = double(i % w) - cx, dy = double(h - 1 - i / w) - cy;
    double const west = (dx * std::cos(turn) + dy * std::sin(turn)) / radius,
                 north = (dy * std::cos(turn) - dx * std::sin(turn)) / radius;
    double const r = std::hypot(west, north);
    double ink = 0.7 * std::exp(-0.5 * std::pow((r - 1) * radius / 1.2, 2));
    if (r < 1) ink = std::max(ink, 0.5 * std::exp(-0.5 * std::pow(west * radius / 1.0, 2)));
    if (std::hypot(west - 0.4, north - 0.3) < 0.06) ink = 0.95;
    double const paper = 225 - 0.15 * double(i % w);
    auto const shade = std::uint8_t(paper * (1 - ink));
    scan.set(i % w, i / w, {shade, shade, shade});
  }
  hg::io::write_png(folder / "drawing_20110215_1630.png", scan);
  auto const done = program("prepare " + (folder / "drawing_20110215_1630.png") +
                            " --preset galileo --side 128 --depth 7 -o " + (folder / "set"));
  INFO(done.err);
  REQUIRE(done.code == 0);
  auto const drawing = hg::io::read_fits<float>(folder / "set/drawing/20110215_163000.fits");
  CHECK_THAT(*drawing.header.real("CRLT_OBS"), WithinAbs(-6.8, 0.1));
  double sum = 0, x = 0, y = 0, blank = 0;
  for (std::size_t i = 0; i < drawing.pixels.size(); ++i) {
    double const west = (double(i % 128) - 63.5) / 49, north = (double(i / 128) - 63.5) / 49,
                 ink = double(drawing.pixels[i]);
    if (std::hypot(west - 0.4, north - 0.3) < 0.15) sum += ink, x += ink * west, y += ink * north;
    if (std::hypot(west + 0.4, north) < 0.2) blank = std::max(blank, ink);
  }
  CHECK_THAT(x / sum, WithinAbs(0.4, 0.006));  // a third of a pixel
  CHECK_THAT(y / sum, WithinAbs(0.3, 0.006));
  CHECK(sum > 15);  // the spot has 27 pixels
  CHECK(blank < 0.05);

  hg::io::Picture const empty(200, 200, {230, 230, 220});
  hg::io::write_png(folder / "empty_20110215.png", empty);
  check_failure(program("prepare " + (folder / "empty_20110215.png") + " --preset galileo -o " + (folder / "x")), 3,
                "empty_20110215.png: shows no drawn limb");
  hg::io::write_png(folder / "scan.png", scan);
  check_failure(program("prepare " + (folder / "scan.png") + " --preset galileo -o " + (folder / "x")), 3,
                "scan.png: nobody knows when it was drawn");
}
