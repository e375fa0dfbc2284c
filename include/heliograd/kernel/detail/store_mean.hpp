// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <cstddef>

#include <heliograd/kernel/reduce.hpp>

namespace heliograd::inline HELIOGRAD_ABI::kernel::detail {

/// Ends a sum as a mean.
template <class T>
struct StoreMean {
  T* mean;
  double count;
  KOKKOS_FUNCTION void operator()(std::size_t, Sums<1> const& total) const { *mean = static_cast<T>(total[0] / count); }
};

}  // namespace heliograd::inline HELIOGRAD_ABI::kernel::detail
