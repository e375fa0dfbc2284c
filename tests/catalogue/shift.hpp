// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <limits>
#include <string>
#include <vector>

#include <heliograd/op/shift.hpp>
#include <heliograd/testing/op_case.hpp>
#include "reference/shift.hpp"

namespace test {

struct ShiftOp {
  heliograd::ShiftOptions options;
  template <class In>
  auto operator()(In const& in) const {
    return heliograd::shift(in.template var<4>(0), options);
  }
};

inline auto shift_cases() {
  using namespace heliograd::testing;
  std::vector<OpCase> cases;
  auto const add = [&](std::string const& name, Extents const& shape,
                       heliograd::ShiftOptions const& options) -> OpCase& {
    OpCase one{"shift: " + name, {{shape}}, ShiftOp{options}, [=](std::vector<HostTensor> const& in) {
                 return reference::shift(in[0], options);
               }};
    one.linear = true;
    one.second_order = true;
    one.per_image = {0};
    cases.push_back(one);
    return cases.back();
  };
  add("along rows, one channel", {2, 3, 80, 1}, {0, 0.21});
  add("along rows, the other way", {1, 2, 75, 1}, {0, -3.7});
  add("along columns", {2, 70, 3, 2}, {1.45, 0});
  add("both ways, fewer pixels than the spline reaches", {2, 7, 9, 3}, {-0.4, 2.3, -1.5});
  add("both ways, 17 channels", {1, 5, 6, 17}, {0.5, 0.5});
  add("two pixels", {1, 2, 2, 1}, {0.3, -0.6, 1});
  add("one pixel", {1, 1, 3, 2}, {0.2, 0.1, 5});
  add("by whole pixels", {1, 5, 6, 1}, {2, -1, 4});
  add("by nothing", {1, 5, 6, 1}, {}).exact_on_integers = true;
  add("out of the image", {1, 3, 4, 1}, {0, 7.5, 2});
  auto& refused = add("refused", {1, 3, 4, 1}, {0, std::numeric_limits<double>::infinity()});
  refused.reference = {};
  refused.refusals = {{{{1, 3, 4, 1}}, {"inf", "finite"}}, {{{1, 0, 4, 1}}, {"[1, 0, 4, 1]"}}};
  return cases;
}

}  // namespace test
