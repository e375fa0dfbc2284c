// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <algorithm>
#include <cstddef>

#include <heliograd/kernel/launch.hpp>
#include <heliograd/kernel/reduce.hpp>

/// \file
/// Histograms, and sums over the elements that fall in each bin.
namespace heliograd::inline HELIOGRAD_ABI::kernel {

namespace detail {

/// Sums one part of the elements into its own row of bins.
template <class Term, int N>
struct KeyedPart {
  Term term;
  std::size_t length;
  std::size_t parts;
  std::size_t keys;
  Sums<N>* partial;

  KOKKOS_FUNCTION void operator()(std::size_t part) const {
    Term const t = term;
    Sums<N>* const row = partial + part * keys;
    for (std::size_t key = 0; key < keys; ++key) row[key] = Sums<N>{};
    std::size_t const end = length * (part + 1) / parts;
    for (std::size_t i = length * part / parts; i < end; ++i) {
      Sums<N> one;
      std::ptrdiff_t const key = t(i, one);
      if (key >= 0) row[key] += one;
    }
  }
};

template <int N>
struct KeyedJoin {
  Sums<N> const* partial;
  std::size_t parts;
  std::size_t keys;
  Sums<N>* totals;

  KOKKOS_FUNCTION void operator()(std::size_t key) const {
    Sums<N> total;
    for (std::size_t part = 0; part < parts; ++part) total += partial[part * keys + key];
    totals[key] = total;
  }
};

}  // namespace detail

/// totals[k] = the sum over the elements whose key is k, for k in [0, keys).
///
/// `term` is a functor `std::ptrdiff_t(std::size_t i, Sums<N>& one)` that fills `one` (zero on entry) and returns the key, or
/// a negative number to leave the element out. Counts, as sums of ones, are exact up to 2^53. The elements are cut into a
/// number of parts that depends on the sizes alone, so the bits do not depend on the number of threads.
template <int N, class B, class Term>
void reduce_by_key(Workspace<B>& ws, char const* label, std::size_t length, std::size_t keys, Term const& term,
                   Sums<N>* totals) {
  std::size_t const wanted = (length + 4095) / 4096;
  std::size_t const affordable = (std::size_t{1} << 22) / std::max<std::size_t>(keys * N, 1);
  std::size_t const parts = std::clamp<std::size_t>(std::min(wanted, affordable), 1, B::on_host ? 64 : 4096);
  auto scope = ws.scope();
  auto* const partial = scope.template take<Sums<N>>(parts * keys);
  for_each_item(ws, label, parts, detail::KeyedPart<Term, N>{term, length, parts, keys, partial});
  for_each_item(ws, label, keys, detail::KeyedJoin<N>{partial, parts, keys, totals});
}

}  // namespace heliograd::inline HELIOGRAD_ABI::kernel
