// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <cstddef>

#include <heliograd/core/sink.hpp>
#include <heliograd/kernel/launch.hpp>
#include <heliograd/kernel/reduce.hpp>

/// \file
/// The inner product of two tensors, and a tensor times a number that lies on the device.
namespace heliograd::inline HELIOGRAD_ABI::kernel {

namespace detail {

template <class T>
struct DotTerm {
  T const* x;
  T const* y;
  KOKKOS_FUNCTION void operator()(std::size_t, std::size_t i, Sums<1>& one) const {
    one[0] = static_cast<double>(x[i]) * static_cast<double>(y[i]);
  }
};

template <class T>
struct DeliverDot {
  T* out;
  T beta;
  KOKKOS_FUNCTION void operator()(std::size_t, Sums<1> const& total) const {
    *out = (beta != T(0) ? beta * *out : T(0)) + static_cast<T>(total[0]);
  }
};

template <class T>
struct ScaleElement {
  T const* s;
  T const* x;
  T* out;
  T beta;
  KOKKOS_FUNCTION void operator()(std::size_t i) const { out[i] = (beta != T(0) ? beta * out[i] : T(0)) + *s * x[i]; }
};

}  // namespace detail

/// out = beta out + sum_i x_i y_i, carried in double.
template <class B, int Rank>
void dot(Workspace<B>& ws, ConstTensorRef<Rank, B> const& x, ConstTensorRef<Rank, B> const& y, Sink<0, B> const& out) {
  using T = typename B::scalar_type;
  reduce<1>(ws, "heliograd::dot", 1, x.size(), detail::DotTerm<T>{x.data(), y.data()},
            detail::DeliverDot<T>{out.out.data(), out.beta});
}

/// out_i = beta out_i + s x_i.
template <class B, int Rank>
void scale(Workspace<B>& ws, ConstTensorRef<0, B> const& s, ConstTensorRef<Rank, B> const& x,
           Sink<Rank, B> const& out) {
  using T = typename B::scalar_type;
  for_each_element(ws, "heliograd::scale", x.size(),
                   detail::ScaleElement<T>{s.data(), x.data(), out.out.data(), out.beta});
}

}  // namespace heliograd::inline HELIOGRAD_ABI::kernel
