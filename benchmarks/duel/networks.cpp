// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Whole models: the super-resolution network as its program builds it, pix2pix's generator, discriminator and game, a
// residual block of MUNIT.
#include <algorithm>
#include <utility>

#include <heliograd/loss/adversarial.hpp>
#include <heliograd/loss/gradient.hpp>
#include <heliograd/loss/histogram.hpp>
#include <heliograd/loss/pixel.hpp>
#include <heliograd/loss/ssim.hpp>
#include <heliograd/nn/accuracy.hpp>
#include <heliograd/nn/mode.hpp>
#include <heliograd/nn/patch_discriminator.hpp>
#include <heliograd/nn/unet.hpp>
#include <heliograd/optim/adam.hpp>
#include <heliograd/tape/aside.hpp>
#include <heliograd/tape/no_grad.hpp>
#include "super_resolution/model.hpp"
#include "work.hpp"

namespace duel {
namespace {

using hg::ConvAccuracy;

/// A residual block of MUNIT's content encoder.
struct MunitBlock {
  hg::nn::Conv2d<B> conv1, conv2;
  HELIOGRAD_FIELDS(conv1, conv2)

  hg::Var<4, B> operator()(hg::Var<4, B> x, hg::nn::Mode const&) const {
    return x + hg::instance_norm(conv2(hg::instance_norm(conv1(x), {.negative_slope = 0})));
  }
};

super_resolution::SuperResolution<B> super_resolution_network() {
  hg::Rng rng(1);
  return super_resolution::super_resolution_network<B>(rng);
}

/// Dropout draws other numbers on the other side: there is none on both.
hg::nn::UNet<B> unet() {
  hg::Rng rng(1);
  return hg::nn::unet<B>(rng, {.dropped_stages = 0});
}

hg::nn::PatchDiscriminator<B> patch_discriminator() {
  hg::Rng rng(2);
  return hg::nn::patch_discriminator<B>(rng);
}

MunitBlock munit_block() {
  hg::Rng rng(1);
  hg::nn::Conv2dLayerOptions const same{.padding = 1, .mode = hg::PaddingMode::reflect};
  return {hg::nn::conv2d_layer<B>(rng, 256, 256, same), hg::nn::conv2d_layer<B>(rng, 256, 256, same)};
}

/// What a model makes of an image, without computing it.
struct Plan {
  double flops;
  hg::Shape<4> y_shape;
};
template <class Model>
Plan plan(Model const& model, hg::Tensor<4, B> const& x) {
  hg::Tape<B> tape({}, {.dry = true});
  auto const y = model(tape.constant(x), hg::nn::Mode::apply());
  return {2.0 * static_cast<double>(tape.macs()), y.shape()};
}

template <class Model>
Work forward(Model model, hg::Shape<4> const& x_shape, ConvAccuracy accuracy = ConvAccuracy::fast) {
  hg::nn::set_accuracy(model, accuracy);
  hg::freeze(model);
  auto const x = magnetograms(x_shape, 2);
  auto const planned = plan(model, x);
  auto const y = hg::make_zeros<B>("y", planned.y_shape);
  Work work;
  work.flops = planned.flops;
  work.inputs = parameters(model);
  work.inputs["x"] = array(x);
  auto const tape = std::make_shared<hg::Tape<B>>();
  work.run = [=] {
    tape->clear();
    hg::NoGrad const no_grad(*tape);
    hg::copy(tape->exec(), y, model(tape->constant(x), hg::nn::Mode::apply()).value);
    tape->exec().fence("duel");
  };
  work.result = [=] { return array(y); };
  return work;
}

/// Forward and backward of a model in training, to its weights and to its input, from the mean product of what it gives with
/// an image. (A mean square would be constant behind a norm, and its gradient rounding errors.)
template <class Model>
Work gradients(Model model, hg::Shape<4> const& x_shape) {
  hg::nn::set_accuracy(model, ConvAccuracy::fast);
  auto const x = magnetograms(x_shape, 2);
  auto const planned = plan(model, x);
  auto const image = magnetograms(planned.y_shape, 3);
  auto const gx = hg::make_zeros<B>("gx", x_shape);
  hg::FlatStore<B> const store(model);
  Work work;
  work.flops = 3 * planned.flops;
  work.inputs = parameters(model);
  work.inputs["x"] = array(x);
  work.inputs["y"] = array(image);
  auto const tape = std::make_shared<hg::Tape<B>>();
  auto const rng = std::make_shared<hg::Rng>(1);
  work.run = [=] {
    tape->clear();
    store.zero_grad(tape->exec());
    auto const in = tape->variable(x);
    tape->backward(hg::mean(model(in, hg::nn::Mode::train(*rng)) * tape->constant(image)));
    hg::copy(tape->exec(), gx, in.grad());
    tape->exec().fence("duel");
  };
  work.result = [=] { return array(gx); };
  return work;
}

/// A model with its optimiser.
template <class Model>
struct Trained {
  Model model;
  hg::FlatStore<B> store;
  hg::optim::Adam<B> adam;

