// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <catch2/catch_test_macros.hpp>

#include <heliograd/op/shape.hpp>
#include "spaces.hpp"

namespace hg = heliograd;

TEST_CASE("concat and slice_channels refuse what does not fit", "[op]") {
  using B = test::FloatBackend;
  hg::Tape<B> tape;
  auto const x = tape.constant(hg::make_zeros<B>("x", hg::Shape{2, 3, 4}));
  auto const y = tape.constant(hg::make_zeros<B>("y", hg::Shape{2, 2, 4}));
  CHECK_THROWS_AS(hg::concat(x, y), hg::ShapeError);
  CHECK(hg::concat(x, x).shape() == hg::Shape{2, 3, 8});
  CHECK(hg::slice_channels(x, 1, 3).shape() == hg::Shape{2, 3, 3});
  CHECK_THROWS_AS(hg::slice_channels(x, 4, 1), hg::ShapeError);
  CHECK_THROWS_AS(hg::slice_channels(x, 1, 4), hg::ShapeError);
  CHECK_THROWS_AS(hg::slice_channels(x, 0, 0), hg::ShapeError);
  CHECK_THROWS_AS(hg::slice_channels(x, 1, ~std::size_t{0}), hg::ShapeError);
}
