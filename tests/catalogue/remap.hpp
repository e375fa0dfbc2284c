// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <string>
#include <vector>

#include <heliograd/physics/monopole.hpp>
#include <heliograd/physics/remap.hpp>
#include <heliograd/testing/op_case.hpp>
#include "reference/remap.hpp"

namespace test {

template <class Source, class Target>
struct RemapOp {
  Source source;
  Target target;
  std::size_t height, width;
  heliograd::physics::RemapOptions options;
  template <class In>
  auto operator()(In const& in) const {
    return heliograd::physics::remap(in.template var<4>(0), source, target, height, width, options);
  }
};

struct RemoveMonopoleOp {
  heliograd::physics::MapGrid grid;
  template <class In>
  auto operator()(In const& in) const {
    return heliograd::physics::remove_monopole(in.template var<4>(0), grid);
  }
};

inline auto remap_cases() {
  using namespace heliograd::testing;
  using namespace heliograd::physics;
  using heliograd::Interpolation;
  std::vector<OpCase> cases;
  auto const add = [&](std::string const& name, Extents const& x, auto const& source, auto const& target,
                       std::size_t height, std::size_t width, RemapOptions const& options) -> OpCase& {
    using Op = RemapOp<std::remove_cvref_t<decltype(source)>, std::remove_cvref_t<decltype(target)>>;
    OpCase one{"remap: " + name,
               {{x}},
               Op{source, target, height, width, options},
               reference::remap(source, target, height, width, options)};
    one.second_order = true;
    one.linear = options.sample.method != Interpolation::pchip;
    one.per_image = {0};
    one.double_bar = 1e-12;  // positions computed along another road differ by 1e-13 of a pixel
    one.float_bar = 1e-6;
    cases.push_back(one);
    return cases.back();
  };

  Pointing tilted;
  tilted.center_x = 8.3, tilted.center_y = 7.9, tilted.radius_arcsec = 960;
  tilted.xx = 110, tilted.xy = -45, tilted.yx = 45, tilted.yy = 110;
  DiskView const earth(tilted, {1.1, 0.1});
  Pointing small;
  small.center_x = 5.2, small.center_y = 4.6, small.radius_arcsec = 2100, small.xx = -420, small.yy = -430;
  DiskView const near(small, {1.6, -0.12});
  auto const whole = MapGrid::whole_sun(MapProjection::equal_area, 18, 9, 0.3);
  auto const degrees = MapGrid::whole_sun(MapProjection::plate_carree, 16, 8, -0.9);
  RemapOptions const plain;
  RemapOptions turned;
  turned.rotation = howard_rotation();
  turned.elapsed_s = 6 * day_s;
  RemapOptions averaged = turned;
  averaged.samples = 3;
  averaged.sample.fill = 2;
  RemapOptions monotone = turned;
  monotone.sample.method = Interpolation::pchip;

  add("disk to map", {2, 17, 18, 2}, earth, whole, 9, 18, plain);
  add("disk to map, turned and averaged", {1, 17, 18, 1}, earth, whole, 9, 18, averaged);
  add("disk to map, monotone", {1, 17, 18, 1}, earth, degrees, 8, 16, monotone);
  add("map to disk", {2, 9, 18, 2}, whole, near, 10, 11, turned);
  add("map to map across the seam", {1, 8, 16, 3}, degrees, whole, 9, 18, plain);
  add("map to map, monotone", {1, 9, 18, 1}, whole, degrees, 8, 16, monotone);
  add("disk to the disk of another observer", {2, 17, 18, 1}, earth, near, 10, 11, turned);
  add("disk to disk, averaged", {1, 17, 18, 1}, earth, near, 10, 11, averaged);
  cases.push_back({"remap: refused", {{{1, 8, 16, 1}}}, RemapOp<MapGrid, MapGrid>{whole, degrees, 8, 16, plain}});
  cases.back().refusals = {{{{1, 8, 16, 1}}, {"[1, 8, 16, 1]", "9 x 18"}}};

  for (auto const& grid : {whole, degrees}) {
    OpCase one{"remove_monopole",
               {{{2, grid.height, grid.width, 1}}},
               RemoveMonopoleOp{grid},
               [grid](std::vector<HostTensor> const& in) {
                 auto y = in[0];
                 std::size_t const size = grid.width * grid.height;
                 for (std::size_t n = 0; n < y.shape[0]; ++n) {
                   double sum = 0, area = 0;
                   for (std::size_t i = 0; i < size; ++i) {
                     double const cosine =
                         grid.projection == MapProjection::equal_area
                             ? 1
                             : std::cos(grid.row + grid.row_step * static_cast<double>(i / grid.width));
                     sum += cosine * in[0].values[n * size + i];
                     area += cosine;
                   }
                   for (std::size_t i = 0; i < size; ++i) y.values[n * size + i] -= sum / area;
                 }
                 return y;
               }};
    one.linear = one.second_order = true;
    one.per_image = {0};
    one.refusals = {{{{2, 3, 4, 1}}, {"[2, 3, 4, 1]", "[n, height, width, 1]"}}};
    cases.push_back(one);
  }
  return cases;
}

}  // namespace test
