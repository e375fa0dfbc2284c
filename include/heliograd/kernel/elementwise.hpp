// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <cstddef>
#include <utility>

#include <heliograd/core/dual.hpp>
#include <heliograd/kernel/launch.hpp>

/// \file
/// One formula, element by element, on any number of equally shaped inputs: its values, and by dual numbers its gradient.
namespace heliograd::inline HELIOGRAD_ABI::kernel {

namespace detail {

template <class Formula, class T, std::size_t N>
struct MapForward {
  Formula formula;
  Kokkos::Array<T const*, N> x;
  T* y;

  KOKKOS_FUNCTION void operator()(std::size_t i) const { evaluate(i, std::make_index_sequence<N>{}); }
  template <std::size_t... K>
  KOKKOS_FUNCTION void evaluate(std::size_t i, std::index_sequence<K...>) const {
    y[i] = formula(x[K][i]...);
  }
};

template <class Formula, class T, std::size_t N>
struct MapBackward {
  Formula formula;
  Kokkos::Array<T const*, N> x;
  T const* gy;
  Kokkos::Array<T*, N> gx;  // null where no gradient is wanted
  Kokkos::Array<T, N> beta;

  KOKKOS_FUNCTION void operator()(std::size_t i) const { evaluate(i, std::make_index_sequence<N>{}); }
  template <std::size_t... K>
  KOKKOS_FUNCTION void evaluate(std::size_t i, std::index_sequence<K...>) const {
    using Number = Dual<T, static_cast<int>(N)>;
    Number const y = formula(Number::input(x[K][i], static_cast<int>(K))...);
    T const g = gy[i];  // before it is overwritten, if a gradient takes its place
    (deliver<K>(i, g * y.slope[K]), ...);
  }
  template <std::size_t K>
  KOKKOS_FUNCTION void deliver(std::size_t i, T contribution) const {
    if (gx[K]) gx[K][i] = (beta[K] != T(0) ? beta[K] * gx[K][i] : T(0)) + contribution;
  }
};

}  // namespace detail

/// y[i] = formula(x_0[i], x_1[i], ...) for `count` elements.
template <class B, std::size_t N, class Formula>
void map(Workspace<B>& ws, char const* label, std::size_t count, Formula const& formula,
         Kokkos::Array<typename B::scalar_type const*, N> const& x, typename B::scalar_type* y) {
  for_each_element(ws, label, count, detail::MapForward<Formula, typename B::scalar_type, N>{formula, x, y});
}

/// gx_k[i] = beta_k gx_k[i] + gy[i] d formula / d x_k for every k whose gx_k is not null. One of them may be gy.
template <class B, std::size_t N, class Formula>
void map_backward(Workspace<B>& ws, char const* label, std::size_t count, Formula const& formula,
                  Kokkos::Array<typename B::scalar_type const*, N> const& x, typename B::scalar_type const* gy,
                  Kokkos::Array<typename B::scalar_type*, N> const& gx,
                  Kokkos::Array<typename B::scalar_type, N> const& beta) {
  for_each_element(ws, label, count,
                   detail::MapBackward<Formula, typename B::scalar_type, N>{formula, x, gy, gx, beta});
}

}  // namespace heliograd::inline HELIOGRAD_ABI::kernel
