// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <utility>
#include <vector>

#include <heliograd/core/copy.hpp>
#include <heliograd/kernel/sobel.hpp>
#include <heliograd/testing/draw.hpp>
#include "reference/sobel.hpp"
#include "spaces.hpp"

namespace hg = heliograd;

namespace {

template <class B>
hg::Tensor<4, B> tensor(hg::Shape<4> const& shape, std::vector<double> const& values) {
  auto const t = hg::make_tensor<B>("tensor", shape);
  hg::from_host(typename B::execution_space{}, t, std::vector<typename B::scalar_type>(values.begin(), values.end()));
  return t;
}

template <class B>
auto sobel(hg::Shape<4> const& shape, std::vector<double> const& values, double scale) {
  hg::Workspace<B> ws;
  auto const x = tensor<B>(shape, values);
  auto const gx = hg::make_tensor<B>("gx", shape);
  auto const gy = hg::make_tensor<B>("gy", shape);
  hg::kernel::sobel<B>(ws, x, scale, gx, gy);
  return std::pair{hg::to_host(ws.exec(), gx), hg::to_host(ws.exec(), gy)};
}

template <class B>
std::vector<typename B::scalar_type> adjoint(hg::Shape<4> const& shape, std::vector<double> const& gx,
                                             std::vector<double> const& gy, double scale, double before, double beta) {
  using T = typename B::scalar_type;
  hg::Workspace<B> ws;
  auto const out = hg::make_tensor<B>("out", shape);
  hg::fill(ws.exec(), out, static_cast<T>(before));
  hg::kernel::sobel_backward<B>(ws, tensor<B>(shape, gx), tensor<B>(shape, gy), scale,
                                hg::Sink<4, B>{out, static_cast<T>(beta)});
  return hg::to_host(ws.exec(), out);
}

std::vector<hg::Shape<4>> const shapes = {{1, 1, 1, 1}, {1, 1, 7, 1}, {1, 7, 1, 1},    {2, 2, 2, 3}, {1, 3, 3, 1},
                                          {2, 5, 5, 1}, {1, 8, 7, 3}, {2, 16, 17, 16}, {1, 4, 65, 1}};

}  // namespace

TEMPLATE_LIST_TEST_CASE("sobel is exact on integers for every shape", "[kernel]", test::Backends) {
  for (auto const& s : shapes) {
    INFO(hg::to_string(s));
    hg::testing::Draws draws(s.size());
    auto const values = hg::testing::draw_integers(draws, s.size(), -9, 9);
    auto const [gx, gy] = sobel<TestType>(s, values, 0.125);
    hg::testing::HostTensor const x{{s[0], s[1], s[2], s[3]}, values};
    std::size_t differing = 0;
    std::size_t at = 0;
    for (std::size_t n = 0; n < s[0]; ++n)
      for (std::size_t i = 0; i < s[1]; ++i)
        for (std::size_t j = 0; j < s[2]; ++j)
          for (std::size_t c = 0; c < s[3]; ++c, ++at) {
            auto const expected = [&](bool along_width) {
              return 0.125 * test::reference::sobel_at(x, n, static_cast<int>(i), static_cast<int>(j), c, along_width);
            };
            differing += static_cast<double>(gx[at]) != expected(true);
            differing += static_cast<double>(gy[at]) != expected(false);
          }
    CHECK(differing == 0);
  }
}

TEMPLATE_LIST_TEST_CASE("sobel of a constant is exactly zero, of a ramp exactly its slope", "[kernel]",
                        test::Backends) {
  hg::Shape<4> const shape{1, 6, 40, 1};
  std::vector<double> ramp(shape.size());
  for (std::size_t i = 0; i < ramp.size(); ++i)
    ramp[i] = 3.0 * static_cast<double>(i % 40) - 2.0 * static_cast<double>(i / 40);
  auto const [gx, gy] = sobel<TestType>(shape, ramp, hg::kernel::sobel_per_pixel);
  for (std::size_t i = 1; i < 5; ++i)
    for (std::size_t j = 1; j < 39; ++j) {
      CHECK(gx[i * 40 + j] == 3);
      CHECK(gy[i * 40 + j] == -2);
    }
  auto const [zero_x, zero_y] = sobel<TestType>(shape, std::vector<double>(shape.size(), 1234.567), 0.125);
  for (std::size_t i = 0; i < shape.size(); ++i) {
    CHECK(zero_x[i] == 0);
    CHECK(zero_y[i] == 0);
  }
}

TEST_CASE("sobel and its backward are adjoint, on integers exactly", "[kernel]") {
  using B = test::DoubleBackend;
  for (auto const& s : shapes) {
    INFO(hg::to_string(s));
    hg::testing::Draws draws(s.size());
    auto const x = hg::testing::draw_integers(draws, s.size(), -9, 9);
    auto const u = hg::testing::draw_integers(draws, s.size(), -9, 9);
    auto const v = hg::testing::draw_integers(draws, s.size(), -9, 9);
    auto const [gx, gy] = sobel<B>(s, x, 1.0);
    auto const back = adjoint<B>(s, u, v, 1.0, std::nan(""), 0.0);
    double forward = 0;
    double backward = 0;
    for (std::size_t i = 0; i < s.size(); ++i) {
      forward += gx[i] * u[i] + gy[i] * v[i];
      backward += x[i] * back[i];
    }
    CHECK(forward == backward);

    auto const added = adjoint<B>(s, u, v, 1.0, 10.0, 0.5);
    for (std::size_t i = 0; i < s.size(); ++i) REQUIRE(added[i] == back[i] + 5.0);
  }
}
