// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <Kokkos_Core.hpp>
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <vector>

#include <heliograd/core/copy.hpp>
#include <heliograd/op/arithmetic.hpp>
#include <heliograd/op/attention.hpp>
#include <heliograd/op/reduce.hpp>
#include <heliograd/testing/draw.hpp>
#include "reference/attention.hpp"
#include "spaces.hpp"

namespace hg = heliograd;

namespace {

std::vector<double> draws(std::size_t count, double size, std::uint64_t seed) {
  hg::testing::Draws draw(seed);
  std::vector<double> values(count);
  for (double& v : values) v = static_cast<float>(size * draw.uniform(-1, 1));
  return values;
}

struct Run {
  std::vector<double> o, gq, gk, gv;
  bool operator==(Run const&) const = default;
};

/// Attention and its gradients, inputs [1, n, d], [1, n, d], [1, n, e] one after the other.
template <class B>
Run run(std::size_t n, std::size_t d, std::size_t e, std::vector<double> const& q, std::vector<double> const& k,
        std::vector<double> const& v, std::vector<double> const& w, Kokkos::DefaultExecutionSpace const& exec = {}) {
  using T = typename B::scalar_type;
  hg::Tape<B> tape(exec);
  auto const put = [&](std::vector<double> const& values, std::size_t width) {
    auto p = hg::make_param<B>("p", hg::Shape{std::size_t{1}, n, width});
    hg::from_host(exec, p.value, std::vector<T>(values.begin(), values.end()));
    return p;
  };
  auto const get = [&](auto const& view) {
    auto const values = hg::to_host(exec, view);
    return std::vector<double>(values.begin(), values.end());
  };
  auto pq = put(q, d), pk = put(k, d), pv = put(v, e), pw = put(w, e);
  auto const o = hg::attention(tape.watch(pq), tape.watch(pk), tape.watch(pv), {.scale = 1});
  tape.backward(hg::sum(o * tape.constant(pw.value)));
  return {get(o.value), get(pq.grad), get(pk.grad), get(pv.grad)};
}

double distance(std::vector<double> const& a, std::vector<double> const& b) {
  double worst = 0, largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    double const d = std::abs(a[i] - b[i]);
    worst = d <= worst ? worst : d;
    largest = std::max(largest, std::abs(b[i]));
  }
  return worst / largest;
}

}  // namespace

TEST_CASE("attention over 4096 pixels keeps the bar in single precision, values and gradients", "[kernel]") {
  struct Size {
    std::size_t n, d, e;
  };
  for (Size const s : {Size{4096, 32, 64}, Size{256, 64, 64}, Size{1000, 33, 7}}) {
    INFO(s.n << " pixels, " << s.d << ", " << s.e);
    auto const q = draws(s.n * s.d, 1.5, 1), k = draws(s.n * s.d, 1.5, 2), v = draws(s.n * s.e, 1, 3);
    auto const w = draws(s.n * s.e, 1, 4);
    auto const single = run<test::FloatBackend>(s.n, s.d, s.e, q, k, v, w);
    auto const exact = run<test::DoubleBackend>(s.n, s.d, s.e, q, k, v, w);
    CHECK(distance(single.o, exact.o) <= 5e-6);
    CHECK(distance(single.gq, exact.gq) <= 2e-5);
    CHECK(distance(single.gk, exact.gk) <= 2e-5);
    CHECK(distance(single.gv, exact.gv) <= 2e-5);
    if (s.n > 1000) continue;
    hg::testing::HostTensor const tq{{1, s.n, s.d}, q}, tk{{1, s.n, s.d}, k}, tv{{1, s.n, s.e}, v};
    CHECK(distance(exact.o, test::reference::attention({tq, tk, tv}, 1, 1).values) <= 1e-13);
#ifdef KOKKOS_ENABLE_OPENMP
    if constexpr (std::is_same_v<test::ExecutionSpace, Kokkos::OpenMP>)
      for (int const threads : {1, 3, 8})
        CHECK(run<test::FloatBackend>(s.n, s.d, s.e, q, k, v, w, Kokkos::OpenMP(threads)) == single);
#endif
  }
}

TEST_CASE("attention is finite at logits of 10^30, and a common shift of the logits changes little", "[kernel]") {
  std::size_t const n = 130;
  std::vector<double> q(n, 1e15), k(n), v(n), w(n, 1.0);
  for (std::size_t i = 0; i < n; ++i) {
    k[i] = i % 2 ? 1e15 : -1e15;  // logits 10^30 and -10^30
    v[i] = static_cast<double>(i);
  }
  auto const far = run<test::FloatBackend>(n, 1, 1, q, k, v, w);
  for (double const o : far.o) CHECK(o == 65.0);  // the mean of the odd numbers below 130
  for (auto const* gradient : {&far.gq, &far.gk, &far.gv})
    for (double const g : *gradient) REQUIRE(std::isfinite(g));
  CHECK(far.gv[0] == 0);
  CHECK(std::abs(far.gv[1] - 2) <= 2e-5);  // 130 times a rounded 1/65

  // A second component, the same for all keys, shifts all logits of a query by 2^13: their own last bits remain.
  auto const q1 = draws(n, 1, 5), k1 = draws(n, 1, 6);
  std::vector<double> q2, k2, q0, k0;
  for (std::size_t i = 0; i < n; ++i) {
    for (double const x : {q1[i], 8192.0}) q2.push_back(x);
    for (double const x : {k1[i], 1.0}) k2.push_back(x);
    for (double const x : {q1[i], 0.0}) q0.push_back(x);
    for (double const x : {k1[i], 1.0}) k0.push_back(x);
  }
  auto const shifted = run<test::FloatBackend>(n, 2, 1, q2, k2, v, w),
             plain = run<test::FloatBackend>(n, 2, 1, q0, k0, v, w);
  CHECK(distance(shifted.o, plain.o) <= 8192 * 1.2e-7);
}
