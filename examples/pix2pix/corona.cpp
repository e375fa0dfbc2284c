// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "corona.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <numbers>

#include <heliograd/core/random.hpp>
#include <heliograd/kernel/fft.hpp>

namespace pix2pix {

namespace hg = heliograd;

namespace {

constexpr double aia_pixel_mm = 0.435;  // 0.6 arcsec
constexpr double aia_psf_mm = 0.4;      // standard deviation: 1.3 arcsec full width at half maximum

/// A batch of real rows, and their expansions in cosines or sines about half pixels.
class Rows {
 public:
  Rows(std::size_t count, std::size_t length) : count_(count), length_(length), pitch_(2 * length + 2) {
    values_.assign(count * pitch_, 0);
  }
  double& at(std::size_t row, std::size_t i) { return values_[row * pitch_ + i]; }

  /// Each row becomes its coefficients: x_i = sum_m c_m cos(pi m (i + 1/2) / n).
  void to_cosines(HostSpace& ws) {
    std::size_t const n = length_;
    for (std::size_t r = 0; r < count_; ++r)
      for (std::size_t i = 0; i < n; ++i) at(r, 2 * n - 1 - i) = at(r, i);
    hg::kernel::fft_forward(ws, values_.data(), count_, 2 * n, pitch_);
    ws.exec().fence("pix2pix::Rows");
    for (std::size_t r = 0; r < count_; ++r)
      for (std::size_t m = 0; m < n; ++m) {
        double const angle = std::numbers::pi * double(m) / double(2 * n);
        double const real = at(r, 2 * m), imaginary = at(r, 2 * m + 1);
        at(r, m) = (real * std::cos(angle) + imaginary * std::sin(angle)) / double(m == 0 ? 2 * n : n);
      }
  }
  /// And back, with sines in the place of cosines if asked for.
  void from_series(HostSpace& ws, bool sines) {
    std::size_t const n = length_;
    std::vector<double> c(n);
    for (std::size_t r = 0; r < count_; ++r) {
      for (std::size_t m = 0; m < n; ++m) c[m] = m == 0 ? at(r, m) : 0.5 * at(r, m);
      for (std::size_t m = 0; m < n; ++m) {
        double const angle = std::numbers::pi * double(m) / double(2 * n);
        at(r, 2 * m) = sines ? c[m] * std::sin(angle) : c[m] * std::cos(angle);
        at(r, 2 * m + 1) = sines ? -c[m] * std::cos(angle) : c[m] * std::sin(angle);
      }
      if (sines) at(r, 0) = at(r, 1) = 0;
      at(r, 2 * n) = at(r, 2 * n + 1) = 0;
    }
    hg::kernel::fft_inverse(ws, values_.data(), count_, 2 * n, pitch_);
    ws.exec().fence("pix2pix::Rows");
  }

 private:
  std::size_t count_, length_, pitch_;
  std::vector<double> values_;
};

/// The potential field above a plane on a grid of points, in pixels of the grid.
struct Volume {
  std::size_t height = 0, width = 0, depth = 0;
  double step_z = 1.5;
  std::vector<float> field;  // [depth][height][width][3]

