// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include <heliograd/base/config.hpp>

namespace heliograd::inline HELIOGRAD_ABI::io::detail {

/// The ones'-complement sum of big-endian 32-bit words behind DATASUM and CHECKSUM. Bytes may arrive in pieces of any
/// length; a last incomplete word counts as if filled with zeros.
class FitsSum {
 public:
  void add(unsigned char const* bytes, std::size_t count) {
    std::size_t i = 0;
    for (; i < count && phase_ != 0; ++i) add_byte(bytes[i]);
    std::uint64_t sum = 0;
    for (; i + 4 <= count; i += 4) {
      sum += (std::uint32_t{bytes[i]} << 24) | (std::uint32_t{bytes[i + 1]} << 16) |
             (std::uint32_t{bytes[i + 2]} << 8) | bytes[i + 3];
    }
    sum_ = fold(sum_ + fold(sum));
    for (; i < count; ++i) add_byte(bytes[i]);
  }

  void add(std::uint32_t sum) { sum_ = fold(sum_ + sum); }

  std::uint32_t value() const { return static_cast<std::uint32_t>(sum_); }

 private:
  void add_byte(unsigned char byte) {
    sum_ = fold(sum_ + (std::uint64_t{byte} << (24 - 8 * phase_)));
    phase_ = (phase_ + 1) & 3;
  }
  static std::uint64_t fold(std::uint64_t sum) {
    while (sum >> 32) sum = (sum & 0xffffffffu) + (sum >> 32);
    return sum;
  }
  std::uint64_t sum_ = 0;
  unsigned phase_ = 0;
};

/// The sixteen characters that, placed in a CHECKSUM card at column 12 of a header whose sum (with the value '0' * 16)
/// and data sum are `sum`, bring the whole to all ones.
inline std::string encode_checksum(std::uint32_t sum) {
  std::uint32_t const value = ~sum;
  std::array<char, 16> ascii{};
  for (unsigned i = 0; i < 4; ++i) {
    unsigned const byte = (value >> (24 - 8 * i)) & 0xff;
    unsigned part[4];
    for (unsigned& p : part) p = byte / 4 + 48;
    part[0] += byte % 4;
    // Characters between the digits and the letters are avoided in pairs, which leaves the sum as it is.
    for (bool again = true; again;) {
      again = false;
      for (unsigned k = 0; k < 4; k += 2) {
        auto const punctuation = [](unsigned c) { return (c > 57 && c < 65) || (c > 90 && c < 97); };
        if (punctuation(part[k]) || punctuation(part[k + 1])) {
          ++part[k];
          --part[k + 1];
          again = true;
        }
      }
    }
    for (unsigned k = 0; k < 4; ++k) ascii[4 * k + i] = static_cast<char>(part[k]);
  }
  std::string text(16, ' ');
  for (unsigned i = 0; i < 16; ++i) text[(i + 1) % 16] = ascii[i];  // the card's string starts one byte off a word
  return text;
}

}  // namespace heliograd::inline HELIOGRAD_ABI::io::detail
