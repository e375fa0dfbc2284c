// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The networks of the twelve systems as plain structs: their parameters and multiply-adds are as many as the papers'
// (specification, table of counts). The passes are dry: full sizes, no memory, no kernels.
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

#include <heliograd/nn/patch_discriminator.hpp>
#include "models/denoiser.hpp"
#include "models/global_generator.hpp"
#include "models/munit.hpp"
#include "pix2pix/model.hpp"
#include "spaces.hpp"
#include "super_resolution/model.hpp"

namespace hg = heliograd;
namespace nn = heliograd::nn;

namespace {

using B = test::FloatBackend;

auto const by_mode = [](auto const& model, hg::Var<4, B> x) {
  return model(x, nn::Mode::apply_with_batch_statistics());
};
auto const plain = [](auto const& model, hg::Var<4, B> x) { return model(x); };

/// Multiply-adds, in 10^9, of a recorded forward pass over x, which must give y. (Where nothing is recorded, large U-Nets compute
/// some rows twice to save memory.)
template <class Model, class Run>
double giga_macs(Model const& model, hg::Shape<4> const& x, hg::Shape<4> const& y, Run const& run) {
  hg::Tape<B> tape({}, {.dry = true});
  CHECK(run(model, tape.constant(hg::make_tensor<B>("x", x))).shape() == y);
  return 1e-9 * static_cast<double>(tape.macs());
}

struct Counts {
  char const* name;
  std::size_t params;
  double macs;  ///< 10^9, as published with three decimals
};

template <class Model, class Run>
void expect(Counts const& counts, Model model, hg::Shape<4> const& x, hg::Shape<4> const& y, Run const& run) {
  INFO(counts.name);
  CHECK(hg::count_params(model) == counts.params);
  hg::freeze(model);
  double const macs = giga_macs(model, x, y, run);
  INFO(macs << " 10^9 multiply-adds, expected " << counts.macs);
  CHECK(std::abs(macs - counts.macs) <= 0.00051);
}

hg::Shape<4> square(std::size_t side, std::size_t channels = 1) { return {1, side, side, channels}; }

}  // namespace

TEST_CASE("counts: the super-resolution network", "[models]") {
  auto rng = hg::Rng::blank();
  auto const net = [&](double macs, int scale, std::size_t side) {
    expect({"S1", 222855, macs}, super_resolution::super_resolution_network<B>(rng, scale), square(side, 2),
           square(side * static_cast<std::size_t>(scale)), by_mode);
  };
  net(0.228, 1, 32);
  net(0.341, 2, 32);
  net(0.795, 4, 32);
  net(814.031, 4, 1024);
}

TEST_CASE("counts: the presets of image translation", "[models]") {
  auto rng = hg::Rng::blank();
  auto const preset = [](std::string const& name, std::string const& variant = "",
                         std::vector<std::string> const& inputs = {}) {
    pix2pix::SystemOptions options;
    options.preset = name;
    options.variant = variant;
    options.inputs = inputs;
    return options;
  };
  auto const net = [&](Counts const& counts, pix2pix::SystemOptions const& options, Counts const& judge) {
    auto const system = pix2pix::system_of(options);
    auto const side = static_cast<std::size_t>(system.preparation.side), inputs = system.inputs.size();
    expect(counts, pix2pix::generator_of<B>(rng, system), square(side, inputs), square(side), by_mode);
    if (judge.params > 0)
      expect(judge, pix2pix::discriminator_of<B>(rng, system), square(side, inputs + 1), square(side / 8 - 2), by_mode);
  };
  Counts const d1024{"S7, S8, S10 D", 2764609, 51.672}, d512{"S9 D", 2764609, 12.784}, seen{};
  net({"S2 G", 79578305, 95.286}, preset("aisfm1"), {"S2 D, biases kept", 2765505, 51.672});
  net({"S7 G", 54407809, 95.160}, preset("park2019-b"), d1024);
  net({"S7 G, as published in code", 79577728, 95.286}, preset("park2019-a", "code2019"), seen);
  net({"S10 G", 54407809, 95.160}, preset("galileo"), seen);
  net({"S8 G", 54407809, 95.160}, preset("lim2021", "", {"aia131"}), seen);
  net({"S8 G, two channels", 54408833, 95.429}, preset("lim2021", "", {"aia131", "aia1600"}),
      {"S8 D, two channels", 2765633, 51.940});
  net({"S8 G, three channels", 54409857, 95.697}, preset("lim2021"), {"S8 D, three channels", 2766657, 52.209});
  net({"S9 baseline G, five halvings", 16652929, 21.676}, preset("sun2023-baseline"), d512);
  net({"S9 baseline G", 54407809, 23.790}, preset("sun2023-baseline", "deep"), seen);
  net({"S9 G", 20978306, 22.792}, preset("sun2023-rhp"), seen);
  net({"S9 G, other fusion", 20978306, 22.792}, preset("sun2023-cat"), seen);
  net({"S9 G, eight halvings", 58733186, 23.807}, preset("sun2023-rhp", "deep"), seen);
  net({"S9 G, on a skip", 56636034, 26.206}, preset("sun2023-rhp", "skip-answer"), seen);
}

