// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>

#include <heliograd/base/error.hpp>
#include <heliograd/core/math.hpp>
#include <heliograd/core/sink.hpp>
#include <heliograd/kernel/launch.hpp>
#include <heliograd/kernel/reduce.hpp>

/// \file
/// Histograms that can be differentiated: each value is shared between the two nearest of a row of bins, in proportion to
/// how near they are, so that the shares of a value sum to one.
namespace heliograd::inline HELIOGRAD_ABI {

/// Bins for signed data of many magnitudes: equally spaced in the logarithm of |value| above a noise level, mirrored for
/// negative values, and one bin in the middle for all that is noise.
///
/// A value v stands at \f$ u = \operatorname{sign}(v) \log_{10}(\max(|v|, noise)/noise) / step \f$, |v| not beyond `limit`;
/// the bins are centred on the whole numbers.
struct SignedLogBins {
  double noise = 60;    ///< in gauss, if `unit` says how many gauss a value of 1 stands for
  double limit = 5000;  ///< larger fields count as this one
  double step = 0.15;   ///< decades per bin
  double unit = 1;      ///< what a value of 1 stands for, in the unit of noise and limit

  /// Bins on either side of the middle one.
  int half() const { return static_cast<int>(std::ceil(std::log10(limit / noise) / step)); }
  int count() const { return 2 * half() + 1; }
};

namespace kernel {

inline void expect_bins(std::string const& op, SignedLogBins const& bins) {
  expect(bins.noise > 0 && bins.limit > bins.noise && bins.step > 0 && bins.unit > 0,
         op + ": bins need 0 < noise < limit, step > 0 and unit > 0 (found noise " + std::to_string(bins.noise) +
             ", limit " + std::to_string(bins.limit) + ", step " + std::to_string(bins.step) + ", unit " +
             std::to_string(bins.unit) + ")");
}

namespace detail {

/// SignedLogBins as kernels use them.
template <class T>
struct BinAxis {
  T inner;  ///< noise and limit as values
  T outer;
  T per_log;  ///< bins per unit of the natural logarithm
  int half;

  explicit BinAxis(SignedLogBins const& bins)
      : inner(static_cast<T>(bins.noise / bins.unit)),
        outer(static_cast<T>(bins.limit / bins.unit)),
        per_log(static_cast<T>(1.0 / (std::log(10.0) * bins.step))),
        half(bins.half()) {}

  /// Where values above the noise stand, each on the side of its sign: in (0, half]; 0 for noise and NaN. Without branches, one
  /// step at a time: host compilers make vector code of it.
  KOKKOS_FUNCTION void distances(T const* values, std::size_t count, T* u) const {
    T const most = static_cast<T>(half), low = inner, high = outer, factor = per_log;
    HELIOGRAD_INDEPENDENT_LOOP
    for (std::size_t i = 0; i < count; ++i) {
      T const magnitude = Kokkos::abs(values[i]);
      u[i] = magnitude > low ? magnitude : low;
    }
    HELIOGRAD_INDEPENDENT_LOOP
    for (std::size_t i = 0; i < count; ++i) u[i] = u[i] < high ? u[i] : high;
    HELIOGRAD_INDEPENDENT_LOOP
    for (std::size_t i = 0; i < count; ++i) u[i] = math::log(u[i] / low);
    HELIOGRAD_INDEPENDENT_LOOP
    for (std::size_t i = 0; i < count; ++i) {
      T const distance = factor * u[i];
      u[i] = distance < most ? distance : most;
    }
  }
};

/// Between which bins values stand, as slots: side by side those of positive values, the first next to the middle bin, then those of
/// negative ones; and how far into it. Noise is at the start of a slot.
template <class T>
struct BinSlots {
  BinAxis<T> axis;

  KOKKOS_FUNCTION int count() const { return 2 * axis.half; }
  /// The bin at the beginning of a slot, and which way the other one lies.
  KOKKOS_FUNCTION static int side(int slot, int half) { return slot < half ? 1 : -1; }
  KOKKOS_FUNCTION static int near(int slot, int half) { return slot < half ? half + slot : 2 * half - slot; }

  KOKKOS_FUNCTION void find(T const* values, std::size_t count, T* u, int* slot) const {
    axis.distances(values, count, u);
    int const half = axis.half;
    HELIOGRAD_INDEPENDENT_LOOP
    for (std::size_t i = 0; i < count; ++i) {
      int const whole = static_cast<int>(u[i]);
      int const begin = whole < half ? whole : half - 1;
      u[i] -= static_cast<T>(begin);
      slot[i] = begin + (values[i] < T(0) ? half : 0);
    }
  }
};

/// The share of a chunk of one sample in every bin, into a row of `partial`. Shares are summed as whole numbers, which have no order,
/// in as many tables as it takes for one value not to wait for the one before.
template <class T, bool OnHost>
struct HistogramChunk {
  static constexpr std::size_t size = OnHost ? 4096 : 256;
  static constexpr double unit = 0x1p51;  ///< of a share: 4096 of them fit 64 bits

