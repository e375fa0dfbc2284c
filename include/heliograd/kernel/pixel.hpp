// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <cstddef>

#include <heliograd/core/sink.hpp>
#include <heliograd/kernel/detail/store_mean.hpp>
#include <heliograd/kernel/launch.hpp>
#include <heliograd/kernel/reduce.hpp>

/// \file
/// The mean over all elements of a penalty on the difference of two tensors; with weights, the weighted mean. An element
/// whose weight is not positive does not count, whatever its value.
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

template <class Penalty, class T>
struct WeightedPenaltyTerm {
  Penalty penalty;
  T const* x;
  T const* y;
  T const* weight;
  KOKKOS_FUNCTION void operator()(std::size_t, std::size_t i, Sums<2>& one) const {
    double const w = static_cast<double>(weight[i]);
    double const price = penalty.value(static_cast<double>(x[i] - y[i]));
    one[0] = w > 0 ? w * price : 0.0;
    one[1] = w > 0 ? w : 0.0;
  }
};

template <class T>
struct StoreWeightedMean {
  T* mean;
  double* total;
  KOKKOS_FUNCTION void operator()(std::size_t, Sums<2> const& sum) const {
    *mean = static_cast<T>(sum[1] > 0 ? sum[0] / sum[1] : 0.0);
    *total = sum[1];
  }
};

template <class Penalty, int Rank, class B>
struct WeightedPenaltyGradient {
  using T = typename B::scalar_type;
  Penalty penalty;
  T const* x;
  T const* y;
  T const* weight;
  T const* gmean;
  double const* total;
  Sink<Rank, B> gx;
  KOKKOS_FUNCTION void operator()(std::size_t i) const {
    T const w = weight[i];
    T const slope = static_cast<T>(static_cast<double>(*gmean) / *total) * w * penalty.slope(x[i] - y[i]);
    gx.add(i, w > T(0) ? slope : T(0));
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

/// mean = sum_i w_i penalty(x_i - y_i) / W with W = sum_i w_i over the positive weights; 0 if there are none. Writes W, which
/// the backward pass needs, to `total`, in device memory.
template <class B, int Rank, class Penalty>
void weighted_mean_penalty(Workspace<B>& ws, Penalty const& penalty, ConstTensorRef<Rank, B> const& x,
                           ConstTensorRef<Rank, B> const& y, ConstTensorRef<Rank, B> const& weight,
                           TensorRef<0, B> const& mean, double* total) {
  using T = typename B::scalar_type;
  reduce<2>(ws, "heliograd::weighted_mean_penalty", 1, x.size(),
            detail::WeightedPenaltyTerm<Penalty, T>{penalty, x.data(), y.data(), weight.data()},
            detail::StoreWeightedMean<T>{mean.data(), total});
}

/// gx_i = beta gx_i + (gmean/W) w_i slope(x_i - y_i).
template <class B, int Rank, class Penalty>
void weighted_mean_penalty_backward(Workspace<B>& ws, Penalty const& penalty, ConstTensorRef<Rank, B> const& x,
                                    ConstTensorRef<Rank, B> const& y, ConstTensorRef<Rank, B> const& weight,
                                    double const* total, ConstTensorRef<0, B> const& gmean, Sink<Rank, B> const& gx) {
  for_each_element(ws, "heliograd::weighted_mean_penalty_backward", x.size(),
                   detail::WeightedPenaltyGradient<Penalty, Rank, B>{penalty, x.data(), y.data(), weight.data(),
                                                                     gmean.data(), total, gx});
}

}  // namespace heliograd::inline HELIOGRAD_ABI::kernel
