// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The convolutions of the twelve systems, with their channels: what sweeps of small shapes cannot reach. The two widest, of
// system S4, have half of theirs: they alone would take longer than all others.
#include <algorithm>
#include <catch2/catch_message.hpp>
#include <catch2/catch_test_macros.hpp>
#include <cstddef>
#include <string>
#include <vector>

#include <heliograd/core/copy.hpp>
#include <heliograd/kernel/conv2d.hpp>
#include <heliograd/kernel/conv_transpose2d.hpp>
#include <heliograd/testing/compare.hpp>
#include <heliograd/testing/draw.hpp>
#include "kernel/tensors.hpp"
#include "reference/conv2d.hpp"
#include "spaces.hpp"

namespace {

namespace hg = heliograd;
using B = test::FloatBackend;
using hg::PaddingMode;
using hg::Shape;
using test::put;
using test::target;
using test::Values;

/// A layer as the papers have it: x is side x side.
struct Layer {
  std::size_t side, c_in, c_out, filter = 0;
  hg::Conv2dOptions options = {};
};

/// A convolution: y(p) = sum of x(stride p - padding + tap) w(tap).
struct Plain {
  static constexpr char const* name = "conv2d";

  static Shape<4> weight(Layer const& l) { return {l.filter, l.filter, l.c_in, l.c_out}; }
  static Shape<4> y_shape(Shape<4> const& x, Shape<4> const& w, hg::Conv2dOptions const& o) {
    return hg::kernel::conv2d_shape(x, w, o);
  }
  static hg::ConvAlgorithm choice(Shape<4> const& x, Shape<4> const& w, hg::Conv2dOptions const& o) {
    return hg::kernel::detail::choose(hg::kernel::detail::conv2d_geometry(x, w, o), o);
  }
  static void forward(hg::Workspace<B>& ws, auto const&... rest) { hg::kernel::conv2d<B>(ws, rest...); }
  static void backward_data(hg::Workspace<B>& ws, auto const&... rest) {
    hg::kernel::conv2d_backward_data<B>(ws, rest...);
  }
  static void backward_weight(hg::Workspace<B>& ws, auto const&... rest) {
    hg::kernel::conv2d_backward_weight<B>(ws, rest...);
  }

  /// y(p, q, o), written from the definition.
  static double at(Layer const& l, Values const& x, Values const& w, int p, int q, std::size_t o) {
    int const side = static_cast<int>(l.side), filter = static_cast<int>(l.filter);
    double total = 0;
    for (int i = 0; i < filter; ++i)
      for (int j = 0; j < filter; ++j) {
        int const row = test::reference::source(p * l.options.stride + i - l.options.padding.top, side, l.options.mode);
        int const column =
            test::reference::source(q * l.options.stride + j - l.options.padding.left, side, l.options.mode);
        if (row < 0 || column < 0) continue;
        auto const pixel = static_cast<std::size_t>(row * side + column),
                   tap = static_cast<std::size_t>(i * filter + j);
        for (std::size_t c = 0; c < l.c_in; ++c) total += x[pixel * l.c_in + c] * w[(tap * l.c_in + c) * l.c_out + o];
      }
    return total;
  }
};

/// Its transpose, which doubles: y(stride p - padding + tap) collects x(p) w(tap).
struct Doubling {
  static constexpr char const* name = "conv_transpose2d";

  static hg::ConvTranspose2dOptions options(hg::Conv2dOptions const& o, std::size_t filter) {
    return {.stride = o.stride,
            .padding = o.padding,
            .output_padding = filter == 3 ? 1 : 0,
            .algorithm = o.algorithm,
            .accuracy = o.accuracy};
  }
  static Shape<4> weight(Layer const& l) { return {l.filter, l.filter, l.c_out, l.c_in}; }
  static Shape<4> y_shape(Shape<4> const& x, Shape<4> const& w, hg::Conv2dOptions const& o) {
    return hg::kernel::conv_transpose2d_shape(x, w, options(o, w[0]));
  }
  static hg::ConvAlgorithm choice(Shape<4> const& x, Shape<4> const& w, hg::Conv2dOptions const& o) {
    return Plain::choice(y_shape(x, w, o), w, o);
  }
  static void forward(hg::Workspace<B>& ws, auto const& x, auto const& w, auto const& b, auto const& y,
                      hg::Conv2dOptions const& o) {
    hg::kernel::conv_transpose2d<B>(ws, x, w, b, y, options(o, w.extent(0)));
  }
  static void backward_data(hg::Workspace<B>& ws, auto const& gy, auto const& w, hg::Sink<4, B> const& gx,
                            hg::Conv2dOptions const& o) {
    hg::kernel::conv_transpose2d_backward_data<B>(ws, gy, w, gx, options(o, w.extent(0)));
  }
  static void backward_weight(hg::Workspace<B>& ws, auto const& x, auto const& gy, hg::Sink<4, B> const& gw,
                              hg::Conv2dOptions const& o) {
    hg::kernel::conv_transpose2d_backward_weight<B>(ws, x, gy, gw, options(o, gw.out.extent(0)));
  }

