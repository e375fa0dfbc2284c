// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <cstddef>
#include <cstdint>
#include <string>

#include <heliograd/core/shape.hpp>
#include <heliograd/core/sink.hpp>
#include <heliograd/core/tensor.hpp>
#include <heliograd/core/workspace.hpp>
#include <heliograd/kernel/detail/strip.hpp>
#include <heliograd/kernel/launch.hpp>
#include <heliograd/kernel/padding.hpp>

namespace heliograd::inline HELIOGRAD_ABI::kernel {

namespace detail {

struct PadGeometry {
  int height, width, channels;
  int out_height, out_width;
  Padding2d padding;
  PaddingMode mode;
};

/// One row of the result, on host spaces.
template <class T>
struct PadRow {
  PadGeometry g;
  T const* x;
  T* y;

  void operator()(std::size_t row) const {
    std::size_t const n = row / g.out_height;
    int const p = static_cast<int>(row % g.out_height);
    std::size_t const image_size = static_cast<std::size_t>(g.height) * g.width * g.channels;
    PaddedImage<T> const image{x + n * image_size, g.height, g.width, g.channels, g.mode};
    image.copy_rectangle(p - g.padding.top, -g.padding.left, 1, g.out_width, y + row * g.out_width * g.channels);
  }
};

/// One number of the result, on device spaces.
template <class T>
struct PadElement {
  PadGeometry g;
  T const* x;
  T* y;

  KOKKOS_FUNCTION void operator()(std::size_t index) const {
    std::size_t const c = index % g.channels;
    int const q = static_cast<int>(index / g.channels % g.out_width);
    std::size_t const row = index / g.channels / g.out_width;
    int const h = padded_source(static_cast<int>(row % g.out_height) - g.padding.top, g.height, g.mode);
    int const w = padded_source(q - g.padding.left, g.width, g.mode);
    std::size_t const n = row / g.out_height;
    y[index] = h < 0 || w < 0 ? T(0) : x[((n * g.height + h) * g.width + w) * g.channels + c];
  }
};

/// The gradient of one pixel gathers from every place at which the pixel stands.
template <class B>
struct PadBackwardPixel {
  PadGeometry g;
  typename B::scalar_type const* gy;
  Sink<4, B> gx;

  KOKKOS_FUNCTION void operator()(std::size_t pixel) const {
    int const w = static_cast<int>(pixel % g.width);
    int const h = static_cast<int>(pixel / g.width % g.height);
    std::size_t const n = pixel / g.width / g.height;
    PaddedImages const rows = padded_images(h, g.height, g.padding.top, g.padding.bottom, g.mode);
    PaddedImages const columns = padded_images(w, g.width, g.padding.left, g.padding.right, g.mode);
    auto beta = gx.beta;
    for (int a = 0; a < 3; ++a)
      for (int row = rows.begin[a]; row < rows.end[a]; ++row)
        for (int b = 0; b < 3; ++b)
          for (int column = columns.begin[b]; column < columns.end[b]; ++column) {
            Sink<4, B> const sink{gx.out, beta};
            auto const* const from =
                gy +
                ((n * g.out_height + (row + g.padding.top)) * g.out_width + (column + g.padding.left)) * g.channels;
            for (int c = 0; c < g.channels; ++c) sink.add(pixel * g.channels + c, from[c]);
            beta = 1;
          }
  }
};

inline PadGeometry pad_geometry(Shape<4> const& x, Padding2d const& padding, PaddingMode mode) {
  expect_padding("pad", padding, mode, x[1], x[2]);
  expect_shape(mode == PaddingMode::zero || (x[1] > 0 && x[2] > 0),
               "pad: x is " + to_string(x) + ", expected at least one pixel to continue it with " + to_string(mode) +
                   " padding");
  int const height = static_cast<int>(x[1]);
  int const width = static_cast<int>(x[2]);
  return {height,
          width,
          static_cast<int>(x[3]),
          height + padding.top + padding.bottom,
          width + padding.left + padding.right,
          padding,
          mode};
}

}  // namespace detail

/// The shape of pad(x): [n, top + h + bottom, left + w + right, c]. Throws ShapeError where the padding does not fit.
inline Shape<4> pad_shape(Shape<4> const& x, Padding2d const& padding, PaddingMode mode) {
  auto const g = detail::pad_geometry(x, padding, mode);
  return {x[0], g.out_height, g.out_width, x[3]};
}

/// y = x with a frame around each image.
template <class B>
void pad(Workspace<B>& ws, ConstTensorRef<4, B> x, TensorRef<4, B> y, Padding2d const& padding, PaddingMode mode) {
  using T = typename B::scalar_type;
  auto const g = detail::pad_geometry(shape_of(x), padding, mode);
  expect_shape(
      shape_of(y) == pad_shape(shape_of(x), padding, mode),
      "pad: y is " + to_string(shape_of(y)) + ", expected " + to_string(pad_shape(shape_of(x), padding, mode)));
  if (y.size() == 0) return;
  if constexpr (B::on_host)
    for_each_item(ws, "heliograd::pad", y.extent(0) * y.extent(1), detail::PadRow<T>{g, x.data(), y.data()});
  else
    for_each_item(ws, "heliograd::pad", y.size(), detail::PadElement<T>{g, x.data(), y.data()});
}

/// The gradient of pad with respect to x.
template <class B>
void pad_backward(Workspace<B>& ws, ConstTensorRef<4, B> gy, Sink<4, B> gx, Padding2d const& padding,
                  PaddingMode mode) {
  Shape<4> const x = shape_of(gx.out);
  auto const g = detail::pad_geometry(x, padding, mode);
  expect_shape(shape_of(gy) == pad_shape(x, padding, mode), "pad_backward: gy is " + to_string(shape_of(gy)) +
                                                                ", expected " + to_string(pad_shape(x, padding, mode)));
  for_each_item(ws, "heliograd::pad_backward", x[0] * x[1] * x[2], detail::PadBackwardPixel<B>{g, gy.data(), gx});
}

}  // namespace heliograd::inline HELIOGRAD_ABI::kernel
