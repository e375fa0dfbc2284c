// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "catalogue/shape.hpp"

#include "catalogue/check.hpp"

TEST_CASE("catalogue: shape", "[catalogue]") { test::check_all(test::shape_cases()); }
