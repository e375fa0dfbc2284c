// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <cstddef>
#include <limits>
#include <string>
#include <vector>

#include <heliograd/kernel/fft.hpp>
#include <heliograd/kernel/reduce_by_key.hpp>
#include <heliograd/metrics/detail/measure.hpp>
#include <heliograd/metrics/uniform_bins.hpp>

/// \file
/// How the variance of an image is spread over sizes. Needs the component heliograd::fft.
namespace heliograd::inline HELIOGRAD_ABI::metrics {

struct PowerSpectrumOptions {
  int bins = 32;      ///< rings of equal width from frequency 0 to 1/2 cycle a pixel
  bool taper = true;  ///< under a Hann window, so that opposite borders need not meet
};

/// The variance of an image in rings of spatial frequency. Spectra over the same rings add up, to be divided by their number.
struct PowerSpectrum {
  UniformBins rings{0, 0.5, 0};    ///< cycles per pixel
  std::vector<double> variance;    ///< in each ring
  std::vector<std::size_t> modes;  ///< waves in each ring, either direction counted
  double corners = 0;              ///< the variance beyond 1/2 cycle a pixel, in waves along the diagonals

  double total() const {
    double sum = corners;
    for (double const v : variance) sum += v;
    return sum;
  }
  /// The mean variance of a wave in a ring; NaN where there is none.
  double per_mode(std::size_t ring) const {
    return modes[ring] > 0 ? variance[ring] / static_cast<double>(modes[ring])
                           : std::numeric_limits<double>::quiet_NaN();
  }
  /// The share of the variance in the rings from this frequency on, and in the corners: of fine detail, and noise.
  double share_above(double frequency) const {
    double sum = corners;
    for (std::size_t k = 0; k < variance.size(); ++k)
      if (rings.center(static_cast<int>(k)) >= frequency) sum += variance[k];
    double const all = total();
    return all > 0 ? sum / all : std::numeric_limits<double>::quiet_NaN();
  }
  /// Throws UsageError if the rings differ.
  PowerSpectrum& operator+=(PowerSpectrum const& other) {
    expect(rings == other.rings && modes == other.modes,
           "metrics::PowerSpectrum: only spectra of images of one size over the same rings add up");
    for (std::size_t k = 0; k < variance.size(); ++k) variance[k] += other.variance[k];
    corners += other.corners;
    return *this;
  }
};

namespace detail {

/// The product of Hann windows along both axes, or 1.
struct Taper {
  std::size_t height, width;
  bool on;
  KOKKOS_FUNCTION static double hann(std::size_t i, std::size_t count) {
    double const s = Kokkos::sin(3.14159265358979323846 * (static_cast<double>(i) + 0.5) / static_cast<double>(count));
    return s * s;
  }
  KOKKOS_FUNCTION double operator()(std::size_t i) const {
    return on ? hann(i / width, height) * hann(i % width, width) : 1.0;
  }
};

template <class T>
struct TaperedMean {
  MaskedImage<T> image;
  Taper taper;
  KOKKOS_FUNCTION void operator()(std::size_t, std::size_t i, kernel::Sums<3>& one) const {
    bool const counts = image.valid(i);
    double const w = counts ? taper(i) : 0.0;
    one[0] = w;
    one[1] = w * w;
    one[2] = counts ? w * static_cast<double>(image.x[i]) : 0.0;
  }
};

/// The image about its mean, under the window, as rows for the transform; zero where a pixel does not count.
template <class T>
struct TaperedRows {
  MaskedImage<T> image;
  Taper taper;
  double mean;
  std::size_t pitch;
  double* rows;
  KOKKOS_FUNCTION void operator()(std::size_t i) const {
    rows[i / taper.width * pitch + i % taper.width] =
        image.valid(i) ? taper(i) * (static_cast<double>(image.x[i]) - mean) : 0.0;
  }
};

/// The spectra of the rows, turned: for each wave along x a row of real and a row of imaginary parts.
struct TurnedSpectra {
  double const* rows;
  double* columns;
  std::size_t height, pitch, column_pitch;
  KOKKOS_FUNCTION void operator()(std::size_t i) const {
    std::size_t const part = i / height, y = i % height;
    columns[part * column_pitch + y] = rows[y * pitch + part];
  }
};

/// Key: the ring of a wave, or one more for the corners.
struct RingTerm {
  double const* columns;
  std::size_t height, width, column_pitch;
  UniformBins rings;
  KOKKOS_FUNCTION std::ptrdiff_t operator()(std::size_t i, kernel::Sums<2>& one) const {
    std::size_t const kx = i / height, ky = i % height;
    bool const folded = 2 * ky > height;
    std::size_t const m = folded ? height - ky : ky;
    double const* const a = columns + 2 * kx * column_pitch + 2 * m;
    double const* const b = a + column_pitch;
    double const ai = folded ? -a[1] : a[1];
    double const bi = folded ? -b[1] : b[1];
    double const real = a[0] - bi, imaginary = ai + b[0];
    double const sides = kx == 0 || 2 * kx == width ? 1.0 : 2.0;  // the wave of -kx has the same power
    one[0] = sides * (real * real + imaginary * imaginary);
    one[1] = sides;
    double const fx = static_cast<double>(kx) / static_cast<double>(width);
    double const fy = static_cast<double>(m) / static_cast<double>(height);
    int const ring = rings(Kokkos::sqrt(fx * fx + fy * fy));
    return ring < 0 ? rings.count : ring;
  }
};

}  // namespace detail

/// The power spectrum of an image about its mean, over all pixels that count: finite, and positive in the mask if there is one.
/// The others are set to the mean.
/// Shapes   image, mask [h, w].
/// Math     \f$ P(f) = |\sum_i w_i (x_i - \bar x) e^{-2 \pi i f \cdot r_i}|^2 / (h w \sum w_i^2) \f$, so that all of it sums to the variance
/// Throws   ShapeError if the shapes differ; UsageError without rings; NumericalError if no pixel counts. Waits for the
///          execution space.
template <class B>
PowerSpectrum power_spectrum(Workspace<B>& ws, ConstTensorRef<2, B> image, PowerSpectrumOptions const& options = {},
                             ConstTensorRef<2, B> mask = {}) {
  using T = typename B::scalar_type;
  constexpr char const* label = "heliograd::metrics::power_spectrum";
  auto const masked = detail::masked_image<B>("metrics::power_spectrum", image, mask);
  expect(options.bins > 0, "metrics::power_spectrum: it needs at least one ring");
  std::size_t const h = image.extent(0), w = image.extent(1), waves = w / 2 + 1;
  detail::Taper const taper{h, w, options.taper};
  auto const s = detail::sums<3>(ws, label, 1, image.size(), detail::TaperedMean<T>{masked, taper}).front();
  if (!(s[0] > 0)) throw NumericalError("metrics::power_spectrum: no pixel counts");

  std::size_t const pitch = (w + 3) / 2 * 2, column_pitch = (h + 3) / 2 * 2;
  std::size_t const rings = static_cast<std::size_t>(options.bins);
  auto scope = ws.scope();
  auto* const rows = scope.template take<double>(h * pitch);
  auto* const columns = scope.template take<double>(2 * waves * column_pitch);
  auto* const totals = scope.template take<kernel::Sums<2>>(rings + 1);
  kernel::for_each_element(ws, label, image.size(), detail::TaperedRows<T>{masked, taper, s[2] / s[0], pitch, rows});
  kernel::fft_forward(ws, rows, h, w, pitch);
  kernel::for_each_element(ws, label, 2 * waves * h, detail::TurnedSpectra{rows, columns, h, pitch, column_pitch});
  kernel::fft_forward(ws, columns, 2 * waves, h, column_pitch);
  PowerSpectrum result{{0, 0.5, options.bins}, {}, {}, 0};
  kernel::reduce_by_key<2>(ws, label, waves * h, rings + 1, detail::RingTerm{columns, h, w, column_pitch, result.rings},
                           totals);
  auto const found = detail::fetch<B, kernel::Sums<2>>(ws, totals, rings + 1);
  double const scale = 1 / (static_cast<double>(image.size()) * s[1]);
  for (std::size_t k = 0; k < rings; ++k) {
    result.variance.push_back(scale * found[k][0]);
    result.modes.push_back(static_cast<std::size_t>(found[k][1]));
  }
  result.corners = scale * found[rings][0];
  return result;
}

}  // namespace heliograd::inline HELIOGRAD_ABI::metrics
