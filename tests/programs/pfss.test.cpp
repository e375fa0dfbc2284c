// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <fitsio.h>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <numbers>
#include <string>
#include <vector>

#include <heliograd/io/fits.hpp>
#include "program.hpp"

namespace hg = heliograd;
namespace fs = std::filesystem;
using Catch::Matchers::ContainsSubstring;
using test::check_failure;
using test::contents;
using test::Folder;

namespace {

test::Program const run("pfss");

/// An image of any extension, as CFITSIO reads it.
struct Hdu {
  std::vector<long> axes;
  std::vector<double> pixels;
};
Hdu read_hdu(std::string const& path, char const* name) {
  fitsfile* file = nullptr;
  int status = 0;
  Hdu hdu;
  fits_open_file(&file, path.c_str(), READONLY, &status);
  fits_movnam_hdu(file, IMAGE_HDU, const_cast<char*>(name), 0, &status);
  int data_ok = 0, hdu_ok = 0, count = 0;
  fits_verify_chksum(file, &data_ok, &hdu_ok, &status);
  CHECK(data_ok == 1);
  CHECK(hdu_ok == 1);
  fits_get_img_dim(file, &count, &status);
  hdu.axes.resize(std::size_t(std::max(count, 1)));
  fits_get_img_size(file, count, hdu.axes.data(), &status);
  long size = 1;
  for (long const axis : hdu.axes) size *= axis;
  hdu.pixels.resize(std::size_t(size));
  fits_read_img(file, TDOUBLE, 1, size, nullptr, hdu.pixels.data(), nullptr, &status);
  INFO(path << " " << name);
  REQUIRE(status == 0);
  fits_close_file(file, &status);
  return hdu;
}

constexpr std::size_t rows = 24, columns = 48;

/// A map with a tilted dipole and some more, its columns beginning at a longitude.
std::vector<double> sun(bool latitudes = false) {
  std::vector<double> map;
  for (std::size_t j = 0; j < rows; ++j)
    for (std::size_t i = 0; i < columns; ++i) {
      double const x = (2 * double(j) + 1) / double(rows) - 1;
      double const s = latitudes ? std::sin(x * std::numbers::pi / 2) : x;
      double const phi = 2 * std::numbers::pi * (double(i) + 0.5) / double(columns);
      map.push_back(4 * s + std::sqrt(1 - s * s) * (std::cos(phi) + s * std::sin(phi)));
    }
  return map;
}

hg::io::FitsHeader cards(double step = 7.5, char const* type = "CEA") {
  hg::io::FitsHeader header;
  bool const sine = std::string(type) == "CEA";
  header.set("CTYPE1", std::string("CRLN-") + type);
  header.set("CTYPE2", std::string("CRLT-") + type);
  header.set("CUNIT1", "deg");
  header.set("CUNIT2", sine ? "Sine Latitude" : "deg");
  header.set("CRPIX1", 24.5);
  header.set("CRPIX2", 12.5);
  header.set("CRVAL1", 180.0);
  header.set("CRVAL2", 0.0);
  header.set("CDELT1", step);
  header.set("CDELT2", sine ? 2.0 / double(rows) : 7.5);
  header.set("BUNIT", "Gauss");
  return header;
}

void write(std::string const& path, std::vector<double> const& map, hg::io::FitsHeader const& header) {
  hg::io::write_fits(path, map.data(), columns, rows, header, {.double_precision = true});
}

}  // namespace

