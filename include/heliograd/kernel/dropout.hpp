// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <cstddef>
#include <cstdint>

#include <heliograd/core/random.hpp>
#include <heliograd/core/sink.hpp>
#include <heliograd/kernel/launch.hpp>

/// \file
/// Setting random elements to zero. Whether an element is kept depends on its index and a random stream alone: the backward
/// pass finds the same elements again, on every backend and in both precisions, and no mask is stored.
namespace heliograd::inline HELIOGRAD_ABI::kernel {

/// The random word that decides over element i. 32 blocks of four words serve 128 elements: word k of block l decides over
/// element 32 k + l of them, so that blocks and elements both run along vectors.
KOKKOS_INLINE_FUNCTION std::uint32_t dropout_word(RandomStream const& stream, std::size_t i) {
  return stream.block(i / 128 * 32 + i % 32).word[i % 128 / 32];
}

namespace detail {

/// Host: 128 elements a time, many times a work item. Elsewhere: one block of words, four elements.
template <class T, bool OnHost>
struct Drop {
  static constexpr std::size_t tile = 128;
  static constexpr std::size_t per_item = OnHost ? 32 * tile : 4;

  T const* x;
  T* y;
  T beta;
  T scale;
  RandomStream stream;
  std::uint32_t threshold;  // words below it are dropped
  std::size_t count;

  KOKKOS_FUNCTION void operator()(std::size_t item) const {
    if constexpr (OnHost) {
      for (std::size_t begin = item * per_item; begin < (item + 1) * per_item && begin < count; begin += tile) {
        std::uint32_t word[tile];
        blocks(begin / 4, word);
        deliver(begin, word, begin + tile <= count ? tile : count - begin);
      }
    } else {
      PhiloxBlock const bits = stream.block(item);
      for (std::size_t k = 0; k < 4; ++k) {
        std::size_t const i = item / 32 * tile + 32 * k + item % 32;
        if (i < count) deliver(i, bits.word + k, 1);
      }
    }
  }

  KOKKOS_FUNCTION void deliver(std::size_t begin, std::uint32_t const* word, std::size_t size) const {
    T const* const from = x + begin;
    T* const to = y + begin;
    T const factor = scale, old = beta;
    std::uint32_t const least = threshold;
    if (old != T(0)) {
      HELIOGRAD_INDEPENDENT_LOOP
      for (std::size_t i = 0; i < size; ++i) {
        T const scaled = factor * from[i];
        to[i] = old * to[i] + (word[i] >= least ? scaled : T(0));
      }
    } else {
      HELIOGRAD_INDEPENDENT_LOOP
      for (std::size_t i = 0; i < size; ++i) {
        T const scaled = factor * from[i];
        to[i] = word[i] >= least ? scaled : T(0);
      }
    }
  }

  /// The blocks first, ..., first + 31 of the stream side by side: the rounds of `philox`, in numbers of 64 bits, which the
  /// compiler vectorises.
  KOKKOS_FUNCTION void blocks(std::uint64_t first, std::uint32_t (&words)[tile]) const {
    constexpr std::uint64_t low = 0xffffffffu;
    std::uint64_t word[4][tile / 4];
    for (std::uint64_t l = 0; l < tile / 4; ++l) {
      word[0][l] = (first + l) & low;
      word[1][l] = (first + l) >> 32;
      word[2][l] = stream.stream & low;
      word[3][l] = stream.stream >> 32;
    }
    std::uint32_t key0 = static_cast<std::uint32_t>(stream.seed);
    std::uint32_t key1 = static_cast<std::uint32_t>(stream.seed >> 32);
    for (int round = 0; round < 10; ++round) {
      HELIOGRAD_INDEPENDENT_LOOP
      for (std::size_t l = 0; l < tile / 4; ++l) {
        std::uint64_t const a = std::uint64_t{0xD2511F53u} * word[0][l];
        std::uint64_t const b = std::uint64_t{0xCD9E8D57u} * word[2][l];
        word[0][l] = (b >> 32) ^ word[1][l] ^ key0;
        word[1][l] = b & low;
        word[2][l] = (a >> 32) ^ word[3][l] ^ key1;
        word[3][l] = a & low;
      }
      key0 += 0x9E3779B9u;
      key1 += 0xBB67AE85u;
    }
    for (std::size_t k = 0; k < 4; ++k)
      for (std::size_t l = 0; l < tile / 4; ++l) words[k * (tile / 4) + l] = static_cast<std::uint32_t>(word[k][l]);
  }
};

template <class B>
void drop(Workspace<B>& ws, char const* label, std::size_t count, typename B::scalar_type const* x,
          typename B::scalar_type* y, typename B::scalar_type beta, double probability, RandomStream stream) {
  using T = typename B::scalar_type;
  using Functor = Drop<T, B::on_host>;
  std::size_t const padded = (count + Functor::tile - 1) / Functor::tile * Functor::tile;
  for_each_item(ws, label, (padded + Functor::per_item - 1) / Functor::per_item,
                Functor{x, y, beta, static_cast<T>(1 / (1 - probability)), stream,
                        static_cast<std::uint32_t>(probability * 0x1.0p32), count});
}

}  // namespace detail

/// y = x / (1 - probability) with probability 1 - probability, else 0, for each element on its own.
template <class B, int Rank>
void dropout(Workspace<B>& ws, ConstTensorRef<Rank, B> const& x, TensorRef<Rank, B> const& y, double probability,
             RandomStream stream) {
  detail::drop<B>(ws, "heliograd::dropout", x.size(), x.data(), y.data(), 0, probability, stream);
}

/// The same elements of the gradient: gx = beta gx + gy / (1 - probability), else beta gx.
template <class B, int Rank>
void dropout_backward(Workspace<B>& ws, ConstTensorRef<Rank, B> const& gy, Sink<Rank, B> const& gx, double probability,
                      RandomStream stream) {
  detail::drop<B>(ws, "heliograd::dropout_backward", gy.size(), gy.data(), gx.out.data(), gx.beta, probability, stream);
}

}  // namespace heliograd::inline HELIOGRAD_ABI::kernel
