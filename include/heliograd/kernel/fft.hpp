// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <cstddef>
#include <mutex>
#include <type_traits>

#include <heliograd/base/error.hpp>
#include <heliograd/kernel/launch.hpp>

#if defined(KOKKOS_ENABLE_CUDA)
#include <cufft.h>
#elif defined(KOKKOS_ENABLE_HIP) && __has_include(<hipfft/hipfft.h>)
#include <hipfft/hipfft.h>
#endif
#if __has_include(<fftw3.h>)
#include <fftw3.h>
#endif

/// \file
/// Fourier transforms of many real rows, by the library of the backend: FFTW on hosts, cuFFT and hipFFT on GPUs. Needs the
/// component heliograd::fft, which brings FFTW; it is not among the headers of heliograd.hpp.
///
/// Transforms are in double precision and in place. Row r of `length` numbers begins at `rows + r * pitch`, where pitch is
/// even and at least 2 (length / 2 + 1); the spectrum of a row takes its place, as length / 2 + 1 pairs (real, imaginary).
/// Neither direction is scaled: forth and back multiplies by `length`. One row always gives the same bits: plans are
/// estimated, not measured, and a row is transformed by one thread.
namespace heliograd::inline HELIOGRAD_ABI::kernel {

namespace detail {

#if __has_include(<fftw3.h>)

/// The planner of FFTW is the one part of it that two threads must not use at once.
inline std::mutex& fftw_planner() {
  static std::mutex mutex;
  return mutex;
}

struct FftwForward {
  fftw_plan plan;
  double* rows;
  std::size_t pitch;
  void operator()(std::size_t r) const {
    double* const row = rows + r * pitch;
    fftw_execute_dft_r2c(plan, row, reinterpret_cast<fftw_complex*>(row));
  }
};

struct FftwInverse {
  fftw_plan plan;
  double* rows;
  std::size_t pitch;
  void operator()(std::size_t r) const {
    double* const row = rows + r * pitch;
    fftw_execute_dft_c2r(plan, reinterpret_cast<fftw_complex*>(row), row);
  }
};

template <class B>
void host_fft(Workspace<B>& ws, double* rows, std::size_t count, std::size_t length, std::size_t pitch, bool forward) {
  // A multiple of 16 bytes from row to row keeps the alignment that the plan was made for.
  unsigned const flags = FFTW_ESTIMATE;
  auto* const spectrum = reinterpret_cast<fftw_complex*>(rows);
  int const n = static_cast<int>(length);
  fftw_plan plan;
  {
    std::lock_guard<std::mutex> const lock(fftw_planner());
    plan = forward ? fftw_plan_dft_r2c_1d(n, rows, spectrum, flags) : fftw_plan_dft_c2r_1d(n, spectrum, rows, flags);
  }
  if (plan == nullptr) throw NumericalError("heliograd: FFTW has no plan for rows of " + std::to_string(length));
  if (forward)
    for_each_item(ws, "heliograd::fft", count, FftwForward{plan, rows, pitch});
  else
    for_each_item(ws, "heliograd::fft", count, FftwInverse{plan, rows, pitch});
  ws.exec().fence("heliograd::fft: the plan is in use");
  std::lock_guard<std::mutex> const lock(fftw_planner());
  fftw_destroy_plan(plan);
}

#endif

#if defined(KOKKOS_ENABLE_CUDA)
inline void cufft_expect(cufftResult result) {
  if (result != CUFFT_SUCCESS) throw NumericalError("heliograd: cuFFT failed with code " + std::to_string(result));
}

template <class B>
void device_fft(Workspace<B>& ws, double* rows, std::size_t count, std::size_t length, std::size_t pitch,
                bool forward) {
  cufftHandle plan;
  int n = static_cast<int>(length);
  int real_pitch = static_cast<int>(pitch), pair_pitch = static_cast<int>(pitch / 2);
  int const batch = static_cast<int>(count);
  if (forward)
    cufft_expect(cufftPlanMany(&plan, 1, &n, &real_pitch, 1, real_pitch, &pair_pitch, 1, pair_pitch, CUFFT_D2Z, batch));
  else
    cufft_expect(cufftPlanMany(&plan, 1, &n, &pair_pitch, 1, pair_pitch, &real_pitch, 1, real_pitch, CUFFT_Z2D, batch));
  cufft_expect(cufftSetStream(plan, ws.exec().cuda_stream()));
  auto* const spectrum = reinterpret_cast<cufftDoubleComplex*>(rows);
  cufft_expect(forward ? cufftExecD2Z(plan, rows, spectrum) : cufftExecZ2D(plan, spectrum, rows));
  ws.exec().fence("heliograd::fft: the plan is in use");
  cufftDestroy(plan);
}
#elif defined(KOKKOS_ENABLE_HIP) && __has_include(<hipfft/hipfft.h>)
inline void hipfft_expect(hipfftResult result) {
  if (result != HIPFFT_SUCCESS) throw NumericalError("heliograd: hipFFT failed with code " + std::to_string(result));
}

template <class B>
void device_fft(Workspace<B>& ws, double* rows, std::size_t count, std::size_t length, std::size_t pitch,
                bool forward) {
  hipfftHandle plan;
  int n = static_cast<int>(length);
  int real_pitch = static_cast<int>(pitch), pair_pitch = static_cast<int>(pitch / 2);
  int const batch = static_cast<int>(count);
  if (forward)
    hipfft_expect(
        hipfftPlanMany(&plan, 1, &n, &real_pitch, 1, real_pitch, &pair_pitch, 1, pair_pitch, HIPFFT_D2Z, batch));
  else
    hipfft_expect(
        hipfftPlanMany(&plan, 1, &n, &pair_pitch, 1, pair_pitch, &real_pitch, 1, real_pitch, HIPFFT_Z2D, batch));
  hipfft_expect(hipfftSetStream(plan, ws.exec().hip_stream()));
  auto* const spectrum = reinterpret_cast<hipfftDoubleComplex*>(rows);
  hipfft_expect(forward ? hipfftExecD2Z(plan, rows, spectrum) : hipfftExecZ2D(plan, spectrum, rows));
  ws.exec().fence("heliograd::fft: the plan is in use");
  (void)hipfftDestroy(plan);
}
#endif

template <class B>
void fft_rows(Workspace<B>& ws, double* rows, std::size_t count, std::size_t length, std::size_t pitch, bool forward) {
  expect(length >= 1 && pitch % 2 == 0 && pitch >= 2 * (length / 2 + 1) && count * pitch < (std::size_t{1} << 40),
         "fft: the pitch of rows must be even and hold the spectrum");
  if (count == 0 || ws.dry()) return;
  if constexpr (B::on_host) {
#if __has_include(<fftw3.h>)
    host_fft(ws, rows, count, length, pitch, forward);
#else
    static_assert(!B::on_host,
                  "heliograd::kernel::fft needs FFTW on hosts: install it (Debian: libfftw3-dev) and link "
                  "heliograd::fft");
#endif
  } else {
#if defined(KOKKOS_ENABLE_CUDA) || (defined(KOKKOS_ENABLE_HIP) && __has_include(<hipfft/hipfft.h>))
    device_fft(ws, rows, count, length, pitch, forward);
#else
    throw UsageError("heliograd: fft: this backend has no Fourier transform here (CUDA needs cuFFT, HIP needs hipFFT)");
#endif
  }
}

}  // namespace detail

/// The spectra of `count` rows, in their place: X_m = sum_i x_i exp(-2 pi i m i / length).
template <class B>
void fft_forward(Workspace<B>& ws, double* rows, std::size_t count, std::size_t length, std::size_t pitch) {
  detail::fft_rows(ws, rows, count, length, pitch, true);
}

/// The rows of `count` spectra, in their place: x_i = sum over all m of X_m exp(+2 pi i m i / length).
template <class B>
void fft_inverse(Workspace<B>& ws, double* rows, std::size_t count, std::size_t length, std::size_t pitch) {
  detail::fft_rows(ws, rows, count, length, pitch, false);
}

}  // namespace heliograd::inline HELIOGRAD_ABI::kernel
