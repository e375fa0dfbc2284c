// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>
#include <vector>

#include <heliograd/testing/op_case.hpp>

namespace test::reference {

/// x, slope [1] or [c].
inline heliograd::testing::HostTensor prelu(std::vector<heliograd::testing::HostTensor> const& in) {
  auto y = heliograd::testing::host_zeros(in[0].shape);
  std::size_t const channels = in[1].size();
  for (std::size_t i = 0; i < y.size(); ++i) {
    double const x = in[0].values[i];
    y.values[i] = x > 0 ? x : in[1].values[i % channels] * x;
  }
  return y;
}

}  // namespace test::reference
