// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstdint>

#include <heliograd/core/random.hpp>

namespace examples {

/// A generator of its own for every use of random numbers: what it draws is a function of the three.
inline heliograd::Rng rng_for(std::uint64_t seed, std::uint64_t stream, std::uint64_t use) {
  auto const bits = heliograd::RandomStream{seed, stream}.block(use);
  return heliograd::Rng(std::uint64_t{bits.word[0]} << 32 | bits.word[1]);
}

}  // namespace examples
