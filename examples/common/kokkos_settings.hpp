// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <string>
#include <string_view>

#include <heliograd/base/error.hpp>

namespace examples {

namespace detail {

/// Kokkos ends the program where a setting makes no sense; here it becomes an error like any other. `key` in lower case with
/// dashes, without "kokkos".
inline void check_kokkos_setting(std::string const& name, std::string const& key, std::string_view value) {
  auto const refuse = [&](char const* wanted) {
    throw heliograd::UsageError(name + " makes no sense (found '" + std::string(value.substr(0, 40)) + "', expected " +
                                wanted + ")");
  };
  if (key == "num-threads" || key == "device-id") {
    int number = -1;
    auto const [end, problem] = std::from_chars(value.data(), value.data() + value.size(), number);
    bool const whole = problem == std::errc{} && end == value.data() + value.size();
    if (key == "num-threads" && !(whole && number >= 1 && number <= 1024)) refuse("a number from 1 to 1024");
    if (key == "device-id" && !(whole && number >= 0)) refuse("the number of a device, from 0");
  } else if (key == "map-device-id-by") {
    if (value != "random" && value != "mpi_rank") refuse("random or mpi_rank");
  } else if (key == "disable-warnings" || key == "print-configuration" || key == "tune-internals") {
    std::string word(value);
    std::transform(word.begin(), word.end(), word.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    for (char const* const fine : {"", "0", "1", "true", "false", "yes", "no"})
      if (word == fine) return;
    refuse("true or false");
  }
}

}  // namespace detail

/// Checks the KOKKOS_... variables of the environment and a list of --kokkos-... arguments.
/// Throws   UsageError naming the one that makes no sense.
template <class Arguments>
void check_kokkos_settings(Arguments const& arguments) {
  for (char** variable = environ; variable != nullptr && *variable != nullptr; ++variable) {
    std::string_view const entry = *variable;
    auto const equals = entry.find('=');
    if (!entry.starts_with("KOKKOS_") || equals == std::string_view::npos) continue;
    std::string key(entry.substr(7, equals - 7));
    std::transform(key.begin(), key.end(), key.begin(),
                   [](unsigned char c) { return c == '_' ? '-' : static_cast<char>(std::tolower(c)); });
    detail::check_kokkos_setting(std::string(entry.substr(0, equals)), key, entry.substr(equals + 1));
  }
  for (std::string_view const argument : arguments) {
    if (!argument.starts_with("--kokkos-")) continue;
    auto const equals = std::min(argument.find('='), argument.size());
    std::string_view const value = equals < argument.size() ? argument.substr(equals + 1) : std::string_view{};
    detail::check_kokkos_setting(std::string(argument.substr(0, equals)), std::string(argument.substr(9, equals - 9)),
                                 value);
  }
}

}  // namespace examples
