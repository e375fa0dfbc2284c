// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <string>
#include <vector>

#include <heliograd/op/modulate.hpp>
#include <heliograd/op/spectral_norm.hpp>
#include <heliograd/testing/op_case.hpp>
#include "reference/elementwise.hpp"
#include "reference/spectral_norm.hpp"

namespace test {

inline std::vector<heliograd::testing::OpCase> spectral_norm_cases() {
  using namespace heliograd::testing;
  auto const op = [](int iterations) {
    return [iterations](auto const& in) {
      return heliograd::spectral_norm(in.template var<4>(0), {in.template var<1>(1).value, in.template var<1>(2).value},
                                      {.iterations = iterations});
    };
  };
  std::vector<OpCase> cases;
  // With iterations u and v move with the weight, while the gradient holds them: gradients are looked at without.
  auto const add = [&](Extents const& weight, int iterations) {
    std::size_t const rows = weight[0] * weight[1] * weight[2];
    OpCase one{"spectral_norm: " + std::to_string(rows) + " x " + std::to_string(weight[3]) + ", " +
                   std::to_string(iterations) + " iterations",
               {{weight, -0.5, 1, iterations == 0}, {{weight[3]}, 0.2, 1, false}, {{rows}, 0.2, 1, false}},
               op(iterations),
               [=](auto const& in) { return reference::spectral_norm(in, iterations); }};
    one.second_order = iterations == 0;
    one.float_bar = 1e-6;
    one.double_bar = 1e-14;
    one.refusals = {{{weight, {weight[3] + 1}, {rows}}, {"[" + std::to_string(weight[3] + 1) + "]", "do not fit"}}};
    if (iterations == 0) one.peer = "x[0] / (x[2] @ x[0].reshape(x[2].numel(), -1) @ x[1])";
    cases.push_back(one);
  };
  add({3, 3, 2, 5}, 0);
  add({1, 1, 7, 3}, 0);
  add({3, 3, 2, 5}, 1);
  add({1, 1, 3, 17}, 4);
  OpCase product{"modulate",
                 {{{2, 3, 5, 3}}, {{2, 3, 5, 3}}},
                 [](auto const& in) { return heliograd::modulate(in.template var<4>(0), in.template var<4>(1)); },
                 reference::elementwise([](auto x, auto mask) { return x * (1.0 + mask); }),
                 true};
  product.second_order = true;
  product.peer = "x[0] * (1 + x[1])";
  cases.push_back(product);
  return cases;
}

}  // namespace test
