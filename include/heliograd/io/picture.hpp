// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <heliograd/base/config.hpp>
#include <heliograd/base/error.hpp>
#include <heliograd/io/detail/font.hpp>
#include <heliograd/io/detail/text.hpp>

/// \file
/// Quick-look pictures of images with signed values: panels side by side, each with its label and colour bar. North (the
/// last row of a FITS image) is up. The same numbers give the same picture on every machine.
namespace heliograd::inline HELIOGRAD_ABI::io {

struct Rgb {
  std::uint8_t red = 0, green = 0, blue = 0;
  friend bool operator==(Rgb, Rgb) = default;
};

enum class ColourMap {
  gray,      ///< black, mid-gray, white: how magnetograms are usually shown
  magnetic,  ///< blue below zero, light at zero, red above
  heat,      ///< black, red, yellow, white: for amounts without a sign
};

enum class Stretch {
  linear,
  asinh,  ///< linear within a twentieth of the range's end, logarithmic beyond: weak and strong fields in one picture
};

/// The colour of a place between 0 and 1 on a map.
inline Rgb colour_of(ColourMap map, double place) {
  static constexpr std::array<Rgb, 2> gray{{{0, 0, 0}, {255, 255, 255}}};
  static constexpr std::array<Rgb, 9> magnetic{{{10, 14, 66},
                                                {22, 54, 148},
                                                {52, 112, 205},
                                                {140, 184, 232},
                                                {242, 242, 240},
                                                {243, 176, 128},
                                                {214, 82, 54},
                                                {152, 20, 34},
                                                {70, 2, 18}}};
  static constexpr std::array<Rgb, 5> heat{{{4, 2, 8}, {110, 14, 40}, {224, 74, 20}, {252, 186, 54}, {255, 255, 235}}};
  auto const pick = [place](auto const& table) {
    double const at = std::clamp(place, 0.0, 1.0) * static_cast<double>(table.size() - 1);
    std::size_t const i = std::min(static_cast<std::size_t>(at), table.size() - 2);
    double const t = at - static_cast<double>(i);
    auto const mix = [t](int a, int b) { return static_cast<std::uint8_t>(a + (b - a) * t + 0.5); };
    return Rgb{mix(table[i].red, table[i + 1].red), mix(table[i].green, table[i + 1].green),
               mix(table[i].blue, table[i + 1].blue)};
  };
  switch (map) {
    case ColourMap::gray: return pick(gray);
    case ColourMap::magnetic: return pick(magnetic);
    default: return pick(heat);
  }
}

/// Eight-bit colour pixels, row 0 at the top.
class Picture {
 public:
  Picture(std::size_t width, std::size_t height, Rgb background = {}) : width_(width), height_(height) {
    bytes_.resize(3 * width * height);
    fill(0, 0, width, height, background);
  }

  std::size_t width() const noexcept { return width_; }
  std::size_t height() const noexcept { return height_; }
  std::uint8_t const* row(std::size_t y) const { return &bytes_[3 * y * width_]; }
  Rgb at(std::size_t x, std::size_t y) const {
    std::uint8_t const* p = &bytes_[3 * (y * width_ + x)];
    return {p[0], p[1], p[2]};
  }
  void set(std::size_t x, std::size_t y, Rgb colour) {
    std::uint8_t* p = &bytes_[3 * (y * width_ + x)];
    p[0] = colour.red, p[1] = colour.green, p[2] = colour.blue;
  }
  /// Lays a colour over a pixel, `cover` from 0 to 1. Pixels outside are ignored.
  void blend(std::ptrdiff_t x, std::ptrdiff_t y, Rgb colour, double cover) {
    if (x < 0 || y < 0 || std::cmp_greater_equal(x, width_) || std::cmp_greater_equal(y, height_)) return;
    auto const ux = static_cast<std::size_t>(x);
    auto const uy = static_cast<std::size_t>(y);
    Rgb const below = at(ux, uy);
    auto const mix = [cover](int a, int b) { return static_cast<std::uint8_t>(a + (b - a) * cover + 0.5); };
    set(ux, uy, {mix(below.red, colour.red), mix(below.green, colour.green), mix(below.blue, colour.blue)});
  }
  void fill(std::size_t x, std::size_t y, std::size_t width, std::size_t height, Rgb colour) {
    for (std::size_t j = y; j < std::min(y + height, height_); ++j)
      for (std::size_t i = x; i < std::min(x + width, width_); ++i) set(i, j, colour);
  }