  BinSlots<T> slots;
  T const* x;
  std::size_t length;
  std::size_t chunks;
  double* partial;
  std::uint64_t* tables;  ///< two for each lane of each item

  static constexpr std::size_t lanes = OnHost ? 4 : 1;
  KOKKOS_FUNCTION std::size_t table_size() const { return 2 * lanes * static_cast<std::size_t>(slots.count()); }

  KOKKOS_FUNCTION void operator()(std::size_t item) const {
    std::size_t const begin = (item % chunks) * size;
    std::size_t const end = begin + size < length ? begin + size : length;
    T const* const from = x + (item / chunks) * length;
    int const half = slots.axis.half;
    auto const stride = static_cast<std::size_t>(slots.count());
    std::uint64_t* const values = tables + item * table_size();
    std::uint64_t* const shares = values + lanes * stride;
    for (std::size_t i = 0; i < table_size(); ++i) values[i] = 0;
    constexpr std::size_t tile = OnHost ? 64 : 1;
    T u[tile];
    int slot[tile];
    std::int64_t share[tile];
    for (std::size_t first = begin; first < end; first += tile) {
      std::size_t const count = end - first < tile ? end - first : tile;
      slots.find(from + first, count, u, slot);
      HELIOGRAD_INDEPENDENT_LOOP
      for (std::size_t i = 0; i < count; ++i) share[i] = static_cast<std::int64_t>(static_cast<double>(u[i]) * unit);
      for (std::size_t i = 0; i < count; ++i) {
        std::size_t const at = i % lanes * stride + static_cast<std::size_t>(slot[i]);
        ++values[at];
        shares[at] += static_cast<std::uint64_t>(share[i]);
      }
    }
    double* const row = partial + item * static_cast<std::size_t>(2 * half + 1);
    for (int k = 0; k <= 2 * half; ++k) row[k] = 0;
    for (int s = 0; s < slots.count(); ++s) {
      std::uint64_t all = 0, far = 0;
      for (std::size_t lane = 0; lane < lanes; ++lane) {
        all += values[lane * stride + static_cast<std::size_t>(s)];
        far += shares[lane * stride + static_cast<std::size_t>(s)];
      }
      int const k = BinSlots<T>::near(s, half);
      double const far_share = static_cast<double>(far) / unit;
      row[k] += static_cast<double>(all) - far_share;
      row[k + BinSlots<T>::side(s, half)] += far_share;
    }
  }
};

/// One bin of one sample: the chunks joined in ascending order.
struct HistogramJoin {
  double const* partial;
  std::size_t chunks;
  std::size_t bins;
  double length;
  double* shares;
  KOKKOS_FUNCTION void operator()(std::size_t i) const {
    double const* const from = partial + (i / bins) * chunks * bins + i % bins;
    double total = 0;
    for (std::size_t chunk = 0; chunk < chunks; ++chunk) total += from[chunk * bins];
    shares[i] = total / length;
  }
};

struct VariationTerm {
  double const* a;
  double const* b;
  KOKKOS_FUNCTION void operator()(std::size_t, std::size_t i, Sums<1>& one) const {
    double const d = a[i] - b[i];
    one[0] = d < 0 ? -d : d;
  }
};

template <class T>
struct StoreVariation {
  T* mean;
  double scale;
  KOKKOS_FUNCTION void operator()(std::size_t, Sums<1> const& total) const { *mean = static_cast<T>(scale * total[0]); }
};

/// How the variation of a sample moves with a value's place, for each slot: shares go from the near bin to the far one.
template <class T>
struct VariationSlope {
  BinSlots<T> slots;
  double const* own;
  double const* other;
  T* slope;

  KOKKOS_FUNCTION static int pull(double a, double b) { return static_cast<int>(a > b) - static_cast<int>(a < b); }

  KOKKOS_FUNCTION void operator()(std::size_t item) const {
    auto const count = static_cast<std::size_t>(slots.count());
    int const s = static_cast<int>(item % count), half = slots.axis.half;
    std::size_t const first = item / count * (count + 1);
    auto const near = first + static_cast<std::size_t>(BinSlots<T>::near(s, half));
    std::size_t const far = BinSlots<T>::side(s, half) > 0 ? near + 1 : near - 1;
    slope[item] = static_cast<T>(pull(own[far], other[far]) - pull(own[near], other[near]));
  }
};

/// The gradient of one value: its share moves from the near bin to the far one, or on to the next.
template <class B>
struct VariationGradient {
  using T = typename B::scalar_type;
  BinSlots<T> slots;
  T const* x;
  T const* slope;  ///< [sample][slot]
  T const* gmean;
  double scale;
  std::size_t length;
  std::size_t chunks;
  std::size_t chunk;
  Sink<4, B> gx;

