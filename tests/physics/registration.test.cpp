// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <heliograd/physics/registration.hpp>

#include <catch2/catch_approx.hpp>
#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>
#include <cmath>

#include <heliograd/core/copy.hpp>
#include <heliograd/core/fill.hpp>
#include "spaces.hpp"

namespace hg = heliograd;
using Catch::Approx;

namespace {

/// A few round spots, moved by (dy, dx), on a slope.
template <class Scalar>
std::vector<Scalar> scene(std::size_t height, std::size_t width, double dy, double dx, double gain, double level) {
  double const spots[4][3] = {{14, 17, 300}, {25, 30, -500}, {33, 12, 120}, {20, 38, 200}};
  std::vector<Scalar> image(height * width);
  for (std::size_t y = 0; y < height; ++y)
    for (std::size_t x = 0; x < width; ++x) {
      double sum = 0;
      for (auto const& spot : spots) {
        double const ry = double(y) - spot[0] - dy;
        double const rx = double(x) - spot[1] - dx;
        sum += spot[2] * std::exp(-(ry * ry + rx * rx) / 18);
      }
      image[y * width + x] = static_cast<Scalar>(level + gain * sum);
    }
  return image;
}

template <class B>
hg::physics::Shift shift_of(double dy, double dx, int search) {
  using Scalar = typename B::scalar_type;
  hg::Workspace<B> ws;
  auto const moving = hg::make_tensor<B>("moving", hg::Shape{44, 50});
  auto const fixed = hg::make_tensor<B>("fixed", hg::Shape{44, 50});
  hg::from_host(ws.exec(), moving, scene<Scalar>(44, 50, 0, 0, 1.3, 5));
  hg::from_host(ws.exec(), fixed, scene<Scalar>(44, 50, dy, dx, 1, 0));
  return hg::physics::find_shift<B>(ws, moving, fixed, {.search = search});
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("whole shifts are found exactly", "[physics][registration]", test::Backends) {
  for (int const dy : {-3, 0, 2})
    for (int const dx : {-2, 0, 4}) {
      auto const s = shift_of<TestType>(dy, dx, 5);
      CHECK(s.inside);
      CHECK(s.whole_dy == dy);
      CHECK(s.whole_dx == dx);
      CHECK(s.dy == Approx(dy).margin(0.02));
      CHECK(s.dx == Approx(dx).margin(0.02));
      CHECK(s.correlation == Approx(1).margin(1e-6));
    }
}

TEMPLATE_LIST_TEST_CASE("fractions of a pixel are found to a few hundredths", "[physics][registration]",
                        test::Backends) {
  auto const s = shift_of<TestType>(1.3, -2.4, 5);
  CHECK(s.inside);
  CHECK(s.dy == Approx(1.3).margin(0.05));
  CHECK(s.dx == Approx(-2.4).margin(0.05));
}

TEMPLATE_LIST_TEST_CASE("a shift beyond the window is not believed", "[physics][registration]", test::Backends) {
  CHECK_FALSE(shift_of<TestType>(6, 0, 3).inside);
}

TEST_CASE("images that do not fit are refused", "[physics][registration]") {
  using B = test::FloatBackend;
  hg::Workspace<B> ws;
  auto const a = hg::make_zeros<B>("a", hg::Shape{20, 20});
  auto const b = hg::make_zeros<B>("b", hg::Shape{20, 21});
  CHECK_THROWS_AS(hg::physics::find_shift<B>(ws, a, b), hg::ShapeError);
  CHECK_THROWS_AS(hg::physics::find_shift<B>(ws, a, a, {.search = 9}), hg::ShapeError);
  CHECK_FALSE(hg::physics::find_shift<B>(ws, a, a, {.search = 3}).inside);  // nothing to see
}
