// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <vector>

#include <heliograd/op/image_sum.hpp>
#include <heliograd/testing/op_case.hpp>

namespace test {

inline std::vector<heliograd::testing::OpCase> image_sum_cases() {
  using namespace heliograd::testing;
  std::vector<OpCase> cases;
  for (Extents const& shape : {Extents{3, 4, 5, 2}, Extents{1, 1, 1, 1}, Extents{2, 70, 60, 1}}) {
    std::size_t const length = shape[1] * shape[2] * shape[3];
    cases.push_back({"image_sum",
                     {{shape}},
                     [](auto const& in) { return heliograd::image_sum(in.template var<4>(0)); },
                     [length](std::vector<HostTensor> const& in) {
                       auto y = host_zeros({in[0].shape[0]});
                       for (std::size_t i = 0; i < in[0].size(); ++i) y.values[i / length] += in[0].values[i];
                       return y;
                     },
                     true});
    cases.push_back({"image_spread",
                     {{{shape[0]}}},
                     [shape](auto const& in) {
                       return heliograd::image_spread(in.template var<1>(0),
                                                      heliograd::Shape<4>{shape[0], shape[1], shape[2], shape[3]});
                     },
                     [shape, length](std::vector<HostTensor> const& in) {
                       auto y = host_zeros(shape);
                       for (std::size_t i = 0; i < y.size(); ++i) y.values[i] = in[0].values[i / length];
                       return y;
                     },
                     true});
    cases.back().refusals = {{{{shape[0] + 1}}, {"image_spread", "[" + std::to_string(shape[0] + 1) + "]"}}};
  }
  for (OpCase& c : cases) {
    c.linear = true;
    c.second_order = true;
    if (c.name == "image_sum") c.per_image = {0};
    c.double_bar = 1e-14;  // sums of 4200 numbers of either sign
  }
  return cases;
}

}  // namespace test
