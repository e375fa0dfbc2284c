// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <catch2/catch_approx.hpp>
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <heliograd/io/png.hpp>

#include "forge.hpp"

namespace hg = heliograd;
using forge::Folder;
using hg::io::ColourMap;
using hg::io::Panel;
using hg::io::Picture;
using hg::io::Rgb;
using hg::io::Stretch;
using hg::io::Thumbnail;

namespace {
double const hole = std::numeric_limits<double>::quiet_NaN();

/// Decodes a PNG with libpng's own reader.
Picture decode(std::string const& path) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  REQUIRE(png_image_begin_read_from_file(&image, path.c_str()));
  image.format = PNG_FORMAT_RGB;
  std::vector<std::uint8_t> bytes(PNG_IMAGE_SIZE(image));
  REQUIRE(png_image_finish_read(&image, nullptr, bytes.data(), 0, nullptr));
  Picture picture(image.width, image.height);
  for (std::size_t y = 0; y < image.height; ++y)
    for (std::size_t x = 0; x < image.width; ++x) {
      std::uint8_t const* p = &bytes[3 * (y * image.width + x)];
      picture.set(x, y, {p[0], p[1], p[2]});
    }
  return picture;
}

bool equal(Picture const& a, Picture const& b) {
  if (a.width() != b.width() || a.height() != b.height()) return false;
  return std::memcmp(a.row(0), b.row(0), 3 * a.width() * a.height()) == 0;
}

/// Where the image of a figure with one panel lies: the first and last pixel that have none of the paper's colour, by
/// drawing it once in a colour nothing else has.
struct Box {
  std::size_t left, top, right, bottom;
};
Box box_of(Picture const& picture, Rgb colour) {
  Box box{picture.width(), picture.height(), 0, 0};
  for (std::size_t y = 0; y < picture.height(); ++y)
    for (std::size_t x = 0; x < picture.width(); ++x)
      if (picture.at(x, y) == colour)
        box = {std::min(box.left, x), std::min(box.top, y), std::max(box.right, x), std::max(box.bottom, y)};
  return box;
}
}  // namespace

TEST_CASE("thumbnail: means by area, in any order of blocks", "[io][png]") {
  std::vector<double> const image = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
  Thumbnail half(4, 4, 2);
  half.add_rows(2, 4, &image[8]);
  half.add_rows(0, 2, &image[0]);
  CHECK(half.at(0, 0).first == 3.5);
  CHECK(half.at(1, 0).first == 5.5);
  CHECK(half.at(0, 1).first == 11.5);
  Thumbnail same(4, 4, 4);
  same.add_rows(0, 4, image.data());
  for (std::size_t i = 0; i < 16; ++i) CHECK(same.at(i % 4, i / 4).first == image[i]);
  Thumbnail large(4, 4, 12);
  large.add_rows(0, 4, image.data());
  CHECK(large.at(0, 0).first == 1);
  CHECK(large.at(2, 2).first == 1);
  CHECK(large.at(3, 0).first == 2);
  CHECK(large.at(11, 11).first == 16);

  // Any ratio keeps the mean of the whole, and a constant stays constant.
  for (std::size_t const size : {3u, 5u, 7u, 9u}) {
    Thumbnail odd(4, 4, size);
    for (std::size_t y = 0; y < 4; y += 2)
      for (std::size_t x = 0; x < 4; x += 2) odd.add_block(y, y + 2, x, x + 2, &image[4 * y + x], 4);
    double sum = 0;
    for (std::size_t y = 0; y < size; ++y)
      for (std::size_t x = 0; x < size; ++x) sum += odd.at(x, y).first;
    CHECK(sum / double(size * size) == Catch::Approx(8.5).epsilon(1e-12));
  }
}

TEST_CASE("thumbnail: missing values are left out of the mean and thin the colour", "[io][png]") {
  std::vector<double> const image = {1, hole, std::numeric_limits<double>::infinity(), 3, hole, hole, hole, hole};
  Thumbnail two(2, 4, 2);  // one by two pixels
  two.add_rows(0, 4, image.data());
  CHECK(two.width() == 1);
  CHECK(two.at(0, 0).first == 2);
  CHECK(two.at(0, 0).second == 0.5);
  CHECK(two.at(0, 1).second == 0);
}

TEST_CASE("figure: north is up, east stays left, missing pixels have their colour", "[io][png]") {
  Rgb const marker{1, 250, 3};
  std::vector<double> image(64, hole);
  auto const draw = [&](Rgb none) {
    return hg::io::draw_figure({hg::io::make_panel("", image.data(), 8, 8, 80, -1.0, 1.0, "")}, {.no_value = none});
  };
  Box const box = box_of(draw(marker), marker);
  CHECK(box.right - box.left == 79);
  CHECK(box.bottom - box.top == 79);
  image[0] = 1;    // south-west
  image[63] = -1;  // north-east
  auto const picture = draw(marker);
  CHECK(picture.at(box.left + 3, box.bottom - 3) == Rgb{255, 255, 255});
  CHECK(picture.at(box.right - 3, box.top + 3) == Rgb{0, 0, 0});
  CHECK(picture.at(box.left + 3, box.top + 3) == marker);
}

