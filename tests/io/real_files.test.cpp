// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Every FITS file of the data folder: pixels as CFITSIO reads them, cards kept through a round trip.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>

#include "forge.hpp"

namespace hg = heliograd;
using forge::Folder;

namespace {
std::vector<std::string> real_files() {
  std::vector<std::string> files;
  std::error_code absent;
  for (auto const& entry : forge::fs::recursive_directory_iterator(HELIOGRAD_DATA_DIR, absent)) {
    auto const extension = entry.path().extension();
    if (extension == ".fits" || extension == ".fts") files.push_back(entry.path().string());
  }
  std::sort(files.begin(), files.end());
  if (files.empty()) SKIP("no FITS files in " HELIOGRAD_DATA_DIR);
  return files;
}

/// Cards that speak of the pixels' storage or statistics and may change; all others must not.
bool may_change(std::string_view card) {
  auto const key = hg::io::detail::trim_right(card.substr(0, 8));
  return hg::io::detail::stale_card(key);
}
}  // namespace

TEST_CASE("real files: pixels are those of CFITSIO, bit by bit", "[io][fits][data]") {
  for (auto const& path : real_files()) {
    INFO(path);
    auto const doubles = hg::io::read_fits<double>(path);
    CHECK(forge::same(doubles.pixels, forge::cfitsio_pixels<double>(path)));
    CHECK(forge::same(hg::io::read_fits<float>(path).pixels, forge::cfitsio_pixels<float>(path)));
  }
}

TEST_CASE("real files: written and read again nothing but the storage changes", "[io][fits][data]") {
  Folder const folder;
  for (auto const& path : real_files()) {
    INFO(path);
    auto const image = hg::io::read_fits<float>(path);
    hg::io::write_fits(folder / "out", image, {.overwrite = true});
    auto const again = hg::io::read_fits<float>(folder / "out");
    CHECK(forge::same(again.pixels, image.pixels));
    CHECK(forge::same(forge::cfitsio_pixels<float>(folder / "out"), image.pixels));
    CHECK(forge::cfitsio_checksums(folder / "out") == std::vector<std::pair<int, int>>{{1, 1}});
    std::vector<std::string> before;
    std::vector<std::string> after;
    for (auto const& card : image.header.cards())
      if (!may_change(card)) before.push_back(card);
    for (auto const& card : again.header.cards())
      if (!may_change(card)) after.push_back(card);
    CHECK(before == after);
  }
}

TEST_CASE("real files: the header answers what programs ask", "[io][fits][data]") {
  auto const files = real_files();
  auto const find = [&](std::string const& part) {
    auto const at = std::find_if(files.begin(), files.end(), [&](auto const& f) { return f.find(part) != f.npos; });
    REQUIRE(at != files.end());
    return hg::io::read_fits<float>(*at);
  };
  auto const mdi = find("20101015");
  CHECK(mdi.width == 1024);
  CHECK(mdi.counts.nan == 298490);
  CHECK(mdi.header.real("RSUN_OBS") == 970.41592291840004);
  CHECK(mdi.header.string("BUNIT") == "Gauss");
  CHECK(mdi.header.string("CTYPE1") == "HPLN-TAN");
  auto const sharp = find("377.20110215_020000_TAI.magnetogram");
  CHECK_FALSE(sharp.header.real("R_VALUE"));
  CHECK(sharp.header.integer("HARPNUM") == 377);
  CHECK(find("sdo-hmi_2011-02-14").header.string("SOURCE") ==
        "'hmi.lev1[:#15783311,#15783275,#15783251,#15783323,#15783347,#15783371");
}
