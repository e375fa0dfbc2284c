// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>

#include <heliograd/nn/conv.hpp>
#include <heliograd/nn/mode.hpp>
#include <heliograd/op/spectral_norm.hpp>

namespace heliograd::inline HELIOGRAD_ABI::nn {

/// A convolution whose weight is divided by its largest singular value: one power iteration for each training forward,
/// none in any other mode.
template <class B>
struct SpectralConv2d {
  Conv2d<B> conv;
  Tensor<1, B> u;  ///< [c_out], state
  Tensor<1, B> v;  ///< [kh * kw * c_in], state
  HELIOGRAD_FIELDS(conv, u, v)

  Var<4, B> operator()(Var<4, B> x, Mode const& mode) const {
    Tape<B>& tape = x.tape();
    auto const weight =
        spectral_norm(tape.watch(conv.weight), SpectralVectors<B>{u, v}, {.iterations = mode.training() ? 1 : 0});
    return conv2d(x, weight, tape.watch(conv.bias), conv.options);
  }
};

/// u and v start as normal draws of length one and are moved by `warm_up` power iterations, so that a model can be applied
/// before it is trained.
template <class B>
SpectralConv2d<B> spectral_conv2d_layer(Rng& rng, std::size_t c_in, std::size_t c_out,
                                        Conv2dLayerOptions const& options = {}, int warm_up = 15) {
  using Scalar = typename B::scalar_type;
  auto conv = conv2d_layer<B>(rng, c_in, c_out, options);
  std::size_t const rows = conv.weight.value.size() / c_out;
  SpectralConv2d<B> layer{conv, make_zeros<B>("u", Shape{c_out}), make_zeros<B>("v", Shape{rows})};
  init_normal(rng, layer.u, 0, 1);
  init_normal(rng, layer.v, 0, 1);
  Workspace<B> ws;
  kernel::SpectralMatrix<Scalar> const matrix{layer.conv.weight.value.data(), rows, c_out, layer.u.data(),
                                              layer.v.data()};
  for (int i = 0; i < warm_up; ++i) kernel::spectral_iteration<B>(ws, matrix, 1e-12);
  ws.exec().fence("heliograd: the power iteration is done, its scratch memory goes");
  return layer;
}

}  // namespace heliograd::inline HELIOGRAD_ABI::nn
