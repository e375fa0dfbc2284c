// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cctype>

#include "forge.hpp"

namespace hg = heliograd;
using Catch::Matchers::ContainsSubstring;
using forge::card;
using forge::Folder;
using hg::io::FitsCompression;
using hg::io::FitsHeader;
using hg::io::FitsWriter;

namespace {
double const hole = std::numeric_limits<double>::quiet_NaN();

FitsHeader sample_header() {
  FitsHeader header;
  for (std::string const& one : {card("SIMPLE", "T"),
                                 card("BITPIX", "16"),
                                 card("NAXIS", "3"),
                                 card("NAXIS1", "9"),
                                 card("NAXIS2", "9"),
                                 card("NAXIS3", "1"),
                                 card("BSCALE", "0.1"),
                                 card("BZERO", "5"),
                                 card("BLANK", "-32768"),
                                 card("TELESCOP= 'SDO/HMI'            / observatory"),
                                 card("COMMENT   spaces  kept"),
                                 card("DATAMIN", "-1"),
                                 card("DATAMEAN", "0.5"),
                                 card("ZCMPTYPE", "'RICE_1'"),
                                 card("CHECKSUM", "'abc'"),
                                 card("DATASUM", "'123'"),
                                 card("CRPIX1  =       512.5771484375 / [pix] WCS"),
                                 card("LONG    = 'a&'"),
                                 card("CONTINUE  'b'"),
                                 card(""),
                                 card("HISTORY one"),
                                 card("DATARMS2", "3"),
                                 card("R_VALUE = nan"),
                                 card("HISTORY two")})
    header.append(one);
  return header;
}

std::vector<std::string> const kept = {"TELESCOP= 'SDO/HMI'            / observatory",
                                       "COMMENT   spaces  kept",
                                       "CRPIX1  =       512.5771484375 / [pix] WCS",
                                       "LONG    = 'a&'",
                                       "CONTINUE  'b'",
                                       "",
                                       "HISTORY one",
                                       "R_VALUE = nan",
                                       "HISTORY two"};
}  // namespace

TEST_CASE("fits: what is written is read back, by us and by CFITSIO", "[io][fits]") {
  auto const compression = GENERATE(FitsCompression::none, FitsCompression::gzip2);
  bool const wide = GENERATE(false, true);
  Folder const folder;
  auto pixels = forge::scene(61, 47);
  pixels[5] = hole;
  pixels[6] = std::numeric_limits<double>::infinity();
  pixels[7] = -0.0;
  std::string const path = folder / "out.fits";
  hg::io::write_fits(path, pixels.data(), 61, 47, sample_header(),
                     {.double_precision = wide, .compression = compression});
  CHECK(folder.files() == 1);
  for (auto const& [data, all] : forge::cfitsio_checksums(path)) {
    bool const empty_primary = compression == FitsCompression::gzip2 && data == 0;
    CHECK((data == 1 || empty_primary));
    CHECK((all == 1 || empty_primary));
  }
  auto const image = hg::io::read_fits<double>(path);
  if (wide) {
    CHECK(forge::same(image.pixels, pixels));
    CHECK(forge::same(forge::cfitsio_pixels<double>(path, false), pixels));
  } else {
    std::vector<float> const narrow(pixels.begin(), pixels.end());
    CHECK(forge::same(hg::io::read_fits<float>(path).pixels, narrow));
    CHECK(forge::same(forge::cfitsio_pixels<float>(path, false), narrow));
  }
  // Cards: nothing stale, everything else verbatim and in order.
  auto const& header = image.header;
  for (char const* stale :
       {"BSCALE", "BZERO", "BLANK", "NAXIS3", "DATAMIN", "DATAMEAN", "DATARMS2", "ZCMPTYPE", "ZIMAGE"})
    CHECK_FALSE(header.contains(stale));
  CHECK(header.integer("BITPIX") == (wide ? -64 : -32));
  std::size_t at = 5;
  for (auto const& text : kept) CHECK(header.card(at++) == card(text));
}

TEST_CASE("fits: a second round changes no byte", "[io][fits]") {
  Folder const folder;
  auto const pixels = forge::scene(20, 10);
  for (auto const compression : {FitsCompression::none, FitsCompression::gzip2}) {
    hg::io::write_fits(folder / "a", pixels.data(), 20, 10, sample_header(),
                       {.overwrite = true, .compression = compression});
    hg::io::write_fits(folder / "b", hg::io::read_fits<float>(folder / "a"),
                       {.overwrite = true, .compression = compression});
    CHECK(forge::load(folder / "a") == forge::load(folder / "b"));
  }
}

