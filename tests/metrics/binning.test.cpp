// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <vector>

#include <heliograd/metrics/binning.hpp>
#include "metrics/images.hpp"

namespace hg = heliograd;

TEMPLATE_LIST_TEST_CASE("block means equal their definition", "[metrics]", test::Backends) {
  auto const images = test::Images(70, 83).spoil();
  test::OnDevice<TestType> device(images);
  for (std::size_t const k : {1u, 4u, 8u, 71u}) {
    INFO("blocks of " << k);
    hg::Shape<2> const shape{70 / k, 83 / k};
    auto const out = hg::make_tensor<TestType>("means", shape);
    hg::metrics::block_mean<TestType>(device.ws, device.truth, k, out, device.mask);
    auto const means = hg::to_host(device.ws.exec(), out);
    std::size_t spoilt = 0;
    for (std::size_t y = 0; y < shape[0]; ++y)
      for (std::size_t x = 0; x < shape[1]; ++x) {
        double sum = 0;
        for (std::size_t i = y * k; i < y * k + k; ++i)
          for (std::size_t j = x * k; j < x * k + k; ++j)
            sum += images.mask[i * 83 + j] > 0 ? images.truth[i * 83 + j] : std::nan("");
        auto const found = static_cast<double>(means[y * shape[1] + x]);
        if (std::isnan(sum)) {
          REQUIRE(std::isnan(found));
          ++spoilt;
        } else {
          double const expected = sum / static_cast<double>(k * k);
          REQUIRE(std::abs(found - expected) <= 1e-7 * std::abs(expected) + 1e-12);
        }
      }
    if (k < 71) CHECK(spoilt > 0);
  }
  CHECK_THROWS_AS(hg::metrics::block_mean<TestType>(device.ws, device.truth, 0, device.truth), hg::UsageError);
  CHECK_THROWS_AS(hg::metrics::block_mean<TestType>(device.ws, device.truth, 2, device.truth), hg::ShapeError);
}
