// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "network.hpp"

#include <Kokkos_Core.hpp>
#include <algorithm>
#include <cmath>
#include <optional>

#include <heliograd/core/copy.hpp>
#include <heliograd/data/patches.hpp>
#include <heliograd/io/checkpoint.hpp>
#include <heliograd/io/weights.hpp>
#include <heliograd/loss/adversarial.hpp>
#include <heliograd/loss/pixel.hpp>
#include <heliograd/optim/adam.hpp>
#include <heliograd/optim/clip.hpp>
#include <heliograd/tape/aside.hpp>
#include <heliograd/tape/no_grad.hpp>
#include "model.hpp"
#include "progress.hpp"
#include "rng_for.hpp"

namespace pix2pix {

namespace hg = heliograd;
namespace nn = heliograd::nn;
using examples::rng_for;

/// The program runs wherever this Kokkos runs by default, in single precision.
using B = hg::Backend<Kokkos::DefaultExecutionSpace, float>;
using Tensor = hg::Tensor<4, B>;
using Var = hg::Var<4, B>;

struct Players {
  nn::AttentionUNet<B> generator;
  nn::PatchDiscriminator<B> discriminator;  ///< without stages if there is no game
  HELIOGRAD_FIELDS(generator, discriminator)
};

namespace {

/// Nothing but losses is read after a backward pass.
constexpr hg::TapeOptions lean{.reuse_values = true, .give_back_pages = true};

nn::Mode mode_of(Inference const& inference, hg::Rng& rng) {
  if (inference.dropout)
    return inference.batch_statistics ? nn::Mode::sample(rng) : nn::Mode::sample_with_running_statistics(rng);
  return inference.batch_statistics ? nn::Mode::apply_with_batch_statistics() : nn::Mode::apply();
}

}  // namespace

// ---------------------------------------------------------------------------------------------------------------------
// Weights.

/// A model and what its file says.
template <class Model>
struct Stored final : Weights {
  char const* network;  ///< as files name it
  Model model;

  Stored(System const& system, char const* name, Model m) : Weights(system), network(name), model(std::move(m)) {}

  void load(std::string const& file) override {
    system_from(hg::io::read_metadata(file), file, network);
    hg::io::load_weights(file, model);
  }

  void save(std::string const& file, std::map<std::string, std::string> const& about, bool overwrite) const override {
    hg::io::Metadata metadata;
    for (auto const& [key, value] : metadata_of(system(), network)) metadata[key] = value;
    for (auto const& [key, value] : about) metadata[key] = value;
    hg::io::save_weights(file, model, metadata, {.overwrite = overwrite});
  }

  std::vector<Slot> slots() const override {
    std::vector<Slot> found;
    each_tensor(model, [&](std::string const& path, auto const& tensor) {
      if (tensor.size() == 0) return;
      std::vector<std::size_t> shape;
      for (std::size_t axis = 0; axis < std::remove_cvref_t<decltype(tensor)>::rank(); ++axis)
        shape.push_back(tensor.extent(axis));
      found.push_back({path, shape});
    });
    return found;
  }

  void fill(std::map<std::string, std::vector<float>> const& values) override {
    B::execution_space const exec{};
    each_tensor(model, [&](std::string const& path, auto const& tensor) {
      if (auto const at = values.find(path); at != values.end()) hg::from_host(exec, tensor, at->second);
    });
  }

 private:
  template <class Visit>
  static void each_tensor(auto& model, Visit const& visit) {
    hg::for_each_param([&](std::string const& path, auto& param) { visit(path, param.value); }, model);
    hg::for_each_buffer([&](std::string const& path, auto& buffer) { visit(path, buffer); }, model);
  }
};

using StoredDiscriminator = Stored<nn::PatchDiscriminator<B>>;

static StoredDiscriminator stored_discriminator(System const& system, std::uint64_t seed) {
  hg::Rng rng = rng_for(seed, ~std::uint64_t{0}, 0);
  return {system, "pix2pix discriminator", discriminator_of<B>(rng, system)};
}

// ---------------------------------------------------------------------------------------------------------------------
// The generator applied.

struct Generator::Impl {
  Stored<nn::AttentionUNet<B>> weights;
  nn::AttentionUNet<B>& model = weights.model;
  hg::Tape<B> tape;

