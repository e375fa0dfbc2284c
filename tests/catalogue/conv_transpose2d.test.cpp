// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "catalogue/conv_transpose2d.hpp"

#include "catalogue/check.hpp"

TEST_CASE("catalogue: conv_transpose2d", "[catalogue][conv_transpose2d]") {
  test::check_all(test::conv_transpose2d_cases());
}
