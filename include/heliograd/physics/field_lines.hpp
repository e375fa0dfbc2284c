// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <heliograd/core/copy.hpp>
#include <heliograd/kernel/launch.hpp>
#include <heliograd/kernel/pfss_grid.hpp>

/// \file
/// Field lines of a coronal field on the nodes of a PfssGrid: thousands at a time, both directions, each by one work item.
///
/// Positions are Cartesian, in solar radii, so that poles are places like others; z is north, x lies at the western edge of
/// the map's first column. The components (B_r, B_theta, B_phi) are interpolated linearly in ln r, latitude and longitude
/// (not sine latitude, in which they have a kink at the poles). Steps are those of Dormand & Prince (1980), orders 5 and 4,
/// of an error per step below a tolerance; ends are found to 1e-10 solar radii.
namespace heliograd::inline HELIOGRAD_ABI::physics {

struct FieldLineOptions {
  double tolerance = 1e-6;  ///< error allowed per step, solar radii
  double longest_step = 0.2;
  std::uint32_t most_steps = 4000;  ///< per direction; a line that needs more ends nowhere
};

enum class LineEnd : std::int32_t { nowhere, sun, source_surface };

/// One end of a line.
struct FieldLineEnd {
  double x = 0, y = 0, z = 0;
  double radial = 0;  ///< B_r there
  double strength = 0;
  double length = 0;  ///< from the seed, solar radii
  LineEnd at = LineEnd::nowhere;
  std::uint32_t steps = 0;
};

/// A line through a seed: its end in the direction of the field, and against it.
struct FieldLine {
  FieldLineEnd forward, backward;

  KOKKOS_FUNCTION bool closed() const { return forward.at == LineEnd::sun && backward.at == LineEnd::sun; }
  /// Joins the Sun and the source surface: +1 outwards, -1 inwards, 0 if it does neither.
  KOKKOS_FUNCTION int polarity() const {
    if (forward.at == LineEnd::source_surface && backward.at == LineEnd::sun) return 1;
    if (forward.at == LineEnd::sun && backward.at == LineEnd::source_surface) return -1;
    return 0;
  }
  KOKKOS_FUNCTION FieldLineEnd const& foot() const { return backward.at == LineEnd::sun ? backward : forward; }
  KOKKOS_FUNCTION FieldLineEnd const& top() const { return backward.at == LineEnd::sun ? forward : backward; }
  /// (|B| at the Sun / |B| at the source surface) / rss^2 of an open line, else NaN: 1 where the field expands radially.
  KOKKOS_FUNCTION double expansion(double rss) const {
    if (polarity() == 0 || !(top().strength > 0)) return Kokkos::Experimental::quiet_NaN_v<double>;
    return foot().strength / (top().strength * rss * rss);
  }
};

/// A seed: radius in solar radii, latitude and longitude in radians, the latter from the western edge of the first column.
struct FieldLineSeed {
  double radius, latitude, longitude;
};

namespace detail {

struct Vector3 {
  double x, y, z;
  KOKKOS_FUNCTION friend Vector3 operator+(Vector3 a, Vector3 b) { return {a.x + b.x, a.y + b.y, a.z + b.z}; }
  KOKKOS_FUNCTION friend Vector3 operator*(double f, Vector3 a) { return {f * a.x, f * a.y, f * a.z}; }
  KOKKOS_FUNCTION double norm() const { return Kokkos::sqrt(x * x + y * y + z * z); }
};

/// The field at any place, by interpolation.
template <class Scalar>
struct FieldSampler {
  PfssGrid grid;
  Scalar const* nodes;
  double const* latitude;  ///< [n_s + 1] of the nodes
  double per_rho, per_phi;

  FieldSampler(PfssGrid const& g, Scalar const* n, double const* l)
      : grid(g), nodes(n), latitude(l), per_rho(1 / g.step_rho()), per_phi(1 / g.step_phi()) {}

