// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

#include <heliograd/base/config.hpp>

namespace heliograd::inline HELIOGRAD_ABI::testing {

/// How far `values` are from `expected`.
struct Difference {
  double relative = 0;        ///< \f$ \|y - \hat y\|_2 / \|\hat y\|_2 \f$ (absolute if the expectation is all zero)
  double largest = 0;         ///< largest absolute difference
  std::size_t where = 0;      ///< its flat index
  std::size_t differing = 0;  ///< number of elements that are not equal
};

/// Compares element by element; a different count or a NaN on one side only is an infinite difference.
template <class A, class B>
Difference compare(std::vector<A> const& values, std::vector<B> const& expected) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  Difference d;
  if (values.size() != expected.size()) return {infinity, infinity, 0, std::max(values.size(), expected.size())};
  double squares = 0;
  double scale = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    double const y = static_cast<double>(values[i]);
    double const e = static_cast<double>(expected[i]);
    bool const same = y == e || (std::isnan(y) && std::isnan(e));
    double const error = same ? 0.0 : std::isfinite(y - e) ? std::abs(y - e) : infinity;
    if (!same) ++d.differing;
    if (error > d.largest) {
      d.largest = error;
      d.where = i;
    }
    squares += error * error;
    if (std::isfinite(e)) scale += e * e;
  }
  d.relative = scale > 0 ? std::sqrt(squares / scale) : std::sqrt(squares);
  return d;
}

}  // namespace heliograd::inline HELIOGRAD_ABI::testing
