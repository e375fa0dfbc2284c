// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <cstddef>

#include <heliograd/kernel/launch.hpp>

/// \file
/// Sums with the same bits for any number of threads.
///
/// The elements of a segment are cut into chunks of a fixed size, each chunk is summed in a fixed number of lanes, and the
/// chunks are joined pairwise in a fixed tree. Who computes a chunk does not matter. Sums are carried in double, so a mean
/// over 10^8 single-precision values loses nothing that counts.
namespace heliograd::inline HELIOGRAD_ABI::kernel {

/// `N` sums carried together.
template <int N>
struct Sums {
  double value[N]{};
  KOKKOS_FUNCTION double& operator[](int i) { return value[i]; }
  KOKKOS_FUNCTION double const& operator[](int i) const { return value[i]; }
  KOKKOS_FUNCTION Sums& operator+=(Sums const& other) {
    for (int i = 0; i < N; ++i) value[i] += other.value[i];
    return *this;
  }
};

namespace detail {

template <bool OnHost>
struct ReduceChunk {
  static constexpr std::size_t size = OnHost ? 4096 : 256;
  static constexpr int lanes = OnHost ? 16 : 1;
};

template <class Term, int N, bool OnHost>
struct ReduceChunks {
  using Chunk = ReduceChunk<OnHost>;
  Term term;
  std::size_t length;
  std::size_t chunks;
  Sums<N>* partial;

  KOKKOS_FUNCTION void operator()(std::size_t item) const {
    std::size_t const segment = item / chunks;
    std::size_t const begin = (item % chunks) * Chunk::size;
    std::size_t const end = begin + Chunk::size < length ? begin + Chunk::size : length;
    Term const t = term;
    double lane[N][Chunk::lanes] = {};
    std::size_t i = begin;
    for (; i + Chunk::lanes <= end; i += Chunk::lanes) {
      HELIOGRAD_INDEPENDENT_LOOP
      for (int l = 0; l < Chunk::lanes; ++l) {
        Sums<N> one;
        t(segment, i + static_cast<std::size_t>(l), one);
        for (int k = 0; k < N; ++k) lane[k][l] += one[k];
      }
    }
    for (int l = 0; i < end; ++i, ++l) {
      Sums<N> one;
      t(segment, i, one);
      for (int k = 0; k < N; ++k) lane[k][l] += one[k];
    }
    for (int width = Chunk::lanes / 2; width > 0; width /= 2)
      for (int k = 0; k < N; ++k)
        for (int l = 0; l < width; ++l) lane[k][l] += lane[k][l + width];
    Sums<N> total;
    for (int k = 0; k < N; ++k) total[k] = lane[k][0];
    partial[item] = total;
  }
};

template <class Finish, int N>
struct ReduceTree {
  Finish finish;
  std::size_t chunks;
  Sums<N>* partial;

  KOKKOS_FUNCTION void operator()(std::size_t segment) const {
    Sums<N>* const p = partial + segment * chunks;
    for (std::size_t stride = 1; stride < chunks; stride *= 2)
      for (std::size_t i = 0; i + stride < chunks; i += 2 * stride) p[i] += p[i + stride];
    finish(segment, chunks > 0 ? p[0] : Sums<N>{});
  }
};

}  // namespace detail

/// For every segment s in [0, segments): finish(s, sum over i in [0, length) of term(s, i)).
///
/// `term` is a functor `void(std::size_t segment, std::size_t i, Sums<N>& one)` that fills `one` (zero on entry) with the N
/// summands of element i; `finish` is `void(std::size_t segment, Sums<N> const& total)` and writes the result. Both run on
/// the device.
template <int N, class B, class Term, class Finish>
void reduce(Workspace<B>& ws, char const* label, std::size_t segments, std::size_t length, Term const& term,
            Finish const& finish) {
  constexpr std::size_t size = detail::ReduceChunk<B::on_host>::size;
  std::size_t const chunks = (length + size - 1) / size;
  auto scope = ws.scope();
  auto* const partial = scope.template take<Sums<N>>(segments * chunks);
  for_each_item(ws, label, segments * chunks, detail::ReduceChunks<Term, N, B::on_host>{term, length, chunks, partial});
  for_each_item(ws, label, segments, detail::ReduceTree<Finish, N>{finish, chunks, partial});
}

}  // namespace heliograd::inline HELIOGRAD_ABI::kernel
