// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <chrono>
#include <numbers>

#include "forge.hpp"

namespace hg = heliograd;
using Catch::Matchers::ContainsSubstring;
using forge::accepted;
using forge::card;
using forge::Folder;
using forge::refusal;
using forge::refused;
using hg::io::FitsReadOptions;
using Doubles = std::vector<double>;

namespace {
double const hole = std::numeric_limits<double>::quiet_NaN();
double const inf = std::numeric_limits<double>::infinity();

/// Where a card's value is replaced in the text of a file; the card must be there.
std::string with(std::string bytes, std::string const& key, std::string const& value) {
  std::string const stem = key + std::string(8 - key.size(), ' ') + "=";
  std::size_t const at = bytes.find(stem);
  REQUIRE(at != std::string::npos);
  return bytes.replace(at, 80, card(key, value));
}

std::string without(std::string bytes, std::string const& key) {
  std::size_t const at = bytes.find(key + std::string(8 - key.size(), ' ') + "=");
  REQUIRE(at != std::string::npos);
  return bytes.replace(at, 80, std::string(80, ' '));
}

std::string small() { return forge::image<float>(3, {1, -2, 3.5F, 4, 5, 6}); }
}  // namespace

// ---- what is read ---------------------------------------------------------------------------------------------------

TEST_CASE("fits: every pixel type gives its physical values", "[io][fits]") {
  CHECK(accepted(forge::image<std::uint8_t>(2, {0, 1, 200, 255})).pixels == Doubles{0, 1, 200, 255});
  CHECK(accepted(forge::image<std::int16_t>(2, {-32768, -1, 0, 32767})).pixels == Doubles{-32768, -1, 0, 32767});
  CHECK(accepted(forge::image<std::int32_t>(2, {INT32_MIN, INT32_MAX})).pixels == Doubles{-2147483648.0, 2147483647.0});
  CHECK(accepted(forge::image<std::int64_t>(2, {INT64_MIN, -3})).pixels == Doubles{-9223372036854775808.0, -3});
  CHECK(accepted(forge::image<float>(2, {0.1F, -3e38F})).pixels == Doubles{0.1F, -3e38F});
  CHECK(accepted(forge::image<double>(2, {0.1, -1e300})).pixels == Doubles{0.1, -1e300});
  auto const image = accepted(small());
  CHECK(image.width == 3);
  CHECK(image.height == 2);
  CHECK(image.pixels == Doubles{1, -2, 3.5, 4, 5, 6});  // the first row of the file is row 0
  CHECK(image.counts.nan == 0);
}

TEST_CASE("fits: scaling is applied once, unsigned numbers come out whole", "[io][fits]") {
  CHECK(
      accepted(forge::image<std::int16_t>(2, {-32768, 32767}, {card("BZERO", "32768"), card("BSCALE", "1")})).pixels ==
      Doubles{0, 65535});
  CHECK(accepted(forge::image<std::int32_t>(2, {INT32_MIN, INT32_MAX}, {card("BZERO", "2147483648.")})).pixels ==
        Doubles{0, 4294967295.0});
  CHECK(
      accepted(forge::image<std::int64_t>(2, {INT64_MIN, INT64_MAX}, {card("BZERO", "9223372036854775808")})).pixels ==
      Doubles{0, 18446744073709551615.0});
  CHECK(accepted(forge::image<std::uint8_t>(2, {0, 255}, {card("BZERO", "-128")})).pixels == Doubles{-128, 127});
  auto const image =
      accepted(forge::image<std::int32_t>(3, {-25, 0, 7}, {card("BSCALE", "0.01"), card("BZERO", "3.")}));
  CHECK(image.pixels == Doubles{-25 * 0.01 + 3, 3, 7 * 0.01 + 3});
  CHECK(accepted(forge::image<float>(2, {1, 2}, {card("BSCALE", "2.D0")})).pixels == Doubles{2, 4});
}

TEST_CASE("fits: BLANK, NaN and infinity are counted, never silent", "[io][fits]") {
  auto blank = accepted(forge::image<std::int16_t>(
      3, {5, -32768, 7}, {card("BLANK", "-32768"), card("BSCALE", "0.5"), card("BZERO", "1")}));
  CHECK(forge::same(blank.pixels, {3.5, hole, 4.5}));
  CHECK(blank.counts.nan == 1);
  auto const reals = accepted(forge::image<double>(4, {1, hole, inf, -inf}));
  CHECK(forge::same(reals.pixels, {1, hole, inf, -inf}));
  CHECK(reals.counts.nan == 1);
  CHECK(reals.counts.infinite == 2);
  Folder const folder;
  forge::save(folder / "a", forge::image<double>(2, {1e300, 1}));  // too large for float
  CHECK(hg::io::read_fits<float>(folder / "a").counts.infinite == 1);
  float const none = std::numeric_limits<float>::quiet_NaN();
  CHECK(accepted(forge::image<float>(2, {none, none})).counts.nan == 2);
}

