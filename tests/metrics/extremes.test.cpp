// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <algorithm>
#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>
#include <cmath>

#include <heliograd/metrics/extremes.hpp>
#include "metrics/images.hpp"

namespace hg = heliograd;

TEMPLATE_LIST_TEST_CASE("extremes equal their definition for every size of tile", "[metrics]", test::Backends) {
  for (bool const spoilt : {false, true}) {
    test::Images images(70, 83);
    if (spoilt) images.spoil();
    test::OnDevice<TestType> device(images);
    for (std::size_t const k : {1u, 2u, 4u, 8u, 16u, 32u, 70u}) {
      INFO("tiles of " << k << (spoilt ? ", spoilt" : ""));
      double tiles = 0, high = 0, low = 0;
      for (std::size_t y = 0; y + k <= images.height; y += k)
        for (std::size_t x = 0; x + k <= images.width; x += k) {
          bool all = true;
          double high_p = -1e9, low_p = 1e9, high_t = -1e9, low_t = 1e9;
          for (std::size_t i = y; i < y + k; ++i)
            for (std::size_t j = x; j < x + k; ++j) {
              std::size_t const at = i * images.width + j;
              all = all && images.counts(at);
              high_p = std::max(high_p, images.prediction[at]), low_p = std::min(low_p, images.prediction[at]);
              high_t = std::max(high_t, images.truth[at]), low_t = std::min(low_t, images.truth[at]);
            }
          if (all) tiles += 1, high += std::abs(high_p - high_t), low += std::abs(low_p - low_t);
        }
      auto const found = hg::metrics::extremes<TestType>(device.ws, device.prediction, device.truth, k, device.mask);
      CHECK(static_cast<double>(found.maxima.count) == tiles);
      if (tiles == 0) {
        CHECK(std::isnan(found.value()));
        continue;
      }
      CHECK(test::close(found.maxima.value(), high / tiles));
      CHECK(test::close(found.minima.value(), low / tiles));
      CHECK(test::close(found.value(), 0.5 * (high + low) / tiles));
      auto twice = found;
      twice += found;
      CHECK(test::close(twice.value(), found.value()));
    }
  }
}

TEST_CASE("extremes refuse tiles of no size", "[metrics]") {
  test::OnDevice<test::FloatBackend> device(test::Images(8, 9));
  CHECK_THROWS_AS(hg::metrics::extremes(device.ws, device.prediction, device.truth, 0), hg::UsageError);
}
