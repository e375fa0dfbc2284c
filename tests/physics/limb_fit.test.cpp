// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_floating_point.hpp>
#include <cmath>
#include <vector>

#include <heliograd/core/random.hpp>
#include <heliograd/core/tensor.hpp>
#include <heliograd/kernel/background.hpp>
#include <heliograd/physics/limb_fit.hpp>
#include "spaces.hpp"

namespace hg = heliograd;
namespace ph = heliograd::physics;
using Catch::Matchers::WithinAbs;

namespace {

/// Finds the limb in an image made pixel by pixel.
template <class B, class Value>
ph::Circle find(std::size_t height, std::size_t width, Value const& value, ph::LimbOptions const& options) {
  using T = typename B::scalar_type;
  hg::Workspace<B> ws;
  auto const image = hg::make_tensor<B>("image", hg::Shape{height, width});
  std::vector<T> pixels(height * width);
  for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] = T(value(double(i % width), double(i / width)));
  hg::from_host(ws.exec(), image, pixels);
  return ph::find_limb<B>(ws, image, options);
}

double soft_step(double x) { return 0.5 * (1 + std::erf(x)); }

}  // namespace

TEST_CASE("a circle through points of which a third lies anywhere", "[physics]") {
  hg::Rng rng(3);
  std::vector<ph::LimbPoint> points;
  for (int k = 0; k < 300; ++k) {
    double const angle = 2 * ph::pi * k / 300, r = k % 3 == 0 ? rng.uniform(40, 160) : 100.25;
    points.push_back({12.5 + r * std::cos(angle), -7.75 + r * std::sin(angle)});
  }
  auto const circle = ph::fit_circle(points, 1);
  CHECK_THAT(circle.x, WithinAbs(12.5, 0.02));  // some of the odd points lie near by chance
  CHECK_THAT(circle.y, WithinAbs(-7.75, 0.02));
  CHECK_THAT(circle.radius, WithinAbs(100.25, 0.02));
  CHECK(circle.share > 0.66);
  CHECK(circle.share < 0.72);
  CHECK_THROWS_AS(ph::fit_circle({{0, 0}, {1, 1}}), hg::NumericalError);
  CHECK_THROWS_AS(ph::fit_circle({{0, 0}, {1, 1}, {2, 2}, {3, 3}}), hg::NumericalError);
}

TEMPLATE_LIST_TEST_CASE("the limb of a bright disk, to a twentieth of a pixel", "[physics]", test::Backends) {
  using B = TestType;
  // Darker to the limb, with a spot at it, noise, and a corner that was not transmitted.
  hg::RandomStream const noise{5, 1};
  auto const sun = [&](double x, double y) {
    double const r = std::hypot(x - 123.3, y - 98.6) / 81.4;
    double const mu = std::sqrt(std::max(0.0, 1 - r * r));
    double const spot = std::exp(-0.5 * (std::pow(x - 200, 2) + std::pow(y - 110, 2)) / 40);
    double const light = (0.35 + 0.65 * mu) * (1 - 0.9 * spot) * soft_step((1 - r) * 81.4 / 0.7);
    return (x > 170 && y > 150 ? 0.0 : light) + 0.01 * noise.normal<double>(std::uint64_t(y) * 256 + std::uint64_t(x));
  };
  auto const circle = find<B>(220, 256, sun, {});
  CHECK_THAT(circle.x, WithinAbs(123.3, 0.05));
  CHECK_THAT(circle.y, WithinAbs(98.6, 0.05));
  // Darker to the limb as it is, the disk falls off most between r - 1 and r + 1 at r = 81.4 - 0.17.
  CHECK_THAT(circle.radius, WithinAbs(81.4 - 0.17, 0.05));
  CHECK(circle.share > 0.75);
}

