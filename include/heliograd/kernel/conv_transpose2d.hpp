// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>
#include <limits>
#include <string>

#include <heliograd/base/error.hpp>
#include <heliograd/core/shape.hpp>
#include <heliograd/core/sink.hpp>
#include <heliograd/core/tensor.hpp>
#include <heliograd/core/workspace.hpp>
#include <heliograd/kernel/conv2d.hpp>

namespace heliograd::inline HELIOGRAD_ABI {

/// How a transposed convolution steps: `{.stride = 2, .padding = 1, .output_padding = 1}`. The padding is cut off the result;
/// the output padding says how many of the up to `stride - 1` rows and columns that a convolution would leave over at the
/// bottom and on the right are there.
struct ConvTranspose2dOptions {
  int stride = 1;
  Padding2d padding = {};
  int output_padding = 0;
  int dilation = 1;
  int groups = 1;
  ConvAlgorithm algorithm = ConvAlgorithm::automatic;
  ConvAccuracy accuracy = ConvAccuracy::strict;

  /// The convolution of which this is the transpose.
  Conv2dOptions transposed() const {
    return {stride, padding, PaddingMode::zero, dilation, groups, algorithm, accuracy};
  }
};

namespace kernel {

/// The shape of conv_transpose2d(x, weight): [n, (h - 1) stride + dilation (kh - 1) + 1 + output_padding - top - bottom, ...,
/// c_out]. Throws ShapeError where there is none.
inline Shape<4> conv_transpose2d_shape(Shape<4> const& x, Shape<4> const& weight,
                                       ConvTranspose2dOptions const& options = {}) {
  constexpr std::size_t most = static_cast<std::size_t>(std::numeric_limits<int>::max());
  expect(options.stride >= 1 && options.dilation >= 1 && options.groups >= 1,
         "conv_transpose2d: stride, dilation and groups must be at least 1 (found " + std::to_string(options.stride) +
             ", " + std::to_string(options.dilation) + ", " + std::to_string(options.groups) + ")");
  expect(options.output_padding >= 0 && options.output_padding < options.stride,
         "conv_transpose2d: the output padding must be below the stride of " + std::to_string(options.stride) +
             " (found " + std::to_string(options.output_padding) + ")");
  expect_padding("conv_transpose2d", options.padding, PaddingMode::zero, x[1], x[2]);
  expect_shape(weight.size() > 0, "conv_transpose2d: weight is " + to_string(weight) + ", expected no empty axis");
  expect_shape(x[3] == weight[3], "conv_transpose2d: x is " + to_string(x) + ", expected " + std::to_string(weight[3]) +
                                      " channels as in weight " + to_string(weight) + " [kh, kw, c_out, c_in]");
  for (int axis = 0; axis < 4; ++axis)
    expect_shape(x[axis] <= most && weight[axis] <= most, "conv_transpose2d: x is " + to_string(x) + ", weight " +
                                                              to_string(weight) +
                                                              ", expected fewer than 2^31 elements along each axis");
  expect_shape(x[1] > 0 && x[2] > 0, "conv_transpose2d: x is " + to_string(x) + ", expected at least one pixel");
  auto const side = [&](std::size_t extent, std::size_t filter, int before, int after) {
    std::size_t const whole = (extent - 1) * static_cast<std::size_t>(options.stride) +
                              (filter - 1) * static_cast<std::size_t>(options.dilation) + 1 +
                              static_cast<std::size_t>(options.output_padding);
    std::size_t const cut = static_cast<std::size_t>(before) + static_cast<std::size_t>(after);
    expect_shape(whole > cut && whole <= most, "conv_transpose2d: x is " + to_string(x) + ", with weight " +
                                                   to_string(weight) + " it grows to " + std::to_string(whole) +
                                                   " pixels, expected more than the padding of " + std::to_string(cut) +
                                                   " that is cut off, and fewer than 2^31");
    return whole - cut;
  };
  return {x[0], side(x[1], weight[0], options.padding.top, options.padding.bottom),
          side(x[2], weight[1], options.padding.left, options.padding.right),
          weight[2] * static_cast<std::size_t>(options.groups)};
}

namespace detail {

/// The convolution that takes a y-shaped image to an x-shaped one.
inline Conv2dGeometry conv_transpose2d_geometry(char const* op, Shape<4> const& x, Shape<4> const& weight,
                                                Shape<4> const& y, ConvTranspose2dOptions const& options) {
  auto const expected = conv_transpose2d_shape(x, weight, options);
  expect_shape(y == expected,
               std::string(op) + ": the output is " + to_string(y) + ", expected " + to_string(expected));
  auto const g = conv2d_geometry(y, weight, options.transposed(), op);
  expect_output(op, "x", x, g);
  return g;
}

}  // namespace detail

/// y = what x, passed backwards through a convolution, arrives as, plus bias; an empty bias is none. Then the epilogue. This is
/// conv2d's gradient with respect to its input. See op/conv_transpose2d.hpp for the mathematics.
template <class B>
void conv_transpose2d(Workspace<B>& ws, ConstTensorRef<4, B> x, ConstTensorRef<4, B> weight, ConstTensorRef<1, B> bias,
                      TensorRef<4, B> y, ConvTranspose2dOptions const& options = {}, Epilogue<B> const& epilogue = {}) {
  auto const g =
      detail::conv_transpose2d_geometry("conv_transpose2d", shape_of(x), shape_of(weight), shape_of(y), options);
  epilogue.expect_fit("conv_transpose2d", shape_of(y));
  using Results = detail::Delivery<typename B::scalar_type>;
  detail::conv2d_backward_data_any<B>(ws, g, options.transposed(), x.data(), weight.data(),
                                      Results::of(y, bias, epilogue));
}

/// The gradient with respect to x: the convolution itself.
template <class B>
void conv_transpose2d_backward_data(Workspace<B>& ws, ConstTensorRef<4, B> gy, ConstTensorRef<4, B> weight,
                                    Sink<4, B> gx, ConvTranspose2dOptions const& options = {}) {
  auto const g = detail::conv_transpose2d_geometry("conv_transpose2d_backward_data", shape_of(gx.out), shape_of(weight),
                                                   shape_of(gy), options);
  detail::conv2d_any<B>(ws, g, options.transposed(), gy.data(), weight.data(),
                        detail::Delivery<typename B::scalar_type>::into(gx));
}

/// The gradient with respect to the weights. That to the bias is conv2d_backward_bias.
template <class B>
void conv_transpose2d_backward_weight(Workspace<B>& ws, ConstTensorRef<4, B> x, ConstTensorRef<4, B> gy, Sink<4, B> gw,
                                      ConvTranspose2dOptions const& options = {}) {
  auto const g = detail::conv_transpose2d_geometry("conv_transpose2d_backward_weight", shape_of(x), shape_of(gw.out),
                                                   shape_of(gy), options);
  detail::conv2d_backward_weight_any<B>(ws, g, options.transposed(), gy.data(), x.data(), gw);
}

}  // namespace kernel
}  // namespace heliograd::inline HELIOGRAD_ABI