  Impl(System const& s, hg::Rng rng) : weights(s, "pix2pix", generator_of<B>(rng, s)) {}

  /// A result as a tensor of its own, the tape free for the next one.
  Tensor kept(Var const& y) {
    auto const result = hg::make_tensor<B>("map", y.shape());
    hg::copy(tape.exec(), result, y.value);
    tape.clear();
    return result;
  }

  Tensor run(Tensor const& x, nn::Mode const& mode) {
    hg::NoGrad<B> const inference(tape);
    return kept(model(tape.constant(x), mode));
  }

  Tensor piece_of(Tensor const& x, hg::data::Tile const& part) {
    auto const piece =
        hg::make_tensor<B>("tile", hg::Shape{std::size_t{1}, part.read.height, part.read.width, x.extent(3)});
    hg::data::cut_tile<B>(tape.workspace(), x, part, piece);
    return piece;
  }

  Tensor run_tiles(Tensor const& x, hg::data::TilePlan const& plan, nn::UNet<B> const& unet) {
    hg::NoGrad<B> const inference(tape);
    auto const result =
        hg::make_tensor<B>("result", hg::Shape{std::size_t{1}, x.extent(1), x.extent(2), std::size_t{1}});
    for (hg::data::Tile const& part : plan.tiles())
      hg::data::paste_tile<B>(tape.workspace(), kept(unet(tape.constant(piece_of(x, part)), nn::Mode::apply())), part,
                              1, result);
    return result;
  }

  /// Mean and variance of each channel over what the tiles keep.
  struct Moments {
    double count = 0;
    std::vector<double> mean, squares;  // squares of deviations from the mean

    /// Adds a map's part that is kept; a pixel of the map is `pixel` pixels of the image wide.
    void add(Var const& map, hg::data::Tile const& part, std::size_t pixel) {
      auto const values = hg::to_host(map.tape().exec(), map.value);
      std::size_t const channels = map.shape()[3], width = map.shape()[2];
      mean.resize(channels, 0);
      squares.resize(channels, 0);
      std::size_t const y0 = (part.keep.y - part.read.y) / pixel, x0 = (part.keep.x - part.read.x) / pixel;
      std::size_t const rows = part.keep.height / pixel, columns = part.keep.width / pixel;
      double const here = static_cast<double>(rows * columns);
      std::vector<double> average(channels, 0), off(channels, 0);
      for (int pass = 0; pass < 2; ++pass) {
        for (std::size_t y = y0; y < y0 + rows; ++y)
          for (std::size_t x = x0; x < x0 + columns; ++x)
            for (std::size_t c = 0; c < channels; ++c) {
              double const value = static_cast<double>(values[(y * width + x) * channels + c]);
              if (pass == 0)
                average[c] += value / here;
              else
                off[c] += (value - average[c]) * (value - average[c]);
            }
      }
      for (std::size_t c = 0; c < channels; ++c) {  // two sets of values become one (Chan, Golub, LeVeque 1979)
        double const apart = average[c] - mean[c];
        squares[c] += off[c] + apart * apart * count * here / (count + here);
        mean[c] += apart * here / (count + here);
      }
      count += here;
    }

    nn::BatchNorm<B> in(nn::BatchNorm<B> norm, hg::Tape<B>& tape) const {
      std::vector<float> m, v;
      for (std::size_t c = 0; c < mean.size(); ++c) {
        m.push_back(static_cast<float>(mean[c]));
        v.push_back(static_cast<float>(squares[c] / count));
      }
      norm.running_mean = hg::make_tensor<B>("mean", hg::Shape{m.size()});
      norm.running_variance = hg::make_tensor<B>("variance", hg::Shape{v.size()});
      hg::from_host(tape.exec(), norm.running_mean, m);
      hg::from_host(tape.exec(), norm.running_variance, v);
      return norm;
    }
  };

