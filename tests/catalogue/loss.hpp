// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cmath>
#include <vector>

#include <heliograd/loss/gradient.hpp>
#include <heliograd/loss/histogram.hpp>
#include <heliograd/loss/pixel.hpp>
#include <heliograd/loss/ssim.hpp>
#include <heliograd/testing/op_case.hpp>
#include "reference/pixel.hpp"
#include "reference/sobel.hpp"
#include "reference/soft_histogram.hpp"
#include "reference/ssim.hpp"

namespace test {

/// Losses of two images, both of which want a gradient.
inline auto loss_cases() {
  using namespace heliograd::testing;
  namespace loss = heliograd::loss;
  auto const pair = [](std::vector<std::size_t> shape, double low = -1, double high = 1) {
    return std::vector<InputSpec>{{shape, low, high}, {shape, low, high}};
  };
  // Values that share no bin edge: noise, both sides of it, and beyond the limit.
  heliograd::SignedLogBins const bins{.noise = 60, .limit = 3000, .step = 0.15, .unit = 3500};
  std::vector<double> edges;
  for (double u = 0; u <= 12; ++u)
    for (double const sign : {-1.0, 1.0})
      edges.push_back(sign * bins.noise / bins.unit * std::pow(10.0, u * bins.step));
  for (double const sign : {-1.0, 1.0}) edges.push_back(sign * bins.limit / bins.unit);
  std::vector<InputSpec> const magnetograms(2, {{2, 5, 6, 1}, -1.1, 1.1, true, edges});

  auto const reference_histogram = reference::mean_total_variation(bins.noise, bins.limit, bins.step, bins.unit);
  std::vector cases{
      OpCase{"mse", pair({2, 4, 4, 2}),
             [](auto const& in) { return loss::mse(in.template var<4>(0), in.template var<4>(1)); },
             reference::mean_penalty([](auto d) { return d * d; }), true},
      OpCase{"mse: rank 2", pair({5, 7}),
             [](auto const& in) { return loss::mse(in.template var<2>(0), in.template var<2>(1)); },
             reference::mean_penalty([](auto d) { return d * d; })},
      OpCase{"mse, weights", std::vector<InputSpec>{{{5, 7}}, {{5, 7}}, {{5, 7}, -0.5, 1.5, false}},
             [](auto const& in) {
               return loss::mse(in.template var<2>(0), in.template var<2>(1), {in.template var<2>(2).value});
             },
             reference::weighted_mean_penalty([](auto d) { return d * d; })},
      OpCase{"l1", std::vector<InputSpec>{{{2, 4, 4, 2}, -1, 0}, {{2, 4, 4, 2}, 0.01, 1}},
             [](auto const& in) { return loss::l1(in.template var<4>(0), in.template var<4>(1)); },
             reference::mean_penalty([](auto d) { return reference::magnitude(d); }), true},
      OpCase{"gradient", pair({2, 8, 8, 1}),
             [](auto const& in) { return loss::gradient(in.template var<4>(0), in.template var<4>(1)); },
             reference::mean_sobel_energy(0.125), true},
      OpCase{"gradient, channels and other scale", pair({1, 5, 9, 3}),
             [](auto const& in) { return loss::gradient(in.template var<4>(0), in.template var<4>(1), 1.0); },
             reference::mean_sobel_energy(1.0)},
      OpCase{"gradient: narrow images", pair({2, 2, 2, 2}),
             [](auto const& in) { return loss::gradient(in.template var<4>(0), in.template var<4>(1)); },
             reference::mean_sobel_energy(0.125), true},
      OpCase{"gradient: one row", pair({1, 1, 8, 1}),
             [](auto const& in) { return loss::gradient(in.template var<4>(0), in.template var<4>(1)); },
             reference::mean_sobel_energy(0.125), true},
      // Single precision: a logarithm of relative error 1e-7 is spread over the bins.
      OpCase{"histogram", magnetograms,
             [bins](auto const& in) { return loss::histogram(in.template var<4>(0), in.template var<4>(1), bins); },
             reference_histogram, false, 4, 2e-6, 1e-14},
      OpCase{"ssim", pair({2, 13, 14, 1}, 0, 1),
             [](auto const& in) { return loss::ssim(in.template var<4>(0), in.template var<4>(1), {.data_range = 1}); },
             reference::ssim_loss(1, false)},
      OpCase{"ssim, channels", pair({1, 12, 29, 2}, 0, 2),
             [](auto const& in) { return loss::ssim(in.template var<4>(0), in.template var<4>(1), {.data_range = 2}); },
             reference::ssim_loss(2, false)},
      OpCase{"ssim: magnitudes",
             std::vector<InputSpec>{{{1, 12, 27, 1}, -1, 1, true, {0}}, {{1, 12, 27, 1}, -1, 1, true, {0}}},
             [](auto const& in) {
               return loss::ssim(in.template var<4>(0), in.template var<4>(1),
                                 {.data_range = 1, .luminance_of_magnitude = true});
             },
             reference::ssim_loss(1, true)},
  };
  for (OpCase& c : cases) c.second_order = true;
  for (OpCase& c : cases)
    if (c.inputs.size() == 2 && (op_name(c) == "mse" || op_name(c) == "l1"))
      c.peer = "F." + op_name(c) + "_loss(x[0], x[1])";
  return cases;
}

}  // namespace test
