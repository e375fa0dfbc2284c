// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>

#include <heliograd/base/error.hpp>
#include <heliograd/core/dual.hpp>
#include <heliograd/core/sink.hpp>
#include <heliograd/kernel/detail/keys_cubic.hpp>
#include <heliograd/kernel/detail/pchip_formula.hpp>
#include <heliograd/kernel/launch.hpp>
#include <heliograd/kernel/positions.hpp>
#include <heliograd/kernel/sort_by_key.hpp>

/// \file
/// Images sampled at positions: rotation, magnification, remapping to other coordinates.
namespace heliograd::inline HELIOGRAD_ABI {

enum class Interpolation {
  nearest,   ///< the pixel that holds the position
  bilinear,  ///< linear between the four nearest pixels
  bicubic,   ///< Keys' kernel on 4 x 4 pixels
  pchip,     ///< monotone piecewise cubic along rows, then along the column of the results: no overshoot; not linear
};

/// Positions inside are those on a pixel: from -1/2 to the image's length - 1/2 on each axis. Beyond the outermost centres
/// border pixels repeat (pchip stays constant).
struct WarpOptions {
  Interpolation method = Interpolation::bilinear;
  double fill = 0;       ///< outside the image, and where a position is not finite
  double cubic = -0.75;  ///< the slope of Keys' kernel at distance 1
};

namespace kernel {

namespace detail {

/// Whether a position lies on a pixel of an image.
KOKKOS_INLINE_FUNCTION bool inside(Position const& at, std::size_t height, std::size_t width) {
  return at.y >= -0.5 && at.x >= -0.5 && at.y < static_cast<double>(height) - 0.5 &&
         at.x < static_cast<double>(width) - 0.5;
}

/// The pixels that a position uses along one axis: `base`, up to one before and two after it.
struct AxisTaps {
  std::int32_t base = 0;  // never falls as the position grows
  std::int32_t at[4] = {};
  int count = 1;
  int reference = 0;  // the nearest tap
  double weight[4] = {1};
  double slope[4] = {};  // d weight / d position
  double fraction = 0;   // cubic methods: of the interval
  bool has_left = false, has_right = false;

  KOKKOS_FUNCTION AxisTaps(WarpOptions const& options, double position, std::size_t size) {
    std::int32_t const n = static_cast<std::int32_t>(size);
    if (options.method == Interpolation::nearest) {
      base = static_cast<std::int32_t>(Kokkos::floor(position + 0.5));
      at[0] = base = base < n ? base : n - 1;  // the largest position below n - 1/2 rounds up
      return;
    }
    double const whole = Kokkos::floor(position);
    double t = position - whole;
    std::int32_t const first = static_cast<std::int32_t>(whole);
    base = first < 0 ? 0 : first;
    if (options.method == Interpolation::bilinear) {
      count = 2;
      at[0] = base;
      at[1] = first + 1 < n ? first + 1 : n - 1;
      weight[0] = 1 - t;
      weight[1] = t;
      slope[0] = -1;
      slope[1] = 1;
      reference = t < 0.5 ? 0 : 1;
      return;
    }
    count = 4;
    if (options.method == Interpolation::pchip) {
      if (first > n - 2 && n > 1) t = 1, base = n - 2;
      if (first < 0) t = 0;
      fraction = t;
      has_left = base > 0;
      has_right = base + 2 < n;
    } else {
      KeysCubic const keys{options.cubic};
      fraction = t;
      for (int k = 0; k < 4; ++k) {
        weight[k] = keys(distance(k));
        slope[k] = (k < 2 ? 1 : -1) * keys.derivative(distance(k));
      }
    }
    reference = t < 0.5 ? 1 : 2;
    for (int k = 0; k < 4; ++k) {
      std::int32_t const i = (options.method == Interpolation::pchip ? base : first) + k - 1;
      at[k] = i < 0 ? 0 : i < n ? i : n - 1;
    }
  }

  /// The weight of a pixel.
  KOKKOS_FUNCTION double share(std::size_t i) const { return sum_at(i, weight); }
  /// d share / d position.
  KOKKOS_FUNCTION double share_slope(std::size_t i) const { return sum_at(i, slope); }

  /// d slope / d position of tap k, of the linear methods.
  KOKKOS_FUNCTION double bend(WarpOptions const& options, int k) const {
    return options.method == Interpolation::bicubic ? KeysCubic{options.cubic}.second_derivative(distance(k)) : 0;
  }

  template <class Number, class T>
  KOKKOS_FUNCTION PchipInterval<Number, T> interval() const {
    PchipInterval<Number, T> piece;
    piece.has_left = has_left;
    piece.has_right = has_right;
    return piece;
  }