TEST_CASE("pfss solve: units, grids and both methods", "[programs][pfss]") {
  Folder const folder;
  std::string const map = folder / "map.fits", out = folder / "out.fits";
  write(map, sun(), cards());
  auto const solved = run("solve " + map + " -o " + out + " --nr 8 --double --vtk " + (folder / "f.vts") + " --png " +
                          (folder / "f.png"));
  INFO(solved.err);
  REQUIRE(solved.code == 0);
  CHECK_THAT(solved.out, ContainsSubstring("open flux"));
  for (char const* const name : {"B_R", "B_THETA", "B_PHI"})
    CHECK(read_hdu(out, name).axes == std::vector<long>{49, 25, 9});
  auto const field = read_hdu(out, "B_R");
  CHECK(field.pixels[100] != 0);
  for (std::size_t row = 0; row < 25 * 9; ++row) CHECK(field.pixels[row * 49] == field.pixels[row * 49 + 48]);
  auto const theta = read_hdu(out, "B_THETA");
  for (std::size_t i = 8 * 25 * 49; i < theta.pixels.size(); ++i) REQUIRE(theta.pixels[i] == 0);
  auto const radii = read_hdu(out, "RADII").pixels;
  CHECK(radii.size() == 9);
  CHECK(radii.front() == 1);
  CHECK(std::fabs(radii.back() - 2.5) < 1e-12);
  auto const surface = read_hdu(out, "SOURCE_SURFACE");
  CHECK(surface.axes == std::vector<long>{48, 24});
  {  // VTK: behind the text a block of places, each with its length, then the field and B_r; the south pole comes first
    std::string const vts = contents(folder / "f.vts");
    CHECK_THAT(vts, ContainsSubstring("WholeExtent=\"0 48 0 24 0 8\""));
    std::size_t const data = vts.find("<AppendedData encoding=\"raw\">\n_") + 31, count = 49 * 25 * 9;
    std::uint64_t bytes = 0;
    float pole[3] = {};
    std::memcpy(&bytes, &vts[data], 8);
    std::memcpy(pole, &vts[data + 8], 12);
    CHECK(bytes == 12 * count);
    CHECK((pole[0] == 0 && pole[1] == 0 && pole[2] == -1));
    CHECK_THAT(vts, ContainsSubstring("Name=\"B_r\" NumberOfComponents=\"1\" format=\"appended\" offset=\"" +
                                      std::to_string(24 * count + 16) + "\""));
    float radial = 0;
    std::memcpy(&radial, &vts[data + 24 * count + 16 + 8 + 400], 4);
    CHECK(radial == float(field.pixels[100]));
    CHECK(vts.size() > data + 28 * count + 24);
    REQUIRE(run("solve " + map + " -o " + (folder / "v.fits") + " --nr 8 --vtk " + (folder / "f.vtk")).code == 0);
    CHECK(contents(folder / "f.vtk").starts_with("# vtk DataFile"));
  }
  CHECK(fs::file_size(folder / "f.png") > 1000);

  // Existing files stay; the other method and single precision agree.
  check_failure(run("solve " + map + " -o " + out), 4, "exists already");
  REQUIRE(run("solve " + map + " -o " + (folder / "h.fits") + " --nr 8 --method harmonics --lmax 9").code == 0);
  REQUIRE(run("solve " + map + " -o " + (folder / "c.fits") + " --nr 30 --centred").code == 0);
  auto const harmonics = read_hdu(folder / "h.fits", "SOURCE_SURFACE").pixels;
  auto const centred = read_hdu(folder / "c.fits", "SOURCE_SURFACE").pixels;
  double most = 0, apart = 0;
  for (std::size_t i = 0; i < harmonics.size(); ++i) {
    most = std::max(most, std::fabs(harmonics[i]));
    apart = std::max(apart, std::fabs(harmonics[i] - centred[i]));
  }
  CHECK(apart < 0.02 * most);

  // The same Sun with columns running westwards, and with rows running southwards: the same field on its own grid.
  auto const original = sun();
  std::vector<double> mirrored(original.size()), turned(original.size());
  for (std::size_t j = 0; j < rows; ++j)
    for (std::size_t i = 0; i < columns; ++i) {
      mirrored[j * columns + columns - 1 - i] = original[j * columns + i];
      turned[(rows - 1 - j) * columns + i] = original[j * columns + i];
    }
  write(folder / "west.fits", mirrored, cards(-7.5));
  auto south = cards();
  south.set("CDELT2", -2.0 / double(rows));
  write(folder / "south.fits", turned, south);
  for (std::string const name : {"west", "south"}) {
    REQUIRE(run("solve " + (folder / (name + ".fits")) + " -o " + (folder / (name + "-out.fits")) + " --nr 8 --double")
                .code == 0);
    auto const there = read_hdu(folder / (name + "-out.fits"), "SOURCE_SURFACE").pixels;
    double off = 0;
    for (std::size_t j = 0; j < rows; ++j)
      for (std::size_t i = 0; i < columns; ++i) {
        std::size_t const at = name == "west" ? j * columns + columns - 1 - i : (rows - 1 - j) * columns + i;
        off = std::max(off, std::fabs(there[at] - surface.pixels[j * columns + i]));
      }
    CHECK(off < 1e-12);
  }
  // Rows of equal steps in latitude: the field is the same to the coarse grid's accuracy.
  write(folder / "latitude.fits", sun(true), cards(7.5, "CAR"));
  REQUIRE(run("solve " + (folder / "latitude.fits") + " -o " + (folder / "l.fits") + " --nr 8 --double").code == 0);
  auto const latitude = read_hdu(folder / "l.fits", "SOURCE_SURFACE").pixels;
  double const middle = latitude[12 * columns + 3], want = surface.pixels[12 * columns + 3];
  CHECK(std::fabs(middle - want) < 0.1 * most);
}

