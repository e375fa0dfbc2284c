// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <cstddef>
#include <string>

#include <heliograd/core/sink.hpp>
#include <heliograd/kernel/launch.hpp>
#include <heliograd/kernel/positions.hpp>
#include <heliograd/op/pad.hpp>
#include <heliograd/op/resample.hpp>
#include <heliograd/op/warp.hpp>
#include <heliograd/physics/disk.hpp>
#include <heliograd/physics/map_grid.hpp>
#include <heliograd/physics/observer.hpp>
#include <heliograd/physics/rotation.hpp>

/// \file
/// Images of the Sun in another geometry: disk to map, map to disk, disk to the disk of another observer, map to map; and of
/// another time, turned by differential rotation. Differentiable in the image.
namespace heliograd::inline HELIOGRAD_ABI::physics {

/// How an image comes into another geometry.
struct RemapOptions {
  WarpOptions sample =
      {};  ///< how the image is read between its pixels, and what stands where it does not show the Sun
  DifferentialRotation rotation = rigid_rotation();
  double elapsed_s = 0;  ///< the time of the result less the time of the image
  double mu_min = 0;     ///< nothing is read where the image has a smaller mu
  /// Points per side of a result's pixel that are averaged; 1 reads its centre alone. So many that they are no further apart than
  /// the pixels of the image keep flux; with fewer some pixels of the image are not looked at.
  std::size_t samples = 1;
};

/// Positions (kernel/positions.hpp) in the image of `source` for the pixels of `target`, both a DiskView or a MapGrid: the place
/// on the Sun that a pixel shows, turned back by the time between them, and where it was seen then. NaN where it was not.
template <class Source, class Target>
struct SurfaceMap {
  Source source;
  Target target;
  DifferentialRotation rotation = {};
  double elapsed_s = 0;
  double mu_min = 0;
  double columns_before = 0;  ///< of padding in the source image

