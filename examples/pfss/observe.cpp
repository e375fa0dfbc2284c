// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <limits>

#include <heliograd/io/fits.hpp>
#include <heliograd/io/fits_units.hpp>
#include <heliograd/physics/remap.hpp>
#include "commands.hpp"
#include "gauss_image.hpp"
#include "model.hpp"
#include "outputs.hpp"
#include "program.hpp"

/// \file
/// What an observer somewhere would see of a map: a disk of the line-of-sight field.
namespace pfss {

namespace hg = heliograd;
namespace ph = heliograd::physics;

int observe(ObserveOptions const& o, CommonOptions const& common) {
  examples::check_outputs({o.output}, {o.input}, common.overwrite);
  GaussImage const file = read_gauss_image(o.input, o.ignore_checksum);
  auto const grid = ph::map_grid_from(file.image.header, file.image.width, file.image.height, o.input);
  std::optional<double> time = file.time;
  if (!o.time.empty()) {
    time = ph::julian_date_from(o.time);
    if (!time)
      throw hg::UsageError("--time is no time (found '" + o.time.substr(0, 30) + "', expected 2018-11-06T12:00:00)");
  }
  if (!time) throw hg::InputError(o.input + ": has no time (keywords T_OBS, DATE-OBS); give --time");

  double const distance = o.distance * ph::astronomical_unit_m;
  double const radius = std::asin(ph::solar_radius_m / distance) * ph::arcsec_per_radian;
  double const scale = radius / (0.47 * double(o.size));  // the disk fills 94 % of the image's width
  ph::DiskView const view(ph::north_up(o.size, o.size, scale, radius),
                          {o.longitude * ph::degree, o.latitude * ph::degree});
  hg::Tape<GaussBackend> tape;
  auto const map = load_on_tape(tape, file.image, [](double, double) { return true; });
  ph::RemapOptions options;
  options.samples = 2;
  auto const to_host = [&](hg::Var<4, GaussBackend> const& x) {
    return hg::to_host(tape.exec(), ph::remap(x, grid, view, o.size, o.size, options).value);
  };
  auto const field = to_host(map.field), seen = to_host(map.seen);

  hg::io::FitsHeader header;
  for (int axis = 1; axis <= 2; ++axis) {
    std::string const n = std::to_string(axis);
    header.set("CTYPE" + n, axis == 1 ? "HPLN-TAN" : "HPLT-TAN");
    header.set("CUNIT" + n, "arcsec");
    header.set("CRPIX" + n, (double(o.size) + 1) / 2);
    header.set("CRVAL" + n, 0.0);
    header.set("CDELT" + n, scale);
  }
  header.set("CROTA2", 0.0);
  header.set("RSUN_OBS", radius, "[arcsec]");
  header.set("RSUN_REF", ph::solar_radius_m, "[m]");
  header.set("DSUN_OBS", distance, "[m]");
  header.set("CRLN_OBS", std::fmod(std::fmod(o.longitude, 360) + 360, 360), "[deg]");
  header.set("CRLT_OBS", o.latitude, "[deg]");
  header.set("DATE-OBS", ph::date_text(*time), "UTC");
  header.set("BUNIT", "Gauss");
  header.set("BTYPE", "line-of-sight field");
  header.append_history("seen from there: " + std::filesystem::path(o.input).filename().string());
  hg::io::FitsUnitsWriter out(o.output, {.overwrite = common.overwrite});
  std::size_t without = 0;
  out.add("DISK", {o.size, o.size}, header, [&](std::size_t y, double* pixels) {
    for (std::size_t x = 0; x < o.size; ++x) {
      double const mu = view.mu(double(x), double(y)), part = double(seen[y * o.size + x]);
      bool const known = mu > 0 && part > 0.1;  // at the limb some of a pixel's samples miss the Sun
      without += mu > 0 && !known ? 1 : 0;
      pixels[x] = known ? double(field[y * o.size + x]) / part * mu : std::numeric_limits<double>::quiet_NaN();
    }
  });
  out.finish();
  if (without > 0)
    std::fprintf(stderr, "%s: warning: %s: %zu pixels of the disk have no value in the map and are NaN\n", program,
                 examples::one_line(o.input).c_str(), without);
  std::printf("%s: %zu x %zu pixels of %.4g arcsec, Carrington longitude %.2f deg, latitude %.2f deg, %.4g au\n",
              examples::one_line(o.output).c_str(), o.size, o.size, scale, o.longitude, o.latitude, o.distance);
  return examples::success;
}

}  // namespace pfss
