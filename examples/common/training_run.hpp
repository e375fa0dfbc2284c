// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include <heliograd/base/error.hpp>
#include <heliograd/io/checkpoint.hpp>
#include <heliograd/io/weights.hpp>
#include "accuracy.hpp"
#include "outputs.hpp"
#include "program.hpp"
#include "progress.hpp"

/// \file
/// How trainings of our programs begin, go on, and end before their last step.
namespace examples {

/// The folder of a training, which has it for itself as long as it runs.
class TrainingFolder {
 public:
  /// \param result the file that says a training was there.
  /// Throws   OutputError if it cannot be made, is in use, or holds a training that may be neither resumed nor replaced.
  TrainingFolder(std::string const& folder, std::string const& result, bool resume, bool overwrite)
      : folder_(folder), made_(folder), lock_(folder) {
    bool const used =
        heliograd::io::latest_checkpoint(folder).has_value() || std::filesystem::exists(folder + "/" + result);
    if (used && !resume && !overwrite)
      throw heliograd::OutputError(
          folder + ": holds a training already; go on with it by --resume, or start anew with --overwrite");
  }

  /// A folder in it.
  void make(std::string const& name) { made_.make(folder_ + "/" + name); }

  /// Takes away the checkpoints of the training that is replaced, and results of these names. Not before all that could
  /// stop the new one has been looked at.
  void clear(std::vector<std::string> const& results = {}) const {
    for (auto const& entry : std::filesystem::directory_iterator(folder_))
      if (entry.path().extension() == ".checkpoint") std::filesystem::remove(entry.path());
    for (std::string const& name : results) std::filesystem::remove(folder_ + "/" + name);
  }

 private:
  std::string folder_;
  OutputFolders made_;
  heliograd::io::FolderLock lock_;
};

/// The newest whole checkpoint of a folder, for a training that goes on with the options it began with; damaged ones are
/// named on stderr.
/// Throws   InputError if there is none, UsageError if it was made with another recipe.
inline std::string checkpoint_to_resume(char const* program, std::string const& folder, std::string const& recipe) {
  std::vector<std::string> damaged;
  auto const latest = heliograd::io::latest_checkpoint(folder, &damaged);
  for (std::string const& complaint : damaged)
    std::fprintf(stderr, "%s: warning: %s; an older checkpoint is tried\n", program, one_line(complaint).c_str());
  if (!latest) throw heliograd::InputError(folder + ": has no checkpoint to resume from; leave --resume away to start");
  auto const metadata = heliograd::io::read_metadata(latest->path);
  auto const made_with = metadata.find("recipe");
  if (made_with == metadata.end() || without_strict(made_with->second) != without_strict(recipe))
    throw heliograd::UsageError(latest->path + ": was made with other options; resume with the ones in " + folder +
                                "/options.toml, or train anew with --overwrite");
  return latest->path;
}

/// Ends a training whose loss or gradient was not finite in three steps running.
class FiniteSteps {
 public:
  explicit FiniteSteps(std::string folder) : folder_(std::move(folder)) {}

  /// \param step counted from 1.
  /// Throws   NumericalError.
  void count(std::uint64_t step, bool finite) {
    bad_ = finite ? 0 : bad_ + 1;
    if (bad_ == 3)
      throw heliograd::NumericalError(
          folder_ + ": a loss or gradient was not finite in three steps running, the last being step " +
          std::to_string(step) + "; the last checkpoint is kept, try a smaller --rate");
  }

 private:
  std::string folder_;
  int bad_ = 0;
};

/// Between two steps: where a signal has arrived, saves what was learnt and ends the program.
template <class Save>
void stop_if_asked(std::uint64_t step, Progress& progress, bool quiet, Save const& save) {
  if (signals::pending() == 0) return;
  progress.clear();
  save();
  if (!quiet) std::printf("stopped after step %" PRIu64 "; --resume goes on from there\n", step);
  signals::check();
}

}  // namespace examples
