// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cmath>
#include <cstddef>
#include <vector>

#include <heliograd/physics/remap.hpp>
#include "reference/warp.hpp"

namespace test::reference {

/// Longitude and latitude, radians.
struct Place {
  double longitude, latitude;
};

/// A point of a disk image on the Sun, by spherical trigonometry about the point below the observer: angle at the centre of the
/// Sun asin(D sin theta) - theta, position angle from solar north.
inline Place on_sun(heliograd::physics::DiskView const& view, double x, double y) {
  auto const& p = view.pointing();
  double const radians = 206264.80624709636;
  double const west = (p.xx * (x - p.center_x) + p.xy * (y - p.center_y)) / radians;
  double const north = (p.yx * (x - p.center_x) + p.yy * (y - p.center_y)) / radians;
  double const theta = std::atan(std::hypot(west, north));
  double const s = std::sin(theta) / std::sin(p.radius_arcsec / radians);
  if (s >= 1) return {NAN, NAN};
  double const psi = std::asin(s) - theta, chi = std::atan2(west, north);
  double const b = view.below_observer().latitude_rad;
  double const latitude = std::asin(std::sin(b) * std::cos(psi) + std::cos(b) * std::sin(psi) * std::cos(chi));
  double const turn =
      std::atan2(std::sin(psi) * std::sin(chi) * std::cos(b), std::cos(psi) - std::sin(b) * std::sin(latitude));
  return {view.below_observer().longitude_rad + turn, latitude};
}
inline Place on_sun(heliograd::physics::MapGrid const& grid, double x, double y) {
  double const row = grid.row + y * grid.row_step;
  bool const sine = grid.projection == heliograd::physics::MapProjection::equal_area;
  return {grid.longitude_rad + x * grid.longitude_step_rad, sine ? std::asin(row) : row};
}

/// Row and column; NaN on the far side.
inline heliograd::Position in_image(heliograd::physics::DiskView const& view, Place const& at) {
  auto const& p = view.pointing();
  double const radians = 206264.80624709636, b = view.below_observer().latitude_rad;
  double const distance = 1 / std::sin(p.radius_arcsec / radians);
  double const turn = at.longitude - view.below_observer().longitude_rad;
  double const psi =
      std::acos(std::sin(b) * std::sin(at.latitude) + std::cos(b) * std::cos(at.latitude) * std::cos(turn));
  if (std::cos(psi) <= 1 / distance) return {NAN, NAN};
  double const chi =
      std::atan2(std::cos(at.latitude) * std::sin(turn),
                 std::sin(at.latitude) * std::cos(b) - std::cos(at.latitude) * std::sin(b) * std::cos(turn));
  double const t = radians * std::sin(psi) / (distance - std::cos(psi));
  double const west = t * std::sin(chi), north = t * std::cos(chi), d = p.xx * p.yy - p.xy * p.yx;
  return {p.center_y + (p.xx * north - p.yx * west) / d, p.center_x + (p.yy * west - p.xy * north) / d};
}
inline heliograd::Position in_image(heliograd::physics::MapGrid const& grid, Place const& at) {
  double const turn = 2 * std::acos(-1.0);
  double const edge = grid.longitude_rad - 0.5 * grid.longitude_step_rad;
  double longitude = at.longitude;
  while (longitude < edge) longitude += turn;
  while (longitude >= edge + turn) longitude -= turn;
  bool const sine = grid.projection == heliograd::physics::MapProjection::equal_area;
  return {((sine ? std::sin(at.latitude) : at.latitude) - grid.row) / grid.row_step,
          (longitude - grid.longitude_rad) / grid.longitude_step_rad};
}

/// Each of samples x samples points of an output pixel read in the image, and averaged.
template <class Source, class Target>
auto remap(Source const& source, Target const& target, std::size_t height, std::size_t width,
           heliograd::physics::RemapOptions const& options) {
  return [=](std::vector<heliograd::testing::HostTensor> const& in) {
    auto x = in[0];
    std::size_t before = 0;
    if constexpr (requires { source.goes_round(); })
      if (source.goes_round()) {
        before = 3;
        std::size_t const n = x.shape[0], h = x.shape[1], w = x.shape[2], c = x.shape[3];
        auto wide = heliograd::testing::host_zeros({n, h, w + 6, c});
        for (std::size_t row = 0; row < n * h; ++row)
          for (std::size_t j = 0; j < w + 6; ++j)
            for (std::size_t k = 0; k < c; ++k)
              wide.values[(row * (w + 6) + j) * c + k] = x.values[(row * w + (j + w - 3) % w) * c + k];
        x = wide;
      }
    auto y = heliograd::testing::host_zeros({x.shape[0], height, width, x.shape[3]});
    double const n = static_cast<double>(options.samples);
    for (std::size_t i = 0; i < options.samples; ++i)
      for (std::size_t j = 0; j < options.samples; ++j) {
        auto const part = warp(
            x, height, width,
            [&](std::size_t, std::size_t p, std::size_t q) {
              Place at = on_sun(target, static_cast<double>(q) + (static_cast<double>(j) + 0.5) / n - 0.5,
                                static_cast<double>(p) + (static_cast<double>(i) + 0.5) / n - 0.5);
              double const s = std::sin(at.latitude);
              double const rate = options.rotation.a_rad_s + options.rotation.b_rad_s * s * s +
                                  options.rotation.c_rad_s * s * s * s * s;
              at.longitude -= (rate - 14.1844 * std::acos(-1.0) / 180 / 86400) * options.elapsed_s;
              auto position = in_image(source, at);
              position.x += static_cast<double>(before);
              return position;
            },
            options.sample);
        for (std::size_t k = 0; k < y.size(); ++k) y.values[k] += part.values[k] / (n * n);
      }
    return y;
  };
}

}  // namespace test::reference