  static std::size_t clipped(double& at, std::size_t size) {
    at = at < 0 ? 0 : at > double(size - 1) ? double(size - 1) : at;
    std::size_t const i = std::size_t(at);
    std::size_t const low = i + 1 < size ? i : size - 2;
    at -= double(low);
    return low;
  }
  std::array<double, 3> at(double x, double y, double z) const {
    z /= step_z;
    std::size_t const i = clipped(x, width), j = clipped(y, height), k = clipped(z, depth);
    float const* const p = field.data() + ((k * height + j) * width + i) * 3;
    std::size_t const row = width * 3, level = height * row;
    std::array<double, 3> b{};
    for (std::size_t c = 0; c < 3; ++c) {
      auto const line = [&](std::size_t from) {
        double const a = double(p[from + c]);
        return a + x * (double(p[from + 3 + c]) - a);
      };
      double const low = line(0) + y * (line(row) - line(0));
      double const high = line(level) + y * (line(level + row) - line(level));
      b[c] = low + z * (high - low);
    }
    return b;
  }
};

Volume potential_field(HostSpace& ws, Image const& field) {
  std::size_t const h = field.height, w = field.width;
  Volume v{h, w, 26, 1.5, {}};
  v.field.resize(v.depth * h * w * 3);
  Rows rows(h, w);
  double mean = 0;
  for (float const b : field.pixels) mean += double(b);
  mean /= double(h * w);  // what does not return is not there: the walls let nothing out
  for (std::size_t y = 0; y < h; ++y)
    for (std::size_t x = 0; x < w; ++x) rows.at(y, x) = double(field.at(y, x)) - mean;
  rows.to_cosines(ws);
  Rows columns(w, h);
  for (std::size_t y = 0; y < h; ++y)
    for (std::size_t x = 0; x < w; ++x) columns.at(x, y) = rows.at(y, x);
  columns.to_cosines(ws);
  std::vector<double> c(h * w);
  for (std::size_t n = 0; n < h; ++n)
    for (std::size_t m = 0; m < w; ++m) c[n * w + m] = columns.at(m, n);

  for (std::size_t k = 0; k < v.depth; ++k)
    for (std::size_t component = 0; component < 3; ++component) {
      for (std::size_t n = 0; n < h; ++n)
        for (std::size_t m = 0; m < w; ++m) {
          double const kx = std::numbers::pi * double(m) / double(w), ky = std::numbers::pi * double(n) / double(h);
          double const size = std::hypot(kx, ky);
          double const part = component == 2 ? 1 : size > 0 ? (component == 0 ? kx : ky) / size : 0;
          columns.at(m, n) = c[n * w + m] * part * std::exp(-size * v.step_z * double(k));
        }
      columns.from_series(ws, component == 1);
      for (std::size_t m = 0; m < w; ++m)
        for (std::size_t y = 0; y < h; ++y) rows.at(y, m) = columns.at(m, y);
      rows.from_series(ws, component == 0);
      for (std::size_t y = 0; y < h; ++y)
        for (std::size_t x = 0; x < w; ++x) v.field[((k * h + y) * w + x) * 3 + component] = float(rows.at(y, x));
    }
  return v;
}

constexpr std::size_t most_points = 700;
constexpr double line_step = 0.5;

/// Follows one field line from its foot; points are (x, y, z, |B|).
struct Trace {
  Volume const* volume;
  double const* feet;    // x, y
  float* points;         // [loop][most_points][4]
  std::size_t* lengths;  // points of each; 0: nothing to follow
  bool* closed;

