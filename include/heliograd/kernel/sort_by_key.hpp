// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

#include <heliograd/kernel/launch.hpp>

/// \file
/// Elements put in the order of whole-number keys: what turns "add to where the element points" into "gather what points
/// here", in a fixed order and without atomics.
namespace heliograd::inline HELIOGRAD_ABI::kernel {

namespace detail {

inline constexpr std::size_t digit_values = 256;

/// A stable sort by one digit of the keys: the elements are cut into parts; every part counts its digits, and later puts its
/// elements behind those of the parts before it.
struct SortDigit {
  std::uint32_t const* keys;
  std::uint32_t const* elements;  // null: element i is i
  std::uint32_t* sorted_keys;
  std::uint32_t* sorted_elements;
  std::uint32_t* place;  // [digit][part]: first the count, then where the next one goes
  std::size_t count;
  std::size_t parts;
  int shift;

  KOKKOS_FUNCTION std::size_t digit(std::size_t i) const { return keys[i] >> shift & (digit_values - 1); }
  KOKKOS_FUNCTION std::size_t begin(std::size_t part) const { return count * part / parts; }
};

struct CountDigits {
  SortDigit pass;
  KOKKOS_FUNCTION void operator()(std::size_t part) const {
    for (std::size_t d = 0; d < digit_values; ++d) pass.place[d * pass.parts + part] = 0;
    for (std::size_t i = pass.begin(part); i < pass.begin(part + 1); ++i)
      ++pass.place[pass.digit(i) * pass.parts + part];
  }
};

/// Turns the counts of one digit into places within the digit, and gives their total.
struct PlaceParts {
  SortDigit pass;
  std::uint32_t* total;
  KOKKOS_FUNCTION void operator()(std::size_t d) const {
    std::uint32_t next = 0;
    for (std::size_t part = 0; part < pass.parts; ++part) {
      std::uint32_t const here = pass.place[d * pass.parts + part];
      pass.place[d * pass.parts + part] = next;
      next += here;
    }
    total[d] = next;
  }
};

struct MoveElements {
  SortDigit pass;
  std::uint32_t const* total;
  KOKKOS_FUNCTION void operator()(std::size_t part) const {
    std::uint32_t before = 0;
    for (std::size_t d = 0; d < digit_values; ++d) {
      pass.place[d * pass.parts + part] += before;
      before += total[d];
    }
    for (std::size_t i = pass.begin(part); i < pass.begin(part + 1); ++i) {
      std::size_t const to = pass.place[pass.digit(i) * pass.parts + part]++;
      pass.sorted_keys[to] = pass.keys[i];
      pass.sorted_elements[to] = pass.elements ? pass.elements[i] : static_cast<std::uint32_t>(i);
    }
  }
};

/// first[k]: how many sorted keys are smaller than k.
struct FindFirst {
  std::uint32_t const* keys;
  std::size_t count;
  std::uint32_t* first;
  KOKKOS_FUNCTION void operator()(std::size_t k) const {
    std::size_t low = 0, high = count;
    while (low < high) {
      std::size_t const middle = (low + high) / 2;
      if (keys[middle] < k)
        low = middle + 1;
      else
        high = middle;
    }
    first[k] = static_cast<std::uint32_t>(low);
  }
};

}  // namespace detail

/// Elements in the order of their keys: those of key k are `element[first[k]]` to `element[first[k + 1] - 1]`, ascending.
struct SortedByKey {
  std::uint32_t const* element;  ///< [count]
  std::uint32_t const* first;    ///< [key_count + 1]
};

/// Sorts the elements 0, 1, ..., count - 1 by keys in [0, key_count]; those whose key is key_count belong to nobody. The
/// result lies in the scope's memory, 4 (key_count + 4 count) bytes and a little. `keys` is overwritten.
///
/// A stable radix sort: the result is the same for any number of threads.
template <class B, class Scope>
SortedByKey sort_by_key(Workspace<B>& ws, Scope& scope, char const* label, std::uint32_t* keys, std::size_t count,
                        std::size_t key_count) {
  std::size_t const parts = std::clamp<std::size_t>(count / 1024, 1, B::on_host ? 64 : 2048);
  auto* const first = scope.template take<std::uint32_t>(key_count + 1);
  auto* const elements = scope.template take<std::uint32_t>(count);
  auto* const other_elements = scope.template take<std::uint32_t>(count);
  auto* const other_keys = scope.template take<std::uint32_t>(count);
  auto* const place = scope.template take<std::uint32_t>(detail::digit_values * parts);
  auto* const total = scope.template take<std::uint32_t>(detail::digit_values);
  detail::SortDigit pass{keys, nullptr, other_keys, elements, place, count, parts, 0};
  auto* spare = other_elements;
  do {
    for_each_item(ws, label, parts, detail::CountDigits{pass});
    for_each_item(ws, label, detail::digit_values, detail::PlaceParts{pass, total});
    for_each_item(ws, label, parts, detail::MoveElements{pass, total});
    std::uint32_t* const done = pass.sorted_elements;
    std::uint32_t* const done_keys = pass.sorted_keys;
    pass.sorted_keys = done_keys == keys ? other_keys : keys;
    pass.sorted_elements = std::exchange(spare, done);
    pass.keys = done_keys;
    pass.elements = done;
    pass.shift += 8;
  } while (pass.shift < 32 && (key_count >> pass.shift) > 0);
  for_each_item(ws, label, key_count + 1, detail::FindFirst{pass.keys, count, first});
  return {pass.elements, first};
}

}  // namespace heliograd::inline HELIOGRAD_ABI::kernel
