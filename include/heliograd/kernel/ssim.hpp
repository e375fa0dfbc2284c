// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <cmath>
#include <cstddef>
#include <string>

#include <heliograd/base/error.hpp>
#include <heliograd/core/dual.hpp>
#include <heliograd/core/fill.hpp>
#include <heliograd/core/simd.hpp>
#include <heliograd/core/sink.hpp>
#include <heliograd/kernel/detail/store_mean.hpp>
#include <heliograd/kernel/launch.hpp>
#include <heliograd/kernel/reduce.hpp>

/// \file
/// The structural similarity of two images in an 11 x 11 Gaussian window, and its gradient.
///
/// Variances are never differences of large numbers. Along a row the window's mean and its second moments about that mean
/// are taken; down the column these are joined by the law of total variance: the variance of a window is the mean variance
/// of its rows plus the variance of their means. So the window stays separable, and single precision is enough at any offset.
namespace heliograd::inline HELIOGRAD_ABI {

struct SsimOptions {
  double data_range = 0;  ///< the span of the data, in their own unit; it has to be given
  double k1 = 0.01;       ///< stabilises the luminance: (k1 range)^2
  double k2 = 0.03;       ///< stabilises contrast and structure: (k2 range)^2
  double sigma = 1.5;     ///< of the window, in pixels
  /// The luminance factor compares mean magnitudes instead of means: for signed fields, whose means cancel.
  bool luminance_of_magnitude = false;
};

namespace kernel {

/// The side of the window. Windows lie inside the image: an image of h x w pixels has (h - 10) x (w - 10).
inline constexpr int ssim_window = 11;

inline void expect_ssim(std::string const& op, SsimOptions const& options) {
  expect(options.data_range > 0, op + ": the data range must be given (found " + std::to_string(options.data_range) +
                                     ", expected the span of the data, in their unit)");
  expect(options.sigma > 0 && options.k1 > 0 && options.k2 > 0,
         op + ": sigma, k1 and k2 must be positive (found " + std::to_string(options.sigma) + ", " +
             std::to_string(options.k1) + ", " + std::to_string(options.k2) + ")");
}

inline void expect_ssim_image(std::string const& op, std::size_t height, std::size_t width) {
  expect_shape(height >= ssim_window && width >= ssim_window, op + ": an image of " + std::to_string(height) + " x " +
                                                                  std::to_string(width) +
                                                                  " holds no window (expected at least 11 x 11)");
}

namespace detail {

/// What is needed of the options, in one precision.
template <class T>
struct SsimWindow {
  Kokkos::Array<T, ssim_window> weight;
  T c1;
  T c2;

  explicit SsimWindow(SsimOptions const& options)
      : c1(static_cast<T>(options.k1 * options.data_range * options.k1 * options.data_range)),
        c2(static_cast<T>(options.k2 * options.data_range * options.k2 * options.data_range)) {
    double exact[ssim_window];
    double sum = 0;
    for (int k = 0; k < ssim_window; ++k) {
      double const d = (k - ssim_window / 2) / options.sigma;
      exact[k] = std::exp(-0.5 * d * d);
      sum += exact[k];
    }
    for (int k = 0; k < ssim_window; ++k) weight[static_cast<std::size_t>(k)] = static_cast<T>(exact[k] / sum);
  }
};

/// Arithmetic on one number (devices) or on a vector of neighbours (hosts), in one spelling.
template <class V>
struct Lanes {
  using scalar = V;
  static constexpr std::size_t size = 1;
  KOKKOS_FUNCTION static V load(V const* from) { return *from; }
  KOKKOS_FUNCTION static void store(V value, V* to) { *to = value; }
  KOKKOS_FUNCTION static V multiply_add(V a, V b, V c) { return a * b + c; }
  KOKKOS_FUNCTION static V larger(V a, V b) { return a > b ? a : b; }
  KOKKOS_FUNCTION static V sign(V a) { return a > V(0) ? V(1) : a < V(0) ? V(-1) : V(0); }
};
template <class T>
struct Lanes<Simd<T>> {
  using V = Simd<T>;
  using scalar = T;
  static constexpr std::size_t size = static_cast<std::size_t>(V::size);
  [[gnu::always_inline]] static V load(T const* from) { return V::load(from); }
  [[gnu::always_inline]] static void store(V value, T* to) { value.store(to); }
  [[gnu::always_inline]] static V multiply_add(V a, V b, V c) { return fma(a, b, c); }
  [[gnu::always_inline]] static V larger(V a, V b) { return max(a, b); }
  [[gnu::always_inline]] static V sign(V a) {
    return where_positive(a, V(T(1)), where_positive(-a, V(T(-1)), V(T(0))));
  }
};

/// Weighted means over a part of a window, and second moments about them. Of the magnitudes there are means where the luminance
/// compares them; else it compares the means of the images.
template <class V>
struct SsimMoments {
  V mean_x, mean_y;  ///< of the images, from the reference
  V xx, yy, xy;
  V light_x, light_y;  ///< of the magnitudes

