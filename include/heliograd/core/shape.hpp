// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <string>

#include <heliograd/base/config.hpp>

namespace heliograd::inline HELIOGRAD_ABI {

/// The extents of a tensor, outermost first: images are [n, h, w, c], filters [kh, kw, c_in, c_out]. Host only.
template <int Rank>
struct Shape {
  std::array<std::size_t, Rank> extent{};

  constexpr Shape() = default;
  template <std::convertible_to<std::size_t>... Extent>
    requires(sizeof...(Extent) == Rank && Rank > 0)
  constexpr Shape(Extent... extents) : extent{static_cast<std::size_t>(extents)...} {}

  constexpr std::size_t operator[](int axis) const { return extent[static_cast<std::size_t>(axis)]; }
  constexpr std::size_t& operator[](int axis) { return extent[static_cast<std::size_t>(axis)]; }

  /// The number of elements.
  constexpr std::size_t size() const {
    std::size_t product = 1;
    for (std::size_t e : extent) product *= e;
    return product;
  }

  bool operator==(Shape const&) const = default;
};

template <class... Extent>
Shape(Extent...) -> Shape<static_cast<int>(sizeof...(Extent))>;

/// "[2, 64, 64, 3]", as messages show it.
template <int Rank>
std::string to_string(Shape<Rank> const& shape) {
  std::string text = "[";
  for (std::size_t axis = 0; axis < shape.extent.size(); ++axis) {
    if (axis > 0) text += ", ";
    text += std::to_string(shape.extent[axis]);
  }
  return text + "]";
}

}  // namespace heliograd::inline HELIOGRAD_ABI
