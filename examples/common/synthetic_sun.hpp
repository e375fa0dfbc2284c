// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include <heliograd/core/random.hpp>
#include <heliograd/physics/disk.hpp>

/// \file
/// A made-up full-disk magnetogram, for demonstrations and tests where no real one is at hand. Every number that comes from
/// it is synthetic and must be called so.
///
/// On a sphere it places: a network of small flux concentrations along the borders of supergranules, of mixed polarity;
/// bipolar active regions in two belts of latitude, tilted and led by opposite polarities north and south, each with
/// spots, crumbling plage and fields dispersed towards the pole. What is radial on the sphere is seen along the line of
/// sight, foreshortened, with the noise of a magnetograph. There is no physics in it beyond that geometry.
namespace examples {

struct SyntheticSunOptions {
  std::size_t size = 1024;      ///< pixels along a side
  double radius_share = 0.477;  ///< radius of the disk as a share of the side
  double noise_gauss = 9;       ///< standard deviation per pixel
  int active_regions = 7;
  int supergranules = 3000;      ///< over the whole sphere
  int network_elements = 60000;  ///< over the whole sphere
  double psf_pixels = 0.9;       ///< standard deviation of the blur, in pixels
  double b0_deg = 6;             ///< latitude of disk centre
  std::uint64_t seed = 1;
};

struct SyntheticSun {
  std::size_t size = 0;
  heliograd::physics::Pointing pointing;
  std::vector<float> gauss;  ///< [size][size], first row south, NaN beyond the limb
};

namespace detail {

using Vector = std::array<double, 3>;  // x to the west limb, y to the north, z to the observer

inline double dot(Vector const& a, Vector const& b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }

class SyntheticSunMaker {
 public:
  explicit SyntheticSunMaker(SyntheticSunOptions const& options) : options_(options), rng_(options.seed) {
    sun_.size = options.size;
    double const side = static_cast<double>(options.size);
    sun_.pointing.center_x = sun_.pointing.center_y = 0.5 * (side - 1);
    double const scale = sun_.pointing.radius_arcsec / (options.radius_share * side);
    sun_.pointing.xx = sun_.pointing.yy = scale;
    radius_ = sun_.pointing.radius_pixels();
    sun_.gauss.assign(options.size * options.size, 0);
    radial_.assign(options.size * options.size, 0);
  }

  SyntheticSun make() {
    network();
    for (int i = 0; i < options_.active_regions; ++i) active_region(i);
    blur();
    observe();
    return std::move(sun_);
  }

 private:
  Vector place(double latitude, double longitude) const {
    double const b0 = options_.b0_deg * degree;
    double const x = std::cos(latitude) * std::sin(longitude);
    double const y = std::sin(latitude) * std::cos(b0) - std::cos(latitude) * std::cos(longitude) * std::sin(b0);
    double const z = std::sin(latitude) * std::sin(b0) + std::cos(latitude) * std::cos(longitude) * std::cos(b0);
    return {x, y, z};
  }

  Vector anywhere() {
    double const z = rng_.uniform(-1, 1);
    double const angle = rng_.uniform(0, 6.283185307179586);
    double const rho = std::sqrt(1 - z * z);
    return {rho * std::cos(angle), rho * std::sin(angle), z};
  }

  /// Adds a round concentration of radial field: `peak` gauss, of width `sigma` solar radii on the sphere.
  void add(Vector const& at, double peak, double sigma) {
    if (at[2] < -0.1) return;
    double const reach = 4 * sigma * radius_ + 2;
    double const cx = sun_.pointing.center_x + radius_ * at[0];
    double const cy = sun_.pointing.center_y + radius_ * at[1];
    auto const bound = [&](double value) {
      return static_cast<std::size_t>(std::clamp(value, 0.0, static_cast<double>(options_.size)));
    };
    std::size_t const y1 = bound(cy + reach + 1), x1 = bound(cx + reach + 1);
    for (std::size_t y = bound(cy - reach); y < y1; ++y)
      for (std::size_t x = bound(cx - reach); x < x1; ++x) {
        double const px = (static_cast<double>(x) - sun_.pointing.center_x) / radius_;
        double const py = (static_cast<double>(y) - sun_.pointing.center_y) / radius_;
        double const r2 = px * px + py * py;
        if (r2 >= 1) continue;
        Vector const here{px, py, std::sqrt(1 - r2)};
        double const distance2 = 2 - 2 * dot(here, at);  // chord length squared
        double const exponent = distance2 / (2 * sigma * sigma);
        if (exponent < 12) radial_[y * options_.size + x] += static_cast<float>(peak * std::exp(-exponent));
      }
  }