  static double at(Layer const& l, Values const& x, Values const& w, int p, int q, std::size_t o) {
    int const side = static_cast<int>(l.side), filter = static_cast<int>(l.filter), stride = l.options.stride;
    double total = 0;
    for (int i = 0; i < filter; ++i)
      for (int j = 0; j < filter; ++j) {
        int const row = p + l.options.padding.top - i, column = q + l.options.padding.left - j;
        if (row < 0 || column < 0 || row % stride != 0 || column % stride != 0) continue;
        if (row / stride >= side || column / stride >= side) continue;
        auto const pixel = static_cast<std::size_t>(row / stride * side + column / stride),
                   tap = static_cast<std::size_t>(i * filter + j);
        for (std::size_t c = 0; c < l.c_in; ++c) total += x[pixel * l.c_in + c] * w[(tap * l.c_out + o) * l.c_in + c];
      }
    return total;
  }
};

double dot(std::vector<float> const& a, Values const& b) {
  double total = 0;
  for (std::size_t i = 0; i < a.size(); ++i) total += static_cast<double>(a[i]) * b[i];
  return total;
}

/// In the smallest image that is computed by the same algorithms, halved from the paper's. With strict accuracy, on integers:
/// results here and there by the definition, and <gy, A(x, w)> = <gx, x> = <gw, w>, exactly. With fast accuracy: all as with
/// strict to 6e-6.
template <class Op>
void check(Layer layer) {
  auto fast = layer.options;
  fast.accuracy = hg::ConvAccuracy::fast;
  auto const w_shape = Op::weight(layer);
  auto const x_of = [&](std::size_t side) { return Shape<4>{1, side, side, layer.c_in}; };
  auto const same = [&](std::size_t side) {
    for (auto const& options : {layer.options, fast})
      if (Op::choice(x_of(side), w_shape, options) != Op::choice(x_of(layer.side), w_shape, options)) return false;
    return true;
  };
  INFO(Op::name << " " << layer.filter << "x" << layer.filter << ", stride " << layer.options.stride << ", "
                << layer.c_in << " to " << layer.c_out << " channels, side " << layer.side);
  std::size_t side = layer.side;
  while (side >= 16 && same(side / 2)) side /= 2;
  layer.side = side;
  auto const x_shape = x_of(side), y_shape = Op::y_shape(x_shape, w_shape, layer.options);

  hg::testing::Draws draws(5);
  auto const x = test::draw_values<B>(draws, x_shape.size(), true);
  auto const w = test::draw_values<B>(draws, w_shape.size(), true);
  auto const gy = test::draw_values<B>(draws, y_shape.size(), true);
  struct Results {
    std::vector<float> y, gx, gw;
  };
  auto const run = [&](hg::Conv2dOptions const& options) {
    hg::Workspace<B> ws;
    hg::Tensor<4, B> y, gx, gw;
    auto const x_at = put<B>(x_shape, x), w_at = put<B>(w_shape, w), gy_at = put<B>(y_shape, gy);
    target<B>(y_shape, y, false);
    Op::forward(ws, x_at, w_at, hg::make_tensor<B>("no bias", Shape<1>{0}), y, options);
    Op::backward_data(ws, gy_at, w_at, target<B>(x_shape, gx, false), options);
    Op::backward_weight(ws, x_at, gy_at, target<B>(w_shape, gw, false), options);
    return Results{hg::to_host(ws.exec(), y), hg::to_host(ws.exec(), gx), hg::to_host(ws.exec(), gw)};
  };
  auto const strict = run(layer.options);
  for (int probe = 0; probe < 40; ++probe) {
    auto const p = draws.bits() % y_shape[1], q = probe < 4 ? y_shape[2] - 1 : draws.bits() % y_shape[2],
               o = probe == 0 ? y_shape[3] - 1 : draws.bits() % y_shape[3];
    CAPTURE(p, q, o);
    CHECK(static_cast<double>(strict.y[(p * y_shape[2] + q) * y_shape[3] + o]) ==
          Op::at(layer, x, w, static_cast<int>(p), static_cast<int>(q), o));
  }
  double const form = dot(strict.y, gy);
  CHECK(form != 0);
  CHECK(dot(strict.gx, x) == form);
  CHECK(dot(strict.gw, w) == form);
  if (Op::choice(x_shape, w_shape, fast) == Op::choice(x_shape, w_shape, layer.options)) return;
  auto const found = run(fast);
  auto const off = [](std::vector<float> const& a, std::vector<float> const& b) {
    return hg::testing::compare(a, Values(b.begin(), b.end())).relative;
  };
  CHECK(off(found.y, strict.y) <= 6e-6);
  CHECK(off(found.gx, strict.gx) <= 6e-6);
  CHECK(off(found.gw, strict.gw) <= 6e-6);
}

hg::Conv2dOptions padded(int padding, PaddingMode mode, int stride = 1) {
  return {.stride = stride, .padding = padding, .mode = mode};
}

}  // namespace