  /// Text with its base line at y; `size` is the height of a capital letter in pixels. Returns the width.
  double text(double x, double y, std::string_view words, double size, Rgb colour) {
    double const unit = size / 12;
    double const pen = std::max(0.55, size / 15);  // half the width of the stroke
    double const start = x;
    while (!words.empty()) {
      auto const shape = detail::outline(detail::next_character(words));
      draw(shape.segments, x, y, unit, pen, colour);
      x += shape.advance * unit;
    }
    return x - start;
  }

  static double text_width(std::string_view words, double size) {
    double width = 0;
    while (!words.empty()) width += detail::outline(detail::next_character(words)).advance * size / 12;
    return width - (width > 0 ? 3.5 * size / 12 : 0);
  }

 private:
  void draw(std::vector<detail::Segment> const& segments, double x, double y, double unit, double pen, Rgb colour) {
    if (segments.empty()) return;
    auto const left = static_cast<std::ptrdiff_t>(std::floor(x - pen - 1));
    auto const right = static_cast<std::ptrdiff_t>(std::ceil(x + 10 * unit + pen + 1));
    auto const top = static_cast<std::ptrdiff_t>(std::floor(y - 15 * unit - pen - 1));
    auto const bottom = static_cast<std::ptrdiff_t>(std::ceil(y + 5 * unit + pen + 1));
    for (std::ptrdiff_t j = top; j <= bottom; ++j) {
      for (std::ptrdiff_t i = left; i <= right; ++i) {
        double const px = (static_cast<double>(i) + 0.5 - x) / unit;
        double const py = (y - static_cast<double>(j) - 0.5) / unit;
        double nearest = std::numeric_limits<double>::infinity();
        for (auto const& s : segments) {
          double const dx = s.x1 - s.x0;
          double const dy = s.y1 - s.y0;
          double const length = dx * dx + dy * dy;
          double const t = length > 0 ? std::clamp(((px - s.x0) * dx + (py - s.y0) * dy) / length, 0.0, 1.0) : 0.0;
          double const ex = px - s.x0 - t * dx;
          double const ey = py - s.y0 - t * dy;
          nearest = std::min(nearest, ex * ex + ey * ey);
        }
        double const cover = pen + 0.5 - std::sqrt(nearest) * unit;
        if (cover > 0) blend(i, j, colour, std::min(cover, 1.0));
      }
    }
  }

  std::size_t width_, height_;
  std::vector<std::uint8_t> bytes_;
};

/// An image brought to the size of a picture by area: each pixel of the picture is the mean of what it covers, NaN and
/// infinities left out. Takes the image in blocks, so that a large result need never be in memory.
class Thumbnail {
 public:
  Thumbnail() = default;

  /// For an image of width x height pixels, `longest` pixels along its longer side.
  Thumbnail(std::size_t width, std::size_t height, std::size_t longest) : source_width_(width), source_height_(height) {
    expect(width > 0 && height > 0 && longest > 0, "Thumbnail: sizes must not be zero");
    double const scale = static_cast<double>(longest) / static_cast<double>(std::max(width, height));
    width_ = std::max<std::size_t>(1, static_cast<std::size_t>(std::lround(static_cast<double>(width) * scale)));
    height_ = std::max<std::size_t>(1, static_cast<std::size_t>(std::lround(static_cast<double>(height) * scale)));
    sum_.assign(width_ * height_, 0.0);
    weight_.assign(width_ * height_, 0.0);
  }

  std::size_t width() const noexcept { return width_; }
  std::size_t height() const noexcept { return height_; }

