// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <catch2/catch_approx.hpp>
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <heliograd/io/fits_header.hpp>
#include <heliograd/io/wcs_cards.hpp>
#include <limits>

#include "forge.hpp"

namespace hg = heliograd;
using Catch::Matchers::ContainsSubstring;
using forge::card;
using hg::io::FitsHeader;

namespace {
FitsHeader header_of(std::vector<std::string> const& cards) {
  FitsHeader header("some.fits");
  for (auto const& one : cards) header.append(one);
  return header;
}
}  // namespace

TEST_CASE("header: typed values", "[io][header]") {
  auto const header = header_of(
      {"CDELT1  =   1.9860081672668457 / [arcsec/pix] WCS coordinate increment", "RSUN_REF=           696000000. / [m]",
       "EXPONENT=               1.5D-03", "PLUS    =                 +.25",
       "COUNT   =                -1024 / a comment / with a slash", "WHOLE   =               4096.0",
       "FLAG    =                    T", "NOT     = F", "NAME    = 'O''Neill / Co '      / who", "EMPTY   = ''",
       "UNDEF   =                      / no value", "R_VALUE = nan", "CRDER1  = 'nan     '", "LONG    = 'one &'",
       "CONTINUE  'two &'", "CONTINUE  'three' / the end", "AFTER   =  7", "HIERARCH ESO DET NAME = 'CCD' / long name",
       "HIERARCH ESO DET GAIN = 2.5"});
  CHECK(header.real("CDELT1") == 1.9860081672668457);
  CHECK(header.comment("CDELT1") == "[arcsec/pix] WCS coordinate increment");
  CHECK(header.real("RSUN_REF") == 696000000.0);
  CHECK(header.real("EXPONENT") == 1.5e-3);
  CHECK(header.real("PLUS") == 0.25);
  CHECK(header.integer("COUNT") == -1024);
  CHECK(header.real("COUNT") == -1024.0);
  CHECK(header.integer("WHOLE") == 4096);
  CHECK(header.logical("FLAG") == true);
  CHECK(header.logical("NOT") == false);
  CHECK(header.string("NAME") == "O'Neill / Co");
  CHECK(header.comment("NAME") == "who");
  CHECK(header.string("EMPTY") == "");
  CHECK(header.contains("UNDEF"));
  CHECK_FALSE(header.string("UNDEF"));
  CHECK_FALSE(header.real("UNDEF"));
  CHECK_FALSE(header.real("R_VALUE"));
  CHECK_FALSE(header.real("CRDER1"));
  CHECK_FALSE(header.real("ABSENT"));
  CHECK(header.string("LONG") == "one two three");
  CHECK(header.integer("AFTER") == 7);
  CHECK(header.string("ESO DET NAME") == "CCD");
  CHECK(header.real("HIERARCH ESO DET GAIN") == 2.5);
  CHECK(header.text("CDELT1") == "1.9860081672668457");
  CHECK(header.text("NAME") == "O'Neill / Co");
}

TEST_CASE("header: a value of the wrong type is named", "[io][header]") {
  auto const header =
      header_of({"CDELT1  = 'wide'", "NAXIS1  = 1e999", "FLAG    = 1", "HEXA    = 0x10", "INFI    = inf", "NAME    = 5",
                 "HALF    = 1.5", "TWO     = 1.5 2.5", "BIG     = 1e300"});
  CHECK_THROWS_WITH(header.real("CDELT1"), ContainsSubstring("some.fits: keyword CDELT1 (found 'wide'"));
  CHECK_THROWS_AS(header.real("NAXIS1"), hg::InputError);
  CHECK_THROWS_AS(header.logical("FLAG"), hg::InputError);
  CHECK_THROWS_AS(header.real("HEXA"), hg::InputError);
  CHECK_THROWS_AS(header.real("INFI"), hg::InputError);
  CHECK_THROWS_AS(header.string("NAME"), hg::InputError);
  CHECK_THROWS_AS(header.integer("HALF"), hg::InputError);
  CHECK_THROWS_AS(header.real("TWO"), hg::InputError);
  CHECK_THROWS_AS(header.integer("BIG"), hg::InputError);
}

TEST_CASE("header: a change touches one card only", "[io][header]") {
  std::vector<std::string> const cards = {"AAA     =                    1 / first",
                                          "COMMENT  spaces   kept",
                                          "CRPIX1  =       512.5771484375 / [pix] ref",
                                          "",
                                          "HISTORY old line one",
                                          "LONG    = 'one &'",
                                          "CONTINUE  'two'",
                                          "ZZZ     = 'last'"};
  auto header = header_of(cards);
  header.set("CRPIX1", 2050.25);
  header.set("LONG", "short");
  REQUIRE(header.size() == cards.size() - 1);
  CHECK(header.card(2) == card("CRPIX1  =              2050.25 / [pix] ref"));
  CHECK(header.card(5) == card("LONG    = 'short   '"));
  for (std::size_t const i : {0u, 1u, 3u, 4u}) CHECK(header.card(i) == card(cards[i]));
  CHECK(header.card(6) == card(cards[7]));

  header.set("NEW", 3, "fresh");
  CHECK(header.card(header.size() - 1) == card("NEW     =                    3 / fresh"));
  header.set("NEW", false);
  CHECK(header.card(header.size() - 1) == card("NEW     =                    F / fresh"));
  CHECK(header.erase("NEW") == 1);
  CHECK(header.erase("NEW") == 0);
  CHECK_THROWS_AS(header.set("X", std::numeric_limits<double>::quiet_NaN()), hg::OutputError);
}

