// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <cstddef>
#include <limits>
#include <string>

#include <heliograd/base/error.hpp>
#include <heliograd/core/shape.hpp>
#include <heliograd/core/sink.hpp>
#include <heliograd/core/tensor.hpp>
#include <heliograd/core/workspace.hpp>
#include <heliograd/kernel/conv2d.hpp>
#include <heliograd/kernel/launch.hpp>

namespace heliograd::inline HELIOGRAD_ABI {

/// Which factors of a matrix product are taken transposed.
struct MatmulOptions {
  bool transpose_a = false;
  bool transpose_b = false;
};

namespace kernel {

namespace detail {

/// c [rows, columns] = a [rows, depth] b [depth, columns], after the transpositions.
struct MatmulGeometry {
  std::size_t batch, rows, depth, columns;
  MatmulOptions options;
};

inline MatmulGeometry matmul_geometry(Shape<3> const& a, Shape<3> const& b, MatmulOptions const& options) {
  std::size_t const inner_b = b[options.transpose_b ? 2 : 1];
  MatmulGeometry const g{a[0], a[options.transpose_a ? 2 : 1], a[options.transpose_a ? 1 : 2],
                         b[options.transpose_b ? 1 : 2], options};
  auto const written = [](Shape<3> const& shape, bool transposed) {
    return to_string(shape) + (transposed ? " transposed" : "");
  };
  expect_shape(a[0] == b[0] && g.depth == inner_b && g.depth > 0,
               "matmul: a is " + written(a, options.transpose_a) + " and b " + written(b, options.transpose_b) +
                   ", expected the same batch and as many columns of a as rows of b, at least one");
  constexpr std::size_t most = static_cast<std::size_t>(std::numeric_limits<int>::max());
  expect_shape(g.rows <= most && g.depth <= most && g.columns <= most,
               "matmul: a is " + to_string(a) + ", b " + to_string(b) + ", expected fewer than 2^31 rows and columns");
  return g;
}

/// One number of the result, on device spaces.
template <class B>
struct MatmulElement {
  using T = typename B::scalar_type;
  MatmulGeometry g;
  T const* a;
  T const* b;
  Sink<3, B> c;

  KOKKOS_FUNCTION void operator()(std::size_t index) const {
    std::size_t const column = index % g.columns;
    std::size_t const row = index / g.columns % g.rows;
    std::size_t const image = index / g.columns / g.rows;
    T const* const a_row = a + image * g.rows * g.depth + row * (g.options.transpose_a ? 1 : g.depth);
    T const* const b_column = b + image * g.depth * g.columns + column * (g.options.transpose_b ? g.depth : 1);
    std::size_t const a_step = g.options.transpose_a ? g.rows : 1;
    std::size_t const b_step = g.options.transpose_b ? 1 : g.columns;
    T total = 0;
    for (std::size_t first = 0; first < g.depth; first += piece) {
      T part = 0;  // sums in pieces keep rounding errors small
      for (std::size_t k = first; k < g.depth && k < first + piece; ++k)
        part += a_row[k * a_step] * b_column[k * b_step];
      total += part;
    }
    c.add(index, total);
  }
  static constexpr std::size_t piece = 256;
};

/// c = beta c + the transpose of a [columns, rows] matrix.
template <class B>
struct AddTransposed {
  typename B::scalar_type const* from;
  std::size_t rows, columns;
  Sink<3, B> c;
  std::size_t first;

  KOKKOS_FUNCTION void operator()(std::size_t index) const {
    c.add(first + index, from[index % columns * rows + index / columns]);
  }
};

/// A matrix product is a convolution of `pixels` pixels with a 1x1 filter.
inline Conv2dGeometry pixelwise(std::size_t pixels, std::size_t in_channels, std::size_t out_channels) {
  return conv2d_geometry({std::size_t{1}, std::size_t{1}, pixels, in_channels},
                         {std::size_t{1}, std::size_t{1}, in_channels, out_channels}, {}, "matmul");
}

/// One product on host spaces, by the kernels of the convolutions: a b is the forward pass, a b^T the data gradient, a^T b
/// the weight gradient of a 1x1 convolution, and a^T b^T the transpose of b a.
template <class B, class T = typename B::scalar_type>
void matmul_host(Workspace<B>& ws, MatmulGeometry const& g, T const* a, T const* b, Sink<3, B> const& c,
                 std::size_t image) {
  Sink<4, B> const out{view_at<TensorRef<4, B>>(c.out.data() + image * g.rows * g.columns,
                                                Shape<4>{std::size_t{1}, std::size_t{1}, g.rows, g.columns}),
                       c.beta};
  using Results = Delivery<T>;
  auto const [transpose_a, transpose_b] = g.options;
  if (transpose_a && transpose_b) {
    auto scope = ws.scope();
    auto const product = scope.tensor(Shape<4>{std::size_t{1}, std::size_t{1}, g.columns, g.rows});
    conv2d_any<B>(ws, pixelwise(g.columns, g.depth, g.rows), {}, b, a, Results{product.data()});
    for_each_element(ws, "heliograd::matmul_transpose", g.rows * g.columns,
                     AddTransposed<B>{product.data(), g.rows, g.columns, c, image * g.rows * g.columns});
  } else if (transpose_a) {
    conv2d_backward_weight_any<B>(ws, pixelwise(g.depth, g.rows, g.columns), {}, a, b, out);
  } else if (transpose_b) {
    conv2d_backward_data_any<B>(ws, pixelwise(g.rows, g.columns, g.depth), {}, a, b, Results::into(out));
  } else {
    conv2d_any<B>(ws, pixelwise(g.rows, g.depth, g.columns), {}, a, b, Results::into(out));
  }
}

}  // namespace detail

/// The shape of matmul(a, b). Throws ShapeError where there is none.
inline Shape<3> matmul_shape(Shape<3> const& a, Shape<3> const& b, MatmulOptions const& options = {}) {
  auto const g = detail::matmul_geometry(a, b, options);
  return {g.batch, g.rows, g.columns};
}

/// c = beta c + a b, for each pair of matrices of a batch. See op/matmul.hpp for the mathematics.
template <class B>
void matmul(Workspace<B>& ws, ConstTensorRef<3, B> a, ConstTensorRef<3, B> b, Sink<3, B> c,
            MatmulOptions const& options = {}) {
  auto const g = detail::matmul_geometry(shape_of(a), shape_of(b), options);
  Shape<3> const expected{g.batch, g.rows, g.columns};
  expect_shape(shape_of(c.out) == expected,
               "matmul: c is " + to_string(shape_of(c.out)) + ", expected " + to_string(expected));
  if (expected.size() == 0) return;
  if constexpr (B::on_host)
    for (std::size_t image = 0; image < g.batch; ++image)
      detail::matmul_host<B>(ws, g, a.data() + image * g.rows * g.depth, b.data() + image * g.depth * g.columns, c,
                             image);
  else
    for_each_item(ws, "heliograd::matmul", c.out.size(), detail::MatmulElement<B>{g, a.data(), b.data(), c});
}

}  // namespace kernel
}  // namespace heliograd::inline HELIOGRAD_ABI
