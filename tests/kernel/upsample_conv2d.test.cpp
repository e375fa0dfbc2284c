// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <heliograd/kernel/upsample_conv2d.hpp>

#include <Kokkos_Core.hpp>
#include <algorithm>
#include <catch2/catch_message.hpp>
#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_exception.hpp>
#include <cstddef>
#include <type_traits>
#include <utility>
#include <vector>

#include <heliograd/core/copy.hpp>
#include <heliograd/core/fill.hpp>
#include <heliograd/core/past_caches.hpp>
#include <heliograd/testing/compare.hpp>
#include <heliograd/testing/draw.hpp>
#include "kernel/tensors.hpp"
#include "reference/upsample_conv2d.hpp"
#include "spaces.hpp"

namespace {

namespace hg = heliograd;
using hg::Shape;
using test::put;
using test::target;
using test::Values;

template <class B>
struct Problem {
  using Scalar = typename B::scalar_type;
  test::reference::UpsampleConv2d reference;
  Values x, weight, bias, gy;

  Problem(Shape<4> const& x_shape, std::size_t c_out, int factor, bool integers = false)
      : reference(x_shape, {3, 3, x_shape[3], c_out}, factor) {
    hg::testing::Draws draws(11);
    x = test::draw_values<B>(draws, reference.x.size(), integers);
    weight = test::draw_values<B>(draws, reference.conv.weight.size(), integers);
    bias = test::draw_values<B>(draws, c_out, integers);
    gy = test::draw_values<B>(draws, reference.conv.y.size(), integers);
  }

  struct Results {
    std::vector<Scalar> y, gx, gw, gb;
    bool operator==(Results const&) const = default;
  };

  Results run(typename B::execution_space const& exec = {}, bool add = false) const {
    hg::Workspace<B> ws(exec);
    Shape<1> const channels{bias.size()};
    auto const x_tensor = put<B>(reference.x, x);
    auto const weight_tensor = put<B>(reference.conv.weight, weight);
    hg::Tensor<4, B> y, gx, gw;
    hg::Tensor<1, B> gb;
    target<B>(reference.conv.y, y, false);
    hg::kernel::upsample_conv2d<B>(ws, x_tensor, weight_tensor, put<B>(channels, bias), y, reference.factor);
    hg::kernel::upsample_conv2d_backward<B>(ws, x_tensor, weight_tensor, put<B>(reference.conv.y, gy),
                                            target<B>(reference.x, gx, add), target<B>(reference.conv.weight, gw, add),
                                            target<B>(channels, gb, add), reference.factor);
    return {hg::to_host(exec, y), hg::to_host(exec, gx), hg::to_host(exec, gw), hg::to_host(exec, gb)};
  }

  void check(double bar, bool add) const {
    auto const results = run({}, add);
    auto const expect = [&](std::vector<Scalar> const& found, Values expected, bool added) {
      for (double& value : expected) value += added ? 1 : 0;
      return hg::testing::compare(found, expected).relative;
    };
    CAPTURE(to_string(reference.x), bias.size(), reference.factor, add);
    // Few sums may all come out small by cancellation, and their relative error large.
    auto const allowed = [&](std::size_t sums) { return sums < 100 ? 10 * bar : bar; };
    CHECK(expect(results.y, reference.forward(x, weight, bias), false) <= allowed(results.y.size()));
    CHECK(expect(results.gx, reference.backward_data(gy, weight), add) <= allowed(results.gx.size()));
    CHECK(expect(results.gw, reference.backward_weight(x, gy), add) <= allowed(results.gw.size()));
    CHECK(expect(results.gb, reference.backward_bias(gy), add) <= allowed(results.gb.size()));
  }
};

}  // namespace

template <class B>
constexpr double bar = std::is_same_v<typename B::scalar_type, float> ? 5e-7 : 5e-14;

TEMPLATE_LIST_TEST_CASE("upsample_conv2d: equals up-sampling followed by conv2d, small shapes",
                        "[sweep][kernel][upsample_conv2d]", test::Backends) {
  using B = TestType;
  int problems = 0;
  for (int const factor : {1, 2, 3, 4, 5})
    for (auto const& [height, width] :
         {std::pair<std::size_t, std::size_t>{1, 1}, {1, 2}, {2, 1}, {3, 2}, {5, 7}, {9, 66}})
      for (auto const& [c_in, c_out] : {std::pair<std::size_t, std::size_t>{1, 1}, {3, 17}, {16, 16}, {17, 33}}) {
        if (height * static_cast<std::size_t>(factor) < 2 || width * static_cast<std::size_t>(factor) < 2) continue;
        if (height * width * c_in * c_out > 100000) continue;
        Problem<B>({1 + static_cast<std::size_t>(problems % 2), height, width, c_in}, c_out, factor)
            .check(bar<B>, problems % 3 == 0);
        ++problems;
      }
  CHECK(problems > 80);
}

