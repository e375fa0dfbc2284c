// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>

#include <string>

#include <heliograd/kernel/reduce.hpp>
#include <heliograd/op/linear_map.hpp>

namespace heliograd::inline HELIOGRAD_ABI {

namespace detail {

template <class Scalar>
struct SumTerm {
  Scalar const* x;
  KOKKOS_FUNCTION void operator()(std::size_t, std::size_t i, kernel::Sums<1>& one) const { one[0] = x[i]; }
};
template <class Scalar>
struct ScaleTotal {
  Scalar* y;
  double scale;
  KOKKOS_FUNCTION void operator()(std::size_t, kernel::Sums<1> const& total) const {
    *y = static_cast<Scalar>(scale * total[0]);
  }
};
template <int Rank, class B>
struct SpreadTotal {
  Sink<Rank, B> gx;
  typename B::scalar_type const* gy;
  typename B::scalar_type scale;
  KOKKOS_FUNCTION void operator()(std::size_t i) const { gx.add(i, scale * *gy); }
};

template <int Rank, class B>
Var<0, B> scaled_sum(char const* name, Var<Rank, B> x, double scale) {
  using Scalar = typename B::scalar_type;
  return linear_map(
      name, Shape<0>{}, x,
      [=](Workspace<B>& ws, auto const& in, auto const& y) {
        kernel::reduce<1>(ws, name, 1, in.size(), SumTerm<Scalar>{in.data()}, ScaleTotal<Scalar>{y.data(), scale});
      },
      [=](Workspace<B>& ws, auto const& gy, auto const& gx) {
        kernel::for_each_element(ws, name, gx.out.size(),
                                 SpreadTotal<Rank, B>{gx, gy.data(), static_cast<Scalar>(scale)});
      });
}

}  // namespace detail

/// The sum of all elements.
/// Shapes   any -> [].
/// Gradient every element receives the gradient of the sum.
/// Keeps    nothing.
/// Cost     one read; carried in double, in a fixed tree: the same bits for any number of threads.
template <int Rank, class B>
Var<0, B> sum(Var<Rank, B> x) {
  return detail::scaled_sum("heliograd::sum", x, 1.0);
}

/// The mean of all elements; otherwise as `sum`.
/// Throws   ShapeError for a tensor without elements.
template <int Rank, class B>
Var<0, B> mean(Var<Rank, B> x) {
  expect_shape(x.value.size() > 0, "mean: the tensor " + to_string(x.shape()) + " has no elements");
  return detail::scaled_sum("heliograd::mean", x, 1.0 / static_cast<double>(x.value.size()));
}

}  // namespace heliograd::inline HELIOGRAD_ABI
