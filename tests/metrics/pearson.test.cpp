// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <vector>

#include <heliograd/metrics/pearson.hpp>
#include "metrics/images.hpp"

namespace hg = heliograd;

namespace {

template <class Counts>
double reference(test::Images const& images, Counts const& counts) {
  double n = 0, p = 0, t = 0, pp = 0, tt = 0, pt = 0;
  for (std::size_t i = 0; i < images.size(); ++i)
    if (images.counts(i) && counts(i)) n += 1, p += images.prediction[i], t += images.truth[i];
  for (std::size_t i = 0; i < images.size(); ++i)
    if (images.counts(i) && counts(i)) {
      double const a = images.prediction[i] - p / n;
      double const b = images.truth[i] - t / n;
      pp += a * a, tt += b * b, pt += a * b;
    }
  return pt / std::sqrt(pp * tt);
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("correlation equals its definition", "[metrics]", test::Backends) {
  test::Images const images(70, 83);
  test::OnDevice<TestType> device(images);
  auto const found = hg::metrics::pearson(device.ws, device.prediction, device.truth);
  CHECK(found.count == images.size());
  CHECK(test::close(found.value(), reference(images, [](std::size_t) { return true; })));
}

TEMPLATE_LIST_TEST_CASE("correlation over what counts, in rings and by field strength", "[metrics]", test::Backends) {
  auto const images = test::Images(70, 83).spoil();
  test::OnDevice<TestType> device(images);
  auto const all = hg::metrics::pearson<TestType>(device.ws, device.prediction, device.truth, device.mask);
  std::size_t expected_count = 0;
  for (std::size_t i = 0; i < images.size(); ++i) expected_count += images.counts(i);
  CHECK(all.count == expected_count);
  CHECK(test::close(all.value(), reference(images, [](std::size_t) { return true; })));

  std::vector<hg::metrics::Range> const ranges = {{0, 1}, {0, 2.0 / 3}, {0, 1.0 / 3}, {1.0 / 3, 0.5}, {0.5, 0.75}};
  auto const rings =
      hg::metrics::pearson_by<TestType>(device.ws, device.prediction, device.truth, device.radius, ranges, device.mask);
  REQUIRE(rings.size() == ranges.size());
  for (std::size_t k = 0; k < ranges.size(); ++k)
    CHECK(test::close(rings[k].value(), reference(images, [&](std::size_t i) {
                        return images.radius[i] >= ranges[k].low && images.radius[i] <= ranges[k].high;
                      })));

  std::vector<hg::metrics::Range> const strengths = {{10}, {600}, {0, 600}};
  auto const classes = hg::metrics::pearson_by<TestType>(device.ws, device.prediction, device.truth, device.truth,
                                                         strengths, device.mask);
  for (std::size_t k = 0; k < strengths.size(); ++k)
    CHECK(test::close(classes[k].value(), reference(images, [&](std::size_t i) {
                        return std::abs(images.truth[i]) >= strengths[k].low &&
                               std::abs(images.truth[i]) <= strengths[k].high;
                      })));
}

TEST_CASE("correlations of several images add up to that of all pixels", "[metrics]") {
  using B = test::DoubleBackend;
  hg::metrics::Correlation total;
  test::Images all(60, 40);
  for (std::size_t half = 0; half < 2; ++half) {
    test::Images part(30, 40);
    for (std::size_t i = 0; i < part.size(); ++i) {
      part.prediction[i] = all.prediction[half * part.size() + i] += half == 0 ? 0 : 500;
      part.truth[i] = all.truth[half * part.size() + i];
    }
    test::OnDevice<B> device(part);
    total += hg::metrics::pearson(device.ws, device.prediction, device.truth);
  }
  total += {};
  test::OnDevice<B> device(all);
  auto const once = hg::metrics::pearson(device.ws, device.prediction, device.truth);
  CHECK(total.count == once.count);
  CHECK(test::close(total.value(), once.value()));
  CHECK(test::close(total.slope(), once.slope()));
  CHECK(test::close(total.offset(), once.offset(), 1e-10));
}

TEMPLATE_LIST_TEST_CASE("correlation is exact for a line, at any offset, and undefined for constants", "[metrics]",
                        test::Backends) {
  test::Images images(20, 30);
  for (std::size_t i = 0; i < images.size(); ++i) {
    images.truth[i] = 100000 + static_cast<double>(i % 16);
    images.prediction[i] = 3 * images.truth[i] - 7;
  }
  test::OnDevice<TestType> device(images);
  auto const line = hg::metrics::pearson(device.ws, device.prediction, device.truth);
  CHECK(test::close(line.value(), 1));
  CHECK(test::close(line.slope(), 3));
  CHECK(test::close(line.offset(), -7, 1e-6));
  hg::fill(device.ws.exec(), device.truth, typename TestType::scalar_type(5));
  CHECK(std::isnan(hg::metrics::pearson(device.ws, device.prediction, device.truth).value()));
  hg::fill(device.ws.exec(), device.mask, typename TestType::scalar_type(0));
  auto const none = hg::metrics::pearson<TestType>(device.ws, device.prediction, device.truth, device.mask);
  CHECK(none.count == 0);
  CHECK(std::isnan(none.value()));
}

TEST_CASE("correlation refuses what does not fit", "[metrics]") {
  using B = test::FloatBackend;
  test::OnDevice<B> a(test::Images(4, 5));
  test::OnDevice<B> b(test::Images(5, 4));
  CHECK_THROWS_AS(hg::metrics::pearson(a.ws, a.prediction, b.truth), hg::ShapeError);
  CHECK_THROWS_AS(hg::metrics::pearson<B>(a.ws, a.prediction, a.truth, b.mask), hg::ShapeError);
  CHECK_THROWS_AS(hg::metrics::pearson_by<B>(a.ws, a.prediction, a.truth, b.radius, {{}}), hg::ShapeError);
  CHECK_THROWS_AS(
      hg::metrics::pearson_by<B>(a.ws, a.prediction, a.truth, a.radius, std::vector<hg::metrics::Range>(33)),
      hg::UsageError);
}
