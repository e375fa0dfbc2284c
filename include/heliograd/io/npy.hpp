// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <sys/stat.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <heliograd/base/config.hpp>
#include <heliograd/base/error.hpp>
#include <heliograd/io/atomic_file.hpp>
#include <heliograd/io/detail/text.hpp>

/// \file
/// Arrays in NumPy's .npy format, for plots and tests. No dependency.
namespace heliograd::inline HELIOGRAD_ABI::io {

/// An array in memory, last axis fastest.
template <class T>
struct NpyArray {
  std::vector<std::size_t> shape;
  std::vector<T> values;
};

namespace detail {

[[noreturn]] inline void refuse_npy(std::string const& path, std::string const& what) {
  throw InputError(printable_path(path) + ": " + what);
}

/// The part of the header's dictionary that belongs to a key, up to the next comma outside parentheses.
inline std::string_view npy_entry(std::string_view dictionary, std::string_view key) {
  for (char const quote : {'\'', '"'}) {
    std::string const name = quote + std::string(key) + quote;
    std::size_t at = dictionary.find(name);
    if (at == std::string_view::npos) continue;
    std::string_view rest = dictionary.substr(at + name.size());
    at = rest.find(':');
    if (at == std::string_view::npos) return {};
    rest.remove_prefix(at + 1);
    std::size_t end = 0;
    for (int depth = 0; end < rest.size(); ++end) {
      if (rest[end] == '(') ++depth;
      if (rest[end] == ')') --depth;
      if (depth <= 0 && (rest[end] == ',' || rest[end] == '}')) break;
    }
    rest = rest.substr(0, end);
    while (!rest.empty() && rest.front() == ' ') rest.remove_prefix(1);
    while (!rest.empty() && rest.back() == ' ') rest.remove_suffix(1);
    return rest;
  }
  return {};
}

inline float widen_half(std::uint16_t bits) {
  int const exponent = (bits >> 10) & 31;
  auto const fraction = static_cast<float>(bits & 1023);
  float const size = exponent == 31  ? (fraction == 0 ? INFINITY : NAN)
                     : exponent == 0 ? std::ldexp(fraction, -24)
                                     : std::ldexp(1024 + fraction, exponent - 25);
  return (bits & 0x8000) ? -size : size;
}

}  // namespace detail

/// Reads an array of 16-, 32- or 64-bit floating-point numbers of either byte order.
/// Throws   InputError naming the file, what was found and what was expected.
template <class T>
NpyArray<T> read_npy(std::string const& path, std::uint64_t max_values = std::uint64_t{1} << 28) {
  static_assert(std::is_floating_point_v<T>);
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) detail::refuse_npy(path, "cannot be opened (" + detail::reason(errno) + ")");
  if (!S_ISREG(info.st_mode)) detail::refuse_npy(path, "is not a regular file");
  auto const bytes = static_cast<std::uint64_t>(info.st_size);
  std::ifstream in(path, std::ios::binary);
  char start[12] = {};
  in.read(start, 10);
  if (!in || std::memcmp(start, "\x93NUMPY", 6) != 0) detail::refuse_npy(path, "is not an .npy file");
  int const version = start[6];
  if (version < 1 || version > 3)
    detail::refuse_npy(path, "has an unknown version (found " + detail::decimal(version) + ", expected 1 to 3)");
  std::uint64_t offset = version == 1 ? 10 : 12;
  if (version > 1) in.read(start + 10, 2);
  std::uint64_t length = 0;
  for (std::size_t i = version == 1 ? 2 : 4; i-- > 0;) length = length << 8 | static_cast<unsigned char>(start[8 + i]);
  if (!in || length > (1u << 20) || offset + length > bytes) detail::refuse_npy(path, "has a header that is cut short");
  std::string dictionary(length, '\0');
  in.read(dictionary.data(), static_cast<std::streamsize>(length));
  offset += length;