  /// Small concentrations where two supergranules meet. Patches of one polarity prevail over patches of the other, as flux
  /// from old regions does.
  void network() {
    std::vector<Vector> cells(static_cast<std::size_t>(options_.supergranules));
    for (Vector& cell : cells) cell = anywhere();
    std::array<Vector, 12> patches;
    for (Vector& patch : patches) patch = anywhere();
    double const cell_radius = 2 / std::sqrt(static_cast<double>(options_.supergranules));
    for (int i = 0; i < options_.network_elements; ++i) {
      Vector const at = anywhere();
      if (at[2] < -0.1) continue;
      double first = 9, second = 9;
      for (Vector const& cell : cells) {
        double const d2 = 2 - 2 * dot(at, cell);
        if (d2 < first)
          second = first, first = d2;
        else if (d2 < second)
          second = d2;
      }
      double const gap = (std::sqrt(second) - std::sqrt(first)) / cell_radius;
      if (gap > 0.12 && rng_.uniform() > 0.06) continue;  // inside a cell only the odd one
      double bias = 0;
      for (std::size_t k = 0; k < patches.size(); ++k)
        bias += (k % 2 == 0 ? 1.0 : -1.0) * std::exp(-(2 - 2 * dot(at, patches[k])) / 0.12);
      double const sign = rng_.uniform(-1, 1) + 0.8 * bias > 0 ? 1 : -1;
      double const peak = 40 - 110 * std::log(1 - rng_.uniform());  // exponentially rare strong ones
      add(at, sign * std::min(peak, 900.0), 0.0014 + 0.0012 * rng_.uniform());
    }
  }

  /// A tilted bipole with spots, plage and dispersed field.
  void active_region(int number) {
    double const hemisphere = number % 2 == 0 ? 1 : -1;
    double const latitude = hemisphere * rng_.uniform(8, 27) * degree;
    double const longitude = rng_.uniform(-65, 65) * degree;
    double const size = 0.02 + 0.05 * rng_.uniform() * rng_.uniform() + 0.02 * rng_.uniform();  // half separation
    double const tilt = hemisphere * (0.5 * std::abs(latitude) + rng_.normal() * 8 * degree);
    double const leading = hemisphere;  // polarity of the western part
    double const strength = 0.55 + 0.45 * rng_.uniform();
    auto const spot_at = [&](double along, double across) {
      double const west = along * std::cos(tilt) + across * std::sin(tilt);
      double const north = -along * std::sin(tilt) + across * std::cos(tilt);
      return place(latitude + north, longitude + west / std::cos(latitude));
    };
    for (int part = 0; part < 2; ++part) {
      double const side = part == 0 ? 1 : -1;  // leading, following
      double const polarity = leading * side;
      // The leading spot is compact, the following polarity falls into several.
      int const spots = part == 0 ? 1 + int(rng_.below(2)) : 2 + int(rng_.below(4));
      for (int i = 0; i < spots; ++i) {
        double const spread = part == 0 ? 0.15 : 0.4;
        Vector const at = spot_at(size * (side + spread * rng_.normal()), size * spread * rng_.normal());
        double const sigma = size * (part == 0 ? 0.20 : 0.12) * (0.7 + 0.6 * rng_.uniform());
        add(at, polarity * strength * (part == 0 ? 2000 : 1500), sigma);
        // A ragged rim of smaller pieces.
        for (int k = 0; k < 14; ++k) {
          double const a = rng_.uniform(0, 6.283185307179586);
          double const d = sigma * (1.4 + 0.8 * rng_.uniform());
          Vector rim = at;
          rim[0] += d * std::cos(a), rim[1] += d * std::sin(a);
          double const norm = std::sqrt(dot(rim, rim));
          for (double& c : rim) c /= norm;
          add(rim, polarity * strength * rng_.uniform(100, 600), sigma * rng_.uniform(0.15, 0.35));
        }
      }
      int const plage = static_cast<int>(6000 * size);
      for (int i = 0; i < plage; ++i) {
        double const sign = rng_.uniform() < 0.9 ? polarity : -polarity;
        Vector const at = spot_at(size * (side * 0.95 + 0.75 * rng_.normal()), size * 0.65 * rng_.normal());
        add(at, sign * strength * (80 - 190 * std::log(1 - rng_.uniform())), 0.0014 + 0.0018 * rng_.uniform());
      }
    }
    // Old following flux on its way to the pole.
    for (int i = 0; i < 220; ++i) {
      double const across = hemisphere * size * (1.5 + 2.5 * rng_.uniform());
      Vector const at = spot_at(size * (-1.5 - 2.0 * rng_.uniform() + rng_.normal()), across + size * rng_.normal());
      add(at, -leading * (40 - 90 * std::log(1 - rng_.uniform())), 0.0014 + 0.0012 * rng_.uniform());
    }
  }

