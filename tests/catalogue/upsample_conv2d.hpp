// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <vector>

#include <heliograd/op/upsample_conv2d.hpp>
#include <heliograd/testing/op_case.hpp>
#include "reference/upsample_conv2d.hpp"

namespace test {

inline auto upsample_conv2d_cases() {
  using namespace heliograd::testing;
  using heliograd::Shape;

  auto const shape4 = [](HostTensor const& t) { return Shape<4>{t.shape[0], t.shape[1], t.shape[2], t.shape[3]}; };
  auto const op_case = [=](char const* name, std::vector<InputSpec> const& inputs, int factor) {
    auto const op = [=](auto const& in) {
      return heliograd::upsample_conv2d(in.template var<4>(0), in.template var<4>(1), in.template var<1>(2), factor);
    };
    auto const reference = [=](std::vector<HostTensor> const& in) {
      reference::UpsampleConv2d const pair(shape4(in[0]), shape4(in[1]), factor);
      HostTensor y = host_zeros({pair.conv.y.extent.begin(), pair.conv.y.extent.end()});
      y.values = pair.forward(in[0].values, in[1].values, in[2].values);
      return y;
    };
    OpCase result{name, inputs, op, reference};
    result.exact_on_integers = factor != 3;  // interpolation weights are eighths
    return result;
  };

  return std::vector{
      op_case("upsample_conv2d: factor 4", {{{2, 3, 4, 3}}, {{3, 3, 3, 17}}, {{17}}}, 4),
      op_case("upsample_conv2d: factor 2", {{{1, 4, 3, 5}}, {{3, 3, 5, 2}}, {{2}}}, 2),
      op_case("upsample_conv2d: factor 3", {{{1, 3, 3, 2}}, {{3, 3, 2, 3}}, {{3}}}, 3),
      op_case("upsample_conv2d: factor 1", {{{1, 4, 5, 2}}, {{3, 3, 2, 3}}, {{3}}}, 1),
      op_case("upsample_conv2d: one pixel", {{{1, 1, 1, 2}}, {{3, 3, 2, 3}}, {{3}}}, 2),
      op_case("upsample_conv2d: frozen weight and bias",
              {{{1, 3, 3, 2}}, {{3, 3, 2, 3}, -1, 1, false}, {{3}, -1, 1, false}}, 2),
  };
}

}  // namespace test
