// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <algorithm>
#include <cstddef>
#include <type_traits>

#include <heliograd/core/math.hpp>
#include <heliograd/core/simd.hpp>
#include <heliograd/core/sink.hpp>
#include <heliograd/kernel/launch.hpp>
#include <heliograd/kernel/reduce.hpp>

/// \file
/// Activation curves, one pass over memory in each direction, and PReLU, whose slope is learnt.
namespace heliograd::inline HELIOGRAD_ABI::kernel {

/// \name Curves: y = value(x), and dy/dx = slope(x, y). A curve uses whichever of x and y gives the slope cheaply; the other
/// one is then not read. NaN stays NaN.
///@{
struct Relu {
  template <class T>
  KOKKOS_FUNCTION T value(T x) const {
    return x < T(0) ? T(0) : x;
  }
  template <class T>
  KOKKOS_FUNCTION T slope(T x, T) const {
    return x <= T(0) ? T(0) : T(1);
  }
};

/// What a choice needs is computed before it: host compilers make vector code of that alone.
struct LeakyRelu {
  double negative_slope;
  template <class T>
  KOKKOS_FUNCTION T value(T x) const {
    T const scaled = T(negative_slope) * x;
    return x < T(0) ? scaled : x;
  }
  template <class T>
  KOKKOS_FUNCTION T slope(T x, T) const {
    T const below = T(negative_slope);
    return x <= T(0) ? below : T(1);
  }
};

struct Tanh {
  template <class T>
  KOKKOS_FUNCTION T value(T x) const {
    return math::tanh(x);
  }
  template <class T>
  KOKKOS_FUNCTION T slope(T, T y) const {
    return (T(1) - y) * (T(1) + y);
  }
};

struct Sigmoid {
  template <class T>
  KOKKOS_FUNCTION T value(T x) const {
    return math::sigmoid(x);
  }
  template <class T>
  KOKKOS_FUNCTION T slope(T, T y) const {
    return y * (T(1) - y);
  }
};

/// ln(1 + e^x), without overflow.
struct Softplus {
  template <class T>
  KOKKOS_FUNCTION T value(T x) const {
    return math::softplus(x);
  }
  template <class T>
  KOKKOS_FUNCTION T slope(T x, T) const {
    return math::sigmoid(x);
  }
};

/// x tanh(ln(1 + e^x)), by one exponential: with e = e^x and q = e(e + 2), the tanh is q/(q + 2). Beyond 40 the curve is x and
/// its slope 1, to all digits.
struct Mish {
  template <class T>
  KOKKOS_FUNCTION T value(T x) const {
    T const e = math::exp(x);
    T const q = e * (e + T(2));
    T const y = x * (q / (q + T(2)));
    return x > T(40) ? x : y;
  }
  template <class T>
  KOKKOS_FUNCTION T slope(T x, T) const {
    T const e = math::exp(x);
    T const q = e * (e + T(2));
    T const sum = q + T(2);
    T const value = q / sum + T(4) * x * (e / sum) * ((T(1) + e) / sum);
    return x > T(40) ? T(1) : value;
  }
};

/// x times the logistic function of x.
struct Silu {
  template <class T>
  KOKKOS_FUNCTION T value(T x) const {
    return x * math::sigmoid(x);
  }
  template <class T>
  KOKKOS_FUNCTION T slope(T x, T) const {
    T const s = math::sigmoid(x);
    return s + x * s * math::sigmoid(-x);
  }
};

/// x times the normal distribution function of x.
struct Gelu {
  template <class T>
  KOKKOS_FUNCTION T value(T x) const {
    return x * below(x);
  }
  template <class T>
  KOKKOS_FUNCTION T slope(T x, T) const {
    return below(x) + x * (T(0.39894228040143267794) * math::exp(T(-0.5) * x * x));
  }

