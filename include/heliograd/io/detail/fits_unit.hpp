// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <heliograd/base/error.hpp>
#include <heliograd/io/atomic_file.hpp>
#include <heliograd/io/detail/fits_sum.hpp>
#include <heliograd/io/detail/text.hpp>
#include <heliograd/io/fits_header.hpp>

/// \file
/// What all units of a FITS file are written with: header text, and the two cards of its checksum.
namespace heliograd::inline HELIOGRAD_ABI::io::detail {

/// A number or logical value as FITS wants it, at the right of its twenty columns.
inline std::string right(std::string const& value) {
  return std::string(20 - std::min<std::size_t>(20, value.size()), ' ') + value;
}

/// The header as it stands in a file, a whole number of blocks.
inline std::string serialise(FitsHeader const& header) {
  std::string text;
  for (auto const& card : header.cards()) text += card;
  text += "END";
  text.resize((text.size() + block_length - 1) / block_length * block_length, ' ');
  return text;
}

/// Room for what `sign_unit` will know.
inline void append_checksum_cards(FitsHeader& header) {
  header.append(FitsHeader::make_card("DATASUM", "'0         '", "sum of the data words"));
  header.append(FitsHeader::make_card("CHECKSUM", "'0000000000000000'", "brings the sum of all words to ones"));
}

/// Sums the data, which stand in the file from `data` to its end, and writes the header at `start` with the sums in it.
/// `cards` have the checksum cards, and take up `data - start` bytes.
inline void sign_unit(AtomicFile& file, std::uint64_t start, std::uint64_t data, FitsHeader cards) {
  FitsSum sum;
  std::vector<unsigned char> buffer(std::size_t{1} << 20);
  for (std::uint64_t at = data; at < file.size(); at += buffer.size()) {
    auto const n = static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), file.size() - at));
    file.read_at(at, buffer.data(), n);
    sum.add(buffer.data(), n);
  }
  cards.set("DATASUM", decimal(sum.value()));
  std::string text = serialise(cards);
  FitsSum all;
  all.add(reinterpret_cast<unsigned char const*>(text.data()), text.size());
  all.add(sum.value());
  cards.set("CHECKSUM", encode_checksum(all.value()));
  text = serialise(cards);
  expect(start + text.size() == data, "sign_unit: the header changed its length");
  file.write_at(start, text.data(), text.size());
}

}  // namespace heliograd::inline HELIOGRAD_ABI::io::detail
