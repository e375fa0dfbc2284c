// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "catalogue/loss.hpp"

#include "catalogue/check.hpp"

TEST_CASE("catalogue: loss", "[catalogue][loss]") { test::check_all(test::loss_cases()); }
