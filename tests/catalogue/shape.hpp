// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <map>
#include <string>
#include <vector>

#include <heliograd/op/arithmetic.hpp>
#include <heliograd/op/shape.hpp>
#include <heliograd/testing/op_case.hpp>
#include "reference/channels.hpp"

namespace test {

inline auto shape_cases() {
  using namespace heliograd::testing;
  std::vector cases{
      OpCase{"concat: 3, 1 and 9 channels",
             {{{2, 3, 5, 3}}, {{2, 3, 5, 1}}, {{2, 3, 5, 9}}},
             [](auto const& in) {
               return heliograd::concat(in.template var<4>(0), in.template var<4>(1), in.template var<4>(2));
             },
             reference::concat,
             true},
      OpCase{"concat: a Var with itself",
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
      OpCase{"split_channels: 2, 1 and 4, of which the first is not used",
             {{{3, 2, 7}}},
             [](auto const& in) {
               auto const parts = heliograd::split_channels(in.template var<3>(0), 2, 1, 4);
               return heliograd::concat(parts[2], parts[1], parts[2]);
             },
             [](std::vector<HostTensor> const& x) {
               auto const last = reference::slice_channels(x[0], 3, 4);
               return reference::concat({last, reference::slice_channels(x[0], 2, 1), last});
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
  std::map<std::string, std::string> const peers{
      {"concat: 3, 1 and 9 channels", "torch.cat(x, -1)"},
      {"concat: a Var with itself", "torch.cat([x[0], x[0]], -1)"},
      {"slice_channels: 2 of 7", "x[0][..., 3:5]"},
      {"slice_channels: two slices of one Var, overlapping", "x[0][..., 0:4] * x[0][..., 2:6]"},
      {"split_channels: 2, 1 and 4, of which the first is not used",
       "(lambda p: torch.cat([p[2], p[1], p[2]], -1))(x[0].split([2, 1, 4], -1))"},
      {"slice: rows 1 and 2 of 4", "x[0][:, 1:3]"},
      {"slice: the last image", "x[0][2:3]"},
      {"concat_along: columns", "torch.cat(x, 2)"},
      {"repeat_channels: 2 channels 5 times", "x[0].repeat(1, 1, 5)"},
      {"permute: {2, 0, 3, 1}", "x[0].permute(2, 0, 3, 1)"},
  };
  for (auto& c : cases) {
    c.second_order = true;
    c.linear = c.name.find("two slices") == std::string::npos;
    if (op_name(c) == "concat" || op_name(c) == "slice_channels" || op_name(c) == "split_channels")
      for (std::size_t k = 0; k < c.inputs.size(); ++k) c.per_image.push_back(k);
    if (auto const peer = peers.find(c.name); peer != peers.end()) c.peer = peer->second;
    if (c.name == "concat: 3, 1 and 9 channels")
      c.refusals = {{{{2, 3, 5, 3}, {2, 3, 4, 1}, {2, 3, 5, 9}}, {"[2, 3, 4, 1]", "[2, 3, 5, 3]"}}};
    if (op_name(c) == "split_channels") c.refusals = {{{{3, 2, 8}}, {"7 channels together", "[3, 2, 8]"}}};
    if (c.name == "slice_channels: 2 of 7")
      c.refusals = {{{{2, 3, 5, 4}}, {"2 channels from channel 3", "[2, 3, 5, 4]"}}};
  }
  return cases;
}

}  // namespace test
