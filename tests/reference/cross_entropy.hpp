// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cmath>
#include <vector>

#include <heliograd/testing/op_case.hpp>

namespace test::reference {

/// The mean of price(x) over everything in one tensor.
template <class Price>
double mean_price(heliograd::testing::HostTensor const& x, Price const& price) {
  double sum = 0;
  for (double const v : x.values) sum += price(v);
  return sum / static_cast<double>(x.size());
}

inline heliograd::testing::HostTensor number(double value) {
  auto result = heliograd::testing::host_zeros({});
  result.values[0] = value;
  return result;
}

/// The mean of price(x, label) over two tensors.
template <class Price>
auto mean_of_pairs(Price price) {
  return [price](std::vector<heliograd::testing::HostTensor> const& in) {
    double sum = 0;
    for (std::size_t i = 0; i < in[0].size(); ++i) sum += price(in[0].values[i], in[1].values[i]);
    return number(sum / static_cast<double>(in[0].size()));
  };
}

}  // namespace test::reference
