// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "drawing.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>

#include <heliograd/base/error.hpp>
#include <heliograd/kernel/background.hpp>
#include <heliograd/physics/ephemeris.hpp>
#include <heliograd/physics/limb_fit.hpp>

namespace pix2pix {

namespace hg = heliograd;
namespace ph = heliograd::physics;

namespace {

double between_pixels(Image const& image, double x, double y) {
  x = std::clamp(x, 0.0, double(image.width - 1)), y = std::clamp(y, 0.0, double(image.height - 1));
  auto const i = std::min(std::size_t(x), image.width - 2), j = std::min(std::size_t(y), image.height - 2);
  double const u = x - double(i), v = y - double(j);
  return (1 - v) * ((1 - u) * double(image.at(j, i)) + u * double(image.at(j, i + 1))) +
         v * ((1 - u) * double(image.at(j + 1, i)) + u * double(image.at(j + 1, i + 1)));
}

/// The diameter with the most ink, among those within 45 degrees of upright: its angle from up, counter-clockwise, and how
/// much more ink it has than the parallels beside it.
std::pair<double, double> drawn_axis(Image const& ink, ph::Circle const& limb) {
  double const side = std::max(3.0, limb.radius / 60);
  auto const contrast = [&](double angle_deg) {
    double const a = angle_deg * ph::degree, dx = -std::sin(a), dy = std::cos(a);
    double on = 0, beside = 0;
    int count = 0;
    for (double r = -0.95 * limb.radius; r <= 0.95 * limb.radius; r += 1) {
      double const x = limb.x + r * dx, y = limb.y + r * dy;
      on += between_pixels(ink, x, y);
      beside +=
          0.5 * (between_pixels(ink, x + side * dy, y - side * dx) + between_pixels(ink, x - side * dy, y + side * dx));
      ++count;
    }
    return (on - beside) / std::max(1, count);
  };
  double best = 0, most = -1;
  double const step = 0.25 * 57.3 / limb.radius;  // a quarter of a pixel at the limb
  for (double angle = -45; angle <= 45; angle += step)
    if (double const c = contrast(angle); c > most) most = c, best = angle;
  double const before = contrast(best - step), after = contrast(best + step), bend = before - 2 * most + after;
  if (bend < 0) best += std::clamp(0.5 * (before - after) / bend, -1.0, 1.0) * step;
  return {best, most};
}

}  // namespace

Drawing read_drawing(HostSpace& ws, Image const& brightness, DrawingOptions const& o, std::string const& file) {
  std::size_t const h = brightness.height, w = brightness.width;
  if (std::min(h, w) < 64)
    throw hg::InputError(file + ": is too small for a drawing (found " + std::to_string(w) + " x " + std::to_string(h) +
                         ", expected at least 64 x 64)");
  Image light = brightness;
  if (o.light_ink)
    for (float& v : light.pixels) v = 1 - v;
  if (o.mirrored)
    for (std::size_t y = 0; y < h; ++y)
      std::reverse(light.pixels.begin() + std::ptrdiff_t(y * w), light.pixels.begin() + std::ptrdiff_t((y + 1) * w));
  Image paper(h, w);
  // Most of any square is paper; its shade is that of the lighter part.
  hg::kernel::background<Host>(ws, detail::view_of(std::as_const(light)),
                               {.cell = std::max<std::size_t>(16, std::min(h, w) / 20), .share = 0.7},
                               detail::view_of(paper));
  ws.exec().fence("pix2pix::read_drawing");
  Drawing d;
  d.ink = Image(h, w);
  for (std::size_t i = 0; i < h * w; ++i) {
    double const p = double(paper.pixels[i]);
    double const dark = p > 0.02 ? 1 - double(light.pixels[i]) / p : 0;  // black borders of a scan are no paper
    constexpr double grain = 0.06;
    d.ink.pixels[i] = static_cast<float>(std::clamp((dark - grain) / (1 - grain), 0.0, 1.0));
  }
  ph::Circle limb;
  if (o.disk) {
    limb = {o.mirrored ? double(w) - 1 - o.disk->center_x : o.disk->center_x, o.disk->center_y, o.disk->radius_pixels(),
            0, 1};
  } else {
    try {
      limb = ph::find_limb<Host>(ws, d.ink.map(), {.kind = ph::LimbKind::line, .range = 0.4});
    } catch (hg::NumericalError const& error) {
      throw hg::InputError(file + ": shows no drawn limb (" + error.what() + "); give --disk X Y RADIUS in pixels");
    }
  }
  d.limb_share = limb.share;
  d.limb_rms = limb.rms;
  double north = 0;
  if (o.north_deg) {
    north = *o.north_deg;
  } else {
    auto const [angle, contrast] = drawn_axis(d.ink, limb);
    if (contrast < 0.1) throw hg::InputError(file + ": shows no drawn axis near the vertical; give --north DEGREES");
    north = angle;
    d.axis_contrast = contrast;
  }
  d.pointing.center_x = limb.x;
  d.pointing.center_y = limb.y;
  // North lies `north` counter-clockwise from up: the rows are turned as CROTA2 = north says.
  double const scale = d.pointing.radius_arcsec / limb.radius, c = std::cos(north * ph::degree),
               s = std::sin(north * ph::degree);
  d.pointing.xx = scale * c, d.pointing.xy = scale * s;
  d.pointing.yx = -scale * s, d.pointing.yy = scale * c;
  return d;
}

std::optional<double> time_in_name(std::string const& file) {
  std::string const name = std::filesystem::path(file).stem().string();
  std::string digits;
  for (std::size_t i = 0; i < name.size(); ++i) {
    if (name[i] < '0' || name[i] > '9') continue;
    digits.clear();
    // The digits from here on, with single separators between them.
    for (std::size_t k = i; k < name.size(); ++k) {
      if (name[k] >= '0' && name[k] <= '9')
        digits += name[k];
      else if (std::string_view("-_T.:").find(name[k]) == std::string_view::npos || k + 1 >= name.size() ||
               name[k + 1] < '0' || name[k + 1] > '9')
        break;
    }
    if (digits.size() < 8) continue;
    while (digits.size() < 14) digits += '0';
    auto const part = [&](std::size_t from, std::size_t count) { return digits.substr(from, count); };
    if (auto const time = ph::julian_date_from(part(0, 4) + "-" + part(4, 2) + "-" + part(6, 2) + "T" + part(8, 2) +
                                               ":" + part(10, 2) + ":" + part(12, 2)))
      return time;
  }
  return std::nullopt;
}

}  // namespace pix2pix