 private:
  template <class T>
  KOKKOS_FUNCTION static T below(T x) {
    return T(0.5) * Kokkos::erfc(T(-0.70710678118654752440) * x);
  }
};

/// x where it is positive, else alpha (e^x - 1).
struct Elu {
  double alpha;
  template <class T>
  KOKKOS_FUNCTION T value(T x) const {
    T const y = T(alpha) * math::expm1(x);
    return x > T(0) ? x : y;
  }
  template <class T>
  KOKKOS_FUNCTION T slope(T x, T) const {
    T const e = T(alpha) * math::exp(x);
    return x > T(0) ? T(1) : e;
  }
};
///@}

namespace detail {

template <class Curve, class T>
struct CurveForward {
  Curve curve;
  T const* x;
  T* y;
  KOKKOS_FUNCTION void operator()(std::size_t i) const { y[i] = curve.value(x[i]); }
};

template <class Curve, class T>
struct CurveBackward {
  Curve curve;
  T const* x;
  T const* y;
  T const* gy;
  T* gx;
  T beta;
  KOKKOS_FUNCTION void operator()(std::size_t i) const {
    T const contribution = gy[i] * curve.slope(x[i], y[i]);
    gx[i] = beta != T(0) ? beta * gx[i] + contribution : contribution;
  }
};

/// One element; for devices.
template <class T>
struct PReluElement {
  T const* x;
  T const* slope;
  T* y;
  std::size_t channels;

  KOKKOS_FUNCTION void operator()(std::size_t i) const {
    y[i] = x[i] < T(0) ? slope[channels == 1 ? 0 : i % channels] * x[i] : x[i];
  }
};

/// A chunk of pixels, a slope per channel.
template <class T>
struct PReluPixels {
  T const* x;
  T const* slope;
  T* y;
  std::size_t pixels;
  std::size_t channels;
  std::size_t chunk;

  KOKKOS_FUNCTION void operator()(std::size_t item) const {
    std::size_t const end = (item + 1) * chunk < pixels ? (item + 1) * chunk : pixels;
    for (std::size_t pixel = item * chunk; pixel < end; ++pixel) {
      T const* const from = x + pixel * channels;
      T* const to = y + pixel * channels;
      HELIOGRAD_INDEPENDENT_LOOP
      for (std::size_t c = 0; c < channels; ++c) {
        T const value = from[c];
        T const scaled = slope[c] * value;
        to[c] = value < T(0) ? scaled : value;
      }
    }
  }
};

/// A chunk of elements, one slope for all.
template <class T>
struct PReluChunk {
  T const* x;
  T const* slope;
  T* y;
  std::size_t count;

  KOKKOS_FUNCTION void operator()(std::size_t item) const {
    T const a = *slope;
    std::size_t const begin = item * host_chunk;
    std::size_t const end = begin + host_chunk < count ? begin + host_chunk : count;
    HELIOGRAD_INDEPENDENT_LOOP
    for (std::size_t i = begin; i < end; ++i) {
      T const scaled = a * x[i];
      y[i] = x[i] < T(0) ? scaled : x[i];
    }
  }
};

/// The gradient of x, and the summands of the slopes' gradients.
template <class T>
struct PReluGradients {
  T const* x;
  T const* slope;
  T const* gy;
  T* gx;  // null where no gradient is wanted
  T beta;
  std::size_t rows;
  std::size_t channels;
  std::size_t chunks;  // of rows
  Sums<1>* partial;    // [channels][chunks]

  /// Passes the gradient through element i, whose slope is a, and returns its contribution to the slope's gradient.
  KOKKOS_FUNCTION double pass(std::size_t i, T a) const {
    bool const negative = x[i] <= T(0);
    T const g = gy[i];  // before it is overwritten: gx may be gy
    if (gx) {
      T const contribution = negative ? a * g : g;
      gx[i] = beta != T(0) ? beta * gx[i] + contribution : contribution;
    }
    return static_cast<double>(negative ? g * x[i] : T(0));
  }
};

/// One channel in a chunk of rows (pixels) per work item.
template <class T>
struct PReluBackwardDevice {
  static constexpr std::size_t chunk_rows = 256;
  static constexpr std::size_t lanes = 1;
  PReluGradients<T> p;

