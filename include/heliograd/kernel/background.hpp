// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <algorithm>
#include <cstddef>
#include <limits>
#include <string>

#include <heliograd/base/error.hpp>
#include <heliograd/core/workspace.hpp>
#include <heliograd/kernel/launch.hpp>

/// \file
/// What an image would be without the things in it: paper without ink, sky without stars.
namespace heliograd::inline HELIOGRAD_ABI::kernel {

struct BackgroundOptions {
  std::size_t cell = 64;  ///< side of the squares, pixels: larger than what is not background
  double share = 0.5;     ///< the value below which this share of a square lies: 0.5 the median, more where dark things
                          ///< lie on bright ground
};

namespace detail {

/// The squares of an image: `count` of as nearly equal length as can be along an axis.
struct Cells {
  std::size_t size, count;
  Cells(std::size_t length, std::size_t cell) : size(length), count(std::max<std::size_t>(1, length / cell)) {}
  KOKKOS_FUNCTION std::size_t begin(std::size_t k) const { return k * size / count; }
  KOKKOS_FUNCTION double center(std::size_t k) const {
    return 0.5 * (static_cast<double>(begin(k)) + static_cast<double>(begin(k + 1)) - 1);
  }
};

/// The quantile of one channel of one square: found by halving the range of values, then made a value of the image.
template <class T>
struct CellQuantile {
  T const* x;
  Cells rows, columns;
  std::size_t channels;
  double share;
  T* out;  ///< [n, rows, columns, channels]

  template <class Visit>
  KOKKOS_FUNCTION void each(std::size_t item, Visit& visit) const {
    std::size_t const c = item % channels, at = item / channels;
    std::size_t const j = at % columns.count, i = at / columns.count % rows.count, n = at / columns.count / rows.count;
    for (std::size_t p = rows.begin(i); p < rows.begin(i + 1); ++p)
      for (std::size_t q = columns.begin(j); q < columns.begin(j + 1); ++q) {
        double const value = static_cast<double>(x[((n * rows.size + p) * columns.size + q) * channels + c]);
        if (value - value == 0) visit(value);
      }
  }
  struct Extent {
    double low, high, count;
    KOKKOS_FUNCTION void operator()(double v) {
      low = v < low ? v : low;
      high = v > high ? v : high;
      count += 1;
    }
  };
  struct Below {
    double limit, count;
    KOKKOS_FUNCTION void operator()(double v) { count += v <= limit ? 1 : 0; }
  };
  struct Next {
    double limit, least;
    KOKKOS_FUNCTION void operator()(double v) { least = v > limit && v < least ? v : least; }
  };
  KOKKOS_FUNCTION void operator()(std::size_t item) const {
    constexpr double far = Kokkos::Experimental::finite_max_v<double>;
    Extent extent{far, -far, 0};
    each(item, extent);
    if (extent.count == 0) {
      out[item] = Kokkos::Experimental::quiet_NaN_v<T>;
      return;
    }
    double const rank = share * (extent.count - 1);  // so many values may lie below
    // No more than `rank` values are at or below `low`; more are at or below `high`.
    double low = extent.low - 1 - 1e-6 * (extent.low < 0 ? -extent.low : extent.low), high = extent.high;
    for (int k = 0; k < 48; ++k) {
      Below below{0.5 * (low + high), 0};
      each(item, below);
      if (below.count > rank)
        high = below.limit;
      else
        low = below.limit;
    }
    Next next{low, far};
    each(item, next);
    out[item] = static_cast<T>(next.least);
  }
};

/// Straight lines between the middles of the squares; beyond the outermost the value goes on.
template <class T>
struct BetweenCells {
  T const* cells;
  Cells rows, columns;
  std::size_t channels;
  T* y;

  KOKKOS_FUNCTION static std::size_t locate(Cells const& axis, double at, double& part) {
    std::size_t k = 0;
    part = 0;
    if (axis.count < 2) return 0;
    k = static_cast<std::size_t>(at * static_cast<double>(axis.count) / static_cast<double>(axis.size));
    k = k < axis.count ? k : axis.count - 1;
    if (k > 0 && at < axis.center(k)) --k;
    k = k + 1 < axis.count ? k : axis.count - 2;
    part = (at - axis.center(k)) / (axis.center(k + 1) - axis.center(k));
    part = part < 0 ? 0.0 : part > 1 ? 1.0 : part;
    return k;
  }
  KOKKOS_FUNCTION void operator()(std::size_t i) const {
    std::size_t const c = i % channels, at = i / channels;
    std::size_t const q = at % columns.size, p = at / columns.size % rows.size, n = at / columns.size / rows.size;
    double v = 0, u = 0;
    std::size_t const j = locate(rows, static_cast<double>(p), v), k = locate(columns, static_cast<double>(q), u);
    std::size_t const down = rows.count > 1 ? 1 : 0, right = columns.count > 1 ? 1 : 0;
    T const* const from = cells + n * rows.count * columns.count * channels + c;
    double const a = static_cast<double>(from[(j * columns.count + k) * channels]);
    double const b = static_cast<double>(from[(j * columns.count + k + right) * channels]);
    double const d = static_cast<double>(from[((j + down) * columns.count + k) * channels]);
    double const e = static_cast<double>(from[((j + down) * columns.count + k + right) * channels]);
    double const low = a + u * (b - a), high = d + u * (e - d);
    y[i] = static_cast<T>(low + v * (high - low));
  }
};

}  // namespace detail

/// The background of images: a quantile of each of the squares that an image is cut into, each channel by itself, and straight
/// lines between their middles. What covers less than the rest of a square leaves no trace.
///
/// Shapes   x, y [n, h, w, c]
/// Cost     some 50 looks at each pixel
/// Throws   UsageError unless the side is positive and the share in [0, 1]; ShapeError if the shapes differ.
/// A pixel that is not finite does not count; a square without any other spoils its surroundings. It has no gradient.
template <class B>
void background(Workspace<B>& ws, ConstTensorRef<4, B> const& x, BackgroundOptions const& options,
                TensorRef<4, B> const& y) {
  using T = typename B::scalar_type;
  expect(options.cell > 0 && options.share >= 0 && options.share <= 1,
         "background: the side of a square must be positive and the share in [0, 1] (found " +
             std::to_string(options.cell) + " and " + std::to_string(options.share) + ")");
  expect_shape(shape_of(x) == shape_of(y),
               "background: the image has " + to_string(shape_of(x)) + ", the result has " + to_string(shape_of(y)));
  if (x.size() == 0) return;
  detail::Cells const rows(x.extent(1), options.cell), columns(x.extent(2), options.cell);
  std::size_t const channels = x.extent(3), count = x.extent(0) * rows.count * columns.count * channels;
  auto scope = ws.scope();
  auto* const cells = scope.template take<T>(count);
  for_each_item(ws, "heliograd::background", count,
                detail::CellQuantile<T>{x.data(), rows, columns, channels, options.share, cells});
  for_each_element(ws, "heliograd::background", y.size(),
                   detail::BetweenCells<T>{cells, rows, columns, channels, y.data()});
}

}  // namespace heliograd::inline HELIOGRAD_ABI::kernel
