// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The step both translation units run; a template, so that each of them instantiates it for itself.
namespace odr {

struct Formula {
  template <class T>
  KOKKOS_FUNCTION T operator()(T x) const {
    return x * x + T(1);
  }
};

template <class B>
double step() {
  namespace hg = heliograd;
  hg::Tensor<1, B> const x = hg::make_tensor<B>("x", hg::Shape{5});
  hg::fill(typename B::execution_space{}, x, typename B::scalar_type(3));
  hg::Tape<B> tape;
  auto const loss = hg::mean(hg::pointwise("odr", Formula{}, tape.constant(x)));
  return hg::item(tape.exec(), loss.value);
}

}  // namespace odr
