// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <map>
#include <set>

#include <heliograd/io/safetensors.hpp>
#include "commands.hpp"
#include "network.hpp"
#include "outputs.hpp"
#include "program.hpp"

namespace pix2pix {

namespace hg = heliograd;

namespace {

/// What PyTorch calls the same thing in a module of ours.
std::string torch_word(std::string path) {
  for (auto const& [ours, theirs] : {std::pair<std::string, std::string>{"norm.scale", "norm.weight"},
                                     {"norm.shift", "norm.bias"},
                                     {"norm.running_variance", "norm.running_var"}})
    if (path.ends_with(ours)) path = path.substr(0, path.size() - ours.size()) + theirs;
  return path;
}

/// Names in the widespread PyTorch code of pix2pix: the generator's blocks within blocks, the outermost first.
/// \param stages of the discriminator, its head not counted.
std::string pix2pix_name(std::string const& path, int depth, int stages) {
  auto const words = [&] {
    std::vector<std::string> found;
    std::size_t from = 0;
    for (std::size_t dot; (dot = path.find('.', from)) != std::string::npos; from = dot + 1)
      found.push_back(path.substr(from, dot - from));
    found.push_back(path.substr(from));
    return found;
  }();
  if (words[0] == "stages" ||
      words[0] == "head") {  // the patch classifier is one sequence: conv, rectifier, conv, norm ...
    bool const head = words[0] == "head", norm = !head && words[2] == "norm";
    int const stage = head ? stages : std::stoi(words[1]);
    std::string const tail = torch_word(norm ? "norm." + words.back() : words.back());
    return "model." + std::to_string(norm ? 3 * stage : std::max(0, 3 * stage - 1)) + "." + tail.substr(norm ? 5 : 0);
  }
  if (words.size() != 5 || words[0] != "unet") return {};  // "unet", "down", stage, "conv", "weight"
  bool const down = words[1] == "down";
  int const stage = std::stoi(words[2]);
  int const level = down ? stage : depth - 1 - stage;
  std::string prefix = "model.model.";
  for (int k = 1; k <= level; ++k) prefix += k == 1 ? "1.model." : "3.model.";
  bool const outermost = level == 0, innermost = level == depth - 1;
  int place = 0;
  if (down)
    place = words[3] == "norm" ? 2 : outermost ? 0 : 1;
  else
    place = (outermost || innermost ? 3 : 5) + (words[3] == "norm" ? 1 : 0);
  std::string const tail = torch_word(words[3] + "." + words[4]);
  return prefix + std::to_string(place) + "." + tail.substr(tail.find('.') + 1);
}

std::map<std::string, std::string> table_of(std::string const& file) {
  std::ifstream lines(file);
  if (!lines)
    throw hg::InputError(file + ": no such table of names; --names is pix2pix, own, or a file with lines OURS,THEIRS");
  std::map<std::string, std::string> table;
  std::string line;
  for (std::size_t number = 1; std::getline(lines, line); ++number) {
    if (line.ends_with('\r')) line.pop_back();
    if (line.empty() || line.starts_with('#')) continue;
    auto const comma = line.find(',');
    if (comma == std::string::npos || line.find(',', comma + 1) != std::string::npos)
      throw hg::InputError(file + ": line " + std::to_string(number) + " is not OURS,THEIRS");
    table[line.substr(0, comma)] = line.substr(comma + 1);
  }
  return table;
}

std::string shape_text(std::vector<std::uint64_t> const& shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) text += (i > 0 ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

/// The shape a tensor of ours has in PyTorch: filters [out, in, h, w], of transposed convolutions [in, out, h, w]. Ours are
/// [h, w, in, out] and [h, w, out, in], so that one rule serves both: the last two axes, exchanged, come first.
std::vector<std::uint64_t> torch_shape(std::vector<std::size_t> const& s) {
  if (s.size() == 4) return {s[3], s[2], s[0], s[1]};
  return {s.begin(), s.end()};
}

/// \param skip_first the input channels come in two halves, and theirs begin with what ours end with.
std::vector<float> in_our_order(std::vector<float> const& theirs, std::vector<std::size_t> const& s, bool skip_first) {
  if (s.size() != 4) return theirs;
  std::size_t const turn = skip_first ? s[3] / 2 : 0;
  std::vector<float> ours(theirs.size());
  for (std::size_t y = 0; y < s[0]; ++y)
    for (std::size_t x = 0; x < s[1]; ++x)
      for (std::size_t a = 0; a < s[2]; ++a)
        for (std::size_t b = 0; b < s[3]; ++b)
          ours[((y * s[1] + x) * s[2] + a) * s[3] + b] = theirs[(((b + turn) % s[3] * s[2] + a) * s[0] + y) * s[1] + x];
  return ours;
}

/// Finds the tensors of a network in a file, fills it and saves it.
int import_network(Weights& network, ImportOptions const& o, CommonOptions const& common) {
  System const& s = network.system();
  hg::io::TensorFile const file(o.input);
  std::map<std::string, std::string> table;
  if (o.names != "pix2pix" && o.names != "own") table = table_of(o.names);
  auto const name_of = [&](std::string const& path) -> std::string {
    if (o.names == "pix2pix") return pix2pix_name(path, s.generator.depth, s.discriminator.halvings + 1);
    if (o.names == "own") return torch_word(path);
    auto const at = table.find(path);
    return at == table.end() ? std::string{} : at->second;
  };

  std::map<std::string, std::vector<float>> values;
  std::set<std::string> used;
  std::string missing, misshaped, unused;
  std::size_t missing_count = 0, misshaped_count = 0, unused_count = 0;
  for (Slot const& slot : network.slots()) {
    std::string const theirs = name_of(slot.path);
    auto const wanted = torch_shape(slot.shape);
    auto const* entry = theirs.empty() ? nullptr : file.find(theirs);
    if (!entry && !theirs.empty()) entry = file.find("module." + theirs);  // as wrapped for several devices
    std::string verdict;
    if (!entry) {
      verdict = "missing";
      if (++missing_count <= 4) missing += " " + slot.path + " (" + (theirs.empty() ? "no name" : theirs) + ")";
    } else {
      used.insert(entry->name);
      verdict = shape_text(entry->shape);
      if (entry->shape != wanted) {
        verdict += ", expected " + shape_text(wanted);
        if (++misshaped_count <= 4) misshaped += " " + entry->name + " (found " + verdict + ")";
      } else {
        // The widespread code joins skip and decoder in this order; ours is the other one.
        bool const joined = slot.path.starts_with("unet.up.") && !slot.path.starts_with("unet.up.0.");
        auto const read = file.read<float>(*entry);
        if (!std::all_of(read.begin(), read.end(), [](float value) { return std::isfinite(value); }))
          throw hg::InputError(o.input + ": tensor '" + entry->name +
                               "' has a number that is not finite; export weights from before the training failed");
        values[slot.path] = in_our_order(read, slot.shape, o.names == "pix2pix" && joined);
      }
    }
    if (o.dry_run) std::printf("%-40s %-50s %s\n", slot.path.c_str(), theirs.c_str(), verdict.c_str());
  }
  for (auto const& entry : file.tensors())
    if (!used.contains(entry.name) && !entry.name.ends_with("num_batches_tracked")) {
      if (++unused_count <= 4) unused += " " + entry.name + " " + shape_text(entry.shape);
      if (o.dry_run) std::printf("%-40s %-50s %s\n", "", entry.name.c_str(), shape_text(entry.shape).c_str());
    }
  if (missing_count + misshaped_count + unused_count > 0) {
    auto const part = [](std::size_t count, char const* what, std::string const& list) {
      return count == 0 ? std::string{}
                        : " " + std::to_string(count) + " " + what + ":" + list + (count > 4 ? " and more" : "") + ";";
    };
    throw hg::InputError(o.input + ": does not fit " + s.preset + ":" + part(missing_count, "missing", missing) +
                         part(unused_count, "unexpected", unused) +
                         part(misshaped_count, "of another shape", misshaped) +
                         " check --preset, --depth, --width and --names; --dry-run lists all");
  }
  if (o.dry_run) return examples::success;
  network.fill(values);
  network.save(o.output, {{"imported", "from PyTorch"}}, common.overwrite);
  if (!common.quiet) std::printf("%s  %zu tensors\n", o.output.c_str(), values.size());
  return examples::success;
}

}  // namespace

int import_weights(ImportOptions const& o, CommonOptions const& common) {
  System const s = system_of(o.system);
  if (o.output.empty() && !o.dry_run) throw hg::UsageError("import wants --output, or --dry-run");
  bool const table = o.names != "pix2pix" && o.names != "own";
  examples::check_outputs({o.output}, {o.input, table ? o.names : ""}, common.overwrite);
  return o.network == "generator" ? import_network(Generator(s, common.seed).weights(), o, common)
                                  : import_network(*discriminator_weights(s, common.seed), o, common);
}

}  // namespace pix2pix
