// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "catalogue/gaussian_blur.hpp"

#include "catalogue/check.hpp"

TEST_CASE("catalogue: gaussian_blur", "[catalogue][gaussian_blur]") { test::check_all(test::gaussian_blur_cases()); }
