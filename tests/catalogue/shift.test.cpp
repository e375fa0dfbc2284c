// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "catalogue/shift.hpp"

#include "catalogue/check.hpp"

TEST_CASE("catalogue: shift", "[catalogue]") { test::check_all(test::shift_cases()); }
