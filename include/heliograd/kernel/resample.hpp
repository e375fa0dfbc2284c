// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include <heliograd/base/error.hpp>
#include <heliograd/core/copy.hpp>
#include <heliograd/core/sink.hpp>
#include <heliograd/kernel/detail/keys_cubic.hpp>
#include <heliograd/kernel/launch.hpp>

/// \file
/// Images on another grid. Both grids cover the same area and their pixels are areas, not points: output pixel o of m lies
/// at \f$ u = (o + 1/2)\, n/m - 1/2 \f$ on an axis of n input pixels; or the centres of their outermost pixels coincide:
/// \f$ u = o (n - 1) / (m - 1) \f$. Positions are quotients of whole numbers, weights are computed in double.
namespace heliograd::inline HELIOGRAD_ABI {

enum class Resampling {
  nearest,   ///< the input pixel that holds the position
  bilinear,  ///< linear between the two nearest pixels; constant beyond the outermost centres
  bicubic,   ///< Keys' kernel on four pixels, border pixels repeated
  area,      ///< the mean of the input over the output pixel; for shrinking
};

struct ResampleOptions {
  Resampling method = Resampling::bilinear;
  double cubic = -0.75;        ///< the kernel's slope at distance 1: -0.75 as PyTorch has it, -0.5 for Keys' own choice
  bool align_corners = false;  ///< the centres of the outermost pixels coincide, not the borders of the images
};

namespace kernel {

namespace detail {

/// The weights of one axis: output o takes \f$ \sum_k w_{ko}\, x_{first_o + k} \f$. `first` never falls with o.
///
/// One of the taps is the reference r, and outputs are computed as \f$ x_r + \sum_{k \ne r} w_{ko} (x_k - x_r) \f$: weights
/// sum to one by construction, so a constant stays that constant, to the last bit.
template <class T>
struct AxisTable {
  std::int32_t* first;
  std::int32_t* reference;
  T* weight;              // [taps][out]; zero at the reference and where there is no tap
  std::int32_t* reached;  // [in][2]: the outputs that use an input
  int taps;
  std::size_t in;
  std::size_t out;

  /// The input pixel of a tap; past the last one where there is no tap.
  KOKKOS_FUNCTION std::size_t at(std::size_t o, int k) const {
    std::size_t const i = static_cast<std::size_t>(first[o]) + static_cast<std::size_t>(k);
    return i < in ? i : in - 1;
  }

  /// The share of input i in output o, for i among o's taps.
  KOKKOS_FUNCTION T share(std::size_t o, std::size_t i) const {
    if (static_cast<std::size_t>(reference[o]) != i) return weight[(i - static_cast<std::size_t>(first[o])) * out + o];
    T others = T(0);
    for (int k = 0; k < taps; ++k) others += weight[static_cast<std::size_t>(k) * out + o];
    return T(1) - others;
  }
};

/// How many taps an output has at most.
inline int most_taps(ResampleOptions const& options, std::size_t in, std::size_t out) {
  switch (options.method) {
    case Resampling::nearest: return 1;
    case Resampling::bilinear: return 2;
    case Resampling::bicubic: return 4;
    case Resampling::area: return static_cast<int>((in + out - 1) / out + 1);
  }
  return 0;
}

/// Fills the weights of one output.
template <class T>
struct FillTaps {
  AxisTable<T> table;
  ResampleOptions options;