  KOKKOS_FUNCTION void operator()(std::size_t item) const {
    std::size_t const chunk = item / p.channels;
    std::size_t const channel = item % p.channels;
    std::size_t const end = (chunk + 1) * chunk_rows < p.rows ? (chunk + 1) * chunk_rows : p.rows;
    double sum = 0;
    for (std::size_t row = chunk * chunk_rows; row < end; ++row)
      sum += p.pass(row * p.channels + channel, p.slope[channel]);
    p.partial[channel * p.chunks + chunk][0] = sum;
  }
};

/// Up to `lanes` neighbouring channels in a chunk of rows per work item, in vectors. A shared slope is the case of one
/// channel, whose rows are summed in `lanes` interleaved lanes.
template <class T>
struct PReluBackwardHost {
  static constexpr std::size_t chunk_rows = 4096;
  static constexpr std::size_t lanes = 32;
  PReluGradients<T> p;

  void operator()(std::size_t item) const {
    if (!p.gx)
      run<false, false>(item);
    else if (p.beta != T(0))
      run<true, true>(item);
    else
      run<true, false>(item);
  }

  template <bool Deliver, bool Accumulate>
  void run(std::size_t item) const {
    std::size_t const blocks = (p.channels + lanes - 1) / lanes;
    std::size_t const chunk = item / blocks;
    std::size_t const begin = chunk * chunk_rows;
    std::size_t const end = std::min(begin + chunk_rows, p.rows);
    double lane[lanes] = {};
    T a[lanes] = {};
    if (p.channels == 1) {
      std::fill(a, a + lanes, *p.slope);
      std::size_t const steps = (end - begin) / lanes;
      full<Deliver, Accumulate>(begin, lanes, steps, a, lane);
      for (std::size_t i = begin + steps * lanes, l = 0; i < end; ++i, ++l) lane[l] += p.pass(i, a[0]);
      for (std::size_t width = lanes / 2; width > 0; width /= 2)
        for (std::size_t l = 0; l < width; ++l) lane[l] += lane[l + width];
      p.partial[chunk][0] = lane[0];
      return;
    }
    std::size_t const first = item % blocks * lanes;
    std::size_t const width = std::min(lanes, p.channels - first);
    std::copy(p.slope + first, p.slope + first + width, a);
    if (width == lanes)
      full<Deliver, Accumulate>(begin * p.channels + first, p.channels, end - begin, a, lane);
    else
      for (std::size_t row = begin; row < end; ++row)
        for (std::size_t l = 0; l < width; ++l) lane[l] += p.pass(row * p.channels + first + l, a[l]);
    for (std::size_t l = 0; l < width; ++l) p.partial[(first + l) * p.chunks + chunk][0] = lane[l];
  }

