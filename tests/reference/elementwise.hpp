// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <complex>
#include <concepts>
#include <cstddef>
#include <vector>

#include <heliograd/testing/op_case.hpp>
#include "reference/number.hpp"

namespace test::reference {

/// y[i] = f(x_0[i], x_1[i], ...), as a reference for an op case.
template <class Formula>
struct Elementwise {
  Formula formula;

  template <class T>
    requires(std::same_as<T, double> || std::invocable<Formula const&, T> || std::invocable<Formula const&, T, T>)
  heliograd::testing::HostTensorOf<T> operator()(Tensors<T> const& x) const {
    auto y = heliograd::testing::host_zeros<T>(x[0].shape);
    for (std::size_t i = 0; i < y.size(); ++i) {
      if constexpr (std::invocable<Formula const&, double>)
        y.values[i] = formula(x[0].values[i]);
      else
        y.values[i] = formula(x[0].values[i], x[1].values[i]);
    }
    return y;
  }
};

template <class Formula>
Elementwise<Formula> elementwise(Formula const& formula) {
  return {formula};
}

}  // namespace test::reference
