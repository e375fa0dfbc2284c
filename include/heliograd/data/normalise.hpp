// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <string>

#include <heliograd/base/error.hpp>
#include <heliograd/kernel/launch.hpp>

/// \file
/// Between physical units and the numbers networks like. Each scale has `to_network`, its inverse `to_physical`, and the
/// physical unit; both run on host and device. NaN stays NaN.
namespace heliograd::inline HELIOGRAD_ABI::data {

/// network = physical / one. Nothing is clipped.
struct LinearScale {
  double one = 3500;  ///< the physical value of the number 1
  char const* unit = "G";

  template <class T>
  KOKKOS_FUNCTION T to_network(T physical) const {
    return physical / T(one);
  }
  template <class T>
  KOKKOS_FUNCTION T to_physical(T network) const {
    return network * T(one);
  }
};

/// Linear for weak fields, logarithmic for strong ones, odd; +-limit becomes +-1, and beyond it goes on.
/// Math     \f$ y = \mathrm{sign}(x) \ln(1 + |x|/t) / \ln(1 + L/t) \f$
struct SignedLogScale {
  double threshold = 60;
  double limit = 5000;
  char const* unit = "G";

  template <class T>
  KOKKOS_FUNCTION T to_network(T physical) const {
    T const size = Kokkos::log1p(Kokkos::abs(physical) / T(threshold)) / T(range());
    return physical < T(0) ? -size : size;
  }
  template <class T>
  KOKKOS_FUNCTION T to_physical(T network) const {
    T const size = T(threshold) * Kokkos::expm1(Kokkos::abs(network) * T(range()));
    return network < T(0) ? -size : size;
  }

 private:
  KOKKOS_FUNCTION double range() const { return Kokkos::log1p(limit / threshold); }
};

/// Photon counts: from 0 to 2^bits - 1, which become -1 and 1. Values outside are clipped, so only those inside come back.
/// Math     \f$ y = \frac{2}{bits} \log_2(\mathrm{clip}(x + 1, 1, 2^{bits})) - 1 \f$
struct Log2Scale {
  double bits = 14;
  char const* unit = "DN/s";

  template <class T>
  KOKKOS_FUNCTION T to_network(T physical) const {
    T const scaled = Kokkos::log2(physical + T(1)) * T(2 / bits) - T(1);
    return physical <= T(0) ? T(-1) : scaled > T(1) ? T(1) : scaled;
  }
  template <class T>
  KOKKOS_FUNCTION T to_physical(T network) const {
    return Kokkos::exp2(T(bits / 2) * (network + T(1))) - T(1);
  }
};

namespace detail {
template <class Scale, class T, bool ToNetwork>
struct ApplyScale {
  Scale scale;
  T const* x;
  T* y;
  KOKKOS_FUNCTION void operator()(std::size_t i) const {
    if constexpr (ToNetwork)
      y[i] = scale.to_network(x[i]);
    else
      y[i] = scale.to_physical(x[i]);
  }
};
}  // namespace detail

/// y = scale.to_network(x), element by element; y may be x.
template <class B, int Rank, class Scale>
void normalise(Workspace<B>& ws, Scale const& scale, ConstTensorRef<Rank, B> const& x, TensorRef<Rank, B> const& y) {
  using Scalar = typename B::scalar_type;
  expect_shape(shape_of(x) == shape_of(y),
               "normalise: input " + to_string(shape_of(x)) + " and output " + to_string(shape_of(y)) + " differ");
  kernel::for_each_element(ws, "heliograd::normalise", x.size(),
                           detail::ApplyScale<Scale, Scalar, true>{scale, x.data(), y.data()});
}

/// y = scale.to_physical(x), element by element; y may be x.
template <class B, int Rank, class Scale>
void denormalise(Workspace<B>& ws, Scale const& scale, ConstTensorRef<Rank, B> const& x, TensorRef<Rank, B> const& y) {
  using Scalar = typename B::scalar_type;
  expect_shape(shape_of(x) == shape_of(y),
               "denormalise: input " + to_string(shape_of(x)) + " and output " + to_string(shape_of(y)) + " differ");
  kernel::for_each_element(ws, "heliograd::denormalise", x.size(),
                           detail::ApplyScale<Scale, Scalar, false>{scale, x.data(), y.data()});
}

}  // namespace heliograd::inline HELIOGRAD_ABI::data
