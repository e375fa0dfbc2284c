// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A formula of your own, differentiated by dual numbers: no backward pass to write.
#include <cstdio>
#include <heliograd/heliograd.hpp>
#include <heliograd/testing/gradcheck.hpp>
namespace hg = heliograd;

struct Charbonnier {  // sqrt((a - b)^2 + 0.01)
  template <class T>
  KOKKOS_FUNCTION T operator()(T a, T b) const {
    using Kokkos::sqrt;  // for numbers; duals find theirs by themselves
    T const d = a - b;
    return sqrt(d * d + T(0.01f));
  }
};

template <class B>
hg::Var<0, B> charbonnier(hg::Var<4, B> prediction, hg::Var<4, B> target) {
  return hg::mean(hg::pointwise("mine::charbonnier", Charbonnier{}, prediction, target));
}

int main(int argc, char** argv) {
  Kokkos::ScopeGuard const kokkos(argc, argv);
  using B = hg::Backend<Kokkos::DefaultExecutionSpace, double>;
  auto const target = hg::make_zeros<B>("target", hg::Shape{1, 4, 5, 2});
  auto const report = hg::testing::gradcheck<B>(
      [&](auto x) { return charbonnier<B>(x, x.tape().constant(target)); }, hg::Shape{1, 4, 5, 2});
  std::printf("%s\n", report.message().c_str());
  return report.passed() ? 0 : 1;
}
