// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>

#include <heliograd/base/error.hpp>
#include <heliograd/core/shape.hpp>
#include <heliograd/core/sink.hpp>
#include <heliograd/core/tensor.hpp>
#include <heliograd/core/workspace.hpp>
#include <heliograd/kernel/conv2d_options.hpp>
#include <heliograd/kernel/detail/conv2d_any.hpp>
#include <heliograd/kernel/detail/conv2d_device.hpp>
#include <heliograd/kernel/detail/conv2d_geometry.hpp>
#include <heliograd/kernel/detail/conv2d_host.hpp>
#include <heliograd/kernel/detail/delivery.hpp>
#include <heliograd/kernel/epilogue.hpp>
#include <heliograd/kernel/padding.hpp>

namespace heliograd::inline HELIOGRAD_ABI::kernel {

namespace detail {

/// Checks that the shapes make a convolution and gathers its numbers. `op` is named in messages.
inline Conv2dGeometry conv2d_geometry(Shape<4> const& x, Shape<4> const& weight, Conv2dOptions const& options,
                                      char const* op = "conv2d") {
  constexpr std::size_t most = static_cast<std::size_t>(std::numeric_limits<int>::max());
  std::string const name = op;
  for (int axis = 0; axis < 4; ++axis)
    expect_shape(x[axis] <= most && weight[axis] <= most, name + ": x is " + to_string(x) + ", weight " +
                                                              to_string(weight) +
                                                              ", expected fewer than 2^31 elements along each axis");
  expect(options.stride >= 1, name + ": the stride must be at least 1 (found " + std::to_string(options.stride) + ")");
  expect(options.dilation >= 1,
         name + ": the dilation must be at least 1 (found " + std::to_string(options.dilation) + ")");
  expect(options.groups >= 1, name + ": there must be at least 1 group (found " + std::to_string(options.groups) + ")");
  expect_shape(weight.size() > 0, name + ": weight is " + to_string(weight) + ", expected no empty axis");
  std::size_t const groups = static_cast<std::size_t>(options.groups);
  std::string const in_groups = groups == 1 ? "" : " in " + std::to_string(groups) + " groups";
  expect_shape(x[3] == groups * weight[2], name + ": x is " + to_string(x) + ", expected " +
                                               std::to_string(groups * weight[2]) + " channels as in weight " +
                                               to_string(weight) + " [kh, kw, c_in, c_out]" + in_groups);
  expect_shape(weight[3] % groups == 0, name + ": weight is " + to_string(weight) +
                                            ", expected output channels that divide into " + std::to_string(groups) +
                                            " groups");
  expect_padding(name, options.padding, options.mode, x[1], x[2]);

  auto const span = [&](std::size_t filter) { return (filter - 1) * static_cast<std::size_t>(options.dilation) + 1; };
  auto const padded = [](std::size_t extent, int before, int after) {
    return extent + static_cast<std::size_t>(before) + static_cast<std::size_t>(after);
  };
  std::size_t const padded_height = padded(x[1], options.padding.top, options.padding.bottom);
  std::size_t const padded_width = padded(x[2], options.padding.left, options.padding.right);
  expect_shape(padded_height <= most && padded_width <= most && span(weight[0]) <= most && span(weight[1]) <= most &&
                   weight[0] * weight[1] <= most && weight[0] * weight[1] * std::max(weight[2], weight[3]) <= most,
               name + ": x is " + to_string(x) + ", weight " + to_string(weight) +
                   ", expected fewer than 2^31 padded rows and columns, and taps times channels");
  expect_shape(x[1] > 0 && x[2] > 0 && padded_height >= span(weight[0]) && padded_width >= span(weight[1]),
               name + ": x is " + to_string(x) + ", with its padding " + std::to_string(padded_height) + " x " +
                   std::to_string(padded_width) + ", expected at least the filter's " +
                   std::to_string(span(weight[0])) + " x " + std::to_string(span(weight[1])) + "; add padding");

  Conv2dGeometry g{};
  g.images = static_cast<int>(x[0]);
  g.height = static_cast<int>(x[1]);
  g.width = static_cast<int>(x[2]);
  g.in_channels = static_cast<int>(weight[2]);
  g.filter_height = static_cast<int>(weight[0]);
  g.filter_width = static_cast<int>(weight[1]);
  g.out_channels = static_cast<int>(weight[3] / groups);
  g.stride = options.stride;
  g.dilation = options.dilation;
  g.groups = options.groups;
  g.padding = options.padding;
  g.mode = options.mode;
  g.out_height = (static_cast<int>(padded_height) - g.span_down()) / g.stride + 1;
  g.out_width = (static_cast<int>(padded_width) - g.span_across()) / g.stride + 1;
  return g;
}

inline Shape<4> output_shape(Conv2dGeometry const& g) { return {g.images, g.out_height, g.out_width, g.y_pixel()}; }

inline void expect_output(char const* op, char const* argument, Shape<4> const& found, Conv2dGeometry const& g) {
  expect_shape(found == output_shape(g), std::string(op) + ": " + argument + " is " + to_string(found) + ", expected " +
                                             to_string(output_shape(g)));
}

}  // namespace detail

/// The shape of conv2d(x, weight): [n, p, q, c_out]. Throws ShapeError where there is none.
inline Shape<4> conv2d_shape(Shape<4> const& x, Shape<4> const& weight, Conv2dOptions const& options = {}) {
  return detail::output_shape(detail::conv2d_geometry(x, weight, options));
}

/// y = correlation of x with the filters, plus bias; an empty bias is none. Then the epilogue. See op/conv2d.hpp for the
/// mathematics.
template <class B>
void conv2d(Workspace<B>& ws, ConstTensorRef<4, B> x, ConstTensorRef<4, B> weight, ConstTensorRef<1, B> bias,
            TensorRef<4, B> y, Conv2dOptions const& options = {}, Epilogue<B> const& epilogue = {}) {
  auto const g = detail::conv2d_geometry(shape_of(x), shape_of(weight), options);
  detail::expect_output("conv2d", "y", shape_of(y), g);
  epilogue.expect_fit("conv2d", shape_of(y));
  using Results = detail::Delivery<typename B::scalar_type>;
  detail::conv2d_any<B>(ws, g, options, x.data(), weight.data(), Results::of(y, bias, epilogue));
}

/// The gradient of conv2d with respect to x, given gy at its output.
template <class B>
void conv2d_backward_data(Workspace<B>& ws, ConstTensorRef<4, B> gy, ConstTensorRef<4, B> weight, Sink<4, B> gx,
                          Conv2dOptions const& options = {}) {
  auto const g = detail::conv2d_geometry(shape_of(gx.out), shape_of(weight), options);
  detail::expect_output("conv2d_backward_data", "gy", shape_of(gy), g);
  detail::conv2d_backward_data_any<B>(ws, g, options, gy.data(), weight.data(),
                                      detail::Delivery<typename B::scalar_type>::into(gx));
}

/// The gradient of conv2d with respect to the weights.
template <class B>
void conv2d_backward_weight(Workspace<B>& ws, ConstTensorRef<4, B> x, ConstTensorRef<4, B> gy, Sink<4, B> gw,
                            Conv2dOptions const& options = {}) {
  auto const g = detail::conv2d_geometry(shape_of(x), shape_of(gw.out), options);
  detail::expect_output("conv2d_backward_weight", "gy", shape_of(gy), g);
  detail::conv2d_backward_weight_any<B>(ws, g, options, x.data(), gy.data(), gw);
}

/// The gradient of conv2d with respect to the bias: the sum of gy over images and pixels.
template <class B>
void conv2d_backward_bias(Workspace<B>& ws, ConstTensorRef<4, B> gy, Sink<1, B> gb) {
  std::size_t const pixels = gy.extent(0) * gy.extent(1) * gy.extent(2);
  expect_shape(gb.out.extent(0) == gy.extent(3), "conv2d_backward_bias: the bias is " + to_string(shape_of(gb.out)) +
                                                     ", expected the channels of gy " + to_string(shape_of(gy)));
  if constexpr (B::on_host)
    detail::channel_sums_host<B>(ws, gy.data(), static_cast<std::int64_t>(pixels), static_cast<int>(gy.extent(3)), gb);
  else
    reduce<1>(ws, "heliograd::conv2d_backward_bias", gy.extent(3), pixels,
              detail::ChannelTerm<typename B::scalar_type>{gy.data(), gy.extent(3)}, detail::DeliverSum<1, B>{gb});
}

}  // namespace heliograd::inline HELIOGRAD_ABI::kernel
