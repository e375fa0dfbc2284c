// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <algorithm>
#include <chrono>
#include <cstddef>

#include <heliograd/core/simd.hpp>

/// \file
/// What this machine can do at best, measured in the same run: the yardstick of compute-bound kernels.
namespace bench {

/// Multiply-adds on registers alone; x and y are such that the numbers stay finite.
template <class T>
struct MultiplyAdds {
  using V = heliograd::Simd<T>;
  static constexpr int chains = std::min(24, V::registers - 4);
  long rounds;
  T x, y;
  T* result;

  void operator()(int thread) const {
    V const a(x);
    V const b(y);
    V chain[chains];
#pragma GCC unroll 24
    for (int i = 0; i < chains; ++i) chain[i] = V(static_cast<T>(i));
    for (long round = 0; round < rounds; ++round) {
#pragma GCC unroll 24
      for (int i = 0; i < chains; ++i) chain[i] = fma(chain[i], a, b);
    }
    V total = chain[0];
    for (int i = 1; i < chains; ++i) total += chain[i];
    result[thread] = sum(total);
  }
};

/// Flops per second of all host threads together: the best of a few short runs.
template <class T>
double peak_flops() {
  using Exec = Kokkos::DefaultHostExecutionSpace;
  using Kernel = MultiplyAdds<T>;
  Exec const exec;
  int const threads = static_cast<int>(exec.concurrency());
  Kokkos::View<T*, Kokkos::HostSpace> const result("peak", static_cast<std::size_t>(threads));
  constexpr long rounds = 400000;
  double best = 0;
  for (int run = 0; run < 5; ++run) {
    auto const begin = std::chrono::steady_clock::now();
    Kokkos::parallel_for("peak",
                         Kokkos::RangePolicy<Exec, Kokkos::IndexType<int>>(exec, 0, threads, Kokkos::ChunkSize(1)),
                         Kernel{rounds, T(0.5), T(1) + static_cast<T>(run), result.data()});
    exec.fence("peak");
    std::chrono::duration<double> const time = std::chrono::steady_clock::now() - begin;
    best = std::max(best, 2.0 * rounds * Kernel::chains * Kernel::V::size * threads / time.count());
  }
  return best;
}

/// a = b + s * c over numbers far beyond the caches.
struct Triad {
  float* a;
  float const* b;
  float const* c;
  float s;
  void operator()(std::size_t i) const { a[i] = b[i] + s * c[i]; }
};

/// Bytes per second between memory and all host threads together, as the triad of STREAM counts them: the best of a few runs.
inline double triad_bytes() {
  using Exec = Kokkos::DefaultHostExecutionSpace;
  Exec const exec;
  constexpr std::size_t count = std::size_t{1} << 25;
  using Numbers = Kokkos::View<float*, Kokkos::HostSpace>;
  Numbers const a("triad", count), b("triad", count), c("triad", count);
  double best = 0;
  for (int run = 0; run < 4; ++run) {
    auto const begin = std::chrono::steady_clock::now();
    Kokkos::parallel_for("triad", Kokkos::RangePolicy<Exec>(exec, 0, count), Triad{a.data(), b.data(), c.data(), 0.5F});
    exec.fence("triad");
    std::chrono::duration<double> const time = std::chrono::steady_clock::now() - begin;
    best = std::max(best, 3.0 * sizeof(float) * count / time.count());
  }
  return best;
}

}  // namespace bench