  KOKKOS_FUNCTION ImagePoint seen(std::size_t p, std::size_t q) const {
    SurfacePoint at = target.surface(static_cast<double>(q), static_cast<double>(p));
    at.longitude_rad -= rotation.carrington_rad_s(at.latitude_rad) * elapsed_s;
    return source.image(at);
  }
  KOKKOS_FUNCTION Position operator()(std::size_t, std::size_t p, std::size_t q) const {
    ImagePoint const at = seen(p, q);
    if (!(at.mu > mu_min)) return {missing, missing};
    return {at.y, at.x + columns_before};
  }
};

namespace detail {

/// Columns repeated on either side of a map that goes round, for the widest interpolation.
inline constexpr int seam_columns = 2;

template <class B>
Var<4, B> with_seam(Var<4, B> x, MapGrid const& grid, double& columns_before) {
  expect_shape(grid.height == x.shape()[1] && grid.width == x.shape()[2],
               "remap: the image " + to_string(x.shape()) + " is no map of " + std::to_string(grid.height) + " x " +
                   std::to_string(grid.width) + " pixels, as its grid says");
  if (!grid.goes_round()) return x;
  columns_before = seam_columns;
  return pad(x, Padding2d(0, 0, seam_columns, seam_columns), PaddingMode::periodic);
}
template <class B>
Var<4, B> with_seam(Var<4, B> x, DiskView const&, double&) {
  return x;
}

template <class Map, class Scalar>
struct StoreMu {
  Map map;
  std::size_t width;
  Scalar* mu;
  KOKKOS_FUNCTION void operator()(std::size_t i) const {
    ImagePoint const at = map.seen(i / width, i % width);
    mu[i] = static_cast<Scalar>(at.mu > 0 ? at.mu : 0);
  }
};

template <class Scalar>
struct StoreRadialFactor {
  DiskView view;
  double mu_min;
  std::size_t width;
  Scalar* factor;
  KOKKOS_FUNCTION void operator()(std::size_t i) const {
    double const mu = view.mu(static_cast<double>(i % width), static_cast<double>(i / width));
    factor[i] = mu > mu_min ? static_cast<Scalar>(1 / mu) : Scalar(0);
  }
};

template <class Scalar>
struct StoreArea {
  DiskView view;
  std::size_t width;
  Scalar* area;
  KOKKOS_FUNCTION void operator()(std::size_t i) const {
    area[i] = static_cast<Scalar>(view.area_cm2(static_cast<double>(i % width), static_cast<double>(i / width)));
  }
};

}  // namespace detail

/// Images in the geometry of `source` as they are in the geometry of `target`, each a DiskView or a MapGrid.
///
/// Shapes   x [n, h, w, c] -> [n, height, width, c]; a MapGrid says its height and width and must have those of its image.
/// Math     \f$ y(q) = x(\pi_s(R_{-t}\,\pi_t^{-1}(q))) \f$: \f$\pi\f$ from the Sun to an image, \f$R_t\f$ the rotation over the
///          time elapsed; the mean over samples x samples points of a pixel. Maps that go round are continued across their seam.
/// Gradient to x, as of warp: exact for the linear methods.
/// Keeps    nothing but the samples, where there are several.
/// Cost     some 150 operations per sample for the geometry, which is computed anew in the backward pass.
/// Throws   ShapeError if a map's grid has another size than its image.
/// Values are not changed: line-of-sight field stays what the observer of the image saw (`radial_factor`). Where `target` sees
/// places that `source` does not, options.sample.fill stands.
template <class B, class Source, class Target>
Var<4, B> remap(Var<4, B> x, Source const& source, Target const& target, std::size_t height, std::size_t width,
                RemapOptions const& options = {}) {
  expect(options.samples >= 1 && options.samples <= 64, "remap: samples must be between 1 and 64");
  double columns_before = 0;
  Var<4, B> const image = detail::with_seam(x, source, columns_before);
  std::size_t const n = options.samples;
  auto const fine = warp(image,
                         SurfaceMap<Source, Target>{source, n == 1 ? target : target.refined(n), options.rotation,
                                                    options.elapsed_s, options.mu_min, columns_before},
                         height * n, width * n, options.sample);
  return n == 1 ? fine : resample(fine, height, width, {.method = Resampling::area});
}
template <class B, class Source>
Var<4, B> remap(Var<4, B> x, Source const& source, MapGrid const& target, RemapOptions const& options = {}) {
  return remap(x, source, target, target.height, target.width, options);
}

/// The mu under which the image of `source` shows the places of `target`, 0 where it does not: the mask of a remap.
/// Shapes   mu [height, width] of the target
template <class B, class Source, class Target>
void remapped_mu(Workspace<B>& ws, Source const& source, Target const& target, RemapOptions const& options,
                 TensorRef<2, B> mu) {
  using Map = SurfaceMap<Source, Target>;
  kernel::for_each_element(
      ws, "heliograd::remapped_mu", mu.size(),
      detail::StoreMu<Map, typename B::scalar_type>{
          Map{source, target, options.rotation, options.elapsed_s, options.mu_min, 0}, mu.extent(1), mu.data()});
}

/// What line-of-sight field is multiplied by to become radial field, if the field is radial: 1 / mu where mu exceeds mu_min, else 0.
/// Shapes   factor [height, width] of the image
template <class B>
void radial_factor(Workspace<B>& ws, DiskView const& view, double mu_min, TensorRef<2, B> factor) {
  kernel::for_each_element(
      ws, "heliograd::radial_factor", factor.size(),
      detail::StoreRadialFactor<typename B::scalar_type>{view, mu_min, factor.extent(1), factor.data()});
}

/// The area on the Sun that each pixel covers, in cm^2, 0 off the disk (DiskView::area_cm2).
/// Shapes   area [height, width] of the image
template <class B>
void area_map(Workspace<B>& ws, DiskView const& view, TensorRef<2, B> area) {
  kernel::for_each_element(ws, "heliograd::area_map", area.size(),
                           detail::StoreArea<typename B::scalar_type>{view, area.extent(1), area.data()});
}

/// The pointing of an image with solar north up, the disk's centre in its middle, and square pixels of so many arcsec.
/// With an apparent radius given, the Sun is shown as large as it appears from where it has that radius: at 1 au 959.78 arcsec
/// of 6.96e8 m. (Sizes on the disk alone scale so; the perspective stays the observer's.)
inline Pointing north_up(std::size_t height, std::size_t width, double arcsec_per_pixel, double radius_arcsec) {
  Pointing p;
  p.center_x = 0.5 * (static_cast<double>(width) - 1);
  p.center_y = 0.5 * (static_cast<double>(height) - 1);
  p.xx = p.yy = arcsec_per_pixel;
  p.radius_arcsec = radius_arcsec;
  return p;
}

/// Positions in the image of `from` for the pixels of the image of `to`, by the disk alone: centre to centre, solar north to solar
/// north, radius to radius. For `warp`; rotation, scale and shift, nothing of perspective or time.
inline AffineMap disk_to_disk(Pointing const& from, Pointing const& to) {
  double const k = from.radius_arcsec / to.radius_arcsec / (from.xx * from.yy - from.xy * from.yx);
  // (x, y) of `to` -> arcsec -> (x, y) of `from`
  double const xx = k * (from.yy * to.xx - from.xy * to.yx), xy = k * (from.yy * to.xy - from.xy * to.yy);
  double const yx = k * (from.xx * to.yx - from.yx * to.xx), yy = k * (from.xx * to.yy - from.yx * to.xy);
  AffineMap map;
  map.yy = yy, map.yx = yx, map.y0 = from.center_y - yy * to.center_y - yx * to.center_x;
  map.xy = xy, map.xx = xx, map.x0 = from.center_x - xy * to.center_y - xx * to.center_x;
  return map;
}

}  // namespace heliograd::inline HELIOGRAD_ABI::physics
