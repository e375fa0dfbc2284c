// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "catalogue/correlation.hpp"

#include "catalogue/check.hpp"

TEST_CASE("catalogue: correlation", "[catalogue][correlation]") { test::check_all(test::correlation_cases()); }