  KOKKOS_FUNCTION void operator()(std::size_t index) const {
    for (int k = 0; k < table.taps; ++k) table.weight[static_cast<std::size_t>(k) * table.out + index] = T(0);
    std::int64_t const n = static_cast<std::int64_t>(table.in);
    std::int64_t const m = static_cast<std::int64_t>(table.out);
    std::int64_t const o = static_cast<std::int64_t>(index);
    if (options.method == Resampling::area) {
      std::int64_t const begin = o * n, end = begin + n;  // in units of 1/m input pixel
      std::int64_t const i = begin / m;
      store(index, i, (begin + end) / 2 / m);
      for (std::int64_t j = i; j * m < end; ++j) {
        std::int64_t const from = j * m > begin ? j * m : begin;
        std::int64_t const to = (j + 1) * m < end ? (j + 1) * m : end;
        add(index, j, static_cast<double>(to - from) / static_cast<double>(n));
      }
      return;
    }
    // The position is above / below; its whole part, and the fraction exact but for one rounding.
    bool const corners = options.align_corners;
    std::int64_t const above = corners ? (m > 1 ? o * (n - 1) : 0) : (2 * o + 1) * n - m;
    std::int64_t const below = corners ? (m > 1 ? m - 1 : 1) : 2 * m;
    if (options.method == Resampling::nearest) {
      std::int64_t const i = (2 * above + below) / (2 * below);
      store(index, i, i);
      return;
    }
    std::int64_t const whole = above >= 0 ? above / below : -((-above + below - 1) / below);
    double const t = static_cast<double>(above - whole * below) / static_cast<double>(below);
    std::int64_t const near = t < 0.5 ? whole : whole + 1;
    if (options.method == Resampling::bilinear) {
      store(index, clamp(whole, n), clamp(near, n));
      add(index, clamp(whole, n), 1 - t);
      add(index, clamp(whole + 1, n), t);
    } else {
      KeysCubic const keys{options.cubic};
      store(index, clamp(whole - 1, n), clamp(near, n));
      add(index, clamp(whole - 1, n), keys(1 + t));
      add(index, clamp(whole, n), keys(t));
      add(index, clamp(whole + 1, n), keys(1 - t));
      add(index, clamp(whole + 2, n), keys(2 - t));
    }
  }

 private:
  KOKKOS_FUNCTION static std::int64_t clamp(std::int64_t i, std::int64_t n) { return i < 0 ? 0 : i < n ? i : n - 1; }

  KOKKOS_FUNCTION void store(std::size_t o, std::int64_t first, std::int64_t reference) const {
    table.first[o] = static_cast<std::int32_t>(first);
    table.reference[o] = static_cast<std::int32_t>(reference);
  }

  /// The reference's own weight is what the others leave.
  KOKKOS_FUNCTION void add(std::size_t o, std::int64_t i, double weight) const {
    if (i == table.reference[o]) return;
    table.weight[static_cast<std::size_t>(i - table.first[o]) * table.out + o] += static_cast<T>(weight);
  }
};

/// Finds the outputs that use an input: a range, since taps move forward with o.
template <class T>
struct FindReached {
  AxisTable<T> table;
  KOKKOS_FUNCTION void operator()(std::size_t i) const {
    std::int32_t const at = static_cast<std::int32_t>(i);
    table.reached[2 * i] = first_where(at - table.taps + 1);
    table.reached[2 * i + 1] = first_where(at + 1);
  }

 private:
  /// The first output whose first tap is `least` or later.
  KOKKOS_FUNCTION std::int32_t first_where(std::int32_t least) const {
    std::size_t low = 0, high = table.out;
    while (low < high) {
      std::size_t const middle = (low + high) / 2;
      if (table.first[middle] >= least)
        high = middle;
      else
        low = middle + 1;
    }
    return static_cast<std::int32_t>(low);
  }
};

template <class B, class Scope>
AxisTable<typename B::scalar_type> make_table(Workspace<B>& ws, Scope& scope, ResampleOptions const& options,
                                              std::size_t in, std::size_t out) {
  using T = typename B::scalar_type;
  AxisTable<T> table{};
  table.taps = most_taps(options, in, out);
  table.in = in;
  table.out = out;
  table.first = scope.template take<std::int32_t>(out);
  table.reference = scope.template take<std::int32_t>(out);
  table.weight = scope.template take<T>(out * static_cast<std::size_t>(table.taps));
  table.reached = scope.template take<std::int32_t>(2 * in);
  for_each_item(ws, "heliograd::resample_taps", out, FillTaps<T>{table, options});
  for_each_item(ws, "heliograd::resample_taps", in, FindReached<T>{table});
  return table;
}

/// Numbers of a row that are combined before the next ones are looked at: they stay in registers and the first cache.
inline constexpr std::size_t block_size = 128;

/// y[row, o, :] from x[row, i, :], with `width` numbers in a line. Host: one work item per line; else one per number.
template <class T, bool OnHost>
struct ResampleLines {
  AxisTable<T> table;
  T const* x;
  T* y;
  std::size_t width;