TEST_CASE("pfss trace and compare", "[programs][pfss]") {
  Folder const folder;
  std::string const a = folder / "a.fits", b = folder / "b.fits";
  write(a, sun(), cards());
  auto other = sun();
  for (std::size_t i = 0; i < other.size(); ++i) other[i] *= 1.25;
  write(b, other, cards());
  auto const traced =
      run("trace " + a + " -o " + (folder / "t.fits") + " --nr 12 --longitudes 24 --latitudes 12 --png " +
          (folder / "t.png") + " --vtk " + (folder / "t.vtp"));
  INFO(traced.err);
  REQUIRE(traced.code == 0);
  auto const open = read_hdu(folder / "t.fits", "OPEN");
  CHECK(open.axes == std::vector<long>{24, 12});
  CHECK(open.pixels.front() == -1);
  CHECK(open.pixels.back() == 1);
  CHECK(read_hdu(folder / "t.fits", "EXPANSION").pixels.back() > 1);

  CHECK_THAT(contents(folder / "t.vtp"), ContainsSubstring("<PolyData>"));

  auto const compared = run("compare " + a + " " + b + " --nr 12 --json " + (folder / "c.json"));
  INFO(compared.err);
  REQUIRE(compared.code == 0);
  auto const report = nlohmann::json::parse(contents(folder / "c.json"));
  CHECK(std::fabs(report["open_flux_ratio"].get<double>() - 1.25) < 1e-6);
  CHECK(report["open_regions_jaccard"].get<double>() > 0.999);
  CHECK(report["neutral_line_distance_degrees"].get<double>() < 1e-3);
  CHECK(report["heights"].size() == 5);
  CHECK(report["heights"][2]["correlation"].get<double>() > 0.99999);
}

TEST_CASE("pfss recover finds what shows at the source surface", "[programs][pfss]") {
  Folder const folder;
  std::string const map = folder / "map.fits", out = folder / "out.fits";
  write(map, sun(), cards());
  for (std::string const method : {"fd", "harmonics --lmax 9"}) {
    auto const found =
        run("recover " + map + " -o " + out + " --overwrite --double --nr 8 --longitude 200 --steps 150 " + "--png " +
            (folder / "r.png") + " --method " + method);
    INFO(found.err << found.out);
    REQUIRE(found.code == 0);
    double radius = 0, without = 0, with = 0;
    REQUIRE(std::sscanf(found.out.substr(found.out.find("field at")).c_str(),
                        "field at %lf solar radii: RMS error %lf G without the hidden part, %lf G", &radius, &without,
                        &with) == 3);
    CHECK(radius == 2.5);
    CHECK(without > 1e-3);
    CHECK(with < 0.05 * without);
    // What was not hidden is as it was.
    auto const truth = hg::io::read_fits<double>(map), after = hg::io::read_fits<double>(out);
    for (std::size_t i = 0; i < 10; ++i) CHECK(std::fabs(after.pixels[i] - truth.pixels[i]) < 1e-12);
    CHECK(after.pixels[12 * columns + 26] != truth.pixels[12 * columns + 26]);
  }
}

