// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <vector>

#include <heliograd/metrics/noise_level.hpp>
#include "metrics/images.hpp"

namespace hg = heliograd;

TEST_CASE("a Gaussian is found again from its points, also when only its top is seen", "[metrics]") {
  for (double const sigma : {0.3, 4.7, 30.0}) {
    std::vector<double> x, y;
    for (int i = 0; i < 40; ++i) {
      x.push_back(-9.75 + 0.5 * i);
      y.push_back(1234 * std::exp(-0.5 * std::pow((x.back() - 0.4) / sigma, 2)));
    }
    auto const g = hg::metrics::fit_gaussian(x, y);
    CHECK(test::close(g.height, 1234, 1e-8));
    CHECK(test::close(g.mean, 0.4, 1e-7));
    CHECK(test::close(g.sigma, sigma, 1e-8));
  }
}

TEMPLATE_LIST_TEST_CASE("the noise of a field with strong fields in it", "[metrics]", test::Backends) {
  test::Images images(500, 600);
  hg::testing::Draws draws(5);
  for (std::size_t i = 0; i < images.size(); ++i) {
    double const r = std::sqrt(-2 * std::log(1 - draws.uniform(0, 1)));
    images.truth[i] = 0.2 + 4.7 * r * std::cos(6.283185307179586 * draws.uniform(0, 1));
    if (draws.uniform(0, 1) < 0.05) images.truth[i] += draws.uniform(-2000, 2000);
    if (i % 600 < 100) {
      images.truth[i] *= 3;
      images.mask[i] = 0;
    }
    if (i % 601 == 0) images.truth[i] = std::nan("");
  }
  test::OnDevice<TestType> device(images);
  auto const g = hg::metrics::noise_level<TestType>(device.ws, device.truth, {}, device.mask);
  CHECK(std::abs(g.sigma - 4.7) < 0.05);
  CHECK(std::abs(g.mean - 0.2) < 0.05);
  auto const wide =
      hg::metrics::noise_level<TestType>(device.ws, device.truth, {.limit = 100, .bins = 100}, device.mask);
  CHECK(std::abs(wide.sigma - std::hypot(4.7, 2 / std::sqrt(12.0))) < 0.05);  // bins of 2 G widen it a little
}

TEST_CASE("no noise can be told from nothing", "[metrics]") {
  using B = test::FloatBackend;
  test::OnDevice<B> device(test::Images(8, 9));
  hg::fill(device.ws.exec(), device.truth, 1e6f);
  CHECK_THROWS_AS(hg::metrics::noise_level(device.ws, device.truth), hg::NumericalError);
  hg::fill(device.ws.exec(), device.truth, 1.0f);
  CHECK_THROWS_AS(hg::metrics::noise_level(device.ws, device.truth), hg::NumericalError);
  CHECK_THROWS_AS(hg::metrics::noise_level<B>(device.ws, device.truth, {.limit = 0}), hg::UsageError);
  CHECK_THROWS_AS(hg::metrics::noise_level<B>(device.ws, device.truth, {.bins = 3}), hg::UsageError);
  CHECK_THROWS_AS(hg::metrics::fit_gaussian({1, 2, 3}, {1, 2, 1}), hg::NumericalError);
}
