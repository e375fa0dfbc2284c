// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include <heliograd/loss/adversarial.hpp>
#include <heliograd/loss/feature_matching.hpp>
#include <heliograd/testing/op_case.hpp>
#include "reference/cross_entropy.hpp"

namespace test {

inline std::vector<heliograd::testing::OpCase> cross_entropy_cases() {
  using namespace heliograd::testing;
  Extents const shape{2, 5, 6, 1};
  std::vector<OpCase> cases;
  auto const softplus = [](double z) { return std::max(z, 0.0) + std::log1p(std::exp(-std::abs(z))); };
  auto const add = [&](std::string const& name, bool logits, double low, double high) {
    cases.push_back({name,
                     {{shape, low, high}, {shape, 0, 1}},
                     [logits](auto const& in) {
                       auto const x = in.template var<4>(0), t = in.template var<4>(1);
                       return logits ? heliograd::loss::bce_with_logits(x, t) : heliograd::loss::bce(x, t);
                     },
                     logits ? reference::mean_of_pairs(std::function<double(double, double)>(
                                  [=](double z, double t) { return softplus(z) - t * z; }))
                            : reference::mean_of_pairs(std::function<double(double, double)>([](double p, double t) {
                                return -t * std::log(p + 1e-12) - (1 - t) * std::log(1 - p + 1e-12);
                              }))});
    cases.back().second_order = true;
    cases.back().refusals = {{{{1, 2, 3, 1}, {1, 3, 2, 1}}, {"[1, 2, 3, 1]", "[1, 3, 2, 1]"}}};
    cases.back().peer =
        logits ? "F.binary_cross_entropy_with_logits(x[0], x[1])" : "F.binary_cross_entropy(x[0], x[1])";
    if (!logits) cases.back().peer_bar = 1e-9;  // our guard of 1e-12 beside a probability of 0.01
  };
  add("bce", false, 0.01, 0.99);
  add("bce_with_logits", true, -3, 3);
  add("bce_with_logits, far out", true, -40, 40);
  return cases;
}

/// Both sides of every game, for two discriminators of different sizes: real and fake verdicts of each.
inline std::vector<heliograd::testing::OpCase> adversarial_cases() {
  using namespace heliograd::testing;
  using heliograd::loss::AdversarialOptions;
  using heliograd::loss::Game;
  using Price = std::function<double(double)>;
  struct Rules {
    std::string name;
    Game game;
    double low, high;
    Price real, fake, to_be_real;
  };
  Price const for_probability = [](double d) { return -std::log(d + 1e-12); };
  Price const against = [](double d) { return -std::log(1 - d + 1e-12); };
  Price const softplus = [](double d) { return std::max(d, 0.0) + std::log1p(std::exp(-std::abs(d))); };
  Price const softminus = [=](double d) { return softplus(-d); };
  Price const identity = [](double d) { return d; };
  Price const negative = [](double d) { return -d; };
  std::vector<Rules> const games{
      {"probability", Game::probability, 0.05, 0.95, for_probability, against, for_probability},
      {"logit", Game::logit, -4, 4, softminus, softplus, softminus},
      {"least squares", Game::least_squares, -1, 2, [](double d) { return (d - 1) * (d - 1); },
       [](double d) { return d * d; }, [](double d) { return (d - 1) * (d - 1); }},
      {"hinge", Game::hinge, -2, 2, [](double d) { return std::max(0.0, 1 - d); },
       [](double d) { return std::max(0.0, 1 + d); }, negative},
      {"wasserstein", Game::wasserstein, -2, 2, negative, identity, negative}};

  std::vector<OpCase> cases;
  for (Rules const& rules : games)
    for (AdversarialOptions options :
         {AdversarialOptions{}, AdversarialOptions{.halve_discriminator = true, .average_scales = true}})
      for (bool const generator : {false, true}) {
        options.game = rules.game;
        std::vector<InputSpec> inputs;
        for (std::size_t const side : {6u, 3u})
          for (int k = 0; k < 2; ++k)
            inputs.push_back({{2, side, side, 1}, rules.low, rules.high, !generator || k == 1, {-1, 1}});
        cases.push_back({(generator ? "generator, " : "discriminator, ") + rules.name +
                             (options.average_scales ? ", halved and averaged" : ""),
                         inputs,
                         [options, generator](auto const& in) {
                           std::vector const real{in.template var<4>(0), in.template var<4>(2)};
                           std::vector const fake{in.template var<4>(1), in.template var<4>(3)};
                           return generator ? heliograd::loss::generator(fake, options)
                                            : heliograd::loss::discriminator(real, fake, options);
                         },
                         [rules, options, generator](std::vector<HostTensor> const& in) {
                           double sum = 0;
                           for (std::size_t s = 0; s < 2; ++s)
                             sum += generator ? reference::mean_price(in[2 * s + 1], rules.to_be_real)
                                              : reference::mean_price(in[2 * s], rules.real) +
                                                    reference::mean_price(in[2 * s + 1], rules.fake);
                           if (options.halve_discriminator && !generator) sum /= 2;
                           return reference::number(options.average_scales ? sum / 2 : sum);
                         }});
        cases.back().second_order = true;
        cases.back().float_bar = 1e-6;  // sums of four means, some of either sign
      }
  return cases;
}

inline std::vector<heliograd::testing::OpCase> feature_matching_cases() {
  using namespace heliograd::testing;
  std::vector<OpCase> cases;
  for (std::vector<double> const& weights : {std::vector<double>{}, std::vector<double>{0.5, 4}}) {
    auto const reference = [weights](std::vector<HostTensor> const& in) {
      double sum = 0;
      for (std::size_t l = 0; l < 2; ++l) {
        double layer = 0;
        for (std::size_t i = 0; i < in[2 * l].size(); ++i)
          layer += std::abs(in[2 * l].values[i] - in[2 * l + 1].values[i]);
        sum += (weights.empty() ? 1 : weights[l]) * layer / static_cast<double>(in[2 * l].size());
      }
      return reference::number(sum);
    };
    cases.push_back(
        {weights.empty() ? "feature_matching" : "feature_matching, weights",
         {{{2, 4, 4, 4}, -1, 0}, {{2, 4, 4, 4}, 0.01, 1, false}, {{2, 2, 2, 8}, 0.01, 1}, {{2, 2, 2, 8}, -1, 0, false}},
         [weights](auto const& in) {
           return heliograd::loss::feature_matching(std::vector{in.template var<4>(0), in.template var<4>(2)},
                                                    std::vector{in.template var<4>(1), in.template var<4>(3)}, weights);
         },
         reference,
         true});
  }
  return cases;
}

}  // namespace test