  /// The most pixels before and after `base` that are used.
  static int most_before(Interpolation method) {
    return method == Interpolation::bicubic || method == Interpolation::pchip ? 1 : 0;
  }
  static int most_after(Interpolation method) {
    return method == Interpolation::nearest ? 0 : method == Interpolation::bilinear ? 1 : 2;
  }

 private:
  /// Of tap k of four from the position.
  KOKKOS_FUNCTION double distance(int k) const { return k < 2 ? (1 - k) + fraction : (k - 1) - fraction; }

  KOKKOS_FUNCTION double sum_at(std::size_t i, double const (&of)[4]) const {
    double sum = 0;
    for (int k = 0; k < count; ++k)
      if (at[k] == static_cast<std::int32_t>(i)) sum += of[k];
    return sum;
  }
};

/// How what is warped moves: each pixel of the image, each position of a field. Null: it stands still.
template <class T>
struct WarpMotion {
  T const* image = nullptr;
  T const* positions = nullptr;
};

template <class T>
KOKKOS_FUNCTION Position motion_at(T const* v, PositionField<T> const& field, std::size_t n, std::size_t p,
                                   std::size_t q) {
  if (!v) return {};
  std::size_t const i = field.index(n, p, q);
  return {static_cast<double>(v[i]), static_cast<double>(v[i + 1])};
}
/// Positions that are computed stand still.
template <class T, class Positions>
KOKKOS_FUNCTION Position motion_at(T const*, Positions const&, std::size_t, std::size_t, std::size_t) {
  return {};
}

/// The derivative of monotone interpolation along one axis: beyond the outermost centres the value does not depend on the
/// position.
KOKKOS_INLINE_FUNCTION double if_between_centres(double derivative, double position, std::size_t size) {
  return position >= 0 && position <= static_cast<double>(size - 1) ? derivative : 0;
}

/// The numbers of one channel of an image.
template <class T>
struct Plane {
  T const* x;
  std::size_t width;
  std::size_t channels;
  KOKKOS_FUNCTION T operator()(std::int32_t i, std::int32_t j) const {
    return x[(static_cast<std::size_t>(i) * width + static_cast<std::size_t>(j)) * channels];
  }
};

/// A number and its rate of change.
template <class T>
KOKKOS_FUNCTION Dual<T, 1> moving(T value, T rate) {
  Dual<T, 1> d(value);
  d.slope[0] = rate;
  return d;
}

/// The numbers of a channel as they move along v.
template <class T>
struct MovingPlane {
  Plane<T> x, v;  // v.x may be null
  KOKKOS_FUNCTION Dual<T, 1> operator()(std::int32_t i, std::int32_t j) const {
    return moving(x(i, j), v.x ? v(i, j) : T(0));
  }
};
template <class T>
KOKKOS_FUNCTION MovingPlane<T> moving_plane(T const* x, T const* v, std::size_t first, std::size_t width,
                                            std::size_t channels) {
  return {{x + first, width, channels}, {v ? v + first : nullptr, width, channels}};
}

/// Monotone interpolation of a channel: along four rows, then down the results.
template <class T, class Source = Plane<T>>
struct PchipSample {
  Source plane;
  AxisTaps const& rows;
  AxisTaps const& columns;

  /// Row k of the four, at column position s.
  template <class Number>
  KOKKOS_FUNCTION Number across(int k, Number const& s) const {
    auto piece = columns.interval<Number, T>();
    for (int l = 0; l < 4; ++l) piece.v[l] = Number(plane(rows.at[k], columns.at[l]));
    return piece(s);
  }

  /// The value at the position of row fraction s and column fraction t.
  template <class Number>
  KOKKOS_FUNCTION Number value(Number const& s, Number const& t) const {
    auto piece = rows.interval<Number, T>();
    for (int k = 0; k < 4; ++k) piece.v[k] = across(k, t);
    return piece(s);
  }

  /// The derivatives with respect to the 4 x 4 pixels at the position of row fraction s and column fraction t; of numbers
  /// that move, how the derivatives move.
  template <class Value>
  KOKKOS_FUNCTION void derivatives(Value const& s, Value const& t, T* to) const {
    using Number = Dual<Value, 4>;
    Number row[4];
    auto down = rows.interval<Number, T>();
    for (int k = 0; k < 4; ++k) {
      auto along = columns.interval<Number, T>();
      for (int l = 0; l < 4; ++l) along.v[l] = Number::input(plane(rows.at[k], columns.at[l]), l);
      row[k] = along(Number(t));
      down.v[k] = Number::input(row[k].value, k);
    }
    Number const result = down(Number(s));
    for (int k = 0; k < 4; ++k)
      for (int l = 0; l < 4; ++l) to[4 * k + l] = delivered(result.slope[k] * row[k].slope[l]);
  }

