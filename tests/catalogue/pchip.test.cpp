// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "catalogue/pchip.hpp"

#include "catalogue/check.hpp"

TEST_CASE("catalogue: pchip", "[catalogue]") { test::check_all(test::pchip_cases()); }
