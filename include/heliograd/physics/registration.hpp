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
/// The shift between two images of the same scene.
namespace heliograd::inline HELIOGRAD_ABI::physics {

/// By how much `moving` must be moved to lie on `fixed`: moving(y - dy, x - dx) resembles fixed(y, x).
struct Shift {
  double dy = 0;     ///< rows, between pixels
  double dx = 0;     ///< columns, between pixels
  int whole_dy = 0;  ///< the best shift by whole pixels
  int whole_dx = 0;
  double correlation = 0;  ///< Pearson correlation at the best whole shift
  bool inside = false;     ///< the peak lies inside the searched window; otherwise the shift means nothing
};

struct RegistrationOptions {
  int search = 8;  ///< the largest shift tried, in pixels
};

namespace detail {

/// The five sums of a correlation coefficient, about given means, for one trial shift per segment.
template <class Scalar>
struct ShiftedProducts {
  Scalar const* moving;
  Scalar const* fixed;
  std::size_t width;        // of both images
  std::size_t inner_width;  // of the part compared
  int search;
  double mean_moving, mean_fixed;

  KOKKOS_FUNCTION void operator()(std::size_t segment, std::size_t i, kernel::Sums<5>& one) const {
    auto const side = static_cast<std::size_t>(2 * search + 1);
    std::size_t const margin = static_cast<std::size_t>(search);
    std::size_t const y = i / inner_width + margin;
    std::size_t const x = i % inner_width + margin;
    // The trial shift is (segment / side - search, segment % side - search).
    std::size_t const from_y = y + margin - segment / side;
    std::size_t const from_x = x + margin - segment % side;
    double const a = static_cast<double>(moving[from_y * width + from_x]) - mean_moving;
    double const b = static_cast<double>(fixed[y * width + x]) - mean_fixed;
    one[0] = a;
    one[1] = b;
    one[2] = a * a;
    one[3] = b * b;
    one[4] = a * b;
  }
};

struct StoreCorrelation {
  double* out;
  double count;
  KOKKOS_FUNCTION void operator()(std::size_t segment, kernel::Sums<5> const& s) const {
    double const va = s[2] - s[0] * s[0] / count;
    double const vb = s[3] - s[1] * s[1] / count;
    double const cov = s[4] - s[0] * s[1] / count;
    out[segment] = va > 0 && vb > 0 ? cov / Kokkos::sqrt(va * vb) : 0.0;
  }
};

template <class Scalar>
struct TwoSums {
  Scalar const* a;
  Scalar const* b;
  KOKKOS_FUNCTION void operator()(std::size_t, std::size_t i, kernel::Sums<2>& one) const {
    one[0] = static_cast<double>(a[i]);
    one[1] = static_cast<double>(b[i]);
  }
};
struct StoreTwo {
  double* out;
  KOKKOS_FUNCTION void operator()(std::size_t, kernel::Sums<2> const& s) const {
    out[0] = s[0];
    out[1] = s[1];
  }
};

/// Where the parabola through three samples at -1, 0, 1 has its top, if the middle one is the largest.
inline double parabola_top(double left, double middle, double right) {
  double const curvature = left - 2 * middle + right;
  return curvature < 0 ? 0.5 * (left - right) / curvature : 0.0;
}

}  // namespace detail

/// Finds the shift that makes two images correlate best, by trying all whole shifts in a window and fitting a parabola
/// through the peak in each direction. The part of `fixed` at least `search` pixels away from the edge is compared.
///
/// Shapes   moving [h, w], fixed [h, w], h and w at least 2*search + 4
/// Cost     (2*search + 1)^2 * h * w products
/// Throws   ShapeError if the images differ in size or are too small for the window.
/// Waits for the execution space.
template <class B>
Shift find_shift(Workspace<B>& ws, ConstTensorRef<2, B> moving, ConstTensorRef<2, B> fixed,
                 RegistrationOptions const& options = {}) {
  std::size_t const height = fixed.extent(0);
  std::size_t const width = fixed.extent(1);
  expect(options.search >= 1, "find_shift: search must be at least 1");
  expect_shape(shape_of(moving) == shape_of(fixed),
               "find_shift: the images have " + to_string(shape_of(moving)) + " and " + to_string(shape_of(fixed)));
  auto const margin = static_cast<std::size_t>(options.search);
  expect_shape(height >= 2 * margin + 4 && width >= 2 * margin + 4, "find_shift: images " + to_string(shape_of(fixed)) +
                                                                        " are too small for shifts of up to " +
                                                                        std::to_string(options.search) + " pixels");
  std::size_t const side = 2 * margin + 1;
  std::size_t const inner_width = width - 2 * margin;
  std::size_t const inner = (height - 2 * margin) * inner_width;

  auto scope = ws.scope();
  auto* const means = scope.template take<double>(2);
  auto* const peaks = scope.template take<double>(side * side);
  using Scalar = typename B::scalar_type;
  using Doubles = Kokkos::View<double const*, typename B::memory_space, Kokkos::MemoryTraits<Kokkos::Unmanaged>>;
  kernel::reduce<2>(ws, "heliograd::find_shift_mean", 1, moving.size(),
                    detail::TwoSums<Scalar>{moving.data(), fixed.data()}, detail::StoreTwo{means});
  auto const sum = to_host(ws.exec(), Doubles(means, 2));
  double const count = static_cast<double>(moving.size());
  kernel::reduce<5>(ws, "heliograd::find_shift", side * side, inner,
                    detail::ShiftedProducts<Scalar>{moving.data(), fixed.data(), width, inner_width, options.search,
                                                    sum[0] / count, sum[1] / count},
                    detail::StoreCorrelation{peaks, static_cast<double>(inner)});
  auto const c = to_host(ws.exec(), Doubles(peaks, side * side));

  std::size_t best = 0;
  for (std::size_t i = 1; i < c.size(); ++i)
    if (c[i] > c[best]) best = i;
  std::size_t const y = best / side;
  std::size_t const x = best % side;
  Shift shift;
  shift.whole_dy = static_cast<int>(y) - options.search;
  shift.whole_dx = static_cast<int>(x) - options.search;
  shift.dy = shift.whole_dy;
  shift.dx = shift.whole_dx;
  shift.correlation = c[best];
  shift.inside = y > 0 && y + 1 < side && x > 0 && x + 1 < side && c[best] > 0;
  if (shift.inside) {
    shift.dy += detail::parabola_top(c[best - side], c[best], c[best + side]);
    shift.dx += detail::parabola_top(c[best - 1], c[best], c[best + 1]);
  }
  return shift;
}

}  // namespace heliograd::inline HELIOGRAD_ABI::physics