  /// The network with the statistics of this image in its norms. Each norm's are known only when those before it are: one
  /// pass over the tiles for each, as deep as its place.
  nn::UNet<B> with_statistics_of(Tensor const& x, hg::data::TilePlan const& plan) {
    hg::NoGrad<B> const inference(tape);
    nn::UNet<B> unet = model.unet;
    bool const after = unet.options.order == nn::UNetOrder::after;
    auto const mode = nn::Mode::apply();
    std::size_t const depth = unet.down.size();
    for (std::size_t i = 0; i < depth; ++i) {
      if (unet.down[i].norm.scale.value.size() == 0) continue;
      Moments moments;
      for (hg::data::Tile const& part : plan.tiles()) {
        Tensor const piece = piece_of(x, part);  // a constant does not keep it alive
        auto map = tape.constant(piece);
        for (std::size_t k = 0; k < i; ++k) map = unet.halve(k, map, mode);
        moments.add(unet.down[i].conv(!after && i > 0 ? hg::leaky_relu(map, 0.2) : map), part, std::size_t{2} << i);
        tape.clear();
      }
      unet.down[i].norm = moments.in(unet.down[i].norm, tape);
    }
    for (std::size_t i = 0; i + 1 < depth; ++i) {
      Moments moments;
      for (hg::data::Tile const& part : plan.tiles()) {
        Tensor const piece = piece_of(x, part);
        auto maps = unet.encode(tape.constant(piece), mode);
        auto map = maps.back();
        for (std::size_t k = 0; k < i; ++k) map = hg::concat(unet.redouble(k, map, mode), maps[depth - 2 - k]);
        moments.add(unet.up[i].conv(!after && i > 0 ? hg::relu(map) : map), part, std::size_t{1} << (depth - 1 - i));
        tape.clear();
      }
      unet.up[i].norm = moments.in(unet.up[i].norm, tape);
    }
    return unet;
  }
};

Generator::Generator(System const& system, std::uint64_t seed) : impl_(std::make_shared<Impl>(system, hg::Rng(seed))) {}

namespace {

System system_in(std::string const& file, std::string const& accuracy) {
  System system = system_from(hg::io::read_metadata(file), file);
  if (!accuracy.empty()) system.accuracy = accuracy;
  return system;
}

}  // namespace

Generator::Generator(std::string const& file, std::string const& accuracy)
    : impl_(std::make_shared<Impl>(system_in(file, accuracy), hg::Rng::blank())) {
  impl_->weights.load(file);
  hg::freeze(impl_->model);
}

std::size_t Generator::unit() const { return std::size_t{1} << system().generator.depth; }

Weights& Generator::weights() const { return impl_->weights; }

std::shared_ptr<Weights> discriminator_weights(System const& system, std::uint64_t seed) {
  return std::make_shared<StoredDiscriminator>(stored_discriminator(system, seed));
}

std::vector<float> Generator::run(std::size_t height, std::size_t width, std::vector<float> const& image,
                                  Inference const& inference, std::uint64_t seed, std::size_t tile) const {
  Impl& my = *impl_;
  auto const& exec = my.tape.exec();
  hg::Rng rng = rng_for(seed, 0, 0);
  auto const mode = mode_of(inference, rng);
  auto const x = hg::make_tensor<B>("image", hg::Shape{std::size_t{1}, height, width, system().inputs.size()});
  hg::from_host(exec, x, image);
  if (tile == 0 || (height <= tile && width <= tile)) return hg::to_host(exec, my.run(x, mode));
  if (!my.model.attended.empty())
    throw hg::UsageError("--tile: the network's attention sees the whole image; leave --tile away");
  if (inference.dropout)
    throw hg::UsageError("--tile: dropout would differ from tile to tile; use --statistics running or image");
  // Through all halvings and doublings an output pixel sees less than two innermost pixels to each side.
  hg::data::TilePlan const plan(
      height, width, {.tile = (tile + unit() - 1) / unit() * unit(), .halo = 2 * unit() - 1, .align = unit()});
  if (inference.batch_statistics) {
    auto const measured = my.with_statistics_of(x, plan);
    return hg::to_host(exec, my.run_tiles(x, plan, measured));
  }
  return hg::to_host(exec, my.run_tiles(x, plan, my.model.unet));
}

// ---------------------------------------------------------------------------------------------------------------------
// Training.

struct Trainer::Impl {
  System system;
  std::uint64_t seed;
  std::size_t parts;
  Generator generator;
  std::optional<StoredDiscriminator> opponent;
  Players players;
  nn::PatchDiscriminator<B> judge;  // the discriminator as constants: it shares its memory
  hg::FlatStore<B> generator_store;
  std::optional<hg::FlatStore<B>> discriminator_store;
  std::optional<hg::optim::Adam<B>> generator_adam, discriminator_adam;
  hg::Tape<B> tape{{}, lean};
  Tensor input, target, fake;