TEST_CASE("conv2d: the layers of the twelve systems", "[sweep][kernel][conv2d]") {
  using enum PaddingMode;
  auto const all = [](hg::Conv2dOptions const& options, std::size_t filter, std::vector<Layer> layers) {
    for (auto& layer : layers) {
      layer.filter = filter;
      layer.options = options;
      check<Plain>(layer);
    }
  };
  all(padded(1, reflect), 3,
      {{32, 2, 64}, {32, 64, 64}, {32, 128, 128}, {32, 128, 64}, {64, 512, 512}, {64, 256, 256}});
  all(padded(1, replicate), 3, {{32, 640, 640}});
  all(padded(1, zero), 3, {{8, 512, 512}});
  all({}, 1, {{128, 64, 1}, {1, 256, 8}, {16, 512, 1}, {16, 512, 64}, {16, 64, 512}});
  all(padded(3, reflect), 7, {{1024, 3, 32}, {1024, 32, 1}, {256, 1, 64}, {256, 64, 1}});
  all(padded(3, replicate), 7, {{1024, 7, 40}, {1024, 40, 1}});
  all(padded(2, reflect), 5, {{128, 256, 128}, {256, 128, 64}});
  all(padded(2, zero, 2), 5, {{1024, 40, 80}, {512, 80, 160}, {256, 160, 320}, {128, 320, 640}});
  all(padded(1, zero, 2), 3, {{1024, 32, 64}, {512, 64, 128}, {256, 128, 256}, {128, 256, 512}});
  all(padded(1, zero, 2), 4,
      {{1024, 1, 64},
       {1024, 2, 64},
       {1024, 3, 64},
       {1024, 4, 64},
       {1024, 17, 40},
       {512, 40, 80},
       {256, 80, 160},
       {512, 64, 128},
       {256, 128, 256},
       {128, 256, 512},
       {64, 512, 512},
       {16, 512, 512},
       {2, 512, 512}});
  all(padded(1, reflect, 2), 4, {{256, 1, 64}, {256, 64, 128}, {128, 128, 256}, {64, 256, 256}, {32, 256, 512}});
  all(padded(1, zero), 4, {{128, 256, 512}, {127, 512, 1}, {128, 160, 320}, {127, 320, 1}});
}

TEST_CASE("conv_transpose2d: the layers of the twelve systems", "[sweep][kernel][conv_transpose2d]") {
  auto const all = [](std::size_t filter, std::vector<Layer> layers) {
    for (auto& layer : layers) {
      layer.filter = filter;
      layer.options = padded(1, PaddingMode::zero, 2);
      check<Doubling>(layer);
    }
  };
  all(4, {{1, 512, 512},
          {8, 1024, 512},

          {64, 1024, 256},
          {128, 512, 128},
          {256, 256, 64},
          {512, 128, 1},
          {128, 128, 1}});
  all(3, {{64, 512, 256},
          {128, 256, 128},
          {256, 128, 64},
          {512, 64, 32},
          {32, 1280, 640},
          {64, 640, 320},
          {128, 320, 160},
          {256, 160, 80},
          {512, 80, 40}});
}
