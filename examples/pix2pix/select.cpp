// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <limits>
#include <map>
#include <optional>
#include <sstream>

#include <heliograd/io/checkpoint.hpp>
#include "commands.hpp"
#include "network.hpp"
#include "outputs.hpp"
#include "pairs.hpp"
#include "program.hpp"
#include "scores.hpp"

/// \file
/// The search of Lim et al. 2021 for the channels from which the others follow: one channel is chosen after the other, each
/// time the one with which all remaining channels are imitated best. With nine channels and three choices that is
/// 9*8 + 8*7 + 7*6 = 170 networks.
namespace pix2pix {

namespace hg = heliograd;
namespace fs = std::filesystem;

namespace {

struct Job {
  std::vector<std::string> inputs;
  std::string target;

  std::string key() const {
    std::string text;
    for (std::string const& channel : inputs) text += (text.empty() ? "" : "+") + channel;
    return text + "," + target;
  }
};

/// Scores by job, kept in a file that grows by whole files: what is in it has been computed.
class Scores {
 public:
  Scores(std::string path, std::string settings) : path_(std::move(path)), settings_("# " + std::move(settings)) {
    std::ifstream lines(path_);
    std::string line;
    if (!lines || !std::getline(lines, line)) return;
    if (line != settings_)
      throw hg::UsageError(path_ + ": holds scores of other trainings (" + line.substr(0, 200) +
                           "); go on with those settings, or choose another --out");
    std::getline(lines, line);  // the header
    while (std::getline(lines, line)) {
      auto const comma = line.rfind(',');
      char* end = nullptr;
      double const score = comma == std::string::npos ? 0 : std::strtod(line.c_str() + comma + 1, &end);
      if (comma == std::string::npos || end == nullptr || *end != '\0' || !std::isfinite(score))
        throw hg::InputError(path_ + ": is no list of scores (found '" + line.substr(0, 60) + "')");
      scores_[line.substr(0, comma)] = score;
    }
  }

  double const* find(Job const& job) const {
    auto const at = scores_.find(job.key());
    return at == scores_.end() ? nullptr : &at->second;
  }

  void add(Job const& job, double score) {
    scores_[job.key()] = score;
    std::string text = settings_ + "\ninputs,target,correlation\n";
    for (auto const& [key, value] : scores_) {
      char number[32];
      std::snprintf(number, sizeof number, ",%.17g\n", value);  // read again it chooses as it did
      text += key + number;
    }
    examples::write_text(path_, text);
  }

