// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Gradients of gradients: every op against central differences of its gradient.
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <heliograd/op/activation.hpp>
#include <heliograd/op/arithmetic.hpp>
#include <heliograd/op/channel_sum.hpp>
#include <heliograd/op/conv2d.hpp>
#include <heliograd/op/conv_transpose2d.hpp>
#include <heliograd/op/dot.hpp>
#include <heliograd/op/dropout.hpp>
#include <heliograd/op/pad.hpp>
#include <heliograd/op/resample.hpp>
#include <heliograd/op/shape.hpp>
#include <heliograd/op/upsample_conv2d.hpp>
#include <heliograd/tape/no_grad.hpp>
#include <heliograd/testing/gradcheck.hpp>
#include "spaces.hpp"

namespace hg = heliograd;
using B = test::DoubleBackend;
using Catch::Matchers::ContainsSubstring;

namespace {

/// The second derivatives of sum(op(x)^3).
template <class Op>
void check(char const* name, Op const& op, hg::Shape<4> const& shape = {2, 5, 6, 3}) {
  INFO(name);
  auto const report = hg::testing::gradgradcheck<B>(
      [&](auto x) {
        auto const y = op(x);
        return hg::sum(y * y * y);
      },
      shape);
  INFO(report.message());
  CHECK(report.passed());
}

struct Cubed {
  static constexpr int derivatives = 3;
  template <class T>
  KOKKOS_FUNCTION T operator()(T a) const {
    using Kokkos::exp;
    return a * a * a * exp(a);
  }
};
struct SmoothDistance {
  template <class T>
  KOKKOS_FUNCTION T operator()(T a, T b) const {
    using Kokkos::sqrt;
    T const d = a - b;
    return sqrt(d * d + T(0.01f)) * a;
  }
};

}  // namespace

TEST_CASE("second derivatives of element-wise ops", "[tape]") {
  check("product", [](auto x) { return x * x; });
  check("quotient", [](auto x) { return x / hg::affine(x, 0.3, 2.0); });
  check("difference", [](auto x) { return x * x - x; });
  check("formula", [](auto x) { return hg::pointwise("cubed", Cubed{}, x); });
  check("formula of two", [](auto x) { return hg::pointwise("distance", SmoothDistance{}, x, x * x); });
  check("relu", [](auto x) { return hg::relu(x); });
  check("leaky_relu", [](auto x) { return hg::leaky_relu(x); });
  check("tanh", [](auto x) { return hg::tanh(x); });
  check("sigmoid", [](auto x) { return hg::sigmoid(x); });
  check("softplus", [](auto x) { return hg::softplus(x); });
  check("silu", [](auto x) { return hg::silu(x); });
  check("gelu", [](auto x) { return hg::gelu(x); });
  check("elu", [](auto x) { return hg::elu(x, 0.7); });
  check("mish", [](auto x) { return hg::mish(x); });
  check("dropout", [](auto x) { return hg::dropout(x, 0.3, hg::RandomStream{1, 2}); });
  check("prelu, a slope for each channel", [](auto x) { return hg::prelu(x, hg::channel_sum(hg::tanh(x))); });
  check("prelu, one slope", [](auto x) { return hg::prelu(x, x.tape().reshape(hg::sum(x), hg::Shape<1>{1})); });
}

TEST_CASE("second derivatives of linear ops", "[tape]") {
  check("pad", [](auto x) { return hg::pad(x, 2, hg::PaddingMode::reflect); });
  check("resample", [](auto x) { return hg::resample(x, 2); });
  check("slice_channels", [](auto x) { return hg::slice_channels(x, 1, 2); });
  check("permute", [](auto x) { return hg::permute(x, {0, 2, 1, 3}); });
  check("concat", [](auto x) { return hg::concat(x, x * x); });
  check("channels", [](auto x) { return x * hg::channel_spread(hg::channel_sum(x), x.shape()); });
}

TEST_CASE("second derivatives of bilinear ops", "[tape]") {
  check("conv_transpose2d", [](auto x) {
    auto const weight = x.tape().reshape(x, hg::Shape<4>{4, 3, 5, 3});
    return hg::conv_transpose2d(x, weight, {.stride = 2, .padding = 1});
  });
  check("dot and scale", [](auto x) { return hg::scale(hg::dot(x, hg::tanh(x)), x); });
  check("conv2d", [](auto x) {
    auto const weight = x.tape().reshape(x, hg::Shape<4>{4, 3, 3, 5});
    return hg::conv2d(x, weight, {.stride = 2, .padding = 2});
  });
  check("upsample_conv2d",
        [](auto x) { return hg::upsample_conv2d(x, x.tape().reshape(x, hg::Shape<4>{3, 3, 3, 2}), 2); }, {1, 3, 6, 3});
}