TEST_CASE("fits: extreme and constant images keep their bits", "[io][fits]") {
  float const tiny = std::numeric_limits<float>::denorm_min();
  CHECK(accepted(forge::image<float>(4, {tiny, -tiny, 3e38F, -0.0F})).pixels == Doubles{tiny, -tiny, 3e38F, 0});
  std::vector<float> const constant(100, 3e38F);
  CHECK(accepted(forge::image<float>(10, constant)).pixels == Doubles(100, 3e38F));
  CHECK(accepted(forge::image<float>(10, std::vector<float>(100, 0))).pixels == Doubles(100, 0));
}

TEST_CASE("fits: odd shapes", "[io][fits]") {
  CHECK(accepted(forge::image<float>(1, {7})).pixels == Doubles{7});
  CHECK(accepted(forge::image<float>(5, {1, 2, 3, 4, 5})).height == 1);
  CHECK(accepted(forge::image<float>(1, {1, 2, 3})).height == 3);
}

TEST_CASE("fits: lawful variants of one image are identical", "[io][fits]") {
  Doubles const plain = forge::scene(37, 23, 900, true);
  std::vector<std::int16_t> whole(plain.begin(), plain.end());
  Folder const folder;
  auto const read = [&](std::string const& bytes) {
    forge::save(folder / "v", bytes);
    return hg::io::read_fits<double>(folder / "v").pixels;
  };
  auto const file = forge::image(37, whole);
  REQUIRE(read(file) == plain);
  auto const data = forge::block(forge::big_endian(whole), '\0');
  auto cards = forge::image_cards(16, 37, 23);

  SECTION("in an extension, after a table and an empty image") {
    std::string bytes =
        forge::header({card("SIMPLE", "T"), card("BITPIX", "8"), card("NAXIS", "0"), card("EXTEND", "T")});
    bytes +=
        forge::header({card("XTENSION", "'TABLE   '"), card("BITPIX", "8"), card("NAXIS", "2"), card("NAXIS1", "7"),
                       card("NAXIS2", "3"), card("PCOUNT", "0"), card("GCOUNT", "1"), card("TFIELDS", "0")}) +
        forge::block(std::string(21, ' '), ' ');
    bytes += forge::header({card("XTENSION", "'IMAGE   '"), card("BITPIX", "8"), card("NAXIS", "0"),
                            card("PCOUNT", "0"), card("GCOUNT", "1")});
    cards[0] = card("XTENSION", "'IMAGE   '");
    cards.push_back(card("PCOUNT", "0"));
    cards.push_back(card("GCOUNT", "1"));
    CHECK(read(bytes + forge::header(cards) + data) == plain);
    // A second image, and special records behind, change nothing.
    auto other = cards;
    other[3] = card("NAXIS1", "2");
    other[4] = card("NAXIS2", "2");
    CHECK(read(bytes + forge::header(cards) + data + forge::header(other) + std::string(2880, '\1')) == plain);
    CHECK(read(bytes + forge::header(cards) + data + std::string(2880, 'x')) == plain);
  }
  SECTION("NAXIS3 = 1") {
    cards[2] = card("NAXIS", "4");
    cards.insert(cards.begin() + 5, {card("NAXIS3", "1"), card("NAXIS4", "1")});
    CHECK(read(forge::header(cards) + data) == plain);
  }
  SECTION("packed by gzip, also in several members and with padding") {
    CHECK(read(forge::gzip(file)) == plain);
    CHECK(read(forge::gzip(file.substr(0, 1000)) + forge::gzip(file.substr(1000)) + std::string(512, '\0')) == plain);
  }
  SECTION("the last block not filled") { CHECK(read(file.substr(0, 2880 + 37 * 23 * 2)) == plain); }
  SECTION("other pixel types") {
    CHECK(read(forge::image(37, plain)) == plain);
    CHECK(read(forge::image(37, std::vector<float>(plain.begin(), plain.end()))) == plain);
    CHECK(read(forge::image(37, std::vector<std::int32_t>(plain.begin(), plain.end()))) == plain);
    CHECK(read(forge::image(37, std::vector<std::int64_t>(plain.begin(), plain.end()))) == plain);
  }
  SECTION("tiles by CFITSIO") {
    for (int const codec : {RICE_1, GZIP_1, GZIP_2}) {
      for (int const bitpix : {SHORT_IMG, LONG_IMG}) {
        for (auto const& [tx, ty] : {std::pair{0L, 0L}, {37L, 23L}, {10L, 7L}, {37L, 4L}, {1L, 1L}}) {
          auto const path = folder / "tiles.fits";
          std::remove(path.c_str());
          forge::cfitsio_write(path, plain, 37, {.bitpix = bitpix, .codec = codec, .tile = {tx, ty}});
          INFO("codec " << codec << " bitpix " << bitpix << " tiles " << tx << " x " << ty);
          auto const image = hg::io::read_fits<double>(path);
          CHECK(image.pixels == plain);
          CHECK(image.hdu == 1);
          CHECK(image.header.integer("NAXIS1") == 37);
          CHECK(image.header.integer("BITPIX") == bitpix);
          CHECK_FALSE(image.header.contains("ZIMAGE"));
          CHECK_FALSE(image.header.contains("TTYPE1"));
          // Unpacked as a whole and packed by gzip around it.
          forge::save(folder / "tiles.fits.gz", forge::gzip(forge::load(path)));
          CHECK(hg::io::read_fits<double>(folder / "tiles.fits.gz").pixels == plain);
        }
      }
    }
  }
}

