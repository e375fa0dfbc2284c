// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <string>
#include <vector>

#include <heliograd/op/arithmetic.hpp>
#include <heliograd/op/pool.hpp>
#include <heliograd/op/reduce.hpp>
#include <heliograd/testing/op_case.hpp>
#include "reference/pool.hpp"

namespace test {

struct PoolOp {
  heliograd::PoolOptions options;
  bool maxima;
  template <class In>
  auto operator()(In const& in) const {
    auto const x = in.template var<4>(0);
    return maxima ? heliograd::max_pool(x, options) : heliograd::average_pool(x, options);
  }
};

inline auto pool_cases() {
  using namespace heliograd::testing;
  using heliograd::PoolOptions;
  std::vector<OpCase> cases;
  auto const add = [&](std::string const& name, Extents const& shape, PoolOptions const& options) {
    for (bool const maxima : {false, true}) {
      OpCase one{(maxima ? "max_pool: " : "average_pool: ") + name,
                 {{shape}},
                 PoolOp{options, maxima},
                 [=](std::vector<HostTensor> const& in) { return reference::pool(in[0], options, maxima); }};
      // Means over 4 or 16 numbers are exact; the slope of a maximum is not, where integers are equal.
      one.exact_on_integers = options.count_padding || maxima;
      one.linear = !maxima;
      one.second_order = true;
      one.per_image = {0};
      if (!options.count_padding || options.padding == heliograd::Padding2d(0)) {
        std::string const symmetric = std::to_string(options.padding.top);
        bool const same =
            options.padding == heliograd::Padding2d(options.padding.top) && 2 * options.padding.top <= options.size;
        std::string const window =
            std::to_string(options.size) + ", " + std::to_string(options.stride) + ", " + symmetric;
        if (same)
          one.peer = maxima ? "nhwc(F.max_pool2d(nchw(x[0]), " + window + "))"
                            : "nhwc(F.avg_pool2d(nchw(x[0]), " + window + ", count_include_pad=False))";
      }
      cases.push_back(one);
    }
  };
  add("3 in steps of 2, padding 1", {2, 8, 8, 4}, {3, 2, 1});
  add("3 in steps of 2, padding 1, odd sides", {1, 7, 9, 3}, {3, 2, 1});
  add("3 in steps of 2, padding 1, one pixel", {1, 1, 1, 1}, {3, 2, 1});
  add("2 in steps of 2, 17 channels", {2, 6, 4, 17}, {2, 2, 0, true});
  add("2 in steps of 2, a row left over", {1, 5, 7, 1}, {});
  add("4 in steps of 1", {1, 6, 5, 2}, {4, 1, 0, true});
  add("2 in steps of 3", {1, 8, 9, 2}, {2, 3, 0});
  add("4 in steps of 2, uneven padding, counted", {1, 5, 6, 3}, {4, 2, {1, 2, 0, 3}, true});
  add("5 in steps of 3, uneven padding", {1, 7, 6, 1}, {5, 3, {2, 0, 4, 1}});

  OpCase refused = cases.front();
  refused.name = "average_pool: refused";
  refused.op = PoolOp{{5, 2, 1}, false};
  refused.reference = {};
  refused.peer = {};
  refused.refusals = {{{{1, 2, 9, 1}}, {"windows of 5", "4 x 11", "[1, 2, 9, 1]"}}};
  cases.push_back(refused);
  refused.op = PoolOp{{3, 2, 3}, true};
  refused.refusals = {{{{1, 9, 9, 1}}, {"padding of 3", "windows of 3"}}};
  cases.push_back(refused);

  for (Extents const& shape : {Extents{2, 4, 4, 5}, {1, 16, 8, 3}, {3, 1, 1, 2}, {1, 7, 9, 1}}) {
    OpCase one{"global_average_pool: " + std::to_string(shape[1]) + " x " + std::to_string(shape[2]),
               {{shape}},
               [](auto const& in) { return heliograd::global_average_pool(in.template var<4>(0)); },
               [](std::vector<HostTensor> const& in) {
                 auto const& s = in[0].shape;
                 auto y = host_zeros({s[0], s[3]});
                 for (std::size_t i = 0; i < in[0].size(); ++i)
                   y.values[i / s[3] / (s[1] * s[2]) * s[3] + i % s[3]] +=
                       in[0].values[i] / static_cast<double>(s[1] * s[2]);
                 return y;
               }};
    one.exact_on_integers = shape[2] != 9;
    one.linear = true;
    one.second_order = one.linear;
    one.per_image = {0};
    one.peer = "x[0].mean((1, 2))";
    cases.push_back(one);
  }
  OpCase scales{"pyramid: 3 scales",
                {{{1, 9, 8, 2}}},
                [](auto const& in) { return heliograd::pyramid(in.template var<4>(0), 3).back(); },
                [](std::vector<HostTensor> const& in) {
                  return reference::pool(reference::pool(in[0], {3, 2, 1}, false), {3, 2, 1}, false);
                }};
  scales.linear = true;
  scales.second_order = scales.linear;
  cases.push_back(scales);
  return cases;
}

}  // namespace test
