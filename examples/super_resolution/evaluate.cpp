// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include <heliograd/io/fits.hpp>
#include <heliograd/io/png.hpp>
#include <heliograd/metrics/binning.hpp>
#include <heliograd/metrics/extremes.hpp>
#include <heliograd/metrics/flux.hpp>
#include <heliograd/metrics/gradient_error.hpp>
#include <heliograd/metrics/joint_histogram.hpp>
#include <heliograd/metrics/pearson.hpp>
#include <heliograd/metrics/residual.hpp>
#include <heliograd/metrics/ssim.hpp>
#include <heliograd/physics/calibration.hpp>
#include <heliograd/physics/disk.hpp>
#include <heliograd/physics/registration.hpp>
#include "commands.hpp"
#include "images.hpp"
#include "network.hpp"
#include "outputs.hpp"
#include "program.hpp"
#include "units.hpp"
#include "upscale.hpp"

namespace super_resolution {

namespace hg = heliograd;
namespace fs = std::filesystem;
using hg::physics::Pointing;
using Map = hg::Tensor<2, Backend>;
using Json = nlohmann::ordered_json;

namespace {

/// Ranges of radius and of the truth's field over which the paper gives correlations (its Table 1).
struct NamedRange {
  char const* name;
  hg::metrics::Range range;
};
constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr NamedRange radius_ranges[] = {{"r 0 to 1", {0, 1}},
                                        {"r 0 to 2/3", {0, 2.0 / 3}},
                                        {"r 0 to 1/3", {0, 1.0 / 3}},
                                        {"r 1/3 to 1/2", {1.0 / 3, 0.5}},
                                        {"r 1/2 to 3/4", {0.5, 0.75}}};
constexpr NamedRange field_ranges[] = {
    {"|B| >= 10 G", {10, infinity}}, {"|B| >= 600 G", {600, infinity}}, {"|B| <= 600 G", {0, 600}}};
constexpr std::size_t tile_sides[] = {2, 4, 8, 16, 32};

/// What is measured of one map against the truth.
struct Measures {
  double correlation = 0, slope = 0, rmse = 0, bias = 0, ssim = 0;
  std::vector<double> by_radius, by_field, extremes, gradient;
  double unsigned_flux_ratio = 0;  ///< of the whole field compared
  double net_flux_error = 0;       ///< difference of net flux as a share of the truth's unsigned flux
  double flux_error = 0;           ///< rms of the flux per pixel, as a share of the truth's rms
  hg::metrics::JointHistogram histogram;
};

struct Compared {
  Map truth, radius, mu, mask;  // the last three empty without a pointing
  double pixel_area = 1;
};

Map to_device(hg::Workspace<Backend>& ws, Image const& image) {
  auto const map = hg::make_tensor<Backend>("image", hg::Shape{image.height, image.width});
  hg::from_host(ws.exec(), map, image.gauss);
  return map;
}

Measures measure(hg::Workspace<Backend>& ws, Map const& map, Compared const& with) {
  Measures m;
  hg::ConstTensorRef<2, Backend> const mask = with.mask;
  auto const all = hg::metrics::pearson<Backend>(ws, map, with.truth, mask);
  m.correlation = all.value();
  m.slope = all.slope();
  auto const residual = hg::metrics::residual<Backend>(ws, map, with.truth, mask);
  m.rmse = residual.rmse();
  m.bias = residual.bias();
  if (map.extent(0) >= 11 && map.extent(1) >= 11)
    m.ssim = hg::metrics::ssim<Backend>(ws, map, with.truth, {.data_range = 3500, .luminance_of_magnitude = true}, mask)
                 .value();
  auto const by = [&](auto const& ranges, hg::ConstTensorRef<2, Backend> what, hg::ConstTensorRef<2, Backend> where) {
    std::vector<hg::metrics::Range> list;
    for (auto const& named : ranges) list.push_back(named.range);
    std::vector<double> values;
    for (auto const& c : hg::metrics::pearson_by<Backend>(ws, map, with.truth, what, list, where))
      values.push_back(c.value());
    return values;
  };
  if (with.radius.data()) m.by_radius = by(radius_ranges, with.radius, {});
  m.by_field = by(field_ranges, with.truth, mask);
  for (std::size_t const side : tile_sides) {
    m.extremes.push_back(hg::metrics::extremes<Backend>(ws, map, with.truth, side, mask).value());
    m.gradient.push_back(hg::metrics::gradient_error<Backend>(ws, map, with.truth, side, mask).value());
  }
  // Flux through the surface: radial field times the pixel's area on the Sun.
  auto const flux_map = [&](Map const& field) {
    auto const result = hg::make_tensor<Backend>("flux", hg::shape_of(field));
    hg::metrics::signed_flux<Backend>(ws, field, with.mu, with.pixel_area, result);
    return result;
  };
  Map const mine = flux_map(map), theirs = flux_map(with.truth);
  auto const a = hg::metrics::flux<Backend>(ws, mine, {}, mask);
  auto const b = hg::metrics::flux<Backend>(ws, theirs, {}, mask);
  m.unsigned_flux_ratio = a.total_unsigned / b.total_unsigned;
  m.net_flux_error = (a.net - b.net) / b.total_unsigned;
  m.flux_error = std::sqrt(hg::metrics::residual<Backend>(ws, mine, theirs, mask).nmse());
  m.histogram =
      hg::metrics::joint_histogram<Backend>(ws, map, with.truth, {.low = -2000, .high = 2000, .count = 80}, mask);
  return m;
}

Json number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

Json json_of(Measures const& m, bool disk) {
  Json j;
  j["correlation"] = number(m.correlation);
  for (std::size_t i = 0; disk && i < std::size(radius_ranges); ++i)
    j["correlation_by_radius"][radius_ranges[i].name] = number(m.by_radius[i]);
  for (std::size_t i = 0; i < std::size(field_ranges); ++i)
    j["correlation_by_field"][field_ranges[i].name] = number(m.by_field[i]);
  j["slope"] = number(m.slope);
  j["rmse_gauss"] = number(m.rmse);
  j["bias_gauss"] = number(m.bias);
  j["ssim"] = number(m.ssim);
  j["unsigned_flux_ratio"] = number(m.unsigned_flux_ratio);
  j["net_flux_error_share"] = number(m.net_flux_error);
  j["signed_flux_per_pixel_error_share"] = number(m.flux_error);
  for (std::size_t i = 0; i < std::size(tile_sides); ++i) {
    j["extremes_gauss"][std::to_string(tile_sides[i])] = number(m.extremes[i]);
    j["gradient_gauss"][std::to_string(tile_sides[i])] = number(m.gradient[i]);
  }
  Json columns = Json::array();
  for (int k = 0; k < m.histogram.bins.count; ++k) {
    auto const& column = m.histogram.columns[static_cast<std::size_t>(k)];
    if (column.count > 0)
      columns.push_back({{"truth_gauss", m.histogram.bins.center(k)},
                         {"pixels", column.count},
                         {"mean_gauss", number(column.mean)},
                         {"deviation_gauss", number(column.deviation())}});
  }
  j["columns_of_joint_histogram"] = columns;
  return j;
}

void print_table(std::vector<std::pair<std::string, Measures>> const& maps, bool disk) {
  std::printf("%-34s", "");
  for (auto const& [name, m] : maps) std::printf(" %16s", name.c_str());
  std::printf("\n");
  auto const row = [&](std::string const& label, char const* format, auto&& value) {
    std::printf("%-34s", label.c_str());
    for (auto const& [name, m] : maps) {
      double const v = value(m);
      char text[32] = "-";
      if (std::isfinite(v)) std::snprintf(text, sizeof text, format, v);
      std::printf(" %16s", text);
    }
    std::printf("\n");
  };
  row("correlation", "%.4f", [](Measures const& m) { return m.correlation; });
  for (std::size_t i = 0; disk && i < std::size(radius_ranges); ++i)
    row("  " + std::string(radius_ranges[i].name), "%.4f", [&](Measures const& m) { return m.by_radius[i]; });
  for (std::size_t i = 0; i < std::size(field_ranges); ++i)
    row("  " + std::string(field_ranges[i].name), "%.4f", [&](Measures const& m) { return m.by_field[i]; });
  row("slope against the truth", "%.3f", [](Measures const& m) { return m.slope; });
  row("RMSE, G", "%.2f", [](Measures const& m) { return m.rmse; });
  row("bias, G", "%.2f", [](Measures const& m) { return m.bias; });
  row("structural similarity", "%.4f", [](Measures const& m) { return m.ssim; });
  row("unsigned flux / truth's", "%.3f", [](Measures const& m) { return m.unsigned_flux_ratio; });
  row("net flux error / unsigned flux", "%.4f", [](Measures const& m) { return m.net_flux_error; });
  row("signed flux per pixel, rms error", "%.3f", [](Measures const& m) { return m.flux_error; });
  for (std::size_t i = 0; i < std::size(tile_sides); ++i)
    row("extremes per " + std::to_string(tile_sides[i]) + " px, G", "%.2f",
        [&](Measures const& m) { return m.extremes[i]; });
  for (std::size_t i = 0; i < std::size(tile_sides); ++i)
    row("gradient per " + std::to_string(tile_sides[i]) + " px, G", "%.2f",
        [&](Measures const& m) { return m.gradient[i]; });
}

Image read_image(std::string const& file, hg::io::FitsHeader* header = nullptr) {
  auto const read = hg::io::read_fits<float>(file);
  std::string const unit = read.header.text("BUNIT").value_or("");
  if (!examples::may_be_gauss(unit))
    throw hg::InputError(file + ": is not in gauss (found BUNIT '" + unit.substr(0, 30) +
                         "', expected Gauss or Mx/cm^2)");
  if (header) *header = read.header;
  return {read.height, read.width, read.pixels};
}

}  // namespace

int evaluate(EvaluateOptions const& o, CommonOptions const& common) {
  examples::check_outputs({o.json, o.png}, {o.truth, o.prediction, o.input}, common.overwrite);
  if (o.prediction.empty() && o.input.empty())
    throw hg::UsageError(
        "evaluate wants --prediction, or --input to apply the network to; see super_resolution evaluate --help");
  if (!o.prediction.empty() && !o.weights.empty())
    throw hg::UsageError(
        "--weights and --prediction exclude each other: either the network makes the prediction or the file is it");
  if (!(o.baseline_factor > 0)) throw hg::UsageError("--baseline-factor must be positive");

  hg::io::FitsHeader header;
  Image truth = read_image(o.truth, &header);
  std::optional<LoadedNetwork> network;
  if (o.prediction.empty()) network = load_network(o.weights, o.scale, o.accuracy);
  auto const scale = static_cast<std::size_t>(network ? network->model.scale : o.scale);
  if (truth.height <= 2 * o.border + 8 || truth.width <= 2 * o.border + 8)
    throw hg::InputError(o.truth + ": is too small to compare (found " + std::to_string(truth.width) + " x " +
                         std::to_string(truth.height) + ", expected more than " + std::to_string(2 * o.border + 8) +
                         " pixels a side); use a smaller --border");
  std::optional<Pointing> pointing;
  if (!o.no_wcs) {
    try {
      pointing = hg::physics::pointing_from(header, o.truth);
    } catch (hg::InputError const&) {
      pointing.reset();  // a patch: measured without radius, and said so below
    }
  }

  // The input at low resolution.
  hg::Workspace<Backend> ws;
  std::optional<Image> input;
  hg::physics::Shift shift;
  if (!o.input.empty()) {
    Image read = read_image(o.input);
    fill_missing(read);
    if (o.input_on_fine_grid) {
      if (read.height != truth.height || read.width != truth.width)
        throw hg::InputError(o.input + ": is not on the grid of " + o.truth + " (found " + std::to_string(read.width) +
                             " x " + std::to_string(read.height) + ", expected " + std::to_string(truth.width) + " x " +
                             std::to_string(truth.height) + ")");
      if (o.align) {
        Image still = truth;
        fill_missing(still);
        shift = hg::physics::find_shift<Backend>(ws, to_device(ws, read), to_device(ws, still));
        if (!shift.inside)
          throw hg::InputError(o.input + ": does not show the scene of " + o.truth +
                               "; leave --align away to compare all the same");
        read = moved(read, shift.whole_dy, shift.whole_dx);
      }
      truth = cropped(truth, truth.height / scale * scale, truth.width / scale * scale);
      read = binned(cropped(read, truth.height, truth.width), scale);
    } else if (read.height * scale != truth.height || read.width * scale != truth.width) {
      throw hg::InputError(o.input + ": does not fit " + o.truth + " (found " + std::to_string(read.width) + " x " +
                           std::to_string(read.height) + ", expected " + std::to_string(truth.width / scale) + " x " +
                           std::to_string(truth.height / scale) +
                           "); --input-on-fine-grid takes one of the truth's size");
    }
    input = std::move(read);
  }

  double divisor = o.baseline_factor;
  if (input && o.fit_factor) {
    Image still = truth;
    fill_missing(still);
    divisor =
        hg::physics::fit_calibration<Backend>(ws, to_device(ws, *input), to_device(ws, binned(still, scale))).slope;
  }

  // The maps to compare.
  std::vector<std::pair<std::string, Image>> maps;
  if (network) {
    std::optional<Pointing> low;
    if (pointing) low = pointing->magnified(1.0 / double(scale));
    Upscaler upscaler(network->model);
    maps.push_back(
        {"network",
         {truth.height, truth.width, upscaler.run(input->height, input->width, low, input->gauss, [](std::size_t) {
            examples::signals::check();
          })}});
  } else {
    Image prediction = read_image(o.prediction);
    if (prediction.height != truth.height || prediction.width != truth.width)
      throw hg::InputError(o.prediction + ": has another size than the truth (found " +
                           std::to_string(prediction.width) + " x " + std::to_string(prediction.height) +
                           ", expected " + std::to_string(truth.width) + " x " + std::to_string(truth.height) + ")");
    maps.push_back({"prediction", std::move(prediction)});
  }
  char label[48];
  std::snprintf(label, sizeof label, "bicubic / %.3g", divisor);
  if (input) maps.push_back({label, bicubic(ws, *input, scale, divisor, o.cubic)});
  if (o.align && !o.input_on_fine_grid) {  // what is compared is brought onto the truth
    Image still = truth, moving = maps.back().second;
    fill_missing(still);
    fill_missing(moving);
    shift = hg::physics::find_shift<Backend>(ws, to_device(ws, moving), to_device(ws, still));
    if (!shift.inside)
      throw hg::InputError(o.truth + ": shows another scene; leave --align away to compare all the same");
    for (auto& [name, map] : maps) map = moved(map, shift.whole_dy, shift.whole_dx);
  }

  // Measure, without the border.
  Compared with;
  std::size_t const b = o.border;
  Image const inner = cut(truth, b);
  with.truth = to_device(ws, inner);
  if (pointing) {
    auto const shape = hg::shape_of(with.truth);
    with.radius = hg::make_tensor<Backend>("radius", shape);
    with.mu = hg::make_tensor<Backend>("mu", shape);
    with.mask = hg::make_tensor<Backend>("mask", shape);
    hg::physics::radius_map<Backend>(ws, *pointing, double(b), double(b), with.radius);
    hg::physics::mu_map<Backend>(ws, *pointing, double(b), double(b), with.mu);
    auto radius = hg::to_host(ws.exec(), with.radius);
    for (float& r : radius) r = r <= 0.9f ? 1.f : 0.f;  // the paper compares within 0.9 radii
    hg::from_host(ws.exec(), with.mask, radius);
    with.pixel_area = pointing->pixel_area_cm2();
  }
  std::vector<std::pair<std::string, Measures>> measured;
  for (auto const& [name, map] : maps) measured.push_back({name, measure(ws, to_device(ws, cut(map, b)), with)});

  // Say it.
  std::printf("%s: %zu x %zu pixels compared%s\n", o.truth.c_str(), inner.width, inner.height,
              pointing ? ", within 0.9 solar radii unless r is given" : "");
  if (o.align)
    std::printf("aligned by (%d, %d) pixels in (y, x), correlation %.4f\n", shift.whole_dy, shift.whole_dx,
                shift.correlation);
  print_table(measured, pointing.has_value());
  // At the input's resolution, against the input itself: is the calibration kept?
  if (!o.json.empty()) {
    Json j;
    j["truth"] = fs::path(o.truth).filename().string();
    if (!o.input.empty()) j["input"] = fs::path(o.input).filename().string();
    if (network)
      j["weights"] = {{"file", fs::path(network->file).filename().string()},
                      {"sha256", network->sha256},
                      {"accuracy", network->accuracy}};
    j["border_pixels"] = b;
    j["pixels"] = {inner.width, inner.height};
    if (o.align)
      j["shift"] = {
          {"dy", shift.whole_dy}, {"dx", shift.whole_dx}, {"subpixel_dy", shift.dy}, {"subpixel_dx", shift.dx}};
    if (pointing) j["largest_radius"] = 0.9;
    if (input) j["baseline_factor"] = divisor;
    for (auto const& [name, m] : measured) j["maps"][name] = json_of(m, pointing.has_value());
    if (input) {
      Image const coarse =
          cut(binned(cropped(maps.front().second, input->height * scale, input->width * scale), scale), b / scale);
      auto const joint = hg::metrics::joint_histogram<Backend>(
          ws, to_device(ws, coarse), to_device(ws, cut(*input, b / scale)), {.low = -2000, .high = 2000, .count = 80});
      Json columns = Json::array();
      for (int k = 0; k < joint.bins.count; ++k) {
        auto const& column = joint.columns[static_cast<std::size_t>(k)];
        if (column.count > 0)
          columns.push_back({{"input_gauss", joint.bins.center(k)},
                             {"pixels", column.count},
                             {"mean_gauss", number(column.mean)},
                             {"deviation_gauss", number(column.deviation())}});
      }
      j["averaged_to_input_pixels"] = columns;
    }
    examples::write_text(o.json, j.dump(2) + "\n", common.overwrite);
    if (!common.quiet) std::printf("%s\n", o.json.c_str());
  }
  if (!o.png.empty()) {
    constexpr std::size_t side = 640;
    auto const panel = [&](std::string name, Image const& image, double range,
                           hg::io::ColourMap map = hg::io::ColourMap::gray) {
      return hg::io::make_panel(std::move(name), image.gauss.data(), image.width, image.height, side, -range, range,
                                "G", map, hg::io::Stretch::asinh);
    };
    auto const difference = [&](Image const& map) {
      Image d = map;
      for (std::size_t i = 0; i < d.gauss.size(); ++i) d.gauss[i] -= truth.gauss[i];
      return d;
    };
    double const range = 3 * o.saturate;
    std::vector<hg::io::Panel> panels;
    if (input) panels.push_back(panel("input", *input, range));
    panels.push_back(panel(maps[0].first, maps[0].second, range));
    panels.push_back(panel("target", truth, range));
    if (input)
      panels.push_back(
          panel(maps[1].first + " - target", difference(maps[1].second), o.saturate, hg::io::ColourMap::magnetic));
    panels.push_back(
        panel(maps[0].first + " - target", difference(maps[0].second), o.saturate, hg::io::ColourMap::magnetic));
    if (input) panels.push_back(panel(maps[1].first, maps[1].second, range));
    char note[160];
    std::snprintf(note, sizeof note, "correlation %.4f, RMSE %.1f G, gradient error %.2f G, extremes %.1f G per 32 px",
                  measured[0].second.correlation, measured[0].second.rmse, measured[0].second.gradient.back(),
                  measured[0].second.extremes.back());
    std::string text = note;
    if (input) {
      std::snprintf(note, sizeof note, "; %s: %.4f, %.1f, %.2f, %.1f", maps[1].first.c_str(),
                    measured[1].second.correlation, measured[1].second.rmse, measured[1].second.gradient.back(),
                    measured[1].second.extremes.back());
      text += note;
    }
    hg::io::write_png(
        o.png,
        hg::io::draw_figure(panels, {.title = fs::path(o.truth).filename().string(), .note = text, .columns = 3}),
        {.overwrite = common.overwrite});
    if (!common.quiet) std::printf("%s\n", o.png.c_str());
  }
  return examples::success;
}

}  // namespace super_resolution
