// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <string>
#include <vector>

#include <heliograd/op/conv_transpose2d.hpp>
#include <heliograd/testing/op_case.hpp>
#include "reference/conv_transpose2d.hpp"

namespace test {

inline std::vector<heliograd::testing::OpCase> conv_transpose2d_cases() {
  using namespace heliograd::testing;
  using heliograd::ConvTranspose2dOptions;
  using heliograd::Shape;

  auto const shape4 = [](Extents const& e) { return Shape<4>{e[0], e[1], e[2], e[3]}; };
  auto const op_case = [=](char const* name, std::vector<InputSpec> const& inputs,
                           ConvTranspose2dOptions const& options, std::vector<Refusal> const& refusals = {}) {
    bool const biased = inputs.size() > 2;
    OpCase c{std::string("conv_transpose2d: ") + name, inputs, [options, biased](auto const& in) {
               auto const x = in.template var<4>(0);
               auto const weight = in.template var<4>(1);
               return biased ? heliograd::conv_transpose2d(x, weight, in.template var<1>(2), options)
                             : heliograd::conv_transpose2d(x, weight, options);
             }};
    c.reference = [=](std::vector<HostTensor> const& in) {
      reference::ConvTranspose2d const conv(shape4(in[0].shape), shape4(in[1].shape), options);
      HostTensor y = host_zeros({conv.y.extent.begin(), conv.y.extent.end()});
      y.values = conv.forward(in[0].values, in[1].values, biased ? in[2].values : std::vector<double>{});
      return y;
    };
    c.exact_on_integers = true;
    c.linear = true;
    c.second_order = true;
    c.per_image = {0};
    c.refusals = refusals;
    c.work = [=](std::vector<Extents> const& shapes) {
      auto const y = heliograd::kernel::conv_transpose2d_shape(shape4(shapes[0]), shape4(shapes[1]), options);
      double const terms = static_cast<double>(shapes[1][0] * shapes[1][1] * shapes[1][2]);
      return Work{2 * terms * static_cast<double>(shape4(shapes[0]).size()),
                  4 * static_cast<double>(shape4(shapes[0]).size() + shape4(shapes[1]).size() + y.size())};
    };
    // PyTorch pads both sides alike; its weights are [c_in, c_out / groups, kh, kw], which is the same permutation of ours
    // as a convolution's.
    auto const& p = options.padding;
    if (p.top == p.bottom && p.left == p.right)
      c.peer = std::string("nhwc(F.conv_transpose2d(nchw(x[0]), oihw(x[1]), ") + (biased ? "x[2]" : "None") +
               ", stride=" + std::to_string(options.stride) + ", padding=(" + std::to_string(p.top) + ", " +
               std::to_string(p.left) + "), output_padding=" + std::to_string(options.output_padding) +
               ", dilation=" + std::to_string(options.dilation) + ", groups=" + std::to_string(options.groups) + "))";
    return c;
  };

  return {
      op_case("4x4, stride 2", {{{2, 3, 4, 5}}, {{4, 4, 3, 5}}, {{3}}}, {.stride = 2, .padding = 1},
              {{{{2, 3, 4, 5}, {4, 4, 5, 3}, {5}}, {"[2, 3, 4, 5]", "[4, 4, 5, 3]", "3 channels"}},
               {{{2, 3, 4, 5}, {4, 4, 3, 5}, {5}}, {"[5]", "[4, 4, 3, 5]"}},
               {{{2, 1, 1, 5}, {1, 1, 3, 5}, {3}}, {"[2, 1, 1, 5]", "cut off"}}}),
      op_case("4x4, stride 2, one channel out", {{{1, 3, 5, 18}}, {{4, 4, 1, 18}}, {{1}}}, {.stride = 2, .padding = 1}),
      op_case("4x4, stride 2, many channels", {{{1, 2, 3, 17}}, {{4, 4, 18, 17}}}, {.stride = 2, .padding = 1}),
      op_case("3x3, stride 2, output padding 1", {{{2, 4, 3, 4}}, {{3, 3, 6, 4}}, {{6}}},
              {.stride = 2, .padding = 1, .output_padding = 1}),
      op_case("2x2, stride 3: gaps between filters", {{{1, 3, 3, 2}}, {{2, 2, 3, 2}}, {{3}}}, {.stride = 3}),
      op_case("5x5, stride 1", {{{1, 3, 4, 2}}, {{5, 5, 3, 2}}}, {.padding = 2}),
      op_case("3x3, stride 3, lopsided padding, output padding 2", {{{1, 3, 2, 2}}, {{3, 3, 2, 2}}, {{2}}},
              {.stride = 3, .padding = {1, 0, 2, 1}, .output_padding = 2}),
      op_case("3x2, dilated, two groups", {{{2, 4, 3, 4}}, {{3, 2, 3, 4}}, {{6}}},
              {.stride = 2, .padding = 1, .dilation = 2, .groups = 2}),
  };
}

}  // namespace test
