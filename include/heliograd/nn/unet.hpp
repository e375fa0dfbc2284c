// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <type_traits>
#include <vector>

#include <heliograd/nn/conv.hpp>
#include <heliograd/nn/dropout.hpp>
#include <heliograd/nn/norm.hpp>
#include <heliograd/op/activation.hpp>
#include <heliograd/op/shape.hpp>

namespace heliograd::inline HELIOGRAD_ABI::nn {

/// Where the rectifiers of a U-Net stand.
enum class UNetOrder {
  before,  ///< before each convolution: skips carry what the norm gives, decoders rectify what they have joined (pix2pix)
  after,  ///< after each norm: skips carry what the encoder rectified, decoders take it as it is (Park et al. 2019)
};

/// Which convolutions of a U-Net have a bias. Where a norm follows, a bias has no effect.
enum class UNetBias {
  output,  ///< the last one
  ends,    ///< the first, the innermost and the last: those without a norm
  none,
};

enum class UNetOutput { tanh, linear };

struct UNetOptions {
  std::size_t c_in = 1;
  std::size_t c_out = 1;
  int depth = 8;             ///< halvings: sides must be multiples of 2^depth
  std::size_t base = 64;     ///< channels of the first stage; they double at each stage
  std::size_t widest = 512;  ///< up to these
  UNetOrder order = UNetOrder::before;
  UNetBias bias = UNetBias::output;
  UNetOutput output = UNetOutput::tanh;
  int dropped_stages = 3;       ///< decoder stages with dropout, from the innermost on
  double dropout = 0.5;         ///< of an element, in these stages
  bool innermost_norm = false;  ///< a norm at the smallest size as well; it needs more than one pixel or image
  std::size_t bottleneck_channels =
      0;  ///< what the decoder receives, if something stands between; 0: what the encoder gives
  NormOptions norm = {};
};

/// One halving: a k4 s2 convolution and its norm.
template <class B>
struct UNetDown {
  Conv2d<B> conv;
  BatchNorm<B> norm;  ///< empty: none
  HELIOGRAD_FIELDS(conv, norm)
};

/// One doubling: a k4 s2 transposed convolution and its norm.
template <class B>
struct UNetUp {
  ConvTranspose2d<B> conv;
  BatchNorm<B> norm;  ///< empty: none
  Dropout dropout;
  HELIOGRAD_FIELDS(conv, norm, dropout)
};

/// An encoder of halvings and a decoder of doublings that also sees, at each size, what the encoder had there (Ronneberger,
/// Fischer, Brox 2015; in this form Isola, Zhu, Zhou, Efros: Image-to-image translation; CVPR 2017).
///
/// Shapes   [n, h, w, c_in] -> [n, h, w, c_out]; h and w multiples of 2^depth.
/// Throws   ShapeError naming the sides that would do.
template <class B>
struct UNet {
  std::vector<UNetDown<B>> down;
  std::vector<UNetUp<B>> up;
  UNetOptions options;
  HELIOGRAD_FIELDS(down, up, options)

  Var<4, B> operator()(Var<4, B> x, Mode const& mode) const { return through(x, mode, Unchanged{}); }

  /// The same with something between encoder and decoder: `look(i, map)` is what the decoder sees of the encoder's map i, 0 the
  /// largest.
  template <class Look>
  Var<4, B> through(Var<4, B> x, Mode const& mode, Look const& look) const {
    expect_sides(x);
    auto& tape = x.tape();
    bool banded = comes_in_bands(x);
    Var<4, B> map = x;
    std::vector<Var<4, B>> skips;
    for (std::size_t i = 0; i < down.size(); ++i) {
      auto const in = i == 1 && banded ? tape.spend(map) : map;
      // What decoders rectify may be rectified already: relu(leaky_relu(y)) is relu(y), and one map less is kept.
      map = std::is_same_v<Look, Unchanged> ? halve_rectified(i, in, slope(i), mode) : halve(i, in, mode);
      skips.push_back(look(i, map));
      if (i == 0) banded = banded && skips[0].value.data() == map.value.data();
    }
    map = tape.spend(skips.back());
    skips.pop_back();
    std::size_t const last = up.size() - 1;
    for (std::size_t i = 0; i < last; ++i) {
      auto const half = redouble(i, map, mode);
      if (banded && i + 1 == last) return finish_in_bands(x, half, {}, mode);
      if (banded && i + 2 == last && stands_alone(last - 1, mode)) return finish_in_bands(x, half, skips[1], mode);
      map = join(half, skips.back());
      tape.done_with(skips.back());
      skips.pop_back();
    }
    return redouble(last, map, mode);
  }

