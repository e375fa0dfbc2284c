// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "catalogue/resample.hpp"

#include "catalogue/check.hpp"

TEST_CASE("catalogue: resample", "[catalogue]") { test::check_all(test::resample_cases()); }
