// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <algorithm>
#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numbers>
#include <numeric>
#include <vector>

#include <heliograd/core/copy.hpp>
#include <heliograd/kernel/sort_by_key.hpp>
#include <heliograd/kernel/warp.hpp>
#include <heliograd/testing/draw.hpp>
#include "spaces.hpp"

namespace hg = heliograd;
using hg::Interpolation;

namespace {

constexpr Interpolation methods[] = {Interpolation::nearest, Interpolation::bilinear, Interpolation::bicubic,
                                     Interpolation::pchip};

template <class B, class Positions>
auto warped(std::vector<typename B::scalar_type> const& values, hg::Shape<4> const& from, Positions const& positions,
            hg::Shape<4> const& to, hg::WarpOptions const& options) {
  hg::Workspace<B> ws;
  auto const x = hg::make_tensor<B>("x", from);
  auto const y = hg::make_tensor<B>("y", to);
  hg::from_host(ws.exec(), x, values);
  hg::kernel::warp<B>(ws, x, positions, y, options);
  return hg::to_host(ws.exec(), y);
}

template <class T>
std::vector<T> drawn(std::size_t count) {
  hg::testing::Draws draws(5);
  std::vector<T> values(count);
  for (T& v : values) v = static_cast<T>(draws.uniform(-1000, 1000));
  return values;
}

}  // namespace

TEST_CASE("elements come in the order of their keys, equal ones in their own", "[kernel]") {
  using B = test::FloatBackend;
  hg::testing::Draws draws(1);
  for (std::size_t const count : {1, 7, 1000, 70000})
    for (std::size_t const key_count : {1, 5, 255, 256, 257, 65536, 1 << 20}) {
      std::vector<std::uint32_t> keys(count);
      for (auto& key : keys) key = static_cast<std::uint32_t>(draws.bits() % (key_count + 1));
      std::vector<std::uint32_t> expected(count);
      std::iota(expected.begin(), expected.end(), 0u);
      std::stable_sort(expected.begin(), expected.end(), [&](auto a, auto b) { return keys[a] < keys[b]; });
      hg::Workspace<B> ws;
      auto scope = ws.scope();
      auto* const at = scope.template take<std::uint32_t>(count);
      using Numbers = Kokkos::View<std::uint32_t*, B::memory_space, Kokkos::MemoryTraits<Kokkos::Unmanaged>>;
      using ConstNumbers = Kokkos::View<std::uint32_t const*, B::memory_space, Kokkos::MemoryTraits<Kokkos::Unmanaged>>;
      hg::copy_flat<B::memory_space, Kokkos::HostSpace>(ws.exec(), Numbers(at, count).data(), keys.data(), count);
      ws.exec().fence("test");
      auto const sorted = hg::kernel::sort_by_key(ws, scope, "test", at, count, key_count);
      CHECK(hg::to_host(ws.exec(), ConstNumbers(sorted.element, count)) == expected);
      auto const first = hg::to_host(ws.exec(), ConstNumbers(sorted.first, key_count + 1));
      std::vector<std::uint32_t> held(key_count + 1);
      for (auto const key : keys) ++held[key];
      std::uint32_t before = 0;
      bool right = true;
      for (std::size_t k = 0; k <= key_count; before += held[k], ++k) right = right && first[k] == before;
      CHECK(right);
    }
}

TEMPLATE_LIST_TEST_CASE("turned by quarters an image keeps its pixels", "[kernel]", test::Backends) {
  using B = TestType;
  using T = typename B::scalar_type;
  auto const x = drawn<T>(6 * 6);
  for (Interpolation const method : methods) {
    auto const y = warped<B>(x, {1, 6, 6, 1}, hg::rotation(std::numbers::pi / 2, 1, hg::middle(6, 6), hg::middle(6, 6)),
                             {1, 6, 6, 1}, {method});
    // From growing columns to growing rows: what lay at column j of the middle row lies at row j of the middle column.
    for (std::size_t i = 0; i < 6; ++i)
      for (std::size_t j = 0; j < 6; ++j)
        CHECK(std::abs(y[j * 6 + 5 - i] - x[i * 6 + j]) <= 2e-3 * (std::is_same_v<T, float> ? 1 : 1e-8));
  }
}

TEMPLATE_LIST_TEST_CASE("a map and its inverse give the point back; the identity gives the bits back", "[kernel]",
                        test::Backends) {
  using B = TestType;
  using T = typename B::scalar_type;
  auto const map = hg::rotation(0.3, 1.7, {3, 4}, {10, 11});
  auto const at = map(0, 10, 11);
  CHECK(std::abs(at.y - 3) < 1e-14);
  CHECK(std::abs(at.x - 4) < 1e-14);
  auto const back = map.inverse();
  hg::Position const there = map(0, 7, 2);
  CHECK(std::abs(back.yy * there.y + back.yx * there.x + back.y0 - 7) < 1e-13);
  CHECK(std::abs(back.xy * there.y + back.xx * there.x + back.x0 - 2) < 1e-13);
  auto const x = drawn<T>(2 * 5 * 7 * 3);
  for (Interpolation const method : methods)
    CHECK(warped<B>(x, {2, 5, 7, 3}, hg::AffineMap{}, {2, 5, 7, 3}, {method}) == x);
}

