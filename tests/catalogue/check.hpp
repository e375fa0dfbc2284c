// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <catch2/catch_test_macros.hpp>
#include <tuple>
#include <vector>

#include <heliograd/testing/op_case.hpp>

/// \file
/// Everything that is asked of an op, from its one declaration. A catalogue file ends in
/// `TEST_CASE("catalogue: activation") { test::check_all(activation_cases()); }`. The questions are in check.cpp, compiled
/// once.
namespace test {

/// Asks everything of every case of a family. With HELIOGRAD_RECORD=FOLDER in the environment, what was computed is left
/// there as well, for comparison with other libraries and for the table of ops: once in a test, of which the file has the name.
void check_all(std::vector<heliograd::testing::OpCase> const& cases);

/// Asks one short question, for thousands of cases in seconds: values and gradients exact on integers. Cases must be
/// `exact_on_integers`, and `linear` for their gradients to be looked at.
void check_sweep(std::vector<heliograd::testing::OpCase> const& cases);

template <class... Case>
void check_all(std::tuple<Case...> const& cases) {
  check_all(std::apply([](auto const&... c) { return std::vector<heliograd::testing::OpCase>{c...}; }, cases));
}

}  // namespace test