  KOKKOS_FUNCTION static constexpr int count(bool magnitude) { return magnitude ? 7 : 5; }
};

/// What the means of one column of windows are measured from: any number near them, the same for all rows. It is the one nearest to
/// zero of a row of the middle window: where signs are mixed and means cancel, it must not bring digits of its own.
template <class V>
struct SsimReference {
  V x, y;
};

/// The one nearer to zero; a number that is not finite loses.
template <class T>
KOKKOS_FORCEINLINE_FUNCTION T nearer_to_zero(T a, T b) {
  return (b < T(0) ? -b : b) < (a < T(0) ? -a : a) ? b : a;
}

template <class T>
KOKKOS_FORCEINLINE_FUNCTION T finite_or_zero(T value) {
  return value - value <= T(0) ? value : T(0);  // of a dual as well
}

/// Where a reference begins.
template <class T>
KOKKOS_FUNCTION T far_from_zero() {
  return T(Kokkos::Experimental::infinity_v<double>);
}

/// The moments of `ssim_window` numbers that lie `stride` apart.
template <bool Magnitude, class V, class T>
KOKKOS_FORCEINLINE_FUNCTION SsimMoments<V> moments_along_row(SsimWindow<T> const& window, SsimReference<V> const& from,
                                                             T const* x, T const* y, std::size_t stride) {
  using L = Lanes<V>;
  V const none(T(0));
  SsimMoments<V> m{none, none, none, none, none, none, none};
  V a[ssim_window], b[ssim_window];
#pragma GCC unroll 11
  for (std::size_t k = 0; k < ssim_window; ++k) {
    V const w(window.weight[k]);
    V const own = L::load(x + k * stride);
    V const other = L::load(y + k * stride);
    a[k] = own - from.x;
    b[k] = other - from.y;
    m.mean_x = L::multiply_add(w, a[k], m.mean_x);
    m.mean_y = L::multiply_add(w, b[k], m.mean_y);
    if constexpr (Magnitude) {
      m.light_x = L::multiply_add(w, L::larger(own, -own), m.light_x);
      m.light_y = L::multiply_add(w, L::larger(other, -other), m.light_y);
    }
  }
#pragma GCC unroll 11
  for (std::size_t k = 0; k < ssim_window; ++k) {
    V const w(window.weight[k]);
    V const da = a[k] - m.mean_x;
    V const db = b[k] - m.mean_y;
    V const wa = w * da;
    m.xx = L::multiply_add(wa, da, m.xx);
    m.xy = L::multiply_add(wa, db, m.xy);
    m.yy = L::multiply_add(w * db, db, m.yy);
  }
  return m;
}

/// Joins the moments of rows; `at(k, moment)` is where row k's moment number `moment` is stored.
template <bool Magnitude, class V, class T, class At>
KOKKOS_FORCEINLINE_FUNCTION SsimMoments<V> join_rows(SsimWindow<T> const& window, At const& at) {
  using L = Lanes<V>;
  V const none(T(0));
  SsimMoments<V> m{none, none, none, none, none, none, none};
  V a[ssim_window], b[ssim_window];
#pragma GCC unroll 11
  for (std::size_t k = 0; k < ssim_window; ++k) {
    V const w(window.weight[k]);
    a[k] = L::load(at(k, 0));
    b[k] = L::load(at(k, 1));
    m.mean_x = L::multiply_add(w, a[k], m.mean_x);
    m.mean_y = L::multiply_add(w, b[k], m.mean_y);
    if constexpr (Magnitude) {
      m.light_x = L::multiply_add(w, L::load(at(k, 5)), m.light_x);
      m.light_y = L::multiply_add(w, L::load(at(k, 6)), m.light_y);
    }
  }
#pragma GCC unroll 11
  for (std::size_t k = 0; k < ssim_window; ++k) {
    V const w(window.weight[k]);
    V const da = a[k] - m.mean_x;
    V const db = b[k] - m.mean_y;
    m.xx = L::multiply_add(w, L::multiply_add(da, da, L::load(at(k, 2))), m.xx);
    m.yy = L::multiply_add(w, L::multiply_add(db, db, L::load(at(k, 3))), m.yy);
    m.xy = L::multiply_add(w, L::multiply_add(da, db, L::load(at(k, 4))), m.xy);
  }
  return m;
}

template <bool Magnitude, class V, class T>
KOKKOS_FORCEINLINE_FUNCTION void store_moments(SsimMoments<V> const& m, T* to, std::size_t stride) {
  using L = Lanes<V>;
  L::store(m.mean_x, to);
  L::store(m.mean_y, to + stride);
  L::store(m.xx, to + 2 * stride);
  L::store(m.yy, to + 3 * stride);
  L::store(m.xy, to + 4 * stride);
  if constexpr (Magnitude) {
    L::store(m.light_x, to + 5 * stride);
    L::store(m.light_y, to + 6 * stride);
  }
}

/// The similarity in one window and what its gradient at a pixel q of the first image is made of: with the window's weight
/// at q, constant + own x_q + other y_q, and light sign(x_q) where the luminance compares magnitudes.
template <class V>
struct SsimValue {
  V similarity;
  V constant, own, other, light;

