// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include <heliograd/op/arithmetic.hpp>
#include <heliograd/physics/monopole.hpp>
#include <heliograd/physics/remap.hpp>

/// \file
/// The whole Sun at one time: disks of several observers laid over a synoptic map.
namespace heliograd::inline HELIOGRAD_ABI::physics {

/// A disk of line-of-sight field (one generated for the far side among them), gauss.
template <class B>
struct DiskInput {
  Var<4, B> field;  ///< [1, h, w, 1], finite everywhere
  Var<4, B> seen;   ///< the same shape: 1 where the field is known, 0 elsewhere
  DiskView view;
  double julian_date = 0;  ///< terrestrial time, days
  double noise_gauss = 0;  ///< standard deviation of a pixel
};

/// A map of radial field, gauss.
template <class B>
struct MapInput {
  Var<4, B> field;  ///< [1, h, w, 1], finite everywhere
  Var<4, B> seen;   ///< the same shape: 1 where the field is known, 0 elsewhere
  MapGrid grid;
  double julian_date = 0;
  double noise_gauss = 0;
};

struct SynchronicOptions {
  double weight_power = 4;             ///< a disk counts as mu to this power
  double mu_min = 0.5;                 ///< and not at all from here to its limb: 60 degrees from its centre
  double alone = 0.70710678118654752;  ///< where the first disk has a larger mu it stands alone: within 45 degrees
  /// Over this range of mu beyond the two limits above weights change smoothly, so that no edge is seen; 0 cuts.
  double blend = 0.1;
  DifferentialRotation rotation = howard_rotation();
  WarpOptions sample = {};
  std::size_t samples = 4;  ///< points per side of a map pixel that are averaged (RemapOptions)
  bool keep_monopole = false;
};

/// The result; all on the tape of the inputs, [1, height, width, 1] each.
template <class B>
struct SynchronicMap {
  Var<4, B> field;  ///< radial field, gauss; 0 where nothing is known
  std::vector<Var<4, B>>
      shares;          ///< of each disk, and of the synoptic map last, if there is one: they add up to 1, or 0
  Var<4, B> noise;     ///< standard deviation that the noise of the inputs leaves, gauss
  Var<1, B> monopole;  ///< [1]: the mean that was there, gauss
};

inline constexpr int most_disks = 8;

namespace detail {

/// 0 up to `low`, 1 from `low + range` on, with a slope of 0 at both.
KOKKOS_INLINE_FUNCTION double smooth_step(double x, double low, double range) {
  if (!(range > 0)) return x > low ? 1 : 0;
  double const t = (x - low) / range;
  return t <= 0 ? 0 : t >= 1 ? 1 : t * t * (3 - 2 * t);
}

/// Shares of the inputs at one pixel of the map, and the factors that bring what was sampled, zeros where nothing is seen
/// included, to radial field in that share.
template <class Scalar>
struct ShareOut {
  int disks;
  bool filled;
  SynchronicOptions options;
  Scalar const* mu[most_disks];
  Scalar const* seen[most_disks + 1];  // the part of the pixel that is known
  double noise_gauss[most_disks + 1];
  Scalar* share[most_disks + 1];
  Scalar* factor[most_disks + 1];
  Scalar* noise;

