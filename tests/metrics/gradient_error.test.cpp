// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <algorithm>
#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>
#include <cmath>

#include <heliograd/metrics/gradient_error.hpp>
#include "metrics/images.hpp"
#include "reference/sobel.hpp"

namespace hg = heliograd;

TEMPLATE_LIST_TEST_CASE("the gradient error equals its definition for every size of tile", "[metrics]",
                        test::Backends) {
  for (bool const spoilt : {false, true}) {
    test::Images images(70, 83);
    if (spoilt) images.spoil();
    int const h = 70, w = 83;
    auto difference = hg::testing::host_zeros({1, 70, 83, 1});
    for (std::size_t i = 0; i < images.size(); ++i)
      difference.values[i] = images.counts(i) ? images.prediction[i] - images.truth[i] : std::nan("");
    std::vector<double> length(images.size());
    for (int i = 0; i < h; ++i)
      for (int j = 0; j < w; ++j) {
        bool all = true;
        for (int a = std::max(i - 1, 0); a <= std::min(i + 1, h - 1); ++a)
          for (int b = std::max(j - 1, 0); b <= std::min(j + 1, w - 1); ++b)
            all = all && images.counts(static_cast<std::size_t>(a * w + b));
        length[static_cast<std::size_t>(i * w + j)] =
            all ? std::hypot(test::reference::sobel_at(difference, 0, i, j, 0, true),
                             test::reference::sobel_at(difference, 0, i, j, 0, false)) /
                      8
                : std::nan("");
      }
    test::OnDevice<TestType> device(images);
    for (std::size_t const k : {1u, 2u, 4u, 8u, 16u, 32u}) {
      INFO("tiles of " << k << (spoilt ? ", spoilt" : ""));
      double tiles = 0, total = 0;
      for (std::size_t y = 0; y + k <= images.height; y += k)
        for (std::size_t x = 0; x + k <= images.width; x += k) {
          double sum = 0;
          for (std::size_t i = y; i < y + k; ++i)
            for (std::size_t j = x; j < x + k; ++j) sum += length[i * images.width + j];
          if (std::isfinite(sum)) tiles += 1, total += sum / static_cast<double>(k * k);
        }
      auto const found =
          hg::metrics::gradient_error<TestType>(device.ws, device.prediction, device.truth, k, device.mask);
      CHECK(static_cast<double>(found.count) == tiles);
      if (tiles > 0)
        CHECK(test::close(found.value(), total / tiles, sizeof(typename TestType::scalar_type) == 4 ? 1e-6 : 1e-12));
      else
        CHECK(std::isnan(found.value()));
    }
  }
}

TEST_CASE("a shift of all values is no gradient error", "[metrics]") {
  using B = test::DoubleBackend;
  test::Images images(20, 20);
  for (std::size_t i = 0; i < images.size(); ++i) {
    images.truth[i] = std::round(images.truth[i]);
    images.prediction[i] = images.truth[i] + 100;
  }
  test::OnDevice<B> device(images);
  CHECK(hg::metrics::gradient_error(device.ws, device.prediction, device.truth, 4).value() == 0);
  CHECK_THROWS_AS(hg::metrics::gradient_error(device.ws, device.prediction, device.truth, 0), hg::UsageError);
}