TEST_CASE("fits: blocks in any order give the same file", "[io][fits]") {
  Folder const folder;
  std::size_t const width = 50;
  std::size_t const height = 40;
  auto const scene = forge::scene(width, height);
  std::vector<float> const pixels(scene.begin(), scene.end());
  hg::io::write_fits(folder / "whole", pixels.data(), width, height);
  {
    FitsWriter out(folder / "blocks", width, height, {});
    for (std::size_t y = 40; y > 0; y -= 8)
      for (std::size_t x = 0; x < width; x += 25) out.block(y - 8, y, x, x + 25, &pixels[(y - 8) * width + x], width);
    out.finish();
  }
  CHECK(forge::load(folder / "whole") == forge::load(folder / "blocks"));
  {
    FitsWriter out(folder / "rows", width, height, {}, {.compression = FitsCompression::gzip2});
    for (std::size_t y = height; y > 0; y -= 4) out.rows(y - 4, y, &pixels[(y - 4) * width]);
    out.finish();
  }
  CHECK(hg::io::read_fits<float>(folder / "rows").pixels == pixels);
  CHECK(forge::cfitsio_pixels<float>(folder / "rows") == pixels);
}

TEST_CASE("fits: an unfinished or impossible output leaves nothing", "[io][fits][bad]") {
  Folder const folder;
  std::vector<float> const row(10, 1.0F);
  {
    FitsWriter out(folder / "a", 10, 2, {});
    out.rows(0, 1, row.data());
    CHECK_THROWS_AS(out.finish(), hg::UsageError);                // row 1 is missing
    CHECK_THROWS_AS(out.rows(0, 1, row.data()), hg::UsageError);  // row 0 again
    CHECK_THROWS_AS(out.rows(2, 3, row.data()), hg::UsageError);
  }
  CHECK(folder.files() == 0);
  CHECK_THROWS_AS(FitsWriter(folder / "none/a", 10, 2, {}), hg::OutputError);
  forge::save(folder / "old", "old");
  CHECK_THROWS_WITH(hg::io::write_fits(folder / "old", row.data(), 10, 1), ContainsSubstring("exists already"));
  CHECK(forge::load(folder / "old") == "old");
  hg::io::write_fits(folder / "old", row.data(), 10, 1, {}, {.overwrite = true});
  CHECK(hg::io::read_fits(folder / "old").pixels == row);
  CHECK(folder.files() == 1);
}

TEST_CASE("fits: checksums of CFITSIO's own files agree with ours", "[io][fits]") {
  Folder const folder;
  auto const pixels = forge::scene(33, 21);
  for (int i = 0; i < 40; ++i) {  // many headers, so that every kind of character in CHECKSUM occurs
    FitsHeader header;
    header.set("SEED", i * i * 7919 + i);
    header.append_history(std::string(static_cast<std::size_t>(i), 'h'));
    hg::io::write_fits(folder / "x", pixels.data(), 33, 21, header, {.overwrite = true});
    CHECK(forge::cfitsio_checksums(folder / "x") == std::vector<std::pair<int, int>>{{1, 1}});
    CHECK_NOTHROW(hg::io::read_fits(folder / "x"));
  }
}

TEST_CASE("fits: CHECKSUM is letters and digits whatever the sum", "[io][fits]") {
  std::uint32_t sum = 1;
  for (int i = 0; i < 20000; ++i) {
    sum = sum * 1664525u + 1013904223u;
    std::string const text = hg::io::detail::encode_checksum(sum);
    bool good = text.size() == 16;
    for (char const c : text) good = good && std::isalnum(static_cast<unsigned char>(c)) != 0;
    // In the card the string begins at column 12: one byte before a word, as here. Together with `sum`, reckoned with
    // the character 0 in all sixteen places, the words come to all ones.
    std::string const card = "CHECKSUM= '" + text + "'" + std::string(52, ' ');
    std::string const zero = "CHECKSUM= '" + std::string(16, '0') + "'" + std::string(52, ' ');
    hg::io::detail::FitsSum with;
    hg::io::detail::FitsSum without;
    with.add(reinterpret_cast<unsigned char const*>(card.data()), card.size());
    without.add(reinterpret_cast<unsigned char const*>(zero.data()), zero.size());
    // sum = (rest + zero card); the whole is then sum - zero + card.
    hg::io::detail::FitsSum whole;
    whole.add(sum);
    whole.add(~without.value());
    whole.add(with.value());
    good = good && (whole.value() == 0xffffffffu || whole.value() == 0);
    if (!good) FAIL_CHECK(text << " for " << sum);
  }
}
