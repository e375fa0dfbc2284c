// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

#include <heliograd/base/error.hpp>
#include <heliograd/core/copy.hpp>
#include <heliograd/core/workspace.hpp>
#include <heliograd/kernel/launch.hpp>
#include <heliograd/physics/ephemeris.hpp>

/// \file
/// Where the solar disk is in an image whose header does not say: the circle through its limb, be it the edge of a bright disk
/// or a line that somebody drew.
namespace heliograd::inline HELIOGRAD_ABI::physics {

/// Pixels are counted from 0 with centres on whole numbers.
struct Circle {
  double x = 0, y = 0, radius = 0;
  double rms = 0;    ///< distance of the points that agree from the circle, pixels
  double share = 0;  ///< of the points that agree
};

struct LimbPoint {
  double x, y;
};

namespace detail {

/// The circle through three points; a radius of 0 if there is none.
inline Circle circle_through(LimbPoint a, LimbPoint b, LimbPoint c) {
  double const bx = b.x - a.x, by = b.y - a.y, cx = c.x - a.x, cy = c.y - a.y;
  double const d = 2 * (bx * cy - by * cx);
  if (std::abs(d) < 1e-9) return {};
  double const b2 = bx * bx + by * by, c2 = cx * cx + cy * cy;
  double const x = (cy * b2 - by * c2) / d, y = (bx * c2 - cx * b2) / d;
  return {a.x + x, a.y + y, std::hypot(x, y), 0, 0};
}

inline double distance(Circle const& circle, LimbPoint p) {
  return std::hypot(p.x - circle.x, p.y - circle.y) - circle.radius;
}

/// One step of Gauss and Newton for the points within `reach` of the circle. False if they do not determine one.
inline bool improve(Circle& circle, std::vector<LimbPoint> const& points, double reach) {
  double a[3][4] = {};
  std::size_t used = 0;
  for (LimbPoint const p : points) {
    double const dx = p.x - circle.x, dy = p.y - circle.y, r = std::hypot(dx, dy);
    if (!(r > 0) || !(std::abs(r - circle.radius) <= reach)) continue;
    double const row[4] = {dx / r, dy / r, 1, r - circle.radius};
    for (int i = 0; i < 3; ++i)
      for (int j = 0; j < 4; ++j) a[i][j] += row[i] * row[j];
    ++used;
  }
  if (used < 3) return false;
  for (int i = 0; i < 3; ++i) {
    int pivot = i;
    for (int k = i + 1; k < 3; ++k)
      if (std::abs(a[k][i]) > std::abs(a[pivot][i])) pivot = k;
    if (!(std::abs(a[pivot][i]) > 1e-9)) return false;
    std::swap(a[i], a[pivot]);
    for (int k = 0; k < 3; ++k) {
      if (k == i) continue;
      double const factor = a[k][i] / a[i][i];
      for (int j = i; j < 4; ++j) a[k][j] -= factor * a[i][j];
    }
  }
  circle.x += a[0][3] / a[0][0], circle.y += a[1][3] / a[1][1], circle.radius += a[2][3] / a[2][2];
  return true;
}

}  // namespace detail

/// The circle that most points lie on: of circles through three points the one with the least median distance (Rousseeuw 1984),
/// then least squares of the distances of the points within `reach` of it. Up to almost half of the points may lie anywhere.
///
/// \param points in order around the circle, as far as there is an order: triples are taken far apart.
/// \param reach pixels within which a point agrees.
/// Throws   NumericalError if there are fewer than three points, or all lie on a line.
inline Circle fit_circle(std::vector<LimbPoint> const& points, double reach = 2) {
  std::size_t const n = points.size();
  if (n < 3) throw NumericalError("fit_circle: it needs at least three points");
  Circle best;
  double least = 0;
  std::vector<double> distances(n);
  for (std::size_t k = 0; k < std::min<std::size_t>(500, 8 * n); ++k) {
    std::size_t const i = k * 7919 % n, gap = std::max<std::size_t>(1, n / 3), turn = k / n;
    Circle const circle =
        detail::circle_through(points[i], points[(i + gap + 5 * turn) % n], points[(i + 2 * gap + 11 * turn) % n]);
    if (!(circle.radius > 0)) continue;
    for (std::size_t j = 0; j < n; ++j) distances[j] = std::abs(detail::distance(circle, points[j]));
    auto const middle = distances.begin() + static_cast<std::ptrdiff_t>(n / 2);
    std::nth_element(distances.begin(), middle, distances.end());
    if (best.radius == 0 || *middle < least) best = circle, least = *middle;
  }
  if (best.radius == 0) throw NumericalError("fit_circle: the points lie on a line");
  double const wide = std::max(reach, 3 * least);
  for (int k = 0; k < 20; ++k)
    if (!detail::improve(best, points, k < 5 ? wide : reach)) break;
  std::size_t used = 0;
  double squares = 0;
  for (LimbPoint const p : points)
    if (double const d = detail::distance(best, p); std::abs(d) <= reach) ++used, squares += d * d;
  best.share = static_cast<double>(used) / static_cast<double>(n);
  best.rms = used > 0 ? std::sqrt(squares / static_cast<double>(used)) : 0;
  return best;
}

enum class LimbKind {
  edge,  ///< the disk is brighter than what is around it
  line,  ///< a bright line on dark ground, such as the ink of a drawing
};

struct LimbOptions {
  LimbKind kind = LimbKind::edge;
  Circle guess =
      {};  ///< centre and radius to begin with; a radius of 0: the image's middle and 0.4 of its shorter side
  double range = 0.3;        ///< looked for within so large a share of the radius
  std::size_t rays = 360;    ///< directions
  double least_share = 0.5;  ///< of the directions that must agree
};

namespace detail {

/// The strongest edge or line along one ray.
template <class T>
struct LimbRay {
  T const* image;
  std::size_t height, width;
  LimbKind kind;
  double x, y, from, to, reach;
  std::size_t rays;
  double* found;  ///< [rays][2]: radius, strength; a strength of 0: nothing there

