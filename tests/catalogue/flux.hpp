// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include <heliograd/loss/flux.hpp>
#include <heliograd/testing/op_case.hpp>
#include "catalogue/correlation.hpp"
#include "reference/flux.hpp"

namespace test {

inline std::vector<heliograd::testing::OpCase> flux_cases() {
  using namespace heliograd::testing;
  std::vector<OpCase> cases;
  for (bool const weighted : {false, true}) {
    std::string const with = weighted ? ", weights" : "";
    cases.push_back({"net_flux" + with, weighted_pair({2, 4, 4, 2}, weighted, 0.5),
                     [weighted](auto const& in) {
                       return heliograd::loss::net_flux(in.template var<4>(0), in.template var<4>(1),
                                                        weights_of(in, weighted));
                     },
                     reference::squared_flux([](auto b) { return b; }), !weighted});
    for (double const smooth : {0.0, 0.3}) {
      auto inputs = weighted_pair({3, 4, 5, 1}, weighted, 0.5);
      inputs[0].kinks = inputs[1].kinks = {0};
      cases.push_back({"unsigned_flux, smooth below " + std::to_string(smooth) + with, inputs,
                       [weighted, smooth](auto const& in) {
                         return heliograd::loss::unsigned_flux(in.template var<4>(0), in.template var<4>(1), smooth,
                                                               weights_of(in, weighted));
                       },
                       reference::squared_flux([smooth](auto b) { return std::sqrt(b * b + smooth * smooth); })});
    }
  }
  for (OpCase& c : cases) c.refusals = pair_refusals(c.inputs.size() > 2);
  return cases;
}

}  // namespace test
