// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <catch2/catch_test_macros.hpp>
#include <string>
#include <vector>

#include <heliograd/tape/fields.hpp>
#include "spaces.hpp"

namespace hg = heliograd;

namespace {

template <class B>
struct Layer {
  hg::Param<2, B> weight;
  hg::Param<1, B> bias;
  int stride = 1;
  HELIOGRAD_FIELDS(weight, bias, stride)
};
template <class B>
struct Gain {  // a struct of one parameter, and of one struct
  hg::Param<1, B> gain;
  HELIOGRAD_FIELDS(gain)
};
template <class B>
struct Amplifier {
  Gain<B> first;
  HELIOGRAD_FIELDS(first)
};
template <class B>
struct Model {
  Layer<B> head;
  std::vector<Layer<B>> blocks;
  hg::Tensor<1, B> running_mean;
  HELIOGRAD_FIELDS(head, blocks, running_mean)
};

template <class B>
Layer<B> layer() {
  return {hg::make_param<B>("weight", hg::Shape{2, 3}), hg::make_param<B>("bias", hg::Shape{3})};
}

}  // namespace

TEST_CASE("parameters have paths without registration", "[tape]") {
  using B = test::FloatBackend;
  Model<B> model{layer<B>(), {layer<B>(), layer<B>()}, hg::make_zeros<B>("mean", hg::Shape{3})};
  std::vector<std::string> paths;
  hg::for_each_param([&](std::string const& path, auto const&) { paths.push_back(path); }, model);
  CHECK(paths == std::vector<std::string>{"head.weight", "head.bias", "blocks.0.weight", "blocks.0.bias",
                                          "blocks.1.weight", "blocks.1.bias"});
  std::vector<std::string> buffers;
  hg::for_each_buffer([&](std::string const& path, auto const&) { buffers.push_back(path); }, model);
  CHECK(buffers == std::vector<std::string>{"running_mean"});
  CHECK(hg::count_params(model) == 27);
}

TEST_CASE("a struct may have one parameter alone", "[tape]") {
  using B = test::FloatBackend;
  Amplifier<B> const model{{hg::make_param<B>("gain", hg::Shape{5})}};
  std::vector<std::string> paths;
  hg::for_each_param([&](std::string const& path, auto const&) { paths.push_back(path); }, model);
  CHECK(paths == std::vector<std::string>{"first.gain"});
  CHECK(hg::count_params(model.first) == 5);
}

TEST_CASE("two models are walked in step", "[tape]") {
  using B = test::FloatBackend;
  Model<B> a{layer<B>(), {layer<B>()}, {}};
  Model<B> b{layer<B>(), {layer<B>()}, {}};
  int pairs = 0;
  hg::for_each_param([&](std::string const&, auto& x, auto& y) { pairs += x.value.size() == y.value.size(); }, a, b);
  CHECK(pairs == 4);
}

TEST_CASE("a frozen model has no gradient buffers", "[tape]") {
  using B = test::FloatBackend;
  Model<B> model{layer<B>(), {layer<B>()}, {}};
  hg::freeze(model.blocks);
  CHECK(model.blocks[0].weight.frozen());
  CHECK_FALSE(model.head.weight.frozen());
}
