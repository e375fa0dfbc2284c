// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <string>
#include <vector>

#include <heliograd/op/resample.hpp>
#include <heliograd/testing/op_case.hpp>
#include "reference/resample.hpp"

namespace test {

inline auto resample_cases() {
  using namespace heliograd::testing;
  using heliograd::Resampling;
  auto const make = [](std::string const& name, std::vector<std::size_t> const& shape, std::size_t height,
                       std::size_t width, heliograd::ResampleOptions options, bool exact = false) {
    OpCase op_case{"resample: " + name,
                   {{shape}},
                   [=](auto const& in) { return heliograd::resample(in.template var<4>(0), height, width, options); },
                   reference::resample(height, width, options),
                   exact};
    op_case.integer_range = 64;
    op_case.linear = true;
    op_case.second_order = op_case.linear;
    op_case.per_image = {0};
    op_case.double_bar = 5e-15;  // the reference's positions are in double as well, and wrong by their last place
    std::string const size =
        "nhwc(F.interpolate(nchw(x[0]), (" + std::to_string(height) + ", " + std::to_string(width) + ")";
    std::string const corners = options.align_corners ? "', align_corners=True))" : "'))";
    switch (options.method) {
      case Resampling::nearest: op_case.peer = options.align_corners ? "" : size + ", mode='nearest-exact'))"; break;
      case Resampling::bilinear: op_case.peer = size + ", mode='bilinear" + corners; break;
      case Resampling::bicubic: op_case.peer = options.cubic == -0.75 ? size + ", mode='bicubic" + corners : ""; break;
      case Resampling::area: op_case.peer = ""; break;  // PyTorch's takes whole pixels only: means of overlapping sets
    }
    if (options.method == Resampling::area && shape[1] % height == 0 && shape[2] % width == 0)
      op_case.peer = size + ", mode='area'))";
    return op_case;
  };
  auto refused = make("refused", {1, 3, 3, 1}, 2, 0, {});
  refused.reference = {};
  refused.peer = {};
  refused.refusals = {{{{1, 3, 3, 1}}, {"[1, 2, 0, 1]", "no pixels"}}, {{{1, 0, 4, 1}}, {"[1, 0, 4, 1]"}}};
  return std::vector{
      make("nearest, larger and smaller", {2, 5, 7, 3}, 8, 3, {Resampling::nearest}, true),
      make("bilinear x4, 17 channels", {1, 3, 4, 17}, 12, 16, {}, true),
      make("bilinear x4, 1 channel", {2, 3, 5, 1}, 12, 20, {}, true),
      make("bilinear x2, 3 channels", {1, 4, 3, 3}, 8, 6, {}, true),
      make("bilinear to 7 x 11, 8 channels", {2, 5, 4, 8}, 7, 11, {}),
      make("bilinear, smaller", {1, 9, 8, 2}, 4, 5, {}),
      make("bilinear, rows only", {1, 5, 4, 3}, 9, 4, {}),
      make("bilinear, columns only", {1, 4, 5, 9}, 4, 13, {}),
      make("bilinear from one pixel", {1, 1, 1, 3}, 4, 3, {}, true),
      make("the same size", {2, 4, 5, 3}, 4, 5, {Resampling::bicubic}, true),
      make("bicubic x4, 1 channel", {1, 5, 6, 1}, 20, 24, {Resampling::bicubic}),
      make("bicubic x2, 9 channels", {1, 5, 4, 9}, 10, 8, {Resampling::bicubic}),
      make("bicubic with Keys' own slope", {1, 6, 5, 1}, 7, 13, {Resampling::bicubic, -0.5}),
      make("bicubic from fewer pixels than the kernel", {1, 2, 3, 1}, 5, 7, {Resampling::bicubic}),
      make("bicubic, smaller", {1, 9, 7, 2}, 4, 5, {Resampling::bicubic}),
      make("area /4", {1, 8, 12, 1}, 2, 3, {Resampling::area}, true),
      make("area, sizes without a common factor", {2, 7, 11, 3}, 3, 4, {Resampling::area}),
      make("area, larger", {1, 3, 4, 2}, 5, 6, {Resampling::area}),
      make("bilinear x2 - 1, corners aligned", {2, 5, 3, 1}, 9, 5, {.align_corners = true}, true),
      make("bilinear, corners aligned, 9 channels", {1, 4, 7, 9}, 11, 3, {.align_corners = true}),
      make("bilinear to one pixel, corners aligned", {1, 4, 5, 2}, 1, 1, {.align_corners = true}, true),
      make("bicubic, corners aligned", {1, 5, 6, 1}, 8, 17, {Resampling::bicubic, -0.75, true}),
      make("nearest, corners aligned", {1, 5, 8, 3}, 12, 3, {Resampling::nearest, 0, true}, true),
      refused,
  };
}

}  // namespace test
