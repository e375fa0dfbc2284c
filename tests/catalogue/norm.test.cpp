// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "catalogue/norm.hpp"

#include "catalogue/check.hpp"

TEST_CASE("catalogue: norm", "[catalogue]") { test::check_all(test::norm_cases()); }
