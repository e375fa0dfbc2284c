// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <vector>

#include <heliograd/op/dropout.hpp>
#include <heliograd/testing/op_case.hpp>

namespace test {

inline auto dropout_cases() {
  using namespace heliograd::testing;
  heliograd::RandomStream const stream{5, 9};
  auto const make = [=](std::vector<std::size_t> const& shape) {
    return OpCase{"dropout: " + std::to_string(shape[1]) + " columns",
                  {{shape}},
                  [=](auto const& in) { return heliograd::dropout(in.template var<4>(0), 0.5, stream); },
                  [=](std::vector<HostTensor> const& in) {
                    HostTensor y = in[0];
                    for (std::size_t i = 0; i < y.size(); ++i)
                      y.values[i] *= heliograd::kernel::dropout_word(stream, i) >= 0x80000000u ? 2 : 0;
                    return y;
                  },
                  true};
  };
  return std::vector{make({2, 3, 5, 3}), make({1, 7, 1, 1}), make({1, 9, 67, 1})};
}

}  // namespace test