  /// What the encoder has at each size, largest first; the last one is the innermost map, rectified.
  std::vector<Var<4, B>> encode(Var<4, B> x, Mode const& mode) const {
    expect_sides(x);
    std::vector<Var<4, B>> maps;
    for (std::size_t i = 0; i < down.size(); ++i) maps.push_back(x = halve(i, x, mode));
    return maps;
  }

  /// `skips` are the encoder's maps without the innermost.
  Var<4, B> decode(Var<4, B> x, std::vector<Var<4, B>> const& skips, Mode const& mode) const {
    for (std::size_t i = 0; i + 1 < up.size(); ++i) x = join(redouble(i, x, mode), skips[skips.size() - 1 - i]);
    return redouble(up.size() - 1, x, mode);
  }

  /// \name One stage at a time, for those who keep the maps elsewhere.
  ///@{
  /// The encoder's stage i, from the map of the stage before (or the image). Writes over x if it is spent (`Tape::spend`).
  Var<4, B> halve(std::size_t i, Var<4, B> x, Mode const& mode) const {
    bool const after = options.order == UNetOrder::after;
    bool const rectify = !after && i > 0;
    auto const in = rectify ? x.tape().spend(leaky_relu(x, 0.2)) : x;
    return halve_rectified(i, in, after || i + 1 == down.size() ? slope(i) : 1.0, mode);
  }

  /// The decoder's stage i, not yet joined with the skip. Writes over x if it is spent (`Tape::spend`).
  Var<4, B> redouble(std::size_t i, Var<4, B> x, Mode const& mode) const {
    bool const after = options.order == UNetOrder::after;
    auto& tape = x.tape();
    auto const in = !after && i > 0 ? tape.spend(relu(x)) : x;
    if (i + 1 == up.size()) return up[i].conv(in, {.tanh = options.output == UNetOutput::tanh});
    auto const normed = rectified(up[i].norm, after ? 0.0 : 1.0)(tape.spend(up[i].conv(in)), mode);
    return up[i].dropout(tape.spend(normed), mode);
  }
  ///@}

 private:
  /// A look that sees nothing.
  struct Unchanged {
    Var<4, B> operator()(std::size_t, Var<4, B> map) const { return map; }
  };

  /// Of the rectifier behind the encoder's stage i.
  double slope(std::size_t i) const { return i + 1 == down.size() ? 0.0 : 0.2; }

  /// The encoder's stage i from a map that is rectified; so is the result, by `slope` (1: not at all).
  Var<4, B> halve_rectified(std::size_t i, Var<4, B> x, double slope, Mode const& mode) const {
    auto& tape = x.tape();
    if (down[i].norm.scale.value.size() == 0) return down[i].conv(x, {.negative_slope = slope});
    return rectified(down[i].norm, slope)(tape.spend(down[i].conv(x)), mode);
  }

  void expect_sides(Var<4, B> const& x) const {
    std::size_t const unit = std::size_t{1} << down.size();
    expect_shape(x.shape()[1] % unit == 0 && x.shape()[2] % unit == 0 && x.shape()[1] > 0 && x.shape()[2] > 0,
                 "nn::UNet: x is " + to_string(x.shape()) + ", expected sides that are multiples of " +
                     std::to_string(unit) + " for " + std::to_string(down.size()) + " halvings; pad the image");
  }

