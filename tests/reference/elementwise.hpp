// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>
#include <vector>

#include <heliograd/testing/op_case.hpp>

namespace test::reference {

/// y[i] = f(x_0[i], x_1[i], ...), as a reference for an op case.
template <class Formula>
auto elementwise(Formula formula) {
  return [formula](std::vector<heliograd::testing::HostTensor> const& x) {
    auto y = heliograd::testing::host_zeros(x[0].shape);
    for (std::size_t i = 0; i < y.size(); ++i) {
      if constexpr (requires { formula(0.0); })
        y.values[i] = formula(x[0].values[i]);
      else
        y.values[i] = formula(x[0].values[i], x[1].values[i]);
    }
    return y;
  };
}

}  // namespace test::reference
