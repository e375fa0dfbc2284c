// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <map>
#include <optional>
#include <string>

namespace test {

/// A FITS header for those who only ask for numbers and words by keyword.
struct Cards {
  std::map<std::string, double> numbers;
  std::map<std::string, std::string> words;
  std::optional<double> real(std::string const& key) const {
    auto const at = numbers.find(key);
    return at == numbers.end() ? std::nullopt : std::optional<double>(at->second);
  }
  std::optional<std::string> text(std::string const& key) const {
    auto const at = words.find(key);
    return at == words.end() ? std::nullopt : std::optional<std::string>(at->second);
  }
};

}  // namespace test