  auto descr = detail::npy_entry(dictionary, "descr");
  if (descr.size() >= 2) descr = descr.substr(1, descr.size() - 2);
  bool const known = descr.size() == 3 && (descr[0] == '<' || descr[0] == '>') && descr[1] == 'f' &&
                     (descr[2] == '2' || descr[2] == '4' || descr[2] == '8');
  if (!known)
    detail::refuse_npy(path,
                       "element type (found " + detail::printable(descr, 20) + ", expected <f4, <f8, <f2 or >...)");
  if (detail::npy_entry(dictionary, "fortran_order") != "False")
    detail::refuse_npy(path, "is in Fortran order; save it with numpy.ascontiguousarray");
  auto shape = detail::npy_entry(dictionary, "shape");
  if (shape.size() < 2 || shape.front() != '(' || shape.back() != ')') detail::refuse_npy(path, "has no shape");
  shape = shape.substr(1, shape.size() - 2);
  NpyArray<T> array;
  std::uint64_t count = 1;
  while (!shape.empty()) {
    std::uint64_t extent = 0;
    auto const [end, problem] = std::from_chars(shape.data(), shape.data() + shape.size(), extent);
    if (problem != std::errc{} || extent > max_values || array.shape.size() == 32)
      detail::refuse_npy(path, "has a shape that cannot be used (found " + detail::printable(shape, 40) + ")");
    array.shape.push_back(extent);
    count = std::min(count * extent, max_values + 1);
    shape.remove_prefix(static_cast<std::size_t>(end - shape.data()));
    while (!shape.empty() && (shape.front() == ' ' || shape.front() == ',')) shape.remove_prefix(1);
  }
  if (count > max_values)
    detail::refuse_npy(path, "holds more than " + detail::decimal(max_values) + " values, the limit");
  auto const width = static_cast<std::size_t>(descr[2] - '0');
  if (bytes - offset != count * width)
    detail::refuse_npy(path, "has data of the wrong length (found " + detail::decimal(bytes - offset) +
                                 " bytes, expected " + detail::decimal(count * width) + ")");
  array.values.resize(count);
  std::vector<unsigned char> buffer(std::min<std::uint64_t>(count, 1u << 16) * width);
  for (std::uint64_t done = 0; done < count;) {
    std::uint64_t const n = std::min<std::uint64_t>(count - done, 1u << 16);
    in.read(reinterpret_cast<char*>(buffer.data()), static_cast<std::streamsize>(n * width));
    if (!in) detail::refuse_npy(path, "cannot be read to its end");
    for (std::uint64_t i = 0; i < n; ++i) {
      std::uint64_t bits = 0;
      for (std::size_t k = 0; k < width; ++k)
        bits = bits << 8 | buffer[i * width + (descr[0] == '<' ? width - 1 - k : k)];
      array.values[done + i] = width == 8   ? static_cast<T>(std::bit_cast<double>(bits))
                               : width == 4 ? static_cast<T>(std::bit_cast<float>(static_cast<std::uint32_t>(bits)))
                                            : static_cast<T>(detail::widen_half(static_cast<std::uint16_t>(bits)));
    }
    done += n;
  }
  return array;
}

/// Writes an array, last axis fastest; the file appears complete or not at all.
/// Throws   OutputError naming the file, what failed and why.
template <class T>
void write_npy(std::string const& path, T const* values, std::vector<std::size_t> const& shape,
               AtomicFileOptions const& options = {}) {
  static_assert(std::is_same_v<T, float> || std::is_same_v<T, double>);
  std::string text =
      std::string("{'descr': '<f") + (sizeof(T) == 4 ? "4" : "8") + "', 'fortran_order': False, 'shape': (";
  std::size_t count = 1;
  for (std::size_t const extent : shape) {
    text += detail::decimal(extent) + ",";
    count *= extent;
  }
  text += "), }";
  std::size_t const total = (10 + text.size() + 1 + 63) / 64 * 64;
  text.resize(total - 11, ' ');
  text += '\n';
  std::string start("\x93NUMPY\x01\x00", 8);
  start += static_cast<char>(text.size() & 0xff);
  start += static_cast<char>(text.size() >> 8);
  AtomicFile file(path, options);
  file.append(start.data(), start.size());
  file.append(text.data(), text.size());
  using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
  std::vector<unsigned char> buffer;
  for (std::size_t done = 0; done < count;) {
    std::size_t const n = std::min<std::size_t>(count - done, 1u << 16);
    buffer.resize(n * sizeof(T));
    for (std::size_t i = 0; i < n; ++i) {
      auto const bits = std::bit_cast<Bits>(values[done + i]);
      for (std::size_t k = 0; k < sizeof(T); ++k)
        buffer[i * sizeof(T) + k] = static_cast<unsigned char>(bits >> (8 * k));
    }
    file.append(buffer.data(), buffer.size());
    done += n;
  }
  file.commit();
}

}  // namespace heliograd::inline HELIOGRAD_ABI::io