TEMPLATE_LIST_TEST_CASE("upsample_conv2d: equals up-sampling followed by conv2d", "[kernel][upsample_conv2d]",
                        test::Backends) {
  Problem<TestType>({1, 32, 32, 64}, 64, 4).check(bar<TestType>, false);
}

TEMPLATE_LIST_TEST_CASE("upsample_conv2d: exact on integers where the interpolation weights are",
                        "[kernel][upsample_conv2d]", test::Backends) {
  for (int const factor : {1, 2, 4}) Problem<TestType>({2, 6, 5, 8}, 16, factor, true).check(0.0, true);
}

TEMPLATE_LIST_TEST_CASE("upsample_conv2d: the kernels of device spaces, run on the host, are exact where they can be",
                        "[kernel][upsample_conv2d]", test::Backends) {
  using B = TestType;
  using T = typename B::scalar_type;
  namespace detail = hg::kernel::detail;
  if constexpr (B::on_host)
    for (int const factor : {1, 2, 4}) {
      Problem<B> const problem({2, 4, 3, 3}, 5, factor, true);
      auto const& reference = problem.reference;
      auto const g = detail::upsample_conv2d_geometry(reference.x, reference.conv.weight, factor);
      auto const put = [](Values const& values) { return std::vector<T>(values.begin(), values.end()); };
      auto const x = put(problem.x), weight = put(problem.weight), bias = put(problem.bias), gy = put(problem.gy);
      std::size_t const pixels = reference.x.size() / reference.x[3];
      std::vector<T> maps(pixels * 9 * bias.size()), y(reference.conv.y.size()), gx(x.size(), T(1)), gw(weight.size());

      detail::UpsampleMapElement<T> const taps{g, x.data(), weight.data(), maps.data()};
      for (std::size_t i = 0; i < maps.size(); ++i) taps(i);
      detail::UpsampleInterpolateElement<T> const interpolate{g, maps.data(),
                                                              detail::Delivery<T>{y.data(), T(0), bias.data()}};
      for (std::size_t i = 0; i < y.size(); ++i) interpolate(i);

      detail::UpsampleGatherElement<T> const gather{g, gy.data(), maps.data()};
      for (std::size_t i = 0; i < maps.size(); ++i) gather(i);
      hg::Sink<4, B> const sink{hg::view_at<hg::TensorRef<4, B>>(gx.data(), reference.x), T(1)};
      detail::UpsampleBackwardDataElement<B> const data{g, maps.data(), weight.data(), sink};
      for (std::size_t i = 0; i < gx.size(); ++i) data(i);
      detail::UpsampleWeightTerm<T> const term{g, x.data(), maps.data()};
      for (std::size_t i = 0; i < gw.size(); ++i) {
        double total = 0;
        for (std::size_t k = 0; k < pixels; ++k) {
          hg::kernel::Sums<1> one;
          term(i, k, one);
          total += one[0];
        }
        gw[i] = static_cast<T>(total);
      }
      auto expected_gx = reference.backward_data(problem.gy, problem.weight);
      for (double& value : expected_gx) value += 1;
      CAPTURE(factor);
      CHECK(hg::testing::compare(y, reference.forward(problem.x, problem.weight, problem.bias)).differing == 0);
      CHECK(hg::testing::compare(gx, expected_gx).differing == 0);
      CHECK(hg::testing::compare(gw, reference.backward_weight(problem.x, problem.gy)).differing == 0);
    }
}

TEMPLATE_LIST_TEST_CASE("upsample_conv2d: gradients that are not wanted are not computed", "[kernel][upsample_conv2d]",
                        test::Backends) {
  using B = TestType;
  Problem<B> const problem({2, 5, 6, 8}, 20, 2);
  auto const all = problem.run();
  hg::Workspace<B> ws;
  auto const x = put<B>(problem.reference.x, problem.x);
  auto const weight = put<B>(problem.reference.conv.weight, problem.weight);
  auto const gy = put<B>(problem.reference.conv.y, problem.gy);
  hg::Tensor<4, B> gx, gw;
  hg::Tensor<1, B> gb;
  auto const x_sink = target<B>(problem.reference.x, gx, false);
  auto const w_sink = target<B>(problem.reference.conv.weight, gw, false);
  auto const b_sink = target<B>(Shape<1>{problem.bias.size()}, gb, false);
  hg::kernel::upsample_conv2d_backward<B>(ws, x, weight, gy, x_sink, {}, {}, 2);
  hg::kernel::upsample_conv2d_backward<B>(ws, x, weight, gy, {}, w_sink, {}, 2);
  hg::kernel::upsample_conv2d_backward<B>(ws, x, weight, gy, {}, {}, b_sink, 2);
  CHECK(hg::to_host(ws.exec(), gx) == all.gx);
  CHECK(hg::to_host(ws.exec(), gw) == all.gw);
  CHECK(hg::to_host(ws.exec(), gb) == all.gb);
}

