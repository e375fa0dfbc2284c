// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <catch2/catch_test_macros.hpp>

#include <heliograd/op/shape.hpp>
#include "spaces.hpp"

namespace hg = heliograd;

TEST_CASE("concat and slice_channels refuse what does not fit", "[op]") {
  using B = test::FloatBackend;
  hg::Tape<B> tape;
  auto const x_zeros = hg::make_zeros<B>("x", hg::Shape{2, 3, 4}), y_zeros = hg::make_zeros<B>("y", hg::Shape{2, 2, 4});
  auto const x = tape.constant(x_zeros), y = tape.constant(y_zeros);
  CHECK_THROWS_AS(hg::concat(x, y), hg::ShapeError);
  CHECK(hg::concat(x, x).shape() == hg::Shape{2, 3, 8});
  CHECK(hg::slice_channels(x, 1, 3).shape() == hg::Shape{2, 3, 3});
  CHECK_THROWS_AS(hg::slice_channels(x, 4, 1), hg::ShapeError);
  CHECK_THROWS_AS(hg::slice_channels(x, 1, 4), hg::ShapeError);
  CHECK_THROWS_AS(hg::slice_channels(x, 0, 0), hg::ShapeError);
  CHECK_THROWS_AS(hg::slice_channels(x, 1, ~std::size_t{0}), hg::ShapeError);
}

TEST_CASE("slices, joins and permutations of any axis refuse what does not fit", "[op]") {
  using B = test::FloatBackend;
  hg::Tape<B> tape;
  auto const zeros = hg::make_zeros<B>("x", hg::Shape{2, 3, 4});
  auto const x = tape.constant(zeros);
  CHECK(hg::slice(x, 1, 1, 2).shape() == hg::Shape{2, 2, 4});
  CHECK_THROWS_AS(hg::slice(x, 1, 2, 2), hg::ShapeError);
  CHECK_THROWS_AS(hg::slice(x, 3, 0, 1), hg::UsageError);
  CHECK_THROWS_AS(hg::slice(x, -1, 0, 1), hg::UsageError);
  CHECK(hg::concat_along(0, x, x, x).shape() == hg::Shape{6, 3, 4});
  CHECK_THROWS_AS(hg::concat_along(0, x, hg::slice(x, 1, 0, 1)), hg::ShapeError);
  CHECK_THROWS_AS(hg::concat_along(4, x, x), hg::UsageError);
  CHECK_THROWS_AS(hg::repeat_channels(x, 0), hg::UsageError);
  CHECK(hg::permute(x, {2, 0, 1}).shape() == hg::Shape{4, 2, 3});
  CHECK_THROWS_AS(hg::permute(x, {0, 0, 1}), hg::UsageError);
  CHECK_THROWS_AS(hg::permute(x, {0, 1, 3}), hg::UsageError);
}

TEST_CASE("parts of a tensor have no negative number of channels", "[op]") {
  using B = test::FloatBackend;
  hg::Tape<B> tape;
  auto const zeros = hg::make_zeros<B>("x", hg::Shape{2, 3});
  auto const x = tape.constant(zeros);
  CHECK_THROWS_AS(hg::split_channels(x, 4, -1), hg::ShapeError);
  CHECK_THROWS_AS(hg::split_channels(x, -1, 4), hg::ShapeError);
}
