// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "catalogue/adversarial.hpp"

#include "catalogue/check.hpp"

TEST_CASE("catalogue: adversarial", "[catalogue][adversarial]") { test::check_all(test::adversarial_cases()); }
