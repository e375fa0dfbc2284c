// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>
#include <cmath>

#include <heliograd/metrics/psnr.hpp>
#include <heliograd/metrics/relative_error.hpp>
#include <heliograd/metrics/residual.hpp>
#include "metrics/images.hpp"

namespace hg = heliograd;

TEMPLATE_LIST_TEST_CASE("residuals equal their definition", "[metrics]", test::Backends) {
  auto const images = test::Images(70, 83).spoil();
  double n = 0, sum = 0, absolute = 0, squares = 0, truth_squares = 0;
  for (std::size_t i = 0; i < images.size(); ++i) {
    if (!images.counts(i)) continue;
    double const d = images.prediction[i] - images.truth[i];
    n += 1, sum += d, absolute += std::abs(d), squares += d * d, truth_squares += images.truth[i] * images.truth[i];
  }
  test::OnDevice<TestType> device(images);
  auto const r = hg::metrics::residual<TestType>(device.ws, device.prediction, device.truth, device.mask);
  CHECK(static_cast<double>(r.count) == n);
  CHECK(test::close(r.bias(), sum / n, 1e-10));
  CHECK(test::close(r.mean_absolute(), absolute / n));
  CHECK(test::close(r.rmse(), std::sqrt(squares / n)));
  CHECK(test::close(r.nmse(), squares / truth_squares));
  CHECK(test::close(hg::metrics::psnr(r, 7000), 20 * std::log10(7000 / std::sqrt(squares / n))));
  auto twice = r;
  twice += r;
  CHECK(twice.count == 2 * r.count);
  CHECK(test::close(twice.rmse(), r.rmse()));
}

TEST_CASE("residuals of nothing and of equal images", "[metrics]") {
  using B = test::FloatBackend;
  test::OnDevice<B> device(test::Images(8, 9));
  auto const same = hg::metrics::residual(device.ws, device.truth, device.truth);
  CHECK(same.rmse() == 0);
  CHECK(std::isinf(hg::metrics::psnr(same, 1)));
  CHECK_THROWS_AS(hg::metrics::psnr(same, 0), hg::UsageError);
  hg::fill(device.ws.exec(), device.mask, 0.0f);
  auto const none = hg::metrics::residual<B>(device.ws, device.prediction, device.truth, device.mask);
  CHECK(none.count == 0);
  CHECK(std::isnan(none.rmse()));
  CHECK(std::isnan(none.nmse()));
}

TEST_CASE("relative errors", "[metrics]") {
  CHECK(hg::metrics::relative_error(12, 10) == 0.2);
  CHECK(hg::metrics::relative_error(5, -10) == -1.5);
  CHECK(std::isnan(hg::metrics::relative_error(1, 0)));
}
