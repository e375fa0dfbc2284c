// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "catalogue/image_sum.hpp"

#include "catalogue/check.hpp"

TEST_CASE("catalogue: image_sum", "[catalogue][image_sum]") { test::check_all(test::image_sum_cases()); }
