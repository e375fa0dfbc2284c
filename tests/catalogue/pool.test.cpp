// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "catalogue/pool.hpp"

#include "catalogue/check.hpp"

TEST_CASE("catalogue: pool", "[catalogue]") { test::check_all(test::pool_cases()); }
