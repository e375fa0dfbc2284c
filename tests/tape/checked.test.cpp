// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What the checked build finds. Its inline namespace keeps it apart from the rest of the program.
#undef HELIOGRAD_CHECKS
#define HELIOGRAD_CHECKS 1
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <heliograd/op/arithmetic.hpp>
#include <heliograd/op/reduce.hpp>

namespace hg = heliograd;
using B = hg::Backend<Kokkos::DefaultExecutionSpace, double>;
using Catch::Matchers::ContainsSubstring;

TEST_CASE("the checked build finds Vars used after clear()", "[tape]") {
  hg::Tape<B> tape;
  auto const w = hg::make_param<B>("w", hg::Shape{3});
  auto const x = tape.watch(w);
  tape.clear();
  CHECK_THROWS_WITH(2.0 * x, ContainsSubstring("used after Tape::clear()"));
  hg::Var<1, B> const empty;
  CHECK_THROWS_WITH(empty.tape(), ContainsSubstring("never put on a tape"));
}

TEST_CASE("the checked build finds values that were changed in place", "[tape]") {
  hg::Tape<B> tape;
  auto const w = hg::make_param<B>("w", hg::Shape{3});
  auto const loss = [&] {
    tape.clear();
    auto const x = tape.watch(w);
    auto const y = x * x;
    return std::pair{hg::sum(y * y), y};
  };
  tape.backward(loss().first);  // nothing was changed
  auto const [second, y] = loss();
  hg::fill(tape.exec(), y.value, 1.0);
  CHECK_THROWS_WITH(tape.backward(second), ContainsSubstring("heliograd::multiply was changed"));
  auto const third = loss().first;
  hg::fill(tape.exec(), w.value, 1.0);
  CHECK_THROWS_WITH(tape.backward(third), ContainsSubstring("parameter was changed"));

  tape.clear();
  auto const z = tape.make(hg::Shape{3}, true);  // the second of two results
  tape.record("pair", std::tuple{tape.make(hg::Shape{3}, true), z}, [](hg::Tape<B>&) {});
  auto const fourth = hg::sum(z);
  hg::fill(tape.exec(), z.value, 1.0);
  CHECK_THROWS_WITH(tape.backward(fourth), ContainsSubstring("pair was changed"));
}
