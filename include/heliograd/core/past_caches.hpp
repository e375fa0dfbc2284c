// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>
#include <cstdint>

#include <heliograd/core/simd.hpp>

/// \file
/// Stores past the caches. A processor that writes a line the usual way reads it first; results too large to be found in a
/// cache by whoever reads them next are better written straight to memory. Where there is no such instruction, a usual store.
namespace heliograd::inline HELIOGRAD_ABI {

/// From how many bytes on a result is taken to be too large for the caches.
inline constexpr std::size_t beyond_caches = std::size_t{32} << 20;

/// Whether `count` numbers from `to` on are worth it, and lie where vectors can be stored past the caches.
template <class T>
bool goes_past_caches(T const* to, std::size_t count) {
  return count * sizeof(T) >= beyond_caches && reinterpret_cast<std::uintptr_t>(to) % sizeof(Simd<T>) == 0;
}

/// `to` is a multiple of the vector's size. Other threads may read it after `finish_past_caches`.
[[gnu::always_inline]] inline void store_past_caches(Simd<float> value, float* to) {
#if defined(__CUDACC__) || defined(__HIPCC__) || defined(__HIP__)
  value.store(to);
#elif defined(__clang__)
  __builtin_nontemporal_store(value.lanes, reinterpret_cast<Simd<float>::vector_type*>(to));
#elif defined(__AVX512F__)
  __builtin_ia32_movntps512(to, value.lanes);
#elif defined(__AVX2__)
  __builtin_ia32_movntps256(to, value.lanes);
#else
  value.store(to);
#endif
}
[[gnu::always_inline]] inline void store_past_caches(Simd<double> value, double* to) {
#if defined(__CUDACC__) || defined(__HIPCC__) || defined(__HIP__)
  value.store(to);
#elif defined(__clang__)
  __builtin_nontemporal_store(value.lanes, reinterpret_cast<Simd<double>::vector_type*>(to));
#elif defined(__AVX512F__)
  __builtin_ia32_movntpd512(to, value.lanes);
#elif defined(__AVX2__)
  __builtin_ia32_movntpd256(to, value.lanes);
#else
  value.store(to);
#endif
}

/// Ends what this thread has stored past the caches: such stores do not keep the order of others.
inline void finish_past_caches() {
#if defined(__SSE__) && !defined(__CUDACC__) && !defined(__HIPCC__) && !defined(__HIP__)
  __builtin_ia32_sfence();
#endif
}

}  // namespace heliograd::inline HELIOGRAD_ABI
