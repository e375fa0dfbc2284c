// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <set>
#include <string>
#include <vector>

#include <heliograd/op/channel_sum.hpp>
#include <heliograd/op/dot.hpp>
#include <heliograd/op/image_sum.hpp>
#include <heliograd/testing/op_case.hpp>

namespace test {

inline std::vector<heliograd::testing::OpCase> image_sum_cases() {
  using namespace heliograd::testing;
  std::vector<OpCase> cases;
  for (Extents const& shape : {Extents{3, 4, 5, 2}, Extents{1, 1, 1, 1}, Extents{2, 70, 60, 1}}) {
    std::size_t const length = shape[1] * shape[2] * shape[3];
    cases.push_back({"image_sum",
                     {{shape}},
                     [](auto const& in) { return heliograd::image_sum(in.template var<4>(0)); },
                     [length](std::vector<HostTensor> const& in) {
                       auto y = host_zeros({in[0].shape[0]});
                       for (std::size_t i = 0; i < in[0].size(); ++i) y.values[i / length] += in[0].values[i];
                       return y;
                     },
                     true});
    cases.push_back({"image_spread",
                     {{{shape[0]}}},
                     [shape](auto const& in) {
                       return heliograd::image_spread(in.template var<1>(0),
                                                      heliograd::Shape<4>{shape[0], shape[1], shape[2], shape[3]});
                     },
                     [shape, length](std::vector<HostTensor> const& in) {
                       auto y = host_zeros(shape);
                       for (std::size_t i = 0; i < y.size(); ++i) y.values[i] = in[0].values[i / length];
                       return y;
                     },
                     true});
    cases.back().refusals = {{{{shape[0] + 1}}, {"image_spread", "[" + std::to_string(shape[0] + 1) + "]"}}};
  }
  for (OpCase& c : cases)
    if (c.name == "image_sum") c.per_image = {0};

  // One number per channel, and of all: channel_sum, channel_spread, dot, scale. Linear in each input.
  for (Extents const& shape : {Extents{2, 3, 5, 3}, Extents{1, 1, 70, 1}, Extents{1, 3, 2, 17}}) {
    std::size_t const channels = shape[3];
    heliograd::Shape<4> const to{shape[0], shape[1], shape[2], channels};
    cases.push_back({"channel_sum",
                     {{shape}},
                     [](auto const& in) { return heliograd::channel_sum(in.template var<4>(0)); },
                     [channels](auto const& in) {
                       auto y = in[0];
                       y.shape = {channels};
                       y.values.assign(channels, 0);
                       for (std::size_t i = 0; i < in[0].size(); ++i) y.values[i % channels] += in[0].values[i];
                       return y;
                     },
                     true});
    for (std::size_t const count : std::set<std::size_t>{1, channels}) {
      cases.push_back({"channel_spread: of " + std::to_string(count),
                       {{{count}}},
                       [to](auto const& in) { return heliograd::channel_spread(in.template var<1>(0), to); },
                       [shape, count](std::vector<HostTensor> const& in) {
                         auto y = host_zeros(shape);
                         for (std::size_t i = 0; i < y.size(); ++i) y.values[i] = in[0].values[i % count];
                         return y;
                       },
                       true});
      cases.back().refusals = {{{{channels + 1}}, {"channel_spread", "[" + std::to_string(channels + 1) + "]"}}};
    }
    cases.push_back({"dot",
                     {{shape}, {shape}},
                     [](auto const& in) { return heliograd::dot(in.template var<4>(0), in.template var<4>(1)); },
                     []<class T>(std::vector<HostTensorOf<T>> const& in) {
                       auto y = host_zeros<T>({});
                       for (std::size_t i = 0; i < in[0].size(); ++i) y.values[0] += in[0].values[i] * in[1].values[i];
                       return y;
                     },
                     true});
    cases.back().peer = "torch.sum(x[0] * x[1])";
    cases.back().refusals = {{{shape, {1, 2, 2, 1}}, {"dot", "[1, 2, 2, 1]", "equal shapes"}}};
    cases.push_back({"scale",
                     {{Extents{}}, {shape}},
                     [](auto const& in) { return heliograd::scale(in.template var<0>(0), in.template var<4>(1)); },
                     [](auto const& in) {
                       auto y = in[1];
                       for (auto& v : y.values) v *= in[0].values[0];
                       return y;
                     },
                     true});
    cases.back().peer = "x[0] * x[1]";
  }
  for (OpCase& c : cases) {
    c.linear = true;
    c.second_order = true;
    c.double_bar = 1e-14;  // sums of 4200 numbers of either sign
  }
  return cases;
}

}  // namespace test