TEMPLATE_LIST_TEST_CASE("a constant stays, and outside lies the fill value", "[kernel]", test::Backends) {
  using B = TestType;
  using T = typename B::scalar_type;
  T const constant = static_cast<T>(1234.567);
  hg::AffineMap const map{0.37, 0.11, -2.3, -0.07, 0.41, -1.9};
  hg::Shape<4> const to{1, 30, 40, 1};
  hg::Workspace<B> ws;
  auto const mask = hg::make_tensor<B>("mask", to);
  hg::kernel::warp_mask<B>(ws, map, 8, 9, mask);
  auto const marked = hg::to_host(ws.exec(), mask);
  for (Interpolation const method : methods) {
    auto const y = warped<B>(std::vector<T>(8 * 9, constant), {1, 8, 9, 1}, map, to, {method, -7});
    std::size_t inside = 0;
    for (std::size_t i = 0; i < y.size(); ++i) {
      REQUIRE(y[i] == (marked[i] == T(1) ? constant : T(-7)));
      inside += marked[i] == T(1);
    }
    CHECK(inside > 100);
    CHECK(inside < y.size());
  }
}

TEST_CASE("positions in double are not rounded to the precision of the image", "[kernel]") {
  using B = test::FloatBackend;
  std::vector<double> const at = {0, 4094.0 + 1e-9, 0, std::numeric_limits<double>::quiet_NaN(), 0, 4095.5};
  Kokkos::View<double***, Kokkos::LayoutRight, B::memory_space> const field("field", 1, 3, 2);
  B::execution_space exec;
  hg::from_host(exec, field, at);
  std::vector<float> x(4096, 0.0f);
  x[4095] = 1e9f;
  auto const y = warped<B>(x, {1, 1, 4096, 1}, hg::position_field(field), {1, 1, 3, 1}, {Interpolation::bilinear, -1});
  CHECK(std::abs(y[0] - 1.0f) < 1e-3f);
  CHECK(y[1] == -1.0f);
  CHECK(y[2] == -1.0f);
}

TEST_CASE("monotone data stay monotone and within their range", "[kernel]") {
  using B = test::FloatBackend;
  std::vector<float> const x = {0, 1e-3f, 1, 1, 5, 100, 100.5f, 101};
  auto const y = warped<B>(x, {1, 1, 8, 1}, hg::AffineMap{1, 0, 0, 0, 0.01, 0}, {1, 1, 701, 1}, {Interpolation::pchip});
  CHECK(std::is_sorted(y.begin(), y.end()));
  CHECK(y.front() == 0);
  CHECK(y.back() == 101);
}

TEST_CASE("gradients by pchip are those of the derivative however many outputs are taken at a time", "[kernel]") {
  using B = test::DoubleBackend;
  hg::WarpOptions const options{Interpolation::pchip};
  hg::Shape<4> const from{2, 40, 50, 1}, to{2, 700, 800, 1};  // 560000 outputs of an image, 262144 at a time
  auto const map = hg::rotation(0.1, 17, hg::middle(40, 50), hg::middle(700, 800));
  hg::Workspace<B> ws;
  auto const tensor = [&](hg::Shape<4> const& shape, std::uint64_t seed) {
    auto const x = hg::make_tensor<B>("x", shape);
    hg::testing::Draws draws(seed);
    hg::from_host(ws.exec(), x, hg::testing::draw_uniform(draws, shape.size(), -1, 1));
    return x;
  };
  auto const x = tensor(from, 1), v = tensor(from, 2), gx = tensor(from, 3), gy = tensor(to, 4), y = tensor(to, 5);
  auto const before = hg::to_host(ws.exec(), gx);
  hg::kernel::warp_tangent<B>(ws, x, {v.data()}, map, {y, 0}, options);
  std::size_t const idle = ws.scratch().peak_bytes();
  hg::kernel::warp_backward<B>(ws, x, map, gy, {gx, 1}, options);
  CHECK(ws.scratch().peak_bytes() < idle + (std::size_t{48} << 20));
  auto after = hg::to_host(ws.exec(), gx);
  for (std::size_t i = 0; i < after.size(); ++i) after[i] -= before[i];
  auto const dot = [](auto const& a, auto const& b) { return std::inner_product(a.begin(), a.end(), b.begin(), 0.0); };
  double const forward = dot(hg::to_host(ws.exec(), y), hg::to_host(ws.exec(), gy));
  CHECK(std::abs(forward - dot(hg::to_host(ws.exec(), v), after)) <= 1e-10 * std::abs(forward));
}