  Impl(System const& s, std::uint64_t the_seed, std::size_t accumulate)
      : system(s), seed(the_seed), parts(accumulate), generator(s, the_seed) {
    Training const& t = system.training;
    hg::optim::AdamOptions const adam{.learning_rate = t.rate,
                                      .beta1 = t.beta1,
                                      .beta2 = t.beta2,
                                      .epsilon = t.adam_epsilon,
                                      .epsilon_added = t.keras_adam ? hg::optim::AdamEpsilon::before_correction
                                                                    : hg::optim::AdamEpsilon::after_correction};
    auto& model = generator.impl().model;
    generator_store = hg::FlatStore<B>(model);
    generator_adam.emplace(generator_store, adam);
    players.generator = model;
    if (t.game == Game::none) return;
    opponent.emplace(stored_discriminator(system, seed));
    discriminator_store.emplace(opponent->model);
    players.discriminator = opponent->model;
    discriminator_adam.emplace(*discriminator_store, adam);
    judge = players.discriminator;
    hg::freeze(judge);
  }

  hg::loss::AdversarialOptions game() const {
    return {.game = system.training.game == Game::lsgan ? hg::loss::Game::least_squares : hg::loss::Game::logit,
            .halve_discriminator = system.training.halve_discriminator};
  }

  void upload(Batch const& batch) {
    hg::Shape const shape{batch.count, batch.side, batch.side, system.inputs.size()};
    if (input.extent(0) != batch.count || input.extent(1) != batch.side) {
      input = hg::make_tensor<B>("input", shape);
      target = hg::make_tensor<B>("target", hg::Shape{batch.count, batch.side, batch.side, std::size_t{1}});
      fake = hg::make_tensor<B>("fake", hg::Shape{batch.count / parts, batch.side, batch.side, std::size_t{1}});
    }
    hg::from_host(tape.exec(), input, batch.input);
    hg::from_host(tape.exec(), target, batch.target);
  }

  hg::TensorRef<4, B> part(Tensor const& whole, std::size_t k) const {
    hg::Shape<4> shape = hg::shape_of(whole);
    shape.extent[0] /= parts;
    return hg::view_at<hg::TensorRef<4, B>>(whole.data() + k * shape[0] * shape[1] * shape[2] * shape[3], shape);
  }

  double number(hg::Var<0, B> const& var) const { return static_cast<double>(hg::item(tape.exec(), var.value)); }

  /// The generator's pass over part k, by the random numbers of a turn.
  Var draw(std::uint64_t step, std::uint64_t turn, std::size_t k, bool again = false) {
    hg::Rng rng = rng_for(seed, step, 2 * k + turn);
    auto const mode = nn::Mode::train(rng);
    hg::Rng same = rng;
    return players.generator(tape.constant(part(input, k)), again ? mode.again(same) : mode);
  }

  /// What the discriminator pays for part k, and its gradients: for the real image, then for the one that was drawn.
  double judge_part(std::size_t k, hg::TensorRef<4, B> const& drawn) {
    using hg::loss::Images;
    hg::Rng none(1);
    auto const mode = nn::Mode::train(none);
    double const share = 1.0 / static_cast<double>(parts);
    double paid = 0;
    for (auto const& [image, kind] : {std::pair{part(target, k), Images::real}, std::pair{drawn, Images::fake}}) {
      hg::Aside<B> aside(tape);
      auto const pair = tape.spend(hg::concat(tape.constant(part(input, k)), tape.constant(image)));
      auto const loss = hg::loss::discriminator(players.discriminator(pair, mode), kind, game());
      aside.backward(loss, share);
      paid += share * number(loss);
    }
    return paid;
  }