TEST_CASE("fits: floating-point tiles, quantised, dithered or lossless, are what CFITSIO reads", "[io][fits]") {
  Folder const folder;
  Doubles pixels = forge::scene(64, 50);
  for (std::size_t i = 0; i < 20; ++i) pixels[i * 151] = 0.0;
  bool const holes = GENERATE(false, true);
  if (holes)
    for (std::size_t i = 0; i < 20; ++i) pixels[i * 97 + 5] = hole;
  int file = 0;
  for (int const bitpix : {FLOAT_IMG, DOUBLE_IMG}) {
    for (int const codec : {RICE_1, GZIP_1, GZIP_2}) {
      for (int const dither : {NO_DITHER, SUBTRACTIVE_DITHER_1, SUBTRACTIVE_DITHER_2}) {
        for (float const level : {4.0F, -0.5F, 0.0F}) {
          if (codec == RICE_1 && level == 0.0F) continue;
          std::string const path = folder / ("q" + std::to_string(file++));
          forge::cfitsio_write(path, pixels, 64,
                               {.bitpix = bitpix,
                                .codec = codec,
                                .tile = {20, 30},
                                .quantise = level == 0.0F ? 9999.0F : level,
                                .dither = dither,
                                .seed = 9998});
          INFO("bitpix " << bitpix << " codec " << codec << " dither " << dither << " level " << level << " holes "
                         << holes);
          auto const doubles = hg::io::read_fits<double>(path);
          CHECK(forge::same(doubles.pixels, forge::cfitsio_pixels<double>(path)));
          CHECK(forge::same(hg::io::read_fits<float>(path).pixels, forge::cfitsio_pixels<float>(path)));
          CHECK(doubles.counts.nan == (holes ? 20 : 0));
        }
      }
    }
  }
}

TEST_CASE("fits: scaled and blank integers in tiles are what CFITSIO reads", "[io][fits]") {
  Folder const folder;
  Doubles pixels = forge::scene(40, 30, 300);
  pixels[17] = pixels[900] = hole;
  int file = 0;
  for (int const codec : {0, RICE_1, GZIP_1, GZIP_2}) {
    std::string const path = folder / ("s" + std::to_string(file++));
    forge::cfitsio_write(path, pixels, 40, {.codec = codec, .scale = 0.1, .zero = 12.5, .blank = true});
    auto const image = hg::io::read_fits<double>(path);
    CHECK(image.counts.nan == 2);
    CHECK(forge::same(image.pixels, forge::cfitsio_pixels<double>(path)));
    CHECK(forge::same(hg::io::read_fits<float>(path).pixels, forge::cfitsio_pixels<float>(path)));
  }
  for (int const codec : {0, RICE_1, GZIP_2}) {
    for (int const bitpix : {BYTE_IMG, USHORT_IMG, ULONG_IMG}) {
      std::string const path = folder / ("u" + std::to_string(file++));
      forge::cfitsio_write(path, {0, 1, 2, 100, 254, 255}, 3, {.bitpix = bitpix, .codec = codec});
      CHECK(hg::io::read_fits<double>(path).pixels == Doubles{0, 1, 2, 100, 254, 255});
    }
  }
}

TEST_CASE("fits: rows are delivered in any portions", "[io][fits]") {
  Folder const folder;
  Doubles const pixels = forge::scene(40, 33, 900, true);
  int file = 0;
  for (int const codec : {0, RICE_1, GZIP_2}) {
    std::string const path = folder / std::to_string(file++);
    forge::cfitsio_write(path, pixels, 40, {.codec = codec, .tile = {13, 5}});
    hg::io::FitsReader reader(path);
    for (auto const& [first, last] :
         {std::pair<std::size_t, std::size_t>{0, 1}, {32, 33}, {3, 20}, {4, 5}, {7, 7}, {0, 33}}) {
      Doubles part((last - first) * 40);
      reader.rows(first, last, part.data());
      CHECK(part ==
            Doubles(pixels.begin() + static_cast<long>(first * 40), pixels.begin() + static_cast<long>(last * 40)));
    }
    std::vector<float> one(40);
    CHECK_THROWS_AS(reader.rows(33, 34, one.data()), hg::UsageError);
  }
}