  KOKKOS_FUNCTION void operator()(std::size_t item) const {
    if constexpr (OnHost) {
      std::size_t const row = item / table.out;
      std::size_t const o = item % table.out;
      line(x + row * table.in * width, o, y + item * width);
    } else {
      std::size_t const column = item % width;
      std::size_t const o = item / width % table.out;
      T const* const from = x + item / width / table.out * table.in * width + column;
      T const reference = from[static_cast<std::size_t>(table.reference[o]) * width];
      T sum = reference;
      for (int k = 0; k < table.taps; ++k) {
        T const w = table.weight[static_cast<std::size_t>(k) * table.out + o];
        if (w != T(0)) sum += w * (from[table.at(o, k) * width] - reference);
      }
      y[item] = sum;
    }
  }

  KOKKOS_FUNCTION void line(T const* rows, std::size_t o, T* to) const {
    T const* const reference = rows + static_cast<std::size_t>(table.reference[o]) * width;
    for (std::size_t begin = 0; begin < width; begin += block_size) {
      std::size_t const count = begin + block_size < width ? block_size : width - begin;
      T sum[block_size];
      for (std::size_t i = 0; i < count; ++i) sum[i] = reference[begin + i];
      for (int k = 0; k < table.taps; ++k) {
        T const w = table.weight[static_cast<std::size_t>(k) * table.out + o];
        if (w == T(0)) continue;
        T const* const tap = rows + table.at(o, k) * width;
        HELIOGRAD_INDEPENDENT_LOOP
        for (std::size_t i = 0; i < count; ++i) sum[i] += w * (tap[begin + i] - reference[begin + i]);
      }
      for (std::size_t i = 0; i < count; ++i) to[begin + i] = sum[i];
    }
  }
};

/// The same for lines of one number, on the host: the loop runs along the outputs of a row, `Taps` taps at a time.
template <class T, int Taps>
struct ResampleRow {
  AxisTable<T> table;
  T const* x;
  T* y;

  KOKKOS_FUNCTION void operator()(std::size_t row) const {
    T const* const from = x + row * table.in;
    T* const to = y + row * table.out;
    std::int32_t const* const first = table.first;
    std::int32_t const* const reference = table.reference;
    std::int32_t const last = static_cast<std::int32_t>(table.in - 1);
    std::size_t const out = table.out;
    for (int begin = 0; begin < table.taps; begin += Taps) {
      T const* const weight = table.weight + static_cast<std::size_t>(begin) * out;
      HELIOGRAD_INDEPENDENT_LOOP
      for (std::size_t o = 0; o < out; ++o) {
        T const centre = from[reference[o]];
        T sum = begin == 0 ? centre : to[o];
        for (int k = 0; k < Taps; ++k) {
          std::int32_t const i = first[o] + begin + k < last ? first[o] + begin + k : last;
          T const w = weight[static_cast<std::size_t>(k) * out + o];
          T const contribution = w * (from[i] - centre);
          sum += w != T(0) ? contribution : T(0);
        }
        to[o] = sum;
      }
    }
  }
};

/// gx[row, i, :] = beta gx + sum over the outputs o that use i of share(o, i) gy[row, o, :].
template <class T, bool OnHost>
struct GatherLines {
  AxisTable<T> table;
  T const* gy;
  T* gx;
  T beta;
  std::size_t width;

  KOKKOS_FUNCTION void operator()(std::size_t item) const {
    if constexpr (OnHost) {
      line(gy + item / table.in * table.out * width, item % table.in, gx + item * width);
    } else {
      std::size_t const i = item / width % table.in;
      T const* const from = gy + item / width / table.in * table.out * width + item % width;
      T sum = T(0);
      for (std::int32_t o = table.reached[2 * i]; o < table.reached[2 * i + 1]; ++o)
        sum += table.share(static_cast<std::size_t>(o), i) * from[static_cast<std::size_t>(o) * width];
      gx[item] = beta != T(0) ? beta * gx[item] + sum : sum;
    }
  }

