// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <string>
#include <vector>

#include <heliograd/loss/correlation.hpp>
#include <heliograd/testing/op_case.hpp>
#include "reference/correlation.hpp"
#include "reference/pool.hpp"

namespace test {

/// The third input as weights, if it is there.
template <class B>
heliograd::TensorRef<4, B> weights_of(heliograd::testing::Inputs<B> const& in, bool weighted) {
  if (!weighted) return {};
  return in.template var<4>(2).value;
}

/// Two images, and weights of which a quarter are not positive.
inline std::vector<heliograd::testing::InputSpec> weighted_pair(heliograd::testing::Extents const& shape, bool weighted,
                                                                double offset = 0) {
  std::vector<heliograd::testing::InputSpec> inputs{{shape, -1, 1}, {shape, -1 + offset, 2 + offset}};
  if (weighted) inputs.push_back({shape, -0.5, 1.5, false});
  return inputs;
}

/// Two images of different shapes, and weights of another.
inline std::vector<heliograd::testing::Refusal> pair_refusals(bool weighted) {
  if (!weighted) return {{{{2, 3, 3, 1}, {2, 3, 4, 1}}, {"[2, 3, 3, 1]", "[2, 3, 4, 1]", "must be equal"}}};
  return {{{{1, 2, 2, 1}, {1, 2, 2, 1}, {1, 2, 3, 1}}, {"[1, 2, 2, 1]", "[1, 2, 3, 1]", "weights"}}};
}

inline std::vector<heliograd::testing::OpCase> correlation_cases() {
  using namespace heliograd::testing;
  using heliograd::Agreement;
  std::vector<OpCase> cases;
  auto const add = [&](std::string const& name, Extents const& shape, heliograd::CorrelationOptions const& options,
                       bool weighted, double offset = 0) {
    std::size_t const parts = options.each_image ? shape[0] : 1;
    cases.push_back({name, weighted_pair(shape, weighted, offset),
                     [options, weighted](auto const& in) {
                       return heliograd::loss::correlation(in.template var<4>(0), in.template var<4>(1), options,
                                                           weights_of(in, weighted));
                     },
                     reference::disagreement(options.agreement == Agreement::concordance, options.epsilon, parts)});
    cases.back().refusals = pair_refusals(weighted);
  };
  add("correlation, concordance", {1, 7, 9, 1}, {}, false);
  add("correlation, concordance of each image", {3, 4, 5, 2}, {.each_image = true}, false, 2);
  add("correlation, concordance, weights", {2, 4, 5, 1}, {.each_image = true}, true);
  add("correlation, pearson", {2, 5, 6, 1}, {.agreement = Agreement::pearson}, false, 3);
  add("correlation, pearson, weights", {1, 5, 6, 2}, {.agreement = Agreement::pearson, .epsilon = 0.5}, true);
  for (std::size_t const levels : {1u, 4u}) {
    cases.push_back(
        {"correlation_pyramid, levels: " + std::to_string(levels), weighted_pair({1, 21, 16, 1}, false),
         [levels](auto const& in) {
           return heliograd::loss::correlation_pyramid(in.template var<4>(0), in.template var<4>(1), levels);
         },
         [levels](std::vector<HostTensor> in) {
           auto mean = host_zeros({});
           for (std::size_t k = 0; k < levels; ++k) {
             mean.values[0] += reference::disagreement(true, 1e-8, 1)(in).values[0] / static_cast<double>(levels);
             for (HostTensor& image : in) image = reference::pool(image, {3, 2, 1}, false);
           }
           return mean;
         }});
    cases.back().refusals = pair_refusals(false);
  }
  for (OpCase& one : cases) one.second_order = true;
  return cases;
}

}  // namespace test