  /// What the generator pays for part k, and its gradients.
  void draw_part(std::size_t k, Var const& y, Losses& losses) {
    double const share = 1.0 / static_cast<double>(parts);
    auto const l1 = hg::loss::l1(y, tape.constant(part(target, k)));
    auto loss = system.training.lambda_l1 * l1;
    if (system.training.game != Game::none) {
      hg::Rng none(1);
      auto const verdict = judge(tape.spend(hg::concat(tape.constant(part(input, k)), y)), nn::Mode::train(none));
      auto const price = hg::loss::generator(verdict, game());
      loss = loss + price;
      tape.backward(loss, share);
      losses.generator += share * number(price);
    } else {
      tape.backward(loss, share);
    }
    losses.l1 += share * number(l1);
    tape.clear();
  }

  bool move_discriminator(double rate, Losses& losses) {
    double const norm = hg::optim::gradient_norm(tape.workspace(), *discriminator_store);
    if (std::isfinite(losses.discriminator) && std::isfinite(norm)) {
      discriminator_adam->update(tape.workspace(), rate);
      return true;
    }
    discriminator_store->zero_grad(tape.exec());
    return losses.finite = false;
  }

  bool move_generator(double rate, Losses& losses) {
    losses.norm = hg::optim::gradient_norm(tape.workspace(), generator_store);
    if (std::isfinite(losses.l1) && std::isfinite(losses.generator) && std::isfinite(losses.norm)) {
      generator_adam->update(tape.workspace(), rate);
      return true;
    }
    generator_store.zero_grad(tape.exec());
    return losses.finite = false;
  }

  void turn_of_discriminator(std::uint64_t step, std::uint64_t turn, Losses& losses) {
    for (std::size_t k = 0; k < parts; ++k) {
      {
        hg::NoGrad<B> const guard(tape);
        hg::copy(tape.exec(), fake, draw(step, turn, k).value);
      }
      tape.clear();
      losses.discriminator += judge_part(k, fake);
    }
  }

  void turn_of_generator(std::uint64_t step, std::uint64_t turn, bool again, Losses& losses) {
    for (std::size_t k = 0; k < parts; ++k) draw_part(k, draw(step, turn, k, again), losses);
  }

