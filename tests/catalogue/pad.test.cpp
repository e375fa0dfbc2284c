// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "catalogue/pad.hpp"

#include <catch2/matchers/catch_matchers_exception.hpp>

#include "catalogue/check.hpp"

TEST_CASE("catalogue: pad", "[catalogue][pad]") { test::check_all(test::pad_cases()); }

TEST_CASE("sweep: pad", "[catalogue][pad]") { test::check_sweep(test::pad_sweep()); }

TEST_CASE("pad: the kernel of device spaces, run on the host, copies the same numbers", "[pad]") {
  using heliograd::PaddingMode;
  for (auto const mode : {PaddingMode::zero, PaddingMode::reflect, PaddingMode::replicate, PaddingMode::periodic}) {
    heliograd::Shape<4> const shape{2, 4, 5, 3};
    heliograd::Padding2d const padding{1, 3, 2, 0};
    auto const g = heliograd::kernel::detail::pad_geometry(shape, padding, mode);
    std::vector<float> x(shape.size());
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i + 1);
    std::vector<float> rows(heliograd::kernel::pad_shape(shape, padding, mode).size()), elements(rows.size());
    heliograd::kernel::detail::PadRow<float> const by_row{g, x.data(), rows.data()};
    for (std::size_t row = 0; row < 2 * 8; ++row) by_row(row);
    heliograd::kernel::detail::PadElement<float> const by_element{g, x.data(), elements.data()};
    for (std::size_t i = 0; i < elements.size(); ++i) by_element(i);
    CHECK(rows == elements);
  }
}

TEST_CASE("pad: paddings that do not fit are refused by name", "[pad]") {
  using Catch::Matchers::Message;
  using heliograd::PaddingMode;
  CHECK_THROWS_MATCHES(
      heliograd::kernel::pad_shape({1, 3, 4, 1}, 3, PaddingMode::reflect), heliograd::ShapeError,
      Message("heliograd: pad: reflect padding of 3 rows and 3 columns does not fit an image of 3 x 4; use "
              "replicate or zero, or a larger image"));
  CHECK_THROWS_MATCHES(heliograd::kernel::pad_shape({1, 3, 4, 1}, {0, -1, 0, 0}, PaddingMode::zero),
                       heliograd::UsageError,
                       Message("heliograd: pad: padding is negative (found -1, expected 0 or more); crop instead"));
  CHECK_THROWS_AS(heliograd::kernel::pad_shape({1, 3, 4, 1}, 4, PaddingMode::periodic), heliograd::ShapeError);
}
