// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// An op with kernels of its own: limb darkening, y = x (1 - u (1 - mu)).
#include <array>
#include <cstdio>
#include <heliograd/heliograd.hpp>
#include <heliograd/testing/gradcheck.hpp>
namespace hg = heliograd;

template <class B>
struct LimbForward {  // kernels are named functors; they run on the device
  hg::ConstTensorRef<4, B> x;
  hg::ConstTensorRef<2, B> mu;
  hg::TensorRef<4, B> y;
  typename B::scalar_type u;
  KOKKOS_FUNCTION void operator()(std::size_t i) const {
    std::size_t const pixel = i / x.extent(3) % mu.size();
    y.data()[i] = x.data()[i] * (1 - u * (1 - mu.data()[pixel]));
  }
};

template <class B>
struct LimbBackward {
  hg::ConstTensorRef<4, B> gy;
  hg::ConstTensorRef<2, B> mu;
  hg::Sink<4, B> gx;  // overwrites or adds, as the tape wants it
  typename B::scalar_type u;
  KOKKOS_FUNCTION void operator()(std::size_t i) const {
    std::size_t const pixel = i / gy.extent(3) % mu.size();
    gx.add(i, gy.data()[i] * (1 - u * (1 - mu.data()[pixel])));
  }
};

/// Shapes   x [n, h, w, c], mu [h, w] -> [n, h, w, c].
template <class B>
hg::Var<4, B> limb_darken(hg::Var<4, B> x, hg::TensorRef<2, B> mu, double u_coefficient) {
  hg::expect_shape(mu.extent(0) == x.value.extent(1) && mu.extent(1) == x.value.extent(2),
                   "limb_darken: mu is " + hg::to_string(hg::shape_of(mu)) + ", x is " + hg::to_string(x.shape()));
  hg::Tape<B>& tape = x.tape();
  auto const u = static_cast<typename B::scalar_type>(u_coefficient);
  auto const y = tape.make(x.shape(), x.wants_grad());  // [n, h, w, c]
  hg::kernel::for_each_element(tape.workspace(), "mine::limb_darken", y.value.size(),
                               LimbForward<B>{x.value, mu, y.value, u});
  if (y.wants_grad())
    tape.record("limb_darken", y, [=](hg::Tape<B>& t) {  // captures Vars, views and numbers only
      hg::kernel::for_each_element(t.workspace(), "mine::limb_darken_backward", y.value.size(),
                                   LimbBackward<B>{y.grad(), mu, t.into(x), u});
    });
  return y;
}

template <class B>
struct Polarities {
  hg::ConstTensorRef<4, B> x;
  hg::TensorRef<4, B> positive, negative;
  KOKKOS_FUNCTION void operator()(std::size_t i) const {
    auto const value = x.data()[i];
    positive.data()[i] = value > 0 ? value : 0;
    negative.data()[i] = value > 0 ? 0 : value;
  }
};

template <class B>
struct PolaritiesBackward {
  hg::ConstTensorRef<4, B> x, gpositive, gnegative;
  hg::Sink<4, B> gx;
  KOKKOS_FUNCTION void operator()(std::size_t i) const {
    gx.add(i, x.data()[i] > 0 ? gpositive.data()[i] : gnegative.data()[i]);
  }
};

/// The positive and the negative part of a magnetogram.
template <class B>
std::array<hg::Var<4, B>, 2> polarities(hg::Var<4, B> x) {
  hg::Tape<B>& tape = x.tape();
  std::array const parts{tape.make(x.shape(), x.wants_grad()), tape.make(x.shape(), x.wants_grad())};
  hg::kernel::for_each_element(tape.workspace(), "mine::polarities", x.value.size(),
                               Polarities<B>{x.value, parts[0].value, parts[1].value});
  if (x.wants_grad())
    tape.record("mine::polarities", parts, [=](hg::Tape<B>& t) {
      hg::kernel::for_each_element(t.workspace(), "mine::polarities_backward", x.value.size(),
                                   PolaritiesBackward<B>{x.value, parts[0].grad(), parts[1].grad(), t.into(x)});
    });
  return parts;
}

int main(int argc, char** argv) {
  Kokkos::ScopeGuard const kokkos(argc, argv);
  using B = hg::Backend<Kokkos::DefaultExecutionSpace, double>;
  auto const mu = hg::make_tensor<B>("mu", hg::Shape{5, 6});
  hg::fill(Kokkos::DefaultExecutionSpace{}, mu, 0.7);
  auto const report = hg::testing::gradcheck<B>(
      [&](auto x) { return hg::mean(x * limb_darken<B>(x, mu, 0.6)); }, hg::Shape{2, 5, 6, 3});
  std::printf("%s\n", report.message().c_str());
  auto const two = hg::testing::gradcheck<B>(
      [&](auto x) {
        auto const [positive, negative] = polarities<B>(x);
        return hg::mean(positive * positive * negative + negative * x);
      },
      hg::Shape{2, 5, 6, 3});
  std::printf("%s\n", two.message().c_str());
  return report.passed() && two.passed() ? 0 : 1;
}