TEST_CASE("fits: one plane of a cube, plain and in tiles", "[io][fits]") {
  Folder const folder;
  std::vector<float> values(5 * 4 * 6);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
  std::vector<int> whole(values.begin(), values.end());
  for (int const codec : {0, GZIP_1}) {
    std::string const path = folder / ("cube" + std::to_string(codec));
    fitsfile* file = nullptr;
    int status = 0;
    long axes[3] = {5, 4, 6};
    long tile[3] = {3, 2, 4};
    long first[3] = {1, 1, 1};
    fits_create_diskfile(&file, path.c_str(), &status);
    if (codec) {
      fits_set_compression_type(file, codec, &status);
      fits_set_tile_dim(file, 3, tile, &status);
    }
    fits_create_img(file, LONG_IMG, 3, axes, &status);
    fits_write_pix(file, TINT, first, static_cast<LONGLONG>(values.size()), whole.data(), &status);
    fits_close_file(file, &status);
    REQUIRE(status == 0);
    CHECK_THAT(refusal(path), ContainsSubstring("cube of 6 planes") && ContainsSubstring("name the plane"));
    for (std::size_t plane = 0; plane < 6; ++plane) {
      auto const image = hg::io::read_fits<float>(path, {.plane = plane});
      CHECK(image.pixels == std::vector<float>(values.begin() + static_cast<long>(plane * 20),
                                               values.begin() + static_cast<long>(plane * 20 + 20)));
    }
    CHECK_THAT(refusal(path, {.plane = 6}), ContainsSubstring("no plane 6"));
  }
  // The same bytes as four axes.
  std::string bytes =
      forge::header({card("SIMPLE", "T"), card("BITPIX", "-32"), card("NAXIS", "4"), card("NAXIS1", "5"),
                     card("NAXIS2", "4"), card("NAXIS3", "3"), card("NAXIS4", "2")}) +
      forge::block(forge::big_endian(values), '\0');
  CHECK(accepted(bytes, {.plane = 5}).pixels.front() == 100.0);
}

TEST_CASE("fits: cards of the image are kept verbatim and in order", "[io][fits]") {
  std::vector<std::string> const more = {"COMMENT  two  spaces",
                                         "CRPIX1  =       512.5771484375 / [pix] WCS",
                                         "",
                                         "HISTORY one",
                                         "LONG    = 'a&'",
                                         "CONTINUE  'b' / tail",
                                         "HIERARCH ESO X = 5 / five",
                                         "ODD     =nonsense",
                                         "R_VALUE = nan",
                                         "HISTORY two"};
  auto const image = accepted(forge::image<float>(3, {1, 2, 3, 4, 5, 6}, more));
  REQUIRE(image.header.size() == 5 + more.size());
  for (std::size_t i = 0; i < more.size(); ++i) CHECK(image.header.card(5 + i) == card(more[i]));
  CHECK(image.header.card(0) == card("SIMPLE", "T"));
}

TEST_CASE("fits: an extension inherits the primary's cards when it says so", "[io][fits]") {
  for (bool const says : {false, true}) {
    std::string const bytes =
        forge::header({card("SIMPLE", "T"), card("BITPIX", "8"), card("NAXIS", "0"), card("EXTEND", "T"),
                       card("TELESCOP", "'SOHO'"), card("BUNIT", "'primary'")}) +
        forge::header({card("XTENSION", "'IMAGE   '"), card("BITPIX", "-32"), card("NAXIS", "2"), card("NAXIS1", "1"),
                       card("NAXIS2", "1"), card("PCOUNT", "0"), card("GCOUNT", "1"), card("INHERIT", says ? "T" : "F"),
                       card("BUNIT", "'own'")}) +
        forge::block(forge::big_endian(std::vector<float>{1}), '\0');
    auto const header = accepted(bytes).header;
    CHECK(header.string("TELESCOP").has_value() == says);
    CHECK(header.string("BUNIT") == "own");
    CHECK_FALSE(header.contains("INHERIT"));
    CHECK(header.size() == (says ? 7 : 6));  // BUNIT once
  }
}

TEST_CASE("fits: strange but lawful headers are read in linear time", "[io][fits]") {
  auto const begin = std::chrono::steady_clock::now();
  std::vector<std::string> more;
  for (int i = 0; i < 100000; ++i) more.push_back("COMMENT line " + std::to_string(i));
  CHECK(accepted(forge::image<float>(1, {1}, more)).header.size() == 100005);
  more = {"LONG    = 'start &'"};
  for (int i = 0; i < 5000; ++i) more.push_back("CONTINUE  'piece &'");
  more.push_back("CONTINUE  'end'");
  CHECK(accepted(forge::image<float>(1, {1}, more)).header.string("LONG")->size() == 6 + 5000 * 6 + 3);
  more = {"CONTINUE  'orphan'", "OPEN    = 'never closed", std::string("ESC     = 'a\x1b[2Jb\0c'", 20)};
  auto const image = accepted(forge::image<float>(1, {1}, more));
  CHECK(image.header.string("OPEN") == "never closed");
  CHECK(image.header.string("ESC") == "a?[2Jb?c");
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(10));
}

