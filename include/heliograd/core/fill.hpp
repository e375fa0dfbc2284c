// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <cstddef>
#include <string>

#include <heliograd/core/tensor.hpp>
#include <heliograd/core/workspace.hpp>

namespace heliograd::inline HELIOGRAD_ABI {

namespace detail {
template <class Scalar>
struct Fill {
  Scalar* data;
  Scalar value;
  KOKKOS_FUNCTION void operator()(std::size_t i) const { data[i] = value; }
};
}  // namespace detail

/// Sets every element, ordered on `exec`. (One flat functor for all ranks; Kokkos::deep_copy costs ten times the compile
/// time.)
template <class ExecutionSpace, class View>
void fill(ExecutionSpace const& exec, View const& tensor, typename View::value_type value) {
  detail::Fill<typename View::value_type> const set{tensor.data(), value};
  if constexpr (runs_at_once<ExecutionSpace>)
    if (tensor.size() <= small_work) {
      for (std::size_t i = 0; i < tensor.size(); ++i) set(i);
      return;
    }
  using Policy = Kokkos::RangePolicy<ExecutionSpace, Kokkos::IndexType<std::size_t>>;
  Kokkos::parallel_for("heliograd::fill", Policy(exec, 0, tensor.size()), set);
}

/// The same in an op or a kernel's front: nothing in a dry run.
template <class B, class View>
void fill(Workspace<B> const& ws, View const& tensor, typename View::value_type value) {
  if (!ws.dry()) fill(ws.exec(), tensor, value);
}

/// A new tensor of zeros.
template <class B, int Rank>
Tensor<Rank, B> make_zeros(std::string const& label, Shape<Rank> const& shape,
                           typename B::execution_space const& exec = {}) {
  auto tensor = make_tensor<B>(label, shape);
  fill(exec, tensor, typename B::scalar_type(0));
  return tensor;
}

}  // namespace heliograd::inline HELIOGRAD_ABI
