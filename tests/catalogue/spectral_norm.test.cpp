// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "catalogue/spectral_norm.hpp"

#include "catalogue/check.hpp"

TEST_CASE("catalogue: spectral_norm", "[catalogue]") { test::check_all(test::spectral_norm_cases()); }