  /// Pixels first_y <= y < last_y, first_x <= x < last_x of the image; each is to be given once.
  template <class T>
  void add_block(std::size_t first_y, std::size_t last_y, std::size_t first_x, std::size_t last_x, T const* pixels,
                 std::size_t stride) {
    expect(first_y <= last_y && last_y <= source_height_ && first_x <= last_x && last_x <= source_width_,
           "Thumbnail: pixels outside the image");
    double const sx = static_cast<double>(width_) / static_cast<double>(source_width_);
    double const sy = static_cast<double>(height_) / static_cast<double>(source_height_);
    std::vector<double> line(width_);
    std::vector<double> line_weight(width_);
    for (std::size_t y = first_y; y < last_y; ++y) {
      T const* const row = pixels + (y - first_y) * stride;
      std::fill(line.begin(), line.end(), 0.0);
      std::fill(line_weight.begin(), line_weight.end(), 0.0);
      for (std::size_t x = first_x; x < last_x; ++x) {
        double const value = static_cast<double>(row[x - first_x]);
        if (!(value - value == 0.0)) continue;
        spread(static_cast<double>(x) * sx, static_cast<double>(x + 1) * sx, width_, [&](std::size_t i, double part) {
          line[i] += part * value;
          line_weight[i] += part;
        });
      }
      spread(static_cast<double>(y) * sy, static_cast<double>(y + 1) * sy, height_, [&](std::size_t j, double part) {
        double* const sum = &sum_[j * width_];
        double* const weight = &weight_[j * width_];
        for (std::size_t i = 0; i < width_; ++i) {
          sum[i] += part * line[i];
          weight[i] += part * line_weight[i];
        }
      });
    }
  }

  template <class T>
  void add_rows(std::size_t first, std::size_t last, T const* pixels) {
    add_block(first, last, 0, source_width_, pixels, source_width_);
  }

  /// The mean, and the part of the pixel that has values (0 to 1).
  std::pair<double, double> at(std::size_t x, std::size_t y) const {
    double const weight = weight_[y * width_ + x];
    if (!(weight > 1e-6)) return {0.0, 0.0};
    return {sum_[y * width_ + x] / weight, std::min(weight, 1.0)};
  }

 private:
  /// Calls add(i, part) for each whole interval [i, i+1) that [from, to) meets, with the length of the overlap.
  template <class Add>
  static void spread(double from, double to, std::size_t count, Add&& add) {
    auto i = static_cast<std::size_t>(from);
    while (i < count && static_cast<double>(i) < to) {
      double const part = std::min(to, static_cast<double>(i + 1)) - std::max(from, static_cast<double>(i));
      if (part > 0) add(i, part);
      ++i;
    }
  }

