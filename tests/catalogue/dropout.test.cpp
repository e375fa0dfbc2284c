// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "catalogue/dropout.hpp"

#include "catalogue/check.hpp"

TEST_CASE("catalogue: dropout", "[catalogue]") { test::check_all(test::dropout_cases()); }
