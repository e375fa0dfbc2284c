// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <string>
#include <vector>

#include <heliograd/op/norm.hpp>
#include <heliograd/testing/op_case.hpp>
#include "reference/norm.hpp"

namespace test {

enum class Norm { batch, fixed, instance, instance_plain, adain, image, image_in_root, line, line_per_image };

/// One op type for all normalisations and shapes.
struct NormOp {
  Norm norm;
  double negative_slope;

  template <class In>
  auto operator()(In const& in) const {
    namespace hg = heliograd;
    auto const x = in.template var<4>(0);
    hg::NormOptions const options{1e-5, negative_slope};
    switch (norm) {
      case Norm::batch: return hg::batch_norm(x, in.template var<1>(1), in.template var<1>(2), options);
      case Norm::fixed:
        return hg::fixed_norm(x, in.template var<1>(1), in.template var<1>(2),
                              {in.template var<1>(3).value, in.template var<1>(4).value}, options);
      case Norm::instance: return hg::instance_norm(x, in.template var<1>(1), in.template var<1>(2), options);
      case Norm::instance_plain: return hg::instance_norm(x, options);
      case Norm::adain: return hg::adain(x, in.template var<2>(1), in.template var<2>(2), options);
      case Norm::image: return hg::image_norm(x, in.template var<1>(1), in.template var<1>(2), options);
      case Norm::image_in_root:
        return hg::image_norm(x, in.template var<1>(1), in.template var<1>(2), options,
                              hg::ImageNormForm::epsilon_in_root);
      case Norm::line: return hg::scale_shift(x, in.template var<1>(1), in.template var<1>(2), negative_slope);
      default: return hg::scale_shift(x, in.template var<2>(1), in.template var<2>(2), negative_slope);
    }
  }
};

inline std::vector<heliograd::testing::OpCase> norm_cases() {
  using namespace heliograd::testing;
  std::vector<OpCase> cases;
  struct Kind {
    char const* name;
    Norm norm;
    std::string peer;  ///< without the rectifier that follows
  };
  std::vector<Kind> const kinds{
      {"batch_norm", Norm::batch, "F.batch_norm(nchw(x[0]), None, None, x[1], x[2], True)"},
      {"fixed_norm", Norm::fixed, "F.batch_norm(nchw(x[0]), x[3], x[4], x[1], x[2], False)"},
      {"instance_norm", Norm::instance, "F.instance_norm(nchw(x[0]), None, None, x[1], x[2])"},
      {"instance_norm, no line", Norm::instance_plain, "F.instance_norm(nchw(x[0]))"},
      {"adain", Norm::adain, "F.instance_norm(nchw(x[0])) * x[1][:, :, None, None] + x[2][:, :, None, None]"},
      {"image_norm", Norm::image,
       "(nchw(x[0]) - nchw(x[0]).mean((1, 2, 3), True)) / (nchw(x[0]).std((1, 2, 3), keepdim=True) + 1e-5)"
       " * x[1][:, None, None] + x[2][:, None, None]"},
      {"image_norm, epsilon in the root", Norm::image_in_root, "F.group_norm(nchw(x[0]), 1, x[1], x[2])"},
      {"scale_shift", Norm::line, "nchw(x[0]) * x[1][:, None, None] + x[2][:, None, None]"},
      {"scale_shift, per image", Norm::line_per_image, "nchw(x[0]) * x[1][:, :, None, None] + x[2][:, :, None, None]"}};
  auto const add = [&](Kind const& kind, Extents const& x, double negative_slope) {
    std::size_t const n = x[0], c = x[3];
    bool const per_image = kind.norm == Norm::adain || kind.norm == Norm::line_per_image;
    bool const is_line = kind.norm == Norm::line || kind.norm == Norm::line_per_image;
    Extents const numbers = per_image ? Extents{n, c} : Extents{c};
    std::vector<InputSpec> inputs{{x}};
    if (kind.norm != Norm::instance_plain) {
      inputs.push_back({numbers, 0.5, 1.5});
      inputs.push_back({numbers, -0.5, 0.5});
    }
    if (kind.norm == Norm::fixed) {
      inputs.push_back({numbers, -0.5, 0.5, false});
      inputs.push_back({numbers, 0.1, 0.9, false});
    }
    reference::NormRule const rule{.over_batch = kind.norm == Norm::batch,
                                   .over_channels = kind.norm == Norm::image || kind.norm == Norm::image_in_root,
                                   .unbiased_outside = kind.norm == Norm::image,
                                   .identity = is_line,
                                   .epsilon = 1e-5,
                                   .negative_slope = negative_slope};
    OpCase one{std::string(kind.name) + ": " + std::to_string(n) + " x " + std::to_string(x[1] * x[2]) + " x " +
                   std::to_string(c) + ", slope " +
                   (negative_slope == 1   ? "1"
                    : negative_slope == 0 ? "0"
                                          : "1/4"),
               inputs, NormOp{kind.norm, negative_slope}, [rule](auto const& in) { return reference::norm(in, rule); }};
    one.second_order = true;
    one.exact_on_integers = rule.identity;
    one.linear = rule.identity && negative_slope == 1;
    if (kind.norm != Norm::batch) one.per_image = {0};
    if (per_image) one.per_image = {0, 1, 2};
    if (inputs.size() > 1 && !per_image)
      one.refusals = {{{x, {c + 1}, {c}, {c}, {c}}, {"[" + std::to_string(c + 1) + "]", "each channel"}}};
    if (per_image) one.refusals = {{{x, {n + 1, c}, {n + 1, c}}, {"[" + std::to_string(n + 1), "each image"}}};
    for (Refusal& refusal : one.refusals) refusal.shapes.resize(inputs.size());
    one.work = [](std::vector<Extents> const& s) {
      double const size = static_cast<double>(s[0][0] * s[0][1] * s[0][2] * s[0][3]);
      return Work{8 * size, 12 * size};
    };
    one.peer = negative_slope == 1 ? "nhwc(" + kind.peer + ")"
                                   : "F.leaky_relu(nhwc(" + kind.peer + "), " + std::to_string(negative_slope) + ")";
    cases.push_back(one);
  };
  for (Kind const& kind : kinds) {
    add(kind, {2, 3, 5, 3}, 1);
    add(kind, {3, 4, 3, 1}, 0.25);
    add(kind, {1, 2, 3, 33}, 1);
    add(kind, {2, 2, 2, 16}, 0);
  }
  return cases;
}

}  // namespace test
