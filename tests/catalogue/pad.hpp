// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <heliograd/op/pad.hpp>
#include <heliograd/testing/op_case.hpp>
#include "reference/conv2d.hpp"

namespace test {

/// One op type for all shapes.
inline heliograd::testing::OpCase pad_case(std::string const& name, heliograd::testing::InputSpec const& x,
                                           heliograd::Padding2d const& padding, heliograd::PaddingMode mode) {
  using namespace heliograd::testing;
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
  char const* const modes[] = {"constant", "reflect", "replicate", "circular"};
  result.peer = "nhwc(F.pad(nchw(x[0]), (" + std::to_string(padding.left) + "," + std::to_string(padding.right) + "," +
                std::to_string(padding.top) + "," + std::to_string(padding.bottom) + "), '" +
                modes[static_cast<int>(mode)] + "'))";
  return result;
}

inline auto pad_cases() {
  using heliograd::PaddingMode;
  auto too_narrow = pad_case("pad: refused", {{1, 4, 4, 1}}, {1, 0, 3, 3}, PaddingMode::reflect);
  too_narrow.refusals = {{{{1, 3, 3, 2}}, {"1 rows", "3 columns", "3 x 3"}}, {{{1, 1, 9, 1}}, {"1 x 9"}}};

  return std::vector{
      too_narrow,
      pad_case("pad: zero", {{2, 3, 4, 3}}, {1, 2, 0, 3}, PaddingMode::zero),
      pad_case("pad: reflect", {{2, 4, 3, 3}}, {3, 1, 2, 2}, PaddingMode::reflect),
      pad_case("pad: replicate", {{2, 2, 3, 1}}, {3, 1, 4, 2}, PaddingMode::replicate),
      pad_case("pad: periodic", {{1, 3, 4, 5}}, {1, 3, 4, 2}, PaddingMode::periodic),
      pad_case("pad: replicate one pixel", {{1, 1, 1, 2}}, 2, PaddingMode::replicate),
      pad_case("pad: nothing", {{1, 3, 2, 2}}, 0, PaddingMode::reflect),
  };
}

/// Every mode with every padding that fits: thousands of small problems.
inline auto pad_sweep() {
  using heliograd::PaddingMode;
  std::vector<heliograd::testing::OpCase> cases;
  std::vector<std::pair<std::size_t, std::size_t>> const sizes{{1, 1}, {1, 7}, {5, 5}, {8, 7}, {16, 17}};
  std::vector<heliograd::Padding2d> const paddings{0, 1, {0, 2, 3, 1}, {1, 0, 0, 0}, {0, 0, 5, 4}, 16};
  for (std::size_t const n : {1u, 2u})
    for (std::size_t const c : {1u, 3u, 16u, 17u})
      for (auto const& [h, w] : sizes)
        for (auto const mode : {PaddingMode::zero, PaddingMode::reflect, PaddingMode::replicate, PaddingMode::periodic})
          for (auto const& padding : paddings) {
            std::size_t const rows = static_cast<std::size_t>(std::max(padding.top, padding.bottom));
            std::size_t const columns = static_cast<std::size_t>(std::max(padding.left, padding.right));
            std::size_t const more = mode == PaddingMode::reflect ? 1 : 0;
            bool const any = mode == PaddingMode::zero || mode == PaddingMode::replicate;
            if (!any && ((rows > 0 && rows + more > h) || (columns > 0 && columns + more > w))) continue;
            cases.push_back(pad_case("pad: " + to_string(mode) + " " + std::to_string(padding.top) + "," +
                                         std::to_string(padding.bottom) + "," + std::to_string(padding.left) + "," +
                                         std::to_string(padding.right) + " of " + std::to_string(n) + " x " +
                                         std::to_string(h) + " x " + std::to_string(w) + " x " + std::to_string(c),
                                     {{n, h, w, c}}, padding, mode));
          }
  return cases;
}

}  // namespace test
