// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <complex>
#include <numbers>
#include <vector>

#include <heliograd/metrics/power_spectrum.hpp>
#include "metrics/images.hpp"

namespace hg = heliograd;
namespace metrics = heliograd::metrics;

TEMPLATE_LIST_TEST_CASE("the power spectrum is that of the definition, for even and odd sides", "[metrics]",
                        test::Backends) {
  double const pi = std::numbers::pi;
  for (auto const& [h, w] : std::vector<std::pair<std::size_t, std::size_t>>{{12, 10}, {9, 11}, {7, 16}})
    for (bool const taper : {false, true}) {
      auto const images = test::Images(h, w).spoil();
      auto const counts = [&](std::size_t i) { return std::isfinite(images.prediction[i]) && images.mask[i] > 0; };
      std::vector<double> window(images.size());
      double total = 0, squares = 0, mean = 0, variance = 0;
      for (std::size_t i = 0; i < window.size(); ++i) {
        if (!counts(i)) continue;
        double const sy = std::sin(pi * (static_cast<double>(i / w) + 0.5) / static_cast<double>(h));
        double const sx = std::sin(pi * (static_cast<double>(i % w) + 0.5) / static_cast<double>(w));
        window[i] = taper ? sx * sx * sy * sy : 1;
        total += window[i], squares += window[i] * window[i], mean += window[i] * images.prediction[i];
      }
      mean /= total;
      for (std::size_t i = 0; i < window.size(); ++i)
        if (counts(i)) variance += std::pow(window[i] * (images.prediction[i] - mean), 2) / squares;

      int const bins = 5;
      std::vector<double> expected(bins + 1);
      std::vector<std::size_t> modes(bins + 1);
      for (std::size_t ky = 0; ky < h; ++ky)
        for (std::size_t kx = 0; kx < w; ++kx) {
          std::complex<double> sum = 0;
          for (std::size_t i = 0; i < window.size(); ++i) {
            if (!counts(i)) continue;
            double const angle = -2 * pi *
                                 (static_cast<double>(ky * (i / w)) / static_cast<double>(h) +
                                  static_cast<double>(kx * (i % w)) / static_cast<double>(w));
            sum += std::polar(window[i] * (images.prediction[i] - mean), angle);
          }
          double const fy = static_cast<double>(std::min(ky, h - ky)) / static_cast<double>(h);
          double const fx = static_cast<double>(std::min(kx, w - kx)) / static_cast<double>(w);
          double const f = std::sqrt(fx * fx + fy * fy);
          std::size_t const ring =
              f > 0.5 ? bins : std::min<std::size_t>(static_cast<std::size_t>(f / 0.5 * bins), bins - 1);
          expected[ring] += std::norm(sum) / (static_cast<double>(h * w) * squares);
          ++modes[ring];
        }

      test::OnDevice<TestType> device(images);
      auto const found =
          metrics::power_spectrum<TestType>(device.ws, device.prediction, {.bins = bins, .taper = taper}, device.mask);
      for (std::size_t k = 0; k < bins; ++k) {
        CHECK(std::abs(found.variance[k] - expected[k]) <= 1e-11 * variance);
        CHECK(found.modes[k] == modes[k]);
      }
      CHECK(std::abs(found.corners - expected[bins]) <= 1e-11 * variance);
      CHECK(test::close(found.total(), variance, 1e-11));  // Parseval
    }
}

TEST_CASE("a wave is found in its ring, and noise is as strong at every frequency", "[metrics]") {
  using B = test::FloatBackend;
  test::Images images(64, 128);
  hg::testing::Draws draws(2);
  for (std::size_t i = 0; i < images.size(); ++i) {
    images.prediction[i] = 7 + 3 * std::sin(2 * std::numbers::pi * static_cast<double>(i % 128) * 0.25);
    images.truth[i] = draws.uniform(-1, 1);
  }
  test::OnDevice<B> device(images);
  auto const wave = metrics::power_spectrum<B>(device.ws, device.prediction, {.bins = 8, .taper = false});
  CHECK(test::close(wave.total(), 4.5, 1e-6));
  CHECK(test::close(wave.variance[4], 4.5, 1e-6));
  CHECK(test::close(wave.share_above(0.25), 1, 1e-9));
  CHECK(wave.share_above(0.35) < 1e-9);
  auto noise = metrics::power_spectrum<B>(device.ws, device.truth, {.bins = 8});
  for (std::size_t k = 1; k < 8; ++k) CHECK(std::abs(noise.per_mode(k) / (1.0 / 3 / 8192) - 1) < 0.25);
  auto const once = noise.total();
  noise += noise;
  CHECK(test::close(noise.total(), 2 * once));
  CHECK_THROWS_AS(noise += metrics::PowerSpectrum{}, hg::UsageError);
  CHECK_THROWS_AS(metrics::power_spectrum<B>(device.ws, device.truth, {.bins = 0}), hg::UsageError);
  hg::fill(device.ws.exec(), device.mask, 0.0f);
  CHECK_THROWS_AS(metrics::power_spectrum<B>(device.ws, device.truth, {}, device.mask), hg::NumericalError);
}