  /// Below the Sun and above the source surface: as on it.
  KOKKOS_FUNCTION void spherical(double r, double lat, double phi, double b[3]) const {
    double const last_r = grid.depth();
    double u = Kokkos::log(r) * per_rho;
    u = u < 0 ? 0.0 : u > last_r ? last_r : u;
    std::size_t k = static_cast<std::size_t>(u);
    k = k < grid.n_r ? k : grid.n_r - 1;
    u = (u - static_cast<double>(k)) * (k + 1 == grid.n_r ? 1 / (last_r - static_cast<double>(k)) : 1.0);

    std::size_t const cells = grid.n_s;
    double const v0 = (Kokkos::sin(lat) + 1) / 2 * static_cast<double>(cells);
    std::size_t j = v0 > 0 ? static_cast<std::size_t>(v0) : 0;
    j = j < cells ? j : cells - 1;
    double v = (lat - latitude[j]) / (latitude[j + 1] - latitude[j]);
    v = v < 0 ? 0.0 : v > 1 ? 1.0 : v;

    double w = phi * per_phi;
    double const whole = Kokkos::floor(w);
    w -= whole;
    std::int64_t const n = static_cast<std::int64_t>(grid.n_phi);
    std::int64_t i = static_cast<std::int64_t>(whole) % n;
    i = i < 0 ? i + n : i;
    std::int64_t const i1 = i + 1 == n ? 0 : i + 1;

    std::size_t const row = grid.n_phi * 3, shell = (cells + 1) * row;
    Scalar const* const p00 = nodes + k * shell + j * row;
    Scalar const* const p01 = p00 + row;
    Scalar const* const p10 = p00 + shell;
    Scalar const* const p11 = p10 + row;
    std::size_t const west = 3 * static_cast<std::size_t>(i), east = 3 * static_cast<std::size_t>(i1);
    for (std::size_t c = 0; c < 3; ++c) {
      double const low = along(p00 + c, west, east, w) * (1 - v) + along(p01 + c, west, east, w) * v;
      double const high = along(p10 + c, west, east, w) * (1 - v) + along(p11 + c, west, east, w) * v;
      b[c] = low + u * (high - low);
    }
  }

  KOKKOS_FUNCTION static double along(Scalar const* row, std::size_t west, std::size_t east, double part) {
    double const start = static_cast<double>(row[west]);
    return start + part * (static_cast<double>(row[east]) - start);
  }

  KOKKOS_FUNCTION Vector3 operator()(Vector3 at, double* radial = nullptr) const {
    double const flat = Kokkos::sqrt(at.x * at.x + at.y * at.y);
    double const r = at.norm();
    double b[3];
    spherical(r, Kokkos::atan2(at.z, flat), Kokkos::atan2(at.y, at.x), b);
    double const cp = flat > 0 ? at.x / flat : 1.0, sp = flat > 0 ? at.y / flat : 0.0;
    double const st = flat / r, ct = at.z / r;
    if (radial != nullptr) *radial = b[0];
    double const out = b[0] * st + b[1] * ct;
    return {out * cp - b[2] * sp, out * sp + b[2] * cp, b[0] * ct - b[1] * st};
  }
};

/// Takes nobody's points.
struct NoPath {
  KOKKOS_FUNCTION void operator()(Vector3) const {}
};

template <class Scalar>
struct LineTracer {
  FieldSampler<Scalar> field;
  FieldLineOptions options;

  KOKKOS_FUNCTION Vector3 direction(Vector3 at, double sense) const {
    Vector3 const b = field(at);
    double const size = b.norm();
    return size > 0 ? (sense / size) * b : Vector3{0, 0, 0};
  }

