// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <heliograd/kernel/conv2d.hpp>
#include <heliograd/op/channel_sum.hpp>
#include <heliograd/op/epilogue.hpp>
#include <heliograd/op/trilinear.hpp>

namespace heliograd::inline HELIOGRAD_ABI {

namespace detail {
/// \f$ T(x, w, y) = \langle y, x \star w \rangle \f$: its faces are the convolution and its two gradients.
struct Conv2dForm {
  Conv2dOptions options;

  template <int Free, class B, class V>
  void face(Workspace<B>& ws, V const& a, V const& b, Sink<4, B> const& out) const {
    if constexpr (Free == 0)
      kernel::conv2d_backward_data<B>(ws, b, a, out, options);
    else if constexpr (Free == 1)
      kernel::conv2d_backward_weight<B>(ws, a, b, out, options);
    else
      write_into(ws, out, [&](auto const& y) { kernel::conv2d<B>(ws, a, b, ConstTensorRef<1, B>{}, y, options); });
  }
};
}  // namespace detail

/// Two-dimensional cross-correlation of an image batch with a filter bank.
///
/// Shapes   x [n, h, w, c_in], weight [kh, kw, c_in / groups, c_out], bias [c_out] -> [n, p, q, c_out],
///          p = floor((h + top + bottom - dilation (kh - 1) - 1) / stride) + 1, and q likewise.
/// Math     \f$ y_{npqo} = b_o + \sum_{ijc} \hat x_{n,\,sp+di-t,\,sq+dj-l,\,c}\, w_{ijco} \f$, where \f$ \hat x \f$ is x continued
///          outside the image as options.mode says, s the stride, d the dilation, t and l the padding above and to the left.
///          With groups, output channels see the input channels of their own group only.
/// Gradient x: correlation of the output gradient with the flipped filter, border pixels gathering from wherever the
///          padding repeats them; weight: correlation of x with the output gradient; bias: sum over n, p, q.
/// Keeps    x if weight wants a gradient, weight if x does; of y what its epilogue keeps.
/// Cost     2 n p q kh kw c_in c_out / groups flops forward, twice that backward.
/// Throws   ShapeError if the channel counts differ, the filter is larger than the padded image, or the padding does not
///          fit the image; UsageError for a stride, dilation or groups below 1, or a
///          negative padding.
template <class B>
Var<4, B> conv2d(Var<4, B> x, Var<4, B> weight, Var<1, B> bias, Conv2dOptions options = {},
                 Epilogue<B> const& epilogue = {}) {
  bool const biased = bias.value.size() > 0;
  expect_shape(!biased || bias.value.extent(0) == weight.value.extent(3),
               "conv2d: bias is " + to_string(bias.shape()) +
                   ", expected one number for each output channel of weight " + to_string(weight.shape()) +
                   " [kh, kw, c_in, c_out]");
  bool const learns_bias = biased && bias.wants_grad();
  Tape<B>& tape = x.tape();
  detail::Epilogued<B> const result(tape, epilogue, kernel::conv2d_shape(x.shape(), weight.shape(), options),
                                    x.wants_grad() || weight.wants_grad() || learns_bias);
  tape.add_work(result.y.value.size() * (weight.value.size() / weight.shape()[3]));
  kernel::conv2d<B>(tape.workspace(), x.value, weight.value, bias.value, result.y.value, options, result.kernel());
  if (!weight.wants_grad()) tape.let_go(x);

  auto const u = result.u;
  if (u.wants_grad())
    tape.record(
        "heliograd::conv2d", u,
        [=](Tape<B>& t) {
          if (weight.wants_grad())
            kernel::conv2d_backward_weight<B>(t.workspace(), x.value, u.grad(), t.into(weight), options);
          if (x.wants_grad())
            kernel::conv2d_backward_data<B>(t.workspace(), u.grad(), weight.value, t.into_spent(x), options);
          if (learns_bias) kernel::conv2d_backward_bias<B>(t.workspace(), u.grad(), t.into(bias));
        },
        [=](Tape<B>& t, Var<4, B> gu) {
          detail::Conv2dForm const form{options};
          if (t.wants(x)) t.deliver(x, trilinear<0>("heliograd::conv2d_backward_data", form, x.shape(), weight, gu));
          if (t.wants(weight))
            t.deliver(weight, trilinear<1>("heliograd::conv2d_backward_weight", form, weight.shape(), x, gu));
          if (learns_bias && t.wants(bias)) t.deliver(bias, channel_sum(gu));
        });
  return result.recorded();
}

/// The same without a bias.
template <class B>
Var<4, B> conv2d(Var<4, B> x, Var<4, B> weight, Conv2dOptions options = {}, Epilogue<B> const& epilogue = {}) {
  return conv2d(x, weight, Var<1, B>{}, options, epilogue);
}

}  // namespace heliograd::inline HELIOGRAD_ABI
