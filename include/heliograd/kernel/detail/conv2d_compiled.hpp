// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <heliograd/core/backend.hpp>
#include <heliograd/core/sink.hpp>
#include <heliograd/core/workspace.hpp>
#include <heliograd/kernel/conv2d_options.hpp>
#include <heliograd/kernel/detail/conv2d_any.hpp>
#include <heliograd/kernel/detail/conv2d_geometry.hpp>
#include <heliograd/kernel/detail/upsample_conv2d_host.hpp>

/// \file
/// Convolutions on the host compiled once for a program of many files. The target heliograd::compiled has their code; what
/// links it is compiled with HELIOGRAD_COMPILED=extern, and its own files with HELIOGRAD_COMPILED empty. Without it this header
/// declares nothing.
#ifdef HELIOGRAD_COMPILED
namespace heliograd::inline HELIOGRAD_ABI::kernel::detail {

template <class T>
using CompiledBackend = Backend<Kokkos::DefaultHostExecutionSpace, T>;

#define HELIOGRAD_COMPILED_FOR(T)                                                                                 \
  HELIOGRAD_COMPILED template void conv2d_any<CompiledBackend<T>, T>(Workspace<CompiledBackend<T>>&,              \
                                                                     Conv2dGeometry const&, Conv2dOptions const&, \
                                                                     T const*, T const*, Delivery<T> const&);     \
  HELIOGRAD_COMPILED template void conv2d_backward_data_any<CompiledBackend<T>, T>(                               \
      Workspace<CompiledBackend<T>>&, Conv2dGeometry const&, Conv2dOptions const&, T const*, T const*,            \
      Delivery<T> const&);                                                                                        \
  HELIOGRAD_COMPILED template void conv2d_backward_weight_any<CompiledBackend<T>, T>(                             \
      Workspace<CompiledBackend<T>>&, Conv2dGeometry const&, Conv2dOptions const&, T const*, T const*,            \
      Sink<4, CompiledBackend<T>>);                                                                               \
  HELIOGRAD_COMPILED template void upsample_conv2d_host<CompiledBackend<T>, T>(                                   \
      Workspace<CompiledBackend<T>>&, UpsampleConv2dGeometry const&, T const*, T const*, Delivery<T> const&);     \
  HELIOGRAD_COMPILED template void upsample_conv2d_backward_host<CompiledBackend<T>>(                             \
      Workspace<CompiledBackend<T>>&, UpsampleConv2dGeometry const&, T const*, T const*, T const*,                \
      Sink<4, CompiledBackend<T>>, Sink<4, CompiledBackend<T>>, Sink<1, CompiledBackend<T>>);

#ifdef HELIOGRAD_COMPILED_SCALAR  // one precision per file, where their code is
HELIOGRAD_COMPILED_FOR(HELIOGRAD_COMPILED_SCALAR)
#else
HELIOGRAD_COMPILED_FOR(float)
HELIOGRAD_COMPILED_FOR(double)
#endif

#undef HELIOGRAD_COMPILED_FOR

}  // namespace heliograd::inline HELIOGRAD_ABI::kernel::detail

#endif  // HELIOGRAD_COMPILED
