// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "catalogue/matmul.hpp"

#include "catalogue/check.hpp"

TEST_CASE("catalogue: matmul", "[catalogue][matmul]") { test::check_all(test::matmul_cases()); }
