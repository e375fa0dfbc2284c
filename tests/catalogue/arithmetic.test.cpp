// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "catalogue/arithmetic.hpp"

#include "catalogue/check.hpp"

TEST_CASE("catalogue: arithmetic", "[catalogue]") { test::check_all(test::arithmetic_cases()); }
