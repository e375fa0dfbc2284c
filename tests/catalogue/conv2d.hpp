// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <vector>

#include <heliograd/op/conv2d.hpp>
#include <heliograd/testing/op_case.hpp>
#include "reference/conv2d.hpp"

namespace test {

inline auto conv2d_cases() {
  using namespace heliograd::testing;
  using heliograd::Conv2dOptions;
  using heliograd::PaddingMode;
  using heliograd::Shape;

  auto const shape4 = [](HostTensor const& t) { return Shape<4>{t.shape[0], t.shape[1], t.shape[2], t.shape[3]}; };
  auto const reference = [=](Conv2dOptions const& options) {
    return [=](std::vector<HostTensor> const& in) {
      reference::Conv2d const conv(shape4(in[0]), shape4(in[1]), options);
      HostTensor y = host_zeros({conv.y.extent.begin(), conv.y.extent.end()});
      y.values = conv.forward(in[0].values, in[1].values, in.size() > 2 ? in[2].values : std::vector<double>{});
      return y;
    };
  };
  auto const with_bias = [](Conv2dOptions const& options) {
    return [=](auto const& in) {
      return heliograd::conv2d(in.template var<4>(0), in.template var<4>(1), in.template var<1>(2), options);
    };
  };
  auto const without_bias = [](Conv2dOptions const& options) {
    return [=](auto const& in) { return heliograd::conv2d(in.template var<4>(0), in.template var<4>(1), options); };
  };
  auto const op_case = [&](char const* name, std::vector<InputSpec> const& inputs, Conv2dOptions const& options) {
    return OpCase{name, inputs, with_bias(options), reference(options), true};
  };

  Conv2dOptions const reflect{1, 1, PaddingMode::reflect};
  return std::vector{
      op_case("conv2d: 3x3, reflect", {{{2, 5, 4, 3}}, {{3, 3, 3, 17}}, {{17}}}, reflect),
      op_case("conv2d: 3x3, replicate, one channel in", {{{1, 4, 6, 1}}, {{3, 3, 1, 16}}, {{16}}},
              {1, 1, PaddingMode::replicate}),
      op_case("conv2d: 3x3, zero, one channel out", {{{1, 4, 5, 16}}, {{3, 3, 16, 1}}, {{1}}},
              {1, 1, PaddingMode::zero}),
      op_case("conv2d: 1x1", {{{2, 3, 3, 8}}, {{1, 1, 8, 4}}, {{4}}}, {}),
      op_case("conv2d: 4x4, stride 2, periodic", {{{1, 6, 6, 2}}, {{4, 4, 2, 3}}, {{3}}},
              {2, 1, PaddingMode::periodic}),
      op_case("conv2d: 2x5, stride 3, lopsided padding", {{{1, 7, 5, 2}}, {{2, 5, 2, 2}}, {{2}}},
              {3, {0, 2, 3, 1}, PaddingMode::reflect}),
      OpCase{"conv2d: without bias", {{{1, 4, 4, 2}}, {{3, 3, 2, 3}}}, without_bias(reflect), reference(reflect), true},
      OpCase{"conv2d: frozen weight",
             {{{1, 4, 4, 2}}, {{3, 3, 2, 3}, -1, 1, false}},
             without_bias(reflect),
             reference(reflect),
             true},
      OpCase{"conv2d: constant image",
             {{{1, 4, 4, 2}, -1, 1, false}, {{3, 3, 2, 3}}},
             without_bias(reflect),
             reference(reflect),
             true},
  };
}

}  // namespace test
