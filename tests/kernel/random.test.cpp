// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <limits>
#include <vector>

#include <heliograd/core/copy.hpp>
#include <heliograd/core/fill.hpp>
#include <heliograd/kernel/random.hpp>
#include "spaces.hpp"

namespace hg = heliograd;

namespace {

struct Moments {
  double mean = 0, variance = 0, skewness = 0;
};

template <class T>
Moments moments(std::vector<T> const& values) {
  Moments m;
  double const n = static_cast<double>(values.size());
  for (T const v : values) m.mean += static_cast<double>(v) / n;
  for (T const v : values) m.variance += std::pow(static_cast<double>(v) - m.mean, 2) / n;
  for (T const v : values) m.skewness += std::pow(static_cast<double>(v) - m.mean, 3) / n;
  return m;
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("random fields have the moments of their laws and are those of the stream", "[kernel]",
                        test::Backends) {
  using B = TestType;
  using T = typename B::scalar_type;
  hg::Shape<4> const shape{2, 150, 200, 5};  // 300000: the mean of unit noise is within 0.002 of 0
  double const n = static_cast<double>(shape.size());
  hg::Workspace<B> ws;
  auto const y = hg::make_tensor<B>("y", shape);
  hg::RandomStream const stream{7, 3};

  hg::kernel::random_uniform<B, 4>(ws, stream, -2, 4, y);
  auto found = hg::to_host(ws.exec(), y);
  CHECK(found[12345] == T(-2) + T(6) * stream.uniform<T>(12345));
  CHECK(std::abs(moments(found).mean - 1) < 5 * std::sqrt(3 / n));
  CHECK(std::abs(moments(found).variance - 3) < 0.03);
  for (T const v : found) REQUIRE((v >= T(-2) && v < T(4)));

  hg::kernel::random_normal<B, 4>(ws, stream, 5, 2, y);
  found = hg::to_host(ws.exec(), y);
  CHECK(found[54321] == T(5) + T(2) * stream.normal<T>(54321));
  CHECK(std::abs(moments(found).mean - 5) < 5 * 2 / std::sqrt(n));
  CHECK(std::abs(moments(found).variance - 4) < 5 * 4 * std::sqrt(2 / n));
  CHECK(std::abs(moments(found).skewness) < 0.2);

  hg::kernel::random_bernoulli<B, 4>(ws, stream, 0.3, y);
  found = hg::to_host(ws.exec(), y);
  CHECK(std::abs(moments(found).mean - 0.3) < 5 * std::sqrt(0.21 / n));
  for (T const v : found) REQUIRE((v == T(0) || v == T(1)));
}

TEMPLATE_LIST_TEST_CASE("photon noise has the mean, the variance and the skewness of Poisson's law", "[kernel]",
                        test::Backends) {
  using B = TestType;
  using T = typename B::scalar_type;
  hg::Shape<4> const shape{1, 300, 1000, 1};
  double const n = static_cast<double>(shape.size());
  hg::Workspace<B> ws;
  auto const x = hg::make_tensor<B>("x", shape), y = hg::make_tensor<B>("y", shape);
  for (double const mean : {0.1, 3.0, 9.9, 10.1, 60.0, 4000.0}) {
    INFO("mean " << mean);
    hg::fill(ws.exec(), x, static_cast<T>(mean / 2));
    hg::kernel::photon_noise<B, 4>(ws, {1, 1}, {1, 2}, x, 2, 0, y);
    auto counts = hg::to_host(ws.exec(), y);
    for (T& v : counts) {
      v *= 2;
      REQUIRE((v == std::floor(v) && v >= T(0)));
    }
    auto const m = moments(counts);
    double const rounded = 2 * static_cast<double>(static_cast<T>(mean / 2));
    CHECK(std::abs(m.mean - rounded) < 5 * std::sqrt(mean / n));
    CHECK(std::abs(m.variance / mean - 1) < 5 * std::sqrt((2 + 1 / mean) / n));
    // The third moment of n draws scatters by sqrt((15 mu^3 + 25 mu^2 + mu) / n) or less.
    CHECK(std::abs(m.skewness - mean) < 5 * std::sqrt((15 * std::pow(mean, 3) + 60 * mean * mean + 10 * mean) / n));
  }
  hg::fill(ws.exec(), x, T(50));
  hg::kernel::photon_noise<B, 4>(ws, {1, 1}, {1, 2}, x, 2, 3, y);
  CHECK(std::abs(moments(hg::to_host(ws.exec(), y)).variance - (25 + 9)) < 5 * 34 * std::sqrt(2 / n));
  for (double const bad : {-1.0, std::nan(""), std::numeric_limits<double>::infinity()}) {
    hg::fill(ws.exec(), x, static_cast<T>(bad));
    hg::kernel::photon_noise<B, 4>(ws, {1, 1}, {1, 2}, x, 2, 3, y);
    CHECK(std::isnan(hg::to_host(ws.exec(), y)[7]));
  }
}