  /// `steps` times `lanes` elements side by side, `stride` apart.
  template <bool Deliver, bool Accumulate>
  void full(std::size_t i, std::size_t stride, std::size_t steps, T const* a, double* lane) const {
    using Vector = Simd<T>;
    constexpr int groups = static_cast<int>(lanes) / Vector::size;
    typedef double Wide __attribute__((vector_size(sizeof(double) * Vector::size)));
    Wide sum[groups] = {};
    Vector slopes[groups];
    for (int g = 0; g < groups; ++g) slopes[g] = Vector::load(a + g * Vector::size);
    for (std::size_t step = 0; step < steps; ++step, i += stride)
      for (int g = 0; g < groups; ++g) {
        std::size_t const at = i + static_cast<std::size_t>(g * Vector::size);
        Vector const value = Vector::load(p.x + at);
        Vector const gradient = Vector::load(p.gy + at);
        if constexpr (Deliver) {
          Vector contribution = where_positive(value, gradient, slopes[g] * gradient);
          if constexpr (Accumulate) contribution = fma(Vector(p.beta), Vector::load(p.gx + at), contribution);
          contribution.store(p.gx + at);
        }
        Vector const product = where_positive(value, Vector(T(0)), gradient * value);
        sum[g] += __builtin_convertvector(product.lanes, Wide);
      }
    __builtin_memcpy(lane, sum, sizeof sum);
  }
};

template <class T>
struct DeliverSlopes {
  T* out;  // null where no gradient is wanted
  T beta;
  KOKKOS_FUNCTION void operator()(std::size_t channel, Sums<1> const& total) const {
    if (out) out[channel] = (beta != T(0) ? beta * out[channel] : T(0)) + static_cast<T>(total[0]);
  }
};

}  // namespace detail

/// y = curve.value(x), element by element.
template <class B, int Rank, class Curve>
void activation(Workspace<B>& ws, char const* label, Curve const& curve, ConstTensorRef<Rank, B> const& x,
                TensorRef<Rank, B> const& y) {
  using Scalar = typename B::scalar_type;
  for_each_element(ws, label, x.size(), detail::CurveForward<Curve, Scalar>{curve, x.data(), y.data()});
}

/// gx = beta gx + gy curve.slope(x, y). gx may be gy.
template <class B, int Rank, class Curve>
void activation_backward(Workspace<B>& ws, char const* label, Curve const& curve, ConstTensorRef<Rank, B> const& x,
                         ConstTensorRef<Rank, B> const& y, ConstTensorRef<Rank, B> const& gy, Sink<Rank, B> const& gx) {
  using Scalar = typename B::scalar_type;
  for_each_element(ws, label, x.size(),
                   detail::CurveBackward<Curve, Scalar>{curve, x.data(), y.data(), gy.data(), gx.out.data(), gx.beta});
}

/// y = x where x is positive, else slope * x. One slope, or one per channel (the last axis of x).
template <class B, int Rank>
void prelu(Workspace<B>& ws, ConstTensorRef<Rank, B> const& x, ConstTensorRef<1, B> const& slope,
           TensorRef<Rank, B> const& y) {
  using Scalar = typename B::scalar_type;
  std::size_t const channels = slope.size();
  if constexpr (!B::on_host)
    for_each_item(ws, "heliograd::prelu", x.size(),
                  detail::PReluElement<Scalar>{x.data(), slope.data(), y.data(), channels});
  else if (channels == 1)
    for_each_item(ws, "heliograd::prelu", (x.size() + host_chunk - 1) / host_chunk,
                  detail::PReluChunk<Scalar>{x.data(), slope.data(), y.data(), x.size()});
  else {
    std::size_t const pixels = x.size() / channels;
    std::size_t const chunk = std::max<std::size_t>(1, host_chunk / channels);
    for_each_item(ws, "heliograd::prelu", (pixels + chunk - 1) / chunk,
                  detail::PReluPixels<Scalar>{x.data(), slope.data(), y.data(), pixels, channels, chunk});
  }
}

/// Both gradients of `prelu` in one pass over x and gy. A sink without memory is not wanted; gx may be gy.
template <class B, int Rank>
void prelu_backward(Workspace<B>& ws, ConstTensorRef<Rank, B> const& x, ConstTensorRef<1, B> const& slope,
                    ConstTensorRef<Rank, B> const& gy, Sink<Rank, B> const& gx, Sink<1, B> const& gslope) {
  using Scalar = typename B::scalar_type;
  using Pass = std::conditional_t<B::on_host, detail::PReluBackwardHost<Scalar>, detail::PReluBackwardDevice<Scalar>>;
  std::size_t const channels = slope.size();
  std::size_t const rows = x.size() / channels;
  std::size_t const chunks = (rows + Pass::chunk_rows - 1) / Pass::chunk_rows;
  auto scope = ws.scope();
  auto* const partial = scope.template take<Sums<1>>(channels * chunks);
  for_each_item(ws, "heliograd::prelu_backward", chunks * ((channels + Pass::lanes - 1) / Pass::lanes),
                Pass{{x.data(), slope.data(), gy.data(), gx.out.data(), gx.beta, rows, channels, chunks, partial}});
  for_each_item(
      ws, "heliograd::prelu_backward_slope", channels,
      detail::ReduceTree<detail::DeliverSlopes<Scalar>, 1>{{gslope.out.data(), gslope.beta}, chunks, partial});
}

}  // namespace heliograd::inline HELIOGRAD_ABI::kernel