TEST_CASE("pfss observe: a front and two far sides give the map back that they were seen from", "[programs][pfss]") {
  Folder const folder;
  std::string const map = folder / "map.fits", out = folder / "out.fits";
  // A smooth Sun and two spots of either sign, on one-degree rows of equal area, its columns from longitude 0.
  std::size_t const high = 90, wide = 180;
  auto const truth = [](double s, double phi) {
    double const c = std::sqrt(1 - s * s);
    auto const spot = [&](double lon, double lat) {
      double const d = s * std::sin(lat) + c * std::cos(lat) * std::cos(phi - lon);
      return std::exp(40 * (d - 1));
    };
    return 5 * s + 3 * c * std::cos(phi) + 60 * (spot(1.0, 0.3) - spot(1.3, 0.25)) +
           40 * (spot(4.0, -0.4) - spot(4.3, -0.4));
  };
  std::vector<double> field, nothing(high * wide, 0.0);
  for (std::size_t j = 0; j < high; ++j)
    for (std::size_t i = 0; i < wide; ++i)
      field.push_back(
          truth((2 * double(j) + 1) / double(high) - 1, 2 * std::numbers::pi * (double(i) + 0.5) / double(wide)));
  auto header = cards(2.0);
  header.set("CRPIX1", 90.5);
  header.set("CRPIX2", 45.5);
  header.set("CDELT2", 2.0 / double(high));
  header.set("DATE-OBS", "2018-11-06T12:00:00");
  hg::io::write_fits(map, field.data(), wide, high, header, {.double_precision = true});
  hg::io::write_fits(folder / "fill.fits", nothing.data(), wide, high, header, {.double_precision = true});
  // The Earth, and two spacecraft ahead of it and behind, each from its own latitude and distance.
  struct Observer {
    char const* name;
    double longitude, latitude, au;
  };
  for (Observer const& from :
       {Observer{"front", 100, 3.5, 0.991}, {"ahead", 220, -6.8, 0.966}, {"behind", -20, 5.2, 1.08}}) {
    auto const seen = run("observe " + map + " -o " + (folder / (std::string(from.name) + ".fits")) +
                          " --size 400 --longitude " + std::to_string(from.longitude) + " --latitude " +
                          std::to_string(from.latitude) + " --distance " + std::to_string(from.au));
    INFO(seen.err);
    REQUIRE(seen.code == 0);
    // In the middle of the disk lies what lies below the observer.
    auto const disk = hg::io::read_fits<double>(folder / (std::string(from.name) + ".fits"));
    double middle = 0;
    for (std::size_t const at : {199 * 400 + 199, 199 * 400 + 200, 200 * 400 + 199, 200 * 400 + 200})
      middle += disk.pixels[at] / 4;
    double const pi = std::numbers::pi;
    CHECK(std::fabs(middle - truth(std::sin(from.latitude * pi / 180), from.longitude * pi / 180)) < 0.1);
    CHECK(std::isnan(disk.pixels[0]));
  }
  auto const merged = run("synchronic " + (folder / "front.fits") + " --far " + (folder / "ahead.fits") + " " +
                          (folder / "behind.fits") + " --fill " + (folder / "fill.fits") + " -o " + out +
                          " --size 180x90 --keep-net-flux");
  INFO(merged.err);
  REQUIRE(merged.code == 0);
  auto const found = read_hdu(out, "BR").pixels, shares = read_hdu(out, "SHARES").pixels;
  std::size_t seen = 0;
  double most = 0, square = 0;
  for (std::size_t i = 0; i < field.size(); ++i) {
    if (shares[3 * field.size() + i] > 1e-6) continue;  // some of it is the fill's
    ++seen;
    double const off = std::fabs(found[i] - field[i]);
    most = std::max(most, off);
    square += off * off;
  }
  INFO(seen << " pixels, largest error " << most << " G, RMS " << std::sqrt(square / double(seen)));
  CHECK(seen > field.size() * 11 / 20);
  CHECK(most < 1.0);                              // on the flanks of spots of 60 G
  CHECK(std::sqrt(square / double(seen)) < 0.1);  // reading between pixels, twice
}

TEST_CASE("pfss: mistakes are told in one line", "[programs][pfss]") {
  Folder const folder;
  std::string const map = folder / "map.fits", out = folder / "out.fits";
  check_failure(run("solve " + (folder / "none.fits") + " -o " + out), 3, "none.fits");
  write(map, sun(), cards());
  check_failure(run("solve " + map + " -o " + out + " --rss 0.5"), 2, "--rss");
  check_failure(run("solve " + map + " -o " + map + " --overwrite"), 2, "is an input");
  check_failure(run("solve " + map + " -o " + out + " --vtk " + (folder / "f.vtp")), 2, ".vts");
  check_failure(run("solve " + map + " -o " + out + " --png " + out), 2, "same file");
  auto half = cards();
  half.set("CDELT1", 3.0);
  write(folder / "half.fits", sun(), half);
  check_failure(run("solve " + (folder / "half.fits") + " -o " + out), 3, "around the Sun");
  auto unit = cards();
  unit.set("BUNIT", "DN/s");
  write(folder / "unit.fits", sun(), unit);
  check_failure(run("solve " + (folder / "unit.fits") + " -o " + out), 3, "BUNIT");
  auto gap = sun();
  for (std::size_t i = 0; i < columns; ++i) gap[i] = NAN;
  write(folder / "gap.fits", gap, cards());
  check_failure(run("solve " + (folder / "gap.fits") + " -o " + out + " --missing refuse"), 3, "48 pixels");
  auto const filled = run("solve " + (folder / "gap.fits") + " -o " + out + " --nr 4");
  CHECK(filled.code == 0);
  CHECK_THAT(filled.err, ContainsSubstring("48 pixels had no value"));
}

TEST_CASE("pfss: the real maps of the data folder", "[programs][pfss][data]") {
  std::string const data = std::string(HELIOGRAD_DATA_DIR) + "/synoptic";
  if (!fs::exists(data)) SKIP("no data folder beside the project");
  Folder const folder;
  int count = 0;
  for (auto const& entry : fs::directory_iterator(data)) {
    INFO(entry.path().string());
    std::string const out = folder / ("out" + std::to_string(count++) + ".fits");
    auto const solved = run("solve " + entry.path().string() + " -o " + out + " --nr 10");
    INFO(solved.err);
    REQUIRE(solved.code == 0);
    for (double const v : read_hdu(out, "SOURCE_SURFACE").pixels) REQUIRE(std::fabs(v) < 1);
  }
  CHECK(count == 4);
}
