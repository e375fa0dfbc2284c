// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <cstddef>
#include <cstdint>

#include <heliograd/core/random.hpp>
#include <heliograd/core/tensor.hpp>
#include <heliograd/kernel/launch.hpp>

/// \file
/// Tensors of random numbers: element i is the number at index i of a stream, so the field is the same on every backend, for
/// any number of threads, and again for the same stream.
namespace heliograd::inline HELIOGRAD_ABI::kernel {

namespace detail {

template <class T>
struct UniformField {
  RandomStream stream;
  T low, width;
  T* y;
  KOKKOS_FUNCTION void operator()(std::size_t i) const { y[i] = low + width * stream.template uniform<T>(i); }
};

template <class T>
struct NormalField {
  RandomStream stream;
  T mean, deviation;
  T* y;
  KOKKOS_FUNCTION void operator()(std::size_t i) const { y[i] = mean + deviation * stream.template normal<T>(i); }
};

template <class T>
struct BernoulliField {
  RandomStream stream;
  T share;
  T* y;
  KOKKOS_FUNCTION void operator()(std::size_t i) const { y[i] = stream.template uniform<T>(i) < share ? T(1) : T(0); }
};

template <class T>
struct RandomMix {
  RandomStream stream;
  T const* a;
  T const* b;
  std::size_t length;
  T* y;
  KOKKOS_FUNCTION void operator()(std::size_t i) const {
    T const share = stream.template uniform<T>(i / length);
    y[i] = share * a[i] + (T(1) - share) * b[i];
  }
};

/// A Poisson draw of a mean, from the numbers of one element of a stream.
///
/// Small means by counting how many factors keep a product of uniform numbers above e^-mean, exactly; large ones by the
/// transformed rejection of Hormann (PTRS; Insurance: Mathematics and Economics 1993), also exactly.
struct PoissonDraw {
  RandomStream stream;
  std::uint64_t element;

  /// The k-th uniform number of this element, in [0, 1).
  KOKKOS_FUNCTION double uniform(std::uint64_t k) const {
    return stream.template uniform<double>((element << 20 | (k & 0xFFFFFu)));
  }

  KOKKOS_FUNCTION double operator()(double mean) const {
    if (!(mean > 0 && mean < 1e15)) return mean == 0 ? 0.0 : Kokkos::Experimental::quiet_NaN_v<double>;
    if (mean < 10) {
      double const floor = Kokkos::exp(-mean);
      double product = 1;
      for (std::uint64_t k = 0;; ++k) {
        product *= 1.0 - uniform(k);
        if (product <= floor) return static_cast<double>(k);
      }
    }
    double const root = Kokkos::sqrt(mean), log_mean = Kokkos::log(mean);
    double const b = 0.931 + 2.53 * root;
    double const a = -0.059 + 0.02483 * b;
    double const inverse_alpha = 1.1239 + 1.1328 / (b - 3.4);
    double const accept = 0.9277 - 3.6224 / (b - 2);
    for (std::uint64_t trial = 0;; ++trial) {
      double const u = uniform(2 * trial) - 0.5;
      double const v = 1.0 - uniform(2 * trial + 1);
      double const edge = 0.5 - Kokkos::fabs(u);
      double const k = Kokkos::floor((2 * a / edge + b) * u + mean + 0.43);
      if (edge >= 0.07 && v <= accept) return k;
      if (k < 0 || (edge < 0.013 && v > edge)) continue;
      double const left = Kokkos::log(v * inverse_alpha / (a / (edge * edge) + b));
      if (left <= k * log_mean - mean - Kokkos::lgamma(k + 1)) return k;
    }
  }
};

template <class T>
struct PhotonNoise {
  RandomStream photons, readout;
  T const* x;
  double gain, deviation;
  T* y;
  KOKKOS_FUNCTION void operator()(std::size_t i) const {
    double const counts = PoissonDraw{photons, i}(static_cast<double>(x[i]) * gain);
    y[i] = static_cast<T>(counts / gain + deviation * readout.template normal<double>(i));
  }
};

}  // namespace detail

/// Uniform numbers in [low, high).
template <class B, int Rank>
void random_uniform(Workspace<B>& ws, RandomStream const& stream, double low, double high,
                    TensorRef<Rank, B> const& y) {
  using T = typename B::scalar_type;
  for_each_element(ws, "heliograd::random_uniform", y.size(),
                   detail::UniformField<T>{stream, static_cast<T>(low), static_cast<T>(high - low), y.data()});
}

/// Normal numbers.
template <class B, int Rank>
void random_normal(Workspace<B>& ws, RandomStream const& stream, double mean, double deviation,
                   TensorRef<Rank, B> const& y) {
  using T = typename B::scalar_type;
  for_each_element(ws, "heliograd::random_normal", y.size(),
                   detail::NormalField<T>{stream, static_cast<T>(mean), static_cast<T>(deviation), y.data()});
}

/// Ones with probability `share`, zeros otherwise.
template <class B, int Rank>
void random_bernoulli(Workspace<B>& ws, RandomStream const& stream, double share, TensorRef<Rank, B> const& y) {
  using T = typename B::scalar_type;
  for_each_element(ws, "heliograd::random_bernoulli", y.size(),
                   detail::BernoulliField<T>{stream, static_cast<T>(share), y.data()});
}

/// y = s a + (1 - s) b with one uniform share s for each entry of the first axis.
template <class B, int Rank>
void random_mix(Workspace<B>& ws, RandomStream const& stream, ConstTensorRef<Rank, B> const& a,
                ConstTensorRef<Rank, B> const& b, TensorRef<Rank, B> const& y) {
  using T = typename B::scalar_type;
  if (y.size() == 0) return;
  for_each_element(ws, "heliograd::random_mix", y.size(),
                   detail::RandomMix<T>{stream, a.data(), b.data(), y.size() / y.extent(0), y.data()});
}

/// What a camera reads of an image x in which one photon counts 1 / gain: y = Poisson(gain x) / gain + N(0, deviation). Exact at
/// any mean; NaN where gain x is negative, NaN or above 1e15. The streams of photons and of the readout must differ.
template <class B, int Rank>
void photon_noise(Workspace<B>& ws, RandomStream const& photons, RandomStream const& readout,
                  ConstTensorRef<Rank, B> const& x, double gain, double deviation, TensorRef<Rank, B> const& y) {
  using T = typename B::scalar_type;
  for_each_element(ws, "heliograd::photon_noise", y.size(),
                   detail::PhotonNoise<T>{photons, readout, x.data(), gain, deviation, y.data()});
}

}  // namespace heliograd::inline HELIOGRAD_ABI::kernel
