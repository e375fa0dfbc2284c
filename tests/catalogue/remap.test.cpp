// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "catalogue/remap.hpp"

#include "catalogue/check.hpp"

TEST_CASE("catalogue: remap", "[catalogue]") { test::check_all(test::remap_cases()); }