  KOKKOS_FUNCTION static constexpr int slopes(bool magnitude) { return magnitude ? 4 : 3; }
};

/// a / b with the error of a division, from what 1 / b is.
template <class V>
KOKKOS_FORCEINLINE_FUNCTION V quotient(V a, V b, V inverse) {
  V const near = a * inverse;
  return Lanes<V>::multiply_add(Lanes<V>::multiply_add(-b, near, a), inverse, near);
}

template <bool Magnitude, class V, class T>
KOKKOS_FORCEINLINE_FUNCTION SsimValue<V> similarity(SsimWindow<T> const& window, SsimReference<V> const& from,
                                                    SsimMoments<V> const& m) {
  V const two(T(2));
  V const c1(window.c1);
  V const c2(window.c2);
  V const mean_x = from.x + m.mean_x, mean_y = from.y + m.mean_y;
  V const light_x = Magnitude ? m.light_x : mean_x, light_y = Magnitude ? m.light_y : mean_y;
  V const light_sum = light_x * light_x + light_y * light_y + c1;
  V const by_light = V(T(1)) / light_sum;
  V const luminance = quotient(V(two * (light_x * light_y) + c1), light_sum, by_light);
  V const variance_sum = m.xx + m.yy + c2;
  V const by_variance = V(T(1)) / variance_sum;
  V const structure = quotient(V(two * m.xy + c2), variance_sum, by_variance);
  SsimValue<V> v;
  v.similarity = luminance * structure;
  v.other = two * luminance * by_variance;
  v.own = -(v.other * structure);
  v.light = two * structure * (light_y - luminance * light_x) * by_light;
  v.constant = -(v.own * mean_x + v.other * mean_y);
  if (!Magnitude) v.constant = v.constant + v.light;
  return v;
}

/// Sizes, in numbers per row: a row of w pixels with c channels is w*c numbers, horizontal neighbours c apart.
struct SsimGeometry {
  std::size_t images, height, width, channels;

  KOKKOS_FUNCTION std::size_t row() const { return width * channels; }
  KOKKOS_FUNCTION std::size_t margin() const { return (ssim_window - 1) * channels; }
  KOKKOS_FUNCTION std::size_t window_row() const { return row() - margin(); }
  KOKKOS_FUNCTION std::size_t window_rows() const { return height - (ssim_window - 1); }
  KOKKOS_FUNCTION std::size_t windows() const { return images * window_rows() * window_row(); }
  /// Rows of slopes carry a margin of zeros on either side, so that the adjoint of the window is a plain window.
  KOKKOS_FUNCTION std::size_t slope_row() const { return row() + margin(); }
  KOKKOS_FUNCTION std::size_t slope_map() const { return images * window_rows() * slope_row(); }
};

/// An image cut into tiles that a host core computes out of its cache.
struct SsimTiles {
  static constexpr std::size_t most_rows = 128;
  static constexpr std::size_t most_columns = 64;

  std::size_t rows, columns;            ///< of the result
  std::size_t tile_rows, tile_columns;  ///< of one tile; the last ones may be smaller
  std::size_t down, across;

  SsimTiles(std::size_t result_rows, std::size_t result_columns) : rows(result_rows), columns(result_columns) {
    down = (rows + most_rows - 1) / most_rows;
    across = (columns + most_columns - 1) / most_columns;
    tile_rows = (rows + down - 1) / down;
    tile_columns = (columns + across - 1) / across;
    down = (rows + tile_rows - 1) / tile_rows;
    across = (columns + tile_columns - 1) / tile_columns;
  }

  std::size_t per_image() const { return down * across; }

  struct Tile {
    std::size_t image, top, left, rows, columns;
  };
  Tile tile(std::size_t item) const {
    std::size_t const top = item / across % down * tile_rows;
    std::size_t const left = item % across * tile_columns;
    return {item / per_image(), top, left, rows - top < tile_rows ? rows - top : tile_rows,
            columns - left < tile_columns ? columns - left : tile_columns};
  }
};

/// Calls body.template run<V>(e) so that every e in [0, count) is covered by vectors; the last one overlaps its neighbour,
/// so body must not mind computing a number twice.
template <class T, class Body>
[[gnu::always_inline]] inline void across_row(std::size_t count, Body const& body) {
  constexpr std::size_t size = static_cast<std::size_t>(Simd<T>::size);
  if (count < size) {
    for (std::size_t e = 0; e < count; ++e) body.template operator()<T>(e);
    return;
  }
  std::size_t e = 0;
  for (; e + size <= count; e += size) body.template operator()<Simd<T>>(e);
  if (e < count) body.template operator()<Simd<T>>(count - size);
}

/// Asks for numbers that are wanted soon: rows of tiles are too short for the processor to see what comes next.
template <class T>
[[gnu::always_inline]] inline void fetch_ahead(T const* from, std::size_t count) {
  constexpr std::size_t line = 64 / sizeof(T);
  for (std::size_t e = 0; e < count; e += line) __builtin_prefetch(from + e);
  __builtin_prefetch(from + count - 1);
}

/// Where the forward pass leaves its results; whatever is null is left out.
template <class T>
struct SsimResults {
  T* map = nullptr;        ///< [n, h - 10, w - 10, c]
  T* slopes = nullptr;     ///< maps with margins, as many as there are slopes
  double* sums = nullptr;  ///< one per tile (hosts)
};

/// One tile on a host: rows of moments stream through a ring as high as the window.
template <class T, bool Magnitude>
struct SsimTile {
  SsimWindow<T> window;
  SsimGeometry g;
  SsimTiles tiles;
  T const* x;
  T const* y;
  SsimResults<T> results;