TEST_CASE("an attention that answers nothing leaves a U-Net as it is", "[models]") {
  hg::Rng rng(1);
  nn::UNetOptions const small{.depth = 3, .base = 4, .widest = 8};
  for (int const stage : {-1, 0, 1}) {
    INFO(stage);
    auto const model = nn::attention_unet<B>(rng, {small, {stage}, nn::AttentionFusion::sum});
    hg::Tape<B> tape;
    auto const x = hg::make_tensor<B>("x", square(16));
    hg::from_host(tape.exec(), x, std::vector<float>(256, 0.5f));
    auto const values = [&](auto const& net) {
      auto const y = hg::to_host(tape.exec(), net(tape.constant(x), nn::Mode::apply()).value);
      tape.clear();
      return y;
    };
    auto const without = values(model.unet);
    CHECK(values(model) == without);  // gamma starts at 0
    hg::from_host(tape.exec(), model.attended[0].attention.gamma.value, std::vector<float>{30});
    CHECK(values(model) != without);
  }
  CHECK_THROWS_AS(nn::attention_unet<B>(rng, {small, {3}, nn::AttentionFusion::sum}), hg::UsageError);
}

TEST_CASE("counts: other U-Nets and patch discriminators", "[models]") {
  auto rng = hg::Rng::blank();
  expect({"S5 alternative", 54407809, 5.948}, nn::unet<B>(rng, {.order = nn::UNetOrder::after}), square(256),
         square(256), by_mode);
  auto const net = [&](Counts const& counts, std::size_t side, nn::PatchDiscriminatorOptions const& options,
                       std::size_t out) {
    expect(counts, nn::patch_discriminator<B>(rng, options), square(side, options.c_in), square(out), by_mode);
  };
  auto const instance = nn::DiscriminatorNorm::instance;
  net({"S5 D", 2764609, 3.130}, 256, {}, 30);
  net({"S3 D, full size", 2765761, 52.209}, 1024, {.c_in = 4, .norm = instance, .inner_bias = true}, 126);
  net({"S3 D, half size", 2765761, 12.918}, 512, {.c_in = 4, .norm = instance, .inner_bias = true}, 62);
  net({"S4 D", 1091801, 22.857}, 1024, {.c_in = 17, .base = 40, .norm = instance, .inner_bias = true}, 126);
  // Two rows and columns more in both stages without stride.
  double const same = 1e-9 * (128. * 128 * 16 * (256 * 512 + 512) + 512. * 512 * 16 * 2 * 64 +
                              256. * 256 * 16 * 64 * 128 + 128. * 128 * 16 * 128 * 256);
  net({"S7 D, as published in code", 2764609, same}, 1024, {.same_size = true}, 128);

  auto munit = nn::patch_discriminator<B>(rng, {.c_in = 1,
                                                .halvings = 4,
                                                .norm = nn::DiscriminatorNorm::none,
                                                .plain_tail = true,
                                                .mode = hg::PaddingMode::reflect});
  CHECK(3 * hg::count_params(munit) == 8265027);
  hg::freeze(munit);
  for (auto const& [side, macs] : {std::pair<std::size_t, double>{256, 2.136}, {1024, 34.178}}) {
    double total = 0;
    for (std::size_t const scale : {1, 2, 4})
      total += giga_macs(munit, square(side / scale), square(side / scale / 16), by_mode);
    INFO("S6 D, three scales: " << total);
    CHECK(std::abs(total - macs) <= 0.00051);
  }
}

TEST_CASE("counts: generators with residual blocks", "[models]") {
  auto rng = hg::Rng::blank();
  expect({"S3 G", 45617729, 219.178}, models::global_generator<B>(rng, {}), square(1024, 3), square(1024), plain);
  expect({"S4 G", 302564081, 430.839},
         models::global_generator<B>(rng, {.c_in = 7,
                                           .base = 40,
                                           .halvings = 5,
                                           .halving_filter = 5,
                                           .mish = true,
                                           .mode = hg::PaddingMode::replicate}),
         square(1024, 7), square(1024), plain);
  auto const denoiser = models::denoiser<B>(rng);
  expect({"S5 G", 63334081, 8.405}, denoiser, square(256), square(256), by_mode);
  expect({"S5 G, full disk", 63334081, 2151.779}, denoiser, square(4096), square(4096), by_mode);
  auto const munit = models::munit<B>(rng);
  expect({"S6 G", 15007369, 76.048}, munit, square(256), square(256), plain);
  expect({"S6 G, full size", 15007369, 1216.752}, munit, square(1024), square(1024), plain);
}
