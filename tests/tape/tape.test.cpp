// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <heliograd/op/arithmetic.hpp>
#include <heliograd/op/dot.hpp>
#include <heliograd/op/reduce.hpp>
#include <heliograd/op/shape.hpp>
#include <heliograd/tape/no_grad.hpp>
#include <heliograd/testing/gradcheck.hpp>
#include "spaces.hpp"

namespace hg = heliograd;
using Catch::Matchers::ContainsSubstring;

namespace {

template <class B>
hg::Param<1, B> ramp(std::size_t count) {
  auto param = hg::make_param<B>("ramp", hg::Shape{count});
  std::vector<typename B::scalar_type> values(count);
  for (std::size_t i = 0; i < count; ++i) values[i] = static_cast<typename B::scalar_type>(i + 1);
  hg::from_host(typename B::execution_space{}, param.value, values);
  return param;
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("a gradient reaches the parameter and adds up over steps", "[tape]", test::Backends) {
  using B = TestType;
  hg::Tape<B> tape;
  auto const w = ramp<B>(4);
  for (int step = 1; step <= 2; ++step) {
    tape.clear();
    auto const x = tape.watch(w);
    tape.backward(hg::sum(x * x));
    auto const gradient = hg::to_host(tape.exec(), w.grad);
    for (std::size_t i = 0; i < 4; ++i) CHECK(gradient[i] == 2.0 * static_cast<double>(i + 1) * step);
  }
  tape.clear();
  auto const x = tape.watch(w);
  tape.backward(hg::sum(x * x), -2);  // a seed other than one: back to nothing
  for (auto const g : hg::to_host(tape.exec(), w.grad)) CHECK(g == 0);
}

TEMPLATE_LIST_TEST_CASE("a steady step takes the same addresses and no more memory", "[tape]", test::Backends) {
  using B = TestType;
  hg::Tape<B> tape;
  auto const w = ramp<B>(100000);
  auto const step = [&] {
    tape.clear();
    auto y = tape.watch(w);
    for (int i = 0; i < 20; ++i) y = 0.5 * y;
    tape.backward(hg::mean(y));
    return y.value.data();
  };
  step();  // what lies in pieces then, lies in one from now on
  auto const* const first = step();
  auto const bytes = tape.reserved_bytes();
  CHECK(step() == first);
  CHECK(tape.reserved_bytes() == bytes);
}

TEMPLATE_LIST_TEST_CASE("gradients of a deep chain share their memory", "[tape]", test::Backends) {
  using B = TestType;
  hg::Tape<B> tape;
  std::size_t const count = 1 << 20;
  auto const w = ramp<B>(count);
  auto y = tape.watch(w);
  for (int i = 0; i < 16; ++i) y = 0.5 * y;
  auto const forward = tape.peak_bytes();
  tape.backward(hg::mean(y));
  CHECK(tape.peak_bytes() - forward <= 4 * count * sizeof(typename B::scalar_type));
}

TEST_CASE("a graph of a million nodes needs no recursion", "[tape]") {
  using B = test::DoubleBackend;
  hg::Tape<B> tape;
  auto const w = ramp<B>(1);
  auto y = tape.watch(w);
  for (int i = 0; i < 200000; ++i) y = hg::affine(y, 1.0, 0.0);
  tape.backward(hg::sum(y));
  CHECK(hg::to_host(tape.exec(), w.grad)[0] == 1.0);

  hg::Tape<B> dry({}, {.dry = true});
  auto z = dry.watch(w);
  for (int i = 0; i < 1000000; ++i) z = hg::affine(z, 1.0, 0.0);
  dry.backward(hg::sum(z));
  CHECK(dry.nodes().size() == 1000001);
}

TEST_CASE("NoGrad records nothing", "[tape]") {
  using B = test::FloatBackend;
  hg::Tape<B> tape;
  auto const w = ramp<B>(4);
  {
    hg::NoGrad const guard(tape);
    auto const x = tape.watch(w);
    CHECK_FALSE((x * x).wants_grad());
  }
  CHECK(tape.nodes().empty());
  auto const x = tape.watch(w);
  CHECK((x * x).wants_grad());
}

TEST_CASE("detach and freeze stop the gradient", "[tape]") {
  using B = test::DoubleBackend;
  hg::Tape<B> tape;
  auto const w = ramp<B>(3);
  auto const x = tape.watch(w);
  tape.backward(hg::sum(x * tape.detach(x)));
  CHECK(hg::to_host(tape.exec(), w.grad) == std::vector<double>{1, 2, 3});
  auto frozen = w;
  frozen.grad = {};
  CHECK_FALSE(tape.watch(frozen).wants_grad());
}

TEST_CASE("what cannot be differentiated is refused with a reason", "[tape]") {
  using B = test::DoubleBackend;
  hg::Tape<B> tape;
  auto const w = ramp<B>(3);
  auto const constant = hg::sum(tape.constant(w.value));
  CHECK_THROWS_WITH(tape.backward(constant), ContainsSubstring("depends on no parameter"));
  auto const loss = hg::sum(tape.watch(w));
  tape.backward(loss);
  CHECK_THROWS_WITH(tape.backward(loss), ContainsSubstring("call clear()"));
  auto const other = ramp<B>(4);
  CHECK_THROWS_WITH(tape.watch(w) + tape.watch(other), ContainsSubstring("[4]") && ContainsSubstring("[3]"));
}

TEST_CASE("retained gradients of intermediate values can be read", "[tape]") {
  using B = test::DoubleBackend;
  hg::Tape<B> tape;
  auto const w = ramp<B>(3);
  auto const x = tape.watch(w);
  auto const y = 2.0 * x;
  tape.retain(y);
  tape.backward(hg::sum(y * y));
  CHECK(hg::to_host(tape.exec(), y.grad()) == std::vector<double>{4, 8, 12});
}

TEMPLATE_LIST_TEST_CASE("an op with several results is one node", "[tape]", test::Backends) {
  using B = TestType;
  using Scalar = typename B::scalar_type;
  hg::Tape<B> tape;
  auto const w = hg::make_param<B>("w", hg::Shape{2, 3});
  hg::from_host(tape.exec(), w.value, std::vector<Scalar>{1, 2, 3, 4, 5, 6});
  auto const gradient = [&](auto const& loss) {
    tape.clear();
    hg::fill(tape.exec(), w.grad, Scalar(0));
    auto const x = tape.watch(w);
    auto const [left, right] = hg::split_channels(x, 1, 2);
    auto const nodes = tape.nodes().size();
    auto const value = loss(x, left, right);
    CHECK(nodes == 1);
    tape.backward(value);
    return hg::to_host(tape.exec(), w.grad);
  };
  using Values = std::vector<Scalar>;
  for (int again = 0; again < 2; ++again) {  // the second time on memory that was used
    CHECK(gradient([](auto, auto a, auto) { return hg::sum(a * a); }) == Values{2, 0, 0, 8, 0, 0});
    CHECK(gradient([](auto, auto, auto b) { return hg::sum(b * b); }) == Values{0, 4, 6, 0, 10, 12});
    CHECK(gradient([](auto, auto a, auto b) { return hg::dot(a, a) + hg::sum(b); }) == Values{2, 1, 1, 8, 1, 1});
    CHECK(gradient([](auto x, auto, auto b) { return hg::sum(x) + hg::sum(b); }) == Values{1, 2, 2, 1, 2, 2});
  }
  auto const [left, right] = [&] {
    tape.clear();
    return hg::split_channels(tape.watch(w), 1, 2);
  }();
  tape.retain(left);
  tape.backward(hg::sum(right));
  CHECK(hg::to_host(tape.exec(), left.grad()) == Values{0, 0});
}

TEST_CASE("gradcheck finds a wrong gradient and accepts a right one", "[testing]") {
  using B = test::DoubleBackend;
  auto const right = hg::testing::gradcheck<B>([](auto x) { return hg::mean(x * x * x); }, hg::Shape{3, 4});
  INFO(right.message());
  CHECK(right.passed());
  auto const wrong =
      hg::testing::gradcheck<B>([](auto x) { return hg::mean(x * x.tape().detach(x)); }, hg::Shape{3, 4});
  CHECK_FALSE(wrong.passed());
}

TEST_CASE("a slice is taken as it is, or copied where it skips memory", "[tape]") {
  using B = test::FloatBackend;
  B::execution_space const exec;
  auto const images = hg::make_tensor<B>("images", hg::Shape{3, 2, 4, 2});
  std::vector<float> values(images.size());
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
  hg::from_host(exec, images, values);
  hg::Tape<B> tape;
  auto const whole = Kokkos::subview(images, std::pair{1, 3}, Kokkos::ALL, Kokkos::ALL, Kokkos::ALL);
  CHECK(hg::to_host(exec, tape.constant(whole).value) == std::vector<float>(values.begin() + 16, values.end()));
  auto const one = Kokkos::subview(images, std::pair{2, 3}, std::pair{1, 2}, Kokkos::ALL, Kokkos::ALL);
  CHECK(hg::to_host(exec, tape.constant(one).value) == std::vector<float>(values.begin() + 40, values.end()));
  CHECK(tape.constant(one).value.data() == one.data());

  auto const columns = Kokkos::subview(images, Kokkos::ALL, Kokkos::ALL, std::pair{1, 3}, Kokkos::ALL);
  std::vector<float> expected;
  for (std::size_t row = 0; row < 6; ++row)
    for (std::size_t i = 2; i < 6; ++i) expected.push_back(static_cast<float>(8 * row + i));
  CHECK(hg::to_host(exec, columns) == expected);
  CHECK(hg::to_host(exec, tape.constant(columns).value) == expected);
  auto const x = tape.variable(columns);
  tape.backward(hg::sum(x * x));
  for (float& v : expected) v *= 2;
  CHECK(hg::to_host(exec, x.grad()) == expected);
  CHECK_THROWS_WITH(hg::copy(exec, columns, columns), Catch::Matchers::ContainsSubstring("[3, 2, 2, 2] skips memory"));

  Kokkos::View<float[2][3], Kokkos::LayoutLeft, B::memory_space> const fortran("fortran");
  for (int i = 0; i < 6; ++i) fortran.data()[i] = static_cast<float>(i);
  CHECK(hg::to_host(exec, tape.constant(fortran).value) == std::vector<float>{0, 2, 4, 1, 3, 5});
}

// What is too large for the caches is copied by vectors past them, the odd end as usual.
TEMPLATE_LIST_TEST_CASE("a tensor too large for the caches is copied whole", "[tape]", test::Backends) {
  using B = TestType;
  using T = typename B::scalar_type;
  typename B::execution_space const exec;
  std::size_t const count = hg::beyond_caches / sizeof(T) + 7;
  auto const from = hg::make_tensor<B>("from", hg::Shape{count}), to = hg::make_zeros<B>("to", hg::Shape{count});
  std::vector<T> numbers(count);
  for (std::size_t i = 0; i < count; ++i) numbers[i] = static_cast<T>(i % 8191);
  hg::from_host(exec, from, numbers);
  hg::copy(exec, to, from);
  CHECK(hg::to_host(exec, to) == numbers);
}
