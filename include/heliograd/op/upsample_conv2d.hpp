// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <heliograd/kernel/upsample_conv2d.hpp>
#include <heliograd/op/channel_sum.hpp>
#include <heliograd/op/epilogue.hpp>
#include <heliograd/op/trilinear.hpp>

namespace heliograd::inline HELIOGRAD_ABI {

namespace detail {
/// The three faces of the op; see `Conv2dForm`.
struct UpsampleConv2dForm {
  int factor;

  template <int Free, class B, class V>
  void face(Workspace<B>& ws, V const& a, V const& b, Sink<4, B> const& out) const {
    if constexpr (Free == 0)  // the values of x are not looked at
      kernel::upsample_conv2d_backward<B>(ws, out.out, a, b, out, {}, {}, factor);
    else if constexpr (Free == 1)
      kernel::upsample_conv2d_backward<B>(ws, a, out.out, b, {}, out, {}, factor);
    else
      write_into(ws, out,
                 [&](auto const& y) { kernel::upsample_conv2d<B>(ws, a, b, ConstTensorRef<1, B>{}, y, factor); });
  }
};
}  // namespace detail

/// A 3x3 convolution of a bilinearly up-sampled image, computed at low resolution: what
/// conv2d(resample(x, factor), weight, bias, {.padding = 1, .mode = PaddingMode::reflect}) gives, without ever making the
/// up-sampled image.
///
/// Shapes   x [n, h, w, c_in], weight [3, 3, c_in, c_out], bias [c_out] (or empty) -> [n, f h, f w, c_out], f the factor.
/// Math     \f$ y = b + \sum_{ij} R_i\, (x\, w_{ij})\, C_j^T \f$: each filter tap is a matrix product over channels, \f$ R_i \f$ and
///          \f$ C_j \f$ interpolate (align_corners = false), shift by the tap and reflect at the border of the fine image.
///          Both steps are linear, so this is exact.
/// Gradient the transposed interpolation gathers the gradients of the nine maps from the output gradient; from there on
///          they are matrix products with the weights (x) and with x (weight); bias: sum over n, h, w.
/// Keeps    x if weight wants a gradient, weight if x does; of y what its epilogue keeps; never the up-sampled image.
/// Cost     n h w c_out (18 c_in + 12 f + 12 f^2) flops forward instead of 18 n h w f^2 c_in c_out: for f = 4 and 64 channels
///          12 times fewer. About twice that backward.
/// Throws   ShapeError if the channel counts differ or the fine image is smaller than 2 x 2; UsageError for a factor
///          below 1.
template <class B>
Var<4, B> upsample_conv2d(Var<4, B> x, Var<4, B> weight, Var<1, B> bias, int factor, Epilogue<B> const& epilogue = {}) {
  bool const biased = bias.value.size() > 0;
  expect_shape(!biased || bias.value.extent(0) == weight.value.extent(3),
               "upsample_conv2d: bias is " + to_string(bias.shape()) +
                   ", expected one number for each output channel of weight " + to_string(weight.shape()) +
                   " [3, 3, c_in, c_out]");
  bool const learns_bias = biased && bias.wants_grad();
  Tape<B>& tape = x.tape();
  detail::Epilogued<B> const result(tape, epilogue, kernel::upsample_conv2d_shape(x.shape(), weight.shape(), factor),
                                    x.wants_grad() || weight.wants_grad() || learns_bias);
  tape.add_work(result.y.value.size() *
                (weight.value.size() / weight.shape()[3]));  // as conv2d of the up-sampled image
  kernel::upsample_conv2d<B>(tape.workspace(), x.value, weight.value, bias.value, result.y.value, factor,
                             result.kernel());

  auto const u = result.u;
  if (u.wants_grad())
    tape.record(
        "heliograd::upsample_conv2d", u,
        [=](Tape<B>& t) {
          Sink<4, B> const gx = x.wants_grad() ? t.into(x) : Sink<4, B>{};
          Sink<4, B> const gw = weight.wants_grad() ? t.into(weight) : Sink<4, B>{};
          Sink<1, B> const gb = learns_bias ? t.into(bias) : Sink<1, B>{};
          kernel::upsample_conv2d_backward<B>(t.workspace(), x.value, weight.value, u.grad(), gx, gw, gb, factor);
        },
        [=](Tape<B>& t, Var<4, B> gu) {
          detail::UpsampleConv2dForm const form{factor};
          if (t.wants(x))
            t.deliver(x, trilinear<0>("heliograd::upsample_conv2d_backward_data", form, x.shape(), weight, gu));
          if (t.wants(weight))
            t.deliver(weight, trilinear<1>("heliograd::upsample_conv2d_backward_weight", form, weight.shape(), x, gu));
          if (learns_bias && t.wants(bias)) t.deliver(bias, channel_sum(gu));
        });
  return result.recorded();
}

/// The same without a bias.
template <class B>
Var<4, B> upsample_conv2d(Var<4, B> x, Var<4, B> weight, int factor, Epilogue<B> const& epilogue = {}) {
  return upsample_conv2d(x, weight, Var<1, B>{}, factor, epilogue);
}

}  // namespace heliograd::inline HELIOGRAD_ABI
