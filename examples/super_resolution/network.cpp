// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "network.hpp"

#include <algorithm>
#include <filesystem>

#include <heliograd/base/error.hpp>
#include <heliograd/nn/accuracy.hpp>
#include "accuracy.hpp"
#include "sha256.hpp"

namespace super_resolution {

namespace hg = heliograd;
namespace fs = std::filesystem;

std::string shipped_weights(int scale) {
  std::string const name = "mdi-x" + std::to_string(scale) + ".safetensors";
  std::vector<fs::path> places{fs::path(HELIOGRAD_EXAMPLE_DIR) / "weights"};
  std::error_code none;
  fs::path const self = fs::read_symlink("/proc/self/exe", none);
  if (!self.empty()) {
    fs::path const here = self.parent_path();
    places.push_back(here / "weights");
    places.push_back(here / ".." / "share" / "heliograd" / "weights");
    places.push_back(here / ".." / ".." / "examples" / "super_resolution" / "weights");
  }
  for (fs::path const& place : places)
    if (fs::is_regular_file(place / name, none)) return (place / name).lexically_normal().string();
  throw hg::InputError(name + ": no such weights beside the program (looked in " + places.front().string() +
                       " and near the program); name a file with --weights, or make one with the command train");
}

LoadedNetwork load_network(std::string const& file, int scale, std::string const& accuracy) {
  LoadedNetwork loaded;
  loaded.file = file.empty() ? shipped_weights(scale) : file;
  loaded.metadata = hg::io::read_metadata(loaded.file);
  if (auto const kind = loaded.metadata.find("network");
      kind != loaded.metadata.end() && kind->second != "HighResNet_RPRCDO")
    throw hg::InputError(loaded.file + ": holds another network (found '" + kind->second.substr(0, 40) +
                         "', expected 'HighResNet_RPRCDO')");
  int stated = scale;
  if (auto const entry = loaded.metadata.find("scale"); entry != loaded.metadata.end()) {
    if (entry->second != "1" && entry->second != "2" && entry->second != "4")
      throw hg::InputError(loaded.file + ": states an impossible scale (found '" + entry->second.substr(0, 20) +
                           "', expected 1, 2 or 4)");
    stated = entry->second.front() - '0';
  }
  std::string const usual = examples::stated_accuracy(loaded.metadata, loaded.file);
  loaded.metadata["accuracy"] = usual;
  loaded.accuracy = accuracy.empty() ? usual : accuracy;
  auto rng = hg::Rng::blank();
  loaded.model = super_resolution_network<Backend>(rng, stated);
  hg::io::load_weights(loaded.file, loaded.model);
  hg::nn::set_accuracy(loaded.model, examples::accuracy_of(loaded.accuracy));
  hg::freeze(loaded.model);
  loaded.sha256 = examples::sha256_of_file(loaded.file);
  return loaded;
}

}  // namespace super_resolution
