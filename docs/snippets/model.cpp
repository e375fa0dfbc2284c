// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A model of your own: a struct, its parameters' names, a training loop, a weights file.
#include <cstdio>
#include <filesystem>
#include <heliograd/heliograd.hpp>
#include <heliograd/io/weights.hpp>
namespace hg = heliograd;

template <class B>
struct Denoiser {
  hg::nn::Conv2d<B> head;
  hg::nn::PRelu<B> activation;
  std::vector<hg::nn::Conv2d<B>> body;  // as deep as you like: depth is data, not type
  hg::nn::Conv2d<B> tail;
  HELIOGRAD_FIELDS(head, activation, body, tail)

  hg::Var<4, B> operator()(hg::Var<4, B> x) const {  // [n, h, w, 1] -> [n, h, w, 1]
    auto y = activation(head(x));                    // [n, h, w, 16]
    for (auto const& layer : body) y = hg::relu(layer(y));
    return x + tail(y);
  }
};

template <class B>
Denoiser<B> denoiser(hg::Rng& rng, int depth) {
  hg::nn::Conv2dLayerOptions const same{.padding = 1, .mode = hg::PaddingMode::reflect};
  Denoiser<B> model{hg::nn::conv2d_layer<B>(rng, 1, 16, same), hg::nn::prelu_layer<B>(), {},
                    hg::nn::conv2d_layer<B>(rng, 16, 1, same)};
  for (int i = 0; i < depth; ++i) model.body.push_back(hg::nn::conv2d_layer<B>(rng, 16, 16, same));
  return model;
}

int main(int argc, char** argv) {
  Kokkos::ScopeGuard const kokkos(argc, argv);
  using B = hg::Backend<Kokkos::DefaultExecutionSpace>;
  hg::Rng rng(7);
  auto model = denoiser<B>(rng, 2);
  hg::for_each_param(
      [](std::string const& path, auto const& p) { std::printf("%-18s %5zu\n", path.c_str(), p.value.size()); }, model);

  hg::Tape<B> tape;
  hg::FlatStore<B> const store(model);  // all parameters side by side: one kernel per optimiser step
  hg::optim::Adam<B> adam(store, {.learning_rate = 1e-2});
  auto const clean = hg::make_zeros<B>("clean", hg::Shape{4, 16, 16, 1});
  auto const noisy = hg::make_tensor<B>("noisy", hg::Shape{4, 16, 16, 1});
  float first = 0, last = 0;
  for (int step = 0; step < 40; ++step) {
    hg::nn::init_normal(rng, noisy, 0.0, 1.0);
    tape.clear();
    auto const loss = hg::loss::mse(model(tape.constant(noisy)), tape.constant(clean));
    tape.backward(loss);
    adam.update(tape.workspace());  // reads the gradients, moves the weights, sets the gradients to zero
    last = hg::item(tape.exec(), loss.value);
    if (step == 0) first = last;
  }
  std::printf("loss %g -> %g\n", first, last);

  auto const path = (std::filesystem::temp_directory_path() / "denoiser.safetensors").string();
  hg::io::save_weights(path, model);
  auto blank = hg::Rng::blank();  // draws nothing: the numbers come from the file
  auto again = denoiser<B>(blank, 2);
  hg::io::load_weights(path, again);
  std::filesystem::remove(path);
  return last < first ? 0 : 1;
}