TEST_CASE("figure: colours follow the range and its stretch", "[io][png]") {
  CHECK(hg::io::colour_of(ColourMap::gray, 0) == Rgb{0, 0, 0});
  CHECK(hg::io::colour_of(ColourMap::gray, 1) == Rgb{255, 255, 255});
  CHECK(hg::io::colour_of(ColourMap::gray, 7) == Rgb{255, 255, 255});
  auto const cold = hg::io::colour_of(ColourMap::magnetic, 0.2);
  auto const warm = hg::io::colour_of(ColourMap::magnetic, 0.8);
  auto const zero = hg::io::colour_of(ColourMap::magnetic, 0.5);
  CHECK(cold.blue > cold.red + 80);
  CHECK(warm.red > warm.blue + 80);
  CHECK((zero.red > 235 && zero.blue > 235));
  Panel panel{{}, "", -1000, 1000, "G", ColourMap::gray, Stretch::linear};
  CHECK(hg::io::detail::place_of(panel, 500) == 0.75);
  panel.stretch = Stretch::asinh;
  CHECK(hg::io::detail::place_of(panel, 0) == Catch::Approx(0.5));
  CHECK(hg::io::detail::place_of(panel, 1000) == Catch::Approx(1.0));
  CHECK(hg::io::detail::place_of(panel, 100) > 0.65);
}

TEST_CASE("figure: the colour bar's numbers are round, inside and apart", "[io][png]") {
  for (auto const stretch : {Stretch::linear, Stretch::asinh}) {
    for (auto const& [low, high] : {std::pair{-300.0, 300.0},
                                    {-1500.0, 1500.0},
                                    {0.0, 1.0},
                                    {-0.02, 0.02},
                                    {0.0, 65000.0},
                                    {-37.5, 12.0},
                                    {100.0, 900.0}}) {
      for (double const width : {10.0, 60.0, 200.0, 480.0}) {
        Panel const panel{{}, "", low, high, "G", ColourMap::gray, stretch};
        auto const ticks = hg::io::detail::ticks(panel, width, 10);
        INFO(low << " to " << high << ", " << width << " px");
        CHECK(!ticks.empty());
        if (width >= 200) CHECK(ticks.size() >= 3);
        CHECK(ticks.size() < 30);
        for (std::size_t i = 0; i < ticks.size(); ++i) {
          CHECK((ticks[i] >= low && ticks[i] <= high));
          for (std::size_t k = 0; k < i; ++k)
            CHECK(std::abs(hg::io::detail::place_of(panel, ticks[i]) - hg::io::detail::place_of(panel, ticks[k])) *
                      width >
                  8);
        }
      }
    }
  }
}

TEST_CASE("text: every character has a shape, long text is cut", "[io][png]") {
  for (int c = 33; c < 127; ++c) {
    Picture picture(60, 60);
    char const text = static_cast<char>(c);
    picture.text(20, 40, std::string_view(&text, 1), 24, {255, 255, 255});
    int lit = 0;
    for (std::size_t y = 0; y < 60; ++y)
      for (std::size_t x = 0; x < 60; ++x) lit += picture.at(x, y).red > 128;
    INFO(text);
    CHECK((lit > 5 && lit < 700));
    for (std::size_t i = 0; i < 60; ++i)  // nothing reaches the edge: all strokes lie on the grid
      CHECK((picture.at(i, 0).red == 0 && picture.at(0, i).red == 0 && picture.at(i, 59).red == 0 &&
             picture.at(59, i).red == 0));
  }
  CHECK(hg::io::Picture::text_width("\xc2\xb1", 12) < hg::io::Picture::text_width("+-", 12));
  auto const cut = hg::io::detail::fitted("a very long title \xc2\xb1 that does not fit", 10, 120);
  CHECK(cut.ends_with("..."));
  CHECK(Picture::text_width(cut, 10) <= 120);
  Picture picture(20, 20);
  picture.text(-500, 10, "\xff\xc3 broken bytes outside the picture \x1b", 10, {255, 255, 255});
  picture.text(0, 1e6, "below", 10, {255, 255, 255});
}

TEST_CASE("png: the file holds the picture, the same bytes each time, complete or not at all", "[io][png]") {
  Folder const folder;
  auto const image = forge::scene(50, 30);
  auto const draw = [&] {
    return hg::io::draw_figure(
        {hg::io::make_panel("input", image.data(), 50, 30, 100, -900.0, 900.0, "G"),
         hg::io::make_panel("output", image.data(), 50, 30, 100, -900.0, 900.0, "G", ColourMap::magnetic,
                            Stretch::asinh),
         hg::io::make_panel("other", image.data(), 30, 30, 100, 0.0, 900.0, "G", ColourMap::heat, Stretch::linear, 50)},
        {.title = "A title", .note = "a note", .columns = 2});
  };
  hg::io::write_png(folder / "a.png", draw());
  hg::io::write_png(folder / "b.png", draw());
  CHECK(forge::load(folder / "a.png") == forge::load(folder / "b.png"));
  CHECK(equal(decode(folder / "a.png"), draw()));
  CHECK_THROWS_AS(hg::io::write_png(folder / "a.png", draw()), hg::OutputError);
  CHECK_NOTHROW(hg::io::write_png(folder / "a.png", draw(), {.overwrite = true}));
  CHECK_THROWS_AS(hg::io::write_png(folder / "none/a.png", draw()), hg::OutputError);
  CHECK(folder.files() == 2);
}

TEST_CASE("figure: odd sizes do not break it", "[io][png]") {
  for (auto const& [w, h] : {std::pair<std::size_t, std::size_t>{1, 1}, {1, 200}, {300, 1}, {7, 5}}) {
    std::vector<float> const image(w * h, 2.0F);
    for (std::size_t const longest : {1u, 2u, 37u, 300u})
      CHECK(hg::io::draw_figure({hg::io::make_panel("label", image.data(), w, h, longest, -1.0, 1.0, "unit")},
                                {.title = "title", .note = "note"})
                .width() > 0);
  }
  CHECK_THROWS_AS(hg::io::draw_figure({}), hg::UsageError);
  std::vector<float> const one(1, 1.0F);
  CHECK_THROWS_AS(hg::io::draw_figure({hg::io::make_panel("", one.data(), 1, 1, 5, 1.0, 1.0, "")}), hg::UsageError);
}
