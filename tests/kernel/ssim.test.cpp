// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <algorithm>
#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include <heliograd/core/copy.hpp>
#include <heliograd/kernel/ssim.hpp>
#include <heliograd/testing/compare.hpp>
#include <heliograd/testing/draw.hpp>
#include "reference/ssim.hpp"
#include "spaces.hpp"

namespace hg = heliograd;
namespace hgt = heliograd::testing;

namespace {

template <class B>
struct Pair {
  using T = typename B::scalar_type;
  hg::Workspace<B> ws;
  hg::Tensor<4, B> x, y;

  Pair(hgt::HostTensor const& a, hgt::HostTensor const& b, typename B::execution_space const& exec = {}) : ws(exec) {
    hg::Shape<4> const shape{a.shape[0], a.shape[1], a.shape[2], a.shape[3]};
    x = hg::make_tensor<B>("x", shape);
    y = hg::make_tensor<B>("y", shape);
    hg::from_host(exec, x, std::vector<T>(a.values.begin(), a.values.end()));
    hg::from_host(exec, y, std::vector<T>(b.values.begin(), b.values.end()));
  }

  std::vector<T> map(hg::SsimOptions const& options) {
    auto const out = hg::make_tensor<B>("map", hg::Shape{x.extent(0), x.extent(1) - 10, x.extent(2) - 10, x.extent(3)});
    hg::kernel::ssim_map<B>(ws, x, y, options, out);
    return hg::to_host(ws.exec(), out);
  }