  static constexpr int slopes = SsimValue<T>::slopes(Magnitude);

  void operator()(std::size_t item) const {
    constexpr std::size_t width = SsimTiles::most_columns;
    alignas(Simd<T>) T ring[ssim_window][SsimMoments<T>::count(Magnitude)][width];
    alignas(Simd<T>) T reference[2][width];
    T values[width];
    double lane[16] = {};
    SsimWindow<T> const win = window;
    auto const tile = tiles.tile(item);
    std::size_t const channels = g.channels;
    std::size_t const map = g.slope_map();
    if (results.slopes) clear_margins(tile);

    std::size_t const middle =
        (tile.image * g.height + tile.top + tile.rows / 2 + ssim_window / 2) * g.row() + tile.left;
    find_reference(x + middle, tile.columns, reference[0]);
    find_reference(y + middle, tile.columns, reference[1]);
    auto const reference_at = [&]<class V>(std::size_t e) {
      return SsimReference<V>{Lanes<V>::load(reference[0] + e), Lanes<V>::load(reference[1] + e)};
    };

    for (std::size_t row = 0; row < tile.rows + ssim_window - 1; ++row) {
      std::size_t const from = (tile.image * g.height + tile.top + row) * g.row() + tile.left;
      T* const into = ring[row % ssim_window][0];
      if (row + ssim_window < tile.rows + 2 * (ssim_window - 1)) {
        fetch_ahead(x + from + g.row(), tile.columns + g.margin());
        fetch_ahead(y + from + g.row(), tile.columns + g.margin());
      }
      across_row<T>(tile.columns, [&]<class V>(std::size_t e) {
        store_moments<Magnitude>(moments_along_row<Magnitude, V>(win, reference_at.template operator()<V>(e),
                                                                 x + from + e, y + from + e, channels),
                                 into + e, width);
      });
      if (row + 1 < ssim_window) continue;

      std::size_t const first = row + 1 - ssim_window;
      std::size_t const window_row = tile.image * g.window_rows() + tile.top + first;
      T const* of_row[ssim_window];
      for (std::size_t k = 0; k < ssim_window; ++k) of_row[k] = ring[(first + k) % ssim_window][0];
      T* const slope = results.slopes ? results.slopes + window_row * g.slope_row() + g.margin() + tile.left : nullptr;
      across_row<T>(tile.columns, [&]<class V>(std::size_t e) {
        using L = Lanes<V>;
        auto const m = join_rows<Magnitude, V>(
            win, [&](std::size_t k, std::size_t moment) { return of_row[k] + moment * width + e; });
        auto const v = similarity<Magnitude>(win, reference_at.template operator()<V>(e), m);
        L::store(v.similarity, values + e);
        if (slope) {
          L::store(v.constant, slope + e);
          L::store(v.own, slope + map + e);
          L::store(v.other, slope + 2 * map + e);
          if constexpr (Magnitude) L::store(v.light, slope + 3 * map + e);
        }
      });
      if (results.map) {
        T* const to = results.map + window_row * g.window_row() + tile.left;
        for (std::size_t e = 0; e < tile.columns; ++e) to[e] = values[e];
      }
      std::size_t e = 0;
      for (; e + 16 <= tile.columns; e += 16)
        for (std::size_t l = 0; l < 16; ++l) lane[l] += static_cast<double>(values[e + l]);
      for (std::size_t l = 0; e < tile.columns; ++e, ++l) lane[l] += static_cast<double>(values[e]);
    }
    for (std::size_t half = 8; half > 0; half /= 2)
      for (std::size_t l = 0; l < half; ++l) lane[l] += lane[l + half];
    if (results.sums) results.sums[item] = lane[0];
  }

  void find_reference(T const* from, std::size_t columns, T* reference) const {
    for (std::size_t e = 0; e < columns; ++e) reference[e] = far_from_zero<T>();
    for (std::size_t k = 0; k < ssim_window; ++k) {
      HELIOGRAD_INDEPENDENT_LOOP
      for (std::size_t e = 0; e < columns; ++e) reference[e] = nearer_to_zero(reference[e], from[k * g.channels + e]);
    }
    for (std::size_t e = 0; e < columns; ++e) reference[e] = finite_or_zero(reference[e]);
  }

