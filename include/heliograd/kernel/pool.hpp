// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <cstddef>
#include <string>

#include <heliograd/base/error.hpp>
#include <heliograd/core/shape.hpp>
#include <heliograd/core/sink.hpp>
#include <heliograd/kernel/launch.hpp>
#include <heliograd/kernel/padding.hpp>
#include <heliograd/kernel/reduce.hpp>

/// \file
/// Means and maxima over windows of an image.
namespace heliograd::inline HELIOGRAD_ABI {

/// A square window that moves in steps. The padding lets it reach beyond the image; what lies there is not looked at.
struct PoolOptions {
  int size = 2;
  int stride = 2;
  Padding2d padding = 0;
  bool count_padding = false;  ///< means divide by the whole window even where it reaches beyond the image
};

namespace kernel {

/// The shape after pooling.
/// Throws   UsageError for a size or stride below 1, or a padding that is negative or a whole window; ShapeError if the window
///          does not fit.
inline Shape<4> pool_shape(Shape<4> const& x, PoolOptions const& options) {
  Padding2d const& pad = options.padding;
  expect(options.size >= 1 && options.stride >= 1, "pool: windows of " + std::to_string(options.size) +
                                                       " in steps of " + std::to_string(options.stride) +
                                                       "; both must be at least 1");
  for (int const side : {pad.top, pad.bottom, pad.left, pad.right})
    expect(side >= 0 && side < options.size, "pool: a padding of " + std::to_string(side) + " with windows of " +
                                                 std::to_string(options.size) +
                                                 "; every window must meet the image, so 0 <= padding < size");
  auto const size = static_cast<std::size_t>(options.size), stride = static_cast<std::size_t>(options.stride);
  std::size_t const height = x[1] + static_cast<std::size_t>(pad.top + pad.bottom);
  std::size_t const width = x[2] + static_cast<std::size_t>(pad.left + pad.right);
  expect_shape(x[1] > 0 && x[2] > 0 && height >= size && width >= size,
               "pool: windows of " + std::to_string(options.size) + " do not fit the padded image of " +
                   std::to_string(height) + " x " + std::to_string(width) + ", x is " + to_string(x));
  return {x[0], (height - size) / stride + 1, (width - size) / stride + 1, x[3]};
}

namespace detail {

/// The windows along one axis.
struct PoolAxis {
  std::size_t in, out, size, stride, before;
  bool count_padding;

  /// The first pixel of window o, and the one behind its last.
  KOKKOS_FUNCTION std::size_t begin(std::size_t o) const {
    std::size_t const at = o * stride;
    return at > before ? at - before : 0;
  }
  KOKKOS_FUNCTION std::size_t end(std::size_t o) const {
    std::size_t const at = o * stride + size - before;
    return at < in ? at : in;
  }
  /// The first window that holds pixel i, and the one behind the last.
  KOKKOS_FUNCTION std::size_t first_window(std::size_t i) const {
    std::size_t const at = i + before;
    return at >= size ? (at - size) / stride + 1 : 0;
  }
  KOKKOS_FUNCTION std::size_t windows_end(std::size_t i) const {
    std::size_t const last = (i + before) / stride + 1;
    return last < out ? last : out;
  }
  /// What a mean over window o divides by.
  KOKKOS_FUNCTION std::size_t count(std::size_t o) const { return count_padding ? size : end(o) - begin(o); }
};

struct PoolGeometry {
  PoolAxis rows, columns;
  std::size_t images, channels;

  PoolGeometry(Shape<4> const& x, PoolOptions const& options) : images(x[0]), channels(x[3]) {
    Shape<4> const y = pool_shape(x, options);
    auto const size = static_cast<std::size_t>(options.size), stride = static_cast<std::size_t>(options.stride);
    rows = {x[1], y[1], size, stride, static_cast<std::size_t>(options.padding.top), options.count_padding};
    columns = {x[2], y[2], size, stride, static_cast<std::size_t>(options.padding.left), options.count_padding};
  }

  KOKKOS_FUNCTION std::size_t in_row() const { return columns.in * channels; }
  KOKKOS_FUNCTION std::size_t out_row() const { return columns.out * channels; }

  /// The factor of a mean.
  template <class T>
  KOKKOS_FUNCTION T share(std::size_t p, std::size_t q) const {
    return T(1) / static_cast<T>(rows.count(p) * columns.count(q));
  }
};

/// A number of an image with its coordinates, from a flat index over [n, height, width, channels].
struct PoolPlace {
  std::size_t n, i, j, c;
  KOKKOS_FUNCTION PoolPlace(std::size_t index, std::size_t height, std::size_t width, std::size_t channels)
      : n(index / channels / width / height),
        i(index / channels / width % height),
        j(index / channels % width),
        c(index % channels) {}
};

/// Runs `element(place, index)` for the numbers of a row (host) or for one number (elsewhere).
template <bool OnHost, class Element>
struct PoolLaunch {
  Element element;
  std::size_t height, width, channels;

