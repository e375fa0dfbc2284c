// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "catalogue/epilogue.hpp"

#include "catalogue/check.hpp"

TEST_CASE("catalogue: epilogue", "[catalogue][epilogue]") { test::check_all(test::epilogue_cases()); }
