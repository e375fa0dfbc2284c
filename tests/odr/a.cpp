// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "headers_forwards.hpp"
#include "step.hpp"

double step_b();

int main(int argc, char** argv) {
  Kokkos::ScopeGuard const kokkos(argc, argv);
  using B = heliograd::Backend<Kokkos::DefaultExecutionSpace>;
  return odr::step<B>() == 10 && step_b() == 10 ? 0 : 1;
}
