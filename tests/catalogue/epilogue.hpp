// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <string>
#include <vector>

#include <heliograd/op/conv2d.hpp>
#include <heliograd/op/conv_transpose2d.hpp>
#include <heliograd/op/upsample_conv2d.hpp>
#include <heliograd/testing/op_case.hpp>
#include "reference/conv2d.hpp"
#include "reference/conv_transpose2d.hpp"
#include "reference/epilogue.hpp"
#include "reference/upsample_conv2d.hpp"

namespace test {

/// One of the three convolutions with an epilogue. Inputs: x, weight, bias, the learnt slope if there is one, the residual if there is
/// one.
struct EpilogueOp {
  enum Kind { plain, transposed, upsampling } kind;
  heliograd::Conv2dOptions options = {};
  double negative_slope = 1;
  bool learnt = false;
  bool tanh = false;
  bool residual = false;

  static constexpr int factor = 2;  // of the up-sampling one
  heliograd::ConvTranspose2dOptions backwards() const {
    return {.stride = options.stride, .padding = options.padding, .algorithm = options.algorithm};
  }

  template <class B>
  static heliograd::Epilogue<B> none_for(heliograd::Var<1, B> const&) {
    return {};
  }

  auto operator()(auto const& in) const {
    auto const x = in.template var<4>(0);
    auto const weight = in.template var<4>(1);
    auto const bias = in.template var<1>(2);
    auto epilogue = none_for(bias);
    epilogue.negative_slope = negative_slope;
    epilogue.tanh = tanh;
    if (learnt) epilogue.slope = in.template var<1>(3);
    if (residual) epilogue.residual = in.template var<4>(learnt ? 4 : 3);
    return kind == plain        ? heliograd::conv2d(x, weight, bias, options, epilogue)
           : kind == transposed ? heliograd::conv_transpose2d(x, weight, bias, backwards(), epilogue)
                                : heliograd::upsample_conv2d(x, weight, bias, factor, epilogue);
  }

  heliograd::testing::HostTensor reference(std::vector<heliograd::testing::HostTensor> const& in) const {
    using heliograd::Shape;
    auto const shape4 = [](auto const& t) { return Shape<4>{t.shape[0], t.shape[1], t.shape[2], t.shape[3]}; };
    auto const made = [&](Shape<4> const& shape, std::vector<double> const& u) {
      auto y = heliograd::testing::host_zeros({shape.extent.begin(), shape.extent.end()});
      auto const slopes = learnt                ? in[3].values
                          : negative_slope == 1 ? std::vector<double>{}
                                                : std::vector<double>{negative_slope};
      y.values = test::reference::epilogue(u, slopes, tanh, residual ? in.back().values : std::vector<double>{});
      return y;
    };
    auto const with = [&](auto const& conv) { return conv.forward(in[0].values, in[1].values, in[2].values); };
    if (kind == plain) {
      test::reference::Conv2d const conv(shape4(in[0]), shape4(in[1]), options);
      return made(conv.y, with(conv));
    }
    if (kind == transposed) {
      test::reference::ConvTranspose2d const conv(shape4(in[0]), shape4(in[1]), backwards());
      return made(conv.y, with(conv));
    }
    test::reference::UpsampleConv2d const pair(shape4(in[0]), shape4(in[1]), factor);
    return made(pair.conv.y, with(pair));
  }