TEMPLATE_LIST_TEST_CASE("a limb that was drawn, among spots and writing", "[physics]", test::Backends) {
  using B = TestType;
  auto const drawing = [](double x, double y) {
    double const r = std::hypot(x - 150.7, y - 141.2);
    double const line = 0.8 * std::exp(-0.5 * std::pow((r - 118.6) / 1.1, 2));
    double const spots = std::hypot(x - 120, y - 160) < 9 || std::hypot(x - 230, y - 150) < 6 ? 1.0 : 0.0;
    double const writing = y < 40 && std::fmod(x, 7) < 2 && x < 90 ? 1.0 : 0.0;
    return std::max({line, spots, writing});
  };
  auto const circle = find<B>(290, 300, drawing, {.kind = ph::LimbKind::line});
  CHECK_THAT(circle.x, WithinAbs(150.7, 0.05));
  CHECK_THAT(circle.y, WithinAbs(141.2, 0.05));
  CHECK_THAT(circle.radius, WithinAbs(118.6, 0.05));
  hg::RandomStream const noise{9, 1};
  CHECK_THROWS_AS(
      find<B>(128, 128,
              [&](double x, double y) { return noise.normal<double>(std::uint64_t(y) * 128 + std::uint64_t(x)); },
              {.kind = ph::LimbKind::line}),
      hg::NumericalError);
}

TEMPLATE_LIST_TEST_CASE("paper without its ink", "[physics]", test::Backends) {
  using B = TestType;
  using T = typename B::scalar_type;
  std::size_t const h = 90, w = 130;
  hg::Workspace<B> ws;
  auto const x = hg::make_tensor<B>("x", hg::Shape{std::size_t(1), h, w, std::size_t(1)});
  auto const y = hg::make_tensor<B>("y", hg::Shape{std::size_t(1), h, w, std::size_t(1)});
  auto const paper = [](double px, double py) { return 0.9 - 0.002 * px + 0.001 * py; };  // a shadow across it
  std::vector<T> pixels(h * w);
  std::size_t inked = 0;
  for (std::size_t i = 0; i < h * w; ++i) {
    double const px = double(i % w), py = double(i / w);
    bool const ink = (i % w) % 9 == 0 || (px > 40 && px < 52 && py > 30 && py < 44);
    inked += ink;
    pixels[i] = T(ink ? 0.1 : paper(px, py));
  }
  REQUIRE(inked > h * w / 10);
  hg::from_host(ws.exec(), x, pixels);
  hg::kernel::background<B>(ws, x, {.cell = 30, .share = 0.6}, y);
  auto const found = hg::to_host(ws.exec(), y);
  double worst = 0;
  for (std::size_t i = 0; i < h * w; ++i) {
    double const px = double(i % w), py = double(i / w);
    if (px > 15 && px < 115 && py > 15 && py < 75) worst = std::max(worst, std::abs(double(found[i]) - paper(px, py)));
  }
  CHECK(worst < 0.02);  // ink counts as dark paper: the quantile is shifted by some of a square's shading, 0.06 + 0.03

  // One square, an odd number of pixels: the median, exactly; what is not finite does not count.
  std::vector<T> few(25, T(NAN));
  for (std::size_t i = 0; i < 9; ++i) few[2 * i] = T(double((i * 5) % 9) - 4.3);
  auto const a = hg::make_tensor<B>("a", hg::Shape{std::size_t(1), std::size_t(5), std::size_t(5), std::size_t(1)});
  auto const b = hg::make_tensor<B>("b", hg::Shape{std::size_t(1), std::size_t(5), std::size_t(5), std::size_t(1)});
  hg::from_host(ws.exec(), a, few);
  hg::kernel::background<B>(ws, a, {.cell = 8, .share = 0.5}, b);
  for (T const v : hg::to_host(ws.exec(), b)) CHECK(v == T(4 - 4.3));
  CHECK_THROWS_AS(hg::kernel::background<B>(ws, a, {.cell = 0}, b), hg::UsageError);
}
