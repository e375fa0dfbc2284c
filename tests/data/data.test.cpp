// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_floating_point.hpp>
#include <cmath>
#include <limits>
#include <set>
#include <stdexcept>
#include <vector>

#include <heliograd/core/copy.hpp>
#include <heliograd/data/augment.hpp>
#include <heliograd/data/loader.hpp>
#include <heliograd/data/normalise.hpp>
#include <heliograd/data/patches.hpp>
#include <heliograd/op/activation.hpp>
#include <heliograd/op/conv2d.hpp>
#include <heliograd/op/resample.hpp>
#include <heliograd/testing/draw.hpp>
#include "spaces.hpp"

namespace hg = heliograd;
namespace data = heliograd::data;
using Catch::Matchers::WithinRel;

TEMPLATE_LIST_TEST_CASE("scales have the documented corners and come back to rounding", "[data]", test::Backends) {
  using B = TestType;
  using T = typename B::scalar_type;
  CHECK(data::LinearScale{}.to_network(T(-7000)) == T(-2));
  CHECK_THAT(data::SignedLogScale{}.to_network(T(5000)), WithinRel(1.0, 1e-6));
  CHECK(data::SignedLogScale{}.to_network(T(0)) == 0);
  CHECK_THAT(data::SignedLogScale{}.to_network(T(1e-3)), WithinRel(1e-3 / 60 / std::log1p(5000.0 / 60), 1e-4));
  CHECK(data::Log2Scale{}.to_network(T(0)) == -1);
  CHECK(data::Log2Scale{}.to_network(T(-5)) == -1);
  CHECK(std::abs(data::Log2Scale{}.to_network(T(127))) < 1e-6);
  CHECK_THAT(data::Log2Scale{}.to_network(T(16383)), WithinRel(1.0, 1e-6));
  CHECK(data::Log2Scale{}.to_network(T(1e6)) == 1);

  hg::Workspace<B> ws;
  std::vector<T> const values = {T(-4500), T(-60), T(-0.01), T(0), T(3.5), T(800), T(12000)};
  auto const x = hg::make_tensor<B>("x", hg::Shape{values.size()});
  auto const check = [&](auto const& scale, bool negative) {
    auto in = values;
    if (!negative)
      for (T& v : in) v = std::abs(v);
    hg::from_host(ws.exec(), x, in);
    data::normalise<B, 1>(ws, scale, x, x);
    data::denormalise<B, 1>(ws, scale, x, x);
    auto const out = hg::to_host(ws.exec(), x);
    for (std::size_t i = 0; i < in.size(); ++i)
      CHECK(std::abs(out[i] - in[i]) <= 64 * std::numeric_limits<T>::epsilon() * (std::abs(in[i]) + 1));
  };
  check(data::LinearScale{}, true);
  check(data::SignedLogScale{}, true);
  check(data::Log2Scale{}, false);
  T const nan = std::numeric_limits<T>::quiet_NaN();
  CHECK(std::isnan(data::LinearScale{}.to_network(nan)));
  CHECK(std::isnan(data::SignedLogScale{}.to_network(nan)));
  CHECK(std::isnan(data::Log2Scale{}.to_network(nan)));
}

TEST_CASE("a cut under a symmetry treats all channels alike, but for the sign", "[data]") {
  // field and radius: 10 y + x + 1 and its hundredfold
  std::vector<float> image;
  for (int y = 0; y < 3; ++y)
    for (int x = 0; x < 4; ++x) {
      image.push_back(static_cast<float>(10 * y + x + 1));
      image.push_back(static_cast<float>(100 * (10 * y + x + 1)));
    }
  auto const cut = [&](data::Window const& window, data::Symmetry const& symmetry) {
    std::vector<float> out(window.height * window.width * 2, -9);
    data::cut(image.data(), 3, 4, 2, window, symmetry, 1, 0.5f, out.data());
    return out;
  };
  CHECK(cut({1, 2, 2, 2}, {}) == std::vector<float>{13, 1300, 14, 1400, 23, 2300, 24, 2400});
  CHECK(cut({1, 2, 2, 2}, {.north_south = true}) == std::vector<float>{23, 2300, 24, 2400, 13, 1300, 14, 1400});
  CHECK(cut({1, 2, 2, 2}, {.east_west = true}) == std::vector<float>{14, 1400, 13, 1300, 24, 2400, 23, 2300});
  CHECK(cut({1, 2, 2, 2}, {.polarity = true}) == std::vector<float>{-13, 1300, -14, 1400, -23, 2300, -24, 2400});
  CHECK(cut({-1, 3, 2, 2}, {}) == std::vector<float>{0.5f, 0.5f, 0.5f, 0.5f, 4, 400, 0.5f, 0.5f});
  CHECK(cut({-1, 3, 2, 2}, {true, true, true}) == std::vector<float>{0.5f, 0.5f, -4, 400, 0.5f, 0.5f, 0.5f, 0.5f});
}