  KOKKOS_FUNCTION double at(double r, double cosine, double sine) const {
    double const px = x + r * cosine, py = y + r * sine;
    if (!(px >= 0 && py >= 0 && px <= static_cast<double>(width - 1) && py <= static_cast<double>(height - 1)))
      return Kokkos::Experimental::quiet_NaN_v<double>;
    std::size_t const i = static_cast<std::size_t>(px), j = static_cast<std::size_t>(py);
    double const u = px - static_cast<double>(i), v = py - static_cast<double>(j);
    std::size_t const right = i + 1 < width ? 1 : 0, up = j + 1 < height ? width : 0;
    T const* const p = image + j * width + i;
    double const low = (1 - u) * static_cast<double>(p[0]) + u * static_cast<double>(p[right]);
    double const high = (1 - u) * static_cast<double>(p[up]) + u * static_cast<double>(p[up + right]);
    return (1 - v) * low + v * high;
  }
  KOKKOS_FUNCTION double response(double r, double cosine, double sine) const {
    double const inside = at(r - reach, cosine, sine), outside = at(r + reach, cosine, sine);
    return kind == LimbKind::edge ? inside - outside : at(r, cosine, sine) - 0.5 * (inside + outside);
  }
  KOKKOS_FUNCTION void operator()(std::size_t ray) const {
    double const angle = 2 * pi * static_cast<double>(ray) / static_cast<double>(rays);
    double const cosine = Kokkos::cos(angle), sine = Kokkos::sin(angle);
    constexpr double step = 0.5;
    double best = 0, where = 0;
    for (double r = from; r <= to; r += step) {
      double const here = response(r, cosine, sine);
      if (here > best) best = here, where = r;
    }
    if (best > 0) {  // to a part of a step, by the parabola through three
      double const before = response(where - step, cosine, sine), after = response(where + step, cosine, sine);
      double const bend = before - 2 * best + after;
      double const shift = bend < 0 ? 0.5 * (before - after) / bend : 0.0;
      if (shift > -1 && shift < 1) where += step * shift;
    }
    found[2 * ray] = where;
    found[2 * ray + 1] = best;
  }
};

}  // namespace detail

/// The circle of the solar limb: along many rays from a first guess the strongest edge or line, a circle that most of them
/// agree on, and both once more from there, in a narrower range. Spots, writing and missing parts do no harm while most of the
/// limb shows.
///
/// Shapes   image [h, w]
/// Throws   NumericalError if too few directions agree. Waits for the execution space.
template <class B>
Circle find_limb(Workspace<B>& ws, ConstTensorRef<2, B> image, LimbOptions const& options = {}) {
  using T = typename B::scalar_type;
  std::size_t const h = image.extent(0), w = image.extent(1);
  expect_shape(h >= 16 && w >= 16, "find_limb: the image " + to_string(shape_of(image)) + " is too small");
  expect(options.rays >= 12 && options.range > 0 && options.range < 1,
         "find_limb: it needs at least 12 rays and a range in (0, 1)");
  Circle circle = options.guess;
  if (!(circle.radius > 0))
    circle = {0.5 * (static_cast<double>(w) - 1), 0.5 * (static_cast<double>(h) - 1),
              0.4 * static_cast<double>(std::min(h, w)), 0, 0};
  double range = options.range * circle.radius;
  for (int pass = 0; pass < 3; ++pass) {
    auto scope = ws.scope();
    auto* const found = scope.template take<double>(2 * options.rays);
    double const reach = pass == 0 ? std::max(2.0, circle.radius / 100) : pass == 1 ? 2 : 1;
    kernel::for_each_item(
        ws, "heliograd::find_limb", options.rays,
        detail::LimbRay<T>{image.data(), h, w, options.kind, circle.x, circle.y, std::max(1.0, circle.radius - range),
                           circle.radius + range, reach, options.rays, found});
    using Doubles = Kokkos::View<double const*, typename B::memory_space, Kokkos::MemoryTraits<Kokkos::Unmanaged>>;
    auto const rays = to_host(ws.exec(), Doubles(found, 2 * options.rays));
    std::vector<LimbPoint> points;
    for (std::size_t k = 0; k < options.rays; ++k) {
      if (!(rays[2 * k + 1] > 0)) continue;
      double const angle = 2 * pi * static_cast<double>(k) / static_cast<double>(options.rays);
      points.push_back({circle.x + rays[2 * k] * std::cos(angle), circle.y + rays[2 * k] * std::sin(angle)});
    }
    if (static_cast<double>(points.size()) < options.least_share * static_cast<double>(options.rays))
      throw NumericalError("find_limb: no limb in most directions");
    circle = fit_circle(points, pass == 0 ? std::max(2.0, circle.radius / 50) : 1.5);
    circle.share *= static_cast<double>(points.size()) / static_cast<double>(options.rays);
    range = std::max(4.0, 0.02 * circle.radius);
  }
  if (!(circle.share >= options.least_share))
    throw NumericalError("find_limb: no circle that most directions agree on (found " +
                         std::to_string(static_cast<int>(100 * circle.share)) + " % of them)");
  return circle;
}

}  // namespace heliograd::inline HELIOGRAD_ABI::physics
