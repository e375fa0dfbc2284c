// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include <heliograd/base/error.hpp>
#include <heliograd/io/atomic_file.hpp>

namespace examples {

/// Finds what is wrong with the names of outputs before any work is done. Empty names are passed over.
/// Throws   OutputError where one cannot be written or exists already, UsageError where it is an input or named twice.
inline void check_outputs(std::vector<std::string> const& outputs, std::vector<std::string> const& inputs,
                          bool overwrite) {
  std::set<std::filesystem::path> named;
  for (std::string const& out : outputs) {
    if (out.empty()) continue;
    heliograd::io::check_output(out, overwrite);
    std::error_code none;
    if (std::filesystem::exists(out, none))
      for (std::string const& in : inputs)
        if (!in.empty() && heliograd::io::same_file(out, in))
          throw heliograd::UsageError(out + ": is an input; give another name for the output");
    if (!named.insert(std::filesystem::weakly_canonical(out)).second)
      throw heliograd::UsageError("two outputs name the same file " + out + "; give each its own");
  }
}

/// Folders for results. Those that were made and are still empty at the end, because the work was refused, are taken away
/// again.
class OutputFolders {
 public:
  OutputFolders() = default;
  /// A folder and what it lies in, made where it is not there.
  /// Throws   OutputError if it cannot be made.
  explicit OutputFolders(std::filesystem::path const& folder) { make(folder); }
  OutputFolders(OutputFolders const&) = delete;
  OutputFolders& operator=(OutputFolders const&) = delete;
  ~OutputFolders() {
    std::error_code none;
    for (auto part = made_.rbegin(); part != made_.rend(); ++part)
      std::filesystem::remove(*part, none);  // fails where there is something in it
  }

  /// One more.
  void make(std::filesystem::path const& folder) {
    namespace fs = std::filesystem;
    std::error_code problem;
    std::vector<fs::path> absent;
    for (fs::path part = folder; !part.empty() && !fs::exists(part, problem); part = part.parent_path())
      absent.push_back(part);
    made_.insert(made_.end(), absent.rbegin(), absent.rend());
    fs::create_directories(folder, problem);
    if (!fs::is_directory(folder, problem))
      throw heliograd::OutputError(folder.string() + ": cannot be made (" +
                                   (problem ? problem.message() : "there is a file of that name") +
                                   "); name another folder");
  }

 private:
  std::vector<std::filesystem::path> made_;  ///< the outermost first
};

/// Whether a file is somewhere below a folder; both may be missing.
inline bool lies_in(std::string const& file, std::string const& folder) {
  auto const inner = std::filesystem::weakly_canonical(file), outer = std::filesystem::weakly_canonical(folder);
  return std::mismatch(outer.begin(), outer.end(), inner.begin(), inner.end()).first == outer.end();
}

/// A whole text as a file, there complete or not at all.
/// Throws   OutputError if it cannot be written, or exists and must not be overwritten.
inline void write_text(std::string const& path, std::string const& text, bool overwrite = true) {
  heliograd::io::AtomicFile file(path, {.overwrite = overwrite});
  file.append(text.data(), text.size());
  file.commit();
}

}  // namespace examples
