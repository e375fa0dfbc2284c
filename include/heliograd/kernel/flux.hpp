// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <cstddef>

#include <heliograd/core/sink.hpp>
#include <heliograd/kernel/detail/store_mean.hpp>
#include <heliograd/kernel/launch.hpp>
#include <heliograd/kernel/reduce.hpp>

/// \file
/// The squared difference of the mean flux through two images.
namespace heliograd::inline HELIOGRAD_ABI::kernel {

/// \name What a pixel of field b lets through, and its slope.
///@{
struct NetFlux {
  template <class T>
  KOKKOS_FUNCTION T value(T b) const {
    return b;
  }
  template <class T>
  KOKKOS_FUNCTION T slope(T) const {
    return T(1);
  }
};

/// |b|, rounded off below `smooth` so that it has a slope everywhere. Without smoothing the slope at 0 is 0.
template <class Scalar>
struct UnsignedFlux {
  Scalar smooth = 0;
  template <class T>
  KOKKOS_FUNCTION T value(T b) const {
    using Kokkos::sqrt;
    return sqrt(b * b + T(smooth * smooth));
  }
  template <class T>
  KOKKOS_FUNCTION T slope(T b) const {
    T const root = value(b);
    return root > T(0) ? b / root : T(0);
  }
};
///@}

/// The difference of one pair of images, and the sum of the weights it is a mean over.
struct FluxDifference {
  double mean;
  double weight;
};

namespace detail {

template <class Through, class T>
struct FluxDifferenceTerm {
  Through through;
  T const* x;
  T const* y;
  T const* weight;
  std::size_t length;
  KOKKOS_FUNCTION void operator()(std::size_t segment, std::size_t i, Sums<2>& one) const {
    std::size_t const at = segment * length + i;
    double const w = weight ? static_cast<double>(weight[at]) : 1.0;
    double const d = through.value(static_cast<double>(x[at])) - through.value(static_cast<double>(y[at]));
    one[0] = w > 0 ? w * d : 0.0;
    one[1] = w > 0 ? w : 0.0;
  }
};

struct StoreFluxDifference {
  FluxDifference* difference;
  KOKKOS_FUNCTION void operator()(std::size_t segment, Sums<2> const& total) const {
    difference[segment] = {total[1] > 0 ? total[0] / total[1] : 0.0, total[1]};
  }
};

struct SquaredFluxTerm {
  FluxDifference const* difference;
  KOKKOS_FUNCTION void operator()(std::size_t, std::size_t segment, Sums<1>& one) const {
    one[0] = difference[segment].mean * difference[segment].mean;
  }
};

template <class Through, int Rank, class B>
struct FluxGradient {
  using T = typename B::scalar_type;
  Through through;
  T const* x;
  T const* weight;
  FluxDifference const* difference;
  double sign;
  std::size_t length, segments;
  T const* gloss;
  Sink<Rank, B> gx;
  KOKKOS_FUNCTION void operator()(std::size_t i) const {
    FluxDifference const d = difference[i / length];
    double const w = weight ? static_cast<double>(weight[i]) : 1.0;
    double const scale = 2 * sign * static_cast<double>(*gloss) / static_cast<double>(segments) * d.mean / d.weight;
    gx.add(i, static_cast<T>(w > 0 ? scale * w * through.slope(static_cast<double>(x[i])) : 0.0));
  }
};

}  // namespace detail

/// loss = (1/S) sum_s d_s^2 with d_s = sum_i w_i (f(x_i) - f(y_i)) / sum_i w_i over part s of S equal ones. Weights that are not
/// positive leave their pixels out; without any d_s is 0. Writes d and the sums of weights to `difference`, in device memory.
template <class B, int Rank, class Through>
void mean_squared_flux(Workspace<B>& ws, Through const& through, std::size_t segments, ConstTensorRef<Rank, B> const& x,
                       ConstTensorRef<Rank, B> const& y, ConstTensorRef<Rank, B> const& weight,
                       TensorRef<0, B> const& loss, FluxDifference* difference) {
  using T = typename B::scalar_type;
  constexpr char const* label = "heliograd::mean_squared_flux";
  std::size_t const length = x.size() / segments;
  reduce<2>(ws, label, segments, length,
            detail::FluxDifferenceTerm<Through, T>{through, x.data(), y.data(), weight.data(), length},
            detail::StoreFluxDifference{difference});
  reduce<1>(ws, label, 1, segments, detail::SquaredFluxTerm{difference},
            detail::StoreMean<T>{loss.data(), static_cast<double>(segments)});
}

/// gx = beta gx + sign gloss (2/S) d_s w_i f'(x_i) / sum w: the gradient of x with sign 1, of y (in place of x) with sign -1.
template <class B, int Rank, class Through>
void mean_squared_flux_backward(Workspace<B>& ws, Through const& through, std::size_t segments,
                                ConstTensorRef<Rank, B> const& x, ConstTensorRef<Rank, B> const& weight,
                                FluxDifference const* difference, double sign, ConstTensorRef<0, B> const& gloss,
                                Sink<Rank, B> const& gx) {
  for_each_element(ws, "heliograd::mean_squared_flux_backward", x.size(),
                   detail::FluxGradient<Through, Rank, B>{through, x.data(), weight.data(), difference, sign,
                                                          x.size() / segments, segments, gloss.data(), gx});
}

}  // namespace heliograd::inline HELIOGRAD_ABI::kernel
