// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>

#include <heliograd/io/fits.hpp>
#include <heliograd/io/png.hpp>
#include <heliograd/version.hpp>
#include "commands.hpp"
#include "network.hpp"
#include "outputs.hpp"
#include "pairs.hpp"
#include "pictures.hpp"
#include "program.hpp"
#include "progress.hpp"
#include "sha256.hpp"

namespace pix2pix {

namespace hg = heliograd;
namespace fs = std::filesystem;

namespace {

/// One image to translate.
struct Task {
  std::vector<std::string> inputs;
  std::string output;
  std::string truth;  ///< shown beside, or empty
  std::string name;
};

std::vector<Task> tasks_of(ApplyOptions const& o, System const& s) {
  std::vector<Task> tasks;
  std::size_t const channels = s.inputs.size();
  if (!o.data.empty()) {
    if (!o.inputs.empty()) throw hg::UsageError("apply: give images, or a set with --data, not both");
    PairSet const set(o.data);
    for (Row const& row : set.rows(o.split, s.inputs)) {
      Task task;
      for (std::string const& channel : s.inputs) task.inputs.push_back(set.path(row, channel));
      auto const truth = row.cells.find(s.target);
      if (truth != row.cells.end()) task.truth = set.path(row, s.target);
      task.output = o.output + "/" +
                    (truth != row.cells.end() ? truth->second
                                              : s.target + "/" + fs::path(task.inputs[0]).stem().string() + ".fits");
      task.name = row.time;
      tasks.push_back(std::move(task));
    }
    if (tasks.empty())
      throw hg::InputError(o.data + "/pairs.csv: no line of the split " + o.split + " has all input channels");
    return tasks;
  }
  if (o.inputs.empty()) throw hg::UsageError("apply wants images, or a set with --data; see pix2pix apply --help");
  if (o.inputs.size() % channels != 0)
    throw hg::UsageError("apply: the network takes " + std::to_string(channels) +
                         " channels, so images come in groups of " + std::to_string(channels) + " files (found " +
                         std::to_string(o.inputs.size()) + " files)");
  for (std::size_t i = 0; i < o.inputs.size(); i += channels) {
    auto const at = o.inputs.begin() + static_cast<std::ptrdiff_t>(i);
    std::vector<std::string> const files(at, at + static_cast<std::ptrdiff_t>(channels));
    std::string const stem = fs::path(files[0]).stem().string();
    bool const alone = o.inputs.size() == channels && !fs::is_directory(o.output);
    tasks.push_back({files, alone ? o.output : o.output + "/" + stem + "-" + s.target + ".fits", "", stem});
  }
  return tasks;
}

/// The image with what missing pixels are around it, so that its sides are multiples of `unit`.
struct Padded {
  std::size_t height, width, top, left;
  std::vector<float> values;
};

Padded padded(Stack const& image, std::size_t unit, std::vector<Scaling> const& scalings) {
  auto const up = [&](std::size_t n) { return (n + unit - 1) / unit * unit; };
  Padded p{up(image.height), up(image.width), 0, 0, {}};
  p.top = (p.height - image.height) / 2;
  p.left = (p.width - image.width) / 2;
  std::size_t const c = image.channels;
  p.values.resize(p.height * p.width * c);
  for (std::size_t k = 0; k < c; ++k) {
    float const nothing = scalings[k].to_network(0);
    for (std::size_t i = k; i < p.values.size(); i += c) p.values[i] = nothing;
  }
  for (std::size_t y = 0; y < image.height; ++y)
    std::copy_n(image.values.begin() + static_cast<std::ptrdiff_t>(y * image.width * c), image.width * c,
                p.values.begin() + static_cast<std::ptrdiff_t>(((y + p.top) * p.width + p.left) * c));
  return p;
}

std::vector<float> cropped(std::vector<float> const& values, Padded const& p, Stack const& image) {
  std::vector<float> part;
  part.reserve(image.height * image.width);
  for (std::size_t y = 0; y < image.height; ++y) {
    auto const row = values.begin() + static_cast<std::ptrdiff_t>((y + p.top) * p.width + p.left);
    part.insert(part.end(), row, row + static_cast<std::ptrdiff_t>(image.width));
  }
  return part;
}

std::string version() {
  return std::to_string(HELIOGRAD_VERSION_MAJOR) + "." + std::to_string(HELIOGRAD_VERSION_MINOR) + "." +
         std::to_string(HELIOGRAD_VERSION_PATCH);
}

}  // namespace

int apply(ApplyOptions const& o, CommonOptions const& common) {
  Generator const generator(o.weights, o.accuracy);
  System const& s = generator.system();
  auto const tasks = tasks_of(o, s);
  bool const several = !o.data.empty() || tasks.size() > 1 || fs::is_directory(o.output);

  // All that can be wrong with names is found before anything is written.
  if (!o.deviation.empty() && (several || o.samples < 2))
    throw hg::UsageError("--deviation goes with one image and --samples 2 or more");
  std::vector<std::string> outputs{o.deviation, o.png}, read{o.weights};
  examples::OutputFolders folders;
  for (Task const& task : tasks) {
    if (several) folders.make(fs::path(task.output).parent_path());
    outputs.push_back(task.output);
    read.push_back(task.truth);
    read.insert(read.end(), task.inputs.begin(), task.inputs.end());
  }
  examples::check_outputs(outputs, read, common.overwrite);

  std::string const statistics = o.statistics.empty() ? s.inference : o.statistics;
  Inference inference{statistics != "running", statistics == "batch"};
  if (o.samples > 0) inference.dropout = true;
  int const passes = std::max(1, o.samples);
  std::vector<Scaling> scalings;
  for (std::string const& channel : s.inputs) scalings.push_back(scaling_of(s.preparation, channel));
  Scaling const target = scaling_of(s.preparation, s.target);
  std::string const sha = examples::sha256_of_file(o.weights);

  examples::Stopwatch clock;
  examples::Progress progress("image", tasks.size(), common.quiet);
  std::vector<Shown> shown;
  std::size_t done = 0;
  for (Task const& task : tasks) {
    Stack const image = read_stack(task.inputs, scalings, !o.ignore_checksum);
    Padded const whole = padded(image, generator.unit(), scalings);
    bool const was_padded = whole.height != image.height || whole.width != image.width;
    if (was_padded && o.strict)
      throw hg::InputError(task.inputs[0] + ": sides are no multiples of " + std::to_string(generator.unit()) +
                           " (found " + size_text(image.height, image.width) +
                           "); leave --strict away to have it padded and cropped");
    if (image.missing > 0 && !common.quiet) {
      progress.clear();
      std::fprintf(stderr, "%s: warning: %s: %zu pixels have no value and are taken as 0\n", program,
                   examples::one_line(task.inputs[0]).c_str(), image.missing);
    }
    std::vector<float> network, physical(image.height * image.width), deviation;
    std::vector<double> mean(physical.size(), 0), squares(physical.size(), 0);
    for (int pass = 0; pass < passes; ++pass) {
      network = cropped(generator.run(whole.height, whole.width, whole.values, inference,
                                      common.seed + static_cast<std::uint64_t>(pass), o.tile),
                        whole, image);
      for (std::size_t i = 0; i < physical.size(); ++i) {
        physical[i] = target.to_physical(network[i]);
        double const before = static_cast<double>(physical[i]) - mean[i];  // Welford's mean and sum of squares
        mean[i] += before / (pass + 1);
        squares[i] += before * (static_cast<double>(physical[i]) - mean[i]);
      }
      examples::signals::check();
    }
    for (std::size_t i = 0; i < physical.size(); ++i) {
      if (passes > 1) physical[i] = static_cast<float>(mean[i]);
      if (!std::isfinite(physical[i]))
        throw hg::NumericalError(task.inputs[0] + ": the network's output is not finite at pixel (" +
                                 std::to_string(i % image.width) + ", " + std::to_string(i / image.width) + ")");
      if (passes > 1) network[i] = target.to_network(physical[i]);
    }

    // The header: the first input's, and what was done to it. The instrument stays the one that looked.
    hg::io::FitsHeader header = hg::io::FitsReader(task.inputs[0], {.verify_checksums = !o.ignore_checksum}).header();
    if (target.law == Scaling::Law::share)
      header.erase("BUNIT");
    else
      header.set("BUNIT", target.law == Scaling::Law::field ? "Gauss" : target.unit());
    std::string inputs;
    for (std::string const& channel : s.inputs) inputs += (inputs.empty() ? "" : ",") + channel;
    header.set("TRMODEL", "pix2pix " + s.preset, "system that translated this image");
    header.set("TRINPUT", inputs, "channels it was made from");
    header.set("TRTARGET", s.target, "channel it imitates: not an observation");
    header.set("TRWSHA", sha, "SHA-256 of the weights");
    header.append_history("pix2pix (heliograd " + version() + "): " + s.target + " imitated from " + inputs +
                          " by a neural network, " + s.preset + (s.variant.empty() ? "" : ", " + s.variant));
    for (std::string const& file : task.inputs)
      header.append_history("parent file " + fs::path(file).filename().string());
    header.append_history("weights " + fs::path(o.weights).filename().string() + "; norms with " +
                          (inference.batch_statistics ? "statistics of this image" : "running statistics") +
                          (inference.dropout ? ", dropout active" : ""));
    header.append_history(s.accuracy + " convolutions");
    if (passes > 1) header.append_history("mean of " + std::to_string(passes) + " passes with dropout");
    if (was_padded)
      header.append_history("padded from " + size_text(image.height, image.width) + " to " +
                            size_text(whole.height, whole.width) + " for the network and cropped again");
    if (image.missing > 0)
      header.append_history(std::to_string(image.missing) + " pixels without a value were taken as 0");

    if (!o.deviation.empty()) {
      deviation.resize(physical.size());
      for (std::size_t i = 0; i < deviation.size(); ++i)
        deviation[i] = static_cast<float>(std::sqrt(squares[i] / (passes - 1)));
      auto about = header;
      about.append_history("standard deviation over these passes, not their mean");
      hg::io::write_fits(o.deviation, deviation.data(), image.width, image.height, about,
                         {.overwrite = common.overwrite});
    }
    hg::io::write_fits(task.output, physical.data(), image.width, image.height, header,
                       {.overwrite = common.overwrite});
    if (!o.png.empty() && shown.size() < 4) {
      Shown one{task.name, image.height, image.width, image.values, network, {}};
      if (!task.truth.empty()) one.truth = read_stack({task.truth}, {target}, !o.ignore_checksum).values;
      if (shown.empty() || shown.front().truth.empty() == one.truth.empty()) shown.push_back(std::move(one));
    }
    progress.update(++done);
  }
  progress.clear();
  if (!o.png.empty())
    hg::io::write_png(o.png, draw_grid(shown, s, o.png_side, s.target + " imitated from images, not observed"),
                      {.overwrite = common.overwrite});
  if (!common.quiet) {
    std::printf("%s  %zu image%s in %s\n", o.output.c_str(), tasks.size(), tasks.size() == 1 ? "" : "s",
                examples::duration_text(clock.seconds()).c_str());
    for (std::string const& file : {o.deviation, o.png})
      if (!file.empty()) std::printf("%s\n", file.c_str());
  }
  return examples::success;
}

}  // namespace pix2pix
