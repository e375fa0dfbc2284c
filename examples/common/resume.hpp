// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstdio>
#include <string>
#include <vector>

#include <heliograd/base/error.hpp>
#include <heliograd/io/checkpoint.hpp>
#include <heliograd/io/weights.hpp>
#include "program.hpp"

namespace examples {

/// The newest whole checkpoint of a folder, for a training that goes on with the options it began with; damaged ones are
/// named on stderr.
/// Throws   InputError if there is none, UsageError if it was made with another recipe.
inline std::string checkpoint_to_resume(char const* program, std::string const& folder, std::string const& recipe) {
  std::vector<std::string> damaged;
  auto const latest = heliograd::io::latest_checkpoint(folder, &damaged);
  for (std::string const& complaint : damaged)
    std::fprintf(stderr, "%s: warning: %s; an older checkpoint is tried\n", program, one_line(complaint).c_str());
  if (!latest) throw heliograd::InputError(folder + ": has no checkpoint to resume from; leave --resume away to start");
  auto metadata = heliograd::io::read_metadata(latest->path);
  if (metadata["recipe"] != recipe)
    throw heliograd::UsageError(latest->path + ": was made with other options; resume with the ones in " + folder +
                                "/options.toml, or train anew with --overwrite");
  return latest->path;
}

}  // namespace examples
