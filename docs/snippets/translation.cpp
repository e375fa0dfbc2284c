// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// One image into another: a generator and the discriminator it plays against, trained in turns.
#include <cstdio>
#include <heliograd/heliograd.hpp>
namespace hg = heliograd;
namespace nn = heliograd::nn;
namespace loss = heliograd::loss;

int main(int argc, char** argv) {
  Kokkos::ScopeGuard const kokkos(argc, argv);
  using B = hg::Backend<Kokkos::DefaultExecutionSpace>;
  hg::Rng rng(7);

  // The networks of Isola et al. 2017, small: sides of 32 need a depth of 5 at most.
  auto generator = nn::unet<B>(rng, {.c_in = 1, .c_out = 1, .depth = 4, .base = 8, .dropped_stages = 1});
  auto judge = nn::patch_discriminator<B>(rng, {.c_in = 2, .base = 8, .halvings = 2});
  hg::FlatStore<B> const generator_store(generator), judge_store(judge);
  hg::optim::AdamOptions const rates{.learning_rate = 2e-3, .beta1 = 0.5};
  hg::optim::Adam<B> generator_adam(generator_store, rates), judge_adam(judge_store, rates);

  auto const input = hg::make_tensor<B>("input", hg::Shape{4, 32, 32, 1});
  auto const target = hg::make_tensor<B>("target", hg::Shape{4, 32, 32, 1});
  nn::init_normal(rng, input, 0.0, 0.5);
  hg::copy(B::execution_space{}, target, input);  // a task that can be learnt: the image itself

  auto fixed_judge = judge;  // the same weights, seen as constants
  hg::freeze(fixed_judge);

  hg::Tape<B> tape;
  loss::AdversarialOptions const game{.game = loss::Game::logit};
  auto const mode = nn::Mode::train(rng);
  float first = 0, last = 0;
  for (int step = 0; step < 60; ++step) {
    tape.clear();
    auto const x = tape.constant(input);
    auto const real = tape.constant(target);
    auto const fake = generator(x, mode);

    // The generator's turn: be taken for real, and be right. Gradients pass through the judge, none stay there.
    auto const distance = loss::l1(fake, real);
    auto const verdict = fixed_judge(hg::concat(x, fake), mode);
    tape.backward(loss::generator(verdict, game) + 100.0 * distance);
    generator_adam.update(tape.workspace());
    last = hg::item(tape.exec(), distance.value);
    if (step == 0) first = last;

    // The judge's turn, on the image made above.
    auto const shown = hg::make_tensor<B>("shown", fake.shape());
    hg::copy(tape.exec(), shown, fake.value);
    tape.clear();
    auto const condition = tape.constant(input);
    tape.backward(loss::discriminator(judge(hg::concat(condition, tape.constant(target)), mode),
                                      judge(hg::concat(condition, tape.constant(shown)), mode), game));
    judge_adam.update(tape.workspace());
  }
  std::printf("distance %g -> %g\n", first, last);

  // Applied: running statistics and no dropout; or as the first codes did, with the batch's own and with dropout.
  tape.clear();
  hg::NoGrad const no_grad(tape);
  auto const sharp = generator(tape.constant(input), nn::Mode::apply());
  auto const drawn = generator(tape.constant(input), nn::Mode::sample(rng));
  return last < 0.7f * first && sharp.shape() == drawn.shape() ? 0 : 1;
}
