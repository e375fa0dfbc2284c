// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "presets.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <sstream>
#include <type_traits>

#include <heliograd/base/error.hpp>
#include "common/accuracy.hpp"

namespace pix2pix {

namespace hg = heliograd;

namespace {

/// Park et al. 2019 (ApJL 884 L23). Model A learns from the mean absolute error alone. Adam does not see that error's weight:
/// it is that of model B.
System park2019(bool adversarial, std::string const& variant) {
  System s;
  s.source = "Park et al. 2019, ApJL 884 L23";
  s.inputs = {"hmi"};
  s.target = "aia193";
  if (!adversarial) s.training.game = Game::none;
  if (variant == "code2019") {
    s.generator.depth = 10;
    s.generator.after = false;
    s.generator.bias = GeneratorDesign::Bias::none;
    s.generator.tanh = false;
    s.discriminator.same_size = true;
    s.inference = "batch";
  } else if (!variant.empty()) {
    throw hg::UsageError("--variant: park2019 comes as published, or as code2019 (found '" + variant + "')");
  }
  return s;
}

/// Kim et al. 2019 (Nature Astronomy 3, 397): images of 8 bits, fields of +-100 G.
System aisfm1() {
  System s;
  s.source = "Kim et al. 2019, Nature Astronomy 3, 397";
  s.inputs = {"aia304"};
  s.target = "hmi";
  s.generator.depth = 10;
  s.generator.after = false;
  s.generator.bias = GeneratorDesign::Bias::ends;
  s.discriminator.inner_bias = true;
  s.training.discriminator_first = true;
  s.training.outside = -1;
  s.preparation.field_limit = 100;
  s.preparation.levels = 256;
  s.inference = "batch";
  return s;
}

/// Sun et al. 2023. Depth, the weight of the error and the schedule are not given; these are pix2pix's, and five halvings so
/// that the attention at the innermost map sees 16 x 16 pixels.
System sun2023(Attention attention, std::string const& variant) {
  System s;
  s.source = "Sun et al. 2023";
  s.inputs = {"aia304"};
  s.target = "hmi";
  s.generator.depth = 5;
  s.generator.after = false;
  s.generator.norm_epsilon = s.discriminator.norm_epsilon = 1e-5;
  s.generator.attention = attention;
  std::string place = variant;
  if (place == "answer" || place.ends_with("-answer")) {
    if (attention != Attention::rhp)
      throw hg::UsageError("--variant " + variant + ": the mask of the attention belongs to sun2023-rhp");
    s.generator.attention = Attention::rhp_answer;
    place = place == "answer" ? "" : place.substr(0, place.size() - 7);
  }
  if (place == "deep" || place == "skip") {
    s.generator.depth = 8;
    if (place == "skip") s.generator.attention_stage = 3;
  } else if (!place.empty()) {
    throw hg::UsageError(
        "--variant: sun2023 comes as published, as deep, skip, answer, deep-answer or skip-answer (found '" + variant +
        "')");
  }
  s.training.discriminator_first = true;
  s.training.share_pass = true;
  s.training.halve_discriminator = true;
  s.training.adam_epsilon = 1e-8;
  s.training.keras_adam = false;
  s.training.batch = 32;
  s.training.steps = 0;
  s.training.epochs = 100;
  s.training.epochs_decay = 100;
  s.training.shift = 0;
  s.preparation.side = 512;
  s.preparation.disk_radius = 0;
  s.preparation.field_limit = 200;
  return s;
}

/// Lee et al. 2021: beyond pairs and months nothing is published in reach; the networks are those of Park et al. 2019.
System galileo() {
  System s = park2019(true, "");
  s.source = "Lee et al. 2021, with the networks of Park et al. 2019";
  s.inputs = {"drawing"};
  s.target = "hmi";
  s.preparation.field_limit = 1000;
  return s;
}

/// Lim et al. 2021: one to three channels of AIA to another.
System lim2021() {
  System s = park2019(true, "");
  s.source = "Lim et al. 2021, with the networks of Park et al. 2019";
  s.inputs = {"aia131", "aia1600", "aia304"};
  s.target = "aia193";
  return s;
}

System preset_of(std::string const& name, std::string const& variant) {
  auto const plain = [&](System const& s) {
    if (!variant.empty()) throw hg::UsageError("--variant: " + name + " has none (found '" + variant + "')");
    return s;
  };
  if (name == "park2019-a") return park2019(false, variant);
  if (name == "park2019-b") return park2019(true, variant);
  if (name == "aisfm1") return plain(aisfm1());
  if (name == "sun2023-baseline") return sun2023(Attention::none, variant);
  if (name == "sun2023-cat") return sun2023(Attention::cat, variant);
  if (name == "sun2023-rhp") return sun2023(Attention::rhp, variant);
  if (name == "galileo") return plain(galileo());
  if (name == "lim2021") return plain(lim2021());
  throw hg::UsageError("--preset: there is no '" + name + "'; pix2pix train --help lists them");
}

/// Takes CHANNEL=VALUE as the limit of that channel's scaling. False if it is none.
bool take_limit(System& s, std::string const& text) {
  auto const equals = text.find('=');
  if (equals == std::string::npos) return false;
  std::string const channel = text.substr(0, equals);
  if (channel != s.target && std::find(s.inputs.begin(), s.inputs.end(), channel) == s.inputs.end()) return false;
  auto const law = scaling_of(s.preparation, channel).law;
  double value = 0;
  auto const [end, problem] = std::from_chars(text.data() + equals + 1, text.data() + text.size(), value);
  double const low = law == Scaling::Law::field ? 1e-3 : 1, high = law == Scaling::Law::field ? 1e5 : 32;
  if (problem != std::errc{} || *end != 0 || law == Scaling::Law::share || !(value >= low && value <= high))
    return false;
  s.preparation.limits[channel] = value;
  return true;
}

}  // namespace

std::vector<std::string> const& aia_channels() {
  static std::vector<std::string> const all{"aia94",  "aia131", "aia171",  "aia193", "aia211",
                                            "aia304", "aia335", "aia1600", "aia1700"};
  return all;
}

System system_of(SystemOptions const& o) {
  System s = preset_of(o.preset, o.variant);
  s.preset = o.preset;
  s.variant = o.variant;
  if (!o.passband.empty()) {
    std::string const channel = (o.passband.starts_with("aia") ? "" : "aia") + o.passband;
    auto const& all = aia_channels();
    if (std::find(all.begin(), all.end(), channel) == all.end())
      throw hg::UsageError("--passband: AIA's are 94, 131, 171, 193, 211, 304, 335, 1600 and 1700 (found '" +
                           o.passband + "')");
    bool const target_is_aia = s.target.starts_with("aia");
    if (!target_is_aia && !s.inputs.front().starts_with("aia"))
      throw hg::UsageError("--passband: " + o.preset + " has no channel of AIA; name one with --target");
    (target_is_aia ? s.target : s.inputs.front()) = channel;
  }
  if (!o.inputs.empty()) s.inputs = o.inputs;
  if (!o.target.empty()) s.target = o.target;
  if (o.direction == "BtoA") {
    if (s.inputs.size() != 1) throw hg::UsageError("--direction BtoA wants one input channel");
    std::swap(s.inputs.front(), s.target);
  }
  if (std::find(s.inputs.begin(), s.inputs.end(), s.target) != s.inputs.end())
    throw hg::UsageError("the channel " + s.target + " is both input and target; change one with --inputs or --target");
  for (std::string const& channel : s.inputs)
    if (std::count(s.inputs.begin(), s.inputs.end(), channel) > 1)
      throw hg::UsageError("--inputs: " + channel + " is named twice");
  auto const take = [](int& to, int from) {
    if (from >= 0) to = from;
  };
  take(s.generator.depth, o.depth);
  take(s.generator.base, o.width);
  take(s.discriminator.base, o.discriminator_width >= 0 ? o.discriminator_width : o.width);
  take(s.generator.widest, o.widest);
  take(s.discriminator.widest, o.widest);
  if (o.side >= 0) {
    s.preparation.disk_radius *= double(o.side) / s.preparation.side;
    s.preparation.side = o.side;
    if (s.training.shift > 0) s.training.shift = std::max(0, o.side / 64 - 1);
  }
  if (o.field_limit > 0) s.preparation.field_limit = o.field_limit;
  if (o.photon_bits > 0) s.preparation.photon_bits = o.photon_bits;
  for (std::string const& text : o.limits)
    if (!take_limit(s, text))
      throw hg::UsageError("--limit: expected CHANNEL=GAUSS or CHANNEL=BITS, of a channel of the system (found '" +
                           text.substr(0, 40) + "')");
  if (s.generator.attention_stage >= s.generator.depth)
    throw hg::UsageError("--depth: the attention looks at map " + std::to_string(s.generator.attention_stage) +
                         ", so the generator needs more halvings than that");
  int const unit = 1 << s.generator.depth;
  if (s.preparation.side % unit != 0)
    throw hg::UsageError("--side: " + std::to_string(s.generator.depth) + " halvings want a multiple of " +
                         std::to_string(unit) + " (found " + std::to_string(s.preparation.side) +
                         "); change --side or --depth");
  for (std::string const& channel : s.inputs) scaling_of(s.preparation, channel);
  scaling_of(s.preparation, s.target);
  return s;
}

Scaling scaling_of(Preparation const& p, std::string const& channel) {
  auto const limit = [&](double usual) {
    auto const own = p.limits.find(channel);
    return own == p.limits.end() ? usual : own->second;
  };
  if (channel.starts_with("hmi") || channel.starts_with("mdi"))
    return {Scaling::Law::field, limit(p.field_limit), p.levels};
  if (channel.starts_with("aia") || channel.starts_with("euvi"))
    return {Scaling::Law::photons, limit(p.photon_bits), p.levels};
  if (channel.starts_with("drawing")) return {Scaling::Law::share, 1, p.levels};
  throw hg::UsageError("channel '" + channel +
                       "': nobody knows its units; names begin with hmi, mdi, aia, euvi or drawing");
}

// ---------------------------------------------------------------------------------------------------------------------

namespace {

/// Calls visit(key, value) for every number that decides what a file of weights computes.
template <class Design, class Visit>
void for_each_number(Design& s, Visit const& visit) {
  visit("depth", s.generator.depth);
  visit("width", s.generator.base);
  visit("widest", s.generator.widest);
  visit("rectifiers_after", s.generator.after);
  visit("bias", s.generator.bias);
  visit("tanh", s.generator.tanh);
  visit("dropped_stages", s.generator.dropped_stages);
  visit("dropout", s.generator.dropout);
  visit("norm_epsilon", s.generator.norm_epsilon);
  visit("innermost_norm", s.generator.innermost_norm);
  visit("attention", s.generator.attention);
  visit("attention_stage", s.generator.attention_stage);
  visit("side", s.preparation.side);
  visit("disk_radius", s.preparation.disk_radius);
  visit("field_limit", s.preparation.field_limit);
  visit("photon_bits", s.preparation.photon_bits);
  visit("levels", s.preparation.levels);
}

}  // namespace

std::map<std::string, std::string> metadata_of(System const& s, std::string const& network) {
  std::map<std::string, std::string> m{{"network", network},    {"preset", s.preset},       {"variant", s.variant},
                                       {"target", s.target},    {"inference", s.inference}, {"source", s.source},
                                       {"accuracy", s.accuracy}};
  auto const text = [](double value) {
    char digits[40];
    std::snprintf(digits, sizeof digits, "%.17g", value);
    return std::string(digits);
  };
  auto const append = [&](char const* key, std::string const& word) { m[key] += (m[key].empty() ? "" : ",") + word; };
  for (std::string const& channel : s.inputs) append("inputs", channel);
  for (auto const& [channel, limit] : s.preparation.limits) append("limits", channel + "=" + text(limit));
  for_each_number(s, [&](char const* key, auto const& value) { m[key] = text(static_cast<double>(value)); });
  return m;
}

System system_from(std::map<std::string, std::string> const& m, std::string const& file, std::string const& network) {
  auto const text = [&](char const* key) {
    auto const at = m.find(key);
    if (at == m.end())
      throw hg::InputError(file + ": says no " + key + "; give weights that pix2pix train or pix2pix import wrote");
    return at->second;
  };
  if (auto const at = m.find("network"); at == m.end())
    throw hg::InputError(file +
                         ": does not say what network it is of; of a training give generator.safetensors or "
                         "best.safetensors, weights of PyTorch are taken over by pix2pix import");
  else if (at->second != network)
    throw hg::InputError(file + ": holds another network (found '" + at->second.substr(0, 40) + "', expected '" +
                         network + "'); pix2pix info says what is in a file");
  System s;
  s.preset = text("preset");
  s.variant = text("variant");
  s.target = text("target");
  s.inference = text("inference");
  s.source = text("source");
  s.accuracy = examples::stated_accuracy(m, file);
  std::istringstream inputs(text("inputs"));
  for (std::string channel; std::getline(inputs, channel, ',');) s.inputs.push_back(channel);
  for_each_number(s, [&](char const* key, auto& value) {
    std::string const word = text(key);
    double number = 0;
    using Value = std::remove_reference_t<decltype(value)>;
    double const most = std::is_same_v<Value, bool> ? 1 : 1e6, least = std::is_same_v<Value, bool> ? 0 : -1;
    auto const [end, problem] = std::from_chars(word.data(), word.data() + word.size(), number);
    bool const whole = std::is_floating_point_v<Value> || number == std::floor(number);
    if (problem != std::errc{} || end != word.data() + word.size() || !(number >= least && number <= most) || !whole)
      throw hg::InputError(file + ": " + key + " makes no sense (found '" + word.substr(0, 30) + "')");
    value = static_cast<Value>(number);
  });
  try {
    for (std::string const& channel : s.inputs) scaling_of(s.preparation, channel);
    scaling_of(s.preparation, s.target);
  } catch (hg::UsageError const& error) {
    throw hg::InputError(file + ": " + error.what());
  }
  if (auto const at = m.find("limits"); at != m.end()) {
    std::istringstream limits(at->second);
    for (std::string limit; std::getline(limits, limit, ',');)
      if (!take_limit(s, limit))
        throw hg::InputError(file + ": limits makes no sense (found '" + limit.substr(0, 40) + "')");
  }
  auto const& g = s.generator;
  auto const& p = s.preparation;
  if (s.inputs.empty() || s.inputs.size() > 16 || g.depth < 1 || g.depth > 12 || g.base < 1 || g.base > 1024 ||
      g.widest < 1 || g.widest > 4096 || g.attention_stage >= g.depth || int(g.attention) < 0 ||
      int(g.attention) > int(Attention::rhp_answer) || int(g.bias) < 0 ||
      int(g.bias) > int(GeneratorDesign::Bias::none) || !(g.dropout >= 0 && g.dropout < 1) || g.dropped_stages < 0 ||
      !(g.norm_epsilon > 0 && g.norm_epsilon < 1) || !(p.field_limit > 0) ||
      !(p.photon_bits > 0 && p.photon_bits <= 32) || p.side < 1 || p.levels < 0 || p.disk_radius < 0 ||
      (s.inference != "running" && s.inference != "batch"))
    throw hg::InputError(file + ": describes a network that cannot be; it is damaged, or made by another program");
  return s;
}

}  // namespace pix2pix
