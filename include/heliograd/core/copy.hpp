// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <algorithm>
#include <cstddef>
#include <cstring>
#include <type_traits>
#include <vector>

#include <heliograd/base/error.hpp>
#include <heliograd/core/pack.hpp>
#include <heliograd/core/past_caches.hpp>
#include <heliograd/core/tensor.hpp>
#include <heliograd/core/workspace.hpp>

/// \file
/// Copies between memory spaces as flat bytes: one instantiation serves every rank. `to_host` and `item` wait for the
/// execution space they are given; they are the only functions below `io` that do.
namespace heliograd::inline HELIOGRAD_ABI {

namespace detail {
template <class Space>
using Bytes = Kokkos::View<std::byte*, Space, Kokkos::MemoryTraits<Kokkos::Unmanaged>>;
template <class Space>
using ConstBytes = Kokkos::View<std::byte const*, Space, Kokkos::MemoryTraits<Kokkos::Unmanaged>>;

template <class View>
void expect_row_major(char const* function, View const& to) {
  if constexpr (may_have_gaps<View>)
    expect_shape(is_row_major(to), std::string(function) + ": the target " + to_string(shape_of(to)) +
                                       " skips memory; write to a tensor of its own");
}

/// Host: a piece of a copy that is too large for the caches. Vectors of float stand for the bytes, whatever they mean.
struct CopyPastCaches {
  static constexpr std::size_t piece = std::size_t{64} << 10;
  std::byte* to;
  std::byte const* from;
  std::size_t bytes;

  void operator()(std::size_t item) const {
    constexpr std::size_t step = sizeof(Simd<float>);
    std::size_t const end = std::min((item + 1) * piece, bytes);
    std::size_t at = item * piece;
    for (; at + step <= end; at += step) {
      Simd<float> vector;
      std::memcpy(&vector.lanes, from + at, step);
      store_past_caches(vector, reinterpret_cast<float*>(to + at));
    }
    std::memcpy(to + at, from + at, end - at);
    finish_past_caches();
  }
};
}  // namespace detail

/// Copies `count` objects from one space to another, ordered on `exec`.
template <class ToSpace, class FromSpace, class ExecutionSpace, class T>
void copy_flat(ExecutionSpace const& exec, T* to, T const* from, std::size_t count) {
  static_assert(std::is_trivially_copyable_v<T>, "heliograd::copy_flat: only plain data can be copied between spaces");
  if (count == 0) return;
  if constexpr (runs_at_once<ExecutionSpace> && std::is_same_v<ToSpace, FromSpace>)
    if (goes_past_caches(reinterpret_cast<float*>(to), count * sizeof(T) / sizeof(float))) {
      detail::CopyPastCaches const copy{reinterpret_cast<std::byte*>(to), reinterpret_cast<std::byte const*>(from),
                                        count * sizeof(T)};
      using Policy = Kokkos::RangePolicy<ExecutionSpace, Kokkos::IndexType<std::size_t>>;
      return Kokkos::parallel_for("heliograd::copy", Policy(exec, 0, (copy.bytes + copy.piece - 1) / copy.piece), copy);
    }
  Kokkos::deep_copy(exec, detail::Bytes<ToSpace>(reinterpret_cast<std::byte*>(to), count * sizeof(T)),
                    detail::ConstBytes<FromSpace>(reinterpret_cast<std::byte const*>(from), count * sizeof(T)));
}

/// Copies one tensor into another of the same shape on the same backend, ordered on `exec`.
/// Throws   ShapeError if their shapes differ, or for a target that skips memory.
template <class ExecutionSpace, class To, class From>
void copy(ExecutionSpace const& exec, To const& to, From const& from) {
  detail::expect_row_major("copy", to);
  expect_shape(shape_of(to) == shape_of(from),
               "copy: target has " + to_string(shape_of(to)) + ", source has " + to_string(shape_of(from)));
  using Scalar = typename To::non_const_value_type;
  if constexpr (may_have_gaps<From>)
    if (!is_row_major(from)) return pack(exec, from, to.data());
  copy_flat<typename To::memory_space, typename From::memory_space, ExecutionSpace, Scalar>(exec, to.data(),
                                                                                            from.data(), to.size());
}

/// The same in an op or a kernel's front: nothing in a dry run.
template <class B, class To, class From>
void copy(Workspace<B> const& ws, To const& to, From const& from) {
  if (!ws.dry()) copy(ws.exec(), to, from);
}

/// The elements of a tensor, row-major, on the host. Waits for `exec`.
template <class ExecutionSpace, class View>
auto to_host(ExecutionSpace const& exec, View const& tensor) -> std::vector<typename View::non_const_value_type> {
  using Scalar = typename View::non_const_value_type;
  if constexpr (may_have_gaps<View>)
    if (!is_row_major(tensor)) {
      Kokkos::View<Scalar*, typename View::memory_space> const packed(
          Kokkos::view_alloc(Kokkos::WithoutInitializing, "heliograd::to_host"), tensor.size());
      pack(exec, tensor, packed.data());
      return to_host(exec, packed);
    }
  std::vector<Scalar> values(tensor.size());
  copy_flat<Kokkos::HostSpace, typename View::memory_space, ExecutionSpace, Scalar>(exec, values.data(), tensor.data(),
                                                                                    tensor.size());
  exec.fence("heliograd::to_host");
  return values;
}

/// The one element of a rank-0 tensor. Waits for `exec`.
template <class ExecutionSpace, class View>
auto item(ExecutionSpace const& exec, View const& tensor) -> typename View::non_const_value_type {
  static_assert(View::rank() == 0, "heliograd::item: the tensor must have rank 0; use to_host for more");
  return to_host(exec, tensor).front();
}

/// Copies host values into a tensor of as many elements. Waits for `exec`, so that the source may go away.
/// Throws   ShapeError for another number of elements, or a tensor that skips memory.
template <class ExecutionSpace, class View, class Scalar>
void from_host(ExecutionSpace const& exec, View const& tensor, std::vector<Scalar> const& values) {
  static_assert(std::is_same_v<Scalar, typename View::value_type>, "heliograd::from_host: convert the values first");
  detail::expect_row_major("from_host", tensor);
  expect_shape(tensor.size() == values.size(), "from_host: the tensor " + to_string(shape_of(tensor)) + " has " +
                                                   std::to_string(tensor.size()) + " elements, the host has " +
                                                   std::to_string(values.size()));
  copy_flat<typename View::memory_space, Kokkos::HostSpace, ExecutionSpace, Scalar>(exec, tensor.data(), values.data(),
                                                                                    values.size());
  exec.fence("heliograd::from_host");
}

}  // namespace heliograd::inline HELIOGRAD_ABI
