// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <string>
#include <utility>
#include <vector>

#include <heliograd/op/gaussian_blur.hpp>
#include <heliograd/testing/op_case.hpp>
#include "reference/gaussian_blur.hpp"

namespace test {

inline std::vector<heliograd::testing::OpCase> gaussian_blur_cases() {
  using namespace heliograd::testing;
  std::vector<OpCase> cases;
  for (auto const& [shape, sigma] : std::vector<std::pair<Extents, double>>{
           {{2, 9, 11, 2}, 1}, {{1, 5, 4, 1}, 1.7}, {{1, 1, 7, 3}, 0.4}, {{1, 12, 1, 1}, 1}, {{1, 2, 2, 1}, 3}}) {
    cases.push_back({"gaussian_blur, sigma " + std::to_string(sigma),
                     {{shape}},
                     [sigma](auto const& in) { return heliograd::gaussian_blur(in.template var<4>(0), sigma); },
                     reference::gaussian_blur(sigma)});
    cases.back().linear = true;
    cases.back().second_order = true;
    cases.back().per_image = {0};
  }
  cases.push_back({"gaussian_blur, no width", {{{1, 3, 3, 1}}}, [](auto const& in) {
                     return heliograd::gaussian_blur(in.template var<4>(0), 0);
                   }});
  cases.back().refusals = {{{{1, 3, 3, 1}}, {"gaussian_blur", "sigma"}}};
  return cases;
}

}  // namespace test
