// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include <heliograd/io/fits.hpp>
#include <heliograd/io/png.hpp>
#include "commands.hpp"
#include "outputs.hpp"
#include "pairs.hpp"
#include "program.hpp"
#include "progress.hpp"
#include "published.hpp"
#include "scores.hpp"

namespace pix2pix {

namespace hg = heliograd;
namespace hm = heliograd::metrics;
namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

namespace {

/// A prediction, the truth, and what both are called.
struct Pair {
  std::string name, prediction, truth;
};

Json json_of(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

Json json_of(Numbers const& numbers) {
  Json j = Json::object();
  for (auto const& [name, value] : numbers) j[name] = json_of(value);
  return j;
}

Json json_of(Published const& table) {
  Json j;
  j["source"] = table.source;
  for (auto const& row : table.rows)
    for (std::size_t i = 0; i < row.values.size(); ++i) {
      std::string name = table.columns[i];
      if (name == "+-") name = table.columns[i - 1] + " deviation";
      if (row.values[i] != -1) j["table"][row.name][name] = row.values[i];
    }
  return j;
}

/// Means and deviations of named numbers, in the order of their first appearance.
class Summary {
 public:
  void add(Numbers const& numbers) {
    for (auto const& [name, value] : numbers) {
      auto const at = std::find_if(entries_.begin(), entries_.end(), [&](auto const& e) { return e.first == name; });
      auto& moments = at != entries_.end() ? at->second : entries_.emplace_back(name, hm::Moments{}).second;
      if (std::isfinite(value)) moments += value;
    }
  }
  std::vector<std::pair<std::string, hm::Moments>> const& entries() const { return entries_; }

 private:
  std::vector<std::pair<std::string, hm::Moments>> entries_;
};

/// Sums over each image, prediction and truth, correlated over the set.
class SumSeries {
 public:
  void add(Numbers const& prediction, Numbers const& truth) {
    for (std::size_t i = 0; i < truth.size(); ++i) {
      auto& series = series_[truth[i].first];
      if (!std::isfinite(prediction[i].second) || !std::isfinite(truth[i].second)) continue;
      // As one more pair of pixels.
      series += hm::Correlation{1, prediction[i].second, truth[i].second, 0, 0, 0};
    }
  }
  std::map<std::string, hm::Correlation> const& series() const { return series_; }

 private:
  std::map<std::string, hm::Correlation> series_;
};

/// The scatter as a picture: how often each pair of values occurs, truth to the right, prediction upwards, and the line
/// where both are equal.
hg::io::Panel scatter_panel(hm::JointHistogram const& joint, std::string const& label) {
  auto const n = std::size_t(joint.bins.count);
  constexpr std::size_t zoom = 4;
  std::vector<float> picture(n * n * zoom * zoom);
  float most = 1;
  for (std::size_t y = 0; y < n * zoom; ++y)
    for (std::size_t x = 0; x < n * zoom; ++x) {
      float const v = std::log10(1.f + float(joint.at(int(x / zoom), int(y / zoom))));
      most = std::max(most, v);
      picture[y * n * zoom + x] = v;
    }
  for (std::size_t i = 0; i < n * zoom; ++i) picture[i * n * zoom + i] = most;
  return hg::io::make_panel(label, picture.data(), n * zoom, n * zoom, n * zoom, 0.0, double(most),
                            "log10 (1 + pixels)", hg::io::ColourMap::heat);
}

void print_against(Published const& table, std::string const& target) {
  std::printf("\npublished, on other data: %s\n%-18s", table.source.c_str(), "");
  for (std::string const& column : table.columns) std::printf(" %9s", column.c_str());
  std::printf("\n");
  for (auto const& row : table.rows) {
    std::printf("%-18s", ((row.name == target ? "* " : "  ") + row.name).c_str());
    for (double const value : row.values)
      if (value == -1)
        std::printf(" %9s", "-");
      else
        std::printf(" %9.2f", value);
    std::printf("\n");
  }
}

}  // namespace

int evaluate(EvaluateOptions const& o, CommonOptions const& common) {
  std::optional<Published> table;
  if (!o.against.empty()) table = published(o.against);
  if (o.data.empty() == o.truth.empty())
    throw hg::UsageError("give either --data SET and --prediction FOLDER, or --truth FILE and --prediction FILE");
  SystemOptions system_options;
  system_options.preset = o.preset;
  System const system = system_of(system_options);

  // What is to be compared.
  std::vector<Pair> pairs;
  std::string target = o.target;
  std::size_t absent = 0;
  if (!o.data.empty()) {
    PairSet const set(o.data);
    if (target.empty()) target = system.target;
    if (!fs::is_directory(o.prediction))
      throw hg::InputError(o.prediction +
                           ": is no folder; give what apply --data wrote, or compare two files by --truth");
    for (Row const& row : set.rows(o.split, {target})) {
      std::string const& cell = row.cells.at(target);
      std::string const prediction = o.prediction + "/" + cell;
      if (fs::exists(prediction))
        pairs.push_back({cell, prediction, set.path(row, target)});
      else
        ++absent;
    }
    if (pairs.empty())
      throw hg::InputError(o.prediction + ": holds no prediction of " + target + " for the split " + o.split + " of " +
                           o.data + " (" + std::to_string(absent) + " images of the truth have none)");
  } else {
    if (fs::is_directory(o.prediction))
      throw hg::UsageError("--truth is one file, so --prediction is too; for a folder give --data");
    pairs.push_back({fs::path(o.prediction).filename().string(), o.prediction, o.truth});
  }

  std::vector<std::string> inputs{o.data.empty() ? "" : o.data + "/pairs.csv"};
  for (Pair const& pair : pairs) inputs.insert(inputs.end(), {pair.truth, pair.prediction});
  examples::check_outputs({o.json, o.png}, inputs, common.overwrite);

  HostSpace ws;
  Summary summary;
  SumSeries sums;
  hm::Correlation pixels;
  std::optional<hm::JointHistogram> scatter;
  std::optional<hm::PowerSpectrum> power[2];
  std::size_t with_power = 0;  // images that are in it: those of the first one's size
  Json images = Json::array();
  std::optional<Scaling> scaling;
  examples::Progress progress("compared", pairs.size(), common.quiet);
  std::size_t missing = 0, disks = 0;
  for (std::size_t k = 0; k < pairs.size(); ++k) {
    examples::signals::check();
    Pair const& pair = pairs[k];
    auto const prediction = hg::io::read_fits<float>(pair.prediction);
    auto const truth = hg::io::read_fits<float>(pair.truth);
    std::string const unit = truth.header.text("BUNIT").value_or("");
    if (target.empty() && unit.empty())
      throw hg::InputError(pair.truth + ": has no BUNIT to know the channel by; name it with --target");
    if (target.empty()) target = unit.starts_with("DN") || unit.starts_with("dn") ? "aia" : "hmi";
    if (!scaling) {
      Preparation preparation = system.preparation;
      if (o.field_limit > 0) preparation.field_limit = o.field_limit;
      if (o.photon_bits > 0) preparation.photon_bits = o.photon_bits;
      scaling = scaling_of(preparation, target);
      scaling->levels = 0;
    }
    scaling->check_unit(pair.truth, unit);
    scaling->check_unit(pair.prediction, prediction.header.text("BUNIT").value_or(""));
    if (prediction.height != truth.height || prediction.width != truth.width)
      throw hg::InputError(pair.prediction + ": has another size than " + pair.truth + " (found " +
                           std::to_string(prediction.width) + " x " + std::to_string(prediction.height) +
                           ", expected " + std::to_string(truth.width) + " x " + std::to_string(truth.height) + ")");
    Place const place = place_of(truth.header, truth.height, truth.width);
    Measured m;
    try {
      m = measure(ws, Image(prediction.height, prediction.width, prediction.pixels),
                  Image(truth.height, truth.width, truth.pixels), *scaling, place);
    } catch (hg::InputError const& error) {
      throw hg::InputError(pair.prediction + ": " + error.what());
    }
    disks += place.disk.has_value();
    missing += m.missing;
    summary.add(m.scores);
    sums.add(m.prediction_sums, m.truth_sums);
    pixels += m.pixels;
    if (scatter)
      *scatter += m.scatter;
    else
      scatter = m.scatter;
    if (m.truth_power) {
      if (!power[0]) {
        power[0] = m.prediction_power, power[1] = m.truth_power;
        ++with_power;
      } else if (power[0]->modes == m.truth_power->modes) {
        *power[0] += *m.prediction_power, *power[1] += *m.truth_power;
        ++with_power;
      }
    }
    Json j;
    j["image"] = pair.name;
    j["scores"] = json_of(m.scores);
    j["prediction"] = json_of(m.prediction_sums);
    j["truth"] = json_of(m.truth_sums);
    images.push_back(j);
    progress.update(k + 1);
  }
  progress.clear();

  // Say it.
  std::printf("%s: %zu image%s%s\n", target.c_str(), pairs.size(), pairs.size() == 1 ? "" : "s",
              disks == pairs.size() ? ", within the disk"
              : disks > 0           ? ", some within a disk"
                                    : "");
  if (absent > 0) std::printf("%zu images of the truth have no prediction and are left out\n", absent);
  if (missing > 0) std::printf("%zu pixels have no value and are left out\n", missing);
  std::printf("%-18s %10s %10s\n", "", "mean", "deviation");
  for (auto const& [name, moments] : summary.entries())
    if (moments.count > 0) std::printf("%-18s %10.4g %10.4g\n", name.c_str(), moments.mean, moments.deviation());
  std::printf("%-18s %10.4g\n", "CC of all pixels", pixels.value());
  if (pairs.size() > 2)
    for (auto const& [name, series] : sums.series())
      if (series.count > 2)
        std::printf("%-18s %10.4g   over %zu images, slope %.3g\n", ("CC of " + name).c_str(), series.value(),
                    series.count, series.slope());
  if (table) print_against(*table, target);

  if (!o.json.empty()) {
    Json j;
    j["target"] = target;
    j["count"] = pairs.size();
    j["without_prediction"] = absent;
    for (auto const& [name, moments] : summary.entries())
      j["scores"][name] = {
          {"mean", json_of(moments.mean)}, {"deviation", json_of(moments.deviation())}, {"count", moments.count}};
    j["correlation_of_all_pixels"] = json_of(pixels.value());
    for (auto const& [name, series] : sums.series())
      j["over_the_set"][name] = {
          {"correlation", json_of(series.value())}, {"slope", json_of(series.slope())}, {"count", series.count}};
    if (power[0])
      for (std::size_t k = 0; k < power[0]->variance.size(); ++k)
        j["power"].push_back({{"cycles_per_pixel", power[0]->rings.center(int(k))},
                              {"prediction", json_of(power[0]->variance[k] / double(with_power))},
                              {"truth", json_of(power[1]->variance[k] / double(with_power))}});
    if (table) j["published"] = json_of(*table);
    j["images"] = images;
    examples::write_text(o.json, j.dump(2) + "\n", common.overwrite);
    if (!common.quiet) std::printf("%s\n", o.json.c_str());
  }
  if (!o.png.empty()) {
    std::string const unit = scaling->law == Scaling::Law::photons ? "log2 (DN/s + 1)" : scaling->unit();
    char note[120];
    std::snprintf(note, sizeof note, "%.4g to %.4g %s, CC %.4f", scatter->bins.low, scatter->bins.high, unit.c_str(),
                  pixels.value());
    hg::io::write_png(
        o.png,
        hg::io::draw_figure({scatter_panel(*scatter, "truth to the right, prediction upwards")},
                            {.title = target + ", " + std::to_string(pairs.size()) + " images", .note = note}),
        {.overwrite = common.overwrite});
    if (!common.quiet) std::printf("%s\n", o.png.c_str());
  }
  return examples::success;
}

}  // namespace pix2pix