  KOKKOS_FUNCTION void line(T const* rows, std::size_t i, T* to) const {
    for (std::size_t begin = 0; begin < width; begin += block_size) {
      std::size_t const count = begin + block_size < width ? block_size : width - begin;
      T sum[block_size];
      for (std::size_t j = 0; j < count; ++j) sum[j] = T(0);
      for (std::int32_t o = table.reached[2 * i]; o < table.reached[2 * i + 1]; ++o) {
        T const w = table.share(static_cast<std::size_t>(o), i);
        if (w == T(0)) continue;
        T const* const from = rows + static_cast<std::size_t>(o) * width + begin;
        HELIOGRAD_INDEPENDENT_LOOP
        for (std::size_t j = 0; j < count; ++j) sum[j] += w * from[j];
      }
      if (beta != T(0)) {
        for (std::size_t j = 0; j < count; ++j) to[begin + j] = beta * to[begin + j] + sum[j];
      } else {
        for (std::size_t j = 0; j < count; ++j) to[begin + j] = sum[j];
      }
    }
  }
};

/// Both axes at once where neither has more than two taps (bilinear, nearest): no intermediate image. One work item per
/// output row on the host, one per number elsewhere.
template <class T, bool OnHost>
struct ResampleTwoTaps {
  AxisTable<T> rows, columns;
  T const* x;
  T* y;
  std::size_t channels;

  KOKKOS_FUNCTION void operator()(std::size_t item) const {
    if constexpr (OnHost) {
      std::size_t const p = item % rows.out;
      T const* const image = x + item / rows.out * rows.in * columns.in * channels;
      for (std::size_t q = 0; q < columns.out; ++q)
        pixel(image, p, q, y + (item * columns.out + q) * channels, 0, channels);
    } else {
      std::size_t const c = item % channels;
      std::size_t const q = item / channels % columns.out;
      std::size_t const p = item / channels / columns.out % rows.out;
      std::size_t const n = item / channels / columns.out / rows.out;
      pixel(x + n * rows.in * columns.in * channels, p, q, y + (item - c), c, c + 1);
    }
  }

  KOKKOS_FUNCTION void pixel(T const* image, std::size_t p, std::size_t q, T* to, std::size_t begin,
                             std::size_t end) const {
    std::size_t other_row = 0, other_column = 0;
    T const a = second(rows, p, other_row);
    T const b = second(columns, q, other_column);
    std::size_t const row = static_cast<std::size_t>(rows.reference[p]) * columns.in;
    std::size_t const column = static_cast<std::size_t>(columns.reference[q]);
    T const* const near_near = image + (row + column) * channels;
    T const* const near_far = image + (row + other_column) * channels;
    T const* const far_near = image + (other_row * columns.in + column) * channels;
    T const* const far_far = image + (other_row * columns.in + other_column) * channels;
    if (a == T(0) && b == T(0)) {
      for (std::size_t c = begin; c < end; ++c) to[c] = near_near[c];
      return;
    }
    HELIOGRAD_INDEPENDENT_LOOP
    for (std::size_t c = begin; c < end; ++c) {
      T const near = near_near[c] + a * (far_near[c] - near_near[c]);
      T const far = near_far[c] + a * (far_far[c] - near_far[c]);
      to[c] = near + b * (far - near);
    }
  }

