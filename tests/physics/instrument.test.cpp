// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <heliograd/physics/instrument.hpp>

#include <catch2/catch_approx.hpp>
#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>
#include <cmath>

#include <heliograd/testing/draw.hpp>
#include "spaces.hpp"

namespace hg = heliograd;
using Catch::Approx;
using hg::physics::Instrument;

namespace {

template <class B>
std::vector<typename B::scalar_type> observed(std::vector<double> const& fine, hg::Shape<4> const& shape,
                                              std::vector<Instrument> const& instruments,
                                              hg::physics::ObserveOptions const& options,
                                              hg::RandomStream const& noise = {1, 1}) {
  using Scalar = typename B::scalar_type;
  hg::Workspace<B> ws;
  auto const f = static_cast<std::size_t>(options.factor);
  auto const x = hg::make_tensor<B>("fine", shape);
  auto const y = hg::make_tensor<B>("coarse", hg::Shape{shape[0], (shape[1] - 2 * options.margin) / f,
                                                        (shape[2] - 2 * options.margin) / f, std::size_t{1}});
  hg::from_host(ws.exec(), x, std::vector<Scalar>(fine.begin(), fine.end()));
  hg::physics::observe<B>(ws, x, instruments, noise, y, options);
  return hg::to_host(ws.exec(), y);
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("a sharp instrument takes the mean of its fine pixels", "[physics][instrument]",
                        test::Backends) {
  hg::testing::Draws draws(1);
  auto const fine = hg::testing::draw_integers(draws, 2 * 8 * 12, -9, 9);
  auto const coarse = observed<TestType>(
      fine, {2, 8, 12, 1}, {{.psf_sigma = 0, .slope = 16}, {.psf_sigma = 0, .slope = 32, .offset = 1}}, {});
  for (std::size_t n = 0; n < 2; ++n)
    for (std::size_t y = 0; y < 2; ++y)
      for (std::size_t x = 0; x < 3; ++x) {
        double sum = 0;
        for (std::size_t i = 0; i < 4; ++i)
          for (std::size_t j = 0; j < 4; ++j) sum += fine[(n * 8 + 4 * y + i) * 12 + 4 * x + j];
        CHECK(double(coarse[(n * 2 + y) * 3 + x]) == Approx(n == 0 ? sum : 1 + 2 * sum).margin(1e-5));
      }
}

TEMPLATE_LIST_TEST_CASE("blur keeps the mean and has the width it says", "[physics][instrument]", test::Backends) {
  // One bright pixel seen by a factor-1 instrument: the image of a point.
  std::size_t const side = 41;
  std::vector<double> point(side * side, 0);
  point[20 * side + 20] = 1000;
  double const sigma = 2.4, dy = 0.3, dx = -0.6;
  auto const image = observed<TestType>(point, {1, side, side, 1}, {{.psf_sigma = sigma, .shift_y = dy, .shift_x = dx}},
                                        {.factor = 1});
  double total = 0, my = 0, mx = 0, vy = 0;
  for (std::size_t y = 0; y < side; ++y)
    for (std::size_t x = 0; x < side; ++x) {
      double const v = double(image[y * side + x]);
      total += v;
      my += v * double(y);
      mx += v * double(x);
    }
  my /= total, mx /= total;
  for (std::size_t y = 0; y < side; ++y)
    for (std::size_t x = 0; x < side; ++x) vy += double(image[y * side + x]) * std::pow(double(y) - my, 2);
  CHECK(total == Approx(1000).epsilon(1e-4));
  CHECK(my == Approx(20 + dy).margin(1e-2));
  CHECK(mx == Approx(20 + dx).margin(1e-2));
  CHECK(std::sqrt(vy / total) == Approx(std::sqrt(sigma * sigma + 1.0 / 12)).epsilon(5e-3));
}

TEMPLATE_LIST_TEST_CASE("the margin is blurred in and not sampled", "[physics][instrument]", test::Backends) {
  hg::testing::Draws draws(4);
  auto const fine = hg::testing::draw_uniform(draws, 48 * 48, -100, 100);
  std::vector<Instrument> const one{{.psf_sigma = 2, .slope = 1.2}};
  auto const whole = observed<TestType>(fine, {1, 48, 48, 1}, one, {});
  auto const inner = observed<TestType>(fine, {1, 48, 48, 1}, one, {.margin = 12});
  for (std::size_t y = 0; y < 6; ++y)
    for (std::size_t x = 0; x < 6; ++x) CHECK(inner[y * 6 + x] == whole[(y + 3) * 12 + x + 3]);
}

TEST_CASE("noise has the strength it says and comes from the stream", "[physics][instrument]") {
  using B = test::DoubleBackend;
  std::vector<double> const nothing(256 * 256, 0);
  std::vector<Instrument> const noisy{{.noise = 8}};
  auto const a = observed<B>(nothing, {1, 256, 256, 1}, noisy, {}, {7, 3});
  double square = 0;
  for (double const v : a) square += v * v;
  CHECK(std::sqrt(square / double(a.size())) == Approx(8).epsilon(0.05));
  CHECK(a == observed<B>(nothing, {1, 256, 256, 1}, noisy, {}, {7, 3}));
  CHECK(a != observed<B>(nothing, {1, 256, 256, 1}, noisy, {}, {7, 4}));
}

TEST_CASE("weak fields are read with a steeper slope", "[physics][instrument]") {
  using B = test::DoubleBackend;
  for (double const field : {50.0, -600.0, 2000.0}) {
    auto const coarse = observed<B>(std::vector<double>(64, field), {1, 8, 8, 1},
                                    {{.psf_sigma = 0, .slope = 1.2, .weak_excess = 0.3, .knee = 600}}, {});
    double const expected = (1.2 + 0.3 * std::exp(-std::abs(field) / 600)) * field;
    CHECK(double(coarse[0]) == Approx(expected).epsilon(1e-12));
  }
}

TEST_CASE("draws stay in their range and repeat", "[physics][instrument]") {
  auto const range = hg::physics::mdi_like();
  hg::Rng rng(11), again(11);
  for (int i = 0; i < 100; ++i) {
    auto const a = range.draw(rng);
    auto const b = range.draw(again);
    CHECK((a.psf_sigma >= 1.8 && a.psf_sigma <= 2.8));
    CHECK((a.slope >= range.slope[0] && a.slope <= range.slope[1]));
    CHECK((a.noise >= 3 && a.noise <= 11));
    CHECK((a.slope == b.slope && a.shift_x == b.shift_x));
  }
}

TEST_CASE("sizes that do not fit are refused", "[physics][instrument]") {
  std::vector<double> const image(30 * 30, 1);
  CHECK_THROWS_AS(observed<test::FloatBackend>(image, {1, 30, 30, 1}, {{}}, {}), hg::ShapeError);
  std::vector<double> const other(32 * 32, 1);
  CHECK_THROWS_AS(observed<test::FloatBackend>(other, {1, 32, 32, 1}, {}, {}), hg::ShapeError);
}
