// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <map>
#include <string>

#include <heliograd/base/error.hpp>
#include <heliograd/kernel/conv2d_options.hpp>

namespace examples {

/// How exact the convolutions of a network are, as options and files of weights spell it: strict or fast.
inline heliograd::ConvAccuracy accuracy_of(std::string const& word) {
  return word == "fast" ? heliograd::ConvAccuracy::fast : heliograd::ConvAccuracy::strict;
}

/// What a file of weights says about that; one that says nothing is strict.
/// Throws   InputError naming the file if it says something else.
inline std::string stated_accuracy(std::map<std::string, std::string> const& metadata, std::string const& file) {
  auto const entry = metadata.find("accuracy");
  if (entry == metadata.end()) return "strict";
  if (entry->second != "strict" && entry->second != "fast")
    throw heliograd::InputError(file + ": states an accuracy that is not known (found '" + entry->second.substr(0, 20) +
                                "', expected strict or fast)");
  return entry->second;
}

/// A recipe without what it says where nothing else was asked for: from before there was a choice, it says nothing.
inline std::string without_strict(std::string recipe) {
  std::string const line = "accuracy=\"strict\"\n";
  if (auto const at = recipe.find(line); at != std::string::npos) recipe.erase(at, line.size());
  return recipe;
}

}  // namespace examples