 private:
  KOKKOS_FUNCTION static T delivered(T slope) { return slope; }
  KOKKOS_FUNCTION static T delivered(Dual<T, 1> const& slope) { return slope.slope[0]; }
};

/// The fraction of an interval at which a position lies that moves.
template <class T>
KOKKOS_FUNCTION Dual<T, 1> moving_fraction(AxisTaps const& taps, double position, double rate, std::size_t size) {
  return moving(static_cast<T>(taps.fraction), static_cast<T>(if_between_centres(rate, position, size)));
}

/// y at one output pixel, channels [begin, end).
template <class T>
struct WarpPixel {
  WarpOptions options;
  std::size_t height, width, channels;

  KOKKOS_FUNCTION void operator()(T const* image, Position const& at, T* to, std::size_t begin, std::size_t end) const {
    if (!inside(at, height, width)) {
      for (std::size_t c = begin; c < end; ++c) to[c] = static_cast<T>(options.fill);
      return;
    }
    AxisTaps const rows(options, at.y, height), columns(options, at.x, width);
    if (options.method == Interpolation::pchip) {
      T const s = static_cast<T>(rows.fraction), t = static_cast<T>(columns.fraction);
      for (std::size_t c = begin; c < end; ++c)
        to[c] = PchipSample<T>{{image + c, width, channels}, rows, columns}.value(s, t);
      return;
    }
    // x_r + sum of w (x - x_r) about the nearest tap r: a constant stays that constant to the last bit.
    T const* const reference = image + offset(rows.at[rows.reference], columns.at[columns.reference]);
    for (std::size_t c = begin; c < end; ++c) to[c] = reference[c];
    for (int k = 0; k < rows.count; ++k)
      for (int l = 0; l < columns.count; ++l) {
        T const w = static_cast<T>(rows.weight[k] * columns.weight[l]);
        T const* const tap = image + offset(rows.at[k], columns.at[l]);
        if (w == T(0) || tap == reference) continue;
        HELIOGRAD_INDEPENDENT_LOOP
        for (std::size_t c = begin; c < end; ++c) to[c] += w * (tap[c] - reference[c]);
      }
  }

  KOKKOS_FUNCTION std::size_t offset(std::int32_t i, std::int32_t j) const {
    return (static_cast<std::size_t>(i) * width + static_cast<std::size_t>(j)) * channels;
  }
};

/// Host: one output row per item; elsewhere one number.
template <class T, bool OnHost, class Positions>
struct Warp {
  WarpPixel<T> pixel;
  Positions positions;
  T const* x;
  T* y;
  std::size_t out_height, out_width;

  KOKKOS_FUNCTION void operator()(std::size_t item) const {
    std::size_t const channels = pixel.channels;
    std::size_t const image_size = pixel.height * pixel.width * channels;
    if constexpr (OnHost) {
      std::size_t const n = item / out_height, p = item % out_height;
      for (std::size_t q = 0; q < out_width; ++q)
        pixel(x + n * image_size, positions(n, p, q), y + (item * out_width + q) * channels, 0, channels);
    } else {
      std::size_t const c = item % channels;
      std::size_t const q = item / channels % out_width;
      std::size_t const p = item / channels / out_width % out_height;
      std::size_t const n = item / channels / out_width / out_height;
      pixel(x + n * image_size, positions(n, p, q), y + (item - c), c, c + 1);
    }
  }
};

/// The key of an output pixel is the `base` pixel of its position.
template <class Positions>
struct WarpKeys {
  WarpOptions options;
  Positions positions;
  std::size_t maps, height, width, out_height, out_width;
  std::uint32_t* keys;

  KOKKOS_FUNCTION void operator()(std::size_t o) const {
    std::size_t const n = o / (out_height * out_width);
    Position const at = positions(n, o / out_width % out_height, o % out_width);
    std::size_t key = maps * height * width;
    if (inside(at, height, width)) {
      AxisTaps const rows(options, at.y, height), columns(options, at.x, width);
      key = (n * height + static_cast<std::size_t>(rows.base)) * width + static_cast<std::size_t>(columns.base);
    }
    keys[o] = static_cast<std::uint32_t>(key);
  }
};

/// The derivatives of monotone interpolation with respect to its 4 x 4 pixels, [element, c, 16], for elements [begin, end) of the
/// sorted output pixels: computed once for the up to 16 input pixels that gather them. With a motion, how they change along it.
template <class T, class Positions>
struct WarpPchipSlopes {
  WarpOptions options;
  Positions positions;
  SortedByKey sorted;
  std::size_t inside;  // where in sorted.first the number of elements stands
  std::size_t image;   // of positions that all images share
  bool per_image;
  std::size_t height, width, channels, out_height, out_width;
  T const* x;
  WarpMotion<T> motion;
  std::size_t begin;
  T* slopes;

