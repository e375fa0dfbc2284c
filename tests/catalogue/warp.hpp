// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <string>
#include <vector>

#include <heliograd/op/warp.hpp>
#include <heliograd/testing/op_case.hpp>
#include "reference/warp.hpp"

namespace test {

/// One type for all cases: with a second input, positions from the tape; else an affine map.
struct WarpOp {
  bool field;
  heliograd::AffineMap map;
  std::size_t height, width;
  heliograd::WarpOptions options;

  template <class In>
  auto operator()(In const& in) const {
    auto const x = in.template var<4>(0);
    return field ? heliograd::warp(x, in.template var<4>(1), options) : heliograd::warp(x, map, height, width, options);
  }
};

inline auto warp_cases() {
  using namespace heliograd::testing;
  using heliograd::Interpolation;
  using heliograd::WarpOptions;
  std::vector<OpCase> cases;

  auto const affine = [&](std::string const& name, Extents const& x, heliograd::AffineMap const& map,
                          std::size_t height, std::size_t width, WarpOptions const& options) -> OpCase& {
    OpCase one{
        "warp: " + name, {{x}}, WarpOp{false, map, height, width, options}, [=](std::vector<HostTensor> const& in) {
          return reference::warp(
              in[0], height, width, [&](std::size_t n, std::size_t p, std::size_t q) { return map(n, p, q); }, options);
        }};
    one.linear = options.method != Interpolation::pchip;
    one.second_order = true;
    one.per_image = {0};
    one.double_bar =
        1e-14;  // the reference's positions are in double as well, and wrong by their magnitude's last place
    cases.push_back(one);
    return cases.back();
  };
  // Positions from beyond one border to beyond the other, clear of the places where the derivative jumps.
  auto const field = [&](std::string const& name, Extents const& x, Extents const& positions,
                         WarpOptions const& options, bool differentiable) -> OpCase& {
    InputSpec at{positions, -1.2, static_cast<double>(x[2]) + 0.2, differentiable};
    for (double k = -1; k <= static_cast<double>(x[2]); k += 0.5) at.kinks.push_back(k);
    OpCase one{"warp: " + name, {{x}, at}, WarpOp{true, {}, 0, 0, options}, [=](std::vector<HostTensor> const& in) {
                 auto const& s = in[1].shape;
                 return reference::warp(
                     in[0], s[1], s[2],
                     [&](std::size_t n, std::size_t p, std::size_t q) {
                       double const* const v = &in[1].values[(((s[0] > 1 ? n : 0) * s[1] + p) * s[2] + q) * 2];
                       return heliograd::Position{v[0], v[1]};
                     },
                     options);
               }};
    one.linear = !differentiable && options.method != Interpolation::pchip;
    one.double_bar = 1e-14;  // as above
    std::string const mode = options.method == Interpolation::nearest    ? "nearest"
                             : options.method == Interpolation::bilinear ? "bilinear"
                                                                         : "bicubic";
    if (options.method != Interpolation::pchip && options.cubic == -0.75) {
      std::string const h = std::to_string(x[1]), w = std::to_string(x[2]);
      one.peer = "torch.where(((x[1] >= -0.5) & (x[1] + 0.5 < torch.tensor([" + h + ", " + w +
                 "]))).all(-1, keepdim=True), nhwc(F.grid_sample(nchw(x[0]), (2 * x[1].flip(-1) / torch.tensor([" + w +
                 " - 1, " + h + " - 1]) - 1).expand(x[0].shape[0], -1, -1, -1), '" + mode +
                 "', 'border', align_corners=True)), " + std::to_string(options.fill) + ")";
    }
    one.second_order = true;
    cases.push_back(one);
    return cases.back();
  };

  auto const turned = [](double h, double w, double p, double q) {
    return heliograd::rotation(0.4, 1.3, {(h - 1) / 2, (w - 1) / 2}, {(p - 1) / 2, (q - 1) / 2});
  };
  struct Method {
    char const* name;
    WarpOptions options;
  };
  for (Method const& method :
       {Method{"nearest", {Interpolation::nearest, 0.5}}, Method{"bilinear", {Interpolation::bilinear, -1.5}},
        Method{"bicubic", {Interpolation::bicubic}},
        Method{"bicubic, Keys' own slope", {Interpolation::bicubic, 1, -0.5}},
        Method{"pchip", {Interpolation::pchip, 2}}}) {
    std::string const name = method.name;
    affine(name + ", turned and magnified", {2, 5, 7, 3}, turned(5, 7, 6, 9), 6, 9, method.options);
    affine(name + ", reduced and sheared, 17 channels", {1, 9, 8, 17}, {2.1, 0.3, -0.4, -0.2, 1.7, 0.3}, 4, 5,
           method.options);
    affine(name + " of one pixel", {1, 1, 1, 1}, {0.3, 0, -0.45, 0, 0.3, -0.45}, 3, 3, method.options);
    affine(name + " of a row of two", {1, 1, 2, 2}, {0.3, 0, -0.45, 0, 0.3, -0.45}, 3, 6, method.options);
    affine(name + " of half pixels", {1, 4, 4, 1}, {0.5, 0, -0.5, 0, 0.5, -0.5}, 8, 8, method.options)
        .exact_on_integers =
        method.options.method == Interpolation::nearest || method.options.method == Interpolation::bilinear;
    field(name + ", one field for two images", {2, 6, 6, 3}, {1, 4, 5, 2}, method.options, false);
    field(name + ", a field for each image", {2, 5, 5, 2}, {2, 6, 4, 2}, method.options, false);
    field(name + ", gradient to a shared field", {2, 6, 6, 3}, {1, 4, 5, 2}, method.options, true);
    field(name + ", gradient to a field for each image", {2, 5, 5, 1}, {2, 3, 4, 2}, method.options, true);
  }
  affine("many outputs on one pixel", {1, 3, 3, 1}, {0.01, 0, 0.6, 0, 0.01, 1.2}, 30, 40, {});
  field("refused", {2, 4, 5, 1}, {1, 3, 3, 2}, {}, false).refusals = {
      {{{2, 4, 5, 1}, {1, 3, 3, 3}}, {"[1, 3, 3, 3]", "[2, 4, 5, 1]", "[2, p, q, 2]"}},
      {{{2, 4, 5, 1}, {3, 3, 3, 2}}, {"[3, 3, 3, 2]"}},
      {{{2, 0, 5, 1}, {1, 3, 3, 2}}, {"[2, 0, 5, 1]"}}};
  return cases;
}

}  // namespace test
