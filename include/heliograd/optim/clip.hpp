// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <cmath>
#include <cstddef>

#include <heliograd/kernel/reduce.hpp>
#include <heliograd/tape/flat_store.hpp>

namespace heliograd::inline HELIOGRAD_ABI::optim {

namespace detail {
template <class T>
struct SquareTerm {
  T const* x;
  KOKKOS_FUNCTION void operator()(std::size_t, std::size_t i, kernel::Sums<1>& one) const {
    double const value = static_cast<double>(x[i]);
    one[0] = value * value;
  }
};
struct StoreTotal {
  double* total;
  KOKKOS_FUNCTION void operator()(std::size_t, kernel::Sums<1> const& sum) const { *total = sum[0]; }
};
template <class T>
struct ScaleBy {
  T* x;
  T factor;
  KOKKOS_FUNCTION void operator()(std::size_t i) const { x[i] *= factor; }
};
template <class T>
struct ClampTo {
  T* x;
  T limit;
  KOKKOS_FUNCTION void operator()(std::size_t i) const { x[i] = x[i] > limit ? limit : x[i] < -limit ? -limit : x[i]; }
};
}  // namespace detail

/// The Euclidean norm of all gradients together, summed in double in a fixed order. Waits for the workspace's instance. Not
/// finite if any gradient is not: ask before a step whether to take it.
template <class B>
double gradient_norm(Workspace<B>& ws, FlatStore<B> const& store) {
  auto scope = ws.scope();
  auto* const total = scope.template take<double>(1);
  kernel::reduce<1>(ws, "heliograd::gradient_norm", 1, store.size(),
                    detail::SquareTerm<typename B::scalar_type>{store.gradients().data()}, detail::StoreTotal{total});
  double squares = 0;
  copy_flat<Kokkos::HostSpace, typename B::memory_space, typename B::execution_space, double>(ws.exec(), &squares,
                                                                                              total, 1);
  ws.exec().fence("heliograd::gradient_norm");
  return std::sqrt(squares);
}

/// Multiplies all gradients by a number.
template <class B>
void scale_gradients(Workspace<B>& ws, FlatStore<B> const& store, double factor) {
  using Scalar = typename B::scalar_type;
  kernel::for_each_element(ws, "heliograd::scale_gradients", store.size(),
                           detail::ScaleBy<Scalar>{store.gradients().data(), static_cast<Scalar>(factor)});
}

/// Shortens the gradient to at most `largest_norm`, keeping its direction. Returns the norm before; if that is not finite,
/// nothing is scaled.
template <class B>
double clip_gradients(Workspace<B>& ws, FlatStore<B> const& store, double largest_norm) {
  double const norm = gradient_norm(ws, store);
  if (std::isfinite(norm) && norm > largest_norm) scale_gradients(ws, store, largest_norm / norm);
  return norm;
}

/// Limits every entry of the gradient to [-largest, largest]; its direction changes. A NaN stays one.
/// Throws   UsageError unless `largest` is positive.
template <class B>
void clip_gradient_values(Workspace<B>& ws, FlatStore<B> const& store, double largest) {
  using Scalar = typename B::scalar_type;
  expect(largest > 0, "clip_gradient_values: the largest value must be positive");
  kernel::for_each_element(ws, "heliograd::clip_gradient_values", store.size(),
                           detail::ClampTo<Scalar>{store.gradients().data(), static_cast<Scalar>(largest)});
}

}  // namespace heliograd::inline HELIOGRAD_ABI::optim
