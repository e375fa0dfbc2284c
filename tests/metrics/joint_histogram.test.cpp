// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <cstdint>
#include <vector>

#include <heliograd/metrics/joint_histogram.hpp>
#include "metrics/images.hpp"

namespace hg = heliograd;

TEST_CASE("uniform bins are closed at both ends", "[metrics]") {
  hg::metrics::UniformBins const bins{-2, 2, 4};
  CHECK(bins(-2) == 0);
  CHECK(bins(-1.000001) == 0);
  CHECK(bins(-1) == 1);
  CHECK(bins(1.999) == 3);
  CHECK(bins(2) == 3);
  CHECK(bins(2.0001) == -1);
  CHECK(bins(-2.0001) == -1);
  CHECK(bins(std::nan("")) == -1);
  CHECK(bins.center(0) == -1.5);
}

TEMPLATE_LIST_TEST_CASE("joint histograms count exactly", "[metrics]", test::Backends) {
  auto const images = test::Images(170, 183).spoil();
  hg::metrics::UniformBins const bins{-1500, 1500, 60};
  std::vector<std::uint64_t> counts(60 * 60);
  std::uint64_t outside = 0;
  for (std::size_t i = 0; i < images.size(); ++i) {
    if (!images.counts(i)) continue;
    int const t = static_cast<int>(std::floor((images.truth[i] + 1500) / 50));
    int const p = static_cast<int>(std::floor((images.prediction[i] + 1500) / 50));
    if (t < 0 || t >= 60 || p < 0 || p >= 60)
      ++outside;
    else
      ++counts[static_cast<std::size_t>(t * 60 + p)];
  }
  test::OnDevice<TestType> device(images);
  auto const found =
      hg::metrics::joint_histogram<TestType>(device.ws, device.prediction, device.truth, bins, device.mask);
  CHECK(found.counts == counts);
  CHECK(found.outside == outside);
  CHECK(outside > 0);
  CHECK(found.at(30, 30) == counts[30 * 60 + 30]);
  for (int k = 0; k < 60; ++k) {
    double n = 0, sum = 0, squares = 0;
    auto const in_column = [&](std::size_t i) {
      return images.counts(i) && static_cast<int>(std::floor((images.truth[i] + 1500) / 50)) == k;
    };
    for (std::size_t i = 0; i < images.size(); ++i)
      if (in_column(i)) n += 1, sum += images.prediction[i];
    for (std::size_t i = 0; i < images.size(); ++i)
      if (in_column(i)) squares += std::pow(images.prediction[i] - sum / n, 2);
    auto const& column = found.columns[static_cast<std::size_t>(k)];
    CHECK(static_cast<double>(column.count) == n);
    if (n == 0) {
      CHECK(std::isnan(column.mean));
      CHECK(std::isnan(column.deviation()));
    } else {
      CHECK(std::abs(column.mean - sum / n) <= 1e-9);
      CHECK(std::abs(column.deviation() - std::sqrt(squares / n)) <= 1e-9);
    }
  }
}

TEST_CASE("joint histograms of several images add up", "[metrics]") {
  using B = test::DoubleBackend;
  hg::metrics::UniformBins const bins{-2000, 2000, 25};
  test::Images const all(60, 40);
  hg::metrics::JointHistogram total;
  for (std::size_t half = 0; half < 2; ++half) {
    test::Images part(30, 40);
    for (std::size_t i = 0; i < part.size(); ++i) {
      part.prediction[i] = all.prediction[half * part.size() + i];
      part.truth[i] = all.truth[half * part.size() + i];
    }
    test::OnDevice<B> device(part);
    auto const one = hg::metrics::joint_histogram(device.ws, device.prediction, device.truth, bins);
    if (half == 0)
      total = one;
    else
      total += one;
  }
  test::OnDevice<B> device(all);
  auto const once = hg::metrics::joint_histogram(device.ws, device.prediction, device.truth, bins);
  CHECK(total.counts == once.counts);
  CHECK(total.outside == once.outside);
  for (std::size_t k = 0; k < 25; ++k) {
    CHECK(total.columns[k].count == once.columns[k].count);
    if (once.columns[k].count == 0) continue;
    CHECK(std::abs(total.columns[k].mean - once.columns[k].mean) <= 1e-9);
    CHECK(std::abs(total.columns[k].deviation() - once.columns[k].deviation()) <= 1e-9);
  }
  auto other = hg::metrics::joint_histogram<B>(device.ws, device.prediction, device.truth, {-1, 1, 25});
  CHECK_THROWS_AS(other += once, hg::UsageError);
  CHECK_THROWS_AS(hg::metrics::joint_histogram<B>(device.ws, device.prediction, device.truth, {1, 1, 25}),
                  hg::UsageError);
  CHECK_THROWS_AS(hg::metrics::joint_histogram<B>(device.ws, device.prediction, device.truth, {0, 1, 0}),
                  hg::UsageError);
}

#ifdef KOKKOS_ENABLE_OPENMP
TEST_CASE("joint histograms have the same bits for any number of threads", "[metrics]") {
  using B = test::FloatBackend;
  test::Images const images(200, 210);
  auto const run = [&](int threads) {
    test::OnDevice<B> device(images, Kokkos::OpenMP(threads));
    auto const h = hg::metrics::joint_histogram<B>(device.ws, device.prediction, device.truth, {-2500, 2500, 40});
    std::vector<double> numbers(h.counts.begin(), h.counts.end());
    for (auto const& c : h.columns)
      if (c.count > 0) numbers.insert(numbers.end(), {c.mean, c.squares});
    return numbers;
  };
  auto const one = run(1);
  for (int const threads : {2, 3}) CHECK(run(threads) == one);
}
#endif