  /// The loss, and its gradient added to `before`.
  std::pair<T, std::vector<T>> loss(hg::SsimOptions const& options, double before = 0, double beta = 0) {
    auto const loss = hg::make_tensor<B>("loss", hg::Shape<0>{});
    auto const one = hg::make_tensor<B>("one", hg::Shape<0>{});
    auto const gx = hg::make_tensor<B>("gx", hg::shape_of(x));
    auto const slopes = hg::make_tensor<B>("slopes", hg::Shape{hg::kernel::ssim_slope_count(x, options)});
    hg::fill(ws.exec(), one, T(1));
    hg::fill(ws.exec(), gx, static_cast<T>(before));
    hg::fill(ws.exec(), slopes, std::numeric_limits<T>::quiet_NaN());
    hg::kernel::ssim_loss<B>(ws, x, y, options, loss, slopes.data());
    hg::kernel::ssim_loss_backward<B>(ws, x, y, options, slopes.data(), one, hg::Sink<4, B>{gx, static_cast<T>(beta)});
    return {hg::item(ws.exec(), loss), hg::to_host(ws.exec(), gx)};
  }
};

/// Single-precision values, so that both precisions see the same image.
hgt::HostTensor noise(std::vector<std::size_t> shape, double mean, double spread, std::uint64_t seed) {
  auto t = hgt::host_zeros(std::move(shape));
  hgt::Draws draws(seed);
  for (double& v : t.values) v = static_cast<double>(static_cast<float>(draws.uniform(mean - spread, mean + spread)));
  return t;
}

double mean(auto const& values) {
  double total = 0;
  for (auto const v : values) total += static_cast<double>(v);
  return total / static_cast<double>(values.size());
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("the SSIM map equals its definition, over several tiles and at any offset", "[kernel]",
                        test::Backends) {
  bool const single = sizeof(typename TestType::scalar_type) == 4;
  for (double const offset : {0.0, 10.0, 1000.0, 10000.0})
    for (bool const magnitude : {false, true}) {
      INFO("offset " << offset << ", luminance of magnitude " << magnitude);
      std::vector<std::size_t> const shape = {1, 90, 155, 1};
      auto const x = noise(shape, offset, 1, 1);
      auto y = noise(shape, offset, 1, 2);
      for (std::size_t i = 0; i < y.size(); ++i)
        y.values[i] = static_cast<double>(static_cast<float>(0.7 * x.values[i] + 0.3 * y.values[i]));
      auto const expected = test::reference::ssim_map(x, y, 2, magnitude);
      auto const map = Pair<TestType>(x, y).map({.data_range = 2, .luminance_of_magnitude = magnitude});
      auto const error = hgt::compare(map, expected.values);
      // Where the means of a signed field nearly cancel, the luminance multiplies their rounding by 1/(2 k1) = 50.
      CHECK(error.largest <= (single ? (offset > 0 ? 1e-6 : 2e-6) : 1e-12));
      CHECK(std::abs(mean(map) - mean(expected.values)) <= (single ? 1e-7 : 1e-14));
    }
}

TEMPLATE_LIST_TEST_CASE("the SSIM of channels and of every tail of a vector", "[kernel]", test::Backends) {
  bool const single = sizeof(typename TestType::scalar_type) == 4;
  for (std::size_t const channels : {1u, 2u, 3u})
    for (std::size_t const width : {11u, 12u, 15u, 18u, 26u, 27u, 43u}) {
      INFO(channels << " channels, width " << width);
      auto const x = noise({2, 13, width, channels}, 0, 1, width);
      auto const y = noise({2, 13, width, channels}, 0, 1, width + 100);
      auto const map = Pair<TestType>(x, y).map({.data_range = 1});
      auto const expected = test::reference::ssim_map(x, y, 1, false);
      CHECK(hgt::compare(map, expected.values).largest <= (single ? 2e-6 : 1e-14));
    }
}

TEMPLATE_LIST_TEST_CASE("an image is like itself, and nothing is beyond the range", "[kernel]", test::Backends) {
  using T = typename TestType::scalar_type;
  T const ulp = std::numeric_limits<T>::epsilon();
  for (double const offset : {0.0, 1e4}) {
    auto const x = noise({1, 40, 50, 1}, offset, 1, 3);
    for (T const s : Pair<TestType>(x, x).map({.data_range = 1})) CHECK(std::abs(s - 1) <= ulp);
    auto y = x;
    for (double& v : y.values) v = 2 * offset - v;
    for (T const s : Pair<TestType>(x, y).map({.data_range = 1})) {
      CHECK(s >= -1 - ulp);
      CHECK(s <= 1 + ulp);
    }
  }
}

TEMPLATE_LIST_TEST_CASE("constant images: the similarity is the luminance, the gradient finite", "[kernel]",
                        test::Backends) {
  auto x = hgt::host_zeros({1, 20, 20, 1});
  auto y = x;
  std::fill(y.values.begin(), y.values.end(), 0.5);
  for (bool const magnitude : {false, true}) {
    auto const [loss, gradient] = Pair<TestType>(x, y).loss({.data_range = 1, .luminance_of_magnitude = magnitude});
    CHECK(std::abs(static_cast<double>(loss) - (1 - 1e-4 / (0.25 + 1e-4))) < 1e-6);
    for (auto const g : gradient) CHECK(std::isfinite(g));
    auto const same = Pair<TestType>(y, y).loss({.data_range = 1, .luminance_of_magnitude = magnitude});
    CHECK(std::abs(static_cast<double>(same.first)) < 1e-6);
    for (auto const g : same.second) CHECK(std::abs(static_cast<double>(g)) < 1e-5);
  }
}

TEMPLATE_LIST_TEST_CASE("a NaN spoils the windows it is in and no other", "[kernel]", test::Backends) {
  auto x = noise({1, 40, 41, 1}, 0, 1, 4);
  auto const y = noise({1, 40, 41, 1}, 0, 1, 5);
  auto const before = Pair<TestType>(x, y).map({.data_range = 1});
  x.values[20 * 41 + 15] = std::nan("");
  auto const after = Pair<TestType>(x, y).map({.data_range = 1});
  for (std::size_t i = 0; i < 30; ++i)
    for (std::size_t j = 0; j < 31; ++j) {
      bool const over = i + 10 >= 20 && i <= 20 && j + 10 >= 15 && j <= 15;
      if (over)
        REQUIRE(std::isnan(after[i * 31 + j]));
      else
        REQUIRE(std::abs(after[i * 31 + j] - before[i * 31 + j]) < 1e-6);
    }
}

TEST_CASE("the gradient of SSIM over several tiles, and what a sink adds to", "[kernel]") {
  using B = test::DoubleBackend;
  hg::SsimOptions const options{.data_range = 1, .luminance_of_magnitude = true};
  std::vector<std::size_t> const shape = {2, 90, 150, 1};
  auto const x = noise(shape, 0.1, 0.6, 6);  // of either sign
  auto const y = noise(shape, 0.1, 0.6, 7);
  auto const [loss, gradient] = Pair<B>(x, y).loss(options, std::nan(""), 0);
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    auto const direction = noise(shape, 0, 1, 10 + seed);
    auto const moved = [&](double step) {
      auto at = x;
      for (std::size_t i = 0; i < at.size(); ++i) at.values[i] += step * direction.values[i];
      return Pair<B>(at, y).loss(options).first;
    };
    double const numeric = (moved(1e-6) - moved(-1e-6)) / 2e-6;
    double analytic = 0;
    for (std::size_t i = 0; i < gradient.size(); ++i) analytic += gradient[i] * direction.values[i];
    CHECK(std::abs(analytic - numeric) <= 1e-8 + 1e-6 * std::abs(numeric));
  }
  auto const added = Pair<B>(x, y).loss(options, 4.0, 0.5).second;
  for (std::size_t i = 0; i < added.size(); ++i) REQUIRE(std::abs(added[i] - (2.0 + gradient[i])) <= 1e-15);
  auto const in_float = Pair<test::FloatBackend>(x, y).loss(options).second;
  CHECK(hgt::compare(in_float, gradient).relative <= 1e-5);
}

TEMPLATE_LIST_TEST_CASE("SSIM does not depend on the place in a batch", "[kernel]", test::Backends) {
  hg::SsimOptions const options{.data_range = 1};
  auto const x = noise({3, 30, 33, 1}, 0, 1, 8);
  auto const y = noise({3, 30, 33, 1}, 0, 1, 9);
  auto const all = Pair<TestType>(x, y).map(options);
  for (std::size_t n = 0; n < 3; ++n) {
    auto a = hgt::host_zeros({1, 30, 33, 1});
    auto b = a;
    std::copy_n(x.values.begin() + static_cast<long>(n * a.size()), a.size(), a.values.begin());
    std::copy_n(y.values.begin() + static_cast<long>(n * a.size()), a.size(), b.values.begin());
    auto const one = Pair<TestType>(a, b).map(options);
    CHECK(std::equal(one.begin(), one.end(), all.begin() + static_cast<long>(n * one.size())));
  }
}

#ifdef KOKKOS_ENABLE_OPENMP
TEMPLATE_LIST_TEST_CASE("SSIM has the same bits for any number of threads", "[kernel]", test::Backends) {
  hg::SsimOptions const options{.data_range = 1};
  auto const x = noise({2, 100, 150, 1}, 0, 1, 8);
  auto const y = noise({2, 100, 150, 1}, 0, 1, 9);
  auto const one = Pair<TestType>(x, y, Kokkos::OpenMP(1)).loss(options);
  for (int const threads : {2, 3}) CHECK(Pair<TestType>(x, y, Kokkos::OpenMP(threads)).loss(options) == one);
}
#endif

TEST_CASE("SSIM options are checked", "[kernel]") {
  CHECK_THROWS_AS(hg::kernel::expect_ssim("ssim", {}), hg::UsageError);
  CHECK_THROWS_AS(hg::kernel::expect_ssim("ssim", {.data_range = -1}), hg::UsageError);
  CHECK_THROWS_AS(hg::kernel::expect_ssim("ssim", {.data_range = 1, .sigma = 0}), hg::UsageError);
  CHECK_THROWS_AS(hg::kernel::expect_ssim_image("ssim", 10, 50), hg::ShapeError);
  CHECK_THROWS_AS(hg::kernel::expect_ssim_image("ssim", 50, 10), hg::ShapeError);
  CHECK_NOTHROW(hg::kernel::expect_ssim_image("ssim", 11, 11));
}