  /// Half of what a stage of the decoder sees, and the map of the encoder.
  static Var<4, B> join(Var<4, B> half, Var<4, B> skip) {
    auto& tape = half.tape();
    return tape.spend(concat(tape.spend(half), skip));
  }

  /// Numbers that the last doubling sees at a time where the outermost stages come in bands.
  static constexpr std::size_t band_numbers = std::size_t{1} << 20;

  /// The largest join is a good part of the memory that applying takes, and so is the encoder's largest map, which would wait for
  /// it through the whole network. Both stages have few channels on one side and no norm: the map is made again when it is
  /// wanted, a band of rows at a time.
  bool comes_in_bands(Var<4, B> const& x) const {
    auto const& last = up.back().conv.weight.value;
    if (x.tape().recording() || down.size() < 2 || down[0].norm.scale.value.size() > 0) return false;
    if (down[0].conv.weight.value.extent(2) > 8 || last.extent(2) > 8) return false;
    return x.shape()[1] / 2 * (x.shape()[2] / 2) * last.extent(3) > band_numbers;
  }

  /// Whether the decoder's stage i does the same to some rows as to all of them.
  bool stands_alone(std::size_t i, Mode const& mode) const {
    return !mode.training() && !mode.batch_statistics() && up[i].dropout.probability == 0;
  }

  /// Some rows of an image.
  static Var<4, B> rows(Var<4, B> const& map, std::size_t image, std::size_t from, std::size_t to) {
    Shape<4> const whole = map.shape();
    auto* const first = map.value.data() + (image * whole[1] + from) * whole[2] * whole[3];
    return map.tape().constant(view_at<TensorRef<4, B>>(first, Shape<4>{1, to - from, whole[2], whole[3]}));
  }

  /// What is left to do to `half`, in bands; with a skip it is still to be joined, and two doublings are left. The same numbers
  /// as those of whole images: bands begin where tiles of the transformed convolutions do.
  Var<4, B> finish_in_bands(Var<4, B> x, Var<4, B> half, Var<4, B> skip, Mode const& mode) const {
    constexpr std::size_t tile = 4;
    auto& tape = x.tape();
    Shape<4> shape = x.shape();
    shape[3] = up.back().conv.weight.value.extent(2);
    auto const y = tape.make(shape, false);
    std::size_t const height = half.shape()[1];
    for (std::size_t image = 0; image < shape[0]; ++image) {
      if (!skip.value.data()) {
        finish_rows(x, image, rows(half, image, 0, height), 0, 0, height, y, mode);
        continue;
      }
      std::size_t const numbers = half.shape()[2] * (half.shape()[3] + skip.shape()[3]);
      std::size_t const step = std::max<std::size_t>(1, 2 * band_numbers / numbers / tile) * tile;
      for (std::size_t a = 0; a < height; a += step) {
        std::size_t const b = std::min(a + step, height), from = a - std::min(a, tile), to = std::min(b + tile, height);
        auto const both = concat(rows(half, image, from, to), rows(skip, image, from, to));
        auto const next = redouble(up.size() - 2, tape.spend(both), mode);
        finish_rows(x, image, next, 2 * from, 2 * a, 2 * b, y, mode);
        tape.done_with(next);
      }
    }
    tape.done_with(half);
    if (skip.value.data()) tape.done_with(skip);
    return y;
  }

