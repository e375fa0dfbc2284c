// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <cstddef>
#include <string>

#include <heliograd/kernel/launch.hpp>
#include <heliograd/metrics/detail/measure.hpp>
#include <heliograd/metrics/detail/tiles.hpp>

namespace heliograd::inline HELIOGRAD_ABI::metrics {

namespace detail {
template <class T>
struct BlockMean {
  MaskedImage<T> image;
  Tiles tiles;
  T* means;
  KOKKOS_FUNCTION void operator()(std::size_t tile) const {
    double sum = 0;
    for (std::size_t row = 0; row < tiles.side; ++row) {
      std::size_t const begin = tiles.row_begin(tile, row);
      for (std::size_t i = begin; i < begin + tiles.side; ++i)
        sum += image.valid(i) ? static_cast<double>(image.x[i]) : Kokkos::Experimental::quiet_NaN_v<double>;
    }
    means[tile] = static_cast<T>(sum / static_cast<double>(tiles.side * tiles.side));
  }
};
}  // namespace detail

/// The means of side x side blocks: what a coarser instrument with ideal pixels would see.
///
/// A block has a NaN if one of its pixels does not count: is not finite, or not positive in the mask if there is one. Blocks
/// begin at the first pixel; what does not fill one is left out.
/// Shapes   image, mask [h, w] -> result [h / side, w / side], rounded down.
/// Throws   ShapeError if the shapes do not fit; UsageError for a side of 0.
template <class B>
void block_mean(Workspace<B>& ws, ConstTensorRef<2, B> image, std::size_t side, TensorRef<2, B> result,
                ConstTensorRef<2, B> mask = {}) {
  auto const masked = detail::masked_image<B>("metrics::block_mean", image, mask);
  detail::Tiles const tiles("metrics::block_mean", image.extent(0), image.extent(1), side);
  Shape<2> const shape{image.extent(0) / side, image.extent(1) / side};
  expect_shape(shape_of(result) == shape,
               "metrics::block_mean: the result has " + to_string(shape_of(result)) + ", expected " + to_string(shape));
  kernel::for_each_element(ws, "heliograd::metrics::block_mean", tiles.count,
                           detail::BlockMean<typename B::scalar_type>{masked, tiles, result.data()});
}

}  // namespace heliograd::inline HELIOGRAD_ABI::metrics
