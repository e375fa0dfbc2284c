// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include <heliograd/base/config.hpp>

/// \file
/// A stroke font: each character is a few lines and curves on a grid, drawn with a round pen at any size.
namespace heliograd::inline HELIOGRAD_ABI::io::detail {

/// Strokes separated by blanks, each a run of points of two characters: x as a digit, y as 0..9, A..E for 10..14 and
/// z, y, x, w for -1..-4 (base line 0, small letters to 8, capitals to 12). A plain run is a polyline; ~ makes it a
/// smooth curve from its first to its last point; @ a smooth closed curve.
inline std::string_view glyph(char32_t character) {
  // clang-format off
  static constexpr std::array<std::string_view, 95> table = {
      "", "1C14 1011", "0C09 3C39", "2C10 6C50 0878 0474", "~6A6C0C06666000 02 3D3z", "7C10 @090C3C39 @50538380",
      "~701A1D5D5904000050 5075", "1C19", "~3D0B013y", "~0D3B310y", "3B35 0A66 6A06", "0565 3238", "110y", "0545",
      "1011", "0z5D",                                                                              // space to /
      "@000C7C70", "1A4C40 1070", "~090C7C785500 0070", "~0A0C6C6727 ~2777700002", "5C0474 5C50",
      "6C1C06 ~061878700002", "~6B4D0C04 @00087870", "0C7C20", "@171C6C67 @00077770", "@040C7C74 ~78703z11",  // 0 to 9
      "1011 1617", "110y 1617", "590551", "0363 0767", "095501", "~090C6C673734 3031",
      "@23296963 ~6963939C0C0080",                                                           // : to @
      "004C80 1474", "0C00 0C3C ~3C7C7636 3606 ~36868030 3000", "~897C0C007083", "000C3C ~3C8C8030 3000",
      "7C0C0070 0656", "7C0C00 0656", "~897C0C008086 8646", "0C00 8C80 0686", "1C10", "5C54 ~54500003",
      "0C00 7C05 3880", "0C0070", "000C448C80", "000C808C", "@000C8C80", "000C4C ~4C8C8545 4505", "@000C8C80 538z",
      "000C4C ~4C8C8545 4505 4580", "~7A6C0C0676701002", "0C8C 4C40", "0C04 ~04008084 848C", "0C408C", "0C2049608C",
      "0C80 008C", "0C46 8C46 4640", "0C8C0080",                                                   // A to Z
      "3D0D0y3y", "0D5z", "0D3D3y0y", "093C69", "0y7y", "0C2A",
      "@00086860 6860", "0C00 @00086860", "~665808005062", "6C60 @00086860", "0464 ~646808005062",
      "~4C1D19 1910 0848", "@00086860 6860 ~606w0w0y", "0C00 ~0408686460", "1810 1B1C", "2820 ~202w0w 2B2C",
      "0C00 5803 2560", "1C10", "0800 ~0408484440 ~4448888480", "0800 ~0408686460", "@00086860", "080w @00086860",
      "686w @00086860", "0800 ~040848", "~5758080454500001", "1B13 ~131040 0848", "0804 ~04006064 6860", "083068",
      "0820466088", "0860 0068", "0830 681w", "08680060",                                          // a to z
      "~3D1D1505 ~05151y3y", "1D1y", "~0D2D2535 ~35252y0y", "~04285276"};
  // clang-format on
  if (character >= 32 && character < 127) return table[character - 32];
  if (character == 0xb0) return "@090C3C39";         // degree
  if (character == 0xb1) return "0666 3339 0060";    // plus or minus
  if (character == 0xb2) return "~0A0D4D4A06 0646";  // squared
  return "000C6C6000";
}

struct Segment {
  double x0, y0, x1, y1;
};

/// The strokes of a character as straight pieces, and how far the pen moves on.
struct Outline {
  std::vector<Segment> segments;
  double advance = 6;
};

inline Outline outline(char32_t character) {
  Outline out;
  std::string_view text = glyph(character);
  double right = 2;
  while (!text.empty()) {
    std::size_t const end = std::min(text.find(' '), text.size());
    std::string_view stroke = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    char const kind = stroke.front();
    if (kind == '~' || kind == '@') stroke.remove_prefix(1);
    std::vector<std::array<double, 2>> points;
    for (std::size_t i = 0; i + 1 < stroke.size(); i += 2) {
      char const c = stroke[i + 1];
      double const y = c >= 'w' ? double(c - 'z' - 1) : c >= 'A' ? double(c - 'A' + 10) : double(c - '0');
      points.push_back({double(stroke[i] - '0'), y});
      right = std::max(right, points.back()[0]);
    }
    auto const line = [&](std::array<double, 2> a, std::array<double, 2> b) {
      out.segments.push_back({a[0], a[1], b[0], b[1]});
    };
    auto const middle = [](std::array<double, 2> a, std::array<double, 2> b) {
      return std::array<double, 2>{(a[0] + b[0]) / 2, (a[1] + b[1]) / 2};
    };
    auto const curve = [&](std::array<double, 2> a, std::array<double, 2> b, std::array<double, 2> c) {
      constexpr int steps = 8;
      auto last = a;
      for (int i = 1; i <= steps; ++i) {
        double const t = double(i) / steps;
        std::array<double, 2> next{};
        for (std::size_t k = 0; k < 2; ++k) next[k] = (1 - t) * (1 - t) * a[k] + 2 * t * (1 - t) * b[k] + t * t * c[k];
        line(last, next);
        last = next;
      }
    };
    std::size_t const n = points.size();
    if (kind == '@') {
      for (std::size_t i = 0; i < n; ++i)
        curve(middle(points[(i + n - 1) % n], points[i]), points[i], middle(points[i], points[(i + 1) % n]));
    } else if (kind == '~' && n > 2) {
      for (std::size_t i = 1; i + 1 < n; ++i)
        curve(i == 1 ? points[0] : middle(points[i - 1], points[i]), points[i],
              i + 2 == n ? points[n - 1] : middle(points[i], points[i + 1]));
    } else {
      for (std::size_t i = 1; i < n; ++i) line(points[i - 1], points[i]);
    }
  }
  out.advance = character == U' ' ? 6 : right + 3.5;
  return out;
}

/// The next character of UTF-8 text; broken bytes give U+FFFD.
inline char32_t next_character(std::string_view& text) {
  auto const byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  unsigned const first = byte(0);
  std::size_t const length = first < 0x80   ? 1
                             : first < 0xc0 ? 0
                             : first < 0xe0 ? 2
                             : first < 0xf0 ? 3
                             : first < 0xf8 ? 4
                                            : 0;
  if (length == 0 || length > text.size()) {
    text.remove_prefix(1);
    return 0xfffd;
  }
  char32_t value = length == 1 ? first : first & (0xffu >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) value = (value << 6) | (byte(i) & 0x3f);
  text.remove_prefix(length);
  return value;
}

}  // namespace heliograd::inline HELIOGRAD_ABI::io::detail