  Losses step(Batch const& batch, std::uint64_t number, double rate) {
    hg::expect(batch.count % parts == 0, "a batch of " + std::to_string(batch.count) + " has no " +
                                             std::to_string(parts) + " equal parts; change --batch or --accumulate");
    upload(batch);
    Training const& t = system.training;
    Losses losses;
    if (t.game == Game::none) {
      turn_of_generator(number, 0, false, losses);
      move_generator(rate, losses);
    } else if (!t.discriminator_first) {
      turn_of_generator(number, 0, false, losses);
      if (!move_generator(rate, losses)) return losses;
      turn_of_discriminator(number, 1, losses);
      move_discriminator(rate, losses);
    } else if (t.share_pass && parts == 1) {
      auto const y = draw(number, 0, 0);
      losses.discriminator = judge_part(0, y.value);
      if (!move_discriminator(rate, losses)) {
        tape.clear();
        return losses;
      }
      draw_part(0, y, losses);
      move_generator(rate, losses);
    } else {
      turn_of_discriminator(number, 0, losses);
      if (!move_discriminator(rate, losses)) return losses;
      turn_of_generator(number, t.share_pass ? 0 : 1, t.share_pass, losses);
      move_generator(rate, losses);
    }
    return losses;
  }
};

Trainer::Trainer(System const& system, std::uint64_t seed, std::size_t accumulate)
    : impl_(std::make_unique<Impl>(system, seed, accumulate)) {}
Trainer::~Trainer() = default;

Generator const& Trainer::generator() const { return impl_->generator; }

Weights* Trainer::discriminator() const { return impl_->opponent ? &*impl_->opponent : nullptr; }

Losses Trainer::step(Batch const& batch, std::uint64_t number, double rate) { return impl_->step(batch, number, rate); }

namespace {

template <class Impl>
hg::io::TrainingState<Players, B> state_of(Impl& my, Trainer::Numbers const& numbers, std::uint64_t* updates) {
  hg::io::TrainingState<Players, B> state{my.players, {}, {}};
  state.tensors = {{"generator.first", my.generator_adam->first()}, {"generator.second", my.generator_adam->second()}};
  if (my.discriminator_adam) {
    state.tensors.push_back({"discriminator.first", my.discriminator_adam->first()});
    state.tensors.push_back({"discriminator.second", my.discriminator_adam->second()});
  }
  state.numbers = numbers;
  state.numbers.push_back({"generator.updates", updates});
  state.numbers.push_back({"discriminator.updates", updates + 1});
  return state;
}

}  // namespace

void Trainer::save(std::string const& folder, std::uint64_t step, Numbers const& numbers, std::string const& recipe) {
  std::uint64_t updates[2] = {impl_->generator_adam->steps(),
                              impl_->discriminator_adam ? impl_->discriminator_adam->steps() : 0};
  hg::io::save_checkpoint(folder, step, state_of(*impl_, numbers, updates), {{"recipe", recipe}});
}

void Trainer::load(std::string const& file, Numbers const& numbers) {
  std::uint64_t updates[2] = {0, 0};
  hg::io::load_checkpoint(file, state_of(*impl_, numbers, updates));
  impl_->generator_adam->set_steps(updates[0]);
  if (impl_->discriminator_adam) impl_->discriminator_adam->set_steps(updates[1]);
}

// ---------------------------------------------------------------------------------------------------------------------
// What it takes.

namespace {

/// One line of a table: a convolution, and what belongs to its stage.
template <class Conv, class Norm>
Budget::Layer layer_of(std::string const& name, Conv const& conv, Norm const* norm, bool transposed,
                       std::size_t side_in, std::size_t side_out) {
  auto const& w = conv.weight.value;
  std::size_t params = w.size() + conv.bias.value.size();
  if (norm) params += norm->scale.value.size() + norm->shift.value.size();
  std::size_t const at = transposed ? side_in : side_out;
  return {name,
          w.extent(0),
          static_cast<std::size_t>(conv.options.stride),
          w.extent(transposed ? 3 : 2),
          w.extent(transposed ? 2 : 3),
          side_in,
          side_out,
          params,
          static_cast<double>(at) * static_cast<double>(at) * static_cast<double>(w.size())};
}

}  // namespace

Budget budget_of(System const& system, std::size_t batch, std::size_t accumulate) {
  Budget budget;
  auto rng = hg::Rng::blank();
  Players players;
  players.generator = generator_of<B>(rng, system);
  bool const game = system.training.game != Game::none;
  if (game) players.discriminator = discriminator_of<B>(rng, system);
  auto judge = players.discriminator;
  hg::freeze(judge);
  budget.generator_params = hg::count_params(players.generator);
  budget.discriminator_params = hg::count_params(players.discriminator);

  auto const side = static_cast<std::size_t>(system.preparation.side);
  auto const& unet = players.generator.unet;
  for (std::size_t i = 0; i < unet.down.size(); ++i)
    budget.generator.push_back(layer_of("halving " + std::to_string(i + 1), unet.down[i].conv, &unet.down[i].norm,
                                        false, side >> i, side >> (i + 1)));
  for (auto const& part : players.generator.attended) {
    std::size_t const at = side >> (part.stage < 0 ? unet.down.size() : static_cast<std::size_t>(part.stage) + 1);
    nn::BatchNorm<B> const* const none = nullptr;
    auto const& a = part.attention;
    for (auto const& [name, conv] :
         {std::pair{"attention f", &a.f}, {"attention g", &a.g}, {"attention h", &a.h}, {"attention v", &a.v}})
      budget.generator.push_back(layer_of(name, conv->conv, none, false, at, at));
    double const pixels = static_cast<double>(at) * static_cast<double>(at);
    auto const inner = a.f.conv.weight.value.extent(3);
    budget.generator.push_back({"attention", 1, 1, inner, inner, at, at, a.gamma.value.size(),
                                2 * pixels * pixels * static_cast<double>(inner)});
  }
  for (std::size_t i = 0; i < unet.up.size(); ++i) {
    std::size_t const to = side >> (unet.up.size() - 1 - i);
    budget.generator.push_back(
        layer_of("doubling " + std::to_string(i + 1), unet.up[i].conv, &unet.up[i].norm, true, to / 2, to));
  }
  if (game) {
    std::size_t at = side;
    auto const after = [&](nn::Conv2d<B> const& conv) {
      auto const& p = conv.options.padding;
      return (at + static_cast<std::size_t>(p.top + p.bottom) - conv.weight.value.extent(0)) /
                 static_cast<std::size_t>(conv.options.stride) +
             1;
    };
    auto const add = [&](std::string const& name, nn::Conv2d<B> const& conv, nn::BatchNorm<B> const* norm) {
      std::size_t const to = after(conv);
      budget.discriminator.push_back(layer_of(name, conv, norm, false, at, to));
      at = to;
    };
    for (auto const& stage : players.discriminator.stages)
      add("stage " + std::to_string(budget.discriminator.size() + 1), stage.conv, &stage.norm);
    add("head", players.discriminator.head, nullptr);
  }

  // A step, dry.
  std::size_t const part = batch / accumulate;
  hg::Shape const image{part, side, side, std::size_t{1}};
  hg::Shape const images{part, side, side, system.inputs.size()};
  Tensor const none;
  hg::Tape<B> tape({}, {.dry = true, .reuse_values = true});
  auto const x_memory = hg::make_tensor<B>("x", images), y_memory = hg::make_tensor<B>("y", image);
  hg::Rng random(1);
  auto const mode = nn::Mode::train(random);
  double const parts = static_cast<double>(accumulate), count = static_cast<double>(part);
  bool const second_pass = game && !(system.training.share_pass && accumulate == 1);
  auto const pair = [&](Var const& y) { return tape.spend(hg::concat(tape.constant(x_memory), y)); };
  auto const turn_of_discriminator = [&] {
    hg::Aside<B> aside(tape);
    auto const verdict = players.discriminator(pair(tape.constant(y_memory)), mode);
    aside.backward(hg::loss::discriminator(verdict, hg::loss::Images::fake));
  };
  if (second_pass) turn_of_discriminator();
  tape.clear();
  auto const y = players.generator(tape.constant(x_memory), mode);
  double const forward = static_cast<double>(tape.macs());
  budget.generator_macs = forward / count;
  auto loss = hg::loss::l1(y, tape.constant(y_memory));
  double judged = 0;
  if (game) {
    if (!second_pass) turn_of_discriminator();
    double const before = static_cast<double>(tape.macs());
    loss = loss + hg::loss::generator(judge(pair(y), mode));
    judged = static_cast<double>(tape.macs()) - before;
    budget.discriminator_macs = judged / count;
  }
  tape.backward(loss);
  double const held = static_cast<double>(tape.peak_bytes());
  // Backward twice as much as forward; the discriminator sees real and fake in its turn, and in the generator's it gives
  // only the gradient of what it sees.
  budget.step_macs = parts * (3 * forward + (second_pass ? forward : 0) + 2 * judged + 6 * judged);
  double const params = static_cast<double>(budget.generator_params + budget.discriminator_params);
  double const pixels = static_cast<double>(batch) * static_cast<double>(side * side);
  budget.step_bytes = held + 4 * (4 * params + pixels * static_cast<double>(system.inputs.size() + 1) + pixels / parts);
  return budget;
}

double measured_rate() {
  SystemOptions small;
  small.side = 256;
  small.depth = 5;
  System const system = system_of(small);
  Trainer trainer(system, 1, 1);
  Batch batch{1, 256, std::vector<float>(256 * 256, 0.1f), std::vector<float>(256 * 256, -0.1f)};
  trainer.step(batch, 0, 1e-4);
  examples::Stopwatch clock;
  int steps = 0;
  while (steps < 2 || (steps < 20 && clock.seconds() < 1))
    trainer.step(batch, static_cast<std::uint64_t>(++steps), 1e-4);
  return steps * budget_of(system, 1, 1).step_macs / clock.seconds();
}

}  // namespace pix2pix
