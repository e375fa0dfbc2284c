// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <string>
#include <vector>

#include <heliograd/op/matmul.hpp>
#include <heliograd/testing/op_case.hpp>
#include "reference/matmul.hpp"

namespace test {

inline std::vector<heliograd::testing::OpCase> matmul_cases() {
  using namespace heliograd::testing;
  using heliograd::MatmulOptions;
  auto const op_case = [](char const* name, std::vector<InputSpec> const& inputs, MatmulOptions options,
                          std::vector<Refusal> const& refusals = {}) {
    OpCase c{std::string("matmul: ") + name, inputs, [options](auto const& in) {
               return heliograd::matmul(in.template var<3>(0), in.template var<3>(1), options);
             }};
    c.reference = [options](std::vector<HostTensor> const& in) {
      return reference::matmul(in[0], in[1], options.transpose_a, options.transpose_b);
    };
    c.exact_on_integers = true;
    c.linear = true;
    c.second_order = true;
    c.per_image = {0, 1};
    c.refusals = refusals;
    c.work = [options](std::vector<Extents> const& s) {
      double const c_columns = static_cast<double>(s[1][options.transpose_b ? 1 : 2]);
      double const a_size = static_cast<double>(s[0][0] * s[0][1] * s[0][2]);
      double const rows = static_cast<double>(s[0][0] * s[0][options.transpose_a ? 2 : 1]);
      return Work{2 * a_size * c_columns,
                  4 * (a_size + static_cast<double>(s[1][0] * s[1][1] * s[1][2]) + rows * c_columns)};
    };
    c.peer = std::string("torch.matmul(x[0]") + (options.transpose_a ? ".transpose(1, 2)" : "") + ", x[1]" +
             (options.transpose_b ? ".transpose(1, 2)" : "") + ")";
    return c;
  };
  return {
      op_case("a b", {{{2, 5, 7}}, {{2, 7, 18}}}, {},
              {{{{2, 5, 7}, {2, 6, 18}}, {"[2, 5, 7]", "[2, 6, 18]", "rows of b"}},
               {{{2, 5, 7}, {3, 7, 18}}, {"[2, 5, 7]", "[3, 7, 18]", "the same batch"}}}),
      op_case("a b^T", {{{3, 4, 18}}, {{3, 5, 18}}}, {.transpose_b = true},
              {{{{3, 4, 18}, {3, 18, 5}}, {"[3, 4, 18]", "[3, 18, 5] transposed"}}}),
      op_case("a^T b", {{{2, 6, 17}}, {{2, 6, 5}}}, {.transpose_a = true}),
      op_case("a^T b^T", {{{2, 6, 3}}, {{2, 19, 6}}}, {true, true}),
      op_case("outer product", {{{1, 17, 1}}, {{1, 1, 16}}}, {}),
      // Several: of one alone the error is measured against a sum that may happen to be small.
      op_case("inner products", {{{8, 1, 40}}, {{8, 40, 1}}}, {}),
  };
}

}  // namespace test