  void clear_margins(SsimTiles::Tile const& tile) const {
    bool const first = tile.left == 0;
    bool const last = tile.left + tile.columns == g.window_row();
    for (std::size_t k = 0; k < slopes; ++k)
      for (std::size_t row = 0; row < tile.rows; ++row) {
        T* const to =
            results.slopes + k * g.slope_map() + (tile.image * g.window_rows() + tile.top + row) * g.slope_row();
        for (std::size_t e = 0; e < g.margin(); ++e) {
          if (first) to[e] = T(0);
          if (last) to[g.slope_row() - g.margin() + e] = T(0);
        }
      }
  }
};

/// The reference of a column of windows, for devices: from the image's middle row.
template <class T>
KOKKOS_FUNCTION SsimReference<T> middle_reference(SsimGeometry const& g, T const* x, T const* y, std::size_t image,
                                                  std::size_t column) {
  std::size_t const at = (image * g.height + g.height / 2) * g.row() + column;
  SsimReference<T> from{far_from_zero<T>(), far_from_zero<T>()};
  for (std::size_t k = 0; k < ssim_window; ++k) {
    from.x = nearer_to_zero(from.x, x[at + k * g.channels]);
    from.y = nearer_to_zero(from.y, y[at + k * g.channels]);
  }
  return {finite_or_zero(from.x), finite_or_zero(from.y)};
}

/// For devices: the moments of one stretch of a row...
template <class T, bool Magnitude>
struct SsimRowElement {
  SsimWindow<T> window;
  SsimGeometry g;
  T const* x;
  T const* y;
  T* moments;
  KOKKOS_FUNCTION void operator()(std::size_t i) const {
    std::size_t const row = i / g.window_row();
    std::size_t const column = i % g.window_row();
    std::size_t const at = row * g.row() + column;
    auto const from = middle_reference(g, x, y, row / g.height, column);
    store_moments<Magnitude>(moments_along_row<Magnitude, T>(window, from, x + at, y + at, g.channels), moments + i,
                             g.images * g.height * g.window_row());
  }
};

/// ... and the similarity in one window.
template <class T, bool Magnitude>
struct SsimElement {
  SsimWindow<T> window;
  SsimGeometry g;
  T const* x;
  T const* y;
  T const* moments;
  SsimResults<T> results;

  struct At {
    T const* first;
    std::size_t row;
    std::size_t moment_map;
    KOKKOS_FUNCTION T const* operator()(std::size_t k, std::size_t moment) const {
      return first + k * row + moment * moment_map;
    }
  };

  KOKKOS_FUNCTION void operator()(std::size_t i) const {
    std::size_t const column = i % g.window_row();
    std::size_t const window_row = i / g.window_row();
    std::size_t const image = window_row / g.window_rows();
    std::size_t const row = image * g.height + window_row % g.window_rows();
    At const at{moments + row * g.window_row() + column, g.window_row(), g.images * g.height * g.window_row()};
    auto const v =
        similarity<Magnitude>(window, middle_reference(g, x, y, image, column), join_rows<Magnitude, T>(window, at));
    results.map[i] = v.similarity;
    if (!results.slopes) return;
    std::size_t const map = g.slope_map();
    T* const to = results.slopes + window_row * g.slope_row() + g.margin() + column;
    to[0] = v.constant;
    to[map] = v.own;
    to[2 * map] = v.other;
    if constexpr (Magnitude) to[3 * map] = v.light;
  }
};

template <class T>
struct MapTerm {
  T const* map;
  KOKKOS_FUNCTION void operator()(std::size_t, std::size_t i, Sums<1>& one) const {
    one[0] = static_cast<double>(map[i]);
  }
};

struct TileTerm {
  double const* sums;
  KOKKOS_FUNCTION void operator()(std::size_t, std::size_t i, Sums<1>& one) const { one[0] = sums[i]; }
};

/// Ends the sum of similarities as the loss, 1 - mean.
template <class T>
struct StoreSsimLoss {
  T* loss;
  double count;
  KOKKOS_FUNCTION void operator()(std::size_t, Sums<1> const& total) const {
    *loss = static_cast<T>(1.0 - total[0] / count);
  }
};

/// The windowed sums of the slope maps. The window is symmetric, hence its own adjoint.
template <class V, bool Magnitude>
struct SsimSlopes {
  static constexpr int maps = SsimValue<V>::slopes(Magnitude);
  V value[maps];
};

template <bool Magnitude, class V, class T, class At>
KOKKOS_FORCEINLINE_FUNCTION SsimSlopes<V, Magnitude> gather(SsimWindow<T> const& window, std::size_t first,
                                                            std::size_t last, At const& at) {
  using L = Lanes<V>;
  SsimSlopes<V, Magnitude> s;
  for (V& value : s.value) value = V(T(0));
#pragma GCC unroll 11
  for (std::size_t k = first; k < last; ++k) {
    V const w(window.weight[k]);
    for (std::size_t map = 0; map < s.maps; ++map) s.value[map] = L::multiply_add(w, L::load(at(k, map)), s.value[map]);
  }
  return s;
}

/// The gradient of the mean similarity at one pixel, from the sums over the windows it is in.
template <bool Magnitude, class V>
KOKKOS_FORCEINLINE_FUNCTION V ssim_gradient(SsimSlopes<V, Magnitude> const& s, V x, V y) {
  V const gradient = s.value[0] + s.value[1] * x + s.value[2] * y;
  if constexpr (Magnitude)
    return gradient + Lanes<V>::sign(x) * s.value[3];
  else
    return gradient;
}

template <class B, bool Magnitude>
struct SsimBackwardTile {
  using T = typename B::scalar_type;
  SsimWindow<T> window;
  SsimGeometry g;
  SsimTiles tiles;
  T const* x;
  T const* y;
  T const* slopes;
  T const* gloss;
  Sink<4, B> gx;

