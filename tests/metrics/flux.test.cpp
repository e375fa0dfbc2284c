// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <vector>

#include <heliograd/metrics/flux.hpp>
#include "metrics/images.hpp"

namespace hg = heliograd;

TEMPLATE_LIST_TEST_CASE("fluxes equal their definition", "[metrics]", test::Backends) {
  auto const images = test::Images(70, 83).spoil();
  test::OnDevice<TestType> device(images);
  for (double const threshold : {0.0, 10.0}) {
    double n = 0, net = 0, absolute = 0, positive = 0;
    for (std::size_t i = 0; i < images.size(); ++i) {
      double const b = images.truth[i];
      if (!std::isfinite(b) || images.mask[i] <= 0 || (threshold > 0 && std::abs(b) <= threshold)) continue;
      n += 1, net += b, absolute += std::abs(b), positive += b > 0 ? b : 0;
    }
    auto const f =
        hg::metrics::flux<TestType>(device.ws, device.truth, {.pixel_area = 2.5, .threshold = threshold}, device.mask);
    CHECK(static_cast<double>(f.count) == n);
    CHECK(test::close(f.net, 2.5 * net, 1e-10));
    CHECK(test::close(f.total_unsigned, 2.5 * absolute));
    CHECK(test::close(f.positive, 2.5 * positive));
    CHECK(test::close(f.negative, 2.5 * (net - positive)));
    CHECK(test::close(f.mean_unsigned(), 2.5 * absolute / n));
  }
}

TEST_CASE("fluxes of several images add up; that of nothing is zero", "[metrics]") {
  using B = test::DoubleBackend;
  test::OnDevice<B> device(test::Images(8, 9));
  auto const once = hg::metrics::flux(device.ws, device.truth);
  auto twice = once;
  twice += once;
  CHECK(twice.net == 2 * once.net);
  CHECK(twice.count == 2 * once.count);
  CHECK(twice.mean_unsigned() == once.mean_unsigned());
  hg::fill(device.ws.exec(), device.mask, 0.0);
  auto const none = hg::metrics::flux<B>(device.ws, device.truth, {}, device.mask);
  CHECK(none.total_unsigned == 0);
  CHECK(std::isnan(none.mean_unsigned()));
}

TEMPLATE_LIST_TEST_CASE("the signed flux of a disk, NaN off it", "[metrics]", test::Backends) {
  using T = typename TestType::scalar_type;
  hg::Workspace<TestType> ws;
  auto const field = hg::make_tensor<TestType>("field", hg::Shape{1, 4});
  auto const mu = hg::make_tensor<TestType>("mu", hg::Shape{1, 4});
  auto const out = hg::make_tensor<TestType>("flux", hg::Shape{1, 4});
  hg::from_host(ws.exec(), field, std::vector<T>{100, -30, 5, 7});
  hg::from_host(ws.exec(), mu, std::vector<T>{1, T(0.5), 0, -1});
  hg::metrics::signed_flux<TestType>(ws, field, mu, 2, out);
  auto const flux = hg::to_host(ws.exec(), out);
  CHECK(flux[0] == 200);
  CHECK(flux[1] == -240);
  CHECK(std::isnan(flux[2]));
  CHECK(std::isnan(flux[3]));
  hg::metrics::signed_flux<TestType>(ws, field, {}, 2, out);
  CHECK(hg::to_host(ws.exec(), out) == std::vector<T>{200, -60, 10, 14});
  CHECK_THROWS_AS(
      hg::metrics::signed_flux<TestType>(ws, field, hg::make_zeros<TestType>("mu", hg::Shape{2, 2}), 2, out),
      hg::ShapeError);
}
