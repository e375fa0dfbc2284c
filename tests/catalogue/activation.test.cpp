// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "catalogue/activation.hpp"

#include "catalogue/check.hpp"

TEST_CASE("catalogue: activation", "[catalogue]") { test::check_all(test::activation_cases()); }
