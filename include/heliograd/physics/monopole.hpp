// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <cstddef>
#include <string>

#include <heliograd/kernel/launch.hpp>
#include <heliograd/kernel/reduce.hpp>
#include <heliograd/physics/map_grid.hpp>
#include <heliograd/tape/tape.hpp>

/// \file
/// The mean of a map over the Sun: of radial field the monopole, which nature does not have.
namespace heliograd::inline HELIOGRAD_ABI::physics {

namespace detail {

template <class Scalar>
struct MapTerm {
  MapGrid grid;
  Scalar const* x;
  bool by_area;
  KOKKOS_FUNCTION void operator()(std::size_t n, std::size_t i, kernel::Sums<2>& one) const {
    double const area = by_area ? grid.area(static_cast<double>(i / grid.width)) : 1;
    one[0] = area * static_cast<double>(x[n * grid.width * grid.height + i]);
    one[1] = grid.area(static_cast<double>(i / grid.width));
  }
};
template <class Scalar>
struct StoreQuotient {
  Scalar* out;
  KOKKOS_FUNCTION void operator()(std::size_t n, kernel::Sums<2> const& sums) const {
    out[n] = static_cast<Scalar>(sums[0] / sums[1]);
  }
};
template <class B>
struct SubtractMonopole {
  using Scalar = typename B::scalar_type;
  MapGrid grid;
  Scalar const* x;
  Scalar const* total;
  bool by_area;
  Sink<4, B> y;
  KOKKOS_FUNCTION void operator()(std::size_t i) const {
    std::size_t const size = grid.width * grid.height;
    double const share = by_area ? grid.area(static_cast<double>(i % size / grid.width)) : 1;
    y.add(i, static_cast<Scalar>(static_cast<double>(x[i]) - share * static_cast<double>(total[i / size])));
  }
};

inline void check_map(char const* name, Shape<4> const& x, MapGrid const& grid) {
  expect_shape(x[1] == grid.height && x[2] == grid.width && x[3] == 1,
               std::string(name) + ": maps " + to_string(x) + " do not fit a grid of " + std::to_string(grid.height) +
                   " x " + std::to_string(grid.width) + " pixels; give [n, height, width, 1]");
}

/// y = beta y + x - 1 <a, x> / <a, 1>, or its transpose x - a <1, x> / <a, 1>, a the area of the pixels.
template <class B>
void subtract_monopole(Workspace<B>& ws, MapGrid const& grid, bool transposed, ConstTensorRef<4, B> x,
                       Sink<4, B> const& y) {
  using Scalar = typename B::scalar_type;
  if (x.size() == 0) return;
  auto scope = ws.scope();
  auto* const total = scope.template take<Scalar>(x.extent(0));
  kernel::reduce<2>(ws, "heliograd::monopole", x.extent(0), grid.width * grid.height,
                    MapTerm<Scalar>{grid, x.data(), !transposed}, StoreQuotient<Scalar>{total});
  kernel::for_each_element(ws, "heliograd::remove_monopole", x.size(),
                           SubtractMonopole<B>{grid, x.data(), total, transposed, y});
}

template <class B>
Var<4, B> without_monopole(Var<4, B> x, MapGrid const& grid, bool transposed) {
  Tape<B>& tape = x.tape();
  auto const y = tape.make(x.shape(), x.wants_grad());
  subtract_monopole<B>(tape.workspace(), grid, transposed, x.value, overwrite<B, 4>(y.value));
  if (y.wants_grad())
    tape.record(
        "heliograd::remove_monopole", y,
        [=](Tape<B>& t) { subtract_monopole<B>(t.workspace(), grid, !transposed, y.grad(), t.into(x)); },
        [=](Tape<B>& t, Var<4, B> gy) {
          if (t.wants(x)) t.deliver(x, without_monopole(gy, grid, !transposed));
        });
  return y;
}

}  // namespace detail

/// The mean over the area that maps cover.
/// Shapes   x [n, height, width, 1] of the grid -> mean [n]
template <class B>
void map_mean(Workspace<B>& ws, MapGrid const& grid, ConstTensorRef<4, B> x, TensorRef<1, B> mean) {
  using Scalar = typename B::scalar_type;
  detail::check_map("map_mean", shape_of(x), grid);
  kernel::reduce<2>(ws, "heliograd::map_mean", x.extent(0), grid.width * grid.height,
                    detail::MapTerm<Scalar>{grid, x.data(), true}, detail::StoreQuotient<Scalar>{mean.data()});
}

/// Maps without their mean over the area they cover.
///
/// Shapes   x [n, height, width, 1] of the grid -> the same.
/// Math     \f$ y_i = x_i - \sum_j a_j x_j / \sum_j a_j \f$, a the area of the pixels; each map by itself.
/// Gradient \f$ \bar x_i = \bar y_i - a_i \sum_j \bar y_j / \sum_j a_j \f$; twice differentiable.
/// Keeps    nothing.
/// Cost     two reads of x.
/// Throws   ShapeError for maps of another size than the grid's.
template <class B>
Var<4, B> remove_monopole(Var<4, B> x, MapGrid const& grid) {
  detail::check_map("remove_monopole", x.shape(), grid);
  return detail::without_monopole(x, grid, false);
}

}  // namespace heliograd::inline HELIOGRAD_ABI::physics
