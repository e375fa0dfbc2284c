// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>

#include <heliograd/base/config.hpp>

namespace heliograd::inline HELIOGRAD_ABI::kernel::detail {

/// The kernel of cubic convolution (Keys, IEEE Trans. ASSP 29, 1981) with slope a at distance 1, for distances from 0 to 2.
struct KeysCubic {
  double a;

  KOKKOS_FUNCTION double operator()(double d) const {
    return d <= 1 ? ((a + 2) * d - (a + 3)) * d * d + 1 : a * (((d - 5) * d + 8) * d - 4);
  }
  KOKKOS_FUNCTION double derivative(double d) const {
    return d <= 1 ? (3 * (a + 2) * d - 2 * (a + 3)) * d : a * ((3 * d - 10) * d + 8);
  }
  KOKKOS_FUNCTION double second_derivative(double d) const {
    return d <= 1 ? 6 * (a + 2) * d - 2 * (a + 3) : a * (6 * d - 10);
  }
};

}  // namespace heliograd::inline HELIOGRAD_ABI::kernel::detail