  KOKKOS_FUNCTION void operator()(std::size_t item) const {
    std::size_t const count = OnHost ? width * channels : 1;
    PoolPlace at(item * count, height, width, channels);
    for (std::size_t index = item * count; index < (item + 1) * count; ++index) {
      element(at, index);
      if (++at.c == channels) at.c = 0, ++at.j;
    }
  }
};

template <class B, class Element>
void for_each_number(Workspace<B>& ws, char const* label, std::size_t images, std::size_t height, std::size_t width,
                     std::size_t channels, Element const& element) {
  if (images * height * width * channels == 0) return;
  for_each_item(ws, label, B::on_host ? images * height : images * height * width * channels,
                PoolLaunch<B::on_host, Element>{element, height, width, channels});
}

template <class T>
struct AveragePool {
  PoolGeometry g;
  T const* x;
  T* y;

  KOKKOS_FUNCTION void operator()(PoolPlace const& at, std::size_t index) const {
    std::size_t const begin = g.columns.begin(at.j), end = g.columns.end(at.j);
    T sum = T(0);
    for (std::size_t i = g.rows.begin(at.i); i < g.rows.end(at.i); ++i) {
      T const* const row = x + (at.n * g.rows.in + i) * g.in_row() + at.c;
      T along = T(0);
      for (std::size_t j = begin; j < end; ++j) along += row[j * g.channels];
      sum += along;
    }
    y[index] = sum * g.share<T>(at.i, at.j);
  }
};

/// Devices: every pixel gathers from the windows that hold it.
template <class B>
struct AveragePoolBackward {
  using T = typename B::scalar_type;
  PoolGeometry g;
  T const* gy;
  Sink<4, B> gx;

  KOKKOS_FUNCTION void operator()(PoolPlace const& at, std::size_t index) const {
    std::size_t const begin = g.columns.first_window(at.j), end = g.columns.windows_end(at.j);
    T sum = T(0);
    for (std::size_t p = g.rows.first_window(at.i); p < g.rows.windows_end(at.i); ++p) {
      T const* const row = gy + (at.n * g.rows.out + p) * g.out_row() + at.c;
      for (std::size_t q = begin; q < end; ++q) sum += g.share<T>(p, q) * row[q * g.channels];
    }
    gx.add(index, sum);
  }
};

/// What a mean over window o of an axis is multiplied by.
template <class T>
struct PoolShares {
  PoolAxis axis;
  T* share;
  KOKKOS_FUNCTION void operator()(std::size_t o) const { share[o] = T(1) / static_cast<T>(axis.count(o)); }
};

/// Host: one row of pixels. Place d of all windows of a row is one loop over contiguous memory, whose pixels differ.
template <class B>
struct AveragePoolBackwardRow {
  using T = typename B::scalar_type;
  PoolGeometry g;
  T const* share;  ///< along a row
  T const* gy;
  Sink<4, B> gx;

  void operator()(std::size_t item) const {
    std::size_t const n = item / g.rows.in, i = item % g.rows.in;
    PoolAxis const& along = g.columns;
    T* const out = gx.out.data() + item * g.in_row();
    T const beta = gx.beta;
    if (beta == T(0))
      for (std::size_t e = 0; e < g.in_row(); ++e) out[e] = T(0);
    else if (beta != T(1))
      for (std::size_t e = 0; e < g.in_row(); ++e) out[e] *= beta;
    for (std::size_t p = g.rows.first_window(i); p < g.rows.windows_end(i); ++p) {
      T const* const row = gy + (n * g.rows.out + p) * g.out_row();
      T const factor = T(1) / static_cast<T>(g.rows.count(p));
      for (std::size_t d = 0; d < along.size; ++d) {
        // Place d of window q is pixel q stride + d - before; of windows [first, last) it is in the image.
        std::size_t const first = d >= along.before ? 0 : (along.before - d + along.stride - 1) / along.stride;
        std::size_t const end = along.in + along.before;
        std::size_t const fit = end > d ? (end - d + along.stride - 1) / along.stride : 0;
        std::size_t const last = fit < along.out ? fit : along.out;
        if (first < last)
          add(row + first * g.channels, share + first, factor, last - first,
              out + (first * along.stride + d - along.before) * g.channels);
      }
    }
  }

