// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The one main of all tests: a Catch2 session between Kokkos' start and end. Kokkos takes its --kokkos-* arguments first.
#include <Kokkos_Core.hpp>
#include <catch2/catch_session.hpp>

int main(int argc, char** argv) {
  Kokkos::ScopeGuard const kokkos(argc, argv);
  return Catch::Session().run(argc, argv);
}
