// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <cmath>
#include <cstddef>
#include <string>

#include <heliograd/base/error.hpp>
#include <heliograd/core/copy.hpp>
#include <heliograd/kernel/reduce.hpp>

/// \file
/// How the readings of one magnetograph relate to those of another: the straight line through their scatter, with rare
/// strong fields counting as much as common weak ones.
namespace heliograd::inline HELIOGRAD_ABI::physics {

/// The bins of field strength: linear below `threshold`, logarithmic above, symmetric about zero.
/// Math     \f$ k = \mathrm{round}\left( \mathrm{sign}(B)\, \log_{10}(\max(|B|, B_0) / B_0) / \Delta \right) \f$ with
///          \f$ B_0 \f$ = threshold, \f$ \Delta \f$ = step, and |B| clipped at limit.
struct FieldBins {
  double threshold = 60;  ///< gauss; everything weaker is in the middle bin
  double step = 0.15;     ///< width of a bin in log10
  double limit = 5000;    ///< gauss; everything stronger is in the outermost bins

  static constexpr int each_side = 13;
  static constexpr int count = 2 * each_side + 1;

  /// The bin of a field, 0 <= bin < count.
  KOKKOS_FUNCTION int operator()(double gauss) const {
    double const strength = Kokkos::fmin(Kokkos::fabs(gauss), limit);
    if (!(strength > threshold)) return each_side;
    int const k = static_cast<int>(Kokkos::log10(strength / threshold) / step + 0.5);
    int const clipped = k < each_side ? k : each_side;
    return gauss < 0 ? each_side - clipped : each_side + clipped;
  }
};

/// reading = offset + slope * reference
struct Calibration {
  double offset = 0;
  double slope = 1;
  std::size_t samples = 0;
};

enum class CalibrationWeights {
  by_bin,   ///< each sample counts 1 / (number of samples in the field bin of its reading)
  uniform,  ///< each sample counts 1
};

namespace detail {

template <class Scalar>
struct CountBins {
  Scalar const* reading;
  FieldBins bins;
  KOKKOS_FUNCTION void operator()(std::size_t, std::size_t i, kernel::Sums<FieldBins::count>& one) const {
    one[bins(static_cast<double>(reading[i]))] = 1;
  }
};
struct BinWeights {
  double* weight;
  bool uniform;
  KOKKOS_FUNCTION void operator()(std::size_t, kernel::Sums<FieldBins::count> const& counts) const {
    for (int k = 0; k < FieldBins::count; ++k) weight[k] = uniform ? 1.0 : counts[k] > 0 ? 1 / counts[k] : 0.0;
  }
};
template <class Scalar>
struct WeightedMeans {
  Scalar const* reading;
  Scalar const* reference;
  double const* weight;
  FieldBins bins;
  KOKKOS_FUNCTION void operator()(std::size_t, std::size_t i, kernel::Sums<3>& one) const {
    double const y = static_cast<double>(reading[i]);
    double const w = weight[bins(y)];
    one[0] = w;
    one[1] = w * static_cast<double>(reference[i]);
    one[2] = w * y;
  }
};
struct StoreMeans {
  double* out;
  KOKKOS_FUNCTION void operator()(std::size_t, kernel::Sums<3> const& s) const {
    out[0] = s[1] / s[0];
    out[1] = s[2] / s[0];
  }
};
template <class Scalar>
struct WeightedProducts {
  Scalar const* reading;
  Scalar const* reference;
  double const* weight;
  double const* mean;
  FieldBins bins;
  KOKKOS_FUNCTION void operator()(std::size_t, std::size_t i, kernel::Sums<2>& one) const {
    double const y = static_cast<double>(reading[i]);
    double const w = weight[bins(y)];
    double const dx = static_cast<double>(reference[i]) - mean[0];
    one[0] = w * dx * dx;
    one[1] = w * dx * (y - mean[1]);
  }
};
struct StoreLine {
  double* mean;
  double* line;
  KOKKOS_FUNCTION void operator()(std::size_t, kernel::Sums<2> const& s) const {
    line[1] = s[0] > 0 ? s[1] / s[0] : 0.0;
    line[0] = mean[1] - line[1] * mean[0];
  }
};

}  // namespace detail

/// Fits reading = offset + slope * reference by weighted least squares, in gauss.
///
/// For MDI against HMI (averaged to MDI's pixels) a slope near 1.3 is expected, 1.4 with uniform weights; near 0.7 for GONG.
///
/// Shapes   reading [h, w], reference [h, w]
/// Throws   ShapeError if the sizes differ; NumericalError if the reference is constant or a value is not finite.
/// Waits for the execution space.
template <class B>
Calibration fit_calibration(Workspace<B>& ws, ConstTensorRef<2, B> reading, ConstTensorRef<2, B> reference,
                            CalibrationWeights weights = CalibrationWeights::by_bin, FieldBins const& bins = {}) {
  expect_shape(shape_of(reading) == shape_of(reference), "fit_calibration: the reading has " +
                                                             to_string(shape_of(reading)) + ", the reference has " +
                                                             to_string(shape_of(reference)));
  using Scalar = typename B::scalar_type;
  auto scope = ws.scope();
  auto* const weight = scope.template take<double>(FieldBins::count);
  auto* const mean = scope.template take<double>(2);
  auto* const line = scope.template take<double>(2);
  std::size_t const n = reading.size();
  kernel::reduce<FieldBins::count>(ws, "heliograd::fit_calibration_bins", 1, n,
                                   detail::CountBins<Scalar>{reading.data(), bins},
                                   detail::BinWeights{weight, weights == CalibrationWeights::uniform});
  kernel::reduce<3>(ws, "heliograd::fit_calibration_means", 1, n,
                    detail::WeightedMeans<Scalar>{reading.data(), reference.data(), weight, bins},
                    detail::StoreMeans{mean});
  kernel::reduce<2>(ws, "heliograd::fit_calibration", 1, n,
                    detail::WeightedProducts<Scalar>{reading.data(), reference.data(), weight, mean, bins},
                    detail::StoreLine{mean, line});
  using Doubles = Kokkos::View<double const*, typename B::memory_space, Kokkos::MemoryTraits<Kokkos::Unmanaged>>;
  auto const found = to_host(ws.exec(), Doubles(line, 2));
  if (n == 0 || !std::isfinite(found[0]) || !std::isfinite(found[1]) || found[1] == 0)
    throw NumericalError("fit_calibration: no line fits (is the reference constant, or a value not finite?)");
  return {found[0], found[1], n};
}

}  // namespace heliograd::inline HELIOGRAD_ABI::physics
