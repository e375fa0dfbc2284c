// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>

#include <heliograd/kernel/pool.hpp>
#include <heliograd/testing/op_case.hpp>

namespace test::reference {

/// Means or maxima over the pixels of each window that are inside the image.
inline heliograd::testing::HostTensor pool(heliograd::testing::HostTensor const& x,
                                           heliograd::PoolOptions const& options, bool maxima) {
  auto const& s = x.shape;
  long const h = static_cast<long>(s[1]), w = static_cast<long>(s[2]), size = options.size, stride = options.stride;
  auto const& pad = options.padding;
  long const height = (h + pad.top + pad.bottom - size) / stride + 1;
  long const width = (w + pad.left + pad.right - size) / stride + 1;
  auto y =
      heliograd::testing::host_zeros({s[0], static_cast<std::size_t>(height), static_cast<std::size_t>(width), s[3]});
  std::size_t o = 0;
  for (std::size_t n = 0; n < s[0]; ++n)
    for (long p = 0; p < height; ++p)
      for (long q = 0; q < width; ++q)
        for (std::size_t c = 0; c < s[3]; ++c, ++o) {
          double sum = 0, most = -std::numeric_limits<double>::infinity();
          int count = 0;
          for (long i = p * stride - pad.top; i < p * stride - pad.top + size; ++i)
            for (long j = q * stride - pad.left; j < q * stride - pad.left + size; ++j) {
              if (i < 0 || j < 0 || i >= h || j >= w) continue;
              double const v =
                  x.values[((n * s[1] + static_cast<std::size_t>(i)) * s[2] + static_cast<std::size_t>(j)) * s[3] + c];
              sum += v;
              most = std::max(most, v);
              ++count;
            }
          y.values[o] = maxima ? most : sum / (options.count_padding ? static_cast<double>(size * size) : count);
        }
  return y;
}

}  // namespace test::reference