  /// One step of length h from `at`, where the direction is `k1`; `k7` is the direction at the end. Returns the error.
  KOKKOS_FUNCTION double step(Vector3 at, Vector3 k1, double h, double sense, Vector3& end, Vector3& k7) const {
    Vector3 const k2 = direction(at + (h / 5) * k1, sense);
    Vector3 const k3 = direction(at + h * ((3.0 / 40) * k1 + (9.0 / 40) * k2), sense);
    Vector3 const k4 = direction(at + h * ((44.0 / 45) * k1 + (-56.0 / 15) * k2 + (32.0 / 9) * k3), sense);
    Vector3 const k5 = direction(
        at + h * ((19372.0 / 6561) * k1 + (-25360.0 / 2187) * k2 + (64448.0 / 6561) * k3 + (-212.0 / 729) * k4), sense);
    Vector3 const k6 = direction(at + h * ((9017.0 / 3168) * k1 + (-355.0 / 33) * k2 + (46732.0 / 5247) * k3 +
                                           (49.0 / 176) * k4 + (-5103.0 / 18656) * k5),
                                 sense);
    end = at +
          h * ((35.0 / 384) * k1 + (500.0 / 1113) * k3 + (125.0 / 192) * k4 + (-2187.0 / 6784) * k5 + (11.0 / 84) * k6);
    k7 = direction(end, sense);
    Vector3 const error = h * ((71.0 / 57600) * k1 + (-71.0 / 16695) * k3 + (71.0 / 1920) * k4 +
                               (-17253.0 / 339200) * k5 + (22.0 / 525) * k6 + (-1.0 / 40) * k7);
    return error.norm();
  }

  template <class Path>
  KOKKOS_FUNCTION FieldLineEnd half(Vector3 at, double sense, Path const& path) const {
    FieldLineEnd end;
    double const rss = field.grid.rss;
    Vector3 k1 = direction(at, sense);
    double h = 0.02;
    path(at);
    for (end.steps = 0; end.steps < options.most_steps; ++end.steps) {
      Vector3 next{}, k7{};
      double const error = step(at, k1, h, sense, next, k7);
      double const ratio = options.tolerance / (error > 1e-300 ? error : 1e-300);
      double const growth = 0.9 * Kokkos::pow(ratio, 0.2);
      if (!(error <= options.tolerance)) {
        h *= growth > 0.2 ? growth : 0.2;
        if (!(h > 1e-9)) break;  // a null point
        continue;
      }
      double const r = next.norm();
      if (r < 1 || r > rss) {
        double const wall = r < 1 ? 1.0 : rss;
        end.at = r < 1 ? LineEnd::sun : LineEnd::source_surface;
        h = to_wall(at, k1, h, sense, wall, r - wall, next);
        end.length += h;
        at = next;
        path(at);
        break;
      }
      if (k7.norm() == 0) break;
      at = next;
      k1 = k7;
      end.length += h;
      path(at);
      h *= growth < 4 ? growth : 4.0;
      h = h < options.longest_step ? h : options.longest_step;
    }
    end.x = at.x, end.y = at.y, end.z = at.z;
    end.strength = field(at, &end.radial).norm();
    return end;
  }

  /// The length of the step that ends on the wall, between 0 and one that ends `beyond` it; `place` is where it ends.
  KOKKOS_FUNCTION double to_wall(Vector3 at, Vector3 k1, double h, double sense, double wall, double beyond,
                                 Vector3& place) const {
    double low = 0, high = h, at_low = at.norm() - wall, at_high = beyond;
    if (at_low == 0) {
      place = at;
      return 0;
    }
    for (int i = 0; i < 60 && high - low > 1e-14; ++i) {
      // Illinois: regula falsi that does not stick to one side.
      double const middle = (low * at_high - high * at_low) / (at_high - at_low);
      Vector3 k7{};
      step(at, k1, middle, sense, place, k7);
      double const value = place.norm() - wall;
      h = middle;
      if (Kokkos::abs(value) < 1e-12) break;
      if ((value > 0) == (at_high > 0)) {
        high = middle, at_high = value, at_low /= 2;
      } else {
        low = middle, at_low = value, at_high /= 2;
      }
    }
    return h;
  }