  std::size_t source_width_ = 0, source_height_ = 0, width_ = 0, height_ = 0;
  std::vector<double> sum_, weight_;
};

/// One image of a figure.
struct Panel {
  Thumbnail image = {};
  std::string label = {};
  double low = -1, high = 1;  ///< values at the ends of the colour bar
  std::string unit = {};      ///< at the colour bar, e.g. "G"
  ColourMap map = ColourMap::gray;
  Stretch stretch = Stretch::linear;
};

struct FigureOptions {
  std::string title = {};
  std::string note = {};    ///< a smaller line below the title
  std::size_t columns = 0;  ///< panels in a row; 0 puts all into one
  Rgb paper{18, 20, 26};
  Rgb ink{232, 232, 226};
  Rgb no_value{18, 20, 26};  ///< where the image has no values
};

namespace detail {

inline double stretched(Stretch stretch, double value, double low, double high) {
  if (stretch == Stretch::linear) return value;
  double const soft = std::max(std::abs(low), std::abs(high)) / 20;
  return std::asinh(value / soft);
}

/// Where a value lies between the ends of a range, as shown: 0 to 1.
inline double place_of(Panel const& panel, double value) {
  double const low = stretched(panel.stretch, panel.low, panel.low, panel.high);
  double const high = stretched(panel.stretch, panel.high, panel.low, panel.high);
  return (stretched(panel.stretch, value, panel.low, panel.high) - low) / (high - low);
}

inline std::string number_text(double value) {
  if (value == 0) return "0";
  char buffer[32];
  auto const end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::general, 6).ptr;
  return std::string(buffer, end);
}

/// Text that is not wider than `room`, its end replaced by dots where needed.
inline std::string fitted(std::string text, double size, double room) {
  if (Picture::text_width(text, size) <= room) return text;
  while (!text.empty() && Picture::text_width(text + "...", size) > room) {
    while (!text.empty() && (static_cast<unsigned char>(text.back()) & 0xc0) == 0x80) text.pop_back();
    if (!text.empty()) text.pop_back();
  }
  return text + "...";
}

/// Round numbers for a colour bar `pixels` wide, none so close that their texts of `size` would touch.
inline std::vector<double> ticks(Panel const& panel, double pixels, double size) {
  std::vector<double> chosen;
  auto const fits = [&](double value) {
    if (value < panel.low || value > panel.high) return false;
    double const half = Picture::text_width(number_text(value), size) / 2 + size * 0.6;
    for (double const other : chosen) {
      double const room = half + Picture::text_width(number_text(other), size) / 2;
      if (std::abs(place_of(panel, value) - place_of(panel, other)) * pixels < room) return false;
    }
    return true;
  };
  auto const take = [&](double value) {
    if (fits(value)) chosen.push_back(value);
  };
  double const range = panel.high - panel.low;
  double const decade = std::pow(10.0, std::floor(std::log10(range)));
  if (panel.stretch == Stretch::linear) {
    // The finest of the steps 1, 2, 5, 10, ... whose multiples all find room; then the ends, where there is room left.
    for (double const step : {decade / 20, decade / 10, decade / 5, decade / 2, decade, decade * 2, decade * 5}) {
      chosen.clear();
      auto const first = static_cast<long>(std::ceil(panel.low / step - 1e-9));
      auto const last = static_cast<long>(std::floor(panel.high / step + 1e-9));
      bool all = last - first < 40;
      for (long i = first; all && i <= last; ++i) {
        double const value = std::clamp(static_cast<double>(i) * step, panel.low, panel.high);
        all = fits(value);
        if (all) chosen.push_back(value);
      }
      if (all && last > first) break;
    }
    take(panel.low);
    take(panel.high);
  } else {
    take(panel.low);
    take(panel.high);
    take(0);
    for (double ten = decade; ten > range / 1e3; ten /= 10)
      for (double const digit : {1.0, 5.0, 2.0}) {
        if (!fits(ten * digit) || (panel.low < 0 && !fits(-ten * digit))) continue;
        take(ten * digit);
        take(-ten * digit);
      }
  }
  return chosen;
}

inline void draw_panel(Picture& picture, Panel const& panel, std::size_t left, std::size_t top,
                       FigureOptions const& options) {
  Thumbnail const& image = panel.image;
  for (std::size_t y = 0; y < image.height(); ++y) {
    for (std::size_t x = 0; x < image.width(); ++x) {
      auto const [value, cover] = image.at(x, y);
      std::size_t const py = top + image.height() - 1 - y;
      picture.set(left + x, py, options.no_value);
      if (cover > 0)
        picture.blend(static_cast<std::ptrdiff_t>(left + x), static_cast<std::ptrdiff_t>(py),
                      colour_of(panel.map, place_of(panel, value)), cover);
    }
  }
}

inline void draw_colour_bar(Picture& picture, Panel const& panel, std::size_t left, std::size_t top, std::size_t width,
                            std::size_t height, double size, FigureOptions const& options) {
  picture.fill(left - 1, top - 1, width + 2, height + 2, options.ink);
  for (std::size_t i = 0; i < width; ++i)
    picture.fill(left + i, top, 1, height,
                 colour_of(panel.map, (static_cast<double>(i) + 0.5) / static_cast<double>(width)));
  double const base = static_cast<double>(top + height) + 6 + size;
  for (double const value : ticks(panel, static_cast<double>(width), size)) {
    double const x = static_cast<double>(left) + place_of(panel, value) * static_cast<double>(width);
    picture.fill(static_cast<std::size_t>(std::max(0.0, x - 0.5)), top + height, 1, 4, options.ink);
    std::string const text = number_text(value);
    double const span = Picture::text_width(text, size);
    double at = x - span / 2;
    if (value < 0) at -= size * 0.3;  // the figures, not the sign, stand under the tick
    picture.text(at, base, text, size, options.ink);
  }
  if (!panel.unit.empty())
    picture.text(static_cast<double>(left + width) + size * 1.2,
                 static_cast<double>(top) + static_cast<double>(height) / 2 + size / 2, panel.unit, size, options.ink);
}

}  // namespace detail