TEST_CASE("fits: a path is a path", "[io][fits]") {
  Folder const folder;
  for (std::string const& name : std::vector<std::string>{"a.fits(b.fits)", "a.fits[1:4]", "!out.fits", "-", "http:x",
                                                          "a'b $(c) %s%n.fits", "*"}) {
    forge::save(folder / name, small());
    CHECK(hg::io::read_fits(folder / name).width == 3);
    hg::io::write_fits(folder / (name + ".out"), hg::io::read_fits(folder / name));
    CHECK(forge::fs::exists(folder / (name + ".out")));
  }
  CHECK(folder.files() == 14);
  CHECK_THROWS_AS(hg::io::read_fits("http://example.org/a.fits"), hg::InputError);
}

// ---- what is refused ------------------------------------------------------------------------------------------------

TEST_CASE("fits: files that are none", "[io][fits][bad]") {
  Folder const folder;
  CHECK_THAT(refusal(folder / "absent"), ContainsSubstring("cannot be opened (No such file"));
  CHECK_THAT(refusal(folder.path()), ContainsSubstring("is a folder"));
  ::mkfifo((folder / "fifo").c_str(), 0600);
  CHECK_THAT(refusal(folder / "fifo"), ContainsSubstring("not a regular file"));
  ::symlink("nowhere", (folder / "dangling").c_str());
  CHECK_THAT(refusal(folder / "dangling"), ContainsSubstring("cannot be opened"));
  CHECK_THAT(refusal("/dev/zero"), ContainsSubstring("not a regular file"));
  CHECK_THROWS_AS(hg::io::read_fits(""), hg::InputError);
  forge::save(folder / "new\nline\x1b", "");
  try {
    static_cast<void>(hg::io::read_fits(folder / "new\nline\x1b"));
    FAIL();
  } catch (hg::InputError const& error) {
    CHECK_THAT(error.what(), ContainsSubstring("new\\x0aline\\x1b: is empty"));
  }
  CHECK_THAT(refused(""), ContainsSubstring("is empty"));
  for (std::string const& bytes : std::vector<std::string>{"\x7f"
                                                           "ELF",
                                                           "<html>", "\x89PNG\r\n", "SIMPLE", "SIMPLE  :", "x"})
    CHECK_THAT(refused(bytes + std::string(3000, '\xfe')), ContainsSubstring("is not a FITS file"));
  CHECK_THAT(refused(forge::gzip("<html>")), ContainsSubstring("is not a FITS file"));
}

TEST_CASE("fits: cut files say what was promised and what was found", "[io][fits][bad]") {
  auto const file = forge::image<float>(100, std::vector<float>(10000, 1.5F));
  CHECK_THAT(refused(file.substr(0, 700)),
             ContainsSubstring("without an END card (found 700 bytes, expected at least 2880)"));
  CHECK_THAT(refused(file.substr(0, 2880)), ContainsSubstring("cut short (found 2880 bytes, expected 42880)"));
  CHECK_THAT(refused(file.substr(0, 42879)), ContainsSubstring("cut short (found 42879 bytes, expected 42880)"));
  std::string no_end = forge::header({card("SIMPLE", "T")});
  no_end = no_end.replace(no_end.find("END "), 3, "   ");
  CHECK_THAT(refused(no_end + no_end), ContainsSubstring("without an END card"));
  CHECK_THAT(refused(forge::gzip(file).substr(0, 60)), ContainsSubstring("gzip file that ends early"));
}

