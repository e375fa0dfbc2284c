// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "level15.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>

#include <heliograd/base/error.hpp>
#include <heliograd/io/fits.hpp>
#include <heliograd/physics/ephemeris.hpp>
#include "sources.hpp"
#include "units.hpp"

namespace pix2pix {

namespace hg = heliograd;
namespace ph = heliograd::physics;

namespace {

std::string upper(std::string text) {
  for (char& c : text) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return text;
}

/// What an image is, by its cards.
std::string channel_of(hg::io::FitsHeader const& h, std::string const& file) {
  std::string const instrument = upper(h.text("INSTRUME").value_or("")),
                    detector = upper(h.text("DETECTOR").value_or(""));
  std::string const telescope = upper(h.text("TELESCOP").value_or("")), content = upper(h.text("CONTENT").value_or(""));
  std::string const unit = h.text("BUNIT").value_or("");
  auto const wave = [&] {
    auto const value = h.real("WAVELNTH");
    if (!value || !(*value > 10 && *value < 10000))
      throw hg::InputError(file + ": does not say which passband it is (keyword WAVELNTH, found '" +
                           h.text("WAVELNTH").value_or("nothing").substr(0, 20) + "', expected 94 to 1700)");
    return std::to_string(std::lround(*value));
  };
  if (instrument.starts_with("AIA") || detector == "AIA") {
    static constexpr char const* known[] = {"94", "131", "171", "193", "211", "304", "335", "1600", "1700"};
    std::string const name = wave();
    if (std::none_of(std::begin(known), std::end(known), [&](char const* k) { return name == k; }))
      throw hg::InputError(file + ": is of AIA at " + name + " A, which no preset uses (94 to 335, 1600, 1700)");
    return "aia" + name;
  }
  if (detector == "EUVI") return "euvi" + wave();
  bool const field = examples::is_gauss(unit) || content.find("MAGNETOGRAM") != std::string::npos;
  bool const hmi = instrument.starts_with("HMI") || detector == "HMI";
  if (hmi && !field)
    throw hg::InputError(file + ": is of HMI but no magnetogram (found CONTENT '" + content.substr(0, 30) +
                         "', BUNIT '" + unit.substr(0, 20) + "')");
  if (hmi) return "hmi";
  if (field && (telescope.find("SOHO") != std::string::npos || instrument.starts_with("MDI"))) return "mdi";
  throw hg::InputError(file + ": is not of AIA, HMI, MDI or EUVI (found TELESCOP '" + telescope.substr(0, 20) +
                       "', INSTRUME '" + instrument.substr(0, 20) + "')");
}

}  // namespace

Degradation::Degradation(std::string const& file) : name_(std::filesystem::path(file).filename().string()) {
  std::ifstream lines(file);
  if (!lines) throw hg::InputError(file + ": cannot be read; give a table time,aia94,aia131,...");
  std::string line;
  std::vector<std::string> channels;
  for (std::size_t number = 1; std::getline(lines, line); ++number) {
    if (line.ends_with('\r')) line.pop_back();
    if (line.empty() || line[0] == '#') continue;
    std::vector<std::string> words;
    std::istringstream cells(line);
    for (std::string word; std::getline(cells, word, ',');) words.push_back(word);
    auto const refuse = [&](std::string const& what) {
      throw hg::InputError(file + ": line " + std::to_string(number) + " " + what);
    };
    if (channels.empty()) {
      if (words.size() < 2 || words[0] != "time") refuse("is no header (expected time,aia94,aia131,...)");
      for (std::size_t i = 1; i < words.size(); ++i)
        channels.push_back(words[i].find_first_not_of("0123456789") == std::string::npos ? "aia" + words[i] : words[i]);
      continue;
    }
    if (words.size() != channels.size() + 1)
      refuse("has " + std::to_string(words.size()) + " fields, expected " + std::to_string(channels.size() + 1));
    auto const time = ph::julian_date_from(words[0]);
    if (!time) refuse("begins with no time (found '" + words[0].substr(0, 30) + "', expected 2012-05-01)");
    for (std::size_t i = 0; i < channels.size(); ++i) {
      double value = 0;
      std::string const& word = words[i + 1];
      auto const [end, problem] = std::from_chars(word.data(), word.data() + word.size(), value);
      if (problem != std::errc{} || end != word.data() + word.size() || !(value > 0 && value < 1000))
        refuse("has no factor for " + channels[i] + " (found '" + word.substr(0, 30) + "')");
      auto& series = series_[channels[i]];
      if (!series.empty() && *time <= series.back().first) refuse("is not later than the line before");
      series.emplace_back(*time, value);
    }
  }
  if (series_.empty()) throw hg::InputError(file + ": holds no factors; give a table time,aia94,aia131,...");
}

double Degradation::factor(std::string const& channel, double julian_date) const {
  auto const at = series_.find(channel);
  if (at == series_.end()) return 1;
  auto const& s = at->second;
  auto const after =
      std::upper_bound(s.begin(), s.end(), julian_date, [](double t, auto const& e) { return t < e.first; });
  if (after == s.begin()) return s.front().second;
  if (after == s.end()) return s.back().second;
  auto const& before = *std::prev(after);
  double const part = (julian_date - before.first) / (after->first - before.first);
  return before.second + part * (after->second - before.second);
}

Observation read_observation(std::string const& file, Degradation const& degradation,
                             ObservationOptions const& options) {
  auto read = hg::io::read_fits<float>(file);
  Observation o;
  o.header = read.header;
  o.channel = channel_of(o.header, file);
  auto const time = ph::julian_date_of(o.header);
  if (!time) throw hg::InputError(file + ": does not say when it was taken (keywords T_OBS, DATE-OBS)");
  o.julian_date = *time;
  // MDI's counts the images that are missing from an average, and is a number or text.
  std::string const quality = o.header.text("QUALITY").value_or("0");
  if (o.channel != "mdi" && !options.any_quality && quality.find_first_not_of("0xX. ") != std::string::npos)
    throw hg::InputError(file + ": QUALITY says that something is wrong with it (found " + quality.substr(0, 30) +
                         ", expected 0); take it all the same with --any-quality");
  o.image = Image(read.height, read.width, std::move(read.pixels));
  std::string const unit = o.header.text("BUNIT").value_or("");
  constexpr float nan = std::numeric_limits<float>::quiet_NaN();
  if (o.channel == "hmi" || o.channel == "mdi") {
    if (!examples::is_gauss(unit))
      throw hg::InputError(file + ": is not in gauss (found BUNIT '" + unit.substr(0, 30) + "', expected Gauss)");
    for (float& b : o.image.pixels)
      if (!(std::fabs(b) <= 20000)) b = nan;  // nothing on the Sun is stronger
    o.header.set("BUNIT", "Gauss");
    return o;
  }
  // Counts: per second, as of an instrument that has not aged.
  std::string word;
  for (char const c : upper(unit))
    if (c != ' ') word += c;
  bool const per_second = word.starts_with("DN/S") || word == "DNS-1" || word == "DN/PIXEL/S";
  if (!per_second && !word.empty() && word != "DN" && word != "COUNT" && word != "COUNTS" && word != "DN/PIXEL")
    throw hg::InputError(file + ": is not in counts (found BUNIT '" + unit.substr(0, 30) + "', expected DN or DN/s)");
  double factor = 1;
  char text[120];
  if (!per_second) {
    auto const exposure = o.header.real("EXPTIME");
    if (!exposure || !(*exposure > 0))
      throw hg::InputError(file + ": does not say how long it was exposed (keyword EXPTIME, found '" +
                           o.header.text("EXPTIME").value_or("nothing").substr(0, 20) + "', expected seconds)");
    factor = 1 / *exposure;
    std::snprintf(text, sizeof text, "counts / %.6g s", *exposure);
    o.done = text;
  }
  if (double const aged = degradation.factor(o.channel, o.julian_date); degradation.knows(o.channel)) {
    factor *= aged;
    std::snprintf(text, sizeof text, "%stimes %.6g for degradation", o.done.empty() ? "" : ", ", aged);
    o.done += text;
  }
  for (float& v : o.image.pixels) v = std::isfinite(v) ? static_cast<float>(double(v) * factor) : nan;
  o.header.set("BUNIT", "DN/s");
  return o;
}

}  // namespace pix2pix
