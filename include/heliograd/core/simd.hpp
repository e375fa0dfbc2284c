// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>
#include <utility>

#include <heliograd/base/config.hpp>

/// \file
/// Vectors for host kernels, as wide as the instruction set the compiler was told to use.
///
/// They are the compiler's own vector types, so that they need no intrinsics and follow -march. (Kokkos' simd types follow
/// the architecture Kokkos was built for instead; on a generic build, as distributions ship it, they are scalars.)
namespace heliograd::inline HELIOGRAD_ABI {

namespace detail {
// A device compiler's passes must agree on every type, and its host pass alone knows -march: it gets the baseline.
#if defined(__CUDACC__) || defined(__HIPCC__) || defined(__HIP__)
inline constexpr int vector_bytes = 16;
inline constexpr int vector_registers = 16;
#elif defined(__AVX512F__)
inline constexpr int vector_bytes = 64;
inline constexpr int vector_registers = 32;
#elif defined(__AVX2__)
inline constexpr int vector_bytes = 32;
inline constexpr int vector_registers = 16;
#elif defined(__ARM_NEON)
inline constexpr int vector_bytes = 16;
inline constexpr int vector_registers = 32;
#else
inline constexpr int vector_bytes = 16;
inline constexpr int vector_registers = 16;
#endif

template <class T>
struct VectorType;
template <>
struct VectorType<float> {
  typedef float type __attribute__((vector_size(vector_bytes)));
};
template <>
struct VectorType<double> {
  typedef double type __attribute__((vector_size(vector_bytes)));
};
}  // namespace detail

/// `size` lanes of T (float or double) that are loaded, computed and stored together. Host only.
template <class T>
struct Simd {
  using scalar_type = T;

  /// How many lanes there are, and how many such vectors fit the register file.
  static constexpr int size = detail::vector_bytes / static_cast<int>(sizeof(T));
  static constexpr int registers = detail::vector_registers;

  using vector_type = typename detail::VectorType<T>::type;
  vector_type lanes;

  Simd() = default;
  [[gnu::always_inline]] Simd(vector_type value) : lanes(value) {}
  /// The same number in every lane.
  [[gnu::always_inline]] Simd(T value) : lanes(value - vector_type{}) {}

  [[gnu::always_inline]] T operator[](int lane) const { return lanes[lane]; }

  /// `size` consecutive numbers from any address.
  [[gnu::always_inline]] static Simd load(T const* from) {
    Simd result;
    __builtin_memcpy(&result.lanes, from, sizeof(vector_type));
    return result;
  }
  /// The first `count` <= size numbers; the other lanes are zero and their memory is not touched.
  [[gnu::always_inline]] static Simd load(T const* from, int count) {
    if (count >= size) return load(from);
    T buffer[size] = {};
    for (int lane = 0; lane < count; ++lane) buffer[lane] = from[lane];
    return load(buffer);
  }

  [[gnu::always_inline]] void store(T* to) const { __builtin_memcpy(to, &lanes, sizeof(vector_type)); }
  /// Only the first `count` <= size lanes.
  [[gnu::always_inline]] void store(T* to, int count) const {
    if (count >= size) return store(to);
    T buffer[size];
    store(buffer);
    for (int lane = 0; lane < count; ++lane) to[lane] = buffer[lane];
  }

  [[gnu::always_inline]] friend Simd operator+(Simd a, Simd b) { return a.lanes + b.lanes; }
  [[gnu::always_inline]] friend Simd operator-(Simd a, Simd b) { return a.lanes - b.lanes; }
  [[gnu::always_inline]] friend Simd operator*(Simd a, Simd b) { return a.lanes * b.lanes; }
  [[gnu::always_inline]] friend Simd operator/(Simd a, Simd b) { return a.lanes / b.lanes; }
  [[gnu::always_inline]] friend Simd operator-(Simd a) { return -a.lanes; }
  [[gnu::always_inline]] Simd& operator+=(Simd b) {
    lanes += b.lanes;
    return *this;
  }

