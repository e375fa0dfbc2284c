// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>
#include <cstdint>

#include <heliograd/nn/mode.hpp>
#include <heliograd/tape/checkpoint.hpp>

namespace heliograd::inline HELIOGRAD_ABI::nn {

/// `layer(x, mode)` without keeping what lies inside; see `heliograd::checkpoint`. Dropout draws the same numbers in the backward
/// pass, and running statistics move once. The layer must outlive the step. State that the forward pass reads and moves on
/// (the vectors of spectral norm, if the layer is used several times in a step) would not be the same the second time.
template <class Layer, int Rank, class B>
auto checkpoint(Layer const& layer, Var<Rank, B> x, Mode const& mode) {
  Rng::State const before = mode.random() ? mode.rng().state() : Rng::State{};
  return heliograd::checkpoint(
      [at = &layer, mode, before](bool again, Var<Rank, B> in) {
        if (!again) return (*at)(in, mode);
        Rng rng(before);
        return (*at)(in, mode.again(rng));
      },
      x);
}

/// `layer(x, mode)` for a few images at a time, forward and backward, in the memory of a few images; see `heliograd::stream`.
/// Dropout draws other numbers than without. Batch normalisation with statistics of the batch would see the parts: keep it
/// outside. The layer must outlive the step.
template <class Layer, int Rank, class B>
auto stream(Layer const& layer, std::size_t images, Var<Rank, B> x, Mode const& mode) {
  RandomStream const seeds = mode.random() ? mode.rng().fork() : RandomStream{};
  return heliograd::stream(
      [at = &layer, mode, seeds](bool again, std::size_t part, Var<Rank, B> in) {
        PhiloxBlock const bits = seeds.block(part);
        Rng rng(std::uint64_t{bits.word[0]} << 32 | bits.word[1]);
        return (*at)(in, again ? mode.again(rng) : mode.with(rng));
      },
      images, x);
}

}  // namespace heliograd::inline HELIOGRAD_ABI::nn
