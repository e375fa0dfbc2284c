// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <string>
#include <vector>

#include <heliograd/op/conv2d.hpp>
#include <heliograd/testing/op_case.hpp>
#include "reference/conv2d.hpp"

namespace test {

/// What PyTorch calls the same convolution.
inline std::string conv2d_peer(heliograd::Conv2dOptions const& o, bool biased) {
  auto const& p = o.padding;
  std::string x = "nchw(x[0])";
  if (p != heliograd::Padding2d(0)) {
    std::string const mode = o.mode == heliograd::PaddingMode::zero       ? "constant"
                             : o.mode == heliograd::PaddingMode::periodic ? "circular"
                                                                          : to_string(o.mode);
    x = "F.pad(" + x + ", (" + std::to_string(p.left) + ", " + std::to_string(p.right) + ", " + std::to_string(p.top) +
        ", " + std::to_string(p.bottom) + "), mode='" + mode + "')";
  }
  return "nhwc(F.conv2d(" + x + ", oihw(x[1]), " + (biased ? "x[2]" : "None") + ", stride=" + std::to_string(o.stride) +
         ", dilation=" + std::to_string(o.dilation) + ", groups=" + std::to_string(o.groups) + "))";
}

inline std::vector<heliograd::testing::OpCase> conv2d_cases() {
  using namespace heliograd::testing;
  using heliograd::Conv2dOptions;
  using heliograd::ConvAlgorithm;
  using heliograd::PaddingMode;
  using heliograd::Shape;

  auto const shape4 = [](Extents const& e) { return Shape<4>{e[0], e[1], e[2], e[3]}; };
  auto const op_case = [=](char const* name, std::vector<InputSpec> const& inputs, Conv2dOptions const& options,
                           std::vector<Refusal> const& refusals = {}) {
    bool const biased = inputs.size() > 2;
    OpCase c{std::string("conv2d: ") + name, inputs, [options, biased](auto const& in) {
               auto const x = in.template var<4>(0);
               auto const weight = in.template var<4>(1);
               return biased ? heliograd::conv2d(x, weight, in.template var<1>(2), options)
                             : heliograd::conv2d(x, weight, options);
             }};
    c.reference = [=](std::vector<HostTensor> const& in) {
      reference::Conv2d const conv(shape4(in[0].shape), shape4(in[1].shape), options);
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
      auto const y = heliograd::kernel::conv2d_shape(shape4(shapes[0]), shape4(shapes[1]), options);
      double const terms = static_cast<double>(shapes[1][0] * shapes[1][1] * shapes[1][2]);
      return Work{2 * terms * static_cast<double>(y.size()),
                  4 * static_cast<double>(shape4(shapes[0]).size() + shape4(shapes[1]).size() + y.size())};
    };
    c.peer = conv2d_peer(options, biased);
    return c;
  };
  auto const with_algorithm = [](Conv2dOptions options, ConvAlgorithm algorithm) {
    options.algorithm = algorithm;
    return options;
  };

  Conv2dOptions const reflect{.padding = 1, .mode = PaddingMode::reflect};
  Conv2dOptions const halving{.stride = 2, .padding = 1};
  return {
      op_case("3x3, reflect", {{{2, 5, 4, 3}}, {{3, 3, 3, 17}}, {{17}}}, reflect,
              {{{{2, 5, 4, 4}, {3, 3, 3, 17}, {17}}, {"[2, 5, 4, 4]", "[3, 3, 3, 17]", "3 channels"}},
               {{{2, 5, 4, 3}, {3, 3, 3, 17}, {16}}, {"[16]", "[3, 3, 3, 17]"}},
               {{{2, 1, 4, 3}, {3, 3, 3, 17}, {17}}, {"1 x 4", "use replicate or zero"}}}),
      op_case("3x3, replicate, one channel in", {{{1, 4, 6, 1}}, {{3, 3, 1, 16}}, {{16}}},
              {.padding = 1, .mode = PaddingMode::replicate}),
      op_case("3x3, zero, one channel out", {{{1, 4, 5, 16}}, {{3, 3, 16, 1}}, {{1}}}, {.padding = 1}),
      op_case("4x4, stride 2, thin, replicate", {{{1, 6, 7, 2}}, {{4, 4, 2, 19}}, {{19}}},
              with_algorithm({.stride = 2, .padding = 1, .mode = PaddingMode::replicate}, ConvAlgorithm::thin)),
      op_case("3x3, Winograd F(2, 3), reflect", {{{2, 5, 6, 5}}, {{3, 3, 5, 18}}, {{18}}},
              with_algorithm(reflect, ConvAlgorithm::winograd_f2)),
      op_case("1x1", {{{2, 3, 3, 8}}, {{1, 1, 8, 4}}, {{4}}}, {}),
      op_case("4x4, stride 2", {{{2, 4, 6, 2}}, {{4, 4, 2, 18}}, {{18}}}, halving),
      op_case("4x4, stride 2, polyphase, replicate", {{{1, 6, 6, 2}}, {{4, 4, 2, 18}}, {{18}}},
              with_algorithm({.stride = 2, .padding = {1, 0, 2, 1}, .mode = PaddingMode::replicate},
                             ConvAlgorithm::polyphase)),
      op_case("4x4, stride 2, tap by tap", {{{2, 4, 5, 3}}, {{4, 4, 3, 18}}, {{18}}},
              with_algorithm(halving, ConvAlgorithm::taps)),
      op_case("4x4, stride 2, periodic", {{{1, 6, 6, 2}}, {{4, 4, 2, 3}}, {{3}}},
              {.stride = 2, .padding = 1, .mode = PaddingMode::periodic}),
      op_case("2x5, stride 3, lopsided padding", {{{1, 7, 5, 2}}, {{2, 5, 2, 2}}, {{2}}},
              {.stride = 3, .padding = {0, 2, 3, 1}, .mode = PaddingMode::reflect}),
      op_case("3x3, dilated, stride 2", {{{1, 9, 8, 3}}, {{3, 3, 3, 4}}, {{4}}},
              {.stride = 2, .padding = 2, .dilation = 2}),
      op_case("3x3, two groups", {{{2, 4, 5, 6}}, {{3, 3, 3, 4}}, {{4}}}, {.padding = 1, .groups = 2},
              {{{{2, 4, 5, 6}, {3, 3, 6, 4}, {4}}, {"[2, 4, 5, 6]", "12 channels", "2 groups"}},
               {{{2, 4, 5, 6}, {3, 3, 3, 5}, {5}}, {"[3, 3, 3, 5]", "divide into 2 groups"}}}),
      op_case("5x5, depthwise", {{{1, 6, 5, 3}}, {{5, 5, 1, 3}}, {{3}}},
              {.padding = 2, .mode = PaddingMode::replicate, .groups = 3}),
      op_case("without bias", {{{1, 4, 4, 2}}, {{3, 3, 2, 3}}}, reflect),
      op_case("frozen weight", {{{1, 4, 4, 2}}, {{3, 3, 2, 3}, -1, 1, false}}, reflect),
      op_case("constant image", {{{1, 4, 4, 2}, -1, 1, false}, {{3, 3, 2, 3}}}, reflect),
  };
}

}  // namespace test