TEST_CASE("windows reach every place and none outside", "[data]") {
  hg::Rng rng(1);
  std::set<std::pair<std::ptrdiff_t, std::ptrdiff_t>> places;
  for (int i = 0; i < 2000; ++i) {
    auto const window = data::draw_window(rng, 5, 4, 3, 3, 1);
    places.insert({window.y, window.x});
  }
  CHECK(places.size() == 5 * 4);
  CHECK(places.begin()->first == -1);
  CHECK(places.rbegin()->first == 3);
  CHECK(data::draw_window(rng, 3, 3, 3, 3) == data::Window{0, 0, 3, 3});
  CHECK_THROWS_AS(data::draw_window(rng, 5, 4, 3, 5), hg::ShapeError);
}

TEST_CASE("a crop sampler covers the images evenly and repeats itself exactly", "[data]") {
  data::CropSampler const sampler({{8, 8}, {12, 20}}, {.size = 8, .multiple = 4}, 77);
  std::vector<int> hits(9);
  int polarity = 0, north_south = 0, east_west = 0;
  for (std::uint64_t batch = 0; batch < 1000; ++batch)
    for (auto const& crop : sampler.draw(batch, 9)) {
      REQUIRE(crop.window.y % 4 == 0);
      REQUIRE(crop.window.x % 4 == 0);
      std::size_t const place = crop.image == 0 ? 0 : static_cast<std::size_t>(1 + crop.window.y + crop.window.x / 4);
      REQUIRE(place < 9);
      ++hits[place];
      polarity += crop.symmetry.polarity;
      north_south += crop.symmetry.north_south;
      east_west += crop.symmetry.east_west;
    }
  for (std::size_t place = 0; place < 9; ++place) CHECK(std::abs(hits[place] - 9000.0 / 9) < 160);
  for (int const coin : {polarity, north_south, east_west}) CHECK(std::abs(coin - 4500) < 250);
  CHECK(sampler.draw(5, 4) == data::CropSampler({{8, 8}, {12, 20}}, {.size = 8, .multiple = 4}, 77).draw(5, 4));
  CHECK(sampler.draw(5, 4) != sampler.draw(6, 4));
  CHECK(sampler.draw(5, 4) != data::CropSampler({{8, 8}, {12, 20}}, {.size = 8, .multiple = 4}, 78).draw(5, 4));
  CHECK_THROWS_AS(data::CropSampler({{8, 7}}, {.size = 8}, 1), hg::ShapeError);
  CHECK_THROWS_AS(data::CropSampler({}, {.size = 8}, 1), hg::UsageError);
}

TEST_CASE("prefetched batches are those asked for, in any order, with their errors", "[data]") {
  data::Prefetch prefetch([](std::uint64_t number) {
    if (number == 13) throw std::runtime_error("thirteen");
    return std::vector<std::uint64_t>{number, number * number};
  });
  for (std::uint64_t const number : {0, 1, 2, 7, 8, 3, 3, 11, 12})
    CHECK(prefetch.get(number) == std::vector<std::uint64_t>{number, number * number});
  CHECK_THROWS_AS(prefetch.get(13), std::runtime_error);
  CHECK(prefetch.get(14)[0] == 14);
}