  /// The instrument's blur, along rows and columns.
  void blur() {
    int const reach = static_cast<int>(std::ceil(4 * options_.psf_pixels));
    std::vector<double> weight(static_cast<std::size_t>(2 * reach + 1));
    double total = 0;
    for (int k = -reach; k <= reach; ++k) {
      double const w = std::exp(-0.5 * k * k / std::max(1e-6, options_.psf_pixels * options_.psf_pixels));
      weight[static_cast<std::size_t>(k + reach)] = w;
      total += w;
    }
    auto const n = static_cast<std::ptrdiff_t>(options_.size);
    std::vector<float> between(radial_.size());
    auto const pass = [&](std::vector<float> const& from, std::vector<float>& to, std::ptrdiff_t step_y,
                          std::ptrdiff_t step_x) {
      for (std::ptrdiff_t y = 0; y < n; ++y)
        for (std::ptrdiff_t x = 0; x < n; ++x) {
          double sum = 0;
          for (int k = -reach; k <= reach; ++k) {
            std::ptrdiff_t const fy = std::clamp<std::ptrdiff_t>(y + k * step_y, 0, n - 1);
            std::ptrdiff_t const fx = std::clamp<std::ptrdiff_t>(x + k * step_x, 0, n - 1);
            sum += weight[static_cast<std::size_t>(k + reach)] *
                   static_cast<double>(from[static_cast<std::size_t>(fy * n + fx)]);
          }
          to[static_cast<std::size_t>(y * n + x)] = static_cast<float>(sum / total);
        }
    };
    pass(radial_, between, 0, 1);
    pass(between, radial_, 1, 0);
  }

  /// Along the line of sight, with noise that grows towards the limb, where there is less light.
  void observe() {
    heliograd::RandomStream const noise = rng_.fork();
    for (std::size_t y = 0; y < options_.size; ++y)
      for (std::size_t x = 0; x < options_.size; ++x) {
        std::size_t const i = y * options_.size + x;
        double const mu = sun_.pointing.mu(static_cast<double>(x), static_cast<double>(y));
        if (mu <= 0) {
          sun_.gauss[i] = std::numeric_limits<float>::quiet_NaN();
          continue;
        }
        double const light = 0.4 + 0.6 * mu;
        double const strength = static_cast<double>(radial_[i]);
        double const kept =
            strength / std::sqrt(1 + (strength / 3500) * (strength / 3500));  // overlapping pieces saturate
        sun_.gauss[i] =
            static_cast<float>(mu * kept + options_.noise_gauss / std::sqrt(light) * noise.normal<double>(i));
      }
  }

  static constexpr double degree = 3.14159265358979323846 / 180;

  SyntheticSunOptions options_;
  heliograd::Rng rng_;
  SyntheticSun sun_;
  double radius_ = 0;
  std::vector<float> radial_;
};

}  // namespace detail

/// Makes the magnetogram; the same options give the same pixels. Takes a second or two at 1024 pixels.
inline SyntheticSun synthetic_sun(SyntheticSunOptions const& options) {
  return detail::SyntheticSunMaker(options).make();
}

}  // namespace examples
