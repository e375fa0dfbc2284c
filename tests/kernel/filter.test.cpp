// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <algorithm>
#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <limits>
#include <vector>

#include <heliograd/core/copy.hpp>
#include <heliograd/kernel/filter.hpp>
#include <heliograd/testing/draw.hpp>
#include "spaces.hpp"

namespace hg = heliograd;

namespace {

/// Runs a filter on an image with another value beside the window and repeated edges, and gives the definition's value too.
struct Image {
  hg::Shape<4> shape;
  std::vector<float> values;

  Image(hg::Shape<4> const& s, std::uint64_t seed) : shape(s) {
    hg::testing::Draws draws(seed);
    for (std::size_t i = 0; i < s.size(); ++i)
      values.push_back(static_cast<float>(std::round(draws.uniform(-40, 40)) / 4));  // with ties
  }
  double at(std::size_t n, int p, int q, std::size_t c) const {
    std::size_t const y = static_cast<std::size_t>(std::clamp(p, 0, static_cast<int>(shape[1]) - 1));
    std::size_t const x = static_cast<std::size_t>(std::clamp(q, 0, static_cast<int>(shape[2]) - 1));
    return static_cast<double>(values[((n * shape[1] + y) * shape[2] + x) * shape[3] + c]);
  }
  template <class Visit>
  void each(Visit const& visit) const {
    std::size_t i = 0;
    for (std::size_t n = 0; n < shape[0]; ++n)
      for (int p = 0; p < static_cast<int>(shape[1]); ++p)
        for (int q = 0; q < static_cast<int>(shape[2]); ++q)
          for (std::size_t c = 0; c < shape[3]; ++c) visit(i++, n, p, q, c);
  }
};

template <class B, class Filter>
std::vector<double> run(Image const& image, Filter const& filter) {
  using T = typename B::scalar_type;
  hg::Workspace<B> ws;
  auto const x = hg::make_tensor<B>("x", image.shape), y = hg::make_tensor<B>("y", image.shape);
  hg::from_host(ws.exec(), x, std::vector<T>(image.values.begin(), image.values.end()));
  filter(ws, x, y);
  auto const found = hg::to_host(ws.exec(), y);
  return {found.begin(), found.end()};
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("the median filter gives the middle of the sorted window", "[kernel]", test::Backends) {
  using B = TestType;
  for (auto const& shape : {hg::Shape{2, 9, 11, 2}, hg::Shape{1, 1, 5, 1}, hg::Shape{1, 20, 17, 1}})
    for (int const side : {1, 3, 5, 15}) {
      Image const image(shape, 3);
      auto const found =
          run<B>(image, [&](auto& ws, auto const& x, auto const& y) { hg::kernel::median_filter<B>(ws, x, side, y); });
      image.each([&](std::size_t i, std::size_t n, int p, int q, std::size_t c) {
        std::vector<double> window;
        for (int a = -side / 2; a <= side / 2; ++a)
          for (int b = -side / 2; b <= side / 2; ++b) window.push_back(image.at(n, p + a, q + b, c));
        std::sort(window.begin(), window.end());
        REQUIRE(found[i] == window[window.size() / 2]);
      });
    }
}

TEMPLATE_LIST_TEST_CASE("the bilateral filter gives the weighted mean of the window", "[kernel]", test::Backends) {
  using B = TestType;
  hg::kernel::BilateralOptions const options{.sigma_distance = 1.2, .sigma_difference = 3};
  Image const image({2, 9, 11, 2}, 4);
  auto const found = run<B>(
      image, [&](auto& ws, auto const& x, auto const& y) { hg::kernel::bilateral_filter<B>(ws, x, options, y); });
  image.each([&](std::size_t i, std::size_t n, int p, int q, std::size_t c) {
    double sum = 0, total = 0, here = image.at(n, p, q, c);
    for (int a = -4; a <= 4; ++a)
      for (int b = -4; b <= 4; ++b) {
        double const there = image.at(n, p + a, q + b, c);
        double const w =
            std::exp(-(a * a + b * b) / (2 * 1.2 * 1.2)) * std::exp(-(here - there) * (here - there) / (2 * 3.0 * 3.0));
        sum += w * there, total += w;
      }
    REQUIRE(std::abs(found[i] - sum / total) <= (sizeof(typename B::scalar_type) == 4 ? 2e-6 : 1e-14));
  });
}

TEST_CASE("filters keep steps, spoil what a NaN touches and no more, and refuse impossible windows", "[kernel]") {
  using B = test::FloatBackend;
  Image image({1, 12, 12, 1}, 5);
  image.values[5 * 12 + 6] = std::numeric_limits<float>::quiet_NaN();
  auto const median =
      run<B>(image, [](auto& ws, auto const& x, auto const& y) { hg::kernel::median_filter<B>(ws, x, 3, y); });
  image.each([&](std::size_t i, std::size_t, int p, int q, std::size_t) {
    CHECK(std::isnan(median[i]) == (std::abs(p - 5) <= 1 && std::abs(q - 6) <= 1));
  });
  Image step({1, 8, 8, 1}, 6);
  step.each([&](std::size_t i, std::size_t, int, int q, std::size_t) { step.values[i] = q < 4 ? -100.0f : 100.0f; });
  auto const kept =
      run<B>(step, [](auto& ws, auto const& x, auto const& y) { hg::kernel::bilateral_filter<B>(ws, x, {}, y); });
  step.each([&](std::size_t i, std::size_t, int, int, std::size_t) {
    CHECK(std::abs(kept[i] - static_cast<double>(step.values[i])) < 1e-4);
  });
  hg::Workspace<B> ws;
  auto const x = hg::make_tensor<B>("x", hg::Shape{1, 3, 3, 1}), y = hg::make_tensor<B>("y", hg::Shape{1, 3, 4, 1});
  CHECK_THROWS_AS(hg::kernel::median_filter<B>(ws, x, 4, x), hg::UsageError);
  CHECK_THROWS_AS(hg::kernel::median_filter<B>(ws, x, 17, x), hg::UsageError);
  CHECK_THROWS_AS(hg::kernel::median_filter<B>(ws, x, 3, y), hg::ShapeError);
  CHECK_THROWS_AS(hg::kernel::bilateral_filter<B>(ws, x, {.sigma_distance = 0}, x), hg::UsageError);
}
