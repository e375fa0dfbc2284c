// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "catalogue/flux.hpp"

#include "catalogue/check.hpp"

TEST_CASE("catalogue: flux", "[catalogue][flux]") { test::check_all(test::flux_cases()); }
