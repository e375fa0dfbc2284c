// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "catalogue/linear.hpp"

#include "catalogue/check.hpp"

TEST_CASE("catalogue: linear", "[catalogue][linear]") { test::check_all(test::linear_cases()); }
