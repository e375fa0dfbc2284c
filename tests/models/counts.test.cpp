// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The networks of the twelve systems as plain structs: their parameters are as many as the papers' (specification, table of
// counts), and they run.
#include <catch2/catch_test_macros.hpp>
#include <cstddef>
#include <string>

#include <heliograd/nn/patch_discriminator.hpp>
#include <heliograd/tape/no_grad.hpp>
#include "models/attention_unet.hpp"
#include "models/denoiser.hpp"
#include "models/global_generator.hpp"
#include "models/munit.hpp"
#include "spaces.hpp"
#include "super_resolution/model.hpp"

namespace hg = heliograd;
namespace nn = heliograd::nn;

namespace {

using B = test::FloatBackend;

/// The number of parameters, and that an image of this side goes through without gradients.
template <class Model, class Run>
void expect(char const* name, std::size_t params, Model model, hg::Shape<4> const& x, hg::Shape<4> const& y,
            Run const& run) {
  INFO(name);
  CHECK(hg::count_params(model) == params);
  hg::freeze(model);
  hg::Tape<B> tape;
  hg::NoGrad const no_grad(tape);
  CHECK(run(model, tape.constant(hg::make_zeros<B>("x", x))).shape() == y);
}

auto const by_mode = [](auto const& model, hg::Var<4, B> x) {
  return model(x, nn::Mode::apply_with_batch_statistics());
};
auto const plain = [](auto const& model, hg::Var<4, B> x) { return model(x); };

}  // namespace

TEST_CASE("counts: the super-resolution network", "[models]") {
  hg::Rng rng(1);
  for (int const scale : {1, 2, 4}) {
    std::size_t const side = 32 * static_cast<std::size_t>(scale);
    expect("S1", 222855, super_resolution::super_resolution_network<B>(rng, scale), {1, 32, 32, 2}, {1, side, side, 1},
           by_mode);
  }
}

TEST_CASE("counts: the U-Nets of image translation", "[models]") {
  hg::Rng rng(1);
  auto const net = [&](char const* name, std::size_t params, nn::UNetOptions const& options) {
    std::size_t const side = std::size_t{1} << options.depth;
    expect(name, params, nn::unet<B>(rng, options), {1, side, side, options.c_in}, {1, side, side, 1}, by_mode);
  };
  net("S2 G", 79578305, {.depth = 10, .bias = nn::UNetBias::ends});
  net("S7 G, as published in code", 79577728,
      {.depth = 10, .bias = nn::UNetBias::none, .output = nn::UNetOutput::linear});
  net("S5 alternative, S7, S8, S9 baseline, S10 G", 54407809, {.order = nn::UNetOrder::after});
  net("S8 G, two channels", 54408833, {.c_in = 2, .order = nn::UNetOrder::after});
  net("S8 G, three channels", 54409857, {.c_in = 3, .order = nn::UNetOrder::after});
  net("S9 baseline G, five halvings", 16652929, {.depth = 5});
}

TEST_CASE("counts: U-Nets with attention", "[models]") {
  hg::Rng rng(1);
  auto const net = [&](std::size_t params, int depth, int stage) {
    std::size_t const side = std::size_t{1} << depth;
    expect("S9 G", params, models::attention_unet<B>(rng, depth, stage), {1, side, side, 1}, {1, side, side, 1},
           by_mode);
  };
  net(20978306, 5, -1);
  net(58733186, 8, -1);
  net(56636034, 8, 3);
}

TEST_CASE("counts: patch discriminators", "[models]") {
  hg::Rng rng(1);
  auto const net = [&](char const* name, std::size_t params, nn::PatchDiscriminatorOptions const& options) {
    expect(name, params, nn::patch_discriminator<B>(rng, options), {1, 256, 256, options.c_in},
           options.plain_tail ? hg::Shape<4>{1, 16, 16, 1} : hg::Shape<4>{1, 30, 30, 1}, by_mode);
  };
  using nn::DiscriminatorNorm;
  net("S2 D, biases kept", 2765505, {.inner_bias = true});
  net("S5, S7, S8, S9, S10 D", 2764609, {});
  net("S8 D, two channels", 2765633, {.c_in = 3});
  net("S8 D, three channels", 2766657, {.c_in = 4});
  net("S3 D", 2765761, {.c_in = 4, .norm = DiscriminatorNorm::instance, .inner_bias = true});
  net("S4 D", 1091801, {.c_in = 17, .base = 40, .norm = DiscriminatorNorm::instance, .inner_bias = true});
  net("S6 D, one scale", 8265027 / 3,
      {.c_in = 1,
       .halvings = 4,
       .norm = DiscriminatorNorm::none,
       .plain_tail = true,
       .mode = hg::PaddingMode::reflect});
}

TEST_CASE("counts: generators with residual blocks", "[models]") {
  hg::Rng rng(1);
  expect("S3 G", 45617729, models::global_generator<B>(rng, {}), {1, 64, 64, 3}, {1, 64, 64, 1}, plain);
  expect("S4 G", 302564081,
         models::global_generator<B>(rng, {.c_in = 7,
                                           .base = 40,
                                           .halvings = 5,
                                           .halving_filter = 5,
                                           .mish = true,
                                           .mode = hg::PaddingMode::replicate}),
         {1, 64, 64, 7}, {1, 64, 64, 1}, plain);
  expect("S5 G", 63334081, models::denoiser<B>(rng), {1, 64, 64, 1}, {1, 64, 64, 1}, by_mode);
  expect("S6 G", 15007369, models::munit<B>(rng), {1, 64, 64, 1}, {1, 64, 64, 1}, plain);
}
