// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "catalogue/pfss.hpp"

#include "catalogue/check.hpp"

TEST_CASE("catalogue: pfss", "[catalogue]") { test::check_all(test::pfss_cases()); }
