// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "sources.hpp"

#include <algorithm>
#include <filesystem>

#include <heliograd/base/error.hpp>

namespace pix2pix {

namespace hg = heliograd;
namespace fs = std::filesystem;

std::vector<std::string> files_among(std::vector<std::string> const& paths, std::vector<std::string> const& endings) {
  std::vector<std::string> found;
  for (std::string const& path : paths) {
    std::error_code problem;
    if (!fs::exists(path, problem))
      throw hg::InputError(path + ": no such file or folder; give files or folders of them");
    if (!fs::is_directory(path, problem)) {
      found.push_back(path);
      continue;
    }
    std::vector<std::string> inside;
    for (fs::recursive_directory_iterator at(path, problem), end; !problem && at != end; at.increment(problem)) {
      std::string const name = at->path().string();
      bool const wanted = std::any_of(endings.begin(), endings.end(),
                                      [&](std::string const& ending) { return name.ends_with(ending); });
      if (std::error_code none; wanted && at->is_regular_file(none)) inside.push_back(name);
    }
    if (problem) throw hg::InputError(path + ": cannot be read, or a folder in it (" + problem.message() + ")");
    std::sort(inside.begin(), inside.end());
    found.insert(found.end(), inside.begin(), inside.end());
  }
  return found;
}

std::vector<std::string> fits_files(std::vector<std::string> const& paths) {
  return files_among(paths, {".fits", ".fts", ".fit", ".fits.gz", ".fits.fz"});
}

}  // namespace pix2pix
