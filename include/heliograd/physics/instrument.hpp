// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

#include <heliograd/base/error.hpp>
#include <heliograd/core/copy.hpp>
#include <heliograd/core/random.hpp>
#include <heliograd/core/tensor.hpp>
#include <heliograd/kernel/launch.hpp>

/// \file
/// A coarser magnetograph looking at what a finer one has seen: the image is blurred by a point-spread function, displaced
/// by a fraction of a pixel, averaged over the coarser pixels, read with another calibration, and given noise. This turns
/// one fine image into as many training pairs as one likes.
namespace heliograd::inline HELIOGRAD_ABI::physics {

/// One state of the instrument. Lengths are in pixels of the fine image.
struct Instrument {
  double psf_sigma = 2.3;  ///< standard deviation of the Gaussian point-spread function
  double shift_y = 0;      ///< the scene is moved by this much before it is sampled
  double shift_x = 0;
  double slope = 1;        ///< reading per gauss of the fine instrument, for strong fields
  double weak_excess = 0;  ///< how much steeper weak fields are read: slope + weak_excess at zero field,
  double knee = 600;       ///< falling off as exp(-|field| / knee), in gauss
  double offset = 0;       ///< gauss, added to the reading
  double noise = 0;        ///< gauss, standard deviation per coarse pixel
};

/// From where to where the properties of an instrument range; `draw` picks a state, uniformly and independently.
struct InstrumentRange {
  double psf_sigma[2] = {1.8, 2.8};
  double shift[2] = {-0.25, 0.25};
  double slope[2] = {1.1, 1.42};
  double weak_excess[2] = {0, 0};
  double knee[2] = {600, 600};
  double offset[2] = {-0.3, 0.3};
  double noise[2] = {3, 11};

  Instrument draw(Rng& rng) const {
    auto const between = [&](double const(&range)[2]) { return rng.uniform(range[0], range[1]); };
    Instrument drawn;
    drawn.psf_sigma = between(psf_sigma);
    drawn.shift_y = between(shift);
    drawn.shift_x = between(shift);
    drawn.slope = between(slope);
    drawn.weak_excess = between(weak_excess);
    drawn.knee = between(knee);
    drawn.offset = between(offset);
    drawn.noise = between(noise);
    return drawn;
  }
};

/// SoHO/MDI full-disk magnetograms as seen from SDO/HMI: a width of 0.9 to 1.4 arcsec (HMI pixels of 0.504 arcsec), the
/// noise of one-minute and five-minute averages, and readings that saturate. On a same-time pair (AR 11101, 2010-08-30) MDI
/// reads 1.47 gauss per HMI gauss below 100 G, 1.39 at 300 G, 1.31 at 700 G and 1.24 at 1500 G: a slope of 1.22 with an excess
/// of 0.26 and a knee of 600 G. Regressions over whole disks give 1.3 to 1.4 (Liu et al. 2012).
inline InstrumentRange mdi_like() {
  InstrumentRange range;
  range.slope[0] = 1.12, range.slope[1] = 1.35;
  range.weak_excess[0] = 0, range.weak_excess[1] = 0.35;
  range.knee[0] = 300, range.knee[1] = 900;
  return range;
}

/// NSO/GONG full-disk magnetograms: seeing included, weaker readings, less noise.
inline InstrumentRange gong_like() {
  InstrumentRange range;
  range.psf_sigma[0] = 2.5, range.psf_sigma[1] = 4.5;
  range.slope[0] = 0.6, range.slope[1] = 0.8;
  range.noise[0] = 2, range.noise[1] = 6;
  return range;
}

namespace detail {

inline constexpr int most_taps = 96;

/// The share of each fine pixel k >= -reach in the coarse pixel that covers fine pixels 0 to factor-1.
struct CoarsePixel {
  int reach = 0;
  int taps = 0;
  double weight[most_taps]{};

  KOKKOS_FUNCTION CoarsePixel(int factor, double sigma, double shift) {
    reach = static_cast<int>(Kokkos::ceil(4 * sigma + Kokkos::fabs(shift)));
    int const most = (most_taps - factor) / 2;
    reach = reach < most ? reach : most;
    taps = factor + 2 * reach;
    double const scale = sigma > 1e-3 ? 1 / (sigma * 1.41421356237309504880) : 1e4;
    double total = 0;
    for (int t = 0; t < taps; ++t) {
      // The field of fine pixel k, moved by the shift and blurred about its centre, falls into [-1/2, factor - 1/2].
      double const at = static_cast<double>(t - reach) + shift;
      weight[t] = 0.5 * (Kokkos::erf((factor - 0.5 - at) * scale) - Kokkos::erf((-0.5 - at) * scale));
      total += weight[t];
    }
    for (int t = 0; t < taps; ++t) weight[t] /= total;
  }
};

/// One row of coarse pixels per work item.
template <class Scalar>
struct Observe {
  Scalar const* fine;
  Scalar* coarse;
  Instrument const* instruments;
  RandomStream noise;
  int factor;
  std::size_t margin, fine_h, fine_w, coarse_h, coarse_w;