 private:
  void add(T const* from, T const* shares, T factor, std::size_t count, T* to) const {
    std::size_t const channels = g.channels, step = g.columns.stride * channels;
    if (channels == 1) {
      HELIOGRAD_INDEPENDENT_LOOP
      for (std::size_t k = 0; k < count; ++k) to[k * step] += factor * shares[k] * from[k];
      return;
    }
    for (std::size_t k = 0; k < count; ++k, from += channels, to += step) {
      T const w = factor * shares[k];
      HELIOGRAD_INDEPENDENT_LOOP
      for (std::size_t c = 0; c < channels; ++c) to[c] += w * from[c];
    }
  }
};

/// The place of the largest number of a window, the first of equal ones; a NaN is larger than everything.
template <class T>
struct Largest {
  PoolGeometry g;
  T const* x;

  KOKKOS_FUNCTION std::size_t operator()(std::size_t n, std::size_t p, std::size_t q, std::size_t c) const {
    std::size_t best = index(n, g.rows.begin(p), g.columns.begin(q), c);
    for (std::size_t i = g.rows.begin(p); i < g.rows.end(p); ++i)
      for (std::size_t j = g.columns.begin(q); j < g.columns.end(q); ++j) {
        std::size_t const here = index(n, i, j, c);
        if (x[here] > x[best] || (x[here] != x[here] && x[best] == x[best])) best = here;
      }
    return best;
  }
  KOKKOS_FUNCTION std::size_t index(std::size_t n, std::size_t i, std::size_t j, std::size_t c) const {
    return (n * g.rows.in + i) * g.in_row() + j * g.channels + c;
  }
};

template <class T>
struct MaxPool {
  Largest<T> largest;
  T* y;
  KOKKOS_FUNCTION void operator()(PoolPlace const& at, std::size_t index) const {
    y[index] = largest.x[largest(at.n, at.i, at.j, at.c)];
  }
};

/// What another image holds where the windows of x have their largest number.
template <class B>
struct PickLargest {
  using T = typename B::scalar_type;
  Largest<T> largest;
  T const* from;
  Sink<4, B> y;
  KOKKOS_FUNCTION void operator()(PoolPlace const& at, std::size_t index) const {
    y.add(index, from[largest(at.n, at.i, at.j, at.c)]);
  }
};

template <class B>
struct MaxPoolBackward {
  using T = typename B::scalar_type;
  Largest<T> largest;
  T const* gy;
  Sink<4, B> gx;

