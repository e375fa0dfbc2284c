// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "catalogue/upsample_conv2d.hpp"

#include "catalogue/check.hpp"

TEST_CASE("catalogue: upsample_conv2d", "[catalogue][upsample_conv2d]") {
  test::check_all(test::upsample_conv2d_cases());
}
