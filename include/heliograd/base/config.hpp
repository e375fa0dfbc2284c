// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <heliograd/version.hpp>

/// \file
/// What every header needs to agree on before it opens the namespace.
///
/// HELIOGRAD_ABI names the inline namespace. Everything that changes the layout of a type or the body of an inline
/// function by a compiler flag is part of that name, so that two translation units that disagree link as strangers
/// instead of silently sharing code: the version, the vector instruction set of host kernels, the checked build.

/// 1 in the checked build: stale Vars, missing clears and index errors are caught, at some cost.
#ifndef HELIOGRAD_CHECKS
#define HELIOGRAD_CHECKS 0
#endif

// Device compilers run two passes that may see different host instruction sets: they get one name for both.
#if defined(__CUDACC__) || defined(__HIPCC__) || defined(__HIP__)
#define HELIOGRAD_DETAIL_ISA device
#elif defined(__AVX512F__)
#define HELIOGRAD_DETAIL_ISA avx512
#elif defined(__AVX2__) && defined(__FMA__)
#define HELIOGRAD_DETAIL_ISA avx2
#elif defined(__ARM_NEON)
#define HELIOGRAD_DETAIL_ISA neon
#else
#define HELIOGRAD_DETAIL_ISA generic
#endif

#define HELIOGRAD_DETAIL_ABI_NAME(major, minor, isa, checks) v##major##_##minor##_##isa##_##checks
#define HELIOGRAD_DETAIL_ABI_EXPAND(major, minor, isa, checks) HELIOGRAD_DETAIL_ABI_NAME(major, minor, isa, checks)
#if HELIOGRAD_CHECKS
#define HELIOGRAD_ABI \
  HELIOGRAD_DETAIL_ABI_EXPAND(HELIOGRAD_VERSION_MAJOR, HELIOGRAD_VERSION_MINOR, HELIOGRAD_DETAIL_ISA, checked)
#else
#define HELIOGRAD_ABI \
  HELIOGRAD_DETAIL_ABI_EXPAND(HELIOGRAD_VERSION_MAJOR, HELIOGRAD_VERSION_MINOR, HELIOGRAD_DETAIL_ISA, release)
#endif

/// Before a loop whose iterations are independent of each other, so that the host compiler vectorises it without asking
/// whether the pointers overlap.
#if defined(__clang__)
#define HELIOGRAD_INDEPENDENT_LOOP _Pragma("clang loop vectorize(assume_safety) interleave(assume_safety)")
#elif defined(__GNUC__)
#define HELIOGRAD_INDEPENDENT_LOOP _Pragma("GCC ivdep")
#else
#define HELIOGRAD_INDEPENDENT_LOOP
#endif

/// Before a function of much arithmetic on little memory: loops become code of whole registers. Left to itself, g++ takes half of
/// them on most processors with AVX-512.
#if defined(__GNUC__) && !defined(__clang__) && !defined(__CUDACC__) && defined(__AVX512F__)
#define HELIOGRAD_WHOLE_REGISTERS [[gnu::target("prefer-vector-width=512")]]
#else
#define HELIOGRAD_WHOLE_REGISTERS
#endif

/// The library. Users write `namespace hg = heliograd;`.
namespace heliograd::inline HELIOGRAD_ABI {}
