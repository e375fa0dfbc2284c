// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Single convolutions in all directions, transposed ones, and the up-sampling one.
#include <heliograd/kernel/conv2d.hpp>
#include <heliograd/kernel/conv_transpose2d.hpp>
#include <heliograd/kernel/upsample_conv2d.hpp>
#include "work.hpp"

namespace duel {
namespace {

enum class Direction { forward, data, weight };

/// A convolution or its transpose; `compute(ws, x, w, bias, y)`, `data(ws, gy, w, gx)`, `weight(ws, x, gy, gw)`.
template <class Forward, class Data, class Weight>
Work in_direction(Direction direction, hg::Shape<4> const& x_shape, hg::Shape<4> const& w_shape, std::size_t c_out,
                  hg::Shape<4> const& y_shape, double macs, Forward forward, Data data, Weight weight) {
  auto const x = uniform(x_shape, 1);
  auto const w = filters(w_shape, 2);
  auto const bias = uniform(hg::Shape<1>{c_out}, 3);
  auto const gy = uniform(y_shape, 4);
  Work work;
  work.flops = 2 * macs;
  work.bytes = 4.0 * static_cast<double>(x_shape.size() + w_shape.size() + y_shape.size());
  work.inputs = {{"x", array(x)}, {"w", array(w)}, {"b", array(bias)}, {"gy", array(gy)}};
  auto const out = hg::make_zeros<B>("out", direction == Direction::forward ? y_shape
                                            : direction == Direction::data  ? x_shape
                                                                            : w_shape);
  auto const ws = std::make_shared<hg::Workspace<B>>();
  work.run = [=] {
    switch (direction) {
      case Direction::forward: forward(*ws, x, w, bias, out); break;
      case Direction::data: data(*ws, gy, w, hg::Sink<4, B>{out, 0}); break;
      case Direction::weight: weight(*ws, x, gy, hg::Sink<4, B>{out, 0}); break;
    }
    ws->exec().fence("duel");
  };
  work.result = [=] { return array(out); };
  return work;
}

Work conv2d(hg::Shape<4> const& x, hg::Shape<4> const& w, hg::Conv2dOptions const& options, Direction direction) {
  auto const y = hg::kernel::conv2d_shape(x, w, options);
  return in_direction(
      direction, x, w, w[3], y, static_cast<double>(w[0] * w[1] * w[2] * y.size()),
      [=](auto& ws, auto... a) { hg::kernel::conv2d<B>(ws, a..., options); },
      [=](auto& ws, auto... a) { hg::kernel::conv2d_backward_data<B>(ws, a..., options); },
      [=](auto& ws, auto... a) { hg::kernel::conv2d_backward_weight<B>(ws, a..., options); });
}

Work conv_transpose2d(hg::Shape<4> const& x, hg::Shape<4> const& w, hg::ConvTranspose2dOptions const& options,
                      Direction direction) {
  auto const y = hg::kernel::conv_transpose2d_shape(x, w, options);
  return in_direction(
      direction, x, w, w[2], y, static_cast<double>(w[0] * w[1] * w[2] * x.size()),
      [=](auto& ws, auto... a) { hg::kernel::conv_transpose2d<B>(ws, a..., options); },
      [=](auto& ws, auto... a) { hg::kernel::conv_transpose2d_backward_data<B>(ws, a..., options); },
      [=](auto& ws, auto... a) { hg::kernel::conv_transpose2d_backward_weight<B>(ws, a..., options); });
}

Work upsample(hg::Shape<4> const& x_shape, int factor) {
  hg::Shape<4> const weight_shape{std::size_t{3}, std::size_t{3}, x_shape[3], std::size_t{64}};
  auto const y_shape = hg::kernel::upsample_conv2d_shape(x_shape, weight_shape, factor);
  auto const x = uniform(x_shape, 1);
  auto const w = filters(weight_shape, 2);
  auto const bias = uniform(hg::Shape<1>{weight_shape[3]}, 3);
  auto const y = hg::make_zeros<B>("y", y_shape);
  Work work;
  work.flops = 2.0 * 9 * static_cast<double>(x_shape[3] * y_shape.size());
  work.bytes = 4.0 * static_cast<double>(x_shape.size() + weight_shape.size() + y_shape.size());
  work.inputs = {{"x", array(x)}, {"w", array(w)}, {"b", array(bias)}};
  auto const ws = std::make_shared<hg::Workspace<B>>();
  work.run = [=] {
    hg::kernel::upsample_conv2d<B>(*ws, x, w, bias, y, factor);
    ws->exec().fence("duel");
  };
  work.result = [=] { return array(y); };
  return work;
}

/// One entry for each direction.
template <class Make>
void add(std::vector<Entry>& entries, std::string const& name, Make make) {
  entries.push_back({name + " forward", [=] { return make(Direction::forward); }});
  entries.push_back({name + " data", [=] { return make(Direction::data); }});
  entries.push_back({name + " weight", [=] { return make(Direction::weight); }});
}

}  // namespace

std::vector<Entry> convolutions() {
  using hg::ConvAccuracy, hg::ConvAlgorithm, hg::PaddingMode, hg::Shape;
  hg::Conv2dOptions const reflect{.padding = 1, .mode = PaddingMode::reflect, .accuracy = ConvAccuracy::fast};
  hg::Conv2dOptions const zero{.padding = 1, .accuracy = ConvAccuracy::fast};
  hg::Conv2dOptions const halving{.stride = 2, .padding = 1, .accuracy = ConvAccuracy::fast};
  std::vector<Entry> entries;
  auto const conv = [&](std::string const& name, Shape<4> const& x, Shape<4> const& w, hg::Conv2dOptions const& o) {
    add(entries, name, [=](Direction direction) { return conv2d(x, w, o, direction); });
  };
  conv("conv3 64>64 32^2 b32", {32, 32, 32, 64}, {3, 3, 64, 64}, reflect);
  conv("conv3 256>256 64^2", {1, 64, 64, 256}, {3, 3, 256, 256}, reflect);
  conv("conv3 2>64 32^2 b32", {32, 32, 32, 2}, {3, 3, 2, 64}, reflect);
  conv("conv3 64>1 128^2 b32", {32, 128, 128, 64}, {3, 3, 64, 1}, zero);
  conv("conv1 64>1 128^2 b8", {8, 128, 128, 64}, {1, 1, 64, 1}, {});
  conv("conv4s2 1>64 1024^2", {1, 1024, 1024, 1}, {4, 4, 1, 64}, halving);
  conv("conv4s2 64>128 128^2 b4", {4, 128, 128, 64}, {4, 4, 64, 128}, halving);
  conv("conv4s2 256>512 32^2 b4", {4, 32, 32, 256}, {4, 4, 256, 512}, halving);
  conv("conv4s2 512>512 16^2 b4", {4, 16, 16, 512}, {4, 4, 512, 512}, halving);
  conv("conv4s2 512>512 4^2", {1, 4, 4, 512}, {4, 4, 512, 512}, halving);
  conv("conv4 256>512 32^2", {1, 32, 32, 256}, {4, 4, 256, 512}, zero);
  auto const transposed = [&](std::string const& name, Shape<4> const& x, Shape<4> const& w) {
    add(entries, name, [=](Direction direction) {
      return conv_transpose2d(x, w, {.stride = 2, .padding = 1, .accuracy = ConvAccuracy::fast}, direction);
    });
  };
  transposed("convT4s2 1024>256 16^2 b4", {4, 16, 16, 1024}, {4, 4, 256, 1024});
  transposed("convT4s2 256>64 64^2 b4", {4, 64, 64, 256}, {4, 4, 64, 256});
  transposed("convT4s2 128>1 128^2 b4", {4, 128, 128, 128}, {4, 4, 1, 128});

  // The algorithms by name, against the opponent's best.
  for (auto const algorithm : {ConvAlgorithm::direct, ConvAlgorithm::winograd_f2, ConvAlgorithm::winograd_f4}) {
    auto options = reflect;
    options.algorithm = algorithm;
    entries.push_back({"conv3 64>64 32^2 b32 " + to_string(algorithm),
                       [=] { return conv2d({32, 32, 32, 64}, {3, 3, 64, 64}, options, Direction::forward); }});
  }
  for (std::size_t const side : {128, 256, 512, 1024})  // how the cost grows with the image
    entries.push_back({"conv3 64>64 " + std::to_string(side) + "^2",
                       [=] { return conv2d({1, side, side, 64}, {3, 3, 64, 64}, zero, Direction::forward); }});
  entries.push_back({"up4 + conv3 64>64 32^2 b32", [] { return upsample({32, 32, 32, 64}, 4); }});
  entries.push_back({"up2 + conv3 64>64 32^2 b32", [] { return upsample({32, 32, 32, 64}, 2); }});
  return entries;
}

}  // namespace duel