  KOKKOS_FUNCTION void operator()(std::size_t item) const {
    std::size_t const element = begin + item / channels;
    if (element >= sorted.first[inside]) return;
    std::size_t const o = sorted.element[element];
    std::size_t const n = per_image ? o / out_width / out_height : image;
    std::size_t const p = o / out_width % out_height, q = o % out_width;
    Position const at = positions(n, p, q);
    AxisTaps const rows(options, at.y, height), columns(options, at.x, width);
    std::size_t const first = n * height * width * channels + item % channels;
    T* const to = slopes + 16 * item;
    if (motion.image || motion.positions) {
      Position const v = motion_at(motion.positions, positions, n, p, q);
      PchipSample<T, MovingPlane<T>>{moving_plane(x, motion.image, first, width, channels), rows, columns}.derivatives(
          moving_fraction<T>(rows, at.y, v.y, height), moving_fraction<T>(columns, at.x, v.x, width), to);
    } else {
      PchipSample<T>{{x + first, width, channels}, rows, columns}.derivatives(static_cast<T>(rows.fraction),
                                                                              static_cast<T>(columns.fraction), to);
    }
  }
};

/// How one output pixel changes along a motion.
template <class B, class Positions>
struct WarpTangent {
  using T = typename B::scalar_type;
  WarpOptions options;
  Positions positions;
  WarpMotion<T> motion;
  std::size_t height, width, channels, out_height, out_width;
  T const* x;
  Sink<4, B> y;

  KOKKOS_FUNCTION void operator()(std::size_t item) const {
    std::size_t const o = item / channels, n = o / out_width / out_height;
    std::size_t const p = o / out_width % out_height, q = o % out_width;
    Position const at = positions(n, p, q);
    if (!inside(at, height, width)) return y.add(item, T(0));
    AxisTaps const rows(options, at.y, height), columns(options, at.x, width);
    Position const v = motion_at(motion.positions, positions, n, p, q);
    auto const plane = moving_plane(x, motion.image, n * height * width * channels + item % channels, width, channels);
    if (options.method == Interpolation::pchip)
      return y.add(
          item, PchipSample<T, MovingPlane<T>>{plane, rows, columns}
                    .value(moving_fraction<T>(rows, at.y, v.y, height), moving_fraction<T>(columns, at.x, v.x, width))
                    .slope[0]);
    double const reference = static_cast<double>(plane.x(rows.at[rows.reference], columns.at[columns.reference]));
    double sum = 0;
    for (int k = 0; k < rows.count; ++k)
      for (int l = 0; l < columns.count; ++l) {
        auto const tap = plane(rows.at[k], columns.at[l]);
        sum += rows.weight[k] * columns.weight[l] * static_cast<double>(tap.slope[0]);
        sum += (v.y * rows.slope[k] * columns.weight[l] + v.x * rows.weight[k] * columns.slope[l]) *
               (static_cast<double>(tap.value) - reference);
      }
    y.add(item, static_cast<T>(sum));
  }
};

/// gx of one input pixel, channels [begin, end): gathered from the output pixels that use it, in the order in which their
/// base pixels and then they themselves lie in memory; from elements [first_element, end_element) of them, the first time
/// overwriting what is there. With a motion of positions, how that changes along it.
template <class T, bool OnHost, class Positions>
struct WarpGather {
  WarpOptions options;
  Positions positions;
  SortedByKey sorted;
  bool per_image;
  T const* motion;  // of positions, or null
  T const* slopes;  // for pchip alone: of the elements
  T const* gy;
  T* gx;
  T beta;
  std::size_t height, width, channels, out_height, out_width;
  int before, after;
  std::size_t first_item, first_element, end_element;

  KOKKOS_FUNCTION void operator()(std::size_t index) const {
    std::size_t const item = first_item + index;
    if constexpr (OnHost) {
      if (!has_work(item / height, item % height)) return;
      for (std::size_t j = 0; j < width; ++j)
        pixel(item / height, item % height, j, gx + (item * width + j) * channels, 0, channels);
    } else {
      std::size_t const c = item % channels;
      std::size_t const n = item / channels / width / height, i = item / channels / width % height;
      if (has_work(n, i)) pixel(n, i, item / channels % width, gx + (item - c), c, c + 1);
    }
  }

