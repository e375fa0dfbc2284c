// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include <heliograd/op/attention.hpp>
#include <heliograd/op/softmax.hpp>
#include <heliograd/testing/op_case.hpp>
#include "reference/attention.hpp"

namespace test {

inline std::vector<heliograd::testing::OpCase> attention_cases() {
  using namespace heliograd::testing;
  std::vector<OpCase> cases;
  auto const rows = [&](Extents const& x) {
    OpCase one{"softmax: rows of " + std::to_string(x.back()),
               {{x, -4, 4}},
               [](auto const& in) { return heliograd::softmax(in.template var<3>(0)); },
               [](auto const& in) { return reference::softmax(in[0]); }};
    one.per_image = {0};
    one.second_order = true;
    one.peer = "torch.softmax(x[0], -1)";
    cases.push_back(one);
  };
  rows({2, 3, 5});
  rows({1, 2, 67});
  rows({3, 1, 1});

  auto const op = [](heliograd::AttentionOptions const& options) {
    return [options](auto const& in) {
      return heliograd::attention(in.template var<3>(0), in.template var<3>(1), in.template var<3>(2), options);
    };
  };
  auto const attention = [&](std::size_t n, std::size_t queries, std::size_t keys, std::size_t depth, std::size_t width,
                             std::size_t heads, double scale) {
    double const used = scale != 0 ? scale : 1 / std::sqrt(static_cast<double>(depth));
    OpCase one{"attention: " + std::to_string(queries) + " queries, " + std::to_string(keys) + " keys of " +
                   std::to_string(depth) + ", values of " + std::to_string(width) + ", " + std::to_string(heads) +
                   " heads",
               {{{n, queries, heads * depth}, -2, 2}, {{n, keys, heads * depth}, -2, 2}, {{n, keys, heads * width}}},
               op({heads, scale}),
               [=](auto const& in) { return reference::attention(in, heads, used); }};
    one.per_image = {0, 1, 2};
    one.second_order = true;
    if (keys == 1)  // the one weight is 1 whatever queries and keys say: their gradients are rounding errors of zero
      for (std::size_t const k : {0, 1}) one.inputs[k].differentiable = false;
    one.refusals = {
        {{{n, queries, heads * depth + 1}, {n, keys, heads * depth}, {n, keys, heads * width}}, {"attention", "k ["}},
        {{{n, queries, heads * depth}, {n, keys + 1, heads * depth}, {n, keys, heads * width}}, {"[n, j, d]"}}};
    one.work = [=](std::vector<Extents> const&) {
      double const pairs = static_cast<double>(n * heads * queries * keys);
      return Work{2 * pairs * static_cast<double>(depth + width),
                  4 * static_cast<double>(n * heads * (queries * (depth + width) + keys * (depth + width)))};
    };
    if (heads == 1)
      one.peer = "F.scaled_dot_product_attention(x[0], x[1], x[2]" +
                 (scale != 0 ? ", scale=" + std::to_string(scale) : std::string()) + ")";
    cases.push_back(one);
  };
  attention(2, 5, 7, 3, 4, 1, 0);
  attention(1, 65, 3, 2, 1, 1, 1);
  attention(1, 3, 66, 1, 5, 1, 0.5);
  attention(2, 4, 6, 2, 3, 3, 0);
  attention(1, 1, 1, 4, 4, 1, 1);
  OpCase self{"attention: of a tensor to itself",
              {{{2, 7, 4}, -1, 1}},
              [](auto const& in) {
                auto const x = in.template var<3>(0);
                return heliograd::attention(x, x, x);
              },
              [](std::vector<HostTensor> const& in) { return reference::attention({in[0], in[0], in[0]}, 1, 0.5); }};
  self.second_order = true;
  self.per_image = {0};
  cases.push_back(self);
  return cases;
}

}  // namespace test