/// A panel of a whole image in memory, [height][width], `longest` pixels along its longer side.
template <class T>
Panel make_panel(std::string label, T const* pixels, std::size_t width, std::size_t height, std::size_t longest,
                 double low, double high, std::string unit, ColourMap map = ColourMap::gray,
                 Stretch stretch = Stretch::linear, std::size_t stride = 0) {
  Panel panel{Thumbnail(width, height, longest), std::move(label), low, high, std::move(unit), map, stretch};
  panel.image.add_block(0, height, 0, width, pixels, stride == 0 ? width : stride);
  return panel;
}

/// Panels in rows, each with its label above and its colour bar below, under a title.
inline Picture draw_figure(std::vector<Panel> const& panels, FigureOptions const& options = {}) {
  expect(!panels.empty(), "draw_figure: no panels");
  for (auto const& panel : panels)
    expect(panel.low < panel.high && panel.high - panel.low < 1e300, "draw_figure: a panel's range is empty");
  std::size_t const columns = options.columns == 0 ? panels.size() : std::min(options.columns, panels.size());
  std::size_t const rows = (panels.size() + columns - 1) / columns;
  std::size_t cell_width = 0;
  std::size_t cell_height = 0;
  for (auto const& panel : panels) {
    cell_width = std::max(cell_width, panel.image.width());
    cell_height = std::max(cell_height, panel.image.height());
  }
  // Text follows the size of the panels, within what is readable.
  double const size = std::clamp(static_cast<double>(cell_width) / 46, 9.0, 18.0);
  auto const em = [size](double n) { return static_cast<std::size_t>(std::lround(size * n)); };
  std::size_t const gap = em(2.0);
  std::size_t const label = em(2.4);
  std::size_t const bar = em(5.0);
  std::size_t const head = (options.title.empty() ? 0 : em(2.6)) + (options.note.empty() ? 0 : em(1.8)) +
                           (options.title.empty() && options.note.empty() ? 0 : em(0.8));
  Picture picture(gap + columns * (cell_width + gap), gap + head + rows * (label + cell_height + bar), options.paper);

  double const x0 = static_cast<double>(gap);
  double const room = static_cast<double>(picture.width()) - 2 * x0;
  double y0 = x0;
  if (!options.title.empty()) {
    picture.text(x0, y0 + size * 1.3, detail::fitted(options.title, size * 1.3, room), size * 1.3, options.ink);
    y0 += size * 2.6;
  }
  auto const mix = [&](std::uint8_t a, std::uint8_t b) { return static_cast<std::uint8_t>((2 * a + b) / 3); };
  Rgb const faint{mix(options.ink.red, options.paper.red), mix(options.ink.green, options.paper.green),
                  mix(options.ink.blue, options.paper.blue)};
  if (!options.note.empty()) picture.text(x0, y0 + size, detail::fitted(options.note, size, room), size, faint);

  for (std::size_t k = 0; k < panels.size(); ++k) {
    Panel const& panel = panels[k];
    std::size_t const left = gap + (k % columns) * (cell_width + gap) + (cell_width - panel.image.width()) / 2;
    std::size_t const top = gap + head + (k / columns) * (label + cell_height + bar);
    picture.text(static_cast<double>(left), static_cast<double>(top) + size * 1.2,
                 detail::fitted(panel.label, size * 1.1, static_cast<double>(panel.image.width())), size * 1.1,
                 options.ink);
    std::size_t const image_top = top + label;
    detail::draw_panel(picture, panel, left, image_top, options);
    std::size_t const unit =
        panel.unit.empty() ? 0 : em(1.2) + static_cast<std::size_t>(Picture::text_width(panel.unit, size));
    std::size_t const margin = em(1.6);
    std::size_t const most = panel.image.width() > 2 * margin + unit ? panel.image.width() - 2 * margin - unit : 1;
    std::size_t const width = std::min(most, em(26));
    std::size_t const bar_left = left + (panel.image.width() - std::min(panel.image.width(), width + unit)) / 2;
    detail::draw_colour_bar(picture, panel, bar_left, image_top + panel.image.height() + em(0.9), width, em(0.9), size,
                            options);
  }
  return picture;
}

}  // namespace heliograd::inline HELIOGRAD_ABI::io
