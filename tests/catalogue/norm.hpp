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

inline auto norm_cases() {
  using namespace heliograd::testing;
  std::vector<OpCase<NormOp>> cases;
  auto const add = [&](char const* name, Norm norm, std::vector<std::size_t> const& x, double negative_slope,
                       double low = -1, double high = 1) {
    std::size_t const n = x[0], c = x[3];
    bool const per_image = norm == Norm::adain || norm == Norm::line_per_image;
    std::vector<std::size_t> const line = per_image ? std::vector<std::size_t>{n, c} : std::vector<std::size_t>{c};
    std::vector<InputSpec> inputs{{x, low, high}};
    if (norm != Norm::instance_plain) {
      inputs.push_back({line, 0.5, 1.5});
      inputs.push_back({line, -0.5, 0.5});
    }
    if (norm == Norm::fixed) {
      inputs.push_back({line, -0.5, 0.5, false});
      inputs.push_back({line, 0.1, 0.9, false});
    }
    reference::NormRule const rule{norm == Norm::batch,
                                   norm == Norm::image || norm == Norm::image_in_root,
                                   norm == Norm::image,
                                   norm == Norm::line || norm == Norm::line_per_image,
                                   1e-5,
                                   negative_slope};
    OpCase<NormOp> one{std::string(name) + " of " + std::to_string(n) + " x " + std::to_string(x[1] * x[2]) + " x " +
                           std::to_string(c),
                       inputs, NormOp{norm, negative_slope},
                       [rule](std::vector<HostTensor> const& in) { return reference::norm(in, rule); }};
    one.exact_on_integers = rule.identity;
    cases.push_back(one);
  };
  struct Named {
    char const* name;
    Norm norm;
  };
  for (Named const& kind :
       {Named{"batch norm", Norm::batch}, Named{"fixed norm", Norm::fixed}, Named{"instance norm", Norm::instance},
        Named{"instance norm without line", Norm::instance_plain}, Named{"adain", Norm::adain},
        Named{"image norm", Norm::image}, Named{"image norm, epsilon in the root", Norm::image_in_root},
        Named{"line per channel", Norm::line}, Named{"line per channel and image", Norm::line_per_image}}) {
    add(kind.name, kind.norm, {2, 3, 5, 3}, 1);
    add(kind.name, kind.norm, {3, 4, 3, 1}, 0.25);
    add(kind.name, kind.norm, {1, 2, 3, 33}, 1);
    add(kind.name, kind.norm, {2, 2, 2, 16}, 0);
  }
  return cases;
}

}  // namespace test
