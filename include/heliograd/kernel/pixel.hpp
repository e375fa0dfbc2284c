// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <cstddef>

#include <heliograd/core/sink.hpp>
#include <heliograd/kernel/detail/store_mean.hpp>
#include <heliograd/kernel/launch.hpp>
#include <heliograd/kernel/reduce.hpp>

/// \file
/// The mean over all elements of a penalty on the difference of two tensors.
namespace heliograd::inline HELIOGRAD_ABI::kernel {

/// \name Penalties: the price of a difference, and its slope. A penalty is even.
///@{
struct SquaredPenalty {
  template <class T>
  KOKKOS_FUNCTION T value(T d) const {
    return d * d;
  }
  template <class T>
  KOKKOS_FUNCTION T slope(T d) const {
    return T(2) * d;
  }
};

struct AbsolutePenalty {
  template <class T>
  KOKKOS_FUNCTION T value(T d) const {
    return d < T(0) ? -d : d;
  }
  /// Zero at the kink.
  template <class T>
  KOKKOS_FUNCTION T slope(T d) const {
    return d > T(0) ? T(1) : d < T(0) ? T(-1) : T(0);
  }
};
///@}

namespace detail {

template <class Penalty, class T>
struct PenaltyTerm {
  Penalty penalty;
  T const* x;
  T const* y;
  KOKKOS_FUNCTION void operator()(std::size_t, std::size_t i, Sums<1>& one) const {
    one[0] = penalty.value(static_cast<double>(x[i] - y[i]));
  }
};

template <class Penalty, int Rank, class B>
struct PenaltyGradient {
  using T = typename B::scalar_type;
  Penalty penalty;
  T const* x;
  T const* y;
  T const* gmean;
  double count;
  Sink<Rank, B> gx;
  KOKKOS_FUNCTION void operator()(std::size_t i) const {
    gx.add(i, static_cast<T>(static_cast<double>(*gmean) / count) * penalty.slope(x[i] - y[i]));
  }
};

}  // namespace detail

/// mean = (1/N) sum_i penalty(x_i - y_i), carried in double.
template <class B, int Rank, class Penalty>
void mean_penalty(Workspace<B>& ws, Penalty const& penalty, ConstTensorRef<Rank, B> const& x,
                  ConstTensorRef<Rank, B> const& y, TensorRef<0, B> const& mean) {
  using T = typename B::scalar_type;
  reduce<1>(ws, "heliograd::mean_penalty", 1, x.size(), detail::PenaltyTerm<Penalty, T>{penalty, x.data(), y.data()},
            detail::StoreMean<T>{mean.data(), static_cast<double>(x.size())});
}

/// gx_i = beta gx_i + (gmean/N) slope(x_i - y_i).
template <class B, int Rank, class Penalty>
void mean_penalty_backward(Workspace<B>& ws, Penalty const& penalty, ConstTensorRef<Rank, B> const& x,
                           ConstTensorRef<Rank, B> const& y, ConstTensorRef<0, B> const& gmean,
                           Sink<Rank, B> const& gx) {
  for_each_element(ws, "heliograd::mean_penalty_backward", x.size(),
                   detail::PenaltyGradient<Penalty, Rank, B>{penalty, x.data(), y.data(), gmean.data(),
                                                             static_cast<double>(x.size()), gx});
}

}  // namespace heliograd::inline HELIOGRAD_ABI::kernel
