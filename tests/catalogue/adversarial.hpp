// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cmath>
#include <complex>
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
  auto const add = [&](std::string const& name, bool logits, double low, double high) {
    cases.push_back({name,
                     {{shape, low, high}, {shape, 0, 1}},
                     [logits](auto const& in) {
                       auto const x = in.template var<4>(0), t = in.template var<4>(1);
                       return logits ? heliograd::loss::bce_with_logits(x, t) : heliograd::loss::bce(x, t);
                     },
                     reference::mean_of_pairs([logits](auto x, auto t) {
                       return logits ? reference::softplus(x) - t * x
                                     : -t * std::log(x + 1e-12) - (1.0 - t) * std::log(1.0 - x + 1e-12);
                     })});
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

/// A price of one verdict, for any number.
struct Price {
  std::function<double(double)> of_real;
  std::function<std::complex<double>(std::complex<double>)> of_complex;
  template <class F>
  Price(F const& f) : of_real(f), of_complex(f) {}  // NOLINT(google-explicit-constructor)
  double operator()(double d) const { return of_real(d); }
  std::complex<double> operator()(std::complex<double> const& d) const { return of_complex(d); }
};

/// Both sides of every game, for two discriminators of different sizes: real and fake verdicts of each.
inline std::vector<heliograd::testing::OpCase> game_cases() {
  using namespace heliograd::testing;
  using heliograd::loss::AdversarialOptions;
  using heliograd::loss::Game;
  struct Rules {
    std::string name;
    Game game;
    double low, high;
    Price real, fake, to_be_real;
  };
  Price const for_probability = [](auto d) { return -std::log(d + 1e-12); };
  Price const against = [](auto d) { return -std::log(1.0 - d + 1e-12); };
  Price const softplus = [](auto d) { return reference::softplus(d); };
  Price const softminus = [](auto d) { return reference::softplus(-d); };
  Price const identity = [](auto d) { return d; };
  Price const negative = [](auto d) { return -d; };
  std::vector<Rules> const games{
      {"probability", Game::probability, 0.05, 0.95, for_probability, against, for_probability},
      {"logit", Game::logit, -4, 4, softminus, softplus, softminus},
      {"least squares", Game::least_squares, -1, 2, [](auto d) { return (d - 1.0) * (d - 1.0); },
       [](auto d) { return d * d; }, [](auto d) { return (d - 1.0) * (d - 1.0); }},
      {"hinge", Game::hinge, -2, 2, [](auto d) { return reference::positive_part(1.0 - d); },
       [](auto d) { return reference::positive_part(1.0 + d); }, negative},
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
                         [rules, options, generator]<class T>(reference::Tensors<T> const& in) {
                           T sum = 0;
                           for (std::size_t s = 0; s < 2; ++s)
                             sum += generator ? reference::mean_price(in[2 * s + 1], rules.to_be_real)
                                              : reference::mean_price(in[2 * s], rules.real) +
                                                    reference::mean_price(in[2 * s + 1], rules.fake);
                           if (options.halve_discriminator && !generator) sum /= 2;
                           return reference::number<T>(options.average_scales ? sum / 2.0 : sum);
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
    auto const plain = [weights]<class T>(reference::Tensors<T> const& in) {
      T sum = 0;
      for (std::size_t l = 0; l < 2; ++l) {
        T layer = 0;
        for (std::size_t i = 0; i < in[2 * l].size(); ++i)
          layer += reference::magnitude(in[2 * l].values[i] - in[2 * l + 1].values[i]);
        sum += (weights.empty() ? 1.0 : weights[l]) * layer / static_cast<double>(in[2 * l].size());
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
         plain,
         true});
  }
  return cases;
}

inline std::vector<heliograd::testing::OpCase> adversarial_cases() {
  auto cases = cross_entropy_cases();
  for (auto const& more : {game_cases(), feature_matching_cases()}) cases.insert(cases.end(), more.begin(), more.end());
  return cases;
}

}  // namespace test