// Then y and the sums beside it are stored past them.
TEST_CASE("upsample_conv2d: an image has the same bits in a batch too large for the caches",
          "[kernel][upsample_conv2d]") {
  using B = test::FloatBackend;
  Shape<4> const one{1, 64, 64, 2}, two{2, 64, 64, 2}, filters{3, 3, 2, 64};
  hg::testing::Draws draws(5);
  auto const image = test::draw_values<B>(draws, one.size(), false);
  auto images = image;
  images.insert(images.end(), image.begin(), image.end());
  auto const weight = put<B>(filters, test::draw_values<B>(draws, filters.size(), false));
  auto const bias = put<B>(Shape<1>{64}, test::draw_values<B>(draws, 64, false));
  auto const run = [&](Shape<4> const& shape, Values const& values, bool rectified) {
    hg::Workspace<B> ws;
    auto const x = put<B>(shape, values);
    auto const y_shape = hg::kernel::upsample_conv2d_shape(shape, filters, 4);
    auto const y = hg::make_tensor<B>("y", y_shape), sum = hg::make_zeros<B>("sum", y_shape);
    hg::kernel::Epilogue<B> epilogue;
    if (rectified) epilogue = {.negative_slope = 0.2, .sum = sum};
    hg::kernel::upsample_conv2d<B>(ws, x, weight, bias, y, 4, epilogue);
    auto all = hg::to_host(ws.exec(), y);
    auto const sums = hg::to_host(ws.exec(), sum);
    return std::pair{std::move(all), sums};
  };
  for (bool const rectified : {false, true}) {
    auto const alone = run(one, image, rectified), both = run(two, images, rectified);
    REQUIRE(both.first.size() * sizeof(float) >= hg::beyond_caches);
    for (std::ptrdiff_t const at : {std::ptrdiff_t{0}, std::ssize(alone.first)}) {
      CHECK(std::equal(alone.first.begin(), alone.first.end(), both.first.begin() + at));
      CHECK(std::equal(alone.second.begin(), alone.second.end(), both.second.begin() + at));
    }
  }
}

#ifdef KOKKOS_ENABLE_OPENMP
TEMPLATE_LIST_TEST_CASE("upsample_conv2d: the same bits for any number of threads and any place in the batch",
                        "[kernel][upsample_conv2d]", test::Backends) {
  using B = TestType;
  if constexpr (std::is_same_v<test::ExecutionSpace, Kokkos::OpenMP>) {
    Problem<B> const problem({5, 17, 19, 24}, 40, 4);
    auto const once = problem.run(Kokkos::OpenMP(1));
    CHECK(problem.run(Kokkos::OpenMP(2)) == once);
    CHECK(problem.run(Kokkos::OpenMP(3)) == once);
    std::ptrdiff_t const x_size = static_cast<std::ptrdiff_t>(problem.x.size() / 5);
    std::ptrdiff_t const y_size = static_cast<std::ptrdiff_t>(problem.gy.size() / 5);
    for (std::ptrdiff_t const image : {0, 3, 4}) {
      Problem<B> alone({1, 17, 19, 24}, 40, 4);
      std::copy_n(problem.x.begin() + image * x_size, x_size, alone.x.begin());
      std::copy_n(problem.gy.begin() + image * y_size, y_size, alone.gy.begin());
      alone.weight = problem.weight;
      alone.bias = problem.bias;
      auto const results = alone.run();
      CHECK(std::equal(results.y.begin(), results.y.end(), once.y.begin() + image * y_size));
      CHECK(std::equal(results.gx.begin(), results.gx.end(), once.gx.begin() + image * x_size));
    }
  }
}
#endif

TEST_CASE("upsample_conv2d: shapes that do not fit are refused by name", "[kernel][upsample_conv2d]") {
  using Catch::Matchers::Message;
  CHECK_THROWS_MATCHES(hg::kernel::upsample_conv2d_shape({1, 8, 8, 3}, {5, 5, 3, 4}, 2), hg::ShapeError,
                       Message("heliograd: upsample_conv2d: weight is [5, 5, 3, 4], expected [3, 3, c_in, c_out]"));
  CHECK_THROWS_MATCHES(hg::kernel::upsample_conv2d_shape({1, 1, 8, 3}, {3, 3, 3, 4}, 1), hg::ShapeError,
                       Message("heliograd: upsample_conv2d: x is [1, 1, 8, 3], expected at least 2 x 2 pixels after "
                               "up-sampling by 1, for its reflection"));
  CHECK_THROWS_AS(hg::kernel::upsample_conv2d_shape({1, 8, 8, 3}, {3, 3, 4, 4}, 2), hg::ShapeError);
  CHECK_THROWS_AS(hg::kernel::upsample_conv2d_shape({1, 8, 8, 3}, {3, 3, 3, 4}, 0), hg::UsageError);
}
