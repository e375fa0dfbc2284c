// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>

#include <heliograd/base/error.hpp>
#include <heliograd/core/shape.hpp>
#include <heliograd/core/sink.hpp>
#include <heliograd/core/tensor.hpp>
#include <heliograd/core/workspace.hpp>
#include <heliograd/kernel/detail/conv2d_device.hpp>
#include <heliograd/kernel/detail/conv2d_geometry.hpp>
#include <heliograd/kernel/detail/conv2d_host.hpp>
#include <heliograd/kernel/detail/winograd_host.hpp>
#include <heliograd/kernel/launch.hpp>
#include <heliograd/kernel/padding.hpp>

namespace heliograd::inline HELIOGRAD_ABI {

/// How a convolution is computed on the host. `direct` sums every product; `winograd` needs 2.25 times fewer multiplications
/// for 3x3 filters of stride 1, with about the same rounding error; `automatic` takes it where it is the faster one.
enum class ConvAlgorithm { automatic, direct, winograd };

/// How a convolution steps and what it sees outside the image: `{.stride = 2, .padding = 1, .mode = PaddingMode::reflect}`.
struct Conv2dOptions {
  int stride = 1;
  Padding2d padding = {};
  PaddingMode mode = PaddingMode::zero;
  ConvAlgorithm algorithm = ConvAlgorithm::automatic;
};

namespace kernel {

namespace detail {

/// Whether Winograd's algorithm is taken: where it can be, and either is wanted or pays, which takes channels enough to make
/// up for the transforms.
inline bool takes_winograd(Conv2dGeometry const& g, ConvAlgorithm algorithm) {
  bool const possible = g.filter_height == 3 && g.filter_width == 3 && g.stride == 1;
  if (algorithm == ConvAlgorithm::winograd)
    expect(possible, "conv2d: Winograd's algorithm serves 3 x 3 filters of stride 1 (found " +
                         std::to_string(g.filter_height) + " x " + std::to_string(g.filter_width) + ", stride " +
                         std::to_string(g.stride) + "); use ConvAlgorithm::automatic");
  return possible && algorithm != ConvAlgorithm::direct &&
         (algorithm == ConvAlgorithm::winograd || (g.in_channels >= 16 && g.out_channels >= 16));
}

/// Checks that the shapes make a convolution and gathers its numbers.
inline Conv2dGeometry conv2d_geometry(Shape<4> const& x, Shape<4> const& weight, Conv2dOptions const& options) {
  for (int axis = 0; axis < 4; ++axis)
    expect_shape(x[axis] <= static_cast<std::size_t>(std::numeric_limits<int>::max()),
                 "conv2d: x is " + to_string(x) + ", expected fewer than 2^31 elements along each axis");
  expect(options.stride >= 1, "conv2d: the stride must be at least 1 (found " + std::to_string(options.stride) + ")");
  expect_shape(weight.size() > 0, "conv2d: weight is " + to_string(weight) + ", expected no empty axis");
  expect_shape(x[3] == weight[2], "conv2d: x is " + to_string(x) + ", expected " + std::to_string(weight[2]) +
                                      " channels as in weight " + to_string(weight) + " [kh, kw, c_in, c_out]");
  expect_padding("conv2d", options.padding, options.mode, x[1], x[2]);

  Conv2dGeometry g{};
  g.images = static_cast<int>(x[0]);
  g.height = static_cast<int>(x[1]);
  g.width = static_cast<int>(x[2]);
  g.in_channels = static_cast<int>(x[3]);
  g.filter_height = static_cast<int>(weight[0]);
  g.filter_width = static_cast<int>(weight[1]);
  g.out_channels = static_cast<int>(weight[3]);
  g.stride = options.stride;
  g.padding = options.padding;
  g.mode = options.mode;
  int const padded_height = g.height + g.padding.top + g.padding.bottom;
  int const padded_width = g.width + g.padding.left + g.padding.right;
  expect_shape(g.height > 0 && g.width > 0 && padded_height >= g.filter_height && padded_width >= g.filter_width,
               "conv2d: x is " + to_string(x) + ", with its padding " + std::to_string(padded_height) + " x " +
                   std::to_string(padded_width) + ", expected at least the filter's " +
                   std::to_string(g.filter_height) + " x " + std::to_string(g.filter_width) + "; add padding");
  g.out_height = (padded_height - g.filter_height) / g.stride + 1;
  g.out_width = (padded_width - g.filter_width) / g.stride + 1;
  return g;
}

inline Shape<4> output_shape(Conv2dGeometry const& g) { return {g.images, g.out_height, g.out_width, g.out_channels}; }

inline void expect_output(char const* op, char const* argument, Shape<4> const& found, Conv2dGeometry const& g) {
  expect_shape(found == output_shape(g), std::string(op) + ": " + argument + " is " + to_string(found) + ", expected " +
                                             to_string(output_shape(g)));
}

}  // namespace detail

/// The shape of conv2d(x, weight): [n, p, q, c_out]. Throws ShapeError where there is none.
inline Shape<4> conv2d_shape(Shape<4> const& x, Shape<4> const& weight, Conv2dOptions const& options = {}) {
  return detail::output_shape(detail::conv2d_geometry(x, weight, options));
}

/// y = correlation of x with the filters, plus bias; an empty bias is none. See op/conv2d.hpp for the mathematics.
template <class B>
void conv2d(Workspace<B>& ws, ConstTensorRef<4, B> x, ConstTensorRef<4, B> weight, ConstTensorRef<1, B> bias,
            TensorRef<4, B> y, Conv2dOptions const& options = {}) {
  auto const g = detail::conv2d_geometry(shape_of(x), shape_of(weight), options);
  detail::expect_output("conv2d", "y", shape_of(y), g);
  auto const* const bias_data = bias.size() > 0 ? bias.data() : nullptr;
  if constexpr (B::on_host) {
    if (detail::takes_winograd(g, options.algorithm))
      detail::conv2d_winograd<B>(ws, g, x.data(), weight.data(), bias_data, y.data());
    else
      detail::conv2d_host<B>(ws, g, x.data(), weight.data(), bias_data, y.data());
  } else {
    for_each_item(ws, "heliograd::conv2d", y.size(),
                  detail::Conv2dElement<typename B::scalar_type>{g, x.data(), weight.data(), bias_data, y.data()});
  }
}

/// The gradient of conv2d with respect to x, given gy at its output.
template <class B>
void conv2d_backward_data(Workspace<B>& ws, ConstTensorRef<4, B> gy, ConstTensorRef<4, B> weight, Sink<4, B> gx,
                          Conv2dOptions const& options = {}) {
  auto const g = detail::conv2d_geometry(shape_of(gx.out), shape_of(weight), options);
  detail::expect_output("conv2d_backward_data", "gy", shape_of(gy), g);
  if constexpr (B::on_host) {
    if (detail::takes_winograd(g, options.algorithm))
      detail::conv2d_backward_data_winograd<B>(ws, g, gy.data(), weight.data(), gx);
    else
      detail::conv2d_backward_data_host<B>(ws, g, gy.data(), weight.data(), gx);
  } else {
    for_each_item(ws, "heliograd::conv2d_backward_data", gx.out.size(),
                  detail::Conv2dBackwardDataElement<B>{g, gy.data(), weight.data(), gx});
  }
}

/// The gradient of conv2d with respect to the weights.
template <class B>
void conv2d_backward_weight(Workspace<B>& ws, ConstTensorRef<4, B> x, ConstTensorRef<4, B> gy, Sink<4, B> gw,
                            Conv2dOptions const& options = {}) {
  auto const g = detail::conv2d_geometry(shape_of(x), shape_of(gw.out), options);
  detail::expect_output("conv2d_backward_weight", "gy", shape_of(gy), g);
  if constexpr (B::on_host) {
    if (detail::takes_winograd(g, options.algorithm))
      detail::conv2d_backward_weight_winograd<B>(ws, g, x.data(), gy.data(), gw);
    else
      detail::conv2d_backward_weight_host<B>(ws, g, x.data(), gy.data(), gw);
  } else {
    reduce<1>(ws, "heliograd::conv2d_backward_weight", gw.out.size(),
              static_cast<std::size_t>(g.images) * g.out_height * g.out_width,
              detail::Conv2dWeightTerm<typename B::scalar_type>{g, x.data(), gy.data()}, detail::DeliverSum<4, B>{gw});
  }
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

}  // namespace kernel
}  // namespace heliograd::inline HELIOGRAD_ABI
