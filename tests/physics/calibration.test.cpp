// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <heliograd/physics/calibration.hpp>

#include <catch2/catch_approx.hpp>
#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>

#include <heliograd/core/copy.hpp>
#include <heliograd/testing/draw.hpp>
#include "spaces.hpp"

namespace hg = heliograd;
using Catch::Approx;
using hg::physics::CalibrationWeights;
using hg::physics::FieldBins;

namespace {

template <class B>
hg::physics::Calibration fit(std::vector<double> const& reading, std::vector<double> const& reference,
                             CalibrationWeights weights) {
  using Scalar = typename B::scalar_type;
  hg::Workspace<B> ws;
  auto const y = hg::make_tensor<B>("reading", hg::Shape{std::size_t{1}, reading.size()});
  auto const x = hg::make_tensor<B>("reference", hg::Shape{std::size_t{1}, reference.size()});
  hg::from_host(ws.exec(), y, std::vector<Scalar>(reading.begin(), reading.end()));
  hg::from_host(ws.exec(), x, std::vector<Scalar>(reference.begin(), reference.end()));
  return hg::physics::fit_calibration<B>(ws, y, x, weights);
}

}  // namespace

TEST_CASE("field bins are symmetric and ordered", "[physics][calibration]") {
  FieldBins const bins;
  CHECK(bins(0) == 13);
  CHECK(bins(60) == 13);
  CHECK(bins(-60) == 13);
  CHECK(bins(60 * std::pow(10, 0.15)) == 14);
  CHECK(bins(60 * std::pow(10, 0.15 * 0.49)) == 13);
  CHECK(bins(60 * std::pow(10, 0.15 * 0.51)) == 14);
  CHECK(bins(5000) == 26);
  CHECK(bins(1e9) == 26);
  for (double b = -6000; b <= 6000; b += 7) CHECK(bins(b) + bins(-b) == 26);
}

TEMPLATE_LIST_TEST_CASE("a straight line is found exactly, whatever the weights", "[physics][calibration]",
                        test::Backends) {
  hg::testing::Draws draws(3);
  auto const x = hg::testing::draw_uniform(draws, 5000, -1500, 1500);
  std::vector<double> y(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) y[i] = 2.5 + 1.3 * x[i];
  for (auto const weights : {CalibrationWeights::by_bin, CalibrationWeights::uniform}) {
    auto const c = fit<TestType>(y, x, weights);
    CHECK(c.slope == Approx(1.3).epsilon(1e-6));
    CHECK(c.offset == Approx(2.5).epsilon(1e-3));
    CHECK(c.samples == x.size());
  }
}

TEST_CASE("weighting by bin lets rare strong fields count", "[physics][calibration]") {
  // Weak pixels follow slope 1, the few strong ones slope 1.4.
  std::vector<double> x, y;
  for (int i = 0; i < 10000; ++i) {
    x.push_back(-400 + 0.08 * i);
    y.push_back(x.back());
  }
  for (int i = 0; i < 20; ++i) {
    x.push_back((i % 2 ? -1 : 1) * (900.0 + 20 * i));
    y.push_back(1.4 * x.back());
  }
  double const uniform = fit<test::DoubleBackend>(y, x, CalibrationWeights::uniform).slope;
  double const by_bin = fit<test::DoubleBackend>(y, x, CalibrationWeights::by_bin).slope;
  CHECK(uniform < 1.05);
  CHECK(by_bin > 1.3);
}

TEST_CASE("a constant reference has no slope", "[physics][calibration]") {
  CHECK_THROWS_AS(fit<test::FloatBackend>({1, 2, 3}, {5, 5, 5}, CalibrationWeights::uniform), hg::NumericalError);
}
