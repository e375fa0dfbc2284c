// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Single convolutions in all directions, and the up-sampling one.
#include <heliograd/kernel/conv2d.hpp>
#include <heliograd/kernel/upsample_conv2d.hpp>
#include "work.hpp"

namespace duel {
namespace {

struct Layer {
  std::string name;
  hg::Shape<4> x;
  hg::Shape<4> weight;
  hg::Conv2dOptions options;
};

enum class Direction { forward, data, weight };
constexpr char const* direction_names[] = {"forward", "data", "weight"};

Work conv2d(Layer const& layer, Direction direction) {
  auto const y_shape = hg::kernel::conv2d_shape(layer.x, layer.weight, layer.options);
  auto const x = uniform(layer.x, 1);
  auto const w = filters(layer.weight, 2);
  auto const bias = uniform(hg::Shape<1>{layer.weight[3]}, 3);
  auto const y = uniform(y_shape, 4);
  auto const gx = hg::make_zeros<B>("gx", layer.x);
  auto const gw = hg::make_zeros<B>("gw", layer.weight);
  auto const out = hg::make_zeros<B>("y", y_shape);
  Work work;
  work.flops = 2.0 * static_cast<double>(layer.weight[0] * layer.weight[1] * layer.weight[2] * y_shape.size());
  work.bytes = 4.0 * static_cast<double>(layer.x.size() + layer.weight.size() + y_shape.size());
  work.inputs = {{"x", array(x)}, {"w", array(w)}, {"b", array(bias)}, {"gy", array(y)}};
  auto const ws = std::make_shared<hg::Workspace<B>>();
  auto const options = layer.options;
  work.run = [=] {
    switch (direction) {
      case Direction::forward: hg::kernel::conv2d<B>(*ws, x, w, bias, out, options); break;
      case Direction::data: hg::kernel::conv2d_backward_data<B>(*ws, y, w, {gx, 0}, options); break;
      case Direction::weight: hg::kernel::conv2d_backward_weight<B>(*ws, x, y, {gw, 0}, options); break;
    }
    ws->exec().fence("duel");
  };
  work.result = [=] {
    return direction == Direction::forward ? array(out) : direction == Direction::data ? array(gx) : array(gw);
  };
  return work;
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

}  // namespace

std::vector<Entry> convolutions() {
  using hg::PaddingMode;
  hg::Conv2dOptions const reflect{.padding = 1, .mode = PaddingMode::reflect};
  hg::Conv2dOptions const zero{.padding = 1};
  hg::Conv2dOptions const halving{.stride = 2, .padding = 1};
  std::vector<Layer> const layers{
      {"conv3 2>64 32^2 b32", {32, 32, 32, 2}, {3, 3, 2, 64}, reflect},
      {"conv3 64>64 32^2 b32", {32, 32, 32, 64}, {3, 3, 64, 64}, reflect},
      {"conv3 64>64 128^2 b8", {8, 128, 128, 64}, {3, 3, 64, 64}, zero},
      {"conv3 64>64 1024^2", {1, 1024, 1024, 64}, {3, 3, 64, 64}, zero},
      {"conv3 256>256 64^2", {1, 64, 64, 256}, {3, 3, 256, 256}, reflect},
      {"conv3 64>1 128^2 b32", {32, 128, 128, 64}, {3, 3, 64, 1}, zero},
      {"conv1 64>1 128^2 b8", {8, 128, 128, 64}, {1, 1, 64, 1}, {}},
      {"conv4s2 1>64 1024^2", {1, 1024, 1024, 1}, {4, 4, 1, 64}, halving},
      {"conv4s2 64>128 128^2 b4", {4, 128, 128, 64}, {4, 4, 64, 128}, halving},
      {"conv4s2 256>512 32^2 b4", {4, 32, 32, 256}, {4, 4, 256, 512}, halving},
      {"conv4s2 512>512 4^2", {1, 4, 4, 512}, {4, 4, 512, 512}, halving},
      {"conv4 256>512 32^2", {1, 32, 32, 256}, {4, 4, 256, 512}, zero},
  };
  std::vector<Entry> entries;
  for (Layer const& layer : layers)
    for (Direction const direction : {Direction::forward, Direction::data, Direction::weight})
      entries.push_back(
          {layer.name + " " + direction_names[static_cast<int>(direction)], [=] { return conv2d(layer, direction); }});
  // The algorithms by name, against the opponent's best.
  Layer plain{"conv3 64>64 32^2 b32 direct", {32, 32, 32, 64}, {3, 3, 64, 64}, reflect};
  plain.options.algorithm = hg::ConvAlgorithm::direct;
  entries.push_back({plain.name + " forward", [=] { return conv2d(plain, Direction::forward); }});
  entries.push_back({"up4 + conv3 64>64 32^2 b32", [] { return upsample({32, 32, 32, 64}, 4); }});
  entries.push_back({"up2 + conv3 64>64 32^2 b32", [] { return upsample({32, 32, 32, 64}, 2); }});
  return entries;
}

}  // namespace duel