TEST_CASE("fits: impossible keywords are named with their values", "[io][fits][bad]") {
  for (std::string const& value : std::vector<std::string>{"7", "-16", "NaN", "0", "128", "'16'", "1e1", ""})
    CHECK_THAT(refused(with(small(), "BITPIX", " " + value)), ContainsSubstring("keyword BITPIX"));
  for (std::string const& value : std::vector<std::string>{"-1", "1", "10", "999", "1000", "x"})
    CHECK_THAT(refused(with(small(), "NAXIS", value)), ContainsSubstring("keyword NAXIS "));
  CHECK_THAT(refused(with(small(), "NAXIS", "0")), ContainsSubstring("holds no image"));
  for (std::string const& value :
       std::vector<std::string>{"0", "-5", "'3'", "3.5", "99999999999999999999", std::string(60, '7')})
    CHECK_THAT(refused(with(small(), "NAXIS1", value)), ContainsSubstring("keyword NAXIS1"));
  CHECK_THAT(refused(without(small(), "NAXIS2")), ContainsSubstring("keyword NAXIS2 is missing"));
  CHECK_THAT(refused(without(small(), "BITPIX")), ContainsSubstring("keyword BITPIX is missing"));
  CHECK_THAT(refused(with(small(), "SIMPLE", "F")), ContainsSubstring("SIMPLE = F"));
  CHECK_THAT(refused(forge::image<float>(1, {1}, {card("NAXIS1", "2")})), ContainsSubstring("NAXIS1 stands twice"));
  CHECK_THAT(refused(forge::image<float>(1, {1}, {card("PCOUNT", "1")})), ContainsSubstring("PCOUNT"));
  CHECK_THAT(refused(forge::image<float>(1, {1}, {card("GCOUNT", "2")})), ContainsSubstring("keyword GCOUNT"));
  for (std::string const& value : std::vector<std::string>{"0", "0.0", "'x'", "NAN", "1e999", "inf"})
    CHECK_THAT(refused(forge::image<float>(1, {1}, {card("BSCALE", value)})), ContainsSubstring("keyword BSCALE"));
  CHECK_THAT(refused(forge::image<float>(1, {1}, {card("BZERO", "here")})), ContainsSubstring("keyword BZERO"));
  CHECK_THAT(refused(forge::image<std::int16_t>(1, {1}, {card("BLANK", "0.5")})), ContainsSubstring("keyword BLANK"));
}

TEST_CASE("fits: sizes that wrap or cannot be are refused at once and nothing is allocated", "[io][fits][bad]") {
  auto const begin = std::chrono::steady_clock::now();
  for (auto const& [w, h] : {std::pair{"65536", "65536"},
                             {"46341", "46341"},
                             {"4294967296", "4294967296"},
                             {"2147483648", "8589934592"},
                             {"9223372036854775807", "9223372036854775807"},
                             {"4294967297", "1"},
                             {"1", "18446744073709551615"}})
    refused(with(with(small(), "NAXIS1", w), "NAXIS2", h));
  CHECK_THAT(refused(with(with(small(), "NAXIS1", "16384"), "NAXIS2", "16384")), ContainsSubstring("cut short"));
  CHECK_THAT(refused(with(with(small(), "NAXIS1", "16384"), "NAXIS2", "16385")),
             ContainsSubstring("268451840 pixels, expected at most 268435456"));
  // The same in a gzip file: refused by arithmetic, not by inflating.
  CHECK_THAT(refused(forge::gzip(with(with(small(), "NAXIS1", "16384"), "NAXIS2", "16384"))),
             ContainsSubstring("cut short"));
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(10));
  CHECK_THAT(refused(small(), {.max_pixels = 5}), ContainsSubstring("6 pixels, expected at most 5"));
}

TEST_CASE("fits: no image in the file", "[io][fits][bad]") {
  auto const empty = forge::header({card("SIMPLE", "T"), card("BITPIX", "8"), card("NAXIS", "0"), card("EXTEND", "T")});
  CHECK_THAT(refused(empty), ContainsSubstring("holds no image"));
  auto const table = forge::header({card("XTENSION", "'BINTABLE'"), card("BITPIX", "8"), card("NAXIS", "2"),
                                    card("NAXIS1", "4"), card("NAXIS2", "5"), card("PCOUNT", "0"), card("GCOUNT", "1"),
                                    card("TFIELDS", "1"), card("TTYPE1", "'x'"), card("TFORM1", "'1J'")}) +
                     forge::block(std::string(20, '\0'), '\0');
  CHECK_THAT(refused(empty + table), ContainsSubstring("holds no image") && ContainsSubstring("2 HDUs"));
  CHECK_THAT(refused(empty + table.substr(0, 2885)), ContainsSubstring("cut short"));
  CHECK_THAT(refused(forge::header({card("SIMPLE", "T"), card("BITPIX", "8"), card("NAXIS", "3"), card("NAXIS1", "0"),
                                    card("NAXIS2", "2"), card("NAXIS3", "2"), card("GROUPS", "T"), card("PCOUNT", "1"),
                                    card("GCOUNT", "1")}) +
                     std::string(2880, '\0')),
             ContainsSubstring("random groups"));
}

TEST_CASE("fits: damaged data are found by their checksums", "[io][fits][bad]") {
  Folder const folder;
  Doubles const pixels = forge::scene(64, 64, 900, true);
  for (int const codec : {0, RICE_1, GZIP_2}) {
    std::string const path = folder / ("sum" + std::to_string(codec));
    forge::cfitsio_write(path, pixels, 64, {.codec = codec});
    REQUIRE(hg::io::read_fits<double>(path).pixels == pixels);
    std::string bytes = forge::load(path);
    auto flipped = bytes;
    flipped[bytes.size() - 3000] = static_cast<char>(flipped[bytes.size() - 3000] ^ 4);
    CHECK_THAT(refused(flipped), ContainsSubstring("DATASUM does not agree"));
    auto edited = bytes;
    std::size_t const at = edited.find("CHECKSUM=");
    edited[at + 60] = edited[at + 60] == 'x' ? 'y' : 'x';
    CHECK_THAT(refused(edited), ContainsSubstring("CHECKSUM does not agree"));
    forge::save(folder / "edited", edited);
    CHECK(hg::io::read_fits<double>(folder / "edited", {.verify_checksums = false}).pixels == pixels);
  }
}

