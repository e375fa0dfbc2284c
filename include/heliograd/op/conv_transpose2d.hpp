// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <heliograd/kernel/conv_transpose2d.hpp>
#include <heliograd/op/channel_sum.hpp>
#include <heliograd/op/epilogue.hpp>
#include <heliograd/op/trilinear.hpp>

namespace heliograd::inline HELIOGRAD_ABI {

namespace detail {
/// The faces of `Conv2dForm`, named from the other side.
struct ConvTranspose2dForm {
  ConvTranspose2dOptions options;

  template <int Free, class B, class V>
  void face(Workspace<B>& ws, V const& a, V const& b, Sink<4, B> const& out) const {
    if constexpr (Free == 0)
      kernel::conv_transpose2d_backward_data<B>(ws, b, a, out, options);
    else if constexpr (Free == 1)
      kernel::conv_transpose2d_backward_weight<B>(ws, a, b, out, options);
    else
      write_into(ws, out,
                 [&](auto const& y) { kernel::conv_transpose2d<B>(ws, a, b, ConstTensorRef<1, B>{}, y, options); });
  }
};
}  // namespace detail

/// Transposed convolution, which up-samples by its stride: the adjoint of the conv2d with the same weights and options.
///
/// Shapes   x [n, h, w, c_in], weight [kh, kw, c_out / groups, c_in], bias [c_out] (or empty) -> [n, p, q, c_out],
///          p = (h - 1) stride + dilation (kh - 1) + 1 + output_padding - top - bottom, and q likewise.
///          k4 s2 p1, and k3 s2 p1 with output padding 1, double the sides.
/// Math     \f$ y_{n,\,sp+di-t,\,sq+dj-l,\,o} = b_o + \sum_{pqijc} x_{npqc}\, w_{ijoc} \f$, where s is the stride, d the dilation, t
///          and l the padding above and to the left: what would fall outside y is cut off.
/// Gradient x: the conv2d of the output gradient; weight: correlation of the output gradient with x; bias: sum over n, p, q.
/// Keeps    x if weight wants a gradient, weight if x does; of y what its epilogue keeps.
/// Cost     2 n h w kh kw c_in c_out / groups flops forward, twice that backward.
/// Throws   ShapeError if the channel counts differ or nothing is left after cutting; UsageError for a stride, dilation or
///          groups below 1, a negative padding, or an output padding outside [0, stride).
/// Source   Dumoulin and Visin, A guide to convolution arithmetic for deep learning, arXiv 1603.07285.
template <class B>
Var<4, B> conv_transpose2d(Var<4, B> x, Var<4, B> weight, Var<1, B> bias, ConvTranspose2dOptions options = {},
                           Epilogue<B> const& epilogue = {}) {
  auto const shape = kernel::conv_transpose2d_shape(x.shape(), weight.shape(), options);
  bool const biased = bias.value.size() > 0;
  expect_shape(!biased || bias.value.extent(0) == shape[3],
               "conv_transpose2d: bias is " + to_string(bias.shape()) +
                   ", expected one number for each output channel of weight " + to_string(weight.shape()) +
                   " [kh, kw, c_out, c_in]");
  bool const learns_bias = biased && bias.wants_grad();
  Tape<B>& tape = x.tape();
  detail::Epilogued<B> const result(tape, epilogue, shape, x.wants_grad() || weight.wants_grad() || learns_bias);
  tape.add_work(x.value.size() * (weight.value.size() / weight.shape()[3]));
  kernel::conv_transpose2d<B>(tape.workspace(), x.value, weight.value, bias.value, result.y.value, options,
                              result.kernel());
  if (!weight.wants_grad()) tape.let_go(x);

  auto const u = result.u;
  if (u.wants_grad())
    tape.record(
        "heliograd::conv_transpose2d", u,
        [=](Tape<B>& t) {
          if (weight.wants_grad())
            kernel::conv_transpose2d_backward_weight<B>(t.workspace(), x.value, u.grad(), t.into(weight), options);
          if (x.wants_grad())
            kernel::conv_transpose2d_backward_data<B>(t.workspace(), u.grad(), weight.value, t.into_spent(x), options);
          if (learns_bias) kernel::conv2d_backward_bias<B>(t.workspace(), u.grad(), t.into(bias));
        },
        [=](Tape<B>& t, Var<4, B> gu) {
          detail::ConvTranspose2dForm const form{options};
          if (t.wants(x))
            t.deliver(x, trilinear<0>("heliograd::conv_transpose2d_backward_data", form, x.shape(), weight, gu));
          if (t.wants(weight))
            t.deliver(weight, trilinear<1>("heliograd::conv_transpose2d_backward_weight", form, weight.shape(), x, gu));
          if (learns_bias && t.wants(bias)) t.deliver(bias, channel_sum(gu));
        });
  return result.recorded();
}

/// The same without a bias.
template <class B>
Var<4, B> conv_transpose2d(Var<4, B> x, Var<4, B> weight, ConvTranspose2dOptions options = {},
                           Epilogue<B> const& epilogue = {}) {
  return conv_transpose2d(x, weight, Var<1, B>{}, options, epilogue);
}

}  // namespace heliograd::inline HELIOGRAD_ABI