  /// The weight and the place of the tap that is not the reference; the reference itself where there is none.
  KOKKOS_FUNCTION static T second(AxisTable<T> const& table, std::size_t o, std::size_t& other) {
    other = static_cast<std::size_t>(table.reference[o]);
    for (int k = 0; k < table.taps; ++k) {
      T const w = table.weight[static_cast<std::size_t>(k) * table.out + o];
      if (w != T(0)) {
        other = table.at(o, k);
        return w;
      }
    }
    return T(0);
  }
};

inline void check_resample(Shape<4> const& fine, Shape<4> const& coarse, ResampleOptions const& options) {
  expect(options.method != Resampling::area || !options.align_corners,
         "resample: means over the area of pixels have no corners to align; leave align_corners false");
  expect_shape(fine[0] == coarse[0] && fine[3] == coarse[3],
               "resample: images " + to_string(fine) + " and " + to_string(coarse) + " differ in number or channels");
  std::size_t constexpr limit = std::size_t{1} << 30;  // of positions in 32 bits
  for (Shape<4> const* const shape : {&fine, &coarse})
    expect_shape((*shape)[1] > 0 && (*shape)[2] > 0 && (*shape)[1] < limit && (*shape)[2] < limit,
                 "resample: image " + to_string(*shape) + " has no pixels, or too many in a row");
}

}  // namespace detail

/// y = x on the grid of y. Axes of equal length are passed over: the same size gives the same bits.
template <class B>
void resample(Workspace<B>& ws, ConstTensorRef<4, B> const& x, TensorRef<4, B> const& y,
              ResampleOptions const& options) {
  using T = typename B::scalar_type;
  detail::check_resample(shape_of(x), shape_of(y), options);
  std::size_t const n = x.extent(0), h = x.extent(1), w = x.extent(2), p = y.extent(1), q = y.extent(2),
                    c = x.extent(3);
  if (y.size() == 0) return;
  if (h == p && w == q) return copy(ws.exec(), y, x);
  auto scope = ws.scope();
  auto const rows = detail::make_table(ws, scope, options, h, p);
  auto const columns = detail::make_table(ws, scope, options, w, q);
  if (rows.taps <= 2 && columns.taps <= 2 && (!B::on_host || c >= 8)) {
    for_each_item(ws, "heliograd::resample", B::on_host ? n * p : y.size(),
                  detail::ResampleTwoTaps<T, B::on_host>{rows, columns, x.data(), y.data(), c});
    return;
  }
  T const* between = x.data();
  if (h != p) {
    T* const to = w == q ? y.data() : scope.template take<T>(n * p * w * c);
    for_each_item(ws, "heliograd::resample_rows", B::on_host ? n * p : n * p * w * c,
                  detail::ResampleLines<T, B::on_host>{rows, between, to, w * c});
    between = to;
  }
  if (w == q) return;
  char const* const label = "heliograd::resample_columns";
  if (B::on_host && c == 1 && columns.taps == 4)
    for_each_item(ws, label, n * p, detail::ResampleRow<T, 4>{columns, between, y.data()});
  else if (B::on_host && c == 1 && columns.taps == 2)
    for_each_item(ws, label, n * p, detail::ResampleRow<T, 2>{columns, between, y.data()});
  else if (B::on_host && c == 1)
    for_each_item(ws, label, n * p, detail::ResampleRow<T, 1>{columns, between, y.data()});
  else
    for_each_item(ws, label, B::on_host ? n * p * q : y.size(),
                  detail::ResampleLines<T, B::on_host>{columns, between, y.data(), c});
}

/// gx = beta gx + the transpose of `resample` applied to gy. Every input pixel gathers from the outputs that used it.
template <class B>
void resample_backward(Workspace<B>& ws, ConstTensorRef<4, B> const& gy, Sink<4, B> const& gx,
                       ResampleOptions const& options) {
  using T = typename B::scalar_type;
  detail::check_resample(shape_of(gx.out), shape_of(gy), options);
  std::size_t const n = gx.out.extent(0), h = gx.out.extent(1), w = gx.out.extent(2), p = gy.extent(1),
                    q = gy.extent(2), c = gy.extent(3);
  if (gx.out.size() == 0) return;
  ResampleOptions along = options;
  if (h == p && w == q) along.method = Resampling::nearest;  // a copy, through the sink
  auto scope = ws.scope();
  T const* between = gy.data();
  if (w != q) {
    auto const columns = detail::make_table(ws, scope, along, w, q);
    T* const to = h == p ? gx.out.data() : scope.template take<T>(n * p * w * c);
    for_each_item(ws, "heliograd::resample_backward_columns", B::on_host ? n * p * w : n * p * w * c,
                  detail::GatherLines<T, B::on_host>{columns, between, to, h == p ? gx.beta : T(0), c});
    between = to;
  }
  if (w != q && h == p) return;
  auto const rows = detail::make_table(ws, scope, along, h, p);
  for_each_item(ws, "heliograd::resample_backward_rows", B::on_host ? n * h : n * h * w * c,
                detail::GatherLines<T, B::on_host>{rows, between, gx.out.data(), gx.beta, w * c});
}

}  // namespace kernel
}  // namespace heliograd::inline HELIOGRAD_ABI
