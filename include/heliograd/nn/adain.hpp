// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <heliograd/nn/linear.hpp>
#include <heliograd/op/activation.hpp>
#include <heliograd/op/norm.hpp>
#include <heliograd/op/shape.hpp>

namespace heliograd::inline HELIOGRAD_ABI::nn {

/// The lines that a style gives to the adaptive norms of a decoder, handed out one norm after the other. A style network, a few
/// linear layers, makes one row of numbers for each image: for each norm in forward order its c shifts, then its c scales
/// (MUNIT's order).
template <class B>
class AdaInStyle {
 public:
  /// \param numbers [n, 2 c_1 + 2 c_2 + ...], from the style network.
  explicit AdaInStyle(Var<2, B> numbers) : numbers_(numbers) {}

  /// The next norm, with the channels of x [n, ..., c].
  /// Throws   ShapeError if fewer numbers than it needs are left.
  template <int Rank>
  Var<Rank, B> operator()(Var<Rank, B> x, NormOptions const& options = {}) {
    std::size_t const channels = x.shape()[Rank - 1];
    expect_shape(2 * channels <= left(), "nn::AdaInStyle: " + std::to_string(left()) + " numbers are left of " +
                                             to_string(numbers_.shape()) + ", x " + to_string(x.shape()) + " needs " +
                                             std::to_string(2 * channels));
    auto const shift = slice_channels(numbers_, taken_, channels);
    auto const scale = slice_channels(numbers_, taken_ + channels, channels);
    taken_ += 2 * channels;
    return adain(x, scale, shift, options);
  }

  /// How many numbers no norm has taken yet: 0 after a decoder that fits its style network.
  std::size_t left() const { return numbers_.shape()[1] - taken_; }

 private:
  Var<2, B> numbers_;
  std::size_t taken_ = 0;
};

/// Linear layers with rectifiers between them, which turn a style into the numbers of all adaptive norms of a decoder.
template <class B>
struct StyleNetwork {
  std::vector<Linear<B>> layers;
  HELIOGRAD_FIELDS(layers)

  /// style [n, s] -> lines to hand out
  AdaInStyle<B> operator()(Var<2, B> style) const {
    auto x = layers.front()(style);
    for (std::size_t i = 1; i < layers.size(); ++i) x = layers[i](relu(x));
    return AdaInStyle<B>(x);
  }
};

/// \param numbers twice the channels of all norms together; MUNIT's network is (8, 256, 2, 8 * 2 * 256).
/// Throws   UsageError without a hidden layer.
template <class B>
StyleNetwork<B> style_network(Rng& rng, std::size_t style, std::size_t hidden, int hidden_layers, std::size_t numbers) {
  expect(hidden_layers >= 1, "nn::style_network: there must be one hidden layer at least");
  StyleNetwork<B> network;
  for (int i = 0; i < hidden_layers; ++i)
    network.layers.push_back(linear_layer<B>(rng, i == 0 ? style : hidden, hidden));
  network.layers.push_back(linear_layer<B>(rng, hidden, numbers));
  return network;
}

}  // namespace heliograd::inline HELIOGRAD_ABI::nn
