// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <heliograd/heliograd.hpp>
namespace hg = heliograd;
using B = hg::Backend<Kokkos::DefaultExecutionSpace>;

int main(int argc, char** argv) {
  Kokkos::ScopeGuard const kokkos(argc, argv);
  auto const x = hg::make_param<B>("x", hg::Shape{3});
  hg::Tape<B> tape;
  hg::fill(tape.exec(), x.value, 3.f);
  return hg::item(tape.exec(), hg::mean(tape.watch(x) * tape.watch(x)).value) == 9 ? 0 : 1;
}