  /// The rows of base pixels that row i gathers from.
  KOKKOS_FUNCTION std::size_t top(std::size_t i) const {
    return i >= static_cast<std::size_t>(after) ? i - static_cast<std::size_t>(after) : 0;
  }
  KOKKOS_FUNCTION std::size_t bottom(std::size_t i) const {
    return i + static_cast<std::size_t>(before) < height ? i + static_cast<std::size_t>(before) : i;
  }
  /// Whether row i of image n is to be overwritten, or gathers from one of the elements.
  KOKKOS_FUNCTION bool has_work(std::size_t n, std::size_t i) const {
    std::size_t const row = (per_image ? n : 0) * height;
    return first_element == 0 || (sorted.first[(row + bottom(i) + 1) * width] > first_element &&
                                  sorted.first[(row + top(i)) * width] < end_element);
  }

  KOKKOS_FUNCTION void pixel(std::size_t n, std::size_t i, std::size_t j, T* to, std::size_t begin,
                             std::size_t end) const {
    if (first_element == 0)
      for (std::size_t c = begin; c < end; ++c) to[c] = beta != T(0) ? beta * to[c] : T(0);
    std::size_t const map = per_image ? n : 0;
    std::size_t const left = j >= static_cast<std::size_t>(after) ? j - static_cast<std::size_t>(after) : 0;
    std::size_t const right = j + static_cast<std::size_t>(before) < width ? j + static_cast<std::size_t>(before) : j;
    for (std::size_t base = top(i); base <= bottom(i); ++base) {
      std::size_t const row = (map * height + base) * width;
      std::size_t at = sorted.first[row + left], last = sorted.first[row + right + 1];
      at = at < first_element ? first_element : at;
      last = last < end_element ? last : end_element;
      for (; at < last; ++at) add(n, i, j, at, to, begin, end);
    }
  }

  /// Adds what an element, an output pixel of image n, contributes.
  KOKKOS_FUNCTION void add(std::size_t n, std::size_t i, std::size_t j, std::size_t element, T* to, std::size_t begin,
                           std::size_t end) const {
    std::size_t const o = sorted.element[element] - (per_image ? n * out_height * out_width : 0);
    Position const at = positions(n, o / out_width, o % out_width);
    AxisTaps const rows(options, at.y, height), columns(options, at.x, width);
    T const* const from = gy + (n * out_height * out_width + o) * channels;
    if (options.method == Interpolation::pchip) {
      for (int k = 0; k < 4; ++k)
        for (int l = 0; l < 4; ++l)
          if (rows.at[k] == static_cast<std::int32_t>(i) && columns.at[l] == static_cast<std::int32_t>(j))
            for (std::size_t c = begin; c < end; ++c)
              to[c] += slopes[16 * ((element - first_element) * channels + c) + static_cast<std::size_t>(4 * k + l)] *
                       from[c];
      return;
    }
    Position const v = motion_at(motion, positions, n, o / out_width, o % out_width);
    T const w = static_cast<T>(motion ? v.y * rows.share_slope(i) * columns.share(j) +
                                            v.x * rows.share(i) * columns.share_slope(j)
                                      : rows.share(i) * columns.share(j));
    if (w == T(0)) return;
    HELIOGRAD_INDEPENDENT_LOOP
    for (std::size_t c = begin; c < end; ++c) to[c] += w * from[c];
  }
};

/// The gradient of one position of a field; images that share it add up in their order. With Bent, how it changes along a
/// motion.
template <class B, bool Bent>
struct WarpPositionGradient {
  using T = typename B::scalar_type;
  WarpOptions options;
  PositionField<T> field;
  WarpMotion<T> motion;
  std::size_t images;  // in x
  T const* x;
  T const* gy;
  Sink<4, B> gfield;
  std::size_t height, width, channels;