  void operator()(std::size_t loop) const {
    Volume const& v = *volume;
    double x = feet[2 * loop], y = feet[2 * loop + 1], z = 0;
    double const sign = v.at(x, y, 0)[2] < 0 ? -1 : 1;
    float* const to = points + loop * most_points * 4;
    std::size_t n = 0;
    closed[loop] = false;
    auto const direction = [&](double px, double py, double pz, double& strength) {
      auto b = v.at(px, py, pz);
      strength = std::sqrt(b[0] * b[0] + b[1] * b[1] + b[2] * b[2]);
      double const scale = strength > 0 ? sign / strength : 0;
      for (double& c : b) c *= scale;
      return b;
    };
    double const top = v.step_z * double(v.depth - 1);
    for (; n < most_points; ++n) {
      double strength = 0, unused = 0;
      auto const first = direction(x, y, z, strength);
      if (!(strength > 0)) break;
      float* const point = to + 4 * n;
      point[0] = float(x), point[1] = float(y), point[2] = float(z), point[3] = float(strength);
      auto const middle = direction(x + 0.5 * line_step * first[0], y + 0.5 * line_step * first[1],
                                    z + 0.5 * line_step * first[2], unused);
      x += line_step * middle[0], y += line_step * middle[1], z += line_step * middle[2];
      if (z <= 0) {
        closed[loop] = n > 2;
        ++n;
        break;
      }
      if (z >= top) {
        ++n;
        break;
      }
    }
    lengths[loop] = n;
  }
};

double smoothstep(double from, double to, double x) {
  double const t = std::clamp((x - from) / (to - from), 0.0, 1.0);
  return t * t * (3 - 2 * t);
}

Image magnitude(Image field) {
  for (float& b : field.pixels) b = std::fabs(b);
  return field;
}

}  // namespace

std::vector<Passband> const& passbands() {
  // Peaks after Lemen et al. (2012), Table 1; the rest is of the size that AIA sees.
  static std::vector<Passband> const all{{"aia94", {1.1, 6.8}, {0.25, 1}, 0.14, 1.0, 0.25, 0, -0.6, 6},
                                         {"aia131", {0.56, 10}, {1, 0.4}, 0.16, 4, 0.35, 0, -0.6, 60},
                                         {"aia171", {0.8, 0}, {1, 0}, 0.14, 110, 0.25, 0, -0.6, 900},
                                         {"aia193", {1.5, 18}, {1, 0.05}, 0.15, 90, 0.25, 0, -0.7, 1000},
                                         {"aia211", {1.9, 0}, {1, 0}, 0.15, 30, 0.25, 0, -0.7, 600},
                                         {"aia304", {0.08, 0}, {1, 0}, 0.2, 22, 0.65, 0.2, -0.4, 0.6},
                                         {"aia335", {2.7, 0}, {1, 0}, 0.17, 2, 0.25, 0, -0.7, 180},
                                         {"aia1600", {0.1, 0}, {1, 0}, 0.15, 55, 0.42, 0.6, 0.45, 0.1},
                                         {"aia1700", {0, 0}, {0, 0}, 0.15, 850, 0.28, 0.75, 0.55, 0}};
  return all;
}

Passband const* passband_of(std::string const& channel) {
  for (Passband const& band : passbands())
    if (channel == band.channel) return &band;
  return nullptr;
}

double response(Passband const& band, double temperature_mk) {
  double sum = 0;
  for (int k = 0; k < 2; ++k) {
    if (!(band.peak_mk[k] > 0)) continue;
    double const d = std::log10(temperature_mk / band.peak_mk[k]) / band.width_dex;
    sum += band.share[k] * std::exp(-0.5 * d * d);
  }
  return sum;
}

std::vector<LoopPiece> loops_over(HostSpace& ws, Photosphere const& photosphere, CoronaOptions const& options) {
  Image const& field = photosphere.field;
  std::size_t const longest = std::max(field.height, field.width);
  std::size_t const bin = std::max<std::size_t>(1, (longest + options.coarse_side - 1) / options.coarse_side);
  Image const coarse = binned(field, bin);
  if (coarse.height < 4 || coarse.width < 4) return {};
  Volume const volume = potential_field(ws, coarse);

  // Feet, in proportion to |B|.
  std::vector<double> below(coarse.pixels.size());
  double total = 0;
  for (std::size_t i = 0; i < below.size(); ++i) below[i] = total += std::fabs(double(coarse.pixels[i]));
  if (!(total > 0)) return {};
  auto const count = std::size_t(double(field.pixels.size()) / options.pixels_per_loop) + 1;
  hg::Rng rng(options.seed);
  std::vector<double> feet(2 * count), chance(count);
  for (std::size_t k = 0; k < count; ++k) {
    auto const at = std::size_t(std::lower_bound(below.begin(), below.end(), rng.uniform() * total) - below.begin());
    std::size_t const i = std::min(at, below.size() - 1);
    feet[2 * k] = double(i % coarse.width) + rng.uniform(-0.5, 0.5);
    feet[2 * k + 1] = double(i / coarse.width) + rng.uniform(-0.5, 0.5);
    chance[k] = std::exp(options.spread * (rng.normal() - 0.5 * options.spread));  // its mean is 1
  }
  std::vector<float> points(count * most_points * 4);
  std::vector<std::size_t> lengths(count);
  auto const closed = std::make_unique<bool[]>(count);
  Kokkos::parallel_for("pix2pix::trace",
                       Kokkos::RangePolicy<Kokkos::DefaultHostExecutionSpace, Kokkos::IndexType<std::size_t>>(0, count),
                       Trace{&volume, feet.data(), points.data(), lengths.data(), closed.get()});
  Kokkos::fence("pix2pix::trace");

  double const mm = photosphere.pixel_mm * double(bin);  // per coarse pixel
  double const flux = total / double(count);             // of a loop, gauss coarse pixels
  double const to_fine = double(bin), first = 0.5 * (to_fine - 1);
  std::vector<LoopPiece> pieces;
  for (std::size_t k = 0; k < count; ++k) {
    std::size_t const n = lengths[k];
    if (n < 4) continue;
    float const* const p = points.data() + k * most_points * 4;
    double mean = 0;
    for (std::size_t i = 0; i < n; ++i) mean += double(p[4 * i + 3]);
    mean /= double(n);
    double const length = mm * line_step * double(n) * (closed[k] ? 1 : 4);  // open ones are long ones
    double const hottest = 1.7 * std::pow(mean / 100 * (length / 50) * chance[k], 2.0 / 7);
    double const dense = hottest * hottest / 4 * (50 / length);  // density at the top, of 2 MK and 50 Mm
    for (std::size_t i = 0; i < n; ++i) {
      double const from_foot =
          closed[k] ? double(std::min(i, n - 1 - i)) / (0.5 * double(n)) : double(i) / (2 * double(n));
      double const u = std::clamp(from_foot, 0.02, 1.0);
      double const temperature = hottest * std::pow(u * (2 - u), 0.35);
      double const height = mm * double(p[4 * i + 2]);
      double const density = dense * std::min(2.5, hottest / temperature) * std::exp(-height / (47 * hottest));
      double const area = flux / mean;  // coarse pixels
      pieces.push_back({float(first + to_fine * double(p[4 * i])), float(first + to_fine * double(p[4 * i + 1])),
                        float(height), float(temperature),
                        float(density * density * mm * line_step / 50 * area * to_fine * to_fine), i + 1 == n});
    }
  }
  return pieces;
}

Image lower_atmosphere(HostSpace& ws, Photosphere const& photosphere, Passband const& band) {
  Image const strength = magnitude(photosphere.field);
  Image result = smoothed(ws, strength, std::max(0.6, 1.0 / photosphere.pixel_mm));
  for (std::size_t i = 0; i < result.pixels.size(); ++i) {
    double const b = double(result.pixels[i]);
    double const spot = smoothstep(700, 1700, b);
    result.pixels[i] = static_cast<float>(band.quiet * (0.4 + 0.6 * std::pow(b / 10 + 0.02, band.exponent)) *
                                          (1 - band.spot_darkness * spot));
  }
  return result;
}

Image observed(HostSpace& ws, Image const& intensity, double pixel_mm, std::uint64_t seed) {
  Image const sharp = smoothed(ws, intensity, std::hypot(aia_psf_mm / pixel_mm, 0.35));
  Image const wings = smoothed(ws, intensity, 9 / pixel_mm);
  double const covered = std::max(1.0, (pixel_mm / aia_pixel_mm) * (pixel_mm / aia_pixel_mm));
  constexpr double exposure = 2, per_photon = 1, reading = 1.2;  // s, DN, DN
  hg::Rng rng(seed);
  hg::RandomStream const noise = rng.fork();
  Image result = intensity;
  for (std::size_t i = 0; i < result.pixels.size(); ++i) {
    double const seen = 0.96 * double(sharp.pixels[i]) + 0.04 * double(wings.pixels[i]);
    double const variance = per_photon * std::max(0.0, seen) * exposure + reading * reading;
    double const read = seen + std::sqrt(variance / covered) / exposure * noise.normal<double>(i);
    result.pixels[i] = static_cast<float>(std::max(0.0, read));
  }
  return result;
}

Image drawn_spots(HostSpace& ws, Photosphere const& photosphere, std::uint64_t seed) {
  std::size_t const h = photosphere.field.height, w = photosphere.field.width;
  hg::Rng rng(seed);
  // A hand that shakes: smooth displacements of about a pixel.
  auto const waver = [&] {
    hg::RandomStream const noise = rng.fork();
    Image offset(h, w);
    for (std::size_t i = 0; i < h * w; ++i) offset.pixels[i] = noise.normal<float>(i);
    offset = smoothed(ws, offset, 4);
    for (float& v : offset.pixels) v *= 14;
    return offset;
  };
  Image const dx = waver(), dy = waver();
  Image const strength = smoothed(ws, magnitude(photosphere.field), std::max(0.6, 0.7 / photosphere.pixel_mm));
  std::vector<double> positions(2 * h * w);
  for (std::size_t i = 0; i < h * w; ++i) {
    positions[2 * i] = double(i / w) + double(dy.pixels[i]);
    positions[2 * i + 1] = double(i % w) + double(dx.pixels[i]);
  }
  Image const moved = sampled(ws, strength, hg::PositionField<double>{positions.data(), h, w, false}, h, w);
  // Where pixels are wide, spots are mixed with what is around them.
  double const mixed = std::clamp(1.4 / photosphere.pixel_mm, 0.15, 1.0);
  Image ink(h, w);
  for (std::size_t y = 0; y < h; ++y)
    for (std::size_t x = 0; x < w; ++x) {
      double const b = double(moved.at(y, x)) / mixed;
      double const hatch = (x + y) % 3 == 0 ? 0.55 : 0.25;
      double const umbra = smoothstep(1050, 1350, b), penumbra = smoothstep(480, 620, b);
      ink.at(y, x) = static_cast<float>(std::max(umbra * 0.95, penumbra * hatch));
    }
  ink = smoothed(ws, ink, 0.5);
  hg::RandomStream const grain = rng.fork();
  for (std::size_t i = 0; i < h * w; ++i)
    ink.pixels[i] = std::clamp(ink.pixels[i] + 0.015f * grain.normal<float>(i), 0.f, 1.f);
  return ink;
}

}  // namespace pix2pix
