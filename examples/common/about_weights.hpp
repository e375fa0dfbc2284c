// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <map>
#include <string>

#include "program.hpp"
#include "sha256.hpp"

namespace examples {

/// Prints what a file of weights says about itself, its recipe line by line at the end.
inline void print_about_weights(std::string const& file, std::string const& network, std::size_t parameters,
                                std::map<std::string, std::string> const& metadata) {
  std::printf("%s: weights of %s\n  %-16s %zu\n  %-16s %s\n", one_line(file).c_str(), network.c_str(), "parameters",
              parameters, "SHA-256", sha256_of_file(file).c_str());
  for (auto const& [key, value] : metadata)
    if (key != "recipe") std::printf("  %-16s %s\n", one_line(key).c_str(), one_line(value).c_str());
  auto const recipe = metadata.find("recipe");
  if (recipe == metadata.end()) return;
  std::printf("  trained with\n");
  std::size_t from = 0;
  while (from < recipe->second.size()) {
    std::size_t const to = std::min(recipe->second.find('\n', from), recipe->second.size());
    std::printf("    %s\n", one_line(recipe->second.substr(from, to - from)).c_str());
    from = to + 1;
  }
}

}  // namespace examples
