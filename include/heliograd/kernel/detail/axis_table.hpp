// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <cstddef>
#include <cstdint>

#include <heliograd/core/accumulate.hpp>
#include <heliograd/core/copy.hpp>
#include <heliograd/core/sink.hpp>
#include <heliograd/kernel/launch.hpp>

/// \file
/// Images whose rows and columns are combined with tables of weights, one axis after the other: resampling, shifts.
namespace heliograd::inline HELIOGRAD_ABI::kernel::detail {

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
  int taps;               // 0: the axis is left alone
  std::size_t in;
  std::size_t out;
  std::size_t valid_begin, valid_end;  // the outputs that use inputs at all

  /// An axis that stays as it is.
  static AxisTable leave(std::size_t size) {
    AxisTable table{};
    table.in = table.out = table.valid_end = size;
    return table;
  }

  /// \name Filling: an output first, without weights; then those of its taps, which may be the same several times.
  ///@{
  KOKKOS_FUNCTION void begin_output(std::size_t o, std::int64_t first_tap, std::int64_t reference_tap) const {
    first[o] = static_cast<std::int32_t>(first_tap);
    reference[o] = static_cast<std::int32_t>(reference_tap);
    for (int k = 0; k < taps; ++k) weight[static_cast<std::size_t>(k) * out + o] = T(0);
  }
  /// The reference's own weight is what the others leave.
  KOKKOS_FUNCTION void add(std::size_t o, std::int64_t i, double w) const {
    if (i == reference[o]) return;
    weight[static_cast<std::size_t>(i - first[o]) * out + o] += static_cast<T>(w);
  }
  ///@}

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
    std::size_t low = table.valid_begin, high = table.valid_end;
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

template <class T, class Scope>
AxisTable<T> take_table(Scope& scope, int taps, std::size_t in, std::size_t out) {
  AxisTable<T> table{};
  table.taps = taps;
  table.in = in;
  table.out = table.valid_end = out;
  table.first = scope.template take<std::int32_t>(out);
  table.reference = scope.template take<std::int32_t>(out);
  table.weight = scope.template take<T>(out * static_cast<std::size_t>(taps));
  table.reached = scope.template take<std::int32_t>(2 * in);
  return table;
}

template <class B, class T>
void find_reached(Workspace<B>& ws, AxisTable<T> const& table) {
  for_each_item(ws, "heliograd::find_reached", table.in, FindReached<T>{table});
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

/// The shares of the taps of each output side by side, [out][taps], the reference's own among them.
template <class T>
struct TransposeShares {
  AxisTable<T> table;
  T* shares;
  KOKKOS_FUNCTION void operator()(std::size_t o) const {
    std::size_t const taps = static_cast<std::size_t>(table.taps);
    for (std::size_t k = 0; k < taps; ++k) shares[o * taps + k] = table.weight[k * table.out + o];
    if (o < table.valid_begin || o >= table.valid_end) return;
    std::size_t const reference = static_cast<std::size_t>(table.reference[o]);
    shares[o * taps + reference - static_cast<std::size_t>(table.first[o])] = table.share(o, reference);
  }
};

/// `GatherLines` on the host for lines of a few numbers: a work item has a row to itself, so each output adds to its taps, which
/// lie side by side.
template <class T>
struct ScatterRow {
  AxisTable<T> table;
  T const* shares;
  T const* gy;
  T* gx;
  std::size_t width;

  void operator()(std::size_t row) const {
    std::size_t const taps = static_cast<std::size_t>(table.taps), size = table.in * width;
    T const* const from = gy + row * table.out * width;
    T* const to = gx + row * size;
    for (std::size_t e = 0; e < size; ++e) to[e] = T(0);
    for (std::size_t o = table.valid_begin; o < table.valid_end; ++o) {
      std::size_t const first = static_cast<std::size_t>(table.first[o]);
      std::size_t const count = first + taps < table.in ? taps : table.in - first;
      T const* const share = shares + o * taps;
      if (width == 1)
        add(share, from[o], count, to + first);
      else
        for (std::size_t c = 0; c < width; ++c)
          for (std::size_t k = 0; k < count; ++k)
            if (share[k] != T(0)) to[(first + k) * width + c] += share[k] * from[o * width + c];
    }
  }

 private:
  static void add(T const* share, T g, std::size_t count, T* to) {
    HELIOGRAD_INDEPENDENT_LOOP
    for (std::size_t k = 0; k < count; ++k) to[k] += share[k] != T(0) ? share[k] * g : T(0);
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

/// y = x with its rows and columns combined.
template <class B>
void apply_axes(Workspace<B>& ws, char const* label, AxisTable<typename B::scalar_type> const& rows,
                AxisTable<typename B::scalar_type> const& columns, ConstTensorRef<4, B> const& x,
                TensorRef<4, B> const& y) {
  using T = typename B::scalar_type;
  std::size_t const n = x.extent(0), w = x.extent(2), p = y.extent(1), q = y.extent(2), c = x.extent(3);
  if (rows.taps == 0 && columns.taps == 0) return copy(ws, y, x);
  if (rows.taps > 0 && columns.taps > 0 && rows.taps <= 2 && columns.taps <= 2 && (!B::on_host || c >= 8)) {
    for_each_item(ws, label, B::on_host ? n * p : y.size(),
                  ResampleTwoTaps<T, B::on_host>{rows, columns, x.data(), y.data(), c});
    return;
  }
  auto scope = ws.scope();
  T const* between = x.data();
  if (rows.taps > 0) {
    T* const to = columns.taps == 0 ? y.data() : scope.template take<T>(n * p * w * c);
    for_each_item(ws, label, B::on_host ? n * p : n * p * w * c,
                  ResampleLines<T, B::on_host>{rows, between, to, w * c});
    between = to;
  }
  if (columns.taps == 0) return;
  if (B::on_host && c == 1 && columns.taps % 4 == 0)
    for_each_item(ws, label, n * p, ResampleRow<T, 4>{columns, between, y.data()});
  else if (B::on_host && c == 1 && columns.taps == 2)
    for_each_item(ws, label, n * p, ResampleRow<T, 2>{columns, between, y.data()});
  else if (B::on_host && c == 1)
    for_each_item(ws, label, n * p, ResampleRow<T, 1>{columns, between, y.data()});
  else
    for_each_item(ws, label, B::on_host ? n * p * q : y.size(),
                  ResampleLines<T, B::on_host>{columns, between, y.data(), c});
}

/// gx = beta gx + the transpose of `apply_axes` applied to gy.
template <class B>
void gather_axes(Workspace<B>& ws, char const* label, AxisTable<typename B::scalar_type> const& rows,
                 AxisTable<typename B::scalar_type> const& columns, ConstTensorRef<4, B> const& gy,
                 Sink<4, B> const& gx) {
  using T = typename B::scalar_type;
  std::size_t const n = gx.out.extent(0), h = gx.out.extent(1), w = gx.out.extent(2), p = gy.extent(1),
                    c = gy.extent(3);
  if (rows.taps == 0 && columns.taps == 0) return accumulate(ws, gx, gy);
  auto scope = ws.scope();
  T const* between = gy.data();
  if (columns.taps > 0) {
    bool const scattered = B::on_host && c < 8;
    // What is scattered is summed by itself before it is added to what is there.
    bool const direct = rows.taps == 0 && !(scattered && gx.beta != T(0));
    T* const to = direct ? gx.out.data() : scope.template take<T>(n * p * w * c);
    if constexpr (B::on_host)
      if (scattered) {
        T* const shares = scope.template take<T>(columns.out * static_cast<std::size_t>(columns.taps));
        for_each_item(ws, label, columns.out, TransposeShares<T>{columns, shares});
        for_each_item(ws, label, n * p, ScatterRow<T>{columns, shares, between, to, c});
      }
    if (!scattered)
      for_each_item(ws, label, B::on_host ? n * p * w : n * p * w * c,
                    GatherLines<T, B::on_host>{columns, between, to, rows.taps == 0 ? gx.beta : T(0), c});
    if (rows.taps == 0 && !direct) accumulate(ws, gx, view_at<TensorRef<4, B>>(to, shape_of(gx.out)));
    between = to;
  }
  if (rows.taps == 0) return;
  for_each_item(ws, label, B::on_host ? n * h : n * h * w * c,
                GatherLines<T, B::on_host>{rows, between, gx.out.data(), gx.beta, w * c});
}

}  // namespace heliograd::inline HELIOGRAD_ABI::kernel::detail