  KOKKOS_FUNCTION void operator()(std::size_t o) const {
    std::size_t const map = o / (field.height * field.width);
    std::size_t const place = o % (field.height * field.width);
    std::size_t const p = place / field.width, q = place % field.width;
    Position const at = field(map, p, q);
    Position total;
    if (inside(at, height, width) && options.method != Interpolation::nearest) {
      AxisTaps const rows(options, at.y, height), columns(options, at.x, width);
      Position const v = motion_at(motion.positions, field, map, p, q);
      for (std::size_t n = field.per_image ? map : 0; n < (field.per_image ? map + 1 : images); ++n)
        for (std::size_t c = 0; c < channels; ++c) {
          std::size_t const first = n * height * width * channels + c;
          Position const one = options.method == Interpolation::pchip ? pchip_slope(rows, columns, at, v, first)
                               : Bent                                 ? linear_bend(rows, columns, v, first)
                                                                      : linear_slope(rows, columns, first);
          double const g = static_cast<double>(gy[(n * field.height * field.width + place) * channels + c]);
          total.y += g * one.y;
          total.x += g * one.x;
        }
    }
    gfield.add(2 * o, static_cast<T>(total.y));
    gfield.add(2 * o + 1, static_cast<T>(total.x));
  }

 private:
  KOKKOS_FUNCTION Position linear_slope(AxisTaps const& rows, AxisTaps const& columns, std::size_t first) const {
    Plane<T> const plane{x + first, width, channels};
    double const reference = static_cast<double>(plane(rows.at[rows.reference], columns.at[columns.reference]));
    Position slope;
    for (int k = 0; k < rows.count; ++k)
      for (int l = 0; l < columns.count; ++l) {
        double const difference = static_cast<double>(plane(rows.at[k], columns.at[l])) - reference;
        slope.y += rows.slope[k] * columns.weight[l] * difference;
        slope.x += rows.weight[k] * columns.slope[l] * difference;
      }
    return slope;
  }

  /// The change of the slope as differences move, and as the position does.
  KOKKOS_FUNCTION Position linear_bend(AxisTaps const& rows, AxisTaps const& columns, Position const& v,
                                       std::size_t first) const {
    auto const plane = moving_plane(x, motion.image, first, width, channels);
    auto const reference = plane(rows.at[rows.reference], columns.at[columns.reference]);
    Position bend;
    for (int k = 0; k < rows.count; ++k)
      for (int l = 0; l < columns.count; ++l) {
        auto const difference = plane(rows.at[k], columns.at[l]) - reference;
        double const value = static_cast<double>(difference.value), rate = static_cast<double>(difference.slope[0]);
        double const mixed = rows.slope[k] * columns.slope[l];
        bend.y += rows.slope[k] * columns.weight[l] * rate +
                  (v.y * rows.bend(options, k) * columns.weight[l] + v.x * mixed) * value;
        bend.x += rows.weight[k] * columns.slope[l] * rate +
                  (v.y * mixed + v.x * rows.weight[k] * columns.bend(options, l)) * value;
      }
    return bend;
  }

