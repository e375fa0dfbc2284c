// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <cstddef>
#include <type_traits>

#include <heliograd/core/tensor.hpp>

namespace heliograd::inline HELIOGRAD_ABI {

namespace detail {
/// y[i] = beta y[i] + x[source of i]: the indices of y, innermost last, times the strides of x.
template <class T, int Rank>
struct Gather {
  T const* x;
  T* y;
  T beta;
  Kokkos::Array<std::size_t, Rank> extent, stride;

  KOKKOS_FUNCTION void operator()(std::size_t i) const {
    std::size_t rest = i, source = 0;
    for (int axis = Rank - 1; axis >= 0; --axis) {
      source += rest % extent[axis] * stride[axis];
      rest /= extent[axis];
    }
    y[i] = beta != T(0) ? beta * y[i] + x[source] : x[source];
  }
};
}  // namespace detail

/// Whether views of this type may lie otherwise than kernels read them: slices that skip memory, Fortran's order.
template <class View>
inline constexpr bool may_have_gaps =
    View::rank() > 0 && !std::is_same_v<typename View::array_layout, Kokkos::LayoutRight>;

/// Writes the elements of a view of any layout side by side, row-major, ordered on `exec`. `out` has room for x.size() of them, in
/// the memory of x. Strides may be zero: an element is then written as often as it is seen.
///
/// Cost  one pass; a few divisions for each element.
template <class ExecutionSpace, class View>
void pack(ExecutionSpace const& exec, View const& x, typename View::non_const_value_type* out) {
  static_assert(may_have_gaps<View>, "heliograd::pack: this view is row-major already");
  constexpr int rank = static_cast<int>(View::rank());
  detail::Gather<typename View::non_const_value_type, rank> gather{x.data(), out, 0, {}, {}};
  for (int axis = 0; axis < rank; ++axis) {
    gather.extent[axis] = x.extent(axis);
    gather.stride[axis] = x.stride(axis);
  }
  using Policy = Kokkos::RangePolicy<ExecutionSpace, Kokkos::IndexType<std::size_t>>;
  Kokkos::parallel_for("heliograd::pack", Policy(exec, 0, x.size()), gather);
}

}  // namespace heliograd::inline HELIOGRAD_ABI
