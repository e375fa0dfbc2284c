// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <string>

#include <heliograd/base/error.hpp>
#include <heliograd/core/shape.hpp>
#include <heliograd/core/tensor.hpp>

namespace heliograd::inline HELIOGRAD_ABI::kernel {

/// What a convolution does with its sums before it stores them: with u = sum + bias, \f$ y = f(u) + r \f$. The numbers are those of
/// separate passes over u, bit by bit, which then need not be made.
///
/// f is a rectifier (u where it is positive, else a u) or the hyperbolic tangent; without either, f(u) = u.
template <class B>
struct Epilogue {
  double negative_slope = 1;           ///< a: 1 no rectifier, 0 ReLU, 0.2 a leaky one
  ConstTensorRef<1, B> slope = {};     ///< or a learnt one: [1], or [c_out] with one for each channel
  bool tanh = false;                   ///< instead of a rectifier
  ConstTensorRef<4, B> residual = {};  ///< r, shaped as y
  TensorRef<4, B> sum = {};            ///< u is written here, shaped as y, for whoever needs it

  /// Throws if it does not go with results of this shape.
  void expect_fit(std::string const& op, Shape<4> const& y) const {
    expect(!tanh || (negative_slope == 1 && slope.size() == 0 && residual.data() == nullptr),
           op + ": the epilogue's tanh goes with no rectifier and no residual");
    expect(negative_slope == 1 || slope.size() == 0, op + ": the epilogue's slope is a number or learnt, not both");
    expect_shape(slope.size() <= 1 || slope.size() == y[3],
                 op + ": the epilogue's slope has " + to_string(shape_of(slope)) +
                     ", expected [1] or one number for each channel of y " + to_string(y));
    expect_shape(
        residual.data() == nullptr || shape_of(residual) == y,
        op + ": the epilogue's residual is " + to_string(shape_of(residual)) + ", expected that of y " + to_string(y));
    expect_shape(sum.data() == nullptr || shape_of(sum) == y,
                 op + ": the epilogue's sum is " + to_string(shape_of(sum)) + ", expected that of y " + to_string(y));
  }
};

}  // namespace heliograd::inline HELIOGRAD_ABI::kernel
