// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include <heliograd/base/config.hpp>

namespace heliograd::inline HELIOGRAD_ABI::io {

namespace detail {
/// crc32c_tables[k][b]: the checksum of byte b followed by k zero bytes.
inline constexpr auto crc32c_tables = [] {
  std::array<std::array<std::uint32_t, 256>, 8> tables{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (crc & 1u ? 0x82F63B78u : 0u);
    tables[0][byte] = crc;
  }
  for (std::size_t k = 1; k < 8; ++k)
    for (std::size_t byte = 0; byte < 256; ++byte)
      tables[k][byte] = (tables[k - 1][byte] >> 8) ^ tables[0][tables[k - 1][byte] & 0xff];
  return tables;
}();
}  // namespace detail

/// The CRC-32C (Castagnoli) of some bytes; pass the result of the bytes before to go on. Eight bytes a step.
inline std::uint32_t crc32c(void const* data, std::size_t bytes, std::uint32_t before = 0) {
  auto const& t = detail::crc32c_tables;
  auto const* p = static_cast<unsigned char const*>(data);
  std::uint32_t crc = ~before;
  for (; bytes >= 8; bytes -= 8, p += 8)
    crc = t[7][(crc ^ p[0]) & 0xff] ^ t[6][((crc >> 8) ^ p[1]) & 0xff] ^ t[5][((crc >> 16) ^ p[2]) & 0xff] ^
          t[4][(crc >> 24) ^ p[3]] ^ t[3][p[4]] ^ t[2][p[5]] ^ t[1][p[6]] ^ t[0][p[7]];
  for (; bytes > 0; --bytes, ++p) crc = (crc >> 8) ^ t[0][(crc ^ *p) & 0xff];
  return ~crc;
}

}  // namespace heliograd::inline HELIOGRAD_ABI::io
