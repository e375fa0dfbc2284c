// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <cstdint>
#include <type_traits>

#include <heliograd/base/error.hpp>

/// \file
/// Random numbers by address: a number is a pure function of (seed, stream, index), so it is the same on every backend, for
/// any number of threads and in any order of evaluation, and nothing has to be stored to have it again in a backward pass.
///
/// The bits come from Philox4x32-10 (Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3; SC 2011): the
/// seed is the key, stream and block number are the counter, each block gives 128 bits.
namespace heliograd::inline HELIOGRAD_ABI {

/// Four random words.
struct PhiloxBlock {
  std::uint32_t word[4];
};

/// Philox4x32 with ten rounds.
KOKKOS_INLINE_FUNCTION PhiloxBlock philox(PhiloxBlock counter, std::uint32_t key0, std::uint32_t key1) {
  for (int round = 0; round < 10; ++round) {
    std::uint64_t const a = std::uint64_t{0xD2511F53u} * counter.word[0];
    std::uint64_t const b = std::uint64_t{0xCD9E8D57u} * counter.word[2];
    counter = {{static_cast<std::uint32_t>(b >> 32) ^ counter.word[1] ^ key0, static_cast<std::uint32_t>(b),
                static_cast<std::uint32_t>(a >> 32) ^ counter.word[3] ^ key1, static_cast<std::uint32_t>(a)}};
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  return counter;
}

/// An endless sequence of random numbers, addressed by index. Plain data, for host and device.
struct RandomStream {
  std::uint64_t seed = 0;
  std::uint64_t stream = 0;

  /// The four words at a block number: blocks are independent of each other.
  KOKKOS_FUNCTION PhiloxBlock block(std::uint64_t number) const {
    return philox({{static_cast<std::uint32_t>(number), static_cast<std::uint32_t>(number >> 32),
                    static_cast<std::uint32_t>(stream), static_cast<std::uint32_t>(stream >> 32)}},
                  static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32));
  }

  /// Uniform in [0, 1): a multiple of 2^-24 (float) or 2^-53 (double).
  template <class Scalar>
  KOKKOS_FUNCTION Scalar uniform(std::uint64_t index) const {
    return from_block<Scalar>(block(index / per_block<Scalar>), static_cast<int>(index % per_block<Scalar>));
  }

  /// Normal with mean 0 and standard deviation 1, by the method of Box and Muller: pairs of uniform numbers give pairs of
  /// normal ones.
  template <class Scalar>
  KOKKOS_FUNCTION Scalar normal(std::uint64_t index) const {
    PhiloxBlock const bits = block(index / per_block<Scalar>);
    int const which = static_cast<int>(index % per_block<Scalar>);
    Scalar const radius_draw = Scalar(1) - from_block<Scalar>(bits, which / 2 * 2);  // in (0, 1]: its logarithm exists
    Scalar const angle = Scalar(6.283185307179586476925) * from_block<Scalar>(bits, which / 2 * 2 + 1);
    Scalar const radius = Kokkos::sqrt(Scalar(-2) * Kokkos::log(radius_draw));
    return radius * (which % 2 == 0 ? Kokkos::cos(angle) : Kokkos::sin(angle));
  }

 private:
  template <class Scalar>
  static constexpr std::uint64_t per_block = std::is_same_v<Scalar, float> ? 4 : 2;

  template <class Scalar>
  KOKKOS_FUNCTION static Scalar from_block(PhiloxBlock const& bits, int which) {
    if constexpr (std::is_same_v<Scalar, float>) {
      return static_cast<float>(bits.word[which] >> 8) * 0x1.0p-24f;
    } else {
      std::uint64_t const high = bits.word[2 * which];
      return static_cast<double>((high << 21) ^ (bits.word[2 * which + 1] >> 11)) * 0x1.0p-53;
    }
  }
};

/// Random numbers in sequence, on the host, for initialisers and samplers. There is no global generator: an Rng is a value,
/// passed where it is needed. Its state is three integers; a copy goes on alike.
class Rng {
 public:
  /// All that there is to save.
  struct State {
    std::uint64_t seed = 0;
    std::uint64_t streams = 0;  ///< streams given out by `fork`
    std::uint64_t draws = 0;    ///< numbers drawn in sequence
    bool operator==(State const&) const = default;
  };

  explicit Rng(std::uint64_t seed) : state_{seed, 0, 0} {}
  explicit Rng(State const& state) : state_(state) {}

  /// For parameters whose numbers come from a file, or that are only counted: initialisers leave them as they are.
  static Rng blank() {
    Rng rng(State{});
    rng.blank_ = true;
    return rng;
  }
  bool is_blank() const { return blank_; }

  State const& state() const { return state_; }

  /// A stream of its own, shared with nobody: for a tensor of noise, or a dropout mask.
  RandomStream fork() { return {state_.seed, ++state_.streams}; }

  /// Uniform in [0, 1).
  double uniform() { return sequence().uniform<double>(2 * state_.draws++); }
  /// Uniform in [low, high).
  double uniform(double low, double high) { return low + (high - low) * uniform(); }
  /// Normal with mean 0 and standard deviation 1.
  double normal() { return sequence().normal<double>(2 * state_.draws++); }
  bool coin() { return uniform() < 0.5; }

  /// Uniform among 0, 1, ..., count - 1, without bias.
  std::uint64_t below(std::uint64_t count) {
    expect(count > 0, "Rng::below: there is no number below 0");
    std::uint64_t const rejected = (0 - count) % count;  // 2^64 mod count
    for (;;) {
      PhiloxBlock const bits = sequence().block(state_.draws++);
      std::uint64_t const value = std::uint64_t{bits.word[0]} << 32 | bits.word[1];
      if (value >= rejected) return value % count;
    }
  }

 private:
  RandomStream sequence() const { return {state_.seed, 0}; }

  State state_;
  bool blank_ = false;
};

}  // namespace heliograd::inline HELIOGRAD_ABI