  void operator()(std::size_t item) const {
    constexpr std::size_t width = SsimTiles::most_columns;
    constexpr std::size_t maps = SsimValue<T>::slopes(Magnitude);
    alignas(Simd<T>) T ring[ssim_window][maps][width];
    alignas(Simd<T>) T const outside[maps][width] = {};
    SsimWindow<T> const win = window;
    auto const tile = tiles.tile(item);
    std::size_t const channels = g.channels;
    std::size_t const map = g.slope_map();
    T const factor = static_cast<T>(-static_cast<double>(*gloss) / static_cast<double>(g.windows()));
    T const beta = gx.beta;
    std::size_t const reach = ssim_window - 1;

    std::size_t next = tile.top > reach ? tile.top - reach : 0;  // the next row of windows to be filtered
    for (std::size_t row = tile.top; row < tile.top + tile.rows; ++row) {
      // The windows over this row of pixels begin in rows [first, last).
      std::size_t const first = row > reach ? row - reach : 0;
      std::size_t const last = row + 1 < g.window_rows() ? row + 1 : g.window_rows();
      for (; next < last; ++next) {
        T const* const from = slopes + (tile.image * g.window_rows() + next) * g.slope_row() + tile.left;
        T* const into = ring[next % ssim_window][0];
        if (next + 1 < g.window_rows())
          for (std::size_t which = 0; which < maps; ++which)
            fetch_ahead(from + which * map + g.slope_row(), tile.columns + g.margin());
        across_row<T>(tile.columns, [&]<class V>(std::size_t e) {
          auto const s = gather<Magnitude, V>(win, 0, ssim_window, [&](std::size_t k, std::size_t which) {
            return from + which * map + k * channels + e;
          });
          for (std::size_t which = 0; which < maps; ++which) Lanes<V>::store(s.value[which], into + which * width + e);
        });
      }
      std::size_t const pixel = (tile.image * g.height + row) * g.row() + tile.left;
      T* const out = gx.out.data() + pixel;
      if (row + 1 < g.height) {
        fetch_ahead(x + pixel + g.row(), tile.columns);
        fetch_ahead(y + pixel + g.row(), tile.columns);
      }
      T values[width];
      T const* above[ssim_window];  // of the windows that begin k rows above this one, which weight k belongs to
      for (std::size_t k = 0; k < ssim_window; ++k)
        above[k] = row >= first + k && row - k < last ? ring[(row - k) % ssim_window][0] : outside[0];
      across_row<T>(tile.columns, [&]<class V>(std::size_t e) {
        using L = Lanes<V>;
        auto const s = gather<Magnitude, V>(
            win, 0, ssim_window, [&](std::size_t k, std::size_t which) { return above[k] + which * width + e; });
        L::store(V(factor) * ssim_gradient(s, L::load(x + pixel + e), L::load(y + pixel + e)), values + e);
      });
      if (beta == T(0))
        for (std::size_t e = 0; e < tile.columns; ++e) out[e] = values[e];
      else
        for (std::size_t e = 0; e < tile.columns; ++e) out[e] = beta * out[e] + values[e];
    }
  }
};

/// For devices: the slopes filtered along a row...
template <class T, bool Magnitude>
struct SsimBackwardRowElement {
  SsimWindow<T> window;
  SsimGeometry g;
  T const* slopes;
  T* filtered;

  struct At {
    T const* first;
    std::size_t channels;
    std::size_t map;
    KOKKOS_FUNCTION T const* operator()(std::size_t k, std::size_t which) const {
      return first + which * map + k * channels;
    }
  };

  KOKKOS_FUNCTION void operator()(std::size_t i) const {
    At const at{slopes + i / g.row() * g.slope_row() + i % g.row(), g.channels, g.slope_map()};
    auto const s = gather<Magnitude, T>(window, 0, ssim_window, at);
    for (std::size_t which = 0; which < s.maps; ++which)
      filtered[which * g.images * g.window_rows() * g.row() + i] = s.value[which];
  }
};

/// Where a column of filtered slopes lies.
template <class T>
struct SsimColumn {
  T const* last;
  std::size_t row;
  std::size_t map;
  KOKKOS_FUNCTION T const* operator()(std::size_t k, std::size_t which) const { return last + which * map - k * row; }
};

/// The sums of the filtered slopes down the column of number i.
template <bool Magnitude, class T>
KOKKOS_FUNCTION SsimSlopes<T, Magnitude> ssim_column(SsimWindow<T> const& window, SsimGeometry const& g,
                                                     T const* filtered, std::size_t i) {
  std::size_t const row = i / g.row() % g.height;
  std::size_t const image = i / (g.row() * g.height);
  std::size_t const begin = row + 1 > g.window_rows() ? row + 1 - g.window_rows() : 0;
  std::size_t const end = row + 1 < ssim_window ? row + 1 : ssim_window;
  // Only rows inside the map are read: k runs from begin.
  SsimColumn<T> const at{filtered + (image * g.window_rows() + row) * g.row() + i % g.row(), g.row(),
                         g.images * g.window_rows() * g.row()};
  return gather<Magnitude, T>(window, begin, end, at);
}

/// ... and the gradient of one number.
template <class B, bool Magnitude>
struct SsimBackwardElement {
  using T = typename B::scalar_type;
  SsimWindow<T> window;
  SsimGeometry g;
  T const* x;
  T const* y;
  T const* filtered;
  T const* gloss;
  Sink<4, B> gx;