  Trained(Model made, double learning_rate)
      : model(std::move(made)), store(model), adam(store, {.learning_rate = learning_rate, .beta1 = 0.5}) {}
};

/// A training step with Adam; `loss(y, target)`. What it shows is the loss.
template <class Model, class Loss>
Work step(Model model, double learning_rate, hg::Shape<4> const& x_shape, hg::nn::Mode const& mode, Loss const& loss,
          ConvAccuracy accuracy = ConvAccuracy::fast) {
  hg::nn::set_accuracy(model, accuracy);
  auto const x = magnetograms(x_shape, 2);
  auto const planned = plan(model, x);
  auto const target = magnetograms(planned.y_shape, 3);
  auto const value = hg::make_zeros<B>("loss", hg::Shape<1>{1});
  Work work;
  work.flops = 3 * planned.flops;
  work.inputs = parameters(model);
  work.inputs["x"] = array(x);
  work.inputs["y"] = array(target);
  auto const trained = std::make_shared<Trained<Model>>(std::move(model), learning_rate);
  hg::TapeOptions const lean{.reuse_values = true, .give_back_pages = trained->store.zero_grad_is_free()};
  auto const tape = std::make_shared<hg::Tape<B>>(B::execution_space{}, lean);
  work.run = [=] {
    tape->clear();
    auto const cost = loss(trained->model(tape->constant(x), mode), tape->constant(target));
    tape->backward(cost);
    hg::copy(tape->exec(), value, tape->reshape(cost, hg::Shape<1>{1}).value);
    trained->adam.update(tape->workspace());
    tape->exec().fence("duel");
  };
  work.result = [=] { return array(value); };
  return work;
}

auto const mse = [](auto y, auto target) { return hg::loss::mse(y, target); };

/// The four losses of the super-resolution network.
auto const all_losses = [](auto y, auto target) {
  return hg::loss::mse(y, target) + 5.0 * hg::loss::gradient(y, target) +
         1e-5 * hg::loss::histogram(y, target, {.unit = 3500}) + 5e-4 * hg::loss::ssim(y, target, {.data_range = 1});
};

Work super_resolution_step(std::size_t n, auto const& loss, ConvAccuracy accuracy) {
  // The released networks drop nothing: training and applying them is the same.
  return step(super_resolution_network(), 1e-4, {n, 32, 32, 2}, hg::nn::Mode::apply(), loss, accuracy);
}

/// One step of pix2pix: the discriminator learns from a real pair and a fake one, then the generator from the discriminator
/// and from the truth. What it shows are both losses.
Work game(std::size_t n, std::size_t side) {
  using Generator = hg::nn::UNet<B>;
  using Discriminator = hg::nn::PatchDiscriminator<B>;
  hg::Shape<4> const shape{n, side, side, 1};
  auto const x = magnetograms(shape, 2), y = magnetograms(shape, 3);
  auto const values = hg::make_zeros<B>("losses", hg::Shape<1>{3});
  auto const start = [](auto model) {
    hg::nn::set_accuracy(model, ConvAccuracy::fast);
    return std::make_shared<Trained<decltype(model)>>(std::move(model), 2e-4);
  };
  std::shared_ptr<Trained<Generator>> const generator = start(unet());
  std::shared_ptr<Trained<Discriminator>> const discriminator = start(patch_discriminator());
  Work work;
  // The generator once, the discriminator twice to learn and once to pass the gradient on.
  work.flops = 3 * plan(generator->model, x).flops +
               (2 * 3 + 2) * plan(discriminator->model, magnetograms({n, side, side, 2}, 2)).flops;
  work.inputs = parameters(generator->model);
  for (auto const& [path, weight] : parameters(discriminator->model)) work.inputs["d." + path] = weight;
  work.inputs["x"] = array(x);
  work.inputs["y"] = array(y);
  auto judge = discriminator->model;  // the same weights, which do not learn
  hg::freeze(judge);
  hg::TapeOptions const lean{.reuse_values = true, .give_back_pages = true};
  auto const tape = std::make_shared<hg::Tape<B>>(B::execution_space{}, lean);
  auto const rng = std::make_shared<hg::Rng>(1);
  work.run = [=] {
    auto const mode = hg::nn::Mode::train(*rng);
    auto const show = [&](hg::Var<0, B> loss, std::size_t at) {
      hg::copy(tape->exec(), Kokkos::subview(values, std::pair{at, at + 1}),
               loss.tape().reshape(loss, hg::Shape<1>{1}).value);
    };
    tape->clear();
    auto const fake = generator->model(tape->constant(x), mode);
    auto const pair = [&](hg::Var<4, B> image) { return tape->spend(hg::concat(tape->constant(x), image)); };
    auto const learn = [&](auto const& image, hg::loss::Images kind, std::size_t at) {
      hg::Aside<B> aside(*tape);
      auto const loss = hg::loss::discriminator(discriminator->model(pair(tape->constant(image)), mode), kind,
                                                {.game = hg::loss::Game::logit, .halve_discriminator = true});
      aside.backward(loss);
      show(loss, at);
    };
    learn(y, hg::loss::Images::real, 0);
    learn(fake.value, hg::loss::Images::fake, 1);
    discriminator->adam.update(tape->workspace());
    auto const verdict = judge(pair(fake), mode);
    auto const loss =
        hg::loss::generator(verdict, {.game = hg::loss::Game::logit}) + 100.0 * hg::loss::l1(fake, tape->constant(y));
    tape->backward(loss);
    show(loss, 2);
    generator->adam.update(tape->workspace());
    tape->exec().fence("duel");
  };
  work.result = [=] {
    auto const losses = array(values).values;
    return Array{{2}, {losses[0] + losses[1], losses[2]}};
  };
  return work;
}

}  // namespace

std::vector<Entry> networks() {
  constexpr auto fast = ConvAccuracy::fast, strict = ConvAccuracy::strict;
  std::vector<Entry> entries;
  auto const add = [&](std::string const& name, std::function<Work()> make) {
    entries.push_back({name, std::move(make)});
  };
  for (auto const accuracy : {fast, strict}) {
    std::string const suffix = accuracy == fast ? " fast" : " strict";
    for (std::size_t const n : {32, 1})
      add("S1 forward 32^2 b" + std::to_string(n) + suffix,
          [=] { return forward(super_resolution_network(), {n, 32, 32, 2}, accuracy); });
    add("S1 step all losses 32^2 b32" + suffix, [=] { return super_resolution_step(32, all_losses, accuracy); });
  }
  add("S1 step mse 32^2 b32 fast", [] { return super_resolution_step(32, mse, fast); });
  add("S1 step mse 32^2 b1 fast", [] { return super_resolution_step(1, mse, fast); });
  add("S1 forward 256^2 b1 fast", [] { return forward(super_resolution_network(), {1, 256, 256, 2}); });
  add("U-Net forward 256^2 b1", [] { return forward(unet(), {1, 256, 256, 1}); });
  add("U-Net forward 1024^2 b1", [] { return forward(unet(), {1, 1024, 1024, 1}); });
  for (auto const& [side, n] : {std::pair{256, 4}, std::pair{1024, 1}}) {
    std::string const size = " " + std::to_string(side) + "^2 b" + std::to_string(n);
    std::size_t const count = static_cast<std::size_t>(n), pixels = static_cast<std::size_t>(side);
    add("U-Net step" + size, [=] {
      return step(unet(), 2e-4, {count, pixels, pixels, 1}, hg::nn::Mode::apply_with_batch_statistics(), mse);
    });
    add("GAN step" + size, [=] { return game(count, pixels); });
  }
  add("PatchGAN forward 256^2 b4", [] { return forward(patch_discriminator(), {4, 256, 256, 2}); });
  add("PatchGAN forward + backward 256^2 b4", [] { return gradients(patch_discriminator(), {4, 256, 256, 2}); });
  add("MUNIT block forward 64^2", [] { return forward(munit_block(), {1, 64, 64, 256}); });
  add("MUNIT block forward + backward 64^2", [] { return gradients(munit_block(), {1, 64, 64, 256}); });
  return entries;
}

}  // namespace duel