TEST_CASE("header: long strings continue and come back", "[io][header]") {
  std::string text;
  for (int i = 0; i < 60; ++i) text += "it's " + std::to_string(i) + " ";
  text += "end";
  auto header = header_of({"AAA     = 1", "LONG    = 'old &'", "CONTINUE  'text'", "ZZZ     = 2"});
  header.set("LONG", text, "a comment");
  CHECK(header.string("LONG") == text);
  CHECK(header.integer("ZZZ") == 2);
  CHECK(header.card(header.size() - 1) == card("ZZZ     = 2"));
  for (auto const& one : header.cards()) CHECK(one.size() == 80);
  header.set("LONG", "x");
  CHECK(header.size() == 3);
}

TEST_CASE("header: numbers read back as they were written", "[io][header]") {
  FitsHeader header;
  for (double const value : {0.0, 1.0, -1.0, 0.1, 1.0 / 3, 1e-300, -2.2250738585072014e-308, 1.7976931348623157e308,
                             123456789012345678.0, 1.9860081672668457, 5e-324}) {
    header.set("VALUE", value);
    CHECK(header.real("VALUE") == value);
    CHECK(header.card(0).substr(10).find('.') != std::string::npos);
  }
  header.set("VALUE", std::int64_t{-9223372036854775807});
  CHECK(header.integer("VALUE") == -9223372036854775807);
}

TEST_CASE("header: history is appended in lines of 72", "[io][header]") {
  auto header = header_of({"HISTORY first"});
  std::string const line = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen";
  header.append_history(line);
  header.append_history(std::string(150, 'x'));
  header.append_history("");
  auto const history = header.history();
  REQUIRE(history.size() == 7);
  CHECK(history[0] == "first");
  CHECK(history[1] + " " + history[2] == line);
  CHECK(history[3] + history[4] + history[5] == std::string(150, 'x'));
  CHECK(history[6].empty());
}

TEST_CASE("header: control bytes do not pass", "[io][header]") {
  FitsHeader header;
  header.append(std::string("COMMENT a\x1b[31mb\0c\xff", 18));
  header.append_history("x\ny");
  header.set("NAME", "a\tb");
  for (auto const& one : header.cards())
    for (char const c : one) CHECK((c >= 0x20 && c < 0x7f));
  CHECK(header.comments().at(0) == "a?[31mb?c?");
}

TEST_CASE("header: a continuation that continues nothing is left alone", "[io][header]") {
  auto header =
      header_of({"CONTINUE  'orphan'", "A       = 'no ampersand'", "CONTINUE  'orphan'", "B       = 'open &"});
  CHECK(header.string("A") == "no ampersand");
  CHECK(header.erase("A") == 1);
  CHECK(header.size() == 3);
  CHECK(header.string("B") == "open &");
}

TEST_CASE("wcs: magnified cards point at the same places", "[io][wcs]") {
  auto header = header_of({"CRPIX1  = 512.577", "CRPIX2  = 512.171", "CDELT1  = 1.986", "CDELT2  = 1.986",
                           "CRVAL1  = 3.", "CROTA2  = 7.", "PC1_2   = 0.1", "CD1_1   = 1.986", "CD1_2   = 0.2",
                           "CRPIX1A = 10.5", "CDELT1A = 2.", "X0      = 511.577", "Y0      = 511.171",
                           "R_SUN   = 488.6", "RSUN_OBS= 970.4", "IM_SCALE= 1.986", "CRPIX2B = 'none'"});
  header.erase("CRPIX2B");
  hg::io::rescale_wcs(header, 4);
  auto const near = [](double value) { return Catch::Approx(value).epsilon(1e-14); };
  CHECK(*header.real("CRPIX1") == near((512.577 - 0.5) * 4 + 0.5));
  CHECK(*header.real("CDELT1") == near(1.986 / 4));
  CHECK(*header.real("CD1_1") == near(1.986 / 4));
  CHECK(*header.real("CD1_2") == near(0.05));
  CHECK(header.text("PC1_2") == "0.1");
  CHECK(header.text("CROTA2") == "7.");
  CHECK(header.text("CRVAL1") == "3.");
  CHECK(*header.real("CRPIX1A") == near(40.5));
  CHECK(*header.real("CDELT1A") == near(0.5));
  CHECK(*header.real("X0") == near(*header.real("CRPIX1") - 1));
  CHECK(*header.real("Y0") == near(*header.real("CRPIX2") - 1));
  CHECK(*header.real("R_SUN") == near(488.6 * 4));
  CHECK(header.text("RSUN_OBS") == "970.4");
  CHECK(*header.real("IM_SCALE") == near(1.986 / 4));
  // The outer edge of the first pixel, at 0.5, is the edge of the first pixel still.
  CHECK((0.5 - *header.real("CRPIX1")) * *header.real("CDELT1") == near((0.5 - 512.577) * 1.986));

  hg::io::crop_wcs(header, 100, 20);
  CHECK(*header.real("CRPIX1") == near((512.577 - 0.5) * 4 + 0.5 - 100));
  CHECK(*header.real("Y0") == near(*header.real("CRPIX2") - 1));
  hg::io::rescale_wcs(header, 0.25);
  CHECK(*header.real("CDELT2") == near(1.986));
  CHECK_THROWS_AS(hg::io::rescale_wcs(header, 0), hg::UsageError);
}
