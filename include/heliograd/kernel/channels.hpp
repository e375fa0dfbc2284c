// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <algorithm>
#include <cstddef>

#include <heliograd/core/fill.hpp>
#include <heliograd/core/sink.hpp>
#include <heliograd/kernel/launch.hpp>

/// \file
/// Moving ranges of channels between tensors whose last axis is the channel.
namespace heliograd::inline HELIOGRAD_ABI::kernel {

namespace detail {

/// to[row, to_first + c] = beta to[row, to_first + c] + from[row, from_first + c] for c < count. Host: a chunk of rows per
/// work item; elsewhere one number.
template <class T, bool OnHost>
struct CopyChannels {
  T const* from;
  std::size_t from_channels, from_first;
  T* to;
  std::size_t to_channels, to_first;
  T beta;
  std::size_t rows, count, chunk;

  KOKKOS_FUNCTION void operator()(std::size_t item) const {
    if constexpr (OnHost) {
      std::size_t const end = (item + 1) * chunk < rows ? (item + 1) * chunk : rows;
      for (std::size_t row = item * chunk; row < end; ++row) {
        T const* const source = from + row * from_channels + from_first;
        T* const target = to + row * to_channels + to_first;
        if (beta != T(0)) {
          HELIOGRAD_INDEPENDENT_LOOP
          for (std::size_t c = 0; c < count; ++c) target[c] = beta * target[c] + source[c];
        } else {
          HELIOGRAD_INDEPENDENT_LOOP
          for (std::size_t c = 0; c < count; ++c) target[c] = source[c];
        }
      }
    } else {
      std::size_t const row = item / count;
      std::size_t const c = item % count;
      T& target = to[row * to_channels + to_first + c];
      T const value = from[row * from_channels + from_first + c];
      target = beta != T(0) ? beta * target + value : value;
    }
  }
};

template <class B>
void copy_channels(Workspace<B>& ws, char const* label, typename B::scalar_type const* from, std::size_t from_channels,
                   std::size_t from_first, typename B::scalar_type* to, std::size_t to_channels, std::size_t to_first,
                   typename B::scalar_type beta, std::size_t rows, std::size_t count) {
  using Functor = CopyChannels<typename B::scalar_type, B::on_host>;
  if (count == 0) return;
  std::size_t const chunk = std::max<std::size_t>(1, host_chunk / count);
  for_each_item(ws, label, B::on_host ? (rows + chunk - 1) / chunk : rows * count,
                Functor{from, from_channels, from_first, to, to_channels, to_first, beta, rows, count, chunk});
}

}  // namespace detail

/// Puts all channels of x into y, beginning at channel `first`; the other channels of y are not touched.
template <class B, int Rank>
void put_channels(Workspace<B>& ws, ConstTensorRef<Rank, B> const& x, std::size_t first, TensorRef<Rank, B> const& y) {
  std::size_t const count = x.extent(Rank - 1), channels = y.extent(Rank - 1);
  if (x.size() == 0) return;
  detail::copy_channels<B>(ws, "heliograd::put_channels", x.data(), count, 0, y.data(), channels, first, 0,
                           x.size() / count, count);
}

/// y = beta y + the channels of x that begin at `first`, as many as y has.
template <class B, int Rank>
void take_channels(Workspace<B>& ws, ConstTensorRef<Rank, B> const& x, std::size_t first, Sink<Rank, B> const& y) {
  std::size_t const count = y.out.extent(Rank - 1), channels = x.extent(Rank - 1);
  if (y.out.size() == 0) return;
  detail::copy_channels<B>(ws, "heliograd::take_channels", x.data(), channels, first, y.out.data(), count, 0, y.beta,
                           y.out.size() / count, count);
}

/// The transpose of `take_channels`: gx = beta gx, plus gy in the channels that begin at `first`.
template <class B, int Rank>
void take_channels_backward(Workspace<B>& ws, ConstTensorRef<Rank, B> const& gy, std::size_t first,
                            Sink<Rank, B> const& gx) {
  using Scalar = typename B::scalar_type;
  if (gx.beta == Scalar(0)) fill(ws, gx.out, Scalar(0));
  std::size_t const count = gy.extent(Rank - 1), channels = gx.out.extent(Rank - 1);
  if (gy.size() == 0) return;
  detail::copy_channels<B>(ws, "heliograd::take_channels_backward", gy.data(), count, 0, gx.out.data(), channels, first,
                           gx.beta, gy.size() / count, count);
}

namespace detail {
template <class T>
struct SpreadChannels {
  T const* v;
  T* y;
  T beta;
  std::size_t channels;
  KOKKOS_FUNCTION void operator()(std::size_t i) const { y[i] = (beta != T(0) ? beta * y[i] : T(0)) + v[i % channels]; }
};
}  // namespace detail

/// y = beta y + v of the channel, for one number v per channel.
template <class B, int Rank>
void spread_channels(Workspace<B>& ws, ConstTensorRef<1, B> const& v, Sink<Rank, B> const& y) {
  for_each_element(
      ws, "heliograd::spread_channels", y.out.size(),
      detail::SpreadChannels<typename B::scalar_type>{v.data(), y.out.data(), y.beta, y.out.extent(Rank - 1)});
}

}  // namespace heliograd::inline HELIOGRAD_ABI::kernel