  KOKKOS_FUNCTION void operator()(std::size_t item) const {
    std::size_t const sample = item / chunks;
    std::size_t const begin = (item % chunks) * chunk;
    std::size_t const end = begin + chunk < length ? begin + chunk : length;
    T const* const slopes = slope + sample * static_cast<std::size_t>(slots.count());
    T const step = static_cast<T>(scale * static_cast<double>(*gmean)) * slots.axis.per_log;
    T const inner = slots.axis.inner, outer = slots.axis.outer;
    constexpr std::size_t tile = B::on_host ? 64 : 1;
    T u[tile];
    int slot[tile];
    for (std::size_t first = sample * length + begin; first < sample * length + end; first += tile) {
      std::size_t const left = sample * length + end - first;
      std::size_t const count = left < tile ? left : tile;
      slots.find(x + first, count, u, slot);
      HELIOGRAD_INDEPENDENT_LOOP
      for (std::size_t i = 0; i < count; ++i) {
        T const v = x[first + i];
        T const magnitude = v < T(0) ? -v : v;
        bool const moves = magnitude > inner && magnitude < outer;
        T const change = step * slopes[slot[i]] / v;
        gx.add(first + i, moves ? change : T(0));
      }
    }
  }
};

}  // namespace detail

/// How much of every sample falls in each bin: shares[n, k], each row sums to 1.
template <class B>
void soft_histogram(Workspace<B>& ws, ConstTensorRef<4, B> const& x, SignedLogBins const& bins, double* shares) {
  using T = typename B::scalar_type;
  using Chunk = detail::HistogramChunk<T, B::on_host>;
  std::size_t const samples = x.extent(0);
  std::size_t const length = samples > 0 ? x.size() / samples : 0;
  std::size_t const chunks = (length + Chunk::size - 1) / Chunk::size;
  std::size_t const count = static_cast<std::size_t>(bins.count());
  auto scope = ws.scope();
  double* const partial = scope.template take<double>(samples * chunks * count);
  Chunk chunk{{detail::BinAxis<T>(bins)}, x.data(), length, chunks, partial, nullptr};
  chunk.tables = scope.template take<std::uint64_t>(samples * chunks * chunk.table_size());
  for_each_item(ws, "heliograd::soft_histogram", samples * chunks, chunk);
  for_each_item(ws, "heliograd::soft_histogram", samples * count,
                detail::HistogramJoin{partial, chunks, count, static_cast<double>(length), shares});
}

/// mean = (1/n) sum over samples of (1/2) sum_k |a_k - b_k|: the mean total variation of two rows of shares.
template <class B>
void mean_total_variation(Workspace<B>& ws, std::size_t samples, std::size_t bins, double const* a, double const* b,
                          TensorRef<0, B> const& mean) {
  using T = typename B::scalar_type;
  reduce<1>(ws, "heliograd::mean_total_variation", 1, samples * bins, detail::VariationTerm{a, b},
            detail::StoreVariation<T>{mean.data(), 0.5 / static_cast<double>(samples)});
}

/// gx = beta gx + gmean d(mean total variation)/dx, where `own` are the shares of x and `other` what they are held against.
template <class B>
void mean_total_variation_backward(Workspace<B>& ws, ConstTensorRef<4, B> const& x, SignedLogBins const& bins,
                                   double const* own, double const* other, ConstTensorRef<0, B> const& gmean,
                                   Sink<4, B> const& gx) {
  using T = typename B::scalar_type;
  std::size_t const samples = x.extent(0);
  std::size_t const length = samples > 0 ? x.size() / samples : 0;
  std::size_t const chunk = B::on_host ? 4096 : 1;
  std::size_t const chunks = (length + chunk - 1) / chunk;
  detail::BinSlots<T> const slots{detail::BinAxis<T>(bins)};
  std::size_t const slopes = samples * static_cast<std::size_t>(slots.count());
  auto scope = ws.scope();
  T* const slope = scope.template take<T>(slopes);
  for_each_item(ws, "heliograd::mean_total_variation_backward", slopes,
                detail::VariationSlope<T>{slots, own, other, slope});
  for_each_item(ws, "heliograd::mean_total_variation_backward", samples * chunks,
                detail::VariationGradient<B>{slots, x.data(), slope, gmean.data(), 0.5 / static_cast<double>(x.size()),
                                             length, chunks, chunk, gx});
}

}  // namespace kernel
}  // namespace heliograd::inline HELIOGRAD_ABI
