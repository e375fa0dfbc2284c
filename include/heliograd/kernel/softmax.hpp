// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <algorithm>
#include <cstddef>

#include <heliograd/core/math.hpp>
#include <heliograd/core/sink.hpp>
#include <heliograd/kernel/launch.hpp>

/// \file
/// Softmax of the rows of a matrix.
namespace heliograd::inline HELIOGRAD_ABI::kernel {

namespace detail {

/// A few rows, one after the other; sums in double, from left to right.
template <class T>
struct SoftmaxRows {
  T const* x;
  T* y;
  std::size_t rows, width, rows_per_item;

  KOKKOS_FUNCTION void operator()(std::size_t item) const {
    for (std::size_t row = item * rows_per_item; row < rows && row < (item + 1) * rows_per_item; ++row) {
      T const* const from = x + row * width;
      T* const to = y + row * width;
      T peak = from[0];
      for (std::size_t i = 1; i < width; ++i) peak = from[i] > peak ? from[i] : peak;
      HELIOGRAD_INDEPENDENT_LOOP
      for (std::size_t i = 0; i < width; ++i) to[i] = math::exp(from[i] - peak);
      double total = 0;
      for (std::size_t i = 0; i < width; ++i) total += static_cast<double>(to[i]);
      T const share = static_cast<T>(1 / total);
      HELIOGRAD_INDEPENDENT_LOOP
      for (std::size_t i = 0; i < width; ++i) to[i] *= share;
    }
  }
};

template <class T>
struct SoftmaxRowsBackward {
  T const* y;
  T const* gy;
  T* gx;
  T beta;
  std::size_t rows, width, rows_per_item;

  KOKKOS_FUNCTION void operator()(std::size_t item) const {
    for (std::size_t row = item * rows_per_item; row < rows && row < (item + 1) * rows_per_item; ++row) {
      T const* const p = y + row * width;
      T const* const g = gy + row * width;
      T* const to = gx + row * width;
      double sum = 0;
      for (std::size_t i = 0; i < width; ++i) sum += static_cast<double>(p[i]) * static_cast<double>(g[i]);
      T const mean = static_cast<T>(sum);
      HELIOGRAD_INDEPENDENT_LOOP
      for (std::size_t i = 0; i < width; ++i) {
        T const contribution = p[i] * (g[i] - mean);
        to[i] = beta != T(0) ? beta * to[i] + contribution : contribution;
      }
    }
  }
};

template <class B>
std::size_t softmax_rows_per_item(std::size_t width) {
  return B::on_host ? std::max<std::size_t>(1, host_chunk / std::max<std::size_t>(width, 1)) : 1;
}

}  // namespace detail

/// y = e^x / sum of e^x along the last axis, without overflow.
template <class B, int Rank>
void softmax(Workspace<B>& ws, ConstTensorRef<Rank, B> const& x, TensorRef<Rank, B> const& y) {
  if (x.size() == 0) return;
  std::size_t const width = x.extent(Rank - 1), rows = x.size() / width;
  std::size_t const share = detail::softmax_rows_per_item<B>(width);
  for_each_item(ws, "heliograd::softmax", (rows + share - 1) / share,
                detail::SoftmaxRows<typename B::scalar_type>{x.data(), y.data(), rows, width, share});
}

/// gx = beta gx + y (gy - sum of gy y along the last axis).
template <class B, int Rank>
void softmax_backward(Workspace<B>& ws, ConstTensorRef<Rank, B> const& y, ConstTensorRef<Rank, B> const& gy,
                      Sink<Rank, B> const& gx) {
  if (y.size() == 0) return;
  std::size_t const width = y.extent(Rank - 1), rows = y.size() / width;
  std::size_t const share = detail::softmax_rows_per_item<B>(width);
  for_each_item(ws, "heliograd::softmax_backward", (rows + share - 1) / share,
                detail::SoftmaxRowsBackward<typename B::scalar_type>{y.data(), gy.data(), gx.out.data(), gx.beta, rows,
                                                                     width, share});
}

}  // namespace heliograd::inline HELIOGRAD_ABI::kernel
