// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include <heliograd/loss/pfss.hpp>
#include <heliograd/op/harmonics.hpp>
#include <heliograd/op/pfss.hpp>
#include <heliograd/testing/op_case.hpp>
#include "reference/harmonics.hpp"
#include "reference/pfss.hpp"

namespace test {

/// The four ops of the coronal field, of a map alone or of a map and the radius of the source surface.
struct CoronaOp {
  bool field = false, by_harmonics = false, radius = false;
  heliograd::PfssOptions options = {};
  heliograd::HarmonicOptions harmonics = {};
  template <class In>
  auto operator()(In const& in) const {
    auto const x = in.template var<4>(0);
    if (radius) {
      auto const rss = in.template var<0>(1);
      if (by_harmonics)
        return field ? heliograd::harmonic_field(x, rss, options, harmonics)
                     : heliograd::harmonic_source_surface(x, rss, options, harmonics);
      return field ? heliograd::pfss_field(x, rss, options) : heliograd::pfss_source_surface(x, rss, options);
    }
    if (by_harmonics)
      return field ? heliograd::harmonic_field(x, options, harmonics)
                   : heliograd::harmonic_source_surface(x, options, harmonics);
    return field ? heliograd::pfss_field(x, options) : heliograd::pfss_source_surface(x, options);
  }
  std::string name() const {
    return std::string(by_harmonics ? "harmonic_" : "pfss_") + (field ? "field" : "source_surface");
  }
};

inline auto pfss_cases() {
  using namespace heliograd::testing;
  std::vector<OpCase> cases;
  auto const add = [&](char const* what, Extents const& map, CoronaOp const& op) {
    std::vector<InputSpec> inputs{{map}};
    if (op.radius) inputs.push_back({{}, 2, 3});
    OpCase one{op.name() + ": " + what + (op.radius ? ", radius" : ""), inputs, op,
               [=](std::vector<HostTensor> const& in) {
                 heliograd::PfssGrid const grid{op.options.n_r, map[1], map[2],
                                                op.radius ? in[1].values[0] : op.options.rss, op.options.centred};
                 reference::Pfss const by_differences(grid);
                 reference::Harmonics const by_harmonics(grid, op.harmonics);
                 auto y = host_zeros(op.field ? Extents{grid.n_r + 1, grid.n_s + 1, grid.n_phi, 3} : in[0].shape);
                 y.values.clear();
                 for (std::size_t n = 0; n < map[0]; ++n) {
                   double const* const x = in[0].values.data() + n * map[1] * map[2];
                   auto const part = op.field ? op.by_harmonics ? by_harmonics.field(x) : by_differences.field(x)
                                     : op.by_harmonics ? by_harmonics.source_surface(x)
                                                       : by_differences.source_surface(x);
                   y.values.insert(y.values.end(), part.begin(), part.end());
                 }
                 return y;
               }};
    one.linear = !op.radius;
    one.second_order = !op.radius || !op.field || op.by_harmonics;
    if (!op.field) one.per_image = {0};
    // Rounding is that of the field on the Sun, of which a tenth to a hundredth reaches the source surface.
    one.double_bar = 1e-12;
    if (op.radius) {  // refusals are asked with values of one
      one.refusals = {{{map, {}}, {"1.0", "above the Sun"}}};
    } else {
      one.refusals = {{{{1, 6, 8, 2}}, {"[1, 6, 8, 2]", "[n, rows, columns, 1]"}},
                      {{{1, 1, 8, 1}}, {"1 x 8", "at least 2"}}};
      if (op.field) one.refusals.push_back({{{2, 6, 8, 1}}, {"[2, 6, 8, 1]", "one map at a time"}});
      if (op.by_harmonics) one.refusals.push_back({{{1, op.harmonics.l_max, 8, 1}}, {"rows", "take fewer"}});
    }
    cases.push_back(one);
  };
  heliograd::HarmonicOptions const rule{4}, fit{4, heliograd::HarmonicFit::least_squares};
  for (bool const radius : {false, true}) {
    add("as published", {2, 6, 9, 1}, {.radius = radius, .options = {5}});
    add("centred, one shell between", {1, 3, 8, 1}, {.radius = radius, .options = {2, 1.7, true}});
    add("as published", {1, 5, 6, 1}, {.field = true, .radius = radius, .options = {3}});
    add("centred, odd columns", {1, 2, 7, 1}, {.field = true, .radius = radius, .options = {4, 1.9, true}});
    add("quadrature", {2, 8, 7, 1}, {.by_harmonics = true, .radius = radius, .options = {3}, .harmonics = rule});
    add("least squares", {1, 7, 10, 1}, {.by_harmonics = true, .radius = radius, .options = {3}, .harmonics = fit});
    add("quadrature", {1, 6, 9, 1},
        {.field = true, .by_harmonics = true, .radius = radius, .options = {2}, .harmonics = rule});
    add("least squares, centred", {1, 6, 8, 1},
        {.field = true, .by_harmonics = true, .radius = radius, .options = {2, 2, true}, .harmonics = fit});
  }

  // The loss: source surfaces and open flux of two maps.
  heliograd::loss::PfssLossOptions const both{.model = {4}, .field = 0.5, .flux = 2, .softness = 0.015};
  cases.push_back(
      {"pfss",
       {{{2, 5, 8, 1}}, {{2, 5, 8, 1}}},
       [both](auto const& in) { return heliograd::loss::pfss(in.template var<4>(0), in.template var<4>(1), both); },
       [both](std::vector<HostTensor> const& in) {
         reference::Pfss const model({both.model.n_r, 5, 8, both.model.rss});
         auto y = host_zeros({});
         double square = 0, flux = 0;
         for (std::size_t n = 0; n < 2; ++n) {
           auto const a = model.source_surface(in[0].values.data() + n * 40);
           auto const b = model.source_surface(in[1].values.data() + n * 40);
           for (std::size_t i = 0; i < 40; ++i) {
             square += (a[i] - b[i]) * (a[i] - b[i]) / 80;
             flux += (std::hypot(a[i], both.softness) - std::hypot(b[i], both.softness)) / 80;
           }
         }
         y.values[0] = both.field * square + both.flux * flux * flux;
         return y;
       }});
  cases.back().second_order = true;
  cases.back().double_bar = 1e-12;
  cases.back().refusals = {{{{1, 5, 8, 1}, {1, 5, 9, 1}}, {"[1, 5, 8, 1]", "[1, 5, 9, 1]"}}};
  return cases;
}

}  // namespace test
