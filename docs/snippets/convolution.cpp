// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Convolution, padding, and convolution of an up-sampled image, as the pages of these operations show them.
#include <cmath>
#include <cstdio>
#include <heliograd/heliograd.hpp>
namespace hg = heliograd;
using B = hg::Backend<Kokkos::DefaultExecutionSpace, double>;

template <class Input>
hg::Var<4, B> strided(Input x, Input weight, hg::Var<1, B> bias) {
  auto y = hg::conv2d(x, weight, bias, {.stride = 2, .padding = 1, .mode = hg::PaddingMode::reflect});
  return y;
}

template <class Input>
hg::Var<4, B> finished(Input x, Input weight, hg::Var<1, B> bias, hg::Var<1, B> slope) {
  auto leaky = hg::conv2d(x, weight, bias, {.padding = 1}, {.negative_slope = 0.2});
  auto y = hg::conv2d(x, weight, bias, {.padding = 1}, {.slope = slope, .residual = leaky});  // a PReLU, then a sum
  return y;
}

template <class Input>
hg::Var<4, B> doubled(Input x, Input weight) {
  auto y = hg::conv_transpose2d(x, weight, {.stride = 2, .padding = 1, .output_padding = 1});  // k3: twice the sides
  return y;
}

template <class Input>
hg::Var<4, B> framed(Input x) {
  auto y = hg::pad(x, {1, 1, 2, 2}, hg::PaddingMode::periodic);  // top, bottom, left, right; or one number for all
  return y;
}

template <class Input>
hg::Var<4, B> in_one(Input x, Input weight, hg::Var<1, B> bias) {
  auto y = hg::upsample_conv2d(x, weight, bias, 4);
  return y;
}

template <class Input>
hg::Var<4, B> in_two(Input x, Input weight, hg::Var<1, B> bias) {
  auto fine = hg::resample(x, 4);
  auto y = hg::conv2d(fine, weight, bias, {.padding = 1, .mode = hg::PaddingMode::reflect});
  return y;
}

int main(int argc, char** argv) {
  Kokkos::ScopeGuard const kokkos(argc, argv);
  hg::Rng rng(1);
  auto const image = hg::make_tensor<B>("image", hg::Shape{1, 7, 9, 2});
  auto const filters = hg::make_tensor<B>("filters", hg::Shape{3, 3, 2, 3});
  auto const offsets = hg::make_tensor<B>("offsets", hg::Shape{3});
  hg::nn::init_normal(rng, image, 0.0, 1.0);
  hg::nn::init_normal(rng, filters, 0.0, 1.0);
  hg::nn::init_normal(rng, offsets, 0.0, 1.0);
  hg::Tape<B> tape;
  auto const x = tape.constant(image);
  auto const weight = tape.constant(filters);
  auto const bias = tape.constant(offsets);
  auto const half = strided(x, weight, bias);
  std::printf("strided %s, doubled %s, framed %s, finished %s\n", hg::to_string(half.shape()).c_str(),
              hg::to_string(doubled(half, weight).shape()).c_str(), hg::to_string(framed(x).shape()).c_str(),
              hg::to_string(finished(x, weight, bias, bias).shape()).c_str());
  auto const one = hg::to_host(tape.exec(), in_one(x, weight, bias).value);
  auto const two = hg::to_host(tape.exec(), in_two(x, weight, bias).value);
  double worst = 0;
  for (std::size_t i = 0; i < one.size(); ++i) worst = std::fmax(worst, std::fabs(one[i] - two[i]));
  std::printf("in one and in two steps differ by %g\n", worst);
  return one.size() == two.size() && worst < 1e-12 ? 0 : 1;
}
