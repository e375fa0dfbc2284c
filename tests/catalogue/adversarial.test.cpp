// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "catalogue/adversarial.hpp"

#include "catalogue/check.hpp"

TEST_CASE("catalogue: adversarial", "[catalogue][adversarial]") {
  test::check_all(test::cross_entropy_cases());
  test::check_all(test::adversarial_cases());
  test::check_all(test::feature_matching_cases());
}