  /// The last doubling of rows a to b. `half` is of one image and begins with row `first`.
  void finish_rows(Var<4, B> x, std::size_t image, Var<4, B> half, std::size_t first, std::size_t a, std::size_t b,
                   Var<4, B> y, Mode const& mode) const {
    auto& tape = x.tape();
    std::size_t const height = x.shape()[1] / 2;
    std::size_t const step =
        std::max<std::size_t>(1, band_numbers / (half.shape()[2] * up.back().conv.weight.value.extent(3)));
    // A row of y sees half a row more of what is joined, that as much of the image.
    auto const above = [](std::size_t row) { return row - std::min<std::size_t>(row, 1); };
    auto const below = [=](std::size_t row) { return std::min(row + 1, height); };
    for (; a < b; a += step) {
      std::size_t const end = std::min(a + step, b), from = above(a), to = below(end);
      auto const map = halve(0, rows(x, image, 2 * above(from), 2 * below(to)), mode);
      auto const both =
          concat(rows(half, 0, from - first, to - first), rows(map, 0, from - above(from), to - above(from)));
      tape.done_with(map);
      auto const part = redouble(up.size() - 1, tape.spend(both), mode);
      accumulate(tape.workspace(), Sink<4, B>{rows(y, image, 2 * a, 2 * end).value, 0},
                 rows(part, 0, 2 * (a - from), 2 * (end - from)).value);
      tape.done_with(part);
    }
  }

  /// The norm with a rectifier in the same pass. (Dropout commutes with it.)
  static BatchNorm<B> rectified(BatchNorm<B> norm, double slope) {
    norm.options.negative_slope = slope;
    return norm;
  }
};

/// Weights start normal with deviation 0.02, biases 0, norms' factors normal about 1 with 0.02: pix2pix's initialisation.
/// Throws   UsageError for options that make no network.
template <class B>
UNet<B> unet(Rng& rng, UNetOptions const& options) {
  expect(options.depth >= 1 && options.depth <= 20 && options.base > 0 && options.widest > 0 && options.c_in > 0 &&
             options.c_out > 0,
         "nn::unet: the depth must lie in [1, 20] and channels must be positive (found depth " +
             std::to_string(options.depth) + ")");
  std::size_t const depth = static_cast<std::size_t>(options.depth);
  auto const width = [&](std::size_t stage) {  // of the encoder's map, stage 0 the largest
    std::size_t channels = options.base;
    for (std::size_t i = 0; i < stage && channels < options.widest; ++i) channels *= 2;
    return std::min(channels, options.widest);
  };
  auto const norm = [&](std::size_t channels) {
    auto layer = batch_norm_layer<B>(channels, options.norm);
    if (channels > 0) init_normal(rng, layer.scale.value, 1.0, 0.02);
    return layer;
  };
  auto const start = [&](auto layer) {
    init_normal(rng, layer.weight.value, 0.0, 0.02);
    fill(typename B::execution_space{}, layer.bias.value, typename B::scalar_type(0));
    return layer;
  };
  UNet<B> model;
  model.options = options;
  for (std::size_t i = 0; i < depth; ++i) {
    bool const first = i == 0;
    bool const innermost = i + 1 == depth;
    bool const normed = !first && (!innermost || options.innermost_norm);
    bool const bias = options.bias == UNetBias::ends && (first || innermost);
    model.down.push_back({start(conv2d_layer<B>(rng, first ? options.c_in : width(i - 1), width(i),
                                                {.filter = 4, .stride = 2, .padding = 1, .bias = bias})),
                          norm(normed ? width(i) : 0)});
  }
  std::size_t c_in = options.bottleneck_channels > 0 ? options.bottleneck_channels : width(depth - 1);
  for (std::size_t i = 0; i < depth; ++i) {
    bool const last = i + 1 == depth;
    std::size_t const c_out = last ? options.c_out : width(depth - 2 - i);
    bool const dropped = static_cast<int>(i) < options.dropped_stages && !last;
    model.up.push_back(
        {start(conv_transpose2d_layer<B>(rng, c_in, c_out, {.bias = last && options.bias != UNetBias::none})),
         norm(last ? 0 : c_out), Dropout{dropped ? options.dropout : 0.0}});
    c_in = 2 * c_out;
  }
  return model;
}

}  // namespace heliograd::inline HELIOGRAD_ABI::nn
