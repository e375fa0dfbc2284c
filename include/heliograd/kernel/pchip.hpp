// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>

#include <heliograd/base/error.hpp>
#include <heliograd/core/dual.hpp>
#include <heliograd/core/sink.hpp>
#include <heliograd/kernel/detail/pchip_formula.hpp>
#include <heliograd/kernel/launch.hpp>
#include <heliograd/kernel/sort_by_key.hpp>

/// \file
/// Monotone piecewise cubic interpolation of lines of numbers given at knots. (On pixels: `warp` with
/// Interpolation::pchip.)
namespace heliograd::inline HELIOGRAD_ABI::kernel {

/// Where lines of numbers are known and where they are wanted: ascending knots, points in any order. In memory of the
/// backend, in double.
struct PchipGrid {
  double const* knots = nullptr;
  std::size_t knot_count = 0;
  double const* points = nullptr;
  std::size_t point_count = 0;

  /// The interval of a point: beyond the knots the first or last.
  KOKKOS_FUNCTION std::size_t interval(double at) const {
    std::size_t low = 0, high = knot_count > 2 ? knot_count - 2 : 0;
    while (low < high) {
      std::size_t const middle = (low + high) / 2;
      if (knots[middle + 1] <= at)
        low = middle + 1;
      else
        high = middle;
    }
    return low;
  }

  KOKKOS_FUNCTION bool covers(double at) const { return at >= knots[0] && at <= knots[knot_count - 1]; }
};

namespace detail {

/// The piece of a line on interval b, its values as functions of knot k given by `value`.
template <class Number, class T, class Value>
KOKKOS_FUNCTION PchipInterval<Number, T> pchip_piece(PchipGrid const& grid, std::size_t b, Value const& value) {
  PchipInterval<Number, T> piece;
  piece.has_left = b > 0;
  piece.has_right = b + 2 < grid.knot_count;
  for (std::size_t k = 0; k < 4; ++k)
    if (b + k >= 1 && b + k <= grid.knot_count) piece.v[k] = value(k);
  for (std::size_t k = 0; k < 3; ++k)
    if (b + k >= 1 && b + k < grid.knot_count) piece.h[k] = static_cast<T>(grid.knots[b + k] - grid.knots[b + k - 1]);
  return piece;
}

template <class T>
KOKKOS_FUNCTION T pchip_fraction(PchipGrid const& grid, std::size_t b, double at) {
  return static_cast<T>((at - grid.knots[b]) / (grid.knots[b + 1] - grid.knots[b]));
}

template <class T>
struct KnotValue {
  T const* at;  // of the knot before the interval
  KOKKOS_FUNCTION T operator()(std::size_t k) const { return at[k]; }
};
template <class T>
struct KnotDual {
  T const* at;
  KOKKOS_FUNCTION Dual<T, 4> operator()(std::size_t k) const { return Dual<T, 4>::input(at[k], static_cast<int>(k)); }
};

/// A value that moves along v.
template <class T>
struct KnotMotion {
  T const* at;
  T const* v;
  KOKKOS_FUNCTION Dual<T, 1> operator()(std::size_t k) const {
    Dual<T, 1> d(at[k]);
    d.slope[0] = v[k];
    return d;
  }
};
template <class T>
struct KnotMotionDual {
  KnotMotion<T> knot;
  KOKKOS_FUNCTION Dual<Dual<T, 1>, 4> operator()(std::size_t k) const {
    return Dual<Dual<T, 1>, 4>::input(knot(k), static_cast<int>(k));
  }
};

/// How the points move as the values move along v.
template <class B>
struct PchipTangent {
  using T = typename B::scalar_type;
  PchipGrid grid;
  T const* values;
  T const* v;
  Sink<2, B> y;

  KOKKOS_FUNCTION void operator()(std::size_t i) const {
    using Number = Dual<T, 1>;
    double const at = grid.points[i % grid.point_count];
    if (!grid.covers(at)) return y.add(i, T(0));
    std::size_t const b = grid.interval(at);
    std::size_t const first = i / grid.point_count * grid.knot_count + b - 1;
    auto const piece = pchip_piece<Number, T>(grid, b, KnotMotion<T>{values + first, v + first});
    y.add(i, piece(Number(pchip_fraction<T>(grid, b, at))).slope[0]);
  }
};

template <class T>
struct Pchip {
  PchipGrid grid;
  double fill;
  T const* values;
  T* y;

  KOKKOS_FUNCTION void operator()(std::size_t i) const {
    double const at = grid.points[i % grid.point_count];
    if (!grid.covers(at)) {
      y[i] = static_cast<T>(fill);
      return;
    }
    std::size_t const b = grid.interval(at);
    T const* const line = values + i / grid.point_count * grid.knot_count;
    y[i] = pchip_piece<T, T>(grid, b, KnotValue<T>{line + b - 1})(pchip_fraction<T>(grid, b, at));
  }
};

struct PchipKeys {
  PchipGrid grid;
  std::uint32_t* keys;
  KOKKOS_FUNCTION void operator()(std::size_t i) const {
    double const at = grid.points[i];
    keys[i] = static_cast<std::uint32_t>(grid.covers(at) ? grid.interval(at) : grid.knot_count);
  }
};

/// A value gathers from the points in the intervals whose piece it shapes: its own two and one beyond on each side. With
/// Bent, what it gathers is how that changes as the values move along v.
template <class B, bool Bent>
struct PchipGather {
  using T = typename B::scalar_type;
  PchipGrid grid;
  SortedByKey sorted;
  T const* values;
  T const* v;
  T const* gy;
  Sink<2, B> gvalues;

