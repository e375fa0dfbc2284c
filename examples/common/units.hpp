// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <string>
#include <string_view>

/// \file
/// What is written in BUNIT, which every archive spells in its own way.
namespace examples {

/// The unit in small letters, without blanks and signs of powers: "Mx/cm**2" is "mx/cm2".
inline std::string plain_unit(std::string_view unit) {
  std::string word;
  for (char const c : unit)
    if (c != ' ' && c != '*' && c != '^') word += static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  return word;
}

/// True for the spellings of gauss and of Mx/cm^2, which is the same; not for no unit at all.
inline bool is_gauss(std::string_view unit) {
  std::string const word = plain_unit(unit);
  return word == "gauss" || word == "g" || word == "mx/cm2" || word == "mxcm-2";
}

/// The same, for readers to which a file without a unit is in gauss.
inline bool may_be_gauss(std::string_view unit) { return plain_unit(unit).empty() || is_gauss(unit); }

}  // namespace examples
