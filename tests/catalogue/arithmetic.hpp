// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include <heliograd/op/arithmetic.hpp>
#include <heliograd/op/reduce.hpp>
#include <heliograd/testing/op_case.hpp>
#include "reference/elementwise.hpp"

namespace test {

/// A user's formula: \f$ \sqrt{(a-b)^2 + \epsilon^2} \f$.
template <class Scalar>
struct Charbonnier {
  Scalar epsilon_squared;
  template <class T>
  KOKKOS_FUNCTION T operator()(T a, T b) const {
    using Kokkos::sqrt;
    T const d = a - b;
    return sqrt(d * d + T(epsilon_squared));
  }
};

inline auto arithmetic_cases() {
  using namespace heliograd::testing;
  using reference::elementwise;
  auto const sum_of_all = []<class T>(reference::Tensors<T> const& x) {
    auto y = host_zeros<T>({});
    for (T const& v : x[0].values) y.values[0] += v;
    return y;
  };
  auto const mean_of_all = [=](auto const& x) {
    auto y = sum_of_all(x);
    y.values[0] /= static_cast<double>(x[0].size());
    return y;
  };
  std::vector<InputSpec> const two = {{{2, 3, 5, 3}}, {{2, 3, 5, 3}}};
  std::vector cases{
      OpCase{"add", two, [](auto const& in) { return in.template var<4>(0) + in.template var<4>(1); },
             elementwise([](auto a, auto b) { return a + b; }), true},
      OpCase{"subtract", two, [](auto const& in) { return in.template var<4>(0) - in.template var<4>(1); },
             elementwise([](auto a, auto b) { return a - b; }), true},
      OpCase{"multiply", two, [](auto const& in) { return in.template var<4>(0) * in.template var<4>(1); },
             elementwise([](auto a, auto b) { return a * b; }), true},
      OpCase{"multiply: a Var with itself",
             {{{2, 3, 5, 3}}},
             [](auto const& in) {
               auto const x = in.template var<4>(0);
               return x * x;
             },
             elementwise([](auto a) { return a * a; }),
             true},
      OpCase{"divide",
             {{{4, 7}}, {{4, 7}, 0.5, 2.0}},
             [](auto const& in) { return in.template var<2>(0) / in.template var<2>(1); },
             elementwise([](auto a, auto b) { return a / b; })},
      OpCase{"affine",
             {{{17}}},
             [](auto const& in) { return heliograd::affine(in.template var<1>(0), 3.0, -2.0); },
             elementwise([](auto a) { return 3.0 * a - 2.0; }),
             true},
      OpCase{"pointwise: charbonnier", two,
             [](auto const& in) {
               auto const a = in.template var<4>(0);
               using Scalar = typename decltype(a)::scalar_type;
               return heliograd::pointwise("test::charbonnier", Charbonnier<Scalar>{Scalar(0.01)}, a,
                                           in.template var<4>(1));
             },
             elementwise([](auto a, auto b) { return std::sqrt((a - b) * (a - b) + 0.01); })},
      OpCase{"sum",
             {{{2, 3, 5, 3}}},
             [](auto const& in) { return heliograd::sum(in.template var<4>(0)); },
             sum_of_all,
             true},
      OpCase{
          "mean", {{{2, 3, 5, 3}}}, [](auto const& in) { return heliograd::mean(in.template var<4>(0)); }, mean_of_all},
  };
  std::map<std::string, std::string> const peers{
      {"add", "x[0] + x[1]"},     {"subtract", "x[0] - x[1]"},  {"multiply", "x[0] * x[len(x) - 1]"},
      {"divide", "x[0] / x[1]"},  {"affine", "3 * x[0] - 2"},   {"pointwise", "torch.sqrt((x[0] - x[1])**2 + 0.01)"},
      {"sum", "torch.sum(x[0])"}, {"mean", "torch.mean(x[0])"},
  };
  for (auto& c : cases) {
    c.peer = peers.at(op_name(c));
    c.linear = c.name != "divide" && c.name != "pointwise: charbonnier" && c.name != "multiply: a Var with itself";
    if (c.name != "sum" && c.name != "mean")
      for (std::size_t k = 0; k < c.inputs.size(); ++k) c.per_image.push_back(k);
    if (c.inputs.size() == 2 && c.name != "divide")
      c.refusals = {{{{2, 3, 5, 3}, {2, 3, 5, 1}}, {"[2, 3, 5, 3]", "[2, 3, 5, 1]"}}};
  }
  return cases;
}

}  // namespace test