 private:
  std::string path_, settings_;
  std::map<std::string, double> scores_;
};

/// Mean correlation of the imitated with the true image over a split, pixel by pixel in physical units, on the disk.
double score_of(Generator const& generator, PairSet const& set, std::string const& split, bool whole) {
  System const& s = generator.system();
  auto channels = s.inputs;
  channels.push_back(s.target);
  auto const rows = set.rows(split, channels);
  Scaling const scaling = scaling_of(s.preparation, s.target);
  HostSpace ws;
  double total = 0;
  for (Row const& row : rows) {
    Stack const pair = middle_of(read_pair(set, row, s), static_cast<std::size_t>(s.preparation.side), generator.unit(),
                                 set.path(row, s.target));
    auto const y = generator.run(pair.height, pair.width, channels_of(pair, 0, s.inputs.size()), {});
    auto const truth = channels_of(pair, s.inputs.size(), s.inputs.size() + 1);
    total += correlation_within(ws, Image(pair.height, pair.width, y), Image(pair.height, pair.width, truth), scaling,
                                whole ? std::numeric_limits<double>::infinity() : s.preparation.disk_radius);
  }
  return total / double(rows.size());
}

/// What is said of one candidate for the next channel.
struct Candidate {
  std::string channel;
  double mean = 0, lowest = 2;
  std::size_t known = 0, all = 0;
};

}  // namespace

int select(SelectOptions const& o, CommonOptions const& common) {
  auto const channels = o.channels.empty() ? aia_channels() : o.channels;
  if (channels.size() < 2 || static_cast<std::size_t>(o.most) >= channels.size())
    throw hg::UsageError("select: " + std::to_string(channels.size()) + " channels leave nothing to imitate after " +
                         std::to_string(o.most) + " are chosen; give more --channels or a smaller --most");
  for (std::size_t i = 0; i < channels.size(); ++i)
    if (std::count(channels.begin(), channels.end(), channels[i]) > 1)
      throw hg::UsageError("--channels: " + channels[i] + " is named twice");
  PairSet const set(o.data);
  if (set.rows("train", channels).empty() || set.rows(o.split, channels).empty())
    throw hg::InputError(o.data + "/pairs.csv: train and " + o.split + " want at least one line with all channels");

  examples::OutputFolders folders;
  std::optional<hg::io::FolderLock> lock;
  if (!o.dry_run) {
    folders.make(o.out + "/jobs");
    lock.emplace(o.out);
  }
  std::ostringstream settings;
  settings << "steps=" << o.steps << " batch=" << o.batch << " side=" << o.side << " depth=" << o.depth
           << " width=" << o.width << " widest=" << o.widest << " split=" << o.split << " whole=" << o.whole
           << " seed=" << common.seed;
  Scores scores(o.out + "/scores.csv", settings.str());

  auto const compute = [&](Job const& job) {
    TrainOptions t;
    t.system.preset = "lim2021";
    t.system.inputs = job.inputs;
    t.system.target = job.target;
    t.system.side = o.side;
    t.system.depth = o.depth;
    t.system.width = o.width;
    t.system.widest = o.widest;
    t.data = o.data;
    std::string folder = job.key();
    std::replace(folder.begin(), folder.end(), ',', '-');
    t.out = o.out + "/jobs/" + folder;
    t.steps = o.steps;
    t.batch = o.batch;
    t.validate_every = std::uint64_t{1} << 40;
    t.picture_every = 0;
    std::error_code none;
    t.resume = fs::is_directory(t.out, none) && hg::io::latest_checkpoint(t.out).has_value();
    CommonOptions quiet = common;
    quiet.quiet = true;
    quiet.overwrite = true;
    train(t, quiet, settings.str());
    scores.add(job, score_of(Generator(t.out + "/generator.safetensors"), set, o.split, o.whole));
    if (!o.keep) fs::remove_all(t.out, none);
  };

  std::vector<std::string> chosen;
  std::int64_t computed = 0;
  bool complete = true;
  for (int stage = 0; stage < o.most && complete; ++stage) {
    std::vector<Candidate> candidates;
    for (std::string const& channel : channels) {
      if (std::find(chosen.begin(), chosen.end(), channel) != chosen.end()) continue;
      Candidate candidate{channel};
      Job job{chosen, {}};
      job.inputs.push_back(channel);
      for (std::string const& target : channels) {
        if (std::find(job.inputs.begin(), job.inputs.end(), target) != job.inputs.end()) continue;
        job.target = target;
        ++candidate.all;
        if (!scores.find(job) && !o.dry_run && (o.jobs < 0 || computed < o.jobs)) {
          compute(job);
          ++computed;
          examples::signals::check();
        }
        double const* const score = scores.find(job);
        if (!score) continue;
        ++candidate.known;
        candidate.mean += *score;
        candidate.lowest = std::min(candidate.lowest, *score);
        if (!common.quiet && !o.dry_run) {
          std::printf("%-40s %.4f\n", job.key().c_str(), *score);
          std::fflush(stdout);
        }
      }
      if (candidate.known > 0) candidate.mean /= double(candidate.known);
      complete = complete && candidate.known == candidate.all;
      candidates.push_back(candidate);
    }
    std::size_t known = 0, all = 0;
    for (Candidate const& candidate : candidates) known += candidate.known, all += candidate.all;
    std::printf("choice %d: %zu networks, %zu of them known\n", stage + 1, all, known);
    if (!complete) break;
    std::sort(candidates.begin(), candidates.end(), [](Candidate const& a, Candidate const& b) {
      return a.mean != b.mean ? a.mean > b.mean : a.lowest > b.lowest;
    });
    for (Candidate const& candidate : candidates)
      std::printf("  %-10s mean %.4f  lowest %.4f\n", candidate.channel.c_str(), candidate.mean, candidate.lowest);
    chosen.push_back(candidates.front().channel);
    std::printf("chosen: %s\n", chosen.back().c_str());
  }
  if (!complete) std::printf("not complete; the same command goes on%s\n", o.dry_run ? " (this was a dry run)" : "");
  return examples::success;
}

}  // namespace pix2pix
