// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <string>
#include <vector>

#include <heliograd/testing/op_case.hpp>

namespace test {

/// Errors over their bars.
struct Margins {
  double in_float = 0;
  double in_double = 0;
  double gradient = 0;
  double gradient_in_float = 0;
  double complex_step = -1;  ///< gradients by the complex step; negative: the reference is not analytic
  double twice = -1;         ///< gradients of gradients; negative: there are none
};

/// Leaves what the cases of a family compute for other programs: FAMILY.jsonl has a line per case, which says where in
/// FAMILY.npy its inputs, weights, values and gradients begin.
void record(std::string const& folder, std::string const& family, std::vector<heliograd::testing::OpCase> const& cases,
            std::vector<Margins> const& margins);

}  // namespace test