  KOKKOS_FUNCTION void operator()(std::size_t i) const {
    double weight[most_disks + 1] = {};
    double total = 0, cover = 0;
    for (int k = 0; k < disks; ++k) {
      double const m = static_cast<double>(mu[k][i]);
      if (!(m > options.mu_min) || !(seen[k][i] > Scalar(0.5))) continue;
      double const ramp = smooth_step(m, options.mu_min, options.blend);
      weight[k] = ramp * Kokkos::pow(m, options.weight_power);
      if (k > 0 && seen[0][i] > Scalar(0.5))
        weight[k] *= 1 - smooth_step(static_cast<double>(mu[0][i]), options.alone, options.blend);
      total += weight[k];
      cover = cover > ramp ? cover : ramp;
    }
    bool const known = filled && seen[disks][i] > Scalar(0.5);
    if (!known) cover = total > 0 ? 1 : 0;
    double variance = 0;
    for (int k = 0; k < disks + (filled ? 1 : 0); ++k) {
      bool const disk = k < disks;
      double const s = disk ? (total > 0 ? cover * weight[k] / total : 0) : (known ? 1 - cover : 0);
      share[k][i] = static_cast<Scalar>(s);
      factor[k][i] = s > 0 ? static_cast<Scalar>(s / static_cast<double>(seen[k][i])) : Scalar(0);
      double const deviation = s * noise_gauss[k] / (disk && s > 0 ? static_cast<double>(mu[k][i]) : 1);
      variance += deviation * deviation;
    }
    noise[i] = static_cast<Scalar>(Kokkos::sqrt(variance));
  }
};

}  // namespace detail

/// Merges disks into the radial field of the whole Sun at the time `julian_date`, on the pixels of `target`.
///
/// Shapes   fields [1, h, w, 1] of any sizes -> [1, height, width, 1] of the target.
/// Math     each input turned by differential rotation to the time; \f$ B_r = \sum_k s_k B_k / \mu_k + (1 - \sum_k s_k) B_{map} \f$
///          with shares \f$ s_k \propto r(\mu_k)\, \mu_k^p\, (1 - r_0(\mu_0)) \f$, the last factor for all disks but the first;
///          r rises from 0 to 1 as \f$ 3t^2 - 2t^3 \f$ over `blend` above mu_min, r_0 above `alone`. The disks together have the
///          largest of their r, the synoptic map what remains. Then the mean is taken off.
/// Gradient to the fields of disks and map: the whole is linear in them.
/// Keeps    the shares.
/// Cost     a remap per input.
/// Throws   UsageError without a disk, or with more than 8.
/// Radial field is taken on each disk's own pixels (B / mu), before it is averaged. Noise is that of single pixels, taken as
/// common to all that a map pixel averages: an upper bound.
template <class B>
SynchronicMap<B> synchronic_map(std::vector<DiskInput<B>> const& disks, std::optional<MapInput<B>> const& fill,
                                MapGrid const& target, double julian_date, SynchronicOptions const& options = {}) {
  using Scalar = typename B::scalar_type;
  expect(!disks.empty() && disks.size() <= most_disks,
         "synchronic_map: " + std::to_string(disks.size()) + " disks; give 1 to " + std::to_string(most_disks));
  expect(options.mu_min > 0 && options.mu_min < 1 && options.blend >= 0,
         "synchronic_map: mu_min must be between 0 and 1, and blend not negative");
  Tape<B>& tape = disks.front().field.tape();
  Workspace<B>& ws = tape.workspace();
  Shape<4> const shape{std::size_t{1}, target.height, target.width, std::size_t{1}};
  auto const plane = [](Var<4, B> const& x) { return TensorRef<2, B>(x.value.data(), x.shape()[1], x.shape()[2]); };
  auto const check = [](Var<4, B> const& field, Var<4, B> const& seen) {
    expect_shape(field.shape()[0] == 1 && field.shape()[3] == 1 && seen.shape() == field.shape(),
                 "synchronic_map: a field " + to_string(field.shape()) + " seen in " + to_string(seen.shape()) +
                     "; give [1, h, w, 1] for both");
  };

  detail::ShareOut<Scalar> share_out{static_cast<int>(disks.size()), fill.has_value(), options, {}, {}, {}, {}, {}, {}};
  SynchronicMap<B> result;
  std::vector<Var<4, B>> sampled, factors;
  auto const add = [&](Var<4, B> field, Var<4, B> seen, double noise_gauss) {
    std::size_t const k = sampled.size();
    sampled.push_back(field);
    result.shares.push_back(tape.make(shape, false));
    factors.push_back(tape.make(shape, false));
    share_out.seen[k] = seen.value.data();
    share_out.noise_gauss[k] = noise_gauss;
    share_out.share[k] = result.shares.back().value.data();
    share_out.factor[k] = factors.back().value.data();
  };
  RemapOptions remapping{options.sample, options.rotation, 0, 0, options.samples};
  remapping.sample.fill = 0;
  for (DiskInput<B> const& disk : disks) {
    check(disk.field, disk.seen);
    remapping.elapsed_s = (julian_date - disk.julian_date) * day_s;
    // The limb itself, where 1 / mu runs away, is left out with a margin for the interpolation.
    double const limb = 0.5 * options.mu_min;
    auto const to_radial = tape.make(disk.field.shape(), false);
    radial_factor<B>(ws, disk.view, limb, plane(to_radial));
    auto const mu = tape.make(shape, false);
    remapped_mu<B>(ws, disk.view, target, remapping, plane(mu));
    share_out.mu[sampled.size()] = mu.value.data();
    remapping.mu_min = limb;
    add(remap(disk.field * disk.seen * to_radial, disk.view, target, remapping),
        remap(tape.detach(disk.seen), disk.view, target, remapping), disk.noise_gauss);
    remapping.mu_min = 0;
  }
  if (fill) {
    check(fill->field, fill->seen);
    remapping.elapsed_s = (julian_date - fill->julian_date) * day_s;
    add(remap(fill->field * fill->seen, fill->grid, target, remapping),
        remap(tape.detach(fill->seen), fill->grid, target, remapping), fill->noise_gauss);
  }
  result.noise = tape.make(shape, false);
  share_out.noise = result.noise.value.data();
  kernel::for_each_element(ws, "heliograd::synchronic_map", shape.size(), share_out);

  auto field = sampled[0] * factors[0];
  for (std::size_t k = 1; k < sampled.size(); ++k) field = field + sampled[k] * factors[k];
  result.monopole = tape.make(Shape<1>{std::size_t{1}}, false);
  map_mean<B>(ws, target, field.value, result.monopole.value);
  result.field = options.keep_monopole ? field : remove_monopole(field, target);
  return result;
}

}  // namespace heliograd::inline HELIOGRAD_ABI::physics