  KOKKOS_FUNCTION void operator()(std::size_t item) const {
    std::size_t const n = item / coarse_h;
    auto const row = static_cast<long>(item % coarse_h);
    Instrument const& seen_by = instruments[n];
    CoarsePixel const across(factor, seen_by.psf_sigma, seen_by.shift_x);
    CoarsePixel const down(factor, seen_by.psf_sigma, seen_by.shift_y);
    Scalar const* const image = fine + n * fine_h * fine_w;
    long const y0 = static_cast<long>(margin) + row * factor - down.reach;
    for (std::size_t column = 0; column < coarse_w; ++column) {
      long const x0 = static_cast<long>(margin) + static_cast<long>(column) * factor - across.reach;
      double sum = 0;
      for (int i = 0; i < down.taps; ++i) {
        Scalar const* const line = image + within(y0 + i, fine_h) * fine_w;
        double part = 0;
        for (int j = 0; j < across.taps; ++j)
          part += across.weight[j] * static_cast<double>(line[within(x0 + j, fine_w)]);
        sum += down.weight[i] * part;
      }
      std::size_t const at = item * coarse_w + column;
      double const slope = seen_by.slope + seen_by.weak_excess * Kokkos::exp(-Kokkos::fabs(sum) / seen_by.knee);
      double reading = seen_by.offset + slope * sum;
      if (seen_by.noise > 0) reading += seen_by.noise * noise.template normal<double>(at);
      coarse[at] = static_cast<Scalar>(reading);
    }
  }

  KOKKOS_FUNCTION static std::size_t within(long i, std::size_t size) {
    long const last = static_cast<long>(size) - 1;
    return static_cast<std::size_t>(i < 0 ? 0 : i > last ? last : i);
  }
};

}  // namespace detail

struct ObserveOptions {
  int factor = 4;  ///< fine pixels along a side of a coarse one
  std::size_t margin =
      0;  ///< fine pixels on each side that are only there to be blurred in; outside them the edge repeats
};

/// What each instrument reads of its image.
///
/// Shapes   fine [n, h, w, 1] -> coarse [n, (h - 2*margin)/factor, (w - 2*margin)/factor, 1]; `instruments` has n entries
/// Math     \f$ b = \overline{(\text{fine} * \text{psf})}^{\,f \times f} \f$, the mean over the f*f fine pixels of a coarse one;
///          \f$ \text{coarse} = \text{offset} + (\text{slope} + \text{weak\_excess}\, e^{-|b|/\text{knee}})\, b +
///          \text{noise}\; \mathcal{N}(0, 1) \f$
/// Cost     (factor + 8*psf_sigma)^2 products per coarse pixel
/// Throws   ShapeError if the sizes do not fit together.
/// Noise is drawn from `noise` by the index of the coarse pixel, so the same stream gives the same reading.
template <class B>
void observe(Workspace<B>& ws, ConstTensorRef<4, B> fine, std::vector<Instrument> const& instruments,
             RandomStream const& noise, TensorRef<4, B> coarse, ObserveOptions const& options = {}) {
  auto const factor = static_cast<std::size_t>(options.factor);
  expect(options.factor >= 1 && options.factor <= 16, "observe: the factor must be between 1 and 16");
  std::size_t const h = fine.extent(1), w = fine.extent(2), m = options.margin;
  expect_shape(fine.extent(3) == 1 && h > 2 * m && w > 2 * m && (h - 2 * m) % factor == 0 && (w - 2 * m) % factor == 0,
               "observe: the fine image has " + to_string(shape_of(fine)) +
                   ", expected one channel and sides that are a " + "multiple of " + std::to_string(factor) +
                   " plus twice the margin of " + std::to_string(m));
  Shape<4> const expected{fine.extent(0), (h - 2 * m) / factor, (w - 2 * m) / factor, std::size_t{1}};
  expect_shape(shape_of(coarse) == expected,
               "observe: the coarse image has " + to_string(shape_of(coarse)) + ", expected " + to_string(expected));
  expect_shape(instruments.size() == fine.extent(0), "observe: " + std::to_string(instruments.size()) +
                                                         " instruments for " + std::to_string(fine.extent(0)) +
                                                         " images");
  if (coarse.size() == 0) return;
  auto scope = ws.scope();
  auto* const states = scope.template take<Instrument>(instruments.size());
  copy_flat<typename B::memory_space, Kokkos::HostSpace>(ws.exec(), states, instruments.data(), instruments.size());
  ws.exec().fence("heliograd::observe");  // the caller's vector may go away
  using Scalar = typename B::scalar_type;
  kernel::for_each_item(ws, "heliograd::observe", fine.extent(0) * expected[1],
                        detail::Observe<Scalar>{fine.data(), coarse.data(), states, noise, options.factor, m, h, w,
                                                expected[1], expected[2]});
}

}  // namespace heliograd::inline HELIOGRAD_ABI::physics
