// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <vector>

#include <heliograd/op/pad.hpp>
#include <heliograd/testing/op_case.hpp>
#include "reference/conv2d.hpp"

namespace test {

inline auto pad_cases() {
  using namespace heliograd::testing;
  using heliograd::Padding2d;
  using heliograd::PaddingMode;

  auto const op_case = [](char const* name, InputSpec const& x, Padding2d const& padding, PaddingMode mode) {
    auto const op = [=](auto const& in) { return heliograd::pad(in.template var<4>(0), padding, mode); };
    auto const reference = [=](std::vector<HostTensor> const& in) {
      auto const& shape = in[0].shape;
      HostTensor y = host_zeros({shape[0], shape[1] + static_cast<std::size_t>(padding.top + padding.bottom),
                                 shape[2] + static_cast<std::size_t>(padding.left + padding.right), shape[3]});
      for (std::size_t k = 0; k < y.size(); ++k) {
        std::size_t const c = k % shape[3];
        std::size_t const q = k / shape[3] % y.shape[2];
        std::size_t const p = k / shape[3] / y.shape[2] % y.shape[1];
        std::size_t const n = k / shape[3] / y.shape[2] / y.shape[1];
        int const h = reference::source(static_cast<int>(p) - padding.top, static_cast<int>(shape[1]), mode);
        int const w = reference::source(static_cast<int>(q) - padding.left, static_cast<int>(shape[2]), mode);
        if (h >= 0 && w >= 0)
          y.values[k] =
              in[0].values[((n * shape[1] + static_cast<std::size_t>(h)) * shape[2] + static_cast<std::size_t>(w)) *
                               shape[3] +
                           c];
      }
      return y;
    };
    OpCase result{name, {x}, op, reference, true};
    result.linear = true;
    result.per_image = {0};
    return result;
  };

  auto too_narrow = op_case("pad: refused", {{1, 4, 4, 1}}, {1, 0, 3, 3}, PaddingMode::reflect);
  too_narrow.refusals = {{{{1, 3, 3, 2}}, {"1 rows", "3 columns", "3 x 3"}}, {{{1, 1, 9, 1}}, {"1 x 9"}}};

  return std::vector{
      too_narrow,
      op_case("pad: zero", {{2, 3, 4, 3}}, {1, 2, 0, 3}, PaddingMode::zero),
      op_case("pad: reflect", {{2, 4, 3, 3}}, {3, 1, 2, 2}, PaddingMode::reflect),
      op_case("pad: replicate", {{2, 2, 3, 1}}, {3, 1, 4, 2}, PaddingMode::replicate),
      op_case("pad: periodic", {{1, 3, 4, 5}}, {1, 3, 4, 2}, PaddingMode::periodic),
      op_case("pad: replicate one pixel", {{1, 1, 1, 2}}, 2, PaddingMode::replicate),
      op_case("pad: nothing", {{1, 3, 2, 2}}, 0, PaddingMode::reflect),
  };
}

}  // namespace test
