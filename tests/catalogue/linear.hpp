// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <string>
#include <vector>

#include <heliograd/op/linear.hpp>
#include <heliograd/testing/op_case.hpp>
#include "reference/matmul.hpp"

namespace test {

inline std::vector<heliograd::testing::OpCase> linear_cases() {
  using namespace heliograd::testing;
  auto const op_case = [](char const* name, std::vector<InputSpec> const& inputs,
                          std::vector<Refusal> const& refusals = {}) {
    bool const biased = inputs.size() > 2;
    OpCase c{std::string("linear: ") + name, inputs, [biased](auto const& in) {
               auto const x = in.template var<2>(0);
               auto const weight = in.template var<2>(1);
               return biased ? heliograd::linear(x, weight, in.template var<1>(2)) : heliograd::linear(x, weight);
             }};
    c.reference = [biased](std::vector<HostTensor> const& in) {
      auto const flat = [](HostTensor const& t) { return HostTensor{{1, t.shape[0], t.shape[1]}, t.values}; };
      auto y = reference::matmul(flat(in[0]), flat(in[1]), false, false);
      y.shape = {y.shape[1], y.shape[2]};
      for (std::size_t k = 0; k < y.values.size() && biased; ++k) y.values[k] += in[2].values[k % y.shape[1]];
      return y;
    };
    c.exact_on_integers = true;
    c.linear = true;
    c.second_order = true;
    c.per_image = {0};  // rows do not see each other
    c.refusals = refusals;
    c.work = [](std::vector<Extents> const& s) {
      double const rows = static_cast<double>(s[0][0]);
      double const weights = static_cast<double>(s[1][0] * s[1][1]);
      return Work{2 * rows * weights, 4 * (rows * static_cast<double>(s[1][0] + s[1][1]) + weights)};
    };
    c.peer = std::string("F.linear(x[0], x[1].T, ") + (biased ? "x[2])" : "None)");
    return c;
  };
  return {
      op_case("a few rows", {{{3, 10}}, {{10, 18}}, {{18}}},
              {{{{3, 10}, {9, 18}, {18}}, {"[3, 10]", "[9, 18]"}}, {{{3, 10}, {10, 18}, {10}}, {"[10, 18]", "[10]"}}}),
      op_case("one number out, without bias", {{{5, 33}}, {{33, 1}}}),
      op_case("more rows than a tile", {{{40, 33}}, {{33, 18}}, {{18}}}),
      op_case("many rows, few numbers out", {{{35, 33}}, {{33, 3}}}),
      op_case("one row", {{{1, 17}}, {{17, 4}}, {{4}}}),
  };
}

}  // namespace test