  KOKKOS_FUNCTION void operator()(PoolPlace const& at, std::size_t index) const {
    PoolGeometry const& g = largest.g;
    T sum = T(0);
    for (std::size_t p = g.rows.first_window(at.i); p < g.rows.windows_end(at.i); ++p)
      for (std::size_t q = g.columns.first_window(at.j); q < g.columns.windows_end(at.j); ++q)
        if (largest(at.n, p, q, at.c) == index)
          sum += gy[(at.n * g.rows.out + p) * g.out_row() + q * g.channels + at.c];
    gx.add(index, sum);
  }
};

/// The numbers of one channel of one image.
template <class T>
struct PooledTerm {
  T const* x;
  std::size_t pixels, channels;
  KOKKOS_FUNCTION void operator()(std::size_t segment, std::size_t i, Sums<1>& one) const {
    one[0] = x[(segment / channels * pixels + i) * channels + segment % channels];
  }
};
template <class T>
struct StoreChannelMean {
  T* y;
  double pixels;
  KOKKOS_FUNCTION void operator()(std::size_t segment, Sums<1> const& total) const {
    y[segment] = static_cast<T>(total[0] / pixels);
  }
};
template <class B>
struct SpreadChannelMean {
  using T = typename B::scalar_type;
  T const* gy;
  Sink<4, B> gx;
  std::size_t pixels, channels;
  T share;
  KOKKOS_FUNCTION void operator()(std::size_t i) const {
    gx.add(i, share * gy[i / channels / pixels * channels + i % channels]);
  }
};

inline void check_pool(Shape<4> const& x, Shape<4> const& y, PoolOptions const& options) {
  expect_shape(pool_shape(x, options) == y,
               "pool: " + to_string(x) + " gives " + to_string(pool_shape(x, options)) + ", not " + to_string(y));
}

}  // namespace detail

/// y = the means of x over windows.
template <class B>
void average_pool(Workspace<B>& ws, ConstTensorRef<4, B> const& x, TensorRef<4, B> const& y,
                  PoolOptions const& options) {
  using T = typename B::scalar_type;
  detail::check_pool(shape_of(x), shape_of(y), options);
  detail::for_each_number(ws, "heliograd::average_pool", y.extent(0), y.extent(1), y.extent(2), y.extent(3),
                          detail::AveragePool<T>{{shape_of(x), options}, x.data(), y.data()});
}

/// gx = beta gx + the transpose of `average_pool` applied to gy.
template <class B>
void average_pool_backward(Workspace<B>& ws, ConstTensorRef<4, B> const& gy, Sink<4, B> const& gx,
                           PoolOptions const& options) {
  constexpr char const* label = "heliograd::average_pool_backward";
  Shape<4> const s = shape_of(gx.out);
  detail::check_pool(s, shape_of(gy), options);
  if constexpr (B::on_host) {
    using T = typename B::scalar_type;
    detail::PoolGeometry const g(s, options);
    auto scope = ws.scope();
    T* const share = scope.template take<T>(g.columns.out);
    for_each_item(ws, label, g.columns.out, detail::PoolShares<T>{g.columns, share});
    for_each_item(ws, label, s[0] * s[1], detail::AveragePoolBackwardRow<B>{g, share, gy.data(), gx});
  } else {
    detail::for_each_number(ws, label, s[0], s[1], s[2], s[3],
                            detail::AveragePoolBackward<B>{{s, options}, gy.data(), gx});
  }
}

/// y = the maxima of x over windows.
template <class B>
void max_pool(Workspace<B>& ws, ConstTensorRef<4, B> const& x, TensorRef<4, B> const& y, PoolOptions const& options) {
  using T = typename B::scalar_type;
  detail::check_pool(shape_of(x), shape_of(y), options);
  detail::for_each_number(ws, "heliograd::max_pool", y.extent(0), y.extent(1), y.extent(2), y.extent(3),
                          detail::MaxPool<T>{{{shape_of(x), options}, x.data()}, y.data()});
}

/// gx = beta gx, plus gy at the largest number of each window, the first of equal ones.
template <class B>
void max_pool_backward(Workspace<B>& ws, ConstTensorRef<4, B> const& x, ConstTensorRef<4, B> const& gy,
                       Sink<4, B> const& gx, PoolOptions const& options) {
  using T = typename B::scalar_type;
  Shape<4> const s = shape_of(x);
  detail::check_pool(s, shape_of(gy), options);
  detail::for_each_number(ws, "heliograd::max_pool_backward", s[0], s[1], s[2], s[3],
                          detail::MaxPoolBackward<B>{detail::Largest<T>{{s, options}, x.data()}, gy.data(), gx});
}

/// y = beta y + the numbers of `from`, which has the shape of x, where the windows of x have their largest: the derivative of
/// `max_pool` along `from`, and the transpose of `max_pool_backward`.
template <class B>
void max_pool_pick(Workspace<B>& ws, ConstTensorRef<4, B> const& x, ConstTensorRef<4, B> const& from,
                   Sink<4, B> const& y, PoolOptions const& options) {
  using T = typename B::scalar_type;
  Shape<4> const s = shape_of(y.out);
  detail::check_pool(shape_of(x), s, options);
  detail::for_each_number(ws, "heliograd::max_pool_pick", s[0], s[1], s[2], s[3],
                          detail::PickLargest<B>{detail::Largest<T>{{shape_of(x), options}, x.data()}, from.data(), y});
}

/// y [n, c] = the mean of each channel of each image of x [n, h, w, c]; summed in double.
template <class B>
void global_average_pool(Workspace<B>& ws, ConstTensorRef<4, B> const& x, TensorRef<2, B> const& y) {
  using T = typename B::scalar_type;
  std::size_t const pixels = x.extent(1) * x.extent(2);
  reduce<1>(ws, "heliograd::global_average_pool", y.size(), pixels,
            detail::PooledTerm<T>{x.data(), pixels, x.extent(3)},
            detail::StoreChannelMean<T>{y.data(), static_cast<double>(pixels)});
}

/// gx = beta gx + gy / (h w) in every pixel.
template <class B>
void global_average_pool_backward(Workspace<B>& ws, ConstTensorRef<2, B> const& gy, Sink<4, B> const& gx) {
  using T = typename B::scalar_type;
  std::size_t const pixels = gx.out.extent(1) * gx.out.extent(2);
  for_each_element(
      ws, "heliograd::global_average_pool_backward", gx.out.size(),
      detail::SpreadChannelMean<B>{gy.data(), gx, pixels, gx.out.extent(3), T(1) / static_cast<T>(pixels)});
}

}  // namespace kernel
}  // namespace heliograd::inline HELIOGRAD_ABI
