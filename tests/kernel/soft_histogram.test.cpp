// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <limits>
#include <vector>

#include <heliograd/core/copy.hpp>
#include <heliograd/kernel/soft_histogram.hpp>
#include <heliograd/testing/compare.hpp>
#include <heliograd/testing/draw.hpp>
#include "reference/soft_histogram.hpp"
#include "spaces.hpp"

namespace hg = heliograd;

namespace {

template <class B>
std::vector<double> shares_of(hg::Shape<4> const& shape, std::vector<double> const& values,
                              hg::SignedLogBins const& bins, typename B::execution_space const& exec = {}) {
  using Exact = hg::Backend<typename B::execution_space, double>;
  hg::Workspace<B> ws(exec);
  auto const x = hg::make_tensor<B>("x", shape);
  hg::from_host(exec, x, std::vector<typename B::scalar_type>(values.begin(), values.end()));
  auto const shares = hg::make_tensor<Exact>("shares", hg::Shape{shape[0] * static_cast<std::size_t>(bins.count())});
  hg::kernel::soft_histogram<B>(ws, x, bins, shares.data());
  return hg::to_host(exec, shares);
}

/// Gauss of every magnitude, from far below the noise to beyond the limit.
std::vector<double> fields(std::size_t count) {
  hg::testing::Draws draws(7);
  std::vector<double> values(count);
  for (double& v : values) v = std::pow(10.0, draws.uniform(0, 4)) * (draws.bits() & 1u ? 1 : -1);
  return values;
}

}  // namespace

TEST_CASE("the bins of magnetograms are 27", "[kernel]") {
  hg::SignedLogBins const bins;
  CHECK(bins.half() == 13);
  CHECK(bins.count() == 27);
}

TEMPLATE_LIST_TEST_CASE("soft histograms equal their definition, over several chunks", "[kernel]", test::Backends) {
  hg::SignedLogBins const bins;
  hg::Shape<4> const shape{2, 67, 71, 2};
  auto values = fields(shape.size());
  for (double& v : values) v = static_cast<double>(static_cast<float>(v));
  auto const shares = shares_of<TestType>(shape, values, bins);
  std::vector<double> expected;
  for (std::size_t n = 0; n < 2; ++n)
    for (double const s :
         test::reference::soft_histogram(values.data() + n * 67 * 71 * 2, 67 * 71 * 2, 60, 5000, 0.15, 1))
      expected.push_back(s);
  bool const single = sizeof(typename TestType::scalar_type) == 4;
  CHECK(hg::testing::compare(shares, expected).largest <= (single ? 1e-7 : 1e-13));
  for (std::size_t n = 0; n < 2; ++n) {
    double total = 0;
    for (std::size_t k = 0; k < 27; ++k) total += shares[n * 27 + k];
    CHECK(std::abs(total - 1) <= 1e-12);
  }
}

TEMPLATE_LIST_TEST_CASE("values on the centre of a bin fall in that bin alone", "[kernel]", test::Backends) {
  hg::SignedLogBins const decades{.noise = 1, .limit = 1000, .step = 1, .unit = 1};
  double const nan = std::numeric_limits<double>::quiet_NaN();
  double const infinity = std::numeric_limits<double>::infinity();
  auto const shares =
      shares_of<test::DoubleBackend>({1, 1, 8, 1}, {0, 1, -0.5, nan, 1e30, -1e30, infinity, -1000}, decades);
  CHECK(shares.size() == 7);
  CHECK(std::abs(shares[0] - 0.25) < 1e-15);  // -1e30, -1000
  CHECK(std::abs(shares[3] - 0.5) < 1e-15);   // noise, and NaN
  CHECK(std::abs(shares[6] - 0.25) < 1e-15);  // 1e30, infinity
  auto const ten = shares_of<TestType>({1, 1, 2, 1}, {10, -100}, decades);
  CHECK(std::abs(ten[4] - 0.5) < 1e-6);
  CHECK(std::abs(ten[1] - 0.5) < 1e-6);
}

TEST_CASE("impossible bins are refused", "[kernel]") {
  CHECK_THROWS_AS(hg::kernel::expect_bins("histogram", {.noise = 0}), hg::UsageError);
  CHECK_THROWS_AS(hg::kernel::expect_bins("histogram", {.noise = 60, .limit = 60}), hg::UsageError);
  CHECK_THROWS_AS(hg::kernel::expect_bins("histogram", {.step = 0}), hg::UsageError);
  CHECK_THROWS_AS(hg::kernel::expect_bins("histogram", {.unit = -1}), hg::UsageError);
  CHECK_NOTHROW(hg::kernel::expect_bins("histogram", {}));
}

#ifdef KOKKOS_ENABLE_OPENMP
TEMPLATE_LIST_TEST_CASE("soft histograms have the same bits for any number of threads", "[kernel]", test::Backends) {
  hg::Shape<4> const shape{3, 100, 101, 1};
  auto const values = fields(shape.size());
  auto const one = shares_of<TestType>(shape, values, {}, Kokkos::OpenMP(1));
  for (int const threads : {2, 3}) CHECK(shares_of<TestType>(shape, values, {}, Kokkos::OpenMP(threads)) == one);
}
#endif
