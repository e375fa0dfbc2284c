// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <cstddef>
#include <string>

#include <heliograd/metrics/average.hpp>
#include <heliograd/metrics/detail/measure.hpp>

namespace heliograd::inline HELIOGRAD_ABI::metrics {

namespace detail {
template <class T>
struct CloseTerm {
  MaskedPair<T> pair;
  double tolerance;
  KOKKOS_FUNCTION void operator()(std::size_t, std::size_t i, kernel::Sums<2>& one) const {
    double const t = static_cast<double>(pair.truth[i]);
    bool const counts = pair.valid(i) && t != 0;
    double const d = counts ? static_cast<double>(pair.prediction[i]) - t : 0.0;
    one[0] = counts ? 1.0 : 0.0;
    one[1] = counts && Kokkos::fabs(d) <= tolerance * Kokkos::fabs(t) ? 1.0 : 0.0;
  }
};
}  // namespace detail

/// The share of pixels whose prediction is off by no more than a share of the truth: PPE10 with 0.1, PPE50 with 0.5.
///
/// A pixel counts if it is finite in both images, positive in the mask if there is one, and if the truth is not zero.
/// Shapes   prediction, truth, mask [h, w].
/// Math     \f$ \langle |p - t| \le \tau |t| \rangle \f$, exact counts
/// Throws   ShapeError if the shapes differ; UsageError for a negative tolerance. Waits for the execution space.
template <class B>
Average close_share(Workspace<B>& ws, ConstTensorRef<2, B> prediction, ConstTensorRef<2, B> truth, double tolerance,
                    ConstTensorRef<2, B> mask = {}) {
  auto const pair = detail::masked_pair<B>("metrics::close_share", prediction, truth, mask);
  expect(tolerance >= 0,
         "metrics::close_share: the tolerance must not be negative (found " + std::to_string(tolerance) + ")");
  auto const s = detail::sums<2>(ws, "heliograd::metrics::close_share", 1, prediction.size(),
                                 detail::CloseTerm<typename B::scalar_type>{pair, tolerance})
                     .front();
  return {s[1], static_cast<std::size_t>(s[0])};
}

}  // namespace heliograd::inline HELIOGRAD_ABI::metrics
