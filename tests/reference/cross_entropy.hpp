// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cmath>
#include <vector>

#include <heliograd/testing/op_case.hpp>
#include "reference/number.hpp"

namespace test::reference {

/// The mean of price(x) over everything in one tensor.
template <class T, class Price>
T mean_price(heliograd::testing::HostTensorOf<T> const& x, Price const& price) {
  T sum = 0;
  for (T const& v : x.values) sum += price(v);
  return sum / static_cast<double>(x.size());
}

template <class T>
heliograd::testing::HostTensorOf<T> number(T value) {
  auto result = heliograd::testing::host_zeros<T>({});
  result.values[0] = value;
  return result;
}

/// The mean of price(x, label) over two tensors.
template <class Price>
auto mean_of_pairs(Price price) {
  return [price]<class T>(Tensors<T> const& in) {
    T sum = 0;
    for (std::size_t i = 0; i < in[0].size(); ++i) sum += price(in[0].values[i], in[1].values[i]);
    return number(sum / static_cast<double>(in[0].size()));
  };
}

}  // namespace test::reference
