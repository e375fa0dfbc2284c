// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <tuple>

#include <heliograd/core/backend.hpp>

/// The backends tests are instantiated for: the default execution space of this Kokkos, both precisions.
namespace test {

using ExecutionSpace = Kokkos::DefaultExecutionSpace;
using FloatBackend = heliograd::Backend<ExecutionSpace, float>;
using DoubleBackend = heliograd::Backend<ExecutionSpace, double>;
using Backends = std::tuple<FloatBackend, DoubleBackend>;

}  // namespace test
