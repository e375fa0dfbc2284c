// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "catalogue/attention.hpp"

#include "catalogue/check.hpp"

TEST_CASE("catalogue: attention", "[catalogue]") { test::check_all(test::attention_cases()); }