  KOKKOS_FUNCTION Position pchip_slope(AxisTaps const& rows, AxisTaps const& columns, Position const& at,
                                       Position const& v, std::size_t first) const {
    Position slope;
    if constexpr (Bent) {
      using Number = Dual<Dual<T, 1>, 2>;
      auto const value =
          PchipSample<T, MovingPlane<T>>{moving_plane(x, motion.image, first, width, channels), rows, columns}.value(
              Number::input(moving_fraction<T>(rows, at.y, v.y, height), 0),
              Number::input(moving_fraction<T>(columns, at.x, v.x, width), 1));
      slope = {static_cast<double>(value.slope[0].slope[0]), static_cast<double>(value.slope[1].slope[0])};
    } else {
      using Number = Dual<T, 2>;
      auto const value = PchipSample<T>{{x + first, width, channels}, rows, columns}.value(
          Number::input(static_cast<T>(rows.fraction), 0), Number::input(static_cast<T>(columns.fraction), 1));
      slope = {static_cast<double>(value.slope[0]), static_cast<double>(value.slope[1])};
    }
    return {if_between_centres(slope.y, at.y, height), if_between_centres(slope.x, at.x, width)};
  }
};

template <class B, class Positions>
struct StoreInside {
  using T = typename B::scalar_type;
  Positions positions;
  std::size_t height, width, out_height, out_width;
  T* mask;
  KOKKOS_FUNCTION void operator()(std::size_t o) const {
    Position const at = positions(o / out_width / out_height, o / out_width % out_height, o % out_width);
    mask[o] = inside(at, height, width) ? T(1) : T(0);
  }
};

/// Whether every image has positions of its own.
template <class Positions>
bool positions_per_image(Positions const& positions) {
  if constexpr (requires { positions.per_image; })
    return positions.per_image;
  else
    return false;
}

template <class Coordinate>
void check_positions(PositionField<Coordinate> const& field, Shape<4> const& y) {
  expect_shape(field.height == y[1] && field.width == y[2], "warp: positions for " + std::to_string(field.height) +
                                                                " x " + std::to_string(field.width) +
                                                                " pixels, the result is " + to_string(y));
}
template <class Positions>
void check_positions(Positions const&, Shape<4> const&) {}

template <class Positions>
void check_warp(Shape<4> const& x, Shape<4> const& y, Positions const& positions) {
  expect_shape(x[0] == y[0] && x[3] == y[3],
               "warp: images " + to_string(x) + " and " + to_string(y) + " differ in number or channels");
  std::size_t constexpr limit = std::size_t{1} << 31;
  expect_shape(x[1] > 0 && x[2] > 0 && x[1] < limit && x[2] < limit,
               "warp: image " + to_string(x) + " has no pixels, or too many in a row");
  check_positions(positions, y);
}

}  // namespace detail

/// y [n, p, q, c] = x [n, h, w, c] at the positions of its pixels.
template <class B, class Positions>
void warp(Workspace<B>& ws, ConstTensorRef<4, B> const& x, Positions const& positions, TensorRef<4, B> const& y,
          WarpOptions const& options) {
  using T = typename B::scalar_type;
  detail::check_warp(shape_of(x), shape_of(y), positions);
  if (y.size() == 0) return;
  std::size_t const p = y.extent(1), q = y.extent(2), c = y.extent(3);
  for_each_item(ws, "heliograd::warp", B::on_host ? y.extent(0) * p : y.size(),
                detail::Warp<T, B::on_host, Positions>{
                    {options, x.extent(1), x.extent(2), c}, positions, x.data(), y.data(), p, q});
}

namespace detail {

/// How many of the numbers that gradients by pchip need for each output pixel are held at a time: 16 or 32 MB of them.
inline constexpr std::size_t pchip_slopes_at_a_time = std::size_t{1} << 22;

/// `warp_backward`; with a motion, how it changes along it.
template <class B, class Positions>
void warp_gather(Workspace<B>& ws, ConstTensorRef<4, B> const& x, WarpMotion<typename B::scalar_type> const& motion,
                 Positions const& positions, ConstTensorRef<4, B> const& gy, Sink<4, B> const& gx,
                 WarpOptions const& options) {
  using T = typename B::scalar_type;
  check_warp(shape_of(gx.out), shape_of(gy), positions);
  if (gx.out.size() == 0) return;
  std::size_t const n = gx.out.extent(0), h = gx.out.extent(1), w = gx.out.extent(2), c = gx.out.extent(3),
                    p = gy.extent(1), q = gy.extent(2);
  bool const per_image = positions_per_image(positions);
  std::size_t const maps = per_image ? n : 1;
  std::size_t const elements = maps * p * q;
  expect_shape(
      maps * h * w < std::numeric_limits<std::uint32_t>::max() && elements < std::numeric_limits<std::uint32_t>::max(),
      "warp: " + to_string(shape_of(gx.out)) + " to " + to_string(shape_of(gy)) +
          " are more pixels than 32 bits count; give fewer images at a time");
  auto scope = ws.scope();
  auto* const keys = scope.template take<std::uint32_t>(elements);
  for_each_element(ws, "heliograd::warp_keys", elements,
                   WarpKeys<Positions>{options, positions, maps, h, w, p, q, keys});
  auto const sorted = sort_by_key(ws, scope, "heliograd::warp_sort", keys, elements, maps * h * w);
  std::size_t const image_items = B::on_host ? h : h * w * c;
  WarpGather<T, B::on_host, Positions> gather{options,
                                              positions,
                                              sorted,
                                              per_image,
                                              motion.positions,
                                              nullptr,
                                              gy.data(),
                                              gx.out.data(),
                                              gx.beta,
                                              h,
                                              w,
                                              c,
                                              p,
                                              q,
                                              AxisTaps::most_before(options.method),
                                              AxisTaps::most_after(options.method),
                                              0,
                                              0,
                                              elements};
  if (options.method != Interpolation::pchip)
    return for_each_item(ws, "heliograd::warp_backward", n * image_items, gather);
  std::size_t const images = per_image ? n : 1;  // at a time
  std::size_t const chunk = std::clamp<std::size_t>(pchip_slopes_at_a_time / (16 * c), 1, elements + 1);
  T* const slopes = scope.template take<T>(16 * c * std::min(chunk, elements));
  gather.slopes = slopes;
  for (std::size_t image = 0; image < n; image += images)
    for (std::size_t first = 0; first == 0 || first < elements; first += chunk) {
      gather.first_item = image * image_items;
      gather.first_element = first;
      gather.end_element = std::min(first + chunk, elements);
      for_each_element(ws, "heliograd::warp_slopes", (gather.end_element - first) * c,
                       WarpPchipSlopes<T, Positions>{options, positions, sorted, maps * h * w, image, per_image, h, w,
                                                     c, p, q, x.data(), motion, first, slopes});
      for_each_item(ws, "heliograd::warp_backward", images * image_items, gather);
    }
}

}  // namespace detail

/// gx = beta gx + the transposed derivative of `warp` with respect to x, applied to gy. pchip needs x, the others do not look
/// at it. Takes 4 (h w + 4 p q) bytes of scratch, times the images if they have positions of their own; pchip up to 32 MB more.
template <class B, class Positions>
void warp_backward(Workspace<B>& ws, ConstTensorRef<4, B> const& x, Positions const& positions,
                   ConstTensorRef<4, B> const& gy, Sink<4, B> const& gx, WarpOptions const& options) {
  detail::warp_gather<B>(ws, x, {}, positions, gy, gx, options);
}

/// y = beta y + the derivative of `warp` along a motion.
template <class B, class Positions>
void warp_tangent(Workspace<B>& ws, ConstTensorRef<4, B> const& x,
                  detail::WarpMotion<typename B::scalar_type> const& motion, Positions const& positions,
                  Sink<4, B> const& y, WarpOptions const& options) {
  detail::check_warp(shape_of(x), shape_of(y.out), positions);
  for_each_element(ws, "heliograd::warp_tangent", y.out.size(),
                   detail::WarpTangent<B, Positions>{options, positions, motion, x.extent(1), x.extent(2), x.extent(3),
                                                     y.out.extent(1), y.out.extent(2), x.data(), y});
}

/// gx = beta gx + how `warp_backward` changes along a motion; that of the image has an effect on pchip alone.
template <class B, class Positions>
void warp_bend(Workspace<B>& ws, ConstTensorRef<4, B> const& x,
               detail::WarpMotion<typename B::scalar_type> const& motion, Positions const& positions,
               ConstTensorRef<4, B> const& gy, Sink<4, B> const& gx, WarpOptions const& options) {
  detail::warp_gather<B>(ws, x, motion, positions, gy, gx, options);
}

namespace detail {
template <bool Bent, class B>
void warp_positions(Workspace<B>& ws, ConstTensorRef<4, B> const& x, WarpMotion<typename B::scalar_type> const& motion,
                    ConstTensorRef<4, B> const& field, ConstTensorRef<4, B> const& gy, Sink<4, B> const& gfield,
                    WarpOptions const& options) {
  auto const positions = position_field(field);
  check_warp(shape_of(x), shape_of(gy), positions);
  for_each_item(ws, "heliograd::warp_backward_positions", field.size() / 2,
                WarpPositionGradient<B, Bent>{options, positions, motion, x.extent(0), x.data(), gy.data(), gfield,
                                              x.extent(1), x.extent(2), x.extent(3)});
}
}  // namespace detail

/// The gradient with respect to positions from memory, gfield = beta gfield + ...; zero outside and for `nearest`.
template <class B>
void warp_backward_positions(Workspace<B>& ws, ConstTensorRef<4, B> const& x, ConstTensorRef<4, B> const& field,
                             ConstTensorRef<4, B> const& gy, Sink<4, B> const& gfield, WarpOptions const& options) {
  detail::warp_positions<false, B>(ws, x, {}, field, gy, gfield, options);
}

/// gfield = beta gfield + how `warp_backward_positions` changes along a motion.
template <class B>
void warp_bend_positions(Workspace<B>& ws, ConstTensorRef<4, B> const& x,
                         detail::WarpMotion<typename B::scalar_type> const& motion, ConstTensorRef<4, B> const& field,
                         ConstTensorRef<4, B> const& gy, Sink<4, B> const& gfield, WarpOptions const& options) {
  detail::warp_positions<true, B>(ws, x, motion, field, gy, gfield, options);
}

/// mask [n, p, q, 1] = 1 where the position lies on a pixel of an image of h x w pixels, else 0. Masked pixels hold the fill
/// value after `warp`.
template <class B, class Positions>
void warp_mask(Workspace<B>& ws, Positions const& positions, std::size_t h, std::size_t w,
               TensorRef<4, B> const& mask) {
  expect_shape(mask.extent(3) == 1, "warp_mask: the mask " + to_string(shape_of(mask)) + " must have one channel");
  detail::check_positions(positions, shape_of(mask));
  for_each_element(ws, "heliograd::warp_mask", mask.size(),
                   detail::StoreInside<B, Positions>{positions, h, w, mask.extent(1), mask.extent(2), mask.data()});
}

}  // namespace kernel
}  // namespace heliograd::inline HELIOGRAD_ABI
