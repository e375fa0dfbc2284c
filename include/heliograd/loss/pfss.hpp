// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <heliograd/op/arithmetic.hpp>
#include <heliograd/op/pfss.hpp>
#include <heliograd/op/pointwise.hpp>
#include <heliograd/op/reduce.hpp>

namespace heliograd::inline HELIOGRAD_ABI::loss {

struct PfssLossOptions {
  PfssOptions model = {};
  double field = 1;        ///< weight of the mean square difference of the source-surface fields
  double flux = 0;         ///< weight of the squared difference of mean unsigned fields there, which are open fluxes
  double softness = 1e-3;  ///< |B| is taken as sqrt(B^2 + softness^2) - softness, in the maps' unit
};

namespace detail {

struct SquaredDifference {
  template <class T>
  KOKKOS_FUNCTION T operator()(T a, T b) const {
    T const d = a - b;
    return d * d;
  }
};

template <class Scalar>
struct SoftAbsolute {
  Scalar softness;
  template <class T>
  KOKKOS_FUNCTION T operator()(T b) const {
    using Kokkos::sqrt;
    T const s(softness);
    return sqrt(b * b + s * s) - s;
  }
};

}  // namespace detail

/// How far the corona of one magnetogram is from that of another: the radial field on the source surface, and its unsigned
/// flux.
///
/// Shapes   prediction, target [n, n_s, n_phi, 1] -> [].
/// Math     field * mean (y - y')^2 + flux * (mean |y| - mean |y'|)^2, with y, y' = pfss_source_surface of both; means are
///          over the equal-area cells of all maps, so mean |y| is the open flux over 4 pi rss^2.
/// Gradient exact; smooth, where softness is above zero.
/// Keeps    both source surfaces.
/// Cost     one source surface per map and pass.
/// Throws   as `pfss_source_surface`; ShapeError for different shapes.
template <class B>
Var<0, B> pfss(Var<4, B> prediction, Var<4, B> target, PfssLossOptions options = {}) {
  expect_shape(prediction.shape() == target.shape(), "loss::pfss: the prediction is " + to_string(prediction.shape()) +
                                                         ", the target is " + to_string(target.shape()));
  auto const y = pfss_source_surface(prediction, options.model);
  auto const wanted = pfss_source_surface(target, options.model);
  auto const field = mean(pointwise("heliograd::loss::pfss", detail::SquaredDifference{}, y, wanted));
  auto const total = static_cast<typename B::scalar_type>(options.field) * field;
  if (options.flux == 0) return total;
  using Scalar = typename B::scalar_type;
  detail::SoftAbsolute<Scalar> const absolute{static_cast<Scalar>(options.softness)};
  auto const flux = mean(pointwise("heliograd::loss::open_flux", absolute, y));
  auto const wanted_flux = mean(pointwise("heliograd::loss::open_flux", absolute, wanted));
  return total + static_cast<typename B::scalar_type>(options.flux) *
                     pointwise("heliograd::loss::open_flux", detail::SquaredDifference{}, flux, wanted_flux);
}

}  // namespace heliograd::inline HELIOGRAD_ABI::loss
