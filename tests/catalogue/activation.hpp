// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include <heliograd/op/activation.hpp>
#include <heliograd/testing/op_case.hpp>
#include "reference/elementwise.hpp"
#include "reference/prelu.hpp"

namespace test {

inline auto activation_cases() {
  using namespace heliograd::testing;
  using reference::elementwise;
  std::vector<InputSpec> const kinked = {{{2, 3, 5, 3}, -2, 2, true, {0}}};
  std::vector<InputSpec> const smooth = {{{2, 3, 5, 3}, -6, 6}};
  auto const op_prelu = [](auto const& in) { return heliograd::prelu(in.template var<4>(0), in.template var<1>(1)); };
  auto const with_slopes = [](std::vector<std::size_t> x, std::size_t slopes) {
    return std::vector<InputSpec>{{x, -2, 2, true, {0}}, {{slopes}, 0.1, 0.4}};
  };
  std::vector cases{
      OpCase{"relu", kinked, [](auto const& in) { return heliograd::relu(in.template var<4>(0)); },
             elementwise([](auto x) { return reference::positive_part(x); }), true},
      OpCase{"leaky_relu", kinked, [](auto const& in) { return heliograd::leaky_relu(in.template var<4>(0), 0.25); },
             elementwise([](auto x) { return reference::real_part(x) > 0 ? x : 0.25 * x; }), true},
      OpCase{"tanh", smooth, [](auto const& in) { return heliograd::tanh(in.template var<4>(0)); },
             elementwise([](auto x) { return std::tanh(x); })},
      OpCase{"sigmoid", smooth, [](auto const& in) { return heliograd::sigmoid(in.template var<4>(0)); },
             elementwise([](auto x) { return 1.0 / (1.0 + std::exp(-x)); })},
      OpCase{"softplus", smooth, [](auto const& in) { return heliograd::softplus(in.template var<4>(0)); },
             elementwise([](auto x) { return std::log(1.0 + std::exp(x)); })},
      OpCase{"mish", smooth, [](auto const& in) { return heliograd::mish(in.template var<4>(0)); },
             elementwise([](auto x) { return x * std::tanh(std::log(1.0 + std::exp(x))); })},
      OpCase{"silu", smooth, [](auto const& in) { return heliograd::silu(in.template var<4>(0)); },
             elementwise([](auto x) { return x / (1.0 + std::exp(-x)); })},
      OpCase{"gelu", smooth, [](auto const& in) { return heliograd::gelu(in.template var<4>(0)); },
             elementwise([](double x) { return x * std::erfc(-x / std::sqrt(2.0)) / 2; })},
      OpCase{"elu", smooth, [](auto const& in) { return heliograd::elu(in.template var<4>(0), 0.75); },
             elementwise([](auto x) { return reference::real_part(x) > 0 ? x : 0.75 * (std::exp(x) - 1.0); })},
      OpCase{"prelu, one slope", with_slopes({2, 3, 5, 3}, 1), op_prelu, reference::prelu, true},
      OpCase{"prelu, one slope, many elements", with_slopes({1, 7, 11, 1}, 1), op_prelu, reference::prelu, true},
      OpCase{"prelu, a slope per channel", with_slopes({2, 3, 5, 3}, 3), op_prelu, reference::prelu, true},
      OpCase{"prelu, a slope for each of 37 channels", with_slopes({2, 2, 2, 37}, 37), op_prelu, reference::prelu,
             true},
  };
  std::map<std::string, std::string> const peers{
      {"relu", "F.relu(x[0])"},         {"leaky_relu", "F.leaky_relu(x[0], 0.25)"},
      {"tanh", "torch.tanh(x[0])"},     {"sigmoid", "torch.sigmoid(x[0])"},
      {"softplus", "F.softplus(x[0])"}, {"mish", "F.mish(x[0])"},
      {"silu", "F.silu(x[0])"},         {"gelu", "F.gelu(x[0])"},
      {"elu", "F.elu(x[0], 0.75)"},     {"prelu", "nhwc(F.prelu(nchw(x[0]), x[1]))"},
  };
  for (auto& c : cases) {
    c.per_image = {0};
    c.peer = peers.at(op_name(c));
  }
  return cases;
}

}  // namespace test
