// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>
#include <cmath>

#include <heliograd/core/copy.hpp>
#include <heliograd/kernel/reduce.hpp>
#include <heliograd/testing/draw.hpp>
#include "spaces.hpp"

namespace hg = heliograd;

namespace {

template <class Scalar>
struct Moments {
  Scalar const* x;
  std::size_t length;
  KOKKOS_FUNCTION void operator()(std::size_t segment, std::size_t i, hg::kernel::Sums<2>& one) const {
    double const v = x[segment * length + i];
    one[0] = v;
    one[1] = v * v;
  }
};
template <class Scalar>
struct Store {
  Scalar* out;
  KOKKOS_FUNCTION void operator()(std::size_t segment, hg::kernel::Sums<2> const& total) const {
    out[2 * segment] = static_cast<Scalar>(total[0]);
    out[2 * segment + 1] = static_cast<Scalar>(total[1]);
  }
};

template <class B>
std::vector<typename B::scalar_type> moments(std::vector<double> const& x, std::size_t segments,
                                             typename B::execution_space const& exec = {}) {
  using Scalar = typename B::scalar_type;
  hg::Workspace<B> ws(exec);
  auto const in = hg::make_tensor<B>("x", hg::Shape{x.size()});
  auto const out = hg::make_tensor<B>("moments", hg::Shape{2 * segments});
  hg::from_host(exec, in, std::vector<Scalar>(x.begin(), x.end()));
  std::size_t const length = x.size() / segments;
  hg::kernel::reduce<2>(ws, "test::moments", segments, length, Moments<Scalar>{in.data(), length},
                        Store<Scalar>{out.data()});
  return hg::to_host(exec, out);
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("segments of any length are summed exactly on integers", "[kernel]", test::Backends) {
  for (std::size_t const length : {1u, 2u, 15u, 16u, 17u, 255u, 256u, 257u, 4095u, 4096u, 4097u, 20000u})
    for (std::size_t const segments : {1u, 3u}) {
      hg::testing::Draws draws(length);
      auto const x = hg::testing::draw_integers(draws, segments * length, -3, 3);
      auto const sums = moments<TestType>(x, segments);
      for (std::size_t s = 0; s < segments; ++s) {
        double first = 0, second = 0;
        for (std::size_t i = 0; i < length; ++i) {
          first += x[s * length + i];
          second += x[s * length + i] * x[s * length + i];
        }
        CHECK(static_cast<double>(sums[2 * s]) == first);
        CHECK(static_cast<double>(sums[2 * s + 1]) == second);
      }
    }
}

TEST_CASE("an empty sum is zero", "[kernel]") { CHECK(moments<test::FloatBackend>({}, 1) == std::vector<float>{0, 0}); }

#ifdef KOKKOS_ENABLE_OPENMP
TEMPLATE_LIST_TEST_CASE("sums have the same bits for any number of threads", "[kernel]", test::Backends) {
  using B = TestType;
  hg::testing::Draws draws(5);
  auto const x = hg::testing::draw_uniform(draws, 100003, -1, 1);
  auto const one = moments<B>(x, 1, Kokkos::OpenMP(1));
  for (int const threads : {2, 3, 7}) CHECK(moments<B>(x, 1, Kokkos::OpenMP(threads)) == one);
}
#endif
