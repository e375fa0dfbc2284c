// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <string>
#include <utility>
#include <vector>

#include <heliograd/core/copy.hpp>
#include <heliograd/op/pchip.hpp>
#include <heliograd/testing/op_case.hpp>
#include "reference/pchip.hpp"

namespace test {

struct PchipOp {
  Kokkos::View<double*, heliograd::testing::AnyOp::execution_space::memory_space> knots, points;
  template <class In>
  auto operator()(In const& in) const {
    return heliograd::pchip(in.template var<2>(0), knots, points, 2.5);
  }
};

inline auto pchip_cases() {
  using namespace heliograd::testing;
  std::vector<OpCase> cases;
  auto const add = [&](std::string const& name, std::size_t lines, std::vector<double> const& knots,
                       std::vector<double> const& points) {
    AnyOp::execution_space const exec;
    PchipOp op;
    op.knots = decltype(op.knots)("knots", knots.size());
    op.points = decltype(op.points)("points", points.size());
    heliograd::from_host(exec, op.knots, knots);
    heliograd::from_host(exec, op.points, points);
    OpCase one{
        "pchip: " + name, {{{lines, knots.size()}}}, op, [=](std::vector<HostTensor> const& in) {
          auto y = host_zeros({lines, points.size()});
          for (std::size_t i = 0; i < y.size(); ++i) {
            auto const begin = in[0].values.begin() + static_cast<std::ptrdiff_t>(i / points.size() * knots.size());
            double const at = points[i % points.size()];
            y.values[i] = at < knots.front() || at > knots.back()
                              ? 2.5
                              : reference::pchip(knots, {begin, begin + static_cast<std::ptrdiff_t>(knots.size())}, at);
          }
          return y;
        }};
    one.per_image = {0};
    one.second_order = true;
    cases.push_back(one);
    return one;
  };
  add("uneven knots, points in any order", 5, {-1, -0.7, 0, 0.1, 1.3, 2, 2.2},
      {2.1, -1, 0.05, -1.5, 0.6, 0.7, 0.1, 1.9, 2.2, -0.2, 3, -0.8, 1.31, 0.65});
  add("two knots", 3, {0, 2}, {0.3, 0, 2, 1.7, 2.01});
  add("three knots", 4, {0, 1, 4}, {0.2, 0.9, 1, 1.5, 3.5});
  add("many lines", 40, {0, 1, 2, 3, 4, 5}, {0.5, 1.5, 2.5, 3.5, 4.5, 0.1, 4.9});
  auto refused = add("refused", 1, {0, 1, 2}, {0.5});
  refused.reference = {};
  refused.refusals = {{{{2, 4}}, {"[2, 4]", "3 knots"}}};
  cases.back() = refused;
  return cases;
}

}  // namespace test