  KOKKOS_FUNCTION void operator()(std::size_t i) const {
    std::size_t const line = i / grid.knot_count, knot = i % grid.knot_count;
    T sum = T(0);
    for (std::size_t b = knot >= 2 ? knot - 2 : 0; b <= knot + 1 && b + 1 < grid.knot_count; ++b) {
      std::size_t const first = line * grid.knot_count + b - 1;
      if constexpr (Bent)
        gather(pchip_piece<Dual<Dual<T, 1>, 4>, T>(grid, b, KnotMotionDual<T>{{values + first, v + first}}), b, knot,
               line, sum);
      else
        gather(pchip_piece<Dual<T, 4>, T>(grid, b, KnotDual<T>{values + first}), b, knot, line, sum);
    }
    gvalues.add(i, sum);
  }

 private:
  template <class Number>
  KOKKOS_FUNCTION void gather(PchipInterval<Number, T> const& piece, std::size_t b, std::size_t knot, std::size_t line,
                              T& sum) const {
    for (std::size_t p = sorted.first[b]; p < sorted.first[b + 1]; ++p) {
      std::size_t const point = sorted.element[p];
      Number const value = piece(Number(pchip_fraction<T>(grid, b, grid.points[point])));
      sum += delivered(value.slope[knot + 1 - b]) * gy[line * grid.point_count + point];
    }
  }
  KOKKOS_FUNCTION static T delivered(T slope) { return slope; }
  KOKKOS_FUNCTION static T delivered(Dual<T, 1> const& slope) { return slope.slope[0]; }
};

inline void check_pchip(Shape<2> const& values, Shape<2> const& y, PchipGrid const& grid) {
  expect_shape(values[1] == grid.knot_count && grid.knot_count >= 2,
               "pchip: values " + to_string(values) + " at " + std::to_string(grid.knot_count) +
                   " knots; each line needs a value per knot, and two at least");
  expect_shape(y[0] == values[0] && y[1] == grid.point_count,
               "pchip: values " + to_string(values) + " at " + std::to_string(grid.point_count) + " points give " +
                   to_string(Shape<2>{values[0], grid.point_count}) + ", not " + to_string(y));
  expect_shape(grid.point_count < std::numeric_limits<std::uint32_t>::max(), "pchip: too many points for 32 bits");
}

}  // namespace detail

/// y [lines, points] = the lines `values` [lines, knots] at the points; `fill` beyond the knots.
template <class B>
void pchip(Workspace<B>& ws, ConstTensorRef<2, B> const& values, PchipGrid const& grid, TensorRef<2, B> const& y,
           double fill) {
  detail::check_pchip(shape_of(values), shape_of(y), grid);
  for_each_element(ws, "heliograd::pchip", y.size(),
                   detail::Pchip<typename B::scalar_type>{grid, fill, values.data(), y.data()});
}

/// y = beta y + the derivative of `pchip` along v, which has the shape of the values.
template <class B>
void pchip_tangent(Workspace<B>& ws, ConstTensorRef<2, B> const& values, ConstTensorRef<2, B> const& v,
                   PchipGrid const& grid, Sink<2, B> const& y) {
  detail::check_pchip(shape_of(values), shape_of(y.out), grid);
  for_each_element(ws, "heliograd::pchip_tangent", y.out.size(),
                   detail::PchipTangent<B>{grid, values.data(), v.data(), y});
}

namespace detail {
template <bool Bent, class B>
void pchip_gather(Workspace<B>& ws, ConstTensorRef<2, B> const& values, typename B::scalar_type const* v,
                  PchipGrid const& grid, ConstTensorRef<2, B> const& gy, Sink<2, B> const& gvalues) {
  check_pchip(shape_of(values), shape_of(gy), grid);
  auto scope = ws.scope();
  auto* const keys = scope.template take<std::uint32_t>(grid.point_count);
  for_each_item(ws, "heliograd::pchip_keys", grid.point_count, PchipKeys{grid, keys});
  auto const sorted = sort_by_key(ws, scope, "heliograd::pchip_sort", keys, grid.point_count, grid.knot_count);
  for_each_item(ws, "heliograd::pchip_backward", gvalues.out.size(),
                PchipGather<B, Bent>{grid, sorted, values.data(), v, gy.data(), gvalues});
}
}  // namespace detail

/// gvalues = beta gvalues + the transposed derivative of `pchip` applied to gy.
template <class B>
void pchip_backward(Workspace<B>& ws, ConstTensorRef<2, B> const& values, PchipGrid const& grid,
                    ConstTensorRef<2, B> const& gy, Sink<2, B> const& gvalues) {
  detail::pchip_gather<false, B>(ws, values, nullptr, grid, gy, gvalues);
}

/// gvalues = beta gvalues + how `pchip_backward` changes as the values move along v.
template <class B>
void pchip_bend(Workspace<B>& ws, ConstTensorRef<2, B> const& values, ConstTensorRef<2, B> const& v,
                PchipGrid const& grid, ConstTensorRef<2, B> const& gy, Sink<2, B> const& gvalues) {
  detail::pchip_gather<true, B>(ws, values, v.data(), grid, gy, gvalues);
}

}  // namespace heliograd::inline HELIOGRAD_ABI::kernel