  /// The same in PyTorch, where it has the convolution in one call.
  std::string peer() const {
    if (kind == upsampling || options.mode != heliograd::PaddingMode::zero) return {};
    std::string const conv = std::string("nhwc(F.conv") + (kind == plain ? "" : "_transpose") +
                             "2d(nchw(x[0]), oihw(x[1]), x[2], stride=" + std::to_string(options.stride) +
                             ", padding=" + std::to_string(options.padding.top) +
                             ", groups=" + std::to_string(options.groups) + "))";
    std::string const slope = learnt ? "x[3]" : std::to_string(negative_slope);
    return std::string("(lambda u: ") + (tanh ? "torch.tanh(u)" : "torch.where(u > 0, u, " + slope + " * u)") + ")(" +
           conv + ")" + (residual ? " + x[-1]" : "");
  }
};

inline std::vector<heliograd::testing::OpCase> epilogue_cases() {
  using namespace heliograd::testing;
  using heliograd::ConvAlgorithm;
  using heliograd::PaddingMode;

  auto const op_case = [](char const* name, std::vector<InputSpec> const& inputs, EpilogueOp const& op,
                          std::vector<Refusal> const& refusals = {}) {
    OpCase c{std::string("epilogue: ") + name, inputs, op,
             [op](std::vector<HostTensor> const& in) { return op.reference(in); }};
    c.exact_on_integers = !op.tanh;
    c.second_order = true;
    c.per_image = {0};
    if (op.residual) c.per_image.push_back(inputs.size() - 1);
    c.refusals = refusals;
    c.peer = op.peer();
    return c;
  };
  heliograd::Conv2dOptions const same{.padding = 1};
  heliograd::Conv2dOptions const reflect{.padding = 1, .mode = PaddingMode::reflect};
  heliograd::Conv2dOptions const halving{.stride = 2, .padding = 1};
  auto const by = [](heliograd::Conv2dOptions options, ConvAlgorithm algorithm) {
    options.algorithm = algorithm;
    return options;
  };
  std::vector<InputSpec> const square{{{2, 4, 4, 16}}, {{3, 3, 16, 16}, -0.3, 0.3}, {{16}}};
  auto const and_inputs = [](std::vector<InputSpec> inputs, std::vector<InputSpec> const& more) {
    inputs.insert(inputs.end(), more.begin(), more.end());
    return inputs;
  };
  std::vector<InputSpec> const three{{{1, 4, 5, 3}}, {{3, 3, 3, 17}}, {{17}}};
  return {
      op_case("leaky", three, {EpilogueOp::plain, reflect, 0.25}),
      op_case("negative slope", three, {EpilogueOp::plain, same, -0.5}),
      op_case("ReLU, residual", and_inputs(three, {{{1, 4, 5, 17}}}),
              {.kind = EpilogueOp::plain, .options = same, .negative_slope = 0, .residual = true},
              {{{{1, 4, 5, 3}, {3, 3, 3, 17}, {17}, {1, 4, 5, 16}}, {"[1, 4, 5, 16]", "[1, 4, 5, 17]", "residual"}}}),
      op_case("residual alone", and_inputs(square, {{{2, 4, 4, 16}}}),
              {.kind = EpilogueOp::plain, .options = same, .residual = true}),
      op_case("PReLU, residual, Winograd", and_inputs(square, {{{1}, 0.1, 0.4}, {{2, 4, 4, 16}}}),
              {.kind = EpilogueOp::plain,
               .options = by(same, ConvAlgorithm::winograd_f2),
               .learnt = true,
               .residual = true}),
      op_case("PReLU by channels, polyphase", {{{1, 6, 6, 2}}, {{4, 4, 2, 18}}, {{18}}, {{18}, 0.1, 0.4}},
              {.kind = EpilogueOp::plain, .options = by(halving, ConvAlgorithm::polyphase), .learnt = true},
              {{{{1, 6, 6, 2}, {4, 4, 2, 18}, {18}, {17}}, {"[17]", "each channel", "[1, 3, 3, 18]"}}}),
      op_case("leaky, tap by tap", {{{2, 4, 5, 3}}, {{4, 4, 3, 18}}, {{18}}},
              {EpilogueOp::plain, by(halving, ConvAlgorithm::taps), 0.25}),
      op_case("PReLU, two groups", {{{1, 4, 5, 6}}, {{3, 3, 3, 4}}, {{4}}, {{4}, 0.1, 0.4}},
              {.kind = EpilogueOp::plain, .options = {.padding = 1, .groups = 2}, .learnt = true}),
      op_case("tanh, transposed", {{{1, 3, 5, 18}}, {{4, 4, 1, 18}, -0.3, 0.3}, {{1}}},
              {.kind = EpilogueOp::transposed, .options = halving, .tanh = true}),
      op_case("leaky, transposed", {{{1, 3, 4, 5}}, {{4, 4, 3, 5}}, {{3}}}, {EpilogueOp::transposed, halving, 0.25}),
      op_case("PReLU, up-sampling", {{{1, 3, 4, 3}}, {{3, 3, 3, 17}}, {{17}}, {{1}, 0.1, 0.4}},
              {.kind = EpilogueOp::upsampling, .learnt = true}),
      op_case("frozen convolution",
              {{{1, 4, 4, 2}, -1, 1, false},
               {{3, 3, 2, 3}, -1, 1, false},
               {{3}, -1, 1, false},
               {{3}, 0.1, 0.4},
               {{1, 4, 4, 3}}},
              {.kind = EpilogueOp::plain, .options = same, .learnt = true, .residual = true}),
  };
}

}  // namespace test