  KOKKOS_FUNCTION static Vector3 place(FieldLineSeed const& seed) {
    double const flat = seed.radius * Kokkos::cos(seed.latitude);
    return {flat * Kokkos::cos(seed.longitude), flat * Kokkos::sin(seed.longitude),
            seed.radius * Kokkos::sin(seed.latitude)};
  }
};

template <class Scalar>
struct TraceLines {
  LineTracer<Scalar> tracer;
  FieldLineSeed const* seeds;
  FieldLine* lines;
  KOKKOS_FUNCTION void operator()(std::size_t i) const {
    Vector3 const at = tracer.place(seeds[i]);
    lines[i] = {tracer.half(at, 1, NoPath{}), tracer.half(at, -1, NoPath{})};
  }
};

/// Keeps the first points, and the last one.
struct PathWriter {
  float* points;
  std::uint32_t* count;
  std::uint32_t room;
  KOKKOS_FUNCTION void operator()(Vector3 at) const {
    std::uint32_t const n = *count < room ? *count : room - 1;
    points[3 * n] = static_cast<float>(at.x);
    points[3 * n + 1] = static_cast<float>(at.y);
    points[3 * n + 2] = static_cast<float>(at.z);
    *count = n + 1;
  }
};

template <class Scalar>
struct TracePaths {
  LineTracer<Scalar> tracer;
  FieldLineSeed const* seeds;
  std::uint32_t room;
  float* points;         ///< [2 seeds][room][3]
  std::uint32_t* count;  ///< [2 seeds]
  KOKKOS_FUNCTION void operator()(std::size_t i) const {
    count[i] = 0;
    tracer.half(tracer.place(seeds[i / 2]), i % 2 == 0 ? 1.0 : -1.0,
                PathWriter{points + i * room * 3, count + i, room});
  }
};

struct FillNodeLatitudes {
  std::size_t cells;
  double* latitude;
  KOKKOS_FUNCTION void operator()(std::size_t j) const {
    double const s = (2 * static_cast<double>(j) - static_cast<double>(cells)) / static_cast<double>(cells);
    latitude[j] = Kokkos::asin(s);
  }
};

template <class B>
LineTracer<typename B::scalar_type> line_tracer(Workspace<B>& ws, typename Workspace<B>::Scope& scope,
                                                PfssGrid const& grid, ConstTensorRef<4, B> const& field,
                                                FieldLineOptions const& options) {
  expect_grid(grid);
  expect_shape(field.extent(0) == grid.n_r + 1 && field.extent(1) == grid.n_s + 1 && field.extent(2) == grid.n_phi &&
                   field.extent(3) == 3,
               "trace_field_lines: the field is " + to_string(shape_of(field)) + ", the grid's nodes are [" +
                   std::to_string(grid.n_r + 1) + ", " + std::to_string(grid.n_s + 1) + ", " +
                   std::to_string(grid.n_phi) + ", 3]");
  expect(options.tolerance > 0 && options.longest_step > 0,
         "trace_field_lines: tolerance and longest step must be positive");
  auto* const latitude = scope.template take<double>(grid.n_s + 1);
  kernel::for_each_item(ws, "heliograd::node_latitudes", grid.n_s + 1, FillNodeLatitudes{grid.n_s, latitude});
  return {FieldSampler<typename B::scalar_type>(grid, field.data(), latitude), options};
}

/// Host objects in device memory of the scope.
template <class B>
FieldLineSeed* to_device(Workspace<B>& ws, typename Workspace<B>::Scope& scope,
                         std::vector<FieldLineSeed> const& seeds) {
  auto* const there = scope.template take<FieldLineSeed>(seeds.size());
  copy_flat<typename B::memory_space, Kokkos::HostSpace, typename B::execution_space, FieldLineSeed>(
      ws.exec(), there, seeds.data(), seeds.size());
  return there;
}

template <class B, class T>
std::vector<T> to_vector(Workspace<B>& ws, T const* there, std::size_t count) {
  std::vector<T> here(count);
  copy_flat<Kokkos::HostSpace, typename B::memory_space, typename B::execution_space, T>(ws.exec(), here.data(), there,
                                                                                         count);
  ws.exec().fence("heliograd::field_lines");
  return here;
}

}  // namespace detail

/// The ends of the lines through the seeds. `field` is [n_r + 1, n_s + 1, n_phi, 3], as `pfss_field` gives it. A seed's line
/// does not depend on the others. Waits for the result.
template <class B>
std::vector<FieldLine> trace_field_lines(Workspace<B>& ws, PfssGrid const& grid, ConstTensorRef<4, B> const& field,
                                         std::vector<FieldLineSeed> const& seeds,
                                         FieldLineOptions const& options = {}) {
  auto scope = ws.scope();
  auto const tracer = detail::line_tracer<B>(ws, scope, grid, field, options);
  auto const* const there = detail::to_device<B>(ws, scope, seeds);
  auto* const lines = scope.template take<FieldLine>(seeds.size());
  kernel::for_each_item(ws, "heliograd::trace_field_lines", seeds.size(),
                        detail::TraceLines<typename B::scalar_type>{tracer, there, lines});
  return detail::to_vector<B, FieldLine>(ws, lines, seeds.size());
}

/// The lines themselves: for each seed the points from the backward to the forward end, (x, y, z) each. A half with more
/// than `most_points` points keeps its first ones and its last one.
template <class B>
std::vector<std::vector<float>> field_line_paths(Workspace<B>& ws, PfssGrid const& grid,
                                                 ConstTensorRef<4, B> const& field,
                                                 std::vector<FieldLineSeed> const& seeds,
                                                 FieldLineOptions const& options = {},
                                                 std::uint32_t most_points = 1000) {
  expect(most_points >= 2, "field_line_paths: a path needs room for two points");
  auto scope = ws.scope();
  auto const tracer = detail::line_tracer<B>(ws, scope, grid, field, options);
  auto const* const there = detail::to_device<B>(ws, scope, seeds);
  std::size_t const halves = 2 * seeds.size();
  auto* const points = scope.template take<float>(halves * most_points * 3);
  auto* const count = scope.template take<std::uint32_t>(halves);
  kernel::for_each_item(ws, "heliograd::field_line_paths", halves,
                        detail::TracePaths<typename B::scalar_type>{tracer, there, most_points, points, count});
  auto const all = detail::to_vector<B, float>(ws, points, halves * most_points * 3);
  auto const counts = detail::to_vector<B, std::uint32_t>(ws, count, halves);
  std::vector<std::vector<float>> paths(seeds.size());
  for (std::size_t i = 0; i < seeds.size(); ++i) {
    float const* const ahead = all.data() + 2 * i * most_points * 3;
    float const* const back = ahead + most_points * 3;
    auto& path = paths[i];
    for (std::size_t n = counts[2 * i + 1]; n-- > 1;) path.insert(path.end(), back + 3 * n, back + 3 * n + 3);
    path.insert(path.end(), ahead, ahead + 3 * counts[2 * i]);
  }
  return paths;
}

/// Seeds in the middle of the cells of a map with rows of equal steps in sine latitude, row by row.
inline std::vector<FieldLineSeed> map_seeds(std::size_t latitudes, std::size_t longitudes, double radius) {
  std::vector<FieldLineSeed> seeds;
  seeds.reserve(latitudes * longitudes);
  for (std::size_t j = 0; j < latitudes; ++j)
    for (std::size_t i = 0; i < longitudes; ++i)
      seeds.push_back({radius, Kokkos::asin((2 * double(j) + 1 - double(latitudes)) / double(latitudes)),
                       2 * Kokkos::numbers::pi * (double(i) + 0.5) / double(longitudes)});
  return seeds;
}

}  // namespace heliograd::inline HELIOGRAD_ABI::physics
