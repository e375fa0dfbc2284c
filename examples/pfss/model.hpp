// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <cstddef>
#include <string>
#include <vector>

#include <heliograd/core/copy.hpp>
#include <heliograd/kernel/harmonics.hpp>
#include <heliograd/kernel/pfss.hpp>
#include <heliograd/kernel/pfss_field.hpp>
#include "commands.hpp"
#include "program.hpp"
#include "progress.hpp"
#include "synoptic_map.hpp"

/// \file
/// From a map to its corona.
namespace pfss {

template <class Scalar>
using Backend = heliograd::Backend<Kokkos::DefaultExecutionSpace, Scalar>;

/// A corona on the nodes of its grid, and its source surface on the map's grid.
template <class Scalar>
struct Corona {
  heliograd::PfssGrid grid;
  heliograd::Tensor<4, Backend<Scalar>> field;  ///< [n_r + 1, n_s + 1, n_phi, (r, theta, phi)]; empty if not wanted
  std::vector<double> surface;                  ///< [n_s][n_phi], gauss
  double seconds = 0;

  double radius(std::size_t shell) const { return grid.radius(shell); }
  /// Unsigned flux through the source surface, maxwell.
  double open_flux() const {
    double sum = 0;
    for (double const b : surface) sum += std::fabs(b);
    constexpr double radius_cm = 6.96e10;
    double const area = 4 * Kokkos::numbers::pi * grid.rss * grid.rss * radius_cm * radius_cm;
    return sum / static_cast<double>(surface.size()) * area;
  }
};

inline heliograd::HarmonicOptions harmonic_options(ModelOptions const& o, std::size_t rows) {
  std::size_t const l_max = std::min(o.lmax, rows - 1);
  bool const exact = l_max * l_max <= 4 * rows;  // where it is well posed
  return {l_max, exact ? heliograd::HarmonicFit::least_squares : heliograd::HarmonicFit::quadrature};
}

/// Extrapolates a map: its source surface, and the `whole` field if wanted.
template <class Scalar>
Corona<Scalar> make_corona(SynopticMap const& map, ModelOptions const& o, bool whole, bool quiet,
                           heliograd::PfssFoot foot = heliograd::PfssFoot::current) {
  namespace hg = heliograd;
  using B = Backend<Scalar>;
  examples::Stopwatch clock;
  Corona<Scalar> corona;
  corona.grid = {o.nr, map.rows, map.columns, o.rss, o.centred};
  hg::expect_grid(corona.grid);
  hg::Workspace<B> ws;
  // The source surface is the sum of what the map holds to its last digit, so it is always found in double precision.
  using D = Backend<double>;
  hg::Workspace<D> exact;
  auto const boundary = hg::make_tensor<D>("boundary", hg::Shape{map.rows, map.columns});
  auto const surface = hg::make_tensor<D>("surface", hg::Shape{map.rows, map.columns});
  hg::from_host(exact.exec(), boundary, map.gauss);
  bool const fd = o.method == "fd";
  auto const harmonics = harmonic_options(o, map.rows);
  if (fd)
    hg::kernel::pfss_source_surface<D>(exact, corona.grid, boundary, hg::overwrite<D, 2>(surface));
  else
    hg::kernel::harmonic_source_surface<D>(exact, corona.grid, harmonics, boundary, hg::overwrite<D, 2>(surface));
  corona.surface = hg::to_host(exact.exec(), surface);
  if (whole) {
    corona.field = hg::make_tensor<B>("field", hg::Shape{o.nr + 1, map.rows + 1, map.columns, std::size_t(3)});
    hg::TensorRef<2, B> single;
    hg::Tensor<2, B> converted;
    std::vector<Scalar> const values(map.gauss.begin(), map.gauss.end());
    converted = hg::make_tensor<B>("map", hg::Shape{map.rows, map.columns});
    hg::from_host(ws.exec(), converted, values);
    examples::Progress progress("field,", 100, quiet);
    auto const tell = [&](std::size_t done, std::size_t total) {
      examples::signals::check();
      progress.update(100 * done / total);
    };
    if (fd) {
      auto scope = ws.scope();
      auto* const psi = scope.template take<double>(corona.grid.potential_size());
      hg::kernel::pfss_potential<B>(ws, corona.grid, converted, psi, tell);
      hg::kernel::pfss_nodes<B>(ws, corona.grid, psi, corona.field, foot);
    } else {
      hg::kernel::harmonic_nodes<B>(ws, corona.grid, harmonics, converted, corona.field, tell);
    }
    ws.exec().fence("pfss: the field is ready");
  }
  corona.seconds = clock.seconds();
  return corona;
}

/// Reads a map and says on standard error what was done to it.
SynopticMap load_map(std::string const& file, ModelOptions const& options, CommonOptions const& common);

/// The coordinates of nodes: axis 1 longitude, axis 2 sine latitude, axis 3 (if `shells`) ln r.
heliograd::io::FitsHeader node_header(SynopticMap const& map, heliograd::PfssGrid const& grid,
                                      ModelOptions const& options, bool shells);

/// What a file of results says about the model.
void describe(heliograd::io::FitsHeader& header, SynopticMap const& map, ModelOptions const& options);

/// "1.23e+22".
std::string short_number(double value, int digits = 4);

}  // namespace pfss
