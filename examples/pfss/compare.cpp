// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include <heliograd/io/fits.hpp>
#include <heliograd/io/png.hpp>
#include <heliograd/metrics/overlap.hpp>
#include <heliograd/metrics/partial_correlation.hpp>
#include <heliograd/metrics/pearson.hpp>
#include <heliograd/physics/field_lines.hpp>
#include "commands.hpp"
#include "model.hpp"
#include "outputs.hpp"
#include "pictures.hpp"

namespace pfss {

namespace hg = heliograd;
namespace physics = heliograd::physics;

namespace {

using D = Backend<double>;

/// Maps as tensors, for the metrics.
class Images {
 public:
  Images(std::size_t rows, std::size_t columns) : shape_{rows, columns} {}
  hg::Tensor<2, D> operator()(std::vector<double> const& values) {
    auto const image = hg::make_tensor<D>("map", shape_);
    hg::from_host(ws.exec(), image, values);
    return image;
  }
  hg::Workspace<D> ws;

 private:
  hg::Shape<2> shape_;
};

/// B_r at a radius on the inner nodes, [n_s - 1][n_phi], linear in ln r between shells.
template <class Scalar>
std::vector<double> radial_field(std::vector<Scalar> const& field, hg::PfssGrid const& grid, double radius) {
  double const place = std::clamp(std::log(radius) / grid.step_rho(), 0.0, grid.depth());
  std::size_t const k = std::min(static_cast<std::size_t>(place), grid.n_r - 1);
  double const part = (place - double(k)) / (grid.place(k + 1) - double(k));
  std::size_t const shell = (grid.n_s + 1) * grid.n_phi;
  std::vector<double> values;
  values.reserve((grid.n_s - 1) * grid.n_phi);
  for (std::size_t n = grid.n_phi; n < shell - grid.n_phi; ++n) {
    double const low = double(field[3 * (k * shell + n)]), high = double(field[3 * ((k + 1) * shell + n)]);
    values.push_back(low + part * (high - low));
  }
  return values;
}

double root_mean_square(std::vector<double> const& a, std::vector<double> const* b = nullptr) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += (a[i] - (b ? (*b)[i] : 0)) * (a[i] - (b ? (*b)[i] : 0));
  return std::sqrt(sum / double(a.size()));
}

/// A number, or null where there is none.
nlohmann::json finite_or_null(double value) { return std::isfinite(value) ? nlohmann::json(value) : nlohmann::json(); }

template <class Scalar>
int run(CompareOptions const& o, CommonOptions const& common) {
  using B = Backend<Scalar>;
  SynopticMap const truth = load_map(o.truth, o.model, common);
  SynopticMap const other = on_grid_of(load_map(o.other, o.model, common), truth);
  auto const corona = make_corona<Scalar>(truth, o.model, true, common.quiet);
  auto const judged = make_corona<Scalar>(other, o.model, true, common.quiet);
  hg::PfssGrid const& grid = corona.grid;
  hg::Workspace<B> ws;
  auto const field = hg::to_host(ws.exec(), corona.field);
  auto const judged_field = hg::to_host(ws.exec(), judged.field);

  nlohmann::json report;
  report["truth"] = o.truth;
  report["other"] = o.other;
  report["rss"] = o.model.rss;
  report["method"] = o.model.method;

  std::vector<double> radii{1.0};
  for (double const r : {1.1, 1.5, 2.0})
    if (r < o.model.rss) radii.push_back(r);
  radii.push_back(o.model.rss);
  Images images(grid.n_s - 1, grid.n_phi);
  std::vector<hg::Tensor<2, D>> true_maps, other_maps;
  std::printf("%9s %12s %12s %12s %12s\n", "radius", "correlation", "partial", "RMS error/G", "RMS truth/G");
  for (double const r : radii) {
    auto const a = radial_field(field, grid, r), b = radial_field(judged_field, grid, r);
    true_maps.push_back(images(a));
    other_maps.push_back(images(b));
    double const rho = hg::metrics::pearson<D>(images.ws, other_maps.back(), true_maps.back()).value();
    double const partial =
        hg::metrics::partial_correlation<D>(images.ws, other_maps.back(), true_maps.back(), true_maps.front()).value();
    double const error = root_mean_square(b, &a), size = root_mean_square(a);
    if (r == 1.0)
      std::printf("%9.3g %12.4f %12s %12.4g %12.4g\n", r, rho, "-", error, size);
    else
      std::printf("%9.3g %12.4f %12.4f %12.4g %12.4g\n", r, rho, partial, error, size);
    report["heights"].push_back(
        {{"radius", r},
         {"correlation", finite_or_null(rho)},
         {"partial_correlation_given_the_surface", r == 1.0 ? nlohmann::json() : finite_or_null(partial)},
         {"rms_error", error},
         {"rms_truth", size}});
  }
  for (std::size_t a = 0; a < radii.size(); ++a) {
    nlohmann::json row;
    for (std::size_t b = 0; b < radii.size(); ++b)
      row.push_back(finite_or_null(hg::metrics::pearson<D>(images.ws, other_maps[b], true_maps[a]).value()));
    report["cross_correlation"].push_back(row);
  }

  double const ratio = judged.open_flux() / corona.open_flux();
  auto const line = zero_contour(corona.surface, grid.n_s, grid.n_phi);
  auto const judged_line = zero_contour(judged.surface, grid.n_s, grid.n_phi);
  double const distance =
      mean_distance(directions(line, grid.n_s, grid.n_phi), directions(judged_line, grid.n_s, grid.n_phi));

  std::size_t const latitudes = 90, longitudes = 180;
  auto const seeds = physics::map_seeds(latitudes, longitudes, 1.0);
  auto const open_regions = [&](auto const& nodes) {
    std::vector<double> open;
    for (auto const& l : physics::trace_field_lines<B>(ws, grid, nodes, seeds)) open.push_back(l.polarity() != 0);
    return open;
  };
  auto const open = open_regions(corona.field), judged_open = open_regions(judged.field);
  Images regions(latitudes, longitudes);
  double const jaccard = hg::metrics::overlap<D>(regions.ws, regions(judged_open), regions(open)).jaccard();

  std::printf("open flux %.4g Mx and %.4g Mx: ratio %.4f\n", corona.open_flux(), judged.open_flux(), ratio);
  std::printf("neutral lines at the source surface are %.3g degrees apart in the mean\n", distance);
  std::printf("open regions: Jaccard index %.4f\n", jaccard);
  report["open_flux"] = {corona.open_flux(), judged.open_flux()};
  report["open_flux_ratio"] = finite_or_null(ratio);
  report["neutral_line_distance_degrees"] = finite_or_null(distance);
  report["open_regions_jaccard"] = finite_or_null(jaccard);

  if (!o.json.empty()) examples::write_text(o.json, report.dump(2) + "\n", common.overwrite);
  if (!o.png.empty()) {
    double const range = round_range(corona.surface, 0.999);
    std::string const at = " at " + short_number(o.model.rss) + " solar radii";
    hg::io::write_png(
        o.png,
        draw_maps({{std::filesystem::path(o.truth).filename().string() + at, &corona.surface, range,
                    hg::io::Stretch::linear, hg::io::ColourMap::magnetic, "G", &line},
                   {std::filesystem::path(o.other).filename().string() + at, &judged.surface, range,
                    hg::io::Stretch::linear, hg::io::ColourMap::magnetic, "G", &judged_line}},
                  grid.n_s, grid.n_phi, "radial field" + at,
                  "open flux ratio " + short_number(ratio, 3) + ", neutral lines " + short_number(distance, 2) +
                      " degrees apart, open regions' Jaccard index " + short_number(jaccard, 2)),
        {.overwrite = common.overwrite});
  }
  return examples::success;
}

}  // namespace

int compare(CompareOptions const& o, CommonOptions const& common) {
  examples::check_outputs({o.json, o.png}, {o.truth, o.other}, common.overwrite);
  return o.model.double_precision ? run<double>(o, common) : run<float>(o, common);
}

}  // namespace pfss
