// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>

#include <heliograd/base/config.hpp>

/// \file
/// Small pieces of text for messages and cards. Nothing here depends on the locale, and nothing read from a file is ever
/// printed raw: control bytes are escaped and long values are clipped.
namespace heliograd::inline HELIOGRAD_ABI::io::detail {

/// `text` with every byte outside printable ASCII written as \xNN, clipped after `limit` characters.
inline std::string printable(std::string_view text, std::size_t limit = 60) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string out;
  for (char const c : text) {
    if (out.size() >= limit) return out + "...";
    auto const byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f) {
      out += c;
    } else {
      out += "\\x";
      out += digits[byte >> 4];
      out += digits[byte & 15];
    }
  }
  return out;
}

/// A file name as it may stand in a message. Bytes of UTF-8 stay; control bytes are escaped.
inline std::string printable_path(std::string_view path) {
  std::string out;
  for (char const c : path) {
    if (out.size() >= 1000) return out + "...";
    auto const byte = static_cast<unsigned char>(c);
    if (byte >= 0x80) {
      out += c;
    } else {
      out += printable(std::string_view(&c, 1));
    }
  }
  return out;
}

inline std::string quoted(std::string_view text) { return "'" + printable(text) + "'"; }

/// What the operating system says about an error number.
inline std::string reason(int error) { return std::system_category().message(error); }

template <class Integer>
std::string decimal(Integer value) {
  char buffer[32];
  auto const end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
  return std::string(buffer, end);
}

/// The shortest decimal that reads back as `value`, in the form FITS wants: a point always, the exponent with E.
inline std::string fits_real(double value) {
  char buffer[64];
  auto const end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
  std::string text(buffer, end);
  auto const exponent = text.find('e');
  if (exponent != std::string::npos) text[exponent] = 'E';
  if (text.find('.') == std::string::npos) text.insert(exponent == std::string::npos ? text.size() : exponent, ".0");
  return text;
}

}  // namespace heliograd::inline HELIOGRAD_ABI::io::detail
