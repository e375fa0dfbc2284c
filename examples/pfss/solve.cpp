// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <cmath>
#include <cstdio>
#include <filesystem>

#include <heliograd/io/fits.hpp>
#include <heliograd/io/png.hpp>
#include "commands.hpp"
#include "model.hpp"
#include "outputs.hpp"
#include "pictures.hpp"
#include "vtk.hpp"

namespace pfss {

namespace hg = heliograd;

namespace {

template <class Scalar>
void write_field(SolveOptions const& o, CommonOptions const& common, SynopticMap const& map,
                 Corona<Scalar> const& corona) {
  hg::PfssGrid const& grid = corona.grid;
  hg::io::FitsUnitsWriter out(o.output, {.overwrite = common.overwrite, .double_precision = o.model.double_precision});
  auto const values = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, corona.field);  // on hosts itself
  char const* const names[] = {"B_R", "B_THETA", "B_PHI"};
  char const* const meaning[] = {"radial field, outwards", "southward field", "eastward field"};
  for (std::size_t c = 0; c < 3; ++c) {
    hg::io::FitsHeader header = node_header(map, grid, o.model, true);
    header.set("BTYPE", meaning[c]);
    out.add(names[c], {grid.n_phi + 1, grid.n_s + 1, grid.n_r + 1}, header, [&](std::size_t row, double* pixels) {
      for (std::size_t i = 0; i <= grid.n_phi; ++i)  // the first meridian again at the end
        pixels[i] = static_cast<double>(values.data()[(row * grid.n_phi + i % grid.n_phi) * 3 + c]);
    });
  }
  hg::io::FitsHeader radii;
  radii.set("BUNIT", "solRad");
  out.add("RADII", {grid.n_r + 1}, radii, [&](std::size_t, double* pixels) {
    for (std::size_t k = 0; k <= grid.n_r; ++k) pixels[k] = corona.radius(k);
  });
  FileImage const image = on_file_grid(map, corona.surface);
  hg::io::FitsHeader header = map.header;  // as the map itself
  header.set("BUNIT", "Gauss");
  header.set("RADIUS", o.model.rss, "[solRad] where this field is");
  describe(header, map, o.model);
  out.add("SOURCE_SURFACE", {image.width, image.height}, header,
          [&](std::size_t row, double* pixels) { std::copy_n(&image.pixels[row * image.width], image.width, pixels); });
  out.finish();
}

template <class Scalar>
void write_vtk(SolveOptions const& o, CommonOptions const& common, Corona<Scalar> const& corona) {
  hg::PfssGrid const& grid = corona.grid;
  auto const values = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, corona.field);  // on hosts itself
  std::size_t const nx = grid.n_phi + 1, ny = grid.n_s + 1, nz = grid.n_r + 1;
  struct Frame {  // where a node is: radius; sine and cosine of colatitude; of longitude
    double r, st, ct, cp, sp;
  };
  auto const array = [&](std::string const& name, std::size_t components, auto const& put) {
    return VtkArray{name, components, [&, components, put](std::size_t k, float* to) {
                      for (std::size_t j = 0; j < ny; ++j) {
                        double const ct = 2 * double(j) / double(grid.n_s) - 1;
                        double const st = std::sqrt(std::max(0.0, 1 - ct * ct));
                        for (std::size_t i = 0; i < nx; ++i, to += components) {
                          double const phi = double(i) * grid.step_phi();
                          Scalar const* const b = &values.data()[((k * ny + j) * grid.n_phi + i % grid.n_phi) * 3];
                          put(Frame{corona.radius(k), st, ct, std::cos(phi), std::sin(phi)}, b, to);
                        }
                      }
                    }};
  };
  auto const places = array("Points", 3, [](Frame const& f, Scalar const*, float* to) {
    to[0] = float(f.r * f.st * f.cp), to[1] = float(f.r * f.st * f.sp), to[2] = float(f.r * f.ct);
  });
  auto const vectors = array("B", 3, [](Frame const& f, Scalar const* b, float* to) {
    double const br = double(b[0]), bt = double(b[1]), bp = double(b[2]), flat = br * f.st + bt * f.ct;
    to[0] = float(flat * f.cp - bp * f.sp), to[1] = float(flat * f.sp + bp * f.cp);
    to[2] = float(br * f.ct - bt * f.st);
  });
  auto const radial = array("B_r", 1, [](Frame const&, Scalar const* b, float* to) { to[0] = float(b[0]); });
  write_vtk_grid(o.vtk, common.overwrite, "potential-field source-surface model, solar radii, gauss", {nx, ny, nz},
                 places, {vectors, radial});
}

template <class Scalar>
int run(SolveOptions const& o, CommonOptions const& common) {
  SynopticMap const map = load_map(o.input, o.model, common);
  auto const corona = make_corona<Scalar>(map, o.model, true, common.quiet);
  double largest = 0;
  for (double const b : corona.surface) {
    if (!std::isfinite(b)) throw hg::NumericalError("the field at the source surface is not finite");
    largest = std::max(largest, std::fabs(b));
  }
  write_field(o, common, map, corona);
  if (!o.vtk.empty()) write_vtk(o, common, corona);
  if (!o.png.empty()) {
    auto const line = zero_contour(corona.surface, map.rows, map.columns);
    std::string const note = std::to_string(map.columns) + " x " + std::to_string(map.rows) +
                             " cells, longitude from " + short_number(map.first_longitude) + " deg, open flux " +
                             short_number(corona.open_flux(), 3) + " Mx";
    hg::io::write_png(o.png,
                      draw_maps({{"radial field on the Sun", &map.gauss, round_range(map.gauss, 0.995),
                                  hg::io::Stretch::asinh, hg::io::ColourMap::gray, "G", nullptr},
                                 {"radial field at " + short_number(o.model.rss) + " solar radii, and its neutral line",
                                  &corona.surface, round_range(corona.surface, 0.999), hg::io::Stretch::linear,
                                  hg::io::ColourMap::magnetic, "G", &line}},
                                map.rows, map.columns, std::filesystem::path(o.input).filename().string(), note),
                      {.overwrite = common.overwrite});
  }
  std::printf("source surface %g solar radii: strongest field %.4g G, open flux %.4g Mx\n", o.model.rss, largest,
              corona.open_flux());
  std::printf("%s: %zu x %zu x %zu nodes by %s, computed in %s\n", examples::one_line(o.output).c_str(),
              corona.grid.n_phi + 1, corona.grid.n_s + 1, corona.grid.n_r + 1,
              o.model.method == "fd" ? "finite differences" : "spherical harmonics",
              examples::duration_text(corona.seconds).c_str());
  return examples::success;
}

}  // namespace

int solve(SolveOptions const& o, CommonOptions const& common) {
  check_vtk_name(o.vtk, ".vts");
  examples::check_outputs({o.output, o.vtk, o.png}, {o.input}, common.overwrite);
  return o.model.double_precision ? run<double>(o, common) : run<float>(o, common);
}

}  // namespace pfss
