// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <optional>

#include <heliograd/io/fits.hpp>
#include <heliograd/io/fits_units.hpp>
#include <heliograd/io/png.hpp>
#include <heliograd/physics/synoptic.hpp>
#include "commands.hpp"
#include "gauss_image.hpp"
#include "model.hpp"
#include "outputs.hpp"
#include "pictures.hpp"
#include "program.hpp"
#include "progress.hpp"

/// \file
/// The whole Sun at one time, from disks of several observers and a synoptic map.
namespace pfss {

namespace hg = heliograd;
namespace ph = heliograd::physics;

namespace {

hg::io::FitsHeader header_of(ph::MapGrid const& grid, double time) {
  bool const equal_area = grid.projection == ph::MapProjection::equal_area;
  double const columns = double(grid.width), rows = double(grid.height);
  double const left = std::fmod(grid.longitude_rad / ph::degree - 180 / columns, 360.0);
  hg::io::FitsHeader header;
  header.set("WCSNAME", "Carrington Heliographic");
  header.set("CTYPE1", equal_area ? "CRLN-CEA" : "CRLN-CAR");
  header.set("CTYPE2", equal_area ? "CRLT-CEA" : "CRLT-CAR");
  header.set("CUNIT1", "deg");
  header.set("CUNIT2", "deg");
  header.set("CRPIX1", (columns + 1) / 2);
  header.set("CRPIX2", (rows + 1) / 2);
  header.set("CRVAL1", std::fmod(left + 540, 360.0), "[deg] Carrington longitude of the middle");
  header.set("CRVAL2", 0.0);
  header.set("CDELT1", 360 / columns);
  header.set("CDELT2", equal_area ? 2 / rows / ph::degree : 180 / rows,
             equal_area ? "180 / pi times the step of sine latitude" : "");
  header.set("DATE-OBS", ph::date_text(time), "UTC");
  header.set("BUNIT", "Gauss");
  return header;
}

}  // namespace

int synchronic(SynchronicOptions const& o, CommonOptions const& common) {
  std::vector<std::string> inputs{o.front};
  inputs.insert(inputs.end(), o.far.begin(), o.far.end());
  if (!o.fill.empty()) inputs.push_back(o.fill);
  examples::check_outputs({o.output, o.png}, inputs, common.overwrite);
  if (inputs.size() - (o.fill.empty() ? 0 : 1) > std::size_t(ph::most_disks))
    throw hg::UsageError("--far: at most " + std::to_string(ph::most_disks - 1) + " disks");
  std::size_t columns = 0, rows = 0;
  char rest = 0;
  if (std::sscanf(o.size.c_str(), "%4zux%4zu%c", &columns, &rows, &rest) != 2 || columns < 4 || rows < 2)
    throw hg::UsageError("--size is COLUMNSxROWS, at least 4x2 (found '" + o.size.substr(0, 30) + "')");
  if (!(o.alone < o.edge)) throw hg::UsageError("--alone must be smaller than --edge");

  examples::Stopwatch clock;
  hg::Tape<GaussBackend> tape;
  std::vector<ph::DiskInput<GaussBackend>> disks;
  std::optional<double> time;
  if (!o.time.empty()) {
    time = ph::julian_date_from(o.time);
    if (!time)
      throw hg::UsageError("--time is no time (found '" + o.time.substr(0, 30) + "', expected 2018-11-06T12:00:00)");
  }
  auto const time_of = [&](GaussImage const& file, double fallback) {
    if (file.time) return *file.time;
    std::fprintf(stderr, "%s: warning: %s: has no time (T_OBS, DATE-OBS); taken as that of the map\n", program,
                 examples::one_line(file.path).c_str());
    return fallback;
  };
  auto const tell_missing = [&](GaussImage const& file, std::size_t count, char const* where) {
    if (count > 0)
      std::fprintf(stderr, "%s: warning: %s: %zu pixels%s have no value and are left out\n", program,
                   examples::one_line(file.path).c_str(), count, where);
  };
  for (std::string const& path : inputs) {
    if (!o.fill.empty() && path == o.fill) break;
    GaussImage const file = read_gauss_image(path, o.ignore_checksum);
    auto const view = ph::disk_view_from(file.image.header, path);
    if (!time) {
      if (!file.time) throw hg::InputError(path + ": has no time (keywords T_OBS, DATE-OBS); give --time");
      time = file.time;
    }
    auto const loaded = load_on_tape(
        tape, file.image, [&](double x, double y) { return view.mu(x, y) > std::cos(o.edge * ph::degree) / 2; });
    tell_missing(file, loaded.missing, " on the disk");
    disks.push_back({loaded.field, loaded.seen, view, time_of(file, *time), o.noise});
    examples::signals::check();
  }
  std::optional<ph::MapInput<GaussBackend>> fill;
  if (!o.fill.empty()) {
    GaussImage const file = read_gauss_image(o.fill, o.ignore_checksum);
    auto const grid = ph::map_grid_from(file.image.header, file.image.width, file.image.height, o.fill);
    auto const loaded = load_on_tape(tape, file.image, [](double, double) { return true; });
    tell_missing(file, loaded.missing, "");
    double const fill_time = time_of(file, *time);
    double const days = std::fabs(fill_time - *time);
    if (days > 28)
      std::fprintf(stderr, "%s: warning: %s: is %.0f days from the map; fields do not live that long\n", program,
                   examples::one_line(o.fill).c_str(), days);
    fill = ph::MapInput<GaussBackend>{loaded.field, loaded.seen, grid, fill_time, o.fill_noise};
  }

  auto const target =
      ph::MapGrid::whole_sun(o.map == "cea" ? ph::MapProjection::equal_area : ph::MapProjection::plate_carree, columns,
                             rows, o.longitude * ph::degree);
  ph::SynchronicOptions options;
  options.weight_power = o.power;
  options.mu_min = std::cos(o.edge * ph::degree);
  options.alone = std::cos(o.alone * ph::degree);
  options.blend = o.blend;
  options.samples = o.samples;
  options.keep_monopole = o.keep_net_flux;
  options.sample.method = o.interpolation == "pchip" ? hg::Interpolation::pchip : hg::Interpolation::bilinear;
  options.rotation = o.rotation == "howard"      ? ph::howard_rotation()
                     : o.rotation == "snodgrass" ? ph::snodgrass_rotation()
                                                 : ph::rigid_rotation();
  auto const map = ph::synchronic_map<GaussBackend>(disks, fill, target, *time, options);
  auto const to_double = [&](hg::Var<4, GaussBackend> const& x) {
    auto const values = hg::to_host(tape.exec(), x.value);
    return std::vector<double>(values.begin(), values.end());
  };
  auto field = to_double(map.field);
  auto const noise = to_double(map.noise);
  double const net_flux = double(hg::to_host(tape.exec(), map.monopole.value)[0]);
  std::vector<std::vector<double>> shares;
  for (auto const& share : map.shares) shares.push_back(to_double(share));
  std::size_t unseen = 0;
  double strongest = 0;
  for (std::size_t i = 0; i < field.size(); ++i) {
    double sum = 0;
    for (auto const& share : shares) sum += share[i];
    if (!std::isfinite(field[i])) throw hg::NumericalError("the map is not finite at pixel " + std::to_string(i));
    strongest = std::max(strongest, std::fabs(field[i]));
    if (sum == 0) ++unseen, field[i] = std::numeric_limits<double>::quiet_NaN();
  }
  if (unseen == field.size())
    throw hg::InputError(o.front + ": has no pixel with a value within --edge, and nothing else has");
  if (unseen > 0)
    std::fprintf(stderr, "%s: warning: %zu pixels of the map were seen by nobody and are NaN; give --fill\n", program,
                 unseen);

  hg::io::FitsHeader header = header_of(target, *time);
  auto const below = disks.front().view.below_observer();
  header.set("CRLN_OBS", std::fmod(std::fmod(below.longitude_rad / ph::degree, 360) + 360, 360),
             "[deg] of the first disk");
  header.set("CRLT_OBS", below.latitude_rad / ph::degree, "[deg]");
  header.set("NETFLUX", net_flux,
             o.keep_net_flux ? "[G] mean field, still there" : "[G] mean field that was taken out");
  header.set("ROTATION", o.rotation, "law of differential rotation");
  for (std::size_t k = 0; k < inputs.size(); ++k)
    header.append_history((k < disks.size() ? "disk " : "synoptic map ") +
                          std::filesystem::path(inputs[k]).filename().string());
  header.append_history("synchronic map by heliograd's pfss");
  hg::io::FitsUnitsWriter out(o.output, {.overwrite = common.overwrite});
  auto const rows_of = [&](std::vector<double> const& values) {
    return [&values, columns](std::size_t row, double* to) { std::copy_n(&values[row * columns], columns, to); };
  };
  header.set("BTYPE", "radial field, outwards");
  out.add("BR", {columns, rows}, header, rows_of(field));
  header.set("BTYPE", "standard deviation from the noise of the inputs");
  out.add("NOISE", {columns, rows}, header, rows_of(noise));
  header.set("BTYPE", "share of each input, in the order of HISTORY");
  header.set("BUNIT", "");
  out.add("SHARES", {columns, rows, shares.size()}, header,
          [&](std::size_t row, double* to) { std::copy_n(&shares[row / rows][row % rows * columns], columns, to); });
  out.finish();

  if (!o.png.empty()) {
    std::vector<double> shown = field;
    for (double& b : shown)
      if (!std::isfinite(b)) b = 0;
    std::vector<double> disk_share(field.size(), 0);
    for (std::size_t k = 0; k < disks.size(); ++k)
      for (std::size_t i = 0; i < field.size(); ++i) disk_share[i] += (k == 0 ? 1 : -1) * shares[k][i];
    hg::io::write_png(o.png,
                      draw_maps({{"radial field", &shown, round_range(shown, 0.995), hg::io::Stretch::asinh,
                                  hg::io::ColourMap::gray, "G", nullptr},
                                 {"share of the first disk, less that of the others", &disk_share, 1,
                                  hg::io::Stretch::linear, hg::io::ColourMap::magnetic, "", nullptr}},
                                rows, columns, std::filesystem::path(o.output).filename().string(),
                                ph::date_text(*time).substr(0, 19) + ", Carrington longitude from " +
                                    short_number(o.longitude) + " deg"),
                      {.overwrite = common.overwrite});
  }
  if (!common.quiet) {
    for (std::size_t k = 0; k < shares.size(); ++k) {
      double sum = 0, area = 0;
      for (std::size_t i = 0; i < field.size(); ++i) {
        double const a = target.area(double(i / columns));
        sum += a * shares[k][i], area += a;
      }
      double const hours = ((k < disks.size() ? disks[k].julian_date : fill->julian_date) - *time) * 24;
      std::printf("%s: %.1f %% of the Sun, %+.1f hours from the map\n", examples::one_line(inputs[k]).c_str(),
                  100 * sum / area, hours);
    }
  }
  std::printf("%s: %zu x %zu, %s, strongest field %.4g G, mean %.4g G%s, computed in %s\n",
              examples::one_line(o.output).c_str(), columns, rows, ph::date_text(*time).substr(0, 19).c_str(),
              strongest, net_flux, o.keep_net_flux ? "" : " taken out",
              examples::duration_text(clock.seconds()).c_str());
  return examples::success;
}

}  // namespace pfss
