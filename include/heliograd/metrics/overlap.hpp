// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <cstddef>
#include <limits>

#include <heliograd/metrics/detail/measure.hpp>

namespace heliograd::inline HELIOGRAD_ABI::metrics {

/// Two sets of pixels: what they share, and what they cover together. Those of several images add up.
struct Overlap {
  double both = 0;
  double either = 0;

  /// Jaccard's index, from 0 for nothing in common to 1 for equal sets; NaN if both are empty.
  double jaccard() const { return either > 0 ? both / either : std::numeric_limits<double>::quiet_NaN(); }
  /// The coefficient of Dice and Sørensen.
  double dice() const { return either > 0 ? 2 * both / (both + either) : std::numeric_limits<double>::quiet_NaN(); }
  Overlap& operator+=(Overlap const& other) {
    both += other.both;
    either += other.either;
    return *this;
  }
};

namespace detail {
template <class T>
struct OverlapTerm {
  MaskedPair<T> pair;
  T const* area;
  KOKKOS_FUNCTION void operator()(std::size_t, std::size_t i, kernel::Sums<2>& one) const {
    bool const counts = pair.valid(i) && (!area || area[i] > T(0));
    bool const p = counts && pair.prediction[i] > T(0);
    bool const t = counts && pair.truth[i] > T(0);
    double const a = counts && area ? static_cast<double>(area[i]) : 1.0;
    one[0] = p && t ? a : 0.0;
    one[1] = p || t ? a : 0.0;
  }
};
}  // namespace detail

/// How well two regions agree, such as open field and coronal holes: those where an image is positive, over all pixels that
/// count: finite in both, and positive in the mask if there is one.
/// Shapes   prediction, truth, mask, area [h, w].
/// Math     \f$ J = |P \cap T| / |P \cup T| \f$
/// Throws   ShapeError if the shapes differ. Waits for the execution space.
///
/// \param area of each pixel, for maps whose pixels are not alike; without it all are 1. Where it is not positive nothing counts.
template <class B>
Overlap overlap(Workspace<B>& ws, ConstTensorRef<2, B> prediction, ConstTensorRef<2, B> truth,
                ConstTensorRef<2, B> mask = {}, ConstTensorRef<2, B> area = {}) {
  auto const pair = detail::masked_pair<B>("metrics::overlap", prediction, truth, mask);
  if (area.data()) detail::expect_same_shape("metrics::overlap", prediction, "area", area);
  auto const s = detail::sums<2>(ws, "heliograd::metrics::overlap", 1, prediction.size(),
                                 detail::OverlapTerm<typename B::scalar_type>{pair, area.data()})
                     .front();
  return {s[0], s[1]};
}

}  // namespace heliograd::inline HELIOGRAD_ABI::metrics