TEST_CASE("tiles cover every pixel once, within the limits asked for", "[data]") {
  for (std::size_t const align : {1, 4})
    for (std::size_t const tile : {8, 12})
      for (std::size_t height = 1; height < 70; height += 3)
        for (std::size_t const width : {1, 5, 12, 13, 64}) {
          data::TilePlan const plan(height, width, {tile, 5, align});
          std::vector<int> covered(height * width);
          REQUIRE(plan.tiles().size() == plan.rows() * plan.columns());
          for (data::Tile const& t : plan.tiles()) {
            REQUIRE(t.keep.height <= tile);
            REQUIRE(t.keep.width <= tile);
            REQUIRE(t.keep.height > 0);
            REQUIRE(t.keep.y % align == 0);
            REQUIRE(t.read.y % align == 0);
            REQUIRE(t.read.y + t.read.height <= height);
            REQUIRE((t.read.y == 0 || t.read.y + 5 <= t.keep.y));
            REQUIRE((t.read.x == 0 || t.read.x + 5 <= t.keep.x));
            REQUIRE((t.read.y + t.read.height == height || t.read.y + t.read.height >= t.keep.y + t.keep.height + 5));
            REQUIRE((t.read.x + t.read.width == width || t.read.x + t.read.width >= t.keep.x + t.keep.width + 5));
            for (std::size_t y = 0; y < t.keep.height; ++y)
              for (std::size_t x = 0; x < t.keep.width; ++x) ++covered[(t.keep.y + y) * width + t.keep.x + x];
          }
          REQUIRE(covered == std::vector<int>(height * width, 1));
        }
  CHECK_THROWS_AS(data::TilePlan(10, 10, {.tile = 6, .align = 4}), hg::UsageError);
  CHECK_THROWS_AS(data::TilePlan(0, 10, {}), hg::ShapeError);
}

namespace {

/// Two convolutions, one before and one after an up-sampling: the view reaches 1 + 1 + 1 low-resolution pixels.
template <class B>
struct SmallNetwork {
  hg::Tensor<4, B> first, second;
  hg::Tensor<1, B> slope;
  hg::Var<4, B> operator()(hg::Var<4, B> x) const {
    hg::Tape<B>& t = x.tape();
    hg::Conv2dOptions const reflect{.padding = 1, .mode = hg::PaddingMode::reflect};
    auto const y = hg::prelu(hg::conv2d(x, t.constant(first), reflect), t.constant(slope));
    return hg::conv2d(hg::resample(y, 4), t.constant(second), reflect);
  }
};

template <class B>
std::vector<typename B::scalar_type> tiled(SmallNetwork<B> const& network, hg::Tensor<4, B> const& image,
                                           data::TileOptions const& options) {
  hg::Tape<B> tape;
  std::size_t const h = image.extent(1), w = image.extent(2);
  auto const result = hg::make_tensor<B>("result", hg::Shape{1, 4 * h, 4 * w, 1});
  for (data::Tile const& tile : data::TilePlan(h, w, options).tiles()) {
    tape.clear();
    auto const patch = tape.make(hg::Shape{1, tile.read.height, tile.read.width, image.extent(3)}, false);
    data::cut_tile<B>(tape.workspace(), image, tile, patch.value);
    data::paste_tile<B>(tape.workspace(), network(patch).value, tile, 4, result);
  }
  return hg::to_host(tape.exec(), result);
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("a network in tiles gives the bits of the whole image, if the halo is wide enough", "[data]",
                        test::Backends) {
  using B = TestType;
  using T = typename B::scalar_type;
  hg::testing::Draws draws(2);
  auto const random = [&](auto const& shape) {
    auto const tensor = hg::make_tensor<B>("random", shape);
    std::vector<T> values(shape.size());
    for (T& v : values) v = static_cast<T>(draws.uniform(-1, 1));
    hg::from_host(typename B::execution_space{}, tensor, values);
    return tensor;
  };
  SmallNetwork<B> const network{random(hg::Shape{3, 3, 2, 16}), random(hg::Shape{3, 3, 16, 1}), random(hg::Shape{1})};
  auto const image = random(hg::Shape{1, 37, 29, 2});
  auto const whole = tiled(network, image, {.tile = 64, .halo = 0});
  for (std::size_t const tile : {5, 8, 19, 30}) CHECK(tiled(network, image, {.tile = tile, .halo = 3}) == whole);
  CHECK(tiled(network, image, {.tile = 8, .halo = 3, .align = 4}) == whole);
  CHECK(tiled(network, image, {.tile = 8, .halo = 1}) != whole);
}
