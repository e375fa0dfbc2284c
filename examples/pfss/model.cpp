// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "model.hpp"

#include <cmath>
#include <cstdio>

namespace pfss {

namespace hg = heliograd;

SynopticMap load_map(std::string const& file, ModelOptions const& options, CommonOptions const& common) {
  SynopticMap map = read_synoptic_map(file, options.missing, options.ignore_checksum);
  if (map.filled > 0)
    std::fprintf(stderr, "%s: warning: %s: %zu pixels had no value; taken as %s\n", program,
                 examples::one_line(file).c_str(), map.filled,
                 options.missing == "zero" ? "zero" : "the nearest ones of their column");
  if (!common.quiet) {
    double strongest = 0;
    for (double const b : map.gauss) strongest = std::max(strongest, std::fabs(b));
    std::printf("%s: %zu x %zu, longitudes from %.2f deg, strongest field %.4g G, mean %.4g G taken out%s%s\n",
                examples::one_line(file).c_str(), map.columns, map.rows, map.first_longitude, strongest, map.net_flux,
                map.latitudes.empty() ? "" : ", averaged to equal steps of sine latitude",
                map.mirrored ? ", columns reversed" : "");
    std::fflush(stdout);
  }
  return map;
}

void describe(hg::io::FitsHeader& header, SynopticMap const& map, ModelOptions const& options) {
  header.set("METHOD", options.method == "fd" ? "finite differences" : "spherical harmonics");
  header.set("RSS", options.rss, "[solRad] radius of the source surface");
  header.set("CENTRED", options.centred, "source surface in the middle of the last cells");
  header.set("NR", options.nr, "cells from the Sun to the source surface");
  if (options.method != "fd") header.set("LMAX", harmonic_options(options, map.rows).l_max, "highest degree");
  header.set("NETFLUX", map.net_flux, "[G] mean field that was taken out of the map");
  header.set("NFILLED", map.filled, "pixels of the map that had no value");
  header.append_history("potential-field source-surface model by heliograd's pfss");
}

hg::io::FitsHeader node_header(SynopticMap const& map, hg::PfssGrid const& grid, ModelOptions const& options,
                               bool shells) {
  hg::io::FitsHeader header = map_header(map);
  header.set("CRPIX1", 1.0, "nodes: western edges of the map's columns");
  header.set("CRVAL1", map.first_longitude, "[deg]");
  header.set("CRPIX2", (static_cast<double>(grid.n_s) + 2) / 2, "nodes: edges of the map's rows, poles included");
  if (shells) {
    header.set("CTYPE3", "RHO", "ln(r / solar radius)");
    header.set("CRPIX3", 1.0);
    header.set("CRVAL3", 0.0);
    header.set("CDELT3", grid.step_rho(), "the unit RADII has the shells themselves");
  }
  describe(header, map, options);
  return header;
}

std::string short_number(double value, int digits) {
  char text[40];
  std::snprintf(text, sizeof text, "%.*g", digits, value);
  return text;
}

}  // namespace pfss
