// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <string>
#include <type_traits>
#include <utility>

#include <heliograd/core/backend.hpp>
#include <heliograd/core/huge_pages.hpp>
#include <heliograd/core/shape.hpp>

namespace heliograd::inline HELIOGRAD_ABI {

namespace detail {
template <class T, int Rank>
struct WithStars {
  using type = typename WithStars<T, Rank - 1>::type*;
};
template <class T>
struct WithStars<T, 0> {
  using type = T;
};
template <int Rank, class Scalar, class MemorySpace>
using UnmanagedView = Kokkos::View<typename WithStars<Scalar, Rank>::type, Kokkos::LayoutRight, MemorySpace,
                                   Kokkos::MemoryTraits<Kokkos::Unmanaged>>;
}  // namespace detail

/// An owning tensor. It *is* a Kokkos::View: row-major on every backend, so that weights mean the same everywhere.
template <int Rank, class B>
using Tensor = Kokkos::View<typename detail::WithStars<typename B::scalar_type, Rank>::type, Kokkos::LayoutRight,
                            typename B::memory_space>;

/// A non-owning view of a tensor or of arena memory: what kernels write to.
template <int Rank, class B>
using TensorRef = detail::UnmanagedView<Rank, typename B::scalar_type, typename B::memory_space>;

/// A non-owning read-only view: what kernels read from.
template <int Rank, class B>
using ConstTensorRef = detail::UnmanagedView<Rank, typename B::scalar_type const, typename B::memory_space>;

/// The shape of any view.
template <class View>
Shape<static_cast<int>(View::rank())> shape_of(View const& view) {
  Shape<static_cast<int>(View::rank())> shape;
  for (int axis = 0; axis < static_cast<int>(View::rank()); ++axis) shape[axis] = view.extent(axis);
  return shape;
}

/// Whether a view's elements lie row-major without gaps, as kernels read them. Slices may not.
template <class View>
bool is_row_major(View const& view) {
  std::size_t stride = 1;
  for (int axis = static_cast<int>(View::rank()) - 1; axis >= 0; --axis) {
    if (view.extent(axis) > 1 && view.stride(axis) != stride) return false;
    stride *= view.extent(axis);
  }
  return true;
}

/// A view of type `View` with the given shape, made from a pointer or from Kokkos::view_alloc(...).
template <class View, class Source, int Rank>
View view_at(Source const& source, Shape<Rank> const& shape) {
  static_assert(static_cast<int>(View::rank()) == Rank, "heliograd::view_at: the shape has another rank than the view");
  return [&]<std::size_t... Axis>(std::index_sequence<Axis...>) {
    return View(source, shape.extent[Axis]...);
  }(std::make_index_sequence<static_cast<std::size_t>(Rank)>{});
}

/// A new tensor, not initialised.
template <class B, int Rank>
Tensor<Rank, B> make_tensor(std::string const& label, Shape<Rank> const& shape) {
  auto const tensor = view_at<Tensor<Rank, B>>(Kokkos::view_alloc(Kokkos::WithoutInitializing, label), shape);
  advise_huge_pages<typename B::memory_space>(tensor.data(), tensor.size() * sizeof(typename B::scalar_type));
  return tensor;
}

}  // namespace heliograd::inline HELIOGRAD_ABI