  /// a * b + c, one rounding where the hardware has it.
  [[gnu::always_inline]] friend Simd fma(Simd a, Simd b, Simd c) { return a.lanes * b.lanes + c.lanes; }
  [[gnu::always_inline]] friend Simd min(Simd a, Simd b) { return a.lanes < b.lanes ? a.lanes : b.lanes; }
  [[gnu::always_inline]] friend Simd max(Simd a, Simd b) { return a.lanes > b.lanes ? a.lanes : b.lanes; }
  /// Lane by lane: where condition > 0 then a, else b.
  [[gnu::always_inline]] friend Simd where_positive(Simd condition, Simd a, Simd b) {
    return condition.lanes > T(0) ? a.lanes : b.lanes;
  }

  /// [a0, a2, ..., b0, b2, ...] and [a1, a3, ..., b1, b3, ...].
  [[gnu::always_inline]] friend Simd even_lanes(Simd a, Simd b) { return a.template every_second<0>(b); }
  [[gnu::always_inline]] friend Simd odd_lanes(Simd a, Simd b) { return a.template every_second<1>(b); }
  /// The sum over the lanes, always by the same tree: halves are added to halves.
  [[gnu::always_inline]] friend T sum(Simd a) {
    T lane[size];
    a.store(lane);
    for (int half = size / 2; half > 0; half /= 2)
      for (int i = 0; i < half; ++i) lane[i] += lane[i + half];
    return lane[0];
  }

 private:
  template <int First>
  [[gnu::always_inline]] Simd every_second(Simd b) const {
    return [&]<int... Lane>(std::integer_sequence<int, Lane...>) {
// Else lane by lane, which is the same: nvcc does not expand the pack.
#if defined(__has_builtin) && __has_builtin(__builtin_shufflevector) && !defined(__CUDACC__)
      return Simd(__builtin_shufflevector(lanes, b.lanes, (2 * Lane + First)...));
#else
      constexpr auto at = [](int lane) { return 2 * lane + First; };
      return Simd(vector_type{(at(Lane) < size ? lanes[at(Lane) % size] : b.lanes[at(Lane) % size])...});
#endif
    }(std::make_integer_sequence<int, size>{});
  }
};

/// A number for each of as many vectors as there are lanes, what its lanes are joined to: by the same tree for each,
/// in which neighbours are joined first.
template <class T, std::size_t Count, class Join>
[[gnu::always_inline]] inline Simd<T> joined_lanes(Simd<T> const (&a)[Count], Join const& join) {
  if constexpr (Count == 1) {
    return a[0];
  } else {
    Simd<T> joined[Count / 2];
#pragma GCC unroll 8
    for (std::size_t i = 0; i < Count / 2; ++i)
      joined[i] = join(even_lanes(a[2 * i], a[2 * i + 1]), odd_lanes(a[2 * i], a[2 * i + 1]));
    return joined_lanes(joined, join);
  }
}

/// Lane j of vector i changes places with lane i of vector j. Each step takes the lowest bit of a lane's number to the top of
/// the vectors' and the lowest of theirs to the top of the lanes'.
template <class T>
[[gnu::always_inline]] inline void transpose(Simd<T> (&a)[Simd<T>::size]) {
  constexpr int half = Simd<T>::size / 2;
  for (int step = 1; step < Simd<T>::size; step *= 2) {
    Simd<T> b[Simd<T>::size];
#pragma GCC unroll 8
    for (int i = 0; i < half; ++i) {
      b[i] = even_lanes(a[2 * i], a[2 * i + 1]);
      b[half + i] = odd_lanes(a[2 * i], a[2 * i + 1]);
    }
#pragma GCC unroll 16
    for (int i = 0; i < Simd<T>::size; ++i) a[i] = b[i];
  }
}

}  // namespace heliograd::inline HELIOGRAD_ABI
