// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <cstdio>
#include <heliograd/heliograd.hpp>
namespace hg = heliograd;
using B = hg::Backend<Kokkos::DefaultExecutionSpace>;  // float, on OpenMP, CUDA or HIP

int main(int argc, char** argv) {
  Kokkos::ScopeGuard const kokkos(argc, argv);
  auto image = hg::make_param<B>("magnetogram", hg::Shape{1, 64, 64, 1});  // [n, h, w, c]
  hg::Tape<B> tape;
  hg::fill(tape.exec(), image.value, 0.5f);
  auto const x = tape.watch(image);           // its gradient goes to image.grad
  auto const loss = hg::mean(x * x);          // runs now, stays on the device
  tape.backward(loss);                        // image.grad += d loss / d image
  std::printf("loss %g, gradient %g\n", hg::item(tape.exec(), loss.value), hg::to_host(tape.exec(), image.grad)[0]);
}
