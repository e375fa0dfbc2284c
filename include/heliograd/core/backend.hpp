// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <cstddef>
#include <type_traits>

#include <heliograd/base/config.hpp>

namespace heliograd::inline HELIOGRAD_ABI {

/// True where kernels run on the host: they are then given whole rows and vectorise along them. Elsewhere they are given
/// one element per thread.
template <class ExecutionSpace>
inline constexpr bool is_host_space =
    Kokkos::SpaceAccessibility<Kokkos::DefaultHostExecutionSpace, typename ExecutionSpace::memory_space>::accessible &&
    std::is_same_v<typename ExecutionSpace::memory_space, Kokkos::HostSpace>;

/// True where a kernel is over when its launch returns, on the thread that launched it: what one thread finishes sooner than
/// several are woken, it does without a launch.
template <class ExecutionSpace>
inline constexpr bool runs_at_once = false;
#ifdef KOKKOS_ENABLE_SERIAL
template <>
inline constexpr bool runs_at_once<Kokkos::Serial> = true;
#endif
#ifdef KOKKOS_ENABLE_OPENMP
template <>
inline constexpr bool runs_at_once<Kokkos::OpenMP> = true;
#endif

/// Elements of an element-wise loop that one core is faster with alone: a launch costs some microseconds.
inline constexpr std::size_t small_work = 8192;

/// Where and in what precision a computation runs. Everything else is a template over this one parameter, spelled `B`.
template <class ExecutionSpace, class Scalar = float>
struct Backend {
  static_assert(Kokkos::is_execution_space<ExecutionSpace>::value,
                "heliograd::Backend<ExecutionSpace, Scalar>: the first argument must be a Kokkos execution space");
  static_assert(std::is_same_v<Scalar, float> || std::is_same_v<Scalar, double>,
                "heliograd::Backend<ExecutionSpace, Scalar>: the scalar must be float or double");

  using execution_space = ExecutionSpace;
  using memory_space = typename ExecutionSpace::memory_space;
  using scalar_type = Scalar;
  /// Sums over many elements are carried in this type.
  using accumulate_type = double;

  static constexpr bool on_host = is_host_space<ExecutionSpace>;
};

}  // namespace heliograd::inline HELIOGRAD_ABI