TEST_CASE("fits: bytes in the wrong order are noticed", "[io][fits][bad]") {
  auto const scene = forge::scene(64, 64);
  std::vector<float> const values(scene.begin(), scene.end());
  std::string file = forge::image(64, values);
  for (std::size_t i = 2880; i + 4 <= file.size(); i += 4) std::reverse(&file[i], &file[i] + 4);
  CHECK_THAT(refused(file), ContainsSubstring("little-endian"));
}

namespace {
/// A Rice file by CFITSIO without checksums, to be damaged; 64 x 32 pixels, one tile per row.
std::string tiled(int codec = RICE_1, int bitpix = LONG_IMG) {
  Folder const folder;
  forge::cfitsio_write(folder / "t", forge::scene(64, 32, 900, true), 64,
                       {.bitpix = bitpix, .codec = codec, .quantise = 4, .checksum = false});
  return forge::load(folder / "t");
}

/// Where the table begins: behind the two headers.
std::size_t table_of(std::string const& bytes) {
  std::size_t at = 2880;
  while (bytes.substr(at, 2880).find("END" + std::string(77, ' ')) == std::string::npos) at += 2880;
  return at + 2880;
}

std::string with_descriptor(std::string bytes, std::uint32_t count, std::uint32_t offset, std::size_t row = 3) {
  std::string const both = forge::big_endian(std::vector<std::uint32_t>{count, offset});
  return bytes.replace(table_of(bytes) + row * 8, 8, both);
}
}  // namespace

TEST_CASE("fits: wrong tile keywords are refused", "[io][fits][bad]") {
  auto const file = tiled();
  for (std::string const& value : std::vector<std::string>{"'HCOMPRESS_1'", "'PLIO_1'", "'RICE_2'", "''", "5"})
    CHECK_THAT(refused(with(file, "ZCMPTYPE", value)), ContainsSubstring("keyword ZCMPTYPE"));
  CHECK_THAT(refused(without(file, "ZCMPTYPE")), ContainsSubstring("keyword ZCMPTYPE is missing"));
  for (std::string const& value : std::vector<std::string>{"0", "-1", "x", "99999999999999999999"})
    CHECK_THAT(refused(with(file, "ZTILE1", value)), ContainsSubstring("keyword ZTILE1"));
  CHECK_THAT(refused(with(file, "ZTILE1", "7")), ContainsSubstring("keyword NAXIS2"));
  CHECK_THAT(refused(with(file, "ZTILE2", "2147483647")), ContainsSubstring("keyword NAXIS2"));
  for (std::string const& value : std::vector<std::string>{"7", "-16", "0", "x"})
    CHECK_THAT(refused(with(file, "ZBITPIX", value)), ContainsSubstring("keyword ZBITPIX"));
  CHECK_THAT(refused(with(file, "ZBITPIX", "-32")), ContainsSubstring("without ZSCALE"));
  CHECK_THAT(refused(with(file, "ZBITPIX", "64")), ContainsSubstring("64-bit pixels into 32 bits"));
  for (std::string const& value : std::vector<std::string>{"0", "1", "999", "-1"})
    CHECK_THAT(refused(with(file, "ZNAXIS", value)), ContainsSubstring("keyword ZNAXIS"));
  for (std::string const& value :
       std::vector<std::string>{"2147483647", "4294967296", "9223372036854775807", "0", "-3", "65"})
    refused(with(file, "ZNAXIS1", value));
  refused(with(with(file, "ZNAXIS1", "16384"), "ZTILE1", "16384"));
  CHECK_THAT(refused(with(with(file, "ZNAXIS1", "4294967296"), "ZNAXIS2", "4294967296")),
             ContainsSubstring("promises more data than any file can hold"));
  CHECK_THAT(refused(with(file, "ZVAL1", "0")), ContainsSubstring("keyword ZVAL1"));
  CHECK_THAT(refused(with(file, "ZVAL2", "3")), ContainsSubstring("BYTEPIX"));
  CHECK_THAT(refused(with(file, "ZVAL2", "8")), ContainsSubstring("BYTEPIX"));
  CHECK_THAT(refused(with(file, "TFORM1", "'1PZ(5)'")), ContainsSubstring("keyword TFORM1"));
  CHECK_THAT(refused(with(file, "TFORM1", "'1J'")), ContainsSubstring("keyword NAXIS1"));
  CHECK_THAT(refused(with(file, "TFORM1", "'2J'")), ContainsSubstring("variable length"));
  CHECK_THAT(refused(with(file, "TFORM1", "'99999999999PB'")), ContainsSubstring("keyword TFORM1"));
  CHECK_THAT(refused(with(file, "TTYPE1", "'OTHER'")), ContainsSubstring("COMPRESSED_DATA"));
  CHECK_THAT(refused(with(file, "TFIELDS", "2")), ContainsSubstring("keyword TFORM2 is missing"));
  CHECK_THAT(refused(with(file, "PCOUNT", "9999999")), ContainsSubstring("cut short"));
  CHECK_THAT(refused(with(file, "PCOUNT", "-1")), ContainsSubstring("keyword PCOUNT"));
  CHECK_THAT(refused(with(file, "PCOUNT", "9223372036854775807")), ContainsSubstring("promises more data"));
  CHECK_THAT(refused(with(file, "NAXIS2", "31")), ContainsSubstring("keyword NAXIS2"));
  auto const dithered = [] {
    Folder const folder;
    forge::cfitsio_write(
        folder / "t", forge::scene(64, 32), 64,
        {.bitpix = FLOAT_IMG, .codec = RICE_1, .quantise = 4, .dither = SUBTRACTIVE_DITHER_1, .checksum = false});
    return forge::load(folder / "t");
  }();
  for (std::string const& value : std::vector<std::string>{"0", "10001", "-1"})
    CHECK_THAT(refused(with(dithered, "ZDITHER0", value)), ContainsSubstring("keyword ZDITHER0"));
  CHECK_THAT(refused(with(dithered, "ZQUANTIZ", "'SUBTRACTIVE_DITHER_9'")), ContainsSubstring("keyword ZQUANTIZ"));
}

