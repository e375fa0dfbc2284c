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
      OpCase{"slice: rows 1 and 2 of 4",
             {{{2, 4, 3, 2}}},
             [](auto const& in) { return heliograd::slice(in.template var<4>(0), 1, 1, 2); },
             [](std::vector<HostTensor> const& x) {
               auto y = reference::permute(x[0], {0, 2, 3, 1});
               return reference::permute(reference::slice_channels(y, 1, 2), {0, 3, 1, 2});
             },
             true},
      OpCase{"slice: the last image",
             {{{3, 2, 2, 2}}},
             [](auto const& in) { return heliograd::slice(in.template var<4>(0), 0, 2, 1); },
             [](std::vector<HostTensor> const& x) {
               auto y = reference::permute(x[0], {1, 2, 3, 0});
               return reference::permute(reference::slice_channels(y, 2, 1), {3, 0, 1, 2});
             },
             true},
      OpCase{"concat_along: columns",
             {{{2, 3, 2, 2}}, {{2, 3, 4, 2}}},
             [](auto const& in) { return heliograd::concat_along(2, in.template var<4>(0), in.template var<4>(1)); },
             [](std::vector<HostTensor> const& x) {
               return reference::permute(
                   reference::concat({reference::permute(x[0], {0, 1, 3, 2}), reference::permute(x[1], {0, 1, 3, 2})}),
                   {0, 1, 3, 2});
             },
             true},
      OpCase{"repeat_channels: 2 channels 5 times",
             {{{2, 3, 2}}},
             [](auto const& in) { return heliograd::repeat_channels(in.template var<3>(0), 5); },
             [](std::vector<HostTensor> const& x) { return reference::concat({x[0], x[0], x[0], x[0], x[0]}); },
             true},
      OpCase{"permute: {2, 0, 3, 1}",
             {{{2, 3, 4, 5}}},
             [](auto const& in) { return heliograd::permute(in.template var<4>(0), {2, 0, 3, 1}); },
             [](std::vector<HostTensor> const& x) { return reference::permute(x[0], {2, 0, 3, 1}); },
             true},
  };
}

}  // namespace test
