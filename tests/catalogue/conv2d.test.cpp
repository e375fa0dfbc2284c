// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "catalogue/conv2d.hpp"

#include "catalogue/check.hpp"

TEST_CASE("catalogue: conv2d", "[catalogue][conv2d]") { test::check_all(test::conv2d_cases()); }
