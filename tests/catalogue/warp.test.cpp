// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "catalogue/warp.hpp"

#include "catalogue/check.hpp"

TEST_CASE("catalogue: warp", "[catalogue]") { test::check_all(test::warp_cases()); }