  KOKKOS_FUNCTION void operator()(std::size_t i) const {
    auto const s = ssim_column<Magnitude>(window, g, filtered, i);
    T const factor = static_cast<T>(-static_cast<double>(*gloss) / static_cast<double>(g.windows()));
    gx.add(i, factor * ssim_gradient(s, x[i], y[i]));
  }
};

/// A number that moves.
template <class T>
struct SsimMotion {
  T const* x;
  T const* v;
  Dual<T, 1>* to;
  KOKKOS_FUNCTION void operator()(std::size_t i) const {
    Dual<T, 1> d(x[i]);
    d.slope[0] = v[i];
    to[i] = d;
  }
};

/// How the gradient of one number changes: `SsimBackwardElement` of duals, of which the slope is delivered.
template <class B, bool Magnitude>
struct SsimBendElement {
  using T = typename B::scalar_type;
  using Number = Dual<T, 1>;
  SsimWindow<Number> window;
  SsimGeometry g;
  Number const* x;
  Number const* y;
  Number const* filtered;
  Sink<4, B> gx;

  KOKKOS_FUNCTION void operator()(std::size_t i) const {
    T const factor = static_cast<T>(-1.0 / static_cast<double>(g.windows()));
    gx.add(i, factor * ssim_gradient(ssim_column<Magnitude>(window, g, filtered, i), x[i], y[i]).slope[0]);
  }
};

/// Everything forward: the map, the slopes and the sum as far as they are wanted.
template <bool Magnitude, class B, class Finish>
void ssim_forward(Workspace<B>& ws, ConstTensorRef<4, B> const& x, ConstTensorRef<4, B> const& y,
                  SsimOptions const& options, SsimResults<typename B::scalar_type> results, Finish const& finish) {
  using T = typename B::scalar_type;
  SsimGeometry const g{x.extent(0), x.extent(1), x.extent(2), x.extent(3)};
  SsimWindow<T> const window(options);
  auto scope = ws.scope();
  if constexpr (B::on_host) {
    SsimTiles const tiles(g.window_rows(), g.window_row());
    std::size_t const count = g.images * tiles.per_image();
    results.sums = scope.template take<double>(count);
    for_each_item(ws, "heliograd::ssim", count, SsimTile<T, Magnitude>{window, g, tiles, x.data(), y.data(), results});
    reduce<1>(ws, "heliograd::ssim", 1, count, TileTerm{results.sums}, finish);
  } else {
    std::size_t const stretches = g.images * g.height * g.window_row();
    T* const moments = scope.template take<T>(SsimMoments<T>::count(Magnitude) * stretches);
    if (!results.map) results.map = scope.template take<T>(g.windows());
    if (results.slopes) {
      std::size_t const total = SsimValue<T>::slopes(Magnitude) * g.slope_map();
      for_each_element(ws, "heliograd::ssim", total, heliograd::detail::Fill<T>{results.slopes, T(0)});
    }
    for_each_item(ws, "heliograd::ssim", stretches,
                  SsimRowElement<T, Magnitude>{window, g, x.data(), y.data(), moments});
    for_each_item(ws, "heliograd::ssim", g.windows(),
                  SsimElement<T, Magnitude>{window, g, x.data(), y.data(), moments, results});
    reduce<1>(ws, "heliograd::ssim", 1, g.windows(), MapTerm<T>{results.map}, finish);
  }
}

/// Everything backward.
template <bool Magnitude, class B, class T = typename B::scalar_type>
void ssim_backward(Workspace<B>& ws, ConstTensorRef<4, B> const& x, ConstTensorRef<4, B> const& y,
                   SsimOptions const& options, T const* slopes, ConstTensorRef<0, B> const& gloss,
                   Sink<4, B> const& gx) {
  constexpr char const* label = "heliograd::ssim_backward";
  SsimGeometry const g{x.extent(0), x.extent(1), x.extent(2), x.extent(3)};
  SsimWindow<T> const window(options);
  if constexpr (B::on_host) {
    SsimTiles const tiles(g.height, g.row());
    for_each_item(ws, label, g.images * tiles.per_image(),
                  SsimBackwardTile<B, Magnitude>{window, g, tiles, x.data(), y.data(), slopes, gloss.data(), gx});
  } else {
    std::size_t const numbers = g.images * g.window_rows() * g.row();
    auto scope = ws.scope();
    T* const filtered = scope.template take<T>(SsimValue<T>::slopes(Magnitude) * numbers);
    for_each_item(ws, label, numbers, SsimBackwardRowElement<T, Magnitude>{window, g, slopes, filtered});
    for_each_item(ws, label, x.size(),
                  SsimBackwardElement<B, Magnitude>{window, g, x.data(), y.data(), filtered, gloss.data(), gx});
  }
}

/// The passes of a device with duals for numbers.
template <bool Magnitude, class B>
void ssim_bend(Workspace<B>& ws, ConstTensorRef<4, B> const& x, ConstTensorRef<4, B> const& y,
               ConstTensorRef<4, B> const& vx, ConstTensorRef<4, B> const& vy, SsimOptions const& options,
               Sink<4, B> const& gx) {
  using T = typename B::scalar_type;
  using Number = Dual<T, 1>;
  constexpr char const* label = "heliograd::ssim_bend";
  constexpr std::size_t slopes = SsimValue<T>::slopes(Magnitude), moments_count = SsimMoments<T>::count(Magnitude);
  SsimGeometry const g{x.extent(0), x.extent(1), x.extent(2), x.extent(3)};
  SsimWindow<Number> const window(options);
  std::size_t const stretches = g.images * g.height * g.window_row();
  std::size_t const filtered_numbers = g.images * g.window_rows() * g.row();
  auto scope = ws.scope();
  Number* const xs = scope.template take<Number>(x.size());
  Number* const ys = scope.template take<Number>(x.size());
  Number* const moments = scope.template take<Number>(moments_count * stretches);
  SsimResults<Number> const results{scope.template take<Number>(g.windows()),
                                    scope.template take<Number>(slopes * g.slope_map())};
  Number* const filtered = scope.template take<Number>(slopes * filtered_numbers);
  for_each_element(ws, label, x.size(), SsimMotion<T>{x.data(), vx.data(), xs});
  for_each_element(ws, label, x.size(), SsimMotion<T>{y.data(), vy.data(), ys});
  for_each_element(ws, label, slopes * g.slope_map(), heliograd::detail::Fill<Number>{results.slopes, Number(T(0))});
  for_each_element(ws, label, stretches, SsimRowElement<Number, Magnitude>{window, g, xs, ys, moments});
  for_each_element(ws, label, g.windows(), SsimElement<Number, Magnitude>{window, g, xs, ys, moments, results});
  for_each_element(ws, label, filtered_numbers,
                   SsimBackwardRowElement<Number, Magnitude>{window, g, results.slopes, filtered});
  for_each_element(ws, label, x.size(), SsimBendElement<B, Magnitude>{window, g, xs, ys, filtered, gx});
}

}  // namespace detail

/// How many numbers the forward pass keeps for the backward pass: three maps a little larger than the image, four with the
/// luminance of magnitudes.
template <class View>
std::size_t ssim_slope_count(View const& x, SsimOptions const& options) {
  detail::SsimGeometry const g{x.extent(0), x.extent(1), x.extent(2), x.extent(3)};
  return static_cast<std::size_t>(detail::SsimValue<float>::slopes(options.luminance_of_magnitude)) * g.slope_map();
}

/// map[n, h - 10, w - 10, c]: the similarity in every window. A NaN spoils the windows it is in, and no other.
template <class B>
void ssim_map(Workspace<B>& ws, ConstTensorRef<4, B> const& x, ConstTensorRef<4, B> const& y,
              SsimOptions const& options, TensorRef<4, B> const& map) {
  using T = typename B::scalar_type;
  auto scope = ws.scope();
  detail::StoreMean<T> const finish{scope.template take<T>(1), 1.0};
  if (options.luminance_of_magnitude)
    detail::ssim_forward<true, B>(ws, x, y, options, {map.data()}, finish);
  else
    detail::ssim_forward<false, B>(ws, x, y, options, {map.data()}, finish);
}

/// loss = 1 - mean similarity. Unless null, `slopes` receives ssim_slope_count(x, options) numbers for the gradient of x.
template <class B>
void ssim_loss(Workspace<B>& ws, ConstTensorRef<4, B> const& x, ConstTensorRef<4, B> const& y,
               SsimOptions const& options, TensorRef<0, B> const& loss, typename B::scalar_type* slopes) {
  using T = typename B::scalar_type;
  detail::SsimGeometry const g{x.extent(0), x.extent(1), x.extent(2), x.extent(3)};
  detail::StoreSsimLoss<T> const finish{loss.data(), static_cast<double>(g.windows())};
  if (options.luminance_of_magnitude)
    detail::ssim_forward<true, B>(ws, x, y, options, {nullptr, slopes}, finish);
  else
    detail::ssim_forward<false, B>(ws, x, y, options, {nullptr, slopes}, finish);
}

/// gx = beta gx + gloss d(loss)/dx, from what ssim_loss kept.
template <class B>
void ssim_loss_backward(Workspace<B>& ws, ConstTensorRef<4, B> const& x, ConstTensorRef<4, B> const& y,
                        SsimOptions const& options, typename B::scalar_type const* slopes,
                        ConstTensorRef<0, B> const& gloss, Sink<4, B> const& gx) {
  if (options.luminance_of_magnitude)
    detail::ssim_backward<true, B>(ws, x, y, options, slopes, gloss, gx);
  else
    detail::ssim_backward<false, B>(ws, x, y, options, slopes, gloss, gx);
}

/// gx = beta gx + how d(loss)/dx changes as x moves along vx and y along vy: the passes of a device with duals for numbers,
/// everywhere. Scratch for about 40 images.
template <class B>
void ssim_loss_bend(Workspace<B>& ws, ConstTensorRef<4, B> const& x, ConstTensorRef<4, B> const& y,
                    ConstTensorRef<4, B> const& vx, ConstTensorRef<4, B> const& vy, SsimOptions const& options,
                    Sink<4, B> const& gx) {
  if (options.luminance_of_magnitude)
    detail::ssim_bend<true, B>(ws, x, y, vx, vy, options, gx);
  else
    detail::ssim_bend<false, B>(ws, x, y, vx, vy, options, gx);
}

}  // namespace kernel
}  // namespace heliograd::inline HELIOGRAD_ABI
