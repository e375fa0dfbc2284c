// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <limits>
#include <vector>

#include <heliograd/core/copy.hpp>
#include <heliograd/nn/activation.hpp>
#include <heliograd/op/reduce.hpp>
#include "spaces.hpp"

namespace hg = heliograd;

namespace {
template <class B, class Function>
auto on_values(std::vector<typename B::scalar_type> const& values, Function const& function) {
  hg::Tape<B> tape;
  auto x = hg::make_param<B>("x", hg::Shape{values.size()});
  hg::from_host(tape.exec(), x.value, values);
  auto const y = function(tape.watch(x));
  tape.backward(hg::sum(y));
  return std::pair{hg::to_host(tape.exec(), y.value), hg::to_host(tape.exec(), x.grad)};
}
}  // namespace

TEMPLATE_LIST_TEST_CASE("activations stay finite at huge arguments, with the right limits", "[op]", test::Backends) {
  using B = TestType;
  using T = typename B::scalar_type;
  std::vector<T> const far = {T(-1e30), T(-200), T(200), T(1e30)};
  auto const [softplus, softplus_slope] = on_values<B>(far, [](auto x) { return hg::softplus(x); });
  CHECK(softplus == std::vector<T>{0, static_cast<T>(std::exp(-200.0)), 200, T(1e30)});
  CHECK(softplus_slope[0] == 0);
  CHECK(softplus_slope[3] == 1);
  auto const [mish, mish_slope] = on_values<B>(far, [](auto x) { return hg::mish(x); });
  CHECK(mish[0] == 0);
  CHECK(mish[2] == 200);
  CHECK(mish[3] == T(1e30));
  CHECK(mish_slope[0] == 0);
  CHECK(mish_slope[2] == 1);
  CHECK(mish_slope[3] == 1);
  auto const [sigmoid, sigmoid_slope] = on_values<B>(far, [](auto x) { return hg::sigmoid(x); });
  CHECK(sigmoid[0] == 0);
  CHECK(sigmoid[3] == 1);
  CHECK(sigmoid_slope[0] == 0);
  CHECK(sigmoid_slope[3] == 0);
  auto const [tanh, tanh_slope] = on_values<B>(far, [](auto x) { return hg::tanh(x); });
  CHECK(tanh == std::vector<T>{-1, -1, 1, 1});
  CHECK(tanh_slope == std::vector<T>{0, 0, 0, 0});
}

TEMPLATE_LIST_TEST_CASE("rectifiers pass NaN on and have the documented slope at zero", "[op]", test::Backends) {
  using B = TestType;
  using T = typename B::scalar_type;
  T const nan = std::numeric_limits<T>::quiet_NaN();
  auto const [relu, relu_slope] = on_values<B>({nan, 0, -3}, [](auto x) { return hg::relu(x); });
  CHECK(std::isnan(relu[0]));
  CHECK(relu[2] == 0);
  CHECK(relu_slope[1] == 0);
  auto const [leaky, leaky_slope] = on_values<B>({nan, 0, -3}, [](auto x) { return hg::leaky_relu(x, 0.5); });
  CHECK(std::isnan(leaky[0]));
  CHECK(leaky[2] == T(-1.5));
  CHECK(leaky_slope[1] == T(0.5));
  auto const layer = hg::nn::prelu_layer<B>();
  auto const [prelu, prelu_slope] = on_values<B>({nan, 0, -4}, [&](auto x) { return layer(x); });
  CHECK(std::isnan(prelu[0]));
  CHECK(prelu[2] == -1);
  CHECK(prelu_slope[1] == T(0.25));
}

TEMPLATE_LIST_TEST_CASE("prelu: either gradient alone equals the pair", "[op]", test::Backends) {
  using B = TestType;
  using T = typename B::scalar_type;
  std::size_t const count = 20011;  // several chunks, none full
  auto x = hg::make_param<B>("x", hg::Shape{count});
  std::vector<T> values(count);
  double expected = 0;
  for (std::size_t i = 0; i < count; ++i) {
    values[i] = static_cast<T>(static_cast<int>(i % 17) - 8);
    if (values[i] < 0) expected += static_cast<double>(values[i]);
  }
  hg::Tape<B> tape;
  hg::from_host(tape.exec(), x.value, values);
  auto layer = hg::nn::prelu_layer<B>();

  tape.backward(hg::sum(layer(tape.watch(x))));
  auto const gx = hg::to_host(tape.exec(), x.grad);
  CHECK(hg::to_host(tape.exec(), layer.slope.grad)[0] == static_cast<T>(expected));
  CHECK(gx[0] == T(0.25));
  CHECK(gx[9] == T(1));

  tape.clear();
  tape.backward(hg::sum(layer(tape.constant(x.value))));
  CHECK(hg::to_host(tape.exec(), layer.slope.grad)[0] == static_cast<T>(2 * expected));

  tape.clear();
  hg::freeze(layer);
  hg::fill(tape.exec(), x.grad, T(1));
  tape.backward(hg::sum(layer(tape.watch(x))));
  auto const added = hg::to_host(tape.exec(), x.grad);
  for (std::size_t i = 0; i < count; ++i) REQUIRE(added[i] == gx[i] + 1);
}

TEST_CASE("prelu refuses slopes that fit no channel", "[op]") {
  using B = test::FloatBackend;
  hg::Tape<B> tape;
  auto const x = hg::make_zeros<B>("x", hg::Shape{2, 2, 2, 3});
  auto const layer = hg::nn::prelu_layer<B>(2);
  CHECK_THROWS_AS(layer(tape.constant(x)), hg::ShapeError);
}
