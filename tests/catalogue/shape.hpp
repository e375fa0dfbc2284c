// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <vector>

#include <heliograd/op/arithmetic.hpp>
#include <heliograd/op/shape.hpp>
#include <heliograd/testing/op_case.hpp>
#include "reference/channels.hpp"

namespace test {

inline auto shape_cases() {
  using namespace heliograd::testing;
  return std::vector{
      OpCase{"concat of 3, 1 and 9 channels",
             {{{2, 3, 5, 3}}, {{2, 3, 5, 1}}, {{2, 3, 5, 9}}},
             [](auto const& in) {
               return heliograd::concat(in.template var<4>(0), in.template var<4>(1), in.template var<4>(2));
             },
             reference::concat,
             true},
      OpCase{"concat of a Var with itself",
             {{{4, 3}}},
             [](auto const& in) { return heliograd::concat(in.template var<2>(0), in.template var<2>(0)); },
             [](std::vector<HostTensor> const& x) { return reference::concat({x[0], x[0]}); },
             true},
      OpCase{"slice_channels: 2 of 7",
             {{{2, 3, 5, 7}}},
             [](auto const& in) { return heliograd::slice_channels(in.template var<4>(0), 3, 2); },
             [](std::vector<HostTensor> const& x) { return reference::slice_channels(x[0], 3, 2); },
             true},
      OpCase{"slice_channels: two slices of one Var, overlapping",
             {{{5, 6}}},
             [](auto const& in) {
               auto const x = in.template var<2>(0);
               return heliograd::slice_channels(x, 0, 4) * heliograd::slice_channels(x, 2, 4);
             },
             [](std::vector<HostTensor> const& x) {
               auto y = reference::slice_channels(x[0], 0, 4);
               auto const other = reference::slice_channels(x[0], 2, 4);
               for (std::size_t i = 0; i < y.size(); ++i) y.values[i] *= other.values[i];
               return y;
             },
             true},
  };
}

}  // namespace test
