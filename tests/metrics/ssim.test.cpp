// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>
#include <cmath>

#include <heliograd/metrics/ssim.hpp>
#include "metrics/images.hpp"
#include "reference/ssim.hpp"

namespace hg = heliograd;

TEMPLATE_LIST_TEST_CASE("similarity over the windows that count", "[metrics]", test::Backends) {
  for (bool const spoilt : {false, true}) {
    test::Images images(60, 67);
    if (spoilt) images.spoil();
    hg::testing::HostTensor x{{1, 60, 67, 1}, images.prediction};
    hg::testing::HostTensor y{{1, 60, 67, 1}, images.truth};
    for (std::size_t i = 0; i < images.size(); ++i)
      if (!images.counts(i)) x.values[i] = std::nan("");
    auto const map = test::reference::ssim_map(x, y, 3500, true);
    double n = 0, sum = 0;
    for (double const s : map.values)
      if (!std::isnan(s)) n += 1, sum += s;
    REQUIRE(n > 0);
    test::OnDevice<TestType> device(images);
    auto const found = hg::metrics::ssim<TestType>(device.ws, device.prediction, device.truth,
                                                   {.data_range = 3500, .luminance_of_magnitude = true}, device.mask);
    CHECK(static_cast<double>(found.count) == n);
    CHECK(std::abs(found.value() - sum / n) <= (sizeof(typename TestType::scalar_type) == 4 ? 1e-7 : 1e-13));
  }
}

TEST_CASE("similarity sees a flipped polarity, and refuses what does not fit", "[metrics]") {
  using B = test::DoubleBackend;
  test::Images images(30, 30);
  images.prediction = images.truth;
  test::OnDevice<B> same(images);
  hg::SsimOptions const options{.data_range = 3500, .luminance_of_magnitude = true};
  CHECK(std::abs(hg::metrics::ssim(same.ws, same.prediction, same.truth, options).value() - 1) < 1e-14);
  for (double& v : images.prediction) v = -v;
  test::OnDevice<B> flipped(images);
  CHECK(hg::metrics::ssim(flipped.ws, flipped.prediction, flipped.truth, options).value() < -0.5);
  CHECK_THROWS_AS(hg::metrics::ssim(same.ws, same.prediction, same.truth, {}), hg::UsageError);
  test::OnDevice<B> small(test::Images(10, 30));
  CHECK_THROWS_AS(hg::metrics::ssim(small.ws, small.prediction, small.truth, options), hg::ShapeError);
}
