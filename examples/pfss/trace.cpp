// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <limits>

#include <heliograd/io/fits.hpp>
#include <heliograd/io/png.hpp>
#include <heliograd/physics/field_lines.hpp>
#include "commands.hpp"
#include "model.hpp"
#include "outputs.hpp"
#include "pictures.hpp"
#include "vtk.hpp"

namespace pfss {

namespace hg = heliograd;
namespace physics = heliograd::physics;

namespace {

template <class Scalar>
int run(TraceOptions const& o, CommonOptions const& common) {
  using B = Backend<Scalar>;
  SynopticMap const map = load_map(o.input, o.model, common);
  auto const corona = make_corona<Scalar>(map, o.model, true, common.quiet, hg::PfssFoot::flux);
  hg::Workspace<B> ws;
  auto const seeds = physics::map_seeds(o.latitudes, o.longitudes, 1.0);
  physics::FieldLineOptions const options{.tolerance = o.tolerance};
  std::vector<physics::FieldLine> lines;
  lines.reserve(seeds.size());
  examples::Stopwatch clock;
  {
    examples::Progress progress("field lines,", seeds.size(), common.quiet);
    std::size_t const part = 8192;
    for (std::size_t first = 0; first < seeds.size(); first += part) {
      examples::signals::check();
      std::vector<physics::FieldLineSeed> const some(
          seeds.begin() + std::ptrdiff_t(first), seeds.begin() + std::ptrdiff_t(std::min(seeds.size(), first + part)));
      auto const traced = physics::trace_field_lines<B>(ws, corona.grid, corona.field, some, options);
      lines.insert(lines.end(), traced.begin(), traced.end());
      progress.update(lines.size());
    }
  }
  double const seconds = clock.seconds();

  std::size_t const count = lines.size();
  std::vector<double> polarity(count), expansion(count), foot(count);
  std::size_t open = 0, lost = 0;
  double open_flux = 0;
  constexpr double radius_cm = 6.96e10;
  double const cell = 4 * Kokkos::numbers::pi * radius_cm * radius_cm / double(count);
  for (std::size_t i = 0; i < count; ++i) {
    physics::FieldLine const& line = lines[i];
    polarity[i] = line.polarity();
    expansion[i] = line.expansion(o.model.rss);
    lost += line.forward.at == physics::LineEnd::nowhere || line.backward.at == physics::LineEnd::nowhere ? 1 : 0;
    if (line.polarity() == 0) continue;
    ++open;
    open_flux += std::fabs(line.foot().radial) * cell;
  }

  SynopticMap seed_map = map;
  seed_map.rows = o.latitudes, seed_map.columns = o.longitudes;
  hg::io::FitsHeader header = map_header(seed_map);
  describe(header, map, o.model);
  header.erase("BUNIT");
  hg::io::FitsUnitsWriter out(o.output, {.overwrite = common.overwrite, .double_precision = o.model.double_precision});
  auto const add = [&](char const* name, std::vector<double> const& values) {
    out.add(name, {o.longitudes, o.latitudes}, header,
            [&](std::size_t row, double* pixels) { std::copy_n(&values[row * o.longitudes], o.longitudes, pixels); });
  };
  add("OPEN", polarity);
  add("EXPANSION", expansion);
  out.finish();

  if (!o.png.empty() || !o.vtk.empty()) {
    // Few enough lines to see each: every so many seeds in both directions, from the strong fields and the poles alike.
    auto const few =
        physics::map_seeds(std::min<std::size_t>(o.latitudes, 24), std::min<std::size_t>(o.longitudes, 36), 1.0);
    auto const ends = physics::trace_field_lines<B>(ws, corona.grid, corona.field, few, options);
    auto const paths = physics::field_line_paths<B>(ws, corona.grid, corona.field, few,
                                                    {.tolerance = o.tolerance, .longest_step = 0.03});
    std::vector<int> sign;
    std::vector<LinePath> drawn;
    for (std::size_t i = 0; i < paths.size(); ++i) {
      sign.push_back(ends[i].polarity());
      drawn.push_back({&paths[i], ends[i].polarity()});
    }
    if (!o.vtk.empty()) write_vtk_lines(o.vtk, common.overwrite, "field lines, solar radii", paths, "polarity", sign);
    if (!o.png.empty()) {
      std::string const name = std::filesystem::path(o.input).filename().string();
      auto const neutral = zero_contour(corona.surface, map.rows, map.columns);
      auto const regions = draw_maps({{"open regions: red outwards, blue inwards", &polarity, 1.5,
                                       hg::io::Stretch::linear, hg::io::ColourMap::magnetic, "", nullptr}},
                                     o.latitudes, o.longitudes, name,
                                     "open: " + short_number(100 * double(open) / double(count), 3) +
                                         " % of the Sun, " + short_number(open_flux, 3) + " Mx",
                                     900);
      double const middle = 3.14159265358979;  // of the map
      auto const disk = draw_corona(map.gauss, map.rows, map.columns, round_range(map.gauss, 0.98), drawn, middle,
                                    o.model.rss, "", 900);
      hg::io::Picture both(std::max(regions.width(), disk.width()), regions.height() + disk.height(), {18, 20, 26});
      auto const paste = [&](hg::io::Picture const& from, std::size_t left, std::size_t top) {
        for (std::size_t y = 0; y < from.height(); ++y)
          for (std::size_t x = 0; x < from.width(); ++x) both.set(left + x, top + y, from.at(x, y));
      };
      paste(regions, 0, 0);
      paste(disk, (both.width() - disk.width()) / 2, regions.height());
      hg::io::write_png(o.png, both, {.overwrite = common.overwrite});
    }
  }

  std::printf("%zu field lines in %s (%.0f a second): %.2f %% of the Sun is open, %zu lines ended nowhere\n", count,
              examples::duration_text(seconds).c_str(), double(count) / std::max(seconds, 1e-9),
              100 * double(open) / double(count), lost);
  std::printf("open flux %.4g Mx by the lines' feet, %.4g Mx through the source surface\n", open_flux,
              corona.open_flux());
  return examples::success;
}

}  // namespace

int trace(TraceOptions const& o, CommonOptions const& common) {
  check_vtk_name(o.vtk, ".vtp");
  examples::check_outputs({o.output, o.vtk, o.png}, {o.input}, common.overwrite);
  return o.model.double_precision ? run<double>(o, common) : run<float>(o, common);
}

}  // namespace pfss
