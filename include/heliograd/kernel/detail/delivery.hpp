// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include <heliograd/core/math.hpp>
#include <heliograd/core/past_caches.hpp>
#include <heliograd/core/simd.hpp>
#include <heliograd/core/sink.hpp>
#include <heliograd/core/tensor.hpp>
#include <heliograd/kernel/epilogue.hpp>

namespace heliograd::inline HELIOGRAD_ABI::kernel::detail {

/// out = beta out + value, in the first `lanes` lanes; where beta is 0, out is not read.
template <class T>
[[gnu::always_inline]] inline void deliver(T* out, T beta, Simd<T> value, int lanes) {
  if (beta != T(0)) value = fma(Simd<T>(beta), Simd<T>::load(out, lanes), value);
  value.store(out, lanes);
}

/// Where a convolution's results go, with what becomes of them on the way: out = beta out + bias + sum, as a gradient, or with
/// beta 0 what an epilogue makes of bias + sum. The bias is for the algorithms to add, wherever their sums begin.
template <class T>
struct Delivery {
  T* out;
  T beta = 0;
  T const* bias = nullptr;  ///< or null
  T negative_slope = 1;
  T const* slope = nullptr;  ///< null: the number above
  bool slopes = false;       ///< there is one for each channel
  bool tanh = false;
  T const* residual = nullptr;
  T* sum = nullptr;
  bool past_caches = false;  ///< whole vectors are stored past them; the worker finishes that

  template <class B>
  static Delivery into(Sink<4, B> const& sink) {
    return {sink.out.data(), sink.beta};
  }
  template <class B>
  static Delivery of(TensorRef<4, B> const& y, ConstTensorRef<1, B> const& bias, Epilogue<B> const& epilogue) {
    return {y.data(),
            T(0),
            bias.size() > 0 ? bias.data() : nullptr,
            static_cast<T>(epilogue.negative_slope),
            epilogue.slope.size() > 0 ? epilogue.slope.data() : nullptr,
            epilogue.slope.size() > 1,
            epilogue.tanh,
            epilogue.residual.data(),
            epilogue.sum.data()};
  }
  /// The same for an algorithm that writes each number once, if there are so many that they are better stored past the caches. The
  /// bias and slopes must be arrays of whole vectors.
  Delivery past_caches_if_large(std::size_t numbers, int channels) const {
    Delivery large = *this;
    large.past_caches = beta == T(0) && channels % Simd<T>::size == 0 && goes_past_caches(out, numbers) &&
                        (sum == nullptr || goes_past_caches(sum, numbers));
    return large;
  }
  /// For a group of channels that begins so much further on.
  Delivery shifted(std::int64_t channels) const {
    Delivery group = *this;
    group.out += channels;
    if (bias) group.bias += channels;
    if (slopes) group.slope += channels;
    if (residual) group.residual += channels;
    if (sum) group.sum += channels;
    return group;
  }

  KOKKOS_FUNCTION bool is_rectified() const { return slope != nullptr || negative_slope != T(1); }
  /// Whether bias + sum is all there is to it.
  KOKKOS_FUNCTION bool is_plain() const { return !is_rectified() && !tanh && residual == nullptr && sum == nullptr; }

  /// Delivers u, the number at an index.
  KOKKOS_FUNCTION void deliver_element(std::size_t index, int channel, T u) const {
    if (beta != T(0)) u += beta * out[index];
    if (sum != nullptr) sum[index] = u;
    T y = u;
    if (is_rectified() && u < T(0)) y = (slope != nullptr ? slope[slopes ? channel : 0] : negative_slope) * u;
    if (tanh) y = math::tanh(u);
    out[index] = residual != nullptr ? y + residual[index] : y;
  }

  /// \name On hosts, where `in_panels` has made bias and slopes arrays of whole vectors, the slopes null where nothing is rectified.
  ///@{

  /// Delivers u, the numbers at `place`, whose first is of `channel`.
  [[gnu::always_inline]] void deliver_vector(T* place, int channel, Simd<T> u, int lanes) const {
    if (is_plain() && !past_caches)
      deliver<T>(place, beta, u, lanes);
    else if (lanes == Simd<T>::size && !tanh)
      put(finished(place - out, channel, u, lanes), place, lanes);
    else
      deliver_rest(place, channel, u, lanes);
  }
  /// Finishes numbers u that stand at their places already: `pixels` times `channels`.
  void finish(T* place, std::int64_t pixel, int pixels, int channel, int channels) const {
    if (!is_plain()) finish_there(place, pixel, pixels, channel, channels);
  }
  ///@}

 private:
  [[gnu::always_inline]] void put(Simd<T> value, T* place, int lanes) const {
    if (past_caches && lanes == Simd<T>::size)
      store_past_caches(value, place);
    else
      value.store(place, lanes);
  }
  [[gnu::always_inline]] Simd<T> finished(std::ptrdiff_t at, int channel, Simd<T> u, int lanes) const {
    if (sum) put(u, sum + at, lanes);
    Simd<T> y = u;
    if (slope) y = where_positive(-u, Simd<T>::load(slope + channel) * u, u);
    if (residual) y += Simd<T>::load(residual + at, lanes);
    return y;
  }
  [[gnu::noinline]] void deliver_rest(T* place, int channel, Simd<T> u, int lanes) const {
    if (tanh) {
      if (sum) u.store(sum + (place - out), lanes);
      T number[Simd<T>::size];
      u.store(number);
      for (T& n : number) n = math::tanh(n);
      Simd<T>::load(number).store(place, lanes);
    } else {
      finished(place - out, channel, u, lanes).store(place, lanes);
    }
  }
  [[gnu::noinline]] void finish_there(T* place, std::int64_t pixel, int pixels, int channel, int channels) const {
    for (int i = 0; i < pixels; ++i, place += pixel)
      for (int c = 0; c < channels; c += Simd<T>::size) {
        int const lanes = std::min(channels - c, Simd<T>::size);
        deliver_vector(place + c, channel + c, Simd<T>::load(place + c, lanes), lanes);
      }
  }
};

}  // namespace heliograd::inline HELIOGRAD_ABI::kernel::detail
