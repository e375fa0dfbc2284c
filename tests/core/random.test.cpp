// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_floating_point.hpp>
#include <cmath>
#include <set>
#include <vector>

#include <heliograd/core/random.hpp>

namespace hg = heliograd;
using Catch::Matchers::WithinAbs;

namespace {
bool same(hg::PhiloxBlock const& a, hg::PhiloxBlock const& b) {
  for (int i = 0; i < 4; ++i)
    if (a.word[i] != b.word[i]) return false;
  return true;
}
}  // namespace

TEST_CASE("philox4x32-10 gives the published known answers", "[random]") {
  CHECK(same(hg::philox({{0, 0, 0, 0}}, 0, 0), {{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}}));
  CHECK(same(hg::philox({{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}}, 0xffffffff, 0xffffffff),
             {{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}}));
  CHECK(same(hg::philox({{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}}, 0xa4093822, 0x299f31d0),
             {{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}}));
}

TEST_CASE("seed, stream and index are all 64 bits of the address", "[random]") {
  std::set<double> seen;
  std::uint64_t const high = std::uint64_t{1} << 40;
  for (std::uint64_t const seed : {std::uint64_t{0}, std::uint64_t{1}, high})
    for (std::uint64_t const stream : {std::uint64_t{0}, std::uint64_t{1}, high})
      for (std::uint64_t const index : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{2}, high})
        seen.insert(hg::RandomStream{seed, stream}.uniform<double>(index));
  CHECK(seen.size() == 36);
}

TEST_CASE("uniform numbers stay in [0, 1) and fill it evenly", "[random]") {
  hg::RandomStream const stream{7, 3};
  std::size_t const count = 200000;
  std::vector<int> bins(20);
  double sum = 0, lagged = 0, previous = 0.5;
  float lowest = 1, highest = 0;
  for (std::size_t i = 0; i < count; ++i) {
    float const u = stream.uniform<float>(i);
    lowest = std::min(lowest, u);
    highest = std::max(highest, u);
    ++bins[static_cast<std::size_t>(u * 20)];
    sum += u;
    lagged += (u - 0.5) * (previous - 0.5);
    previous = u;
  }
  CHECK(lowest >= 0.0f);
  CHECK(highest < 1.0f);
  CHECK_THAT(sum / count, WithinAbs(0.5, 5 * 0.2887 / std::sqrt(count)));
  CHECK_THAT(lagged / count, WithinAbs(0.0, 5 / 12.0 / std::sqrt(count)));
  double chi2 = 0;
  for (int const bin : bins) chi2 += (bin - count / 20.0) * (bin - count / 20.0) / (count / 20.0);
  CHECK(chi2 < 50);  // 19 degrees of freedom: exceeded with probability 1e-4
}

TEST_CASE("normal numbers have the moments and tails of the normal distribution", "[random]") {
  hg::RandomStream const stream{11, 5};
  std::size_t const count = 200000;
  double m1 = 0, m2 = 0, m3 = 0, m4 = 0, beyond = 0, pairs = 0, previous = 0;
  for (std::size_t i = 0; i < count; ++i) {
    double const x = i % 2 ? stream.normal<double>(i) : static_cast<double>(stream.normal<float>(i));
    m1 += x;
    m2 += x * x;
    m3 += x * x * x;
    m4 += x * x * x * x;
    beyond += std::abs(x) > 3 ? 1 : 0;
    pairs += x * previous;
    previous = x;
  }
  double const n = static_cast<double>(count);
  CHECK_THAT(m1 / n, WithinAbs(0.0, 5 / std::sqrt(n)));
  CHECK_THAT(m2 / n, WithinAbs(1.0, 5 * std::sqrt(2 / n)));
  CHECK_THAT(m3 / n, WithinAbs(0.0, 5 * std::sqrt(15 / n)));
  CHECK_THAT(m4 / n, WithinAbs(3.0, 5 * std::sqrt(96 / n)));
  CHECK_THAT(beyond / n, WithinAbs(0.0026998, 5 * std::sqrt(0.0027 / n)));
  CHECK_THAT(pairs / n, WithinAbs(0.0, 5 / std::sqrt(n)));
}

TEST_CASE("an Rng goes on from its saved state as if nothing had happened", "[random]") {
  hg::Rng rng(42);
  (void)rng.uniform();
  (void)rng.normal();
  (void)rng.fork();
  (void)rng.below(10);
  hg::Rng restored(rng.state());
  for (int i = 0; i < 20; ++i) {
    CHECK(rng.uniform() == restored.uniform());
    CHECK(rng.normal() == restored.normal());
    CHECK(rng.below(7) == restored.below(7));
    CHECK(rng.coin() == restored.coin());
    CHECK(rng.fork().stream == restored.fork().stream);
  }
  CHECK(rng.state() == restored.state());
  CHECK(hg::Rng(1).uniform() != hg::Rng(2).uniform());
}

TEST_CASE("forked streams differ from each other and from the sequence", "[random]") {
  hg::Rng rng(3);
  auto const a = rng.fork(), b = rng.fork();
  CHECK(a.stream != b.stream);
  CHECK(a.uniform<double>(0) != b.uniform<double>(0));
  CHECK(a.uniform<double>(0) != hg::Rng(3).uniform());
}

TEST_CASE("below() reaches every number about equally often and refuses zero", "[random]") {
  hg::Rng rng(5);
  std::vector<int> hits(7);
  for (int i = 0; i < 70000; ++i) ++hits[rng.below(7)];
  for (int const hit : hits) CHECK(std::abs(hit - 10000) < 5 * std::sqrt(10000 * 6 / 7.0));
  CHECK(rng.below(1) == 0);
  CHECK_THROWS_AS(rng.below(0), hg::UsageError);
}
