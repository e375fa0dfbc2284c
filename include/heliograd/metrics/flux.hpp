// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <cmath>
#include <cstddef>
#include <limits>
#include <string>

#include <heliograd/kernel/launch.hpp>
#include <heliograd/metrics/detail/measure.hpp>

namespace heliograd::inline HELIOGRAD_ABI::metrics {

/// The magnetic flux through the pixels of an image, in maxwell if the area is in cm^2 and the field in gauss.
struct Flux {
  double net = 0;             ///< \f$ A \sum B \f$
  double total_unsigned = 0;  ///< \f$ A \sum |B| \f$: total unsigned magnetic flux
  double positive = 0;        ///< the part of net from positive fields
  double negative = 0;        ///< and from negative ones, as a number below zero
  std::size_t count = 0;      ///< pixels counted

  /// The mean of |B| times the area; NaN if no pixel counts.
  double mean_unsigned() const {
    return count > 0 ? total_unsigned / static_cast<double>(count) : std::numeric_limits<double>::quiet_NaN();
  }
  Flux& operator+=(Flux const& other) {
    net += other.net;
    total_unsigned += other.total_unsigned;
    positive += other.positive;
    negative += other.negative;
    count += other.count;
    return *this;
  }
};

struct FluxOptions {
  double pixel_area = 1;  ///< of every pixel; for a disk seen in perspective take the sum of a signed_flux map
  double threshold = 0;   ///< only pixels with |B| above it are counted, as is usual for the total unsigned flux
};

namespace detail {

template <class T>
struct FluxTerm {
  MaskedImage<T> image;
  double threshold;
  KOKKOS_FUNCTION void operator()(std::size_t, std::size_t i, kernel::Sums<3>& one) const {
    double const b = image.valid(i) ? static_cast<double>(image.x[i]) : 0.0;
    bool const counts = image.valid(i) && (threshold <= 0 || b > threshold || b < -threshold);
    one[0] = counts ? 1.0 : 0.0;
    one[1] = counts && b > 0 ? b : 0.0;
    one[2] = counts && b < 0 ? b : 0.0;
  }
};

template <class T>
struct SignedFlux {
  T const* field;
  T const* mu;  ///< null: disk centre everywhere
  double area;
  T* flux;
  KOKKOS_FUNCTION void operator()(std::size_t i) const {
    double const m = mu ? static_cast<double>(mu[i]) : 1.0;
    double const b = static_cast<double>(field[i]);
    flux[i] = m > 0 ? static_cast<T>(b / m * (area / m)) : Kokkos::Experimental::quiet_NaN_v<T>;
  }
};

}  // namespace detail

/// Sums of a line-of-sight field over all pixels that count: finite, and positive in the mask if there is one.
/// Shapes   field, mask [h, w].
/// Throws   ShapeError if the shapes differ. Waits for the execution space.
template <class B>
Flux flux(Workspace<B>& ws, ConstTensorRef<2, B> field, FluxOptions const& options = {},
          ConstTensorRef<2, B> mask = {}) {
  auto const image = detail::masked_image<B>("metrics::flux", field, mask);
  auto const s = detail::sums<3>(ws, "heliograd::metrics::flux", 1, field.size(),
                                 detail::FluxTerm<typename B::scalar_type>{image, options.threshold})
                     .front();
  double const a = options.pixel_area;
  return {a * (s[1] + s[2]), a * (s[1] - s[2]), a * s[1], a * s[2], static_cast<std::size_t>(s[0])};
}

/// The radial flux through every pixel of a disk, from its line-of-sight field.
/// Shapes   field, mu, result [h, w].
/// Math     \f$ \phi = \frac{B}{\mu} \cdot \frac{A}{\mu} \f$, \f$\mu\f$ the cosine of the angle from disk centre and A the area
///          of a pixel there; NaN where \f$ \mu \le 0 \f$, off the disk.
/// Throws   ShapeError if the shapes differ.
///
/// \param mu may be empty: then the field is taken as seen from above.
template <class B>
void signed_flux(Workspace<B>& ws, ConstTensorRef<2, B> field, ConstTensorRef<2, B> mu, double pixel_area,
                 TensorRef<2, B> result) {
  using T = typename B::scalar_type;
  if (mu.data()) detail::expect_same_shape("metrics::signed_flux", field, "mu", mu);
  detail::expect_same_shape("metrics::signed_flux", field, "result", ConstTensorRef<2, B>(result));
  kernel::for_each_element(ws, "heliograd::metrics::signed_flux", field.size(),
                           detail::SignedFlux<T>{field.data(), mu.data(), pixel_area, result.data()});
}

}  // namespace heliograd::inline HELIOGRAD_ABI::metrics