TEST_CASE("fits: wrong descriptors and damaged tiles are refused by number", "[io][fits][bad]") {
  auto const file = tiled();
  for (auto const& [count, offset] : {std::pair<std::uint32_t, std::uint32_t>{100, 0x7fffff00},
                                      {0x7fffffff, 0},
                                      {100, 0xffffffff},
                                      {0xffffffff, 0},
                                      {0x80000000, 0x80000000}})
    CHECK_THAT(refused(with_descriptor(file, count, offset)), ContainsSubstring("tile 4 points outside"));
  CHECK_THAT(refused(with_descriptor(file, 0, 0)), ContainsSubstring("tile 4 has no data"));
  CHECK_THAT(refused(with_descriptor(file, 4, 0)), ContainsSubstring("tile 4 is too short for its 64 pixels"));
  CHECK_THAT(refused(with_descriptor(file, 8, 0)), ContainsSubstring("tile 4 of the compressed image is damaged"));
  CHECK_THAT(refused(file.substr(0, table_of(file) + 32 * 8 + 100)), ContainsSubstring("cut short"));
  auto packed = tiled(GZIP_1);
  std::size_t const heap = table_of(packed) + 32 * 8;
  packed[heap + 20] = static_cast<char>(packed[heap + 20] ^ 0x55);
  CHECK_THAT(refused(packed), ContainsSubstring("tile 1 of the compressed image is damaged (its gzip stream"));
}

TEST_CASE("fits: a small file that unpacks to a large one is stopped", "[io][fits][bad]") {
  // Honest in itself: the pixel limit stops it before it is inflated.
  auto const begin = std::chrono::steady_clock::now();
  auto head = forge::header(forge::image_cards(8, 20000, 20000));
  CHECK_THAT(refused(forge::gzip(head + std::string(1 << 20, '\0'))), ContainsSubstring("400000000 pixels"));
  // A small image followed by more than the limit: the rest is inflated into nothing, and not for ever.
  auto const trailing = forge::gzip(small() + std::string(std::size_t{80} << 20, '\0'));
  CHECK_THAT(refused(trailing, {.max_pixels = 1000}), ContainsSubstring("unpacks to more than"));
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(10));
  auto wrong = forge::gzip(small());
  wrong[wrong.size() - 6] = static_cast<char>(wrong[wrong.size() - 6] ^ 1);
  CHECK_THAT(refused(wrong), ContainsSubstring("damaged gzip file"));
  CHECK_THAT(refused(forge::gzip(small()) + "tail"), ContainsSubstring("other bytes after its end"));
}

TEST_CASE("fits: a header without end is refused, not swallowed", "[io][fits][bad]") {
  std::string comments;
  for (int i = 0; i < 36; ++i) comments += card("COMMENT x");
  std::string bytes = forge::header(forge::image_cards(8, 2, 2)).substr(0, 400) + std::string(2880 - 400, ' ');
  bytes.reserve(66u << 20);
  while (bytes.size() < (65u << 20)) bytes += comments;
  CHECK_THAT(refused(forge::gzip(bytes)), ContainsSubstring("header is longer than"));
}
