// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <heliograd/io/weights.hpp>

/// \file
/// Trainings that can be stopped at any moment, by the plug if need be, and go on as if nothing had happened. A folder holds
/// one file per kept step; each is complete, proven and checksummed, or not there. Which one is the latest is found by
/// looking at them, not by a note somewhere.
namespace heliograd::inline HELIOGRAD_ABI::io {

/// Everything a training consists of, by reference: what is saved, and where it is put back.
template <class Model, class B>
struct TrainingState {
  Model& model;
  std::vector<std::pair<std::string, Tensor<1, B>>> tensors;    ///< moments of an optimiser, running averages
  std::vector<std::pair<std::string, std::uint64_t*>> numbers;  ///< steps, random state, position of the sampler
};

/// A checkpoint in a folder.
struct CheckpointFile {
  std::string path;
  std::uint64_t step = 0;
};

namespace detail {

inline constexpr char checkpoint_prefix[] = "step-";
inline constexpr char checkpoint_suffix[] = ".checkpoint";

inline std::string checkpoint_name(std::uint64_t step) {
  std::string digits = decimal(step);
  return checkpoint_prefix + std::string(digits.size() < 9 ? 9 - digits.size() : 0, '0') + digits + checkpoint_suffix;
}

/// All files of the folder that are called like checkpoints, the latest first.
inline std::vector<CheckpointFile> list_checkpoints(std::string const& folder) {
  std::vector<CheckpointFile> files;
  std::error_code error;
  for (std::filesystem::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    std::string const name = at->path().filename().string();
    std::string_view const prefix = checkpoint_prefix;
    if (!name.starts_with(prefix)) continue;
    CheckpointFile file{at->path().string()};
    auto const [rest, problem] = std::from_chars(name.data() + prefix.size(), name.data() + name.size(), file.step);
    if (problem == std::errc{} && name == checkpoint_name(file.step)) files.push_back(std::move(file));
  }
  if (error) throw InputError(printable_path(folder) + ": cannot be listed (" + error.message() + ")");
  std::sort(files.begin(), files.end(), [](auto const& a, auto const& b) { return a.step > b.step; });
  return files;
}

}  // namespace detail

/// A folder that belongs to one training at a time, as long as this object lives; also after a crash the next one gets it.
/// Throws   OutputError if another process has it, or it is no folder.
class FolderLock {
 public:
  explicit FolderLock(std::string const& folder) : fd_(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
    if (fd_ < 0)
      throw OutputError(detail::printable_path(folder) + ": cannot be opened (" + detail::reason(errno) + ")");
    if (::flock(fd_, LOCK_EX | LOCK_NB) != 0) {
      int const error = errno;
      ::close(fd_);
      throw OutputError(detail::printable_path(folder) + (error == EWOULDBLOCK
                                                              ? ": is in use by another training; choose another folder"
                                                              : ": cannot be locked (" + detail::reason(error) + ")"));
    }
  }
  FolderLock(FolderLock const&) = delete;
  FolderLock& operator=(FolderLock const&) = delete;
  ~FolderLock() { ::close(fd_); }

 private:
  int fd_;
};

/// Writes a checkpoint into a folder and, when it is safely there, removes all but the `keep` latest ones up to this step.
/// Throws   NumericalError if a number is not finite, OutputError if the file cannot be written; the older checkpoints are
///          then all still there.
template <class Model, class B>
CheckpointFile save_checkpoint(std::string const& folder, std::uint64_t step, TrainingState<Model, B> const& state,
                               Metadata const& metadata = {}, std::size_t keep = 2) {
  TensorWriter writer;
  detail::collect(writer, "model.", state.model);
  for (auto const& [name, tensor] : state.tensors) {
    auto const values = to_host(typename B::execution_space{}, tensor);
    for (std::size_t i = 0; i < values.size(); ++i)
      if (!std::isfinite(values[i]))
        throw NumericalError("the training is not saved: " + detail::quoted(name) +
                             " has a number that is not finite (entry " + detail::decimal(i) + ")");
    writer.add("state." + name, {values.size()}, values);
  }
  for (auto const& [name, number] : state.numbers)
    writer.add("number." + name, {}, std::vector<std::uint64_t>{*number});

  CheckpointFile const file{folder + "/" + detail::checkpoint_name(step), step};
  writer.write(file.path, metadata, {.overwrite = true});
  std::size_t kept = 0;
  for (CheckpointFile const& older : detail::list_checkpoints(folder))
    if (older.step <= step && ++kept > keep) std::remove(older.path.c_str());
  return file;
}

/// The latest checkpoint of a folder that is whole. Damaged ones are passed over; their complaints are added to `passed`.
/// Nothing if there is none.
/// Throws   InputError if the folder cannot be read.
inline std::optional<CheckpointFile> latest_checkpoint(std::string const& folder,
                                                       std::vector<std::string>* passed = nullptr) {
  for (CheckpointFile& file : detail::list_checkpoints(folder)) {
    try {
      TensorFile(file.path).verify();
      return std::move(file);
    } catch (InputError const& problem) {
      if (passed) passed->push_back(problem.what());
    }
  }
  return std::nullopt;
}

/// Puts a training back to where it was saved and returns the metadata.
/// Throws   InputError if the file is damaged or of another training (another model, optimiser or precision); the training
///          is then as it was.
template <class Model, class B>
Metadata load_checkpoint(std::string const& path, TrainingState<Model, B> const& state) {
  using Scalar = typename B::scalar_type;
  TensorFile const file(path);
  detail::LoadedModel<Model> const model(file, "model.", state.model);
  std::size_t known = 0;
  auto const entry_of = [&](std::string const& name) -> TensorEntry const& {
    TensorEntry const* const entry = file.find(name);
    if (!entry) file.refuse("is of another training: it has no " + detail::quoted(name));
    ++known;
    return *entry;
  };
  std::vector<std::vector<Scalar>> tensors;
  for (auto const& [name, tensor] : state.tensors) {
    TensorEntry const& entry = entry_of("state." + name);
    std::string const type = std::is_same_v<Scalar, float> ? "F32" : "F64";
    if (entry.shape != std::vector<std::uint64_t>{tensor.size()} || entry.type != type)
      file.refuse("is of another training: " + detail::quoted(name) + " (found " + detail::shape_text(entry.shape) +
                  " " + detail::printable(entry.type) + ", expected [" + detail::decimal(tensor.size()) + "] " + type +
                  ")");
    tensors.push_back(file.read<Scalar>(entry));
    for (Scalar const value : tensors.back())
      if (!std::isfinite(value)) file.refuse(detail::quoted(name) + " has a number that is not finite");
  }
  std::vector<std::uint64_t> numbers;
  for (auto const& [name, number] : state.numbers) {
    auto const values = file.read<std::uint64_t>(entry_of("number." + name));
    if (values.size() != 1) file.refuse("is of another training: " + detail::quoted(name) + " is not one number");
    numbers.push_back(values[0]);
  }
  for (TensorEntry const& entry : file.tensors())
    if (entry.name.starts_with("model.")) ++known;
  if (known != file.tensors().size())
    file.refuse("is of another training: it has tensors that this one knows nothing of");

  model.store(state.model);
  for (std::size_t k = 0; k < tensors.size(); ++k)
    from_host(typename B::execution_space{}, state.tensors[k].second, tensors[k]);
  for (std::size_t k = 0; k < numbers.size(); ++k) *state.numbers[k].second = numbers[k];
  return file.metadata();
}

}  // namespace heliograd::inline HELIOGRAD_ABI::io
