// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <type_traits>
#include <vector>

#include <heliograd/kernel/reduce_by_key.hpp>
#include <heliograd/metrics/detail/measure.hpp>

namespace heliograd::inline HELIOGRAD_ABI::metrics {

namespace detail {

/// Unsigned integers in the order of the numbers they stand for.
template <class T>
struct Ordered {
  using Word = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
  static constexpr int bits = 8 * sizeof(T);
  static constexpr Word sign = Word{1} << (bits - 1);

  KOKKOS_FUNCTION static Word of(T value) {
    Word const word = Kokkos::bit_cast<Word>(value);
    return word & sign ? ~word : word | sign;
  }
  static T value(Word word) { return Kokkos::bit_cast<T>(word & sign ? word & ~sign : ~word); }
};

inline constexpr int digit_bits = 11;

/// Key: the next digit of the numbers whose digits before it are known.
template <class T>
struct DigitTerm {
  using Word = typename Ordered<T>::Word;
  MaskedImage<T> image;
  Word known;  ///< the digits before, shifted down to the last of them
  int shift;
  bool first;
  KOKKOS_FUNCTION std::ptrdiff_t operator()(std::size_t i, kernel::Sums<1>& one) const {
    if (!image.valid(i)) return -1;
    Word const rest = Ordered<T>::of(image.x[i]) >> shift;
    if (!first && rest >> digit_bits != known) return -1;
    one[0] = 1.0;
    return static_cast<std::ptrdiff_t>(rest & ((Word{1} << digit_bits) - 1));
  }
};

template <class T>
struct CountTerm {
  MaskedImage<T> image;
  KOKKOS_FUNCTION void operator()(std::size_t, std::size_t i, kernel::Sums<1>& one) const {
    one[0] = image.valid(i) ? 1.0 : 0.0;
  }
};

/// The number that `rank` of the counting ones are below, digit by digit.
template <class B>
typename B::scalar_type select(Workspace<B>& ws, MaskedImage<typename B::scalar_type> const& image, std::size_t length,
                               double rank) {
  using T = typename B::scalar_type;
  constexpr std::size_t keys = std::size_t{1} << digit_bits;
  constexpr int digits = (Ordered<T>::bits + digit_bits - 1) / digit_bits;
  typename Ordered<T>::Word known = 0;
  for (int digit = digits - 1; digit >= 0; --digit) {
    auto scope = ws.scope();
    auto* const totals = scope.template take<kernel::Sums<1>>(keys);
    kernel::reduce_by_key<1>(ws, "heliograd::metrics::quantiles", length, keys,
                             DigitTerm<T>{image, known, digit * digit_bits, digit == digits - 1}, totals);
    auto const counts = fetch<B, kernel::Sums<1>>(ws, totals, keys);
    std::size_t key = 0;
    for (; counts[key][0] <= rank; ++key) rank -= counts[key][0];
    known = static_cast<typename Ordered<T>::Word>(known << digit_bits | key);
  }
  return Ordered<T>::value(known);
}

}  // namespace detail

/// The values below which given shares of the pixels lie: 0 the smallest, 0.5 the median, 1 the largest. Exact: the pixels are
/// not sorted but selected, digit by digit of their bits. Between two pixels the value is on the straight line between them.
///
/// A pixel counts if it is finite, and positive in the mask if there is one; NaN if none does.
/// Shapes   image, mask [h, w] -> one number for each share.
/// Cost     3 passes over a single-precision image (6 in double) a share, twice that between two pixels.
/// Throws   ShapeError if the shapes differ; UsageError for a share outside [0, 1]. Waits for the execution space.
template <class B>
std::vector<double> quantiles(Workspace<B>& ws, ConstTensorRef<2, B> image, std::vector<double> const& shares,
                              ConstTensorRef<2, B> mask = {}) {
  using T = typename B::scalar_type;
  auto const masked = detail::masked_image<B>("metrics::quantiles", image, mask);
  double const count =
      detail::sums<1>(ws, "heliograd::metrics::quantiles", 1, image.size(), detail::CountTerm<T>{masked}).front()[0];
  std::vector<double> result;
  for (double const share : shares) {
    expect(share >= 0 && share <= 1,
           "metrics::quantiles: a share must lie in [0, 1] (found " + std::to_string(share) + ")");
    if (count == 0) {
      result.push_back(std::numeric_limits<double>::quiet_NaN());
      continue;
    }
    double const at = share * (count - 1);
    double const below = std::floor(at);
    double const low = static_cast<double>(detail::select<B>(ws, masked, image.size(), below));
    double const high = at > below ? static_cast<double>(detail::select<B>(ws, masked, image.size(), below + 1)) : low;
    result.push_back(low + (at - below) * (high - low));
  }
  return result;
}

}  // namespace heliograd::inline HELIOGRAD_ABI::metrics
