// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <heliograd/core/sink.hpp>
#include <heliograd/core/workspace.hpp>
#include <heliograd/kernel/detail/conv2d_geometry.hpp>
#include <heliograd/kernel/detail/delivery.hpp>
#include <heliograd/kernel/detail/winograd_host.hpp>
#include <heliograd/kernel/detail/winograd_panels.hpp>

/// \file
/// The three directions of a convolution after Winograd, one group of channels: by blocks of tiles or by panels of filters,
/// whichever moves less through memory.
namespace heliograd::inline HELIOGRAD_ABI::kernel::detail {

template <class F, class B, class T = typename B::scalar_type>
void winograd_correlation(Workspace<B>& ws, CorrelationPlan const& plan, PackWinograd<F, T> const& pack, T const* from,
                          Delivery<T> const& to) {
  auto scope = ws.scope();
  auto const kernel = correlation<B>(ws, scope, plan, pack, from, to);
  char const* const name = pack.transposed ? "heliograd::conv2d_backward_data" : "heliograd::conv2d";
  if (pays_by_panels(pack.filters, kernel.tiles.count()))
    winograd_by_panels(ws, name, kernel, pack);
  else
    winograd_by_blocks(ws, name, kernel, pack);
}

template <class F, class B, class T = typename B::scalar_type>
void conv2d_winograd(Workspace<B>& ws, Conv2dGeometry const& geometry, T const* x, T const* weight,
                     Delivery<T> const& y) {
  FoldedGeometry const g{geometry};
  winograd_correlation(ws, CorrelationPlan::forward(g), PackWinograd<F, T>::forward(g, weight), x, y);
}

/// Whether the phases of x are better computed one by one. Padding shifts them against each other, so that the tiles of all are
/// more than those of each: of 16 x 16 folded pixels 25 instead of 16. The width alone decides: a band of rows of an image has the
/// bits of the whole.
template <class F>
bool are_phases_apart(FoldedGeometry const& g) {
  auto const tiles = [](CorrelationPlan const& plan) { return (plan.columns + F::outputs - 1) / F::outputs; };
  return g.fold() > 1 &&
         10 * tiles(CorrelationPlan::to_phase(g, F::taps, 0)) <= 9 * tiles(CorrelationPlan::to_data(g, F::taps));
}

template <class F, class B, class T = typename B::scalar_type>
void conv2d_backward_data_winograd(Workspace<B>& ws, Conv2dGeometry const& geometry, T const* gy, T const* weight,
                                   Delivery<T> const& gx) {
  FoldedGeometry const g{geometry};
  if (is_zero_padded(g) && are_phases_apart<F>(g))
    for (int phase = 0; phase < g.phases(); ++phase)
      winograd_correlation(ws, CorrelationPlan::to_phase(g, F::taps, phase),
                           PackWinograd<F, T>::to_phase(g, weight, phase), gy, gx);
  else if (is_zero_padded(g) && (g.fold() == 1 || g.in_channels % Simd<T>::size == 0))
    winograd_correlation(ws, CorrelationPlan::to_data(g, F::taps), PackWinograd<F, T>::to_data(g, weight), gy, gx);
  else
    winograd_data_repeated<F, B>(ws, g, gy, weight, gx);
}

template <class F, class B, class T = typename B::scalar_type>
void conv2d_backward_weight_winograd(Workspace<B>& ws, Conv2dGeometry const& geometry, T const* x, T const* gy,
                                     Sink<4, B> gw) {
  FoldedGeometry const g{geometry};
  auto const tiles = GradientTiles<F, T>::of(g, x, gy);
  auto const filters = TransformedFilters<F, T>::all({g.out_channels}, g.folded_channels());
  auto const bytes = [](std::int64_t numbers) { return numbers * static_cast<std::int64_t>(sizeof(T)); };
  int const groups = partial_groups(bytes(filters.size()), tiles.tiles.blocks);
  GradientFactors<F, T> const factors{tiles, nullptr, nullptr};
  if (groups == 1 && tiles.tiles.blocks > 0 && pays_by_panels(filters, tiles.tiles.count()) &&
      bytes(factors.pixels_size() + factors.gradients_size()) <= winograd_bytes)
    winograd_gradient_by_panels<F, B>(ws, factors, gw);
  else
    winograd_gradient_by_blocks<F, B>(ws, tiles, groups, gw);
}

}  // namespace heliograd::inline HELIOGRAD_ABI::kernel::detail
