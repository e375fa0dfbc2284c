// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>

#include <heliograd/testing/op_case.hpp>

/// \file
/// Matrix products as their definition reads.
namespace test::reference {

inline heliograd::testing::HostTensor matmul(heliograd::testing::HostTensor const& a,
                                             heliograd::testing::HostTensor const& b, bool transpose_a,
                                             bool transpose_b) {
  std::size_t const batch = a.shape[0];
  std::size_t const rows = a.shape[transpose_a ? 2 : 1];
  std::size_t const depth = a.shape[transpose_a ? 1 : 2];
  std::size_t const columns = b.shape[transpose_b ? 1 : 2];
  auto c = heliograd::testing::host_zeros({batch, rows, columns});
  for (std::size_t n = 0; n < batch; ++n)
    for (std::size_t i = 0; i < rows; ++i)
      for (std::size_t j = 0; j < columns; ++j)
        for (std::size_t k = 0; k < depth; ++k)
          c.values[(n * rows + i) * columns + j] +=
              a.values[transpose_a ? (n * depth + k) * rows + i : (n * rows + i) * depth + k] *
              b.values[transpose_b ? (n * columns + j) * depth + k : (n * depth + k) * columns + j];
  return c;
}

}  // namespace test::reference
