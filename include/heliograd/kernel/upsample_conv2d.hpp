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
#include <heliograd/kernel/detail/upsample_conv2d_device.hpp>
#include <heliograd/kernel/detail/upsample_conv2d_host.hpp>
#include <heliograd/kernel/launch.hpp>

namespace heliograd::inline HELIOGRAD_ABI::kernel {

namespace detail {

inline UpsampleConv2dGeometry upsample_conv2d_geometry(Shape<4> const& x, Shape<4> const& weight, int factor) {
  expect(factor >= 1, "upsample_conv2d: the factor must be at least 1 (found " + std::to_string(factor) + ")");
  for (int axis = 0; axis < 4; ++axis)
    expect_shape(
        x[axis] <= static_cast<std::size_t>(std::numeric_limits<int>::max() / (axis == 1 || axis == 2 ? factor : 1)),
        "upsample_conv2d: x is " + to_string(x) + ", expected fewer than 2^31 elements along each up-sampled axis");
  expect_shape(weight[0] == 3 && weight[1] == 3 && weight.size() > 0,
               "upsample_conv2d: weight is " + to_string(weight) + ", expected [3, 3, c_in, c_out]");
  expect_shape(x[3] == weight[2], "upsample_conv2d: x is " + to_string(x) + ", expected " + std::to_string(weight[2]) +
                                      " channels as in weight " + to_string(weight) + " [3, 3, c_in, c_out]");
  std::size_t const f = static_cast<std::size_t>(factor);
  expect_shape(x[1] * f >= 2 && x[2] * f >= 2, "upsample_conv2d: x is " + to_string(x) +
                                                   ", expected at least 2 x 2 pixels "
                                                   "after up-sampling by " +
                                                   std::to_string(factor) + ", for its reflection");
  return {static_cast<int>(x[0]), static_cast<int>(x[1]),      static_cast<int>(x[2]),
          static_cast<int>(x[3]), static_cast<int>(weight[3]), factor};
}

inline Shape<4> output_shape(UpsampleConv2dGeometry const& g) {
  return {g.images, g.rows().fine_extent(), g.columns().fine_extent(), g.out_channels};
}

}  // namespace detail

/// The shape of upsample_conv2d(x, weight, bias, factor). Throws ShapeError where there is none.
inline Shape<4> upsample_conv2d_shape(Shape<4> const& x, Shape<4> const& weight, int factor) {
  return detail::output_shape(detail::upsample_conv2d_geometry(x, weight, factor));
}

/// y = 3x3 correlation (reflect padding of 1) of x, bilinearly up-sampled by `factor`, plus bias; an empty bias is none. Then
/// the epilogue.
/// See op/upsample_conv2d.hpp for the mathematics.
template <class B>
void upsample_conv2d(Workspace<B>& ws, ConstTensorRef<4, B> x, ConstTensorRef<4, B> weight, ConstTensorRef<1, B> bias,
                     TensorRef<4, B> y, int factor, Epilogue<B> const& epilogue = {}) {
  using T = typename B::scalar_type;
  auto const g = detail::upsample_conv2d_geometry(shape_of(x), shape_of(weight), factor);
  expect_shape(shape_of(y) == detail::output_shape(g),
               "upsample_conv2d: y is " + to_string(shape_of(y)) + ", expected " + to_string(detail::output_shape(g)));
  epilogue.expect_fit("upsample_conv2d", shape_of(y));
  auto const delivery = detail::Delivery<T>::template of<B>(y, bias, epilogue);
  if constexpr (B::on_host) {
    detail::upsample_conv2d_host<B>(ws, g, x.data(), weight.data(), delivery);
  } else {
    auto scope = ws.scope();
    std::size_t const size = x.extent(0) * x.extent(1) * x.extent(2) * g.taps * weight.extent(3);
    T* const maps = scope.template take<T>(size);
    for_each_item(ws, "heliograd::upsample_conv2d_taps", size,
                  detail::UpsampleMapElement<T>{g, x.data(), weight.data(), maps});
    for_each_item(ws, "heliograd::upsample_conv2d", y.size(), detail::UpsampleInterpolateElement<T>{g, maps, delivery});
  }
}

/// All gradients of upsample_conv2d in one pass over gy; a sink without memory is not wanted.
template <class B>
void upsample_conv2d_backward(Workspace<B>& ws, ConstTensorRef<4, B> x, ConstTensorRef<4, B> weight,
                              ConstTensorRef<4, B> gy, Sink<4, B> gx, Sink<4, B> gw, Sink<1, B> gb, int factor) {
  using T = typename B::scalar_type;
  auto const g = detail::upsample_conv2d_geometry(shape_of(x), shape_of(weight), factor);
  expect_shape(shape_of(gy) == detail::output_shape(g), "upsample_conv2d_backward: gy is " + to_string(shape_of(gy)) +
                                                            ", expected " + to_string(detail::output_shape(g)));
  if constexpr (B::on_host) {
    detail::upsample_conv2d_backward_host<B>(ws, g, x.data(), gy.data(), weight.data(), gx, gw, gb);
  } else {
    auto scope = ws.scope();
    std::size_t const pixels = x.extent(0) * x.extent(1) * x.extent(2);
    if (gx.out.data() != nullptr || gw.out.data() != nullptr) {
      std::size_t const size = pixels * g.taps * weight.extent(3);
      T* const maps = scope.template take<T>(size);
      for_each_item(ws, "heliograd::upsample_conv2d_backward", size,
                    detail::UpsampleGatherElement<T>{g, gy.data(), maps});
      if (gx.out.data() != nullptr)
        for_each_item(ws, "heliograd::upsample_conv2d_backward_data", gx.out.size(),
                      detail::UpsampleBackwardDataElement<B>{g, maps, weight.data(), gx});
      if (gw.out.data() != nullptr)
        reduce<1>(ws, "heliograd::upsample_conv2d_backward_weight", gw.out.size(), pixels,
                  detail::UpsampleWeightTerm<T>{g, x.data(), maps}, detail::DeliverSum<4, B>{gw});
    }
    if (gb.out.data() != nullptr) conv2d_backward_bias<B>(ws, gy, gb);
  }
}

}  // namespace heliograd::inline HELIOGRAD_ABI::kernel
