// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Gradients of gradients: a gradient penalty, and an op of one's own that can be differentiated to any order.
#include <cstdio>
#include <heliograd/heliograd.hpp>
#include <heliograd/testing/gradcheck.hpp>
namespace hg = heliograd;

template <class B, class Critic>
hg::Var<0, B> gradient_penalty(hg::Tape<B>& tape, Critic const& critic, hg::Tensor<4, B> const& between) {
  auto const x = tape.variable(between);                // images between the real and the generated ones
  auto const g = tape.gradients(critic(x), x);          // d critic / d x, itself on the tape
  auto const excess = hg::affine(hg::dot(g, g), 1, -1);  // |g|^2 - 1
  return excess * excess;                               // backward: d / d the critic's parameters
}

template <class B>
struct Darken {  // y = x (1 - u (1 - mu)), and its transpose
  hg::ConstTensorRef<4, B> x;
  hg::ConstTensorRef<2, B> mu;
  hg::Sink<4, B> y;
  typename B::scalar_type u;
  KOKKOS_FUNCTION void operator()(std::size_t i) const {
    std::size_t const pixel = i / x.extent(3) % mu.size();
    y.add(i, x.data()[i] * (1 - u * (1 - mu.data()[pixel])));
  }
};

template <class B>
hg::Var<4, B> darken(hg::Var<4, B> x, hg::TensorRef<2, B> mu, double coefficient) {
  auto const u = static_cast<typename B::scalar_type>(coefficient);
  auto const adjoint = [=](hg::Workspace<B>& ws, hg::TensorRef<4, B> gy, hg::Sink<4, B> gx) {
    hg::kernel::for_each_element(ws, "mine::darken", gy.size(), Darken<B>{gy, mu, gx, u});
  };
  auto const forward = [=](hg::Workspace<B>& ws, hg::TensorRef<4, B> in, hg::TensorRef<4, B> y) {
    adjoint(ws, in, hg::Sink<4, B>{y, 0});
  };
  return hg::linear_map("mine::darken", x.shape(), x, forward, adjoint);
}

int main(int argc, char** argv) {
  Kokkos::ScopeGuard const kokkos(argc, argv);
  using B = hg::Backend<Kokkos::DefaultExecutionSpace, double>;
  auto const mu = hg::make_tensor<B>("mu", hg::Shape{5, 6});
  hg::fill(Kokkos::DefaultExecutionSpace{}, mu, 0.7);
  auto const report = hg::testing::gradgradcheck<B>(
      [&](auto x) {
        auto const y = darken<B>(x, mu, 0.6);
        return hg::mean(y * y * y);
      },
      hg::Shape{2, 5, 6, 3});
  std::printf("%s\n", report.message().c_str());

  hg::Rng rng(1);
  auto critic = hg::nn::conv2d_layer<B>(rng, 3, 1, {.padding = 1});
  auto const images = hg::make_tensor<B>("images", hg::Shape{1, 5, 6, 3});
  hg::nn::init_normal(rng, images, 0.0, 1.0);
  hg::Tape<B> tape;
  tape.backward(gradient_penalty<B>(tape, [&](auto x) { return hg::tanh(critic(x)); }, images));
  return report.passed() ? 0 : 1;
}
