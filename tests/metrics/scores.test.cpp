// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <algorithm>
#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <limits>
#include <numbers>
#include <vector>

#include <heliograd/metrics/close_share.hpp>
#include <heliograd/metrics/moments.hpp>
#include <heliograd/metrics/overlap.hpp>
#include <heliograd/metrics/partial_correlation.hpp>
#include <heliograd/metrics/periodogram.hpp>
#include <heliograd/metrics/quantiles.hpp>
#include <heliograd/metrics/ssim.hpp>
#include "metrics/images.hpp"

namespace hg = heliograd;
namespace metrics = heliograd::metrics;

namespace {

/// Pearson's coefficient of some pixels of two images.
template <class Counts>
double correlation(std::vector<double> const& a, std::vector<double> const& b, Counts const& counts) {
  double n = 0, ma = 0, mb = 0, aa = 0, bb = 0, ab = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (counts(i)) n += 1, ma += a[i], mb += b[i];
  ma /= n, mb /= n;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (counts(i)) aa += (a[i] - ma) * (a[i] - ma), bb += (b[i] - mb) * (b[i] - mb), ab += (a[i] - ma) * (b[i] - mb);
  return ab / std::sqrt(aa * bb);
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("the share of close pixels is counted exactly", "[metrics]", test::Backends) {
  auto images = test::Images(50, 61).spoil();
  images.truth[7] = 0;
  images.prediction[8] = 1.5 * images.truth[8];  // on the edge: off by exactly one half
  for (double const tolerance : {0.1, 0.5, 0.0}) {
    std::size_t n = 0, close = 0;
    for (std::size_t i = 0; i < images.size(); ++i) {
      if (!images.counts(i) || images.truth[i] == 0) continue;
      ++n;
      close += std::abs(images.prediction[i] - images.truth[i]) <= tolerance * std::abs(images.truth[i]);
    }
    test::OnDevice<TestType> device(images);
    auto const found =
        metrics::close_share<TestType>(device.ws, device.prediction, device.truth, tolerance, device.mask);
    CHECK(found.count == n);
    CHECK(found.sum == static_cast<double>(close));
    CHECK(found.value() == static_cast<double>(close) / static_cast<double>(n));
  }
  test::OnDevice<TestType> device(images);
  CHECK_THROWS_AS(metrics::close_share<TestType>(device.ws, device.prediction, device.truth, -0.1), hg::UsageError);
}

TEMPLATE_LIST_TEST_CASE("regions overlap by number and by area", "[metrics]", test::Backends) {
  auto const images = test::Images(50, 61).spoil();
  double both = 0, either = 0, both_area = 0, either_area = 0;
  for (std::size_t i = 0; i < images.size(); ++i) {
    if (!images.counts(i)) continue;
    bool const p = images.prediction[i] > 0, t = images.truth[i] > 0;
    both += p && t, either += p || t;
    both_area += p && t ? images.radius[i] : 0, either_area += p || t ? images.radius[i] : 0;
  }
  test::OnDevice<TestType> device(images);
  auto const by_number = metrics::overlap<TestType>(device.ws, device.prediction, device.truth, device.mask);
  CHECK(by_number.both == both);
  CHECK(by_number.either == either);
  CHECK(by_number.jaccard() == both / either);
  CHECK(test::close(by_number.dice(), 2 * by_number.jaccard() / (1 + by_number.jaccard())));
  auto by_area = metrics::overlap<TestType>(device.ws, device.prediction, device.truth, device.mask, device.radius);
  CHECK(test::close(by_area.both, both_area));
  CHECK(test::close(by_area.either, either_area));
  by_area += by_area;
  CHECK(test::close(by_area.jaccard(), both_area / either_area));
  CHECK(metrics::overlap<TestType>(device.ws, device.truth, device.truth, device.mask).jaccard() == 1);
  CHECK(std::isnan(metrics::Overlap{}.jaccard()));
}

TEMPLATE_LIST_TEST_CASE("partial correlation removes what the given image explains", "[metrics]", test::Backends) {
  auto images = test::Images(50, 61).spoil();
  for (std::size_t i = 0; i < images.size(); ++i)  // the given image: part of both
    images.radius[i] = static_cast<double>(static_cast<float>(
        0.3 * (std::isfinite(images.prediction[i]) ? images.prediction[i] : 0) + 400 * images.radius[i]));
  images.radius[99] = std::numeric_limits<double>::quiet_NaN();
  auto const expected = [&](auto const& among) {
    auto const counts = [&](std::size_t i) { return images.counts(i) && std::isfinite(images.radius[i]) && among(i); };
    double const pt = correlation(images.prediction, images.truth, counts);
    double const pg = correlation(images.prediction, images.radius, counts);
    double const tg = correlation(images.truth, images.radius, counts);
    return (pt - pg * tg) / std::sqrt((1 - pg * pg) * (1 - tg * tg));
  };
  test::OnDevice<TestType> device(images);
  auto const whole =
      metrics::partial_correlation<TestType>(device.ws, device.prediction, device.truth, device.radius, device.mask);
  CHECK(test::close(whole.value(), expected([](std::size_t) { return true; }), 1e-10));
  auto const tiles = metrics::partial_correlation_of_tiles<TestType>(device.ws, device.prediction, device.truth,
                                                                     device.radius, 16, device.mask);
  REQUIRE(tiles.size() == 9);
  for (std::size_t tile = 0; tile < 9; ++tile) {
    double const value = expected([&](std::size_t i) {
      std::size_t const y = i / images.width, x = i % images.width;
      return y / 16 == tile / 3 && x / 16 == tile % 3 && x < 48;
    });
    if (std::isnan(value))
      CHECK(std::isnan(tiles[tile].value()));
    else
      CHECK(test::close(tiles[tile].value(), value, 1e-9));
  }
  // What was made from the given image alone knows nothing beyond it: the truth is its double and something else.
  CHECK(std::isnan(
      metrics::partial_correlation<TestType>(device.ws, device.radius, device.truth, device.radius).value()));
}

TEMPLATE_LIST_TEST_CASE("quantiles are those of the sorted pixels", "[metrics]", test::Backends) {
  auto const images = test::Images(50, 61).spoil();
  std::vector<double> sorted;
  for (std::size_t i = 0; i < images.size(); ++i)
    if (std::isfinite(images.prediction[i]) && images.mask[i] > 0) sorted.push_back(images.prediction[i]);
  std::sort(sorted.begin(), sorted.end());
  std::vector<double> const shares = {0, 0.001, 0.25, 0.5, 0.9, 0.9999, 1};
  test::OnDevice<TestType> device(images);
  auto const found = metrics::quantiles<TestType>(device.ws, device.prediction, shares, device.mask);
  REQUIRE(found.size() == shares.size());
  for (std::size_t k = 0; k < shares.size(); ++k) {
    double const at = shares[k] * static_cast<double>(sorted.size() - 1);
    std::size_t const below = static_cast<std::size_t>(at);
    double const above = sorted[std::min(below + 1, sorted.size() - 1)];
    CHECK(found[k] == sorted[below] + (at - static_cast<double>(below)) * (above - sorted[below]));
  }
  hg::fill(device.ws.exec(), device.mask, typename TestType::scalar_type(0));
  CHECK(std::isnan(metrics::quantiles<TestType>(device.ws, device.prediction, {0.5}, device.mask).front()));
  CHECK_THROWS_AS(metrics::quantiles<TestType>(device.ws, device.prediction, {1.1}), hg::UsageError);
}

TEMPLATE_LIST_TEST_CASE("concordance and one-window similarity follow from a correlation", "[metrics]",
                        test::Backends) {
  auto const images = test::Images(50, 61).spoil();
  double n = 0, p = 0, t = 0, pp = 0, tt = 0, pt = 0;
  for (std::size_t i = 0; i < images.size(); ++i)
    if (images.counts(i)) n += 1, p += images.prediction[i], t += images.truth[i];
  p /= n, t /= n;
  for (std::size_t i = 0; i < images.size(); ++i) {
    if (!images.counts(i)) continue;
    double const a = images.prediction[i] - p, b = images.truth[i] - t;
    pp += a * a / n, tt += b * b / n, pt += a * b / n;
  }
  test::OnDevice<TestType> device(images);
  auto const found = metrics::pearson<TestType>(device.ws, device.prediction, device.truth, device.mask);
  CHECK(test::close(found.concordance(), 2 * pt / (pp + tt + (p - t) * (p - t))));
  CHECK(found.concordance() < found.value());
  auto const same = metrics::pearson<TestType>(device.ws, device.truth, device.truth, device.mask);
  CHECK(test::close(same.concordance(), 1, 1e-15));
  // Constants that a paper writes out: c1 = 2.55 and c2 = 7.65 for a range of 255.
  hg::SsimOptions const options{.data_range = 255, .k1 = std::sqrt(2.55) / 255, .k2 = std::sqrt(7.65) / 255};
  double const expected = (2 * p * t + 2.55) * (2 * pt + 7.65) / ((p * p + t * t + 2.55) * (pp + tt + 7.65));
  CHECK(test::close(metrics::global_ssim(found, options), expected));
  CHECK(test::close(metrics::global_ssim(same, options), 1, 1e-15));
  CHECK(std::isnan(metrics::global_ssim({}, options)));
  CHECK_THROWS_AS(metrics::global_ssim(found, {.data_range = 1, .luminance_of_magnitude = true}), hg::UsageError);
}

TEST_CASE("moments of scores, one by one and joined", "[metrics]") {
  metrics::Moments all, first, second;
  for (int k = 0; k < 9; ++k) {
    all += 1000.0 + k * k;
    (k < 4 ? first : second) += 1000.0 + k * k;
  }
  first += second;
  first += metrics::Moments{};
  double mean = 0, squares = 0;
  for (int k = 0; k < 9; ++k) mean += (1000.0 + k * k) / 9;
  for (int k = 0; k < 9; ++k) squares += std::pow(1000.0 + k * k - mean, 2);
  for (auto const& m : {all, first}) {
    CHECK(m.count == 9);
    CHECK(test::close(m.mean, mean));
    CHECK(test::close(m.deviation(), std::sqrt(squares / 9)));
  }
  CHECK(std::isnan(metrics::Moments{}.deviation()));
}

TEST_CASE("a daily line is found in an uneven series with gaps", "[metrics]") {
  heliograd::testing::Draws draws(3);
  std::vector<double> times, pure, noisy;
  for (int k = 0; k < 400; ++k) {
    times.push_back(5e5 + 1.6 * k + draws.uniform(-0.5, 0.5));
    double const phase = 2 * std::numbers::pi / 24 * times.back();
    pure.push_back(100 + 3 * std::cos(phase) + 4 * std::sin(phase));
    noisy.push_back(k % 50 == 7 ? std::numeric_limits<double>::quiet_NaN() : pure.back() + draws.uniform(-5, 5));
  }
  auto const line = metrics::periodogram(times, pure, 1.0 / 24);
  CHECK(test::close(line.amplitude, 5, 1e-9));
  CHECK(test::close(line.share, 1, 1e-9));
  CHECK(metrics::periodogram(times, noisy, 1.0 / 24).share > 0.5);
  CHECK(metrics::periodogram(times, noisy, 1.0 / 17).share < 0.05);
  CHECK_THROWS_AS(metrics::periodogram(times, {1, 2}, 1), hg::UsageError);
  CHECK_THROWS_AS(metrics::periodogram({0, 24, 48, 72, 96}, {1, 2, 3, 4, 5}, 1.0 / 24), hg::NumericalError);
}

#ifdef KOKKOS_ENABLE_OPENMP
TEMPLATE_LIST_TEST_CASE("scores have the same bits for any number of threads", "[metrics]", test::Backends) {
  auto const images = test::Images(150, 161).spoil();
  auto const all = [&](int threads) {
    test::OnDevice<TestType> device(images, Kokkos::OpenMP(threads));
    auto& [ws, p, t, mask, radius] = device;
    auto const partial = metrics::partial_correlation<TestType>(ws, p, t, radius, mask).value();
    auto const overlap = metrics::overlap<TestType>(ws, p, t, mask, radius).jaccard();
    auto const close = metrics::close_share<TestType>(ws, p, t, 0.1, mask).value();
    auto const median = metrics::quantiles<TestType>(ws, p, {0.3}, mask).front();
    auto const concordance = metrics::pearson<TestType>(ws, p, t, mask).concordance();
    return std::vector{partial, overlap, close, median, concordance};
  };
  auto const one = all(1);
  for (int const threads : {2, 3, 8}) CHECK(all(threads) == one);
}
#endif
