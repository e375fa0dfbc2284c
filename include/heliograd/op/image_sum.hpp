// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <cstddef>
#include <string>

#include <heliograd/kernel/reduce.hpp>
#include <heliograd/op/linear_map.hpp>

/// \file
/// Sums over everything but the first axis, and one number per image spread over it: each the other's gradient.
namespace heliograd::inline HELIOGRAD_ABI {

namespace detail {

template <class T>
struct ImageTerm {
  T const* x;
  std::size_t length;
  KOKKOS_FUNCTION void operator()(std::size_t image, std::size_t i, kernel::Sums<1>& one) const {
    one[0] = static_cast<double>(x[image * length + i]);
  }
};
template <class B>
struct DeliverImageTotal {
  Sink<1, B> y;
  KOKKOS_FUNCTION void operator()(std::size_t image, kernel::Sums<1> const& total) const {
    y.add(image, static_cast<typename B::scalar_type>(total[0]));
  }
};
template <int Rank, class B>
struct SpreadImage {
  typename B::scalar_type const* v;
  std::size_t length;
  Sink<Rank, B> y;
  KOKKOS_FUNCTION void operator()(std::size_t i) const { y.add(i, v[i / length]); }
};

template <int Rank>
struct ImageSum {
  template <class B, class In>
  void operator()(Workspace<B>& ws, In const& x, Sink<1, B> const& y) const {
    std::size_t const images = y.out.extent(0);
    std::size_t const length = images > 0 ? x.size() / images : 0;
    kernel::reduce<1>(ws, "heliograd::image_sum", images, length, ImageTerm<typename B::scalar_type>{x.data(), length},
                      DeliverImageTotal<B>{y});
  }
};
template <int Rank>
struct ImageSpread {
  template <class B, class In>
  void operator()(Workspace<B>& ws, In const& v, Sink<Rank, B> const& y) const {
    std::size_t const images = v.extent(0);
    if (images == 0) return;
    kernel::for_each_element(ws, "heliograd::image_spread", y.out.size(),
                             SpreadImage<Rank, B>{v.data(), y.out.size() / images, y});
  }
};

}  // namespace detail

/// The sum over all axes but the first: one number for each image.
/// Shapes   x [n, ...] -> [n].
/// Gradient every element receives that of its image; to any order.
/// Keeps    nothing.
/// Cost     one read; carried in double in a fixed order, the same for any batch.
template <int Rank, class B>
Var<1, B> image_sum(Var<Rank, B> x) {
  static_assert(Rank >= 1, "heliograd::image_sum: the first axis counts images");
  return detail::linear_pair("heliograd::image_sum", Shape<1>{x.shape()[0]}, x, detail::ImageSum<Rank>{},
                             detail::ImageSpread<Rank>{});
}

/// One number per image at every element of it.
/// Shapes   v [n] -> shape [n, ...].
/// Gradient the sum over the image; to any order.
/// Keeps    nothing.
/// Cost     one write.
/// Throws   ShapeError unless v has one number for each image.
template <int Rank, class B>
Var<Rank, B> image_spread(Var<1, B> v, Shape<Rank> const& shape) {
  static_assert(Rank >= 1, "heliograd::image_spread: the first axis counts images");
  expect_shape(v.shape()[0] == shape[0], "image_spread: v is " + to_string(v.shape()) +
                                             ", expected one number for each image of " + to_string(shape));
  return detail::linear_pair("heliograd::image_spread", shape, v, detail::ImageSpread<Rank>{},
                             detail::ImageSum<Rank>{});
}

}  // namespace heliograd::inline HELIOGRAD_ABI
