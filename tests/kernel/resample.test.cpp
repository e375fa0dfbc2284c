// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include <heliograd/core/copy.hpp>
#include <heliograd/kernel/resample.hpp>
#include <heliograd/op/resample.hpp>
#include <heliograd/testing/draw.hpp>
#include "reference/resample.hpp"
#include "spaces.hpp"

namespace hg = heliograd;
using hg::Resampling;

namespace {

constexpr Resampling methods[] = {Resampling::nearest, Resampling::bilinear, Resampling::bicubic, Resampling::area};

template <class B>
std::vector<typename B::scalar_type> resampled(std::vector<typename B::scalar_type> const& values, hg::Shape<4> from,
                                               hg::Shape<4> to, hg::ResampleOptions const& options) {
  hg::Workspace<B> ws;
  auto const x = hg::make_tensor<B>("x", from);
  auto const y = hg::make_tensor<B>("y", to);
  hg::from_host(ws.exec(), x, values);
  hg::kernel::resample<B>(ws, x, y, options);
  return hg::to_host(ws.exec(), y);
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("a constant image stays that constant to the last bit, on any grid", "[kernel]",
                        test::Backends) {
  using B = TestType;
  using T = typename B::scalar_type;
  hg::testing::Draws draws(8);
  for (Resampling const method : methods)
    for (std::size_t const channels : {1, 3, 8})
      for (std::size_t const in : {1, 2, 3, 7, 12, 33})
        for (std::size_t const out : {1, 2, 5, 13, 48, 100}) {
          T const constant = static_cast<T>(draws.uniform(-3000, 3000));
          auto const y = resampled<B>(std::vector<T>(in * (in + 1) * channels, constant), {1, in, in + 1, channels},
                                      {1, out, out + 2, channels}, {method});
          for (T const v : y) REQUIRE(v == constant);
        }
}

TEST_CASE("the nearest pixel is that of exact arithmetic for all sizes up to 512, and large ones", "[kernel]") {
  hg::Workspace<hg::Backend<Kokkos::DefaultHostExecutionSpace, double>> ws;
  auto scope = ws.scope();
  auto const space = hg::kernel::detail::take_table<double>(scope, 1, 1, 16384);
  auto const right = [&](std::size_t n, std::size_t m, std::size_t o) {
    auto table = space;
    table.in = n;
    table.out = m;
    hg::kernel::detail::FillTaps<double> const fill{table, {Resampling::nearest}};
    fill(o);
    // the pixel i with i <= (o + 1/2) n/m < i + 1
    std::size_t const i = static_cast<std::size_t>(table.reference[o]);
    return i * 2 * m <= (2 * o + 1) * n && (2 * o + 1) * n < (i + 1) * 2 * m && table.first[o] == table.reference[o];
  };
  bool all = true;
  for (std::size_t n = 1; n <= 512; ++n)
    for (std::size_t m = 1; m <= 512; ++m)
      for (std::size_t o = 0; o < m; ++o) all = all && right(n, m, o);
  CHECK(all);
  hg::testing::Draws draws(12);
  for (int k = 0; k < 100000; ++k) {
    std::size_t const n = 1 + draws.bits() % 16384, m = 1 + draws.bits() % 16384;
    all = all && right(n, m, draws.bits() % m);
  }
  CHECK(all);
}

TEST_CASE("positions keep their digits on large grids", "[kernel]") {
  using B = test::FloatBackend;
  hg::testing::Draws draws(3);
  struct Sizes {
    long in, out;
  };
  for (auto const& [in, out] :
       {Sizes{200, 500}, Sizes{4096, 10240}, Sizes{4096, 1024}, Sizes{4096, 1801}, Sizes{1000, 4096}}) {
    std::vector<double> x(static_cast<std::size_t>(in));
    for (double& v : x) v = static_cast<float>(draws.uniform(-1, 1));
    std::vector<float> const row(x.begin(), x.end());
    for (hg::ResampleOptions const options : {hg::ResampleOptions{},
                                              {Resampling::bicubic},
                                              {Resampling::bicubic, -0.5},
                                              {Resampling::area},
                                              {Resampling::bilinear, 0, true},
                                              {Resampling::bicubic, -0.75, true}}) {
      auto const y = resampled<B>(row, {1, 1, x.size(), 1}, {1, 1, static_cast<std::size_t>(out), 1}, options);
      double worst = 0, flux = 0, expected_flux = 0;
      for (long o = 0; o < out; ++o) {
        double expected = 0;
        long const centre = options.align_corners ? o * (in - 1) / (out - 1) : (2 * o + 1) * in / (2 * out);
        for (long i = std::max(0L, centre - 6); i <= std::min(in - 1, centre + 6); ++i)
          expected += test::reference::resample_weight(options, in, out, i, o) * x[static_cast<std::size_t>(i)];
        worst = std::max(worst, std::abs(y[static_cast<std::size_t>(o)] - expected));
        flux += y[static_cast<std::size_t>(o)] * static_cast<double>(in) / static_cast<double>(out);
      }
      for (double const v : x) expected_flux += v;
      INFO(in << " to " << out << ", method " << static_cast<int>(options.method));
      CHECK(worst <= 7 * std::numeric_limits<float>::epsilon() / 2);  // largest pixel 1
      if (options.method == Resampling::area) CHECK(std::abs(flux - expected_flux) <= 1e-6 * static_cast<double>(in));
    }
  }
}

TEMPLATE_LIST_TEST_CASE("the same size gives the same bits, whatever they are", "[kernel]", test::Backends) {
  using B = TestType;
  using T = typename B::scalar_type;
  std::vector<T> const x = {T(-0.0),
                            std::numeric_limits<T>::quiet_NaN(),
                            std::numeric_limits<T>::infinity(),
                            std::numeric_limits<T>::denorm_min(),
                            1,
                            -2};
  for (Resampling const method : methods) {
    auto const y = resampled<B>(x, {1, 2, 3, 1}, {1, 2, 3, 1}, {method});
    CHECK(std::memcmp(y.data(), x.data(), x.size() * sizeof(T)) == 0);
  }
}

TEMPLATE_LIST_TEST_CASE("a missing pixel spreads no further than its weights", "[kernel]", test::Backends) {
  using B = TestType;
  using T = typename B::scalar_type;
  for (std::size_t const channels : {1, 9}) {
    std::vector<T> x(9 * channels, T(1));
    for (std::size_t c = 0; c < channels; ++c) x[4 * channels + c] = std::numeric_limits<T>::quiet_NaN();
    for (Resampling const method : methods) {
      auto const y = resampled<B>(x, {1, 1, 9, channels}, {1, 1, 27, channels}, {method});
      for (std::size_t o = 0; o < 27; ++o) {
        double const weight = test::reference::resample_weight({method}, 9, 27, 4, static_cast<long>(o));
        INFO("method " << static_cast<int>(method) << ", pixel " << o << ", weight " << weight);
        CHECK(std::isnan(y[o * channels]) == (std::abs(weight) > 1e-9));
      }
    }
  }
}

TEST_CASE("an image's place in the batch does not matter", "[kernel]") {
  using B = test::FloatBackend;
  hg::testing::Draws draws(6);
  std::vector<float> one(5 * 7 * 3);
  for (float& v : one) v = static_cast<float>(draws.uniform(-1, 1));
  std::vector<float> three(3 * one.size(), 0.5f);
  std::copy(one.begin(), one.end(), three.begin() + static_cast<std::ptrdiff_t>(2 * one.size()));
  for (Resampling const method : methods) {
    auto const alone = resampled<B>(one, {1, 5, 7, 3}, {1, 11, 4, 3}, {method});
    auto const last = resampled<B>(three, {3, 5, 7, 3}, {3, 11, 4, 3}, {method});
    CHECK(std::vector<float>(last.end() - static_cast<std::ptrdiff_t>(alone.size()), last.end()) == alone);
  }
}

TEMPLATE_LIST_TEST_CASE("gradients add to what is there, also where an axis keeps its length", "[kernel]",
                        test::Backends) {
  using B = TestType;
  using T = typename B::scalar_type;
  hg::Workspace<B> ws;
  for (auto const& to : {hg::Shape{1, 8, 6, 2}, hg::Shape{1, 4, 9, 2}, hg::Shape{1, 9, 3, 2}, hg::Shape{1, 4, 3, 2}}) {
    auto const gy = hg::make_tensor<B>("gy", to);
    hg::fill(ws.exec(), gy, T(1));
    auto const gx = hg::make_tensor<B>("gx", hg::Shape{1, 4, 3, 2});
    hg::fill(ws.exec(), gx, std::numeric_limits<T>::quiet_NaN());
    hg::kernel::resample_backward<B>(ws, gy, hg::Sink<4, B>{gx, 0}, {});
    auto const once = hg::to_host(ws.exec(), gx);
    double total = 0;
    for (T const v : once) total += static_cast<double>(v);
    CHECK(std::abs(total - static_cast<double>(to.size())) < 1e-4);  // every output's weights sum to one
    hg::kernel::resample_backward<B>(ws, gy, hg::Sink<4, B>{gx, 1}, {});
    auto const twice = hg::to_host(ws.exec(), gx);
    for (std::size_t i = 0; i < once.size(); ++i) CHECK(twice[i] == 2 * once[i]);
  }
}

TEST_CASE("resample refuses images without pixels", "[op]") {
  using B = test::FloatBackend;
  hg::Tape<B> tape;
  auto const zeros = hg::make_zeros<B>("x", hg::Shape{1, 4, 4, 1}),
             none = hg::make_zeros<B>("none", hg::Shape{1, 0, 4, 1});
  auto const x = tape.constant(zeros);
  CHECK_THROWS_AS(hg::resample(x, 0, 8), hg::ShapeError);
  CHECK_THROWS_AS(hg::resample(tape.constant(none), 2, 2), hg::ShapeError);
  CHECK_THROWS_AS(hg::resample(x, 2, 2, {Resampling::area, 0, true}), hg::UsageError);
  CHECK(hg::resample(x, 4).shape() == hg::Shape{1, 16, 16, 1});
}
