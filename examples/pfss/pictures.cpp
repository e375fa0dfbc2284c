// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "pictures.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

namespace pfss {

namespace io = heliograd::io;

std::vector<Segment> zero_contour(std::vector<double> const& values, std::size_t rows, std::size_t columns) {
  std::vector<Segment> segments;
  for (std::size_t j = 0; j + 1 < rows; ++j)
    for (std::size_t i = 0; i < columns; ++i) {
      std::size_t const e = (i + 1) % columns;
      double const corner[4] = {values[j * columns + i], values[j * columns + e], values[(j + 1) * columns + e],
                                values[(j + 1) * columns + i]};
      double const x = static_cast<double>(i), y = static_cast<double>(j);
      double const cx[4] = {x, x + 1, x + 1, x}, cy[4] = {y, y, y + 1, y + 1};
      double px[4], py[4];
      int count = 0;
      for (int side = 0; side < 4; ++side) {
        double const a = corner[side], b = corner[(side + 1) % 4];
        if ((a > 0) == (b > 0)) continue;
        double const t = a / (a - b);
        px[count] = cx[side] + t * (cx[(side + 1) % 4] - cx[side]);
        py[count] = cy[side] + t * (cy[(side + 1) % 4] - cy[side]);
        ++count;
      }
      for (int k = 0; k + 1 < count; k += 2) segments.push_back({px[k], py[k], px[k + 1], py[k + 1]});
    }
  return segments;
}

std::vector<std::array<double, 3>> directions(std::vector<Segment> const& segments, std::size_t rows,
                                              std::size_t columns) {
  std::vector<std::array<double, 3>> places;
  places.reserve(segments.size());
  for (Segment const& s : segments) {
    double const sine = ((s.y0 + s.y1) + 1) / static_cast<double>(rows) - 1;
    double const phi = ((s.x0 + s.x1) + 1) * std::numbers::pi / static_cast<double>(columns);
    double const flat = std::sqrt(std::max(0.0, 1 - sine * sine));
    places.push_back({flat * std::cos(phi), flat * std::sin(phi), sine});
  }
  return places;
}

double mean_distance(std::vector<std::array<double, 3>> const& a, std::vector<std::array<double, 3>> const& b) {
  if (a.empty() || b.empty()) return std::numeric_limits<double>::quiet_NaN();
  auto const one_way = [](auto const& from, auto const& to) {
    double sum = 0;
    for (auto const& p : from) {
      double nearest = 4;
      for (auto const& q : to) {
        double const dx = p[0] - q[0], dy = p[1] - q[1], dz = p[2] - q[2];
        nearest = std::min(nearest, dx * dx + dy * dy + dz * dz);
      }
      sum += 2 * std::asin(std::min(1.0, std::sqrt(nearest) / 2));
    }
    return sum / static_cast<double>(from.size()) * 180 / std::numbers::pi;
  };
  return (one_way(a, b) + one_way(b, a)) / 2;
}

void draw_line(io::Picture& picture, double x0, double y0, double x1, double y1, double width, io::Rgb colour,
               double cover) {
  double const half = width / 2, dx = x1 - x0, dy = y1 - y0, length = dx * dx + dy * dy;
  auto const low = [&](double a, double b) {
    return static_cast<std::ptrdiff_t>(std::floor(std::min(a, b) - half - 1));
  };
  auto const high = [&](double a, double b) {
    return static_cast<std::ptrdiff_t>(std::ceil(std::max(a, b) + half + 1));
  };
  for (std::ptrdiff_t y = low(y0, y1); y <= high(y0, y1); ++y)
    for (std::ptrdiff_t x = low(x0, x1); x <= high(x0, x1); ++x) {
      double const px = double(x) + 0.5 - x0, py = double(y) + 0.5 - y0;
      double const t = length > 0 ? std::clamp((px * dx + py * dy) / length, 0.0, 1.0) : 0.0;
      double const away = std::hypot(px - t * dx, py - t * dy);
      double const here = std::clamp(half + 0.5 - away, 0.0, 1.0);
      if (here > 0) picture.blend(x, y, colour, here * cover);
    }
}

io::Picture draw_maps(std::vector<MapPanel> const& panels, std::size_t rows, std::size_t columns,
                      std::string const& title, std::string const& note, std::size_t width) {
  // Maps are shown twice as wide as high: longitude and sine latitude, whatever the pixels' shape.
  std::size_t const height = width / 2;
  std::vector<io::Panel> figure;
  for (MapPanel const& panel : panels) {
    std::vector<double> stretched(width * height);
    for (std::size_t y = 0; y < height; ++y)
      for (std::size_t x = 0; x < width; ++x)
        stretched[y * width + x] = (*panel.values)[(y * rows / height) * columns + x * columns / width];
    figure.push_back(io::make_panel(panel.label, stretched.data(), width, height, width, -panel.range, panel.range,
                                    panel.unit, panel.map, panel.stretch));
  }
  io::FigureOptions options;
  options.title = title;
  options.note = note;
  options.columns = 1;
  io::Picture picture = io::draw_figure(figure, options);
  // The places of the panels, as draw_figure lays them out in one column.
  double const size = std::clamp(static_cast<double>(width) / 46, 9.0, 18.0);
  auto const em = [size](double n) { return static_cast<std::size_t>(std::lround(size * n)); };
  std::size_t const head =
      (title.empty() ? 0 : em(2.6)) + (note.empty() ? 0 : em(1.8)) + (title.empty() && note.empty() ? 0 : em(0.8));
  for (std::size_t k = 0; k < panels.size(); ++k) {
    if (panels[k].lines == nullptr) continue;
    double const left = static_cast<double>(em(2.0));
    double const bottom = static_cast<double>(em(2.0) + head + k * (em(2.4) + height + em(5.0)) + em(2.4) + height);
    double const sx = double(width) / double(columns), sy = double(height) / double(rows);
    for (Segment const& s : *panels[k].lines)
      draw_line(picture, left + std::min((s.x0 + 0.5) * sx, double(width)), bottom - (s.y0 + 0.5) * sy,
                left + std::min((s.x1 + 0.5) * sx, double(width)), bottom - (s.y1 + 0.5) * sy, 2, {20, 20, 20});
  }
  return picture;
}

io::Picture draw_corona(std::vector<double> const& boundary, std::size_t rows, std::size_t columns, double range,
                        std::vector<LinePath> const& lines, double longitude, double rss, std::string const& title,
                        std::size_t side) {
  io::Picture picture(side, side, {12, 13, 18});
  double const middle = double(side) / 2, scale = middle / (rss * 1.04);
  io::Panel const colours{{}, {}, -range, range, {}, io::ColourMap::gray, io::Stretch::linear};
  double const c = std::cos(longitude), s = std::sin(longitude);
  for (std::size_t py = 0; py < side; ++py)
    for (std::size_t px = 0; px < side; ++px) {
      double const y = (double(px) + 0.5 - middle) / scale, z = (middle - double(py) - 0.5) / scale;
      double const square = y * y + z * z;
      if (square >= 1) continue;
      double const x = std::sqrt(1 - square);
      double const phi = std::atan2(s * x + c * y, c * x - s * y);
      double const turn = phi < 0 ? phi + 2 * std::numbers::pi : phi;
      auto const i = std::min(columns - 1, std::size_t(turn / (2 * std::numbers::pi) * double(columns)));
      auto const j = std::min(rows - 1, std::size_t((z + 1) / 2 * double(rows)));
      double const value = boundary[j * columns + i];
      double const cover = std::clamp((1 - std::sqrt(square)) * scale + 0.5, 0.0, 1.0);
      picture.blend(std::ptrdiff_t(px), std::ptrdiff_t(py),
                    io::colour_of(io::ColourMap::gray, io::detail::place_of(colours, value)), cover);
    }
  for (int step = 0; step < 720; step += 2) {  // the source surface, dotted
    double const a = step * std::numbers::pi / 360, b = (step + 1) * std::numbers::pi / 360;
    draw_line(picture, middle + rss * scale * std::cos(a), middle + rss * scale * std::sin(a),
              middle + rss * scale * std::cos(b), middle + rss * scale * std::sin(b), 1.2, {120, 124, 130});
  }
  for (LinePath const& line : lines) {
    io::Rgb const colour = line.polarity > 0   ? io::Rgb{240, 110, 80}
                           : line.polarity < 0 ? io::Rgb{90, 150, 240}
                                               : io::Rgb{225, 220, 200};
    auto const& p = *line.points;
    for (std::size_t n = 0; n + 5 < p.size(); n += 3) {
      auto const seen = [&](std::size_t at, double& x, double& y, double& z) {
        x = c * double(p[at]) + s * double(p[at + 1]);
        y = -s * double(p[at]) + c * double(p[at + 1]);
        z = double(p[at + 2]);
      };
      double x0, y0, z0, x1, y1, z1;
      seen(n, x0, y0, z0);
      seen(n + 3, x1, y1, z1);
      double const x = (x0 + x1) / 2, y = (y0 + y1) / 2, z = (z0 + z1) / 2;
      if (x < 0 && y * y + z * z < 1) continue;  // behind the Sun
      draw_line(picture, middle + y0 * scale, middle - z0 * scale, middle + y1 * scale, middle - z1 * scale, 1.4,
                colour, x < 0 ? 0.45 : 0.9);
    }
  }
  double const size = std::clamp(double(side) / 55, 9.0, 18.0);
  picture.text(size, size * 2, title, size, {232, 232, 226});
  return picture;
}

double round_range(std::vector<double> const& values, double fraction) {
  std::vector<double> sizes;
  sizes.reserve(values.size());
  for (double const v : values) sizes.push_back(std::fabs(v));
  auto const at = sizes.begin() + std::ptrdiff_t(fraction * double(sizes.size() - 1));
  std::nth_element(sizes.begin(), at, sizes.end());
  if (!(*at > 1e-12)) return 1;
  double const decade = std::pow(10.0, std::floor(std::log10(*at)));
  for (double const digit : {1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0})
    if (*at <= digit * decade) return digit * decade;
  return 10 * decade;
}

}  // namespace pfss
