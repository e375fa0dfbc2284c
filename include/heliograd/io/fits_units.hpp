// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <heliograd/io/fits_writer.hpp>

namespace heliograd::inline HELIOGRAD_ABI::io {

/// Writes a file of several images, each of any number of axes, as named extensions after an empty primary unit. The file
/// appears under its name at finish(), complete, every unit with DATASUM and CHECKSUM.
///
///     FitsUnitsWriter out("field.fits", {.overwrite = true});
///     out.add("B_R", {width, height, depth}, header, [&](std::size_t row, double* pixels) { ... });
///     out.finish();
///
/// Throws   OutputError naming the file, what failed and why. Without finish() nothing is left behind.
class FitsUnitsWriter {
 public:
  explicit FitsUnitsWriter(std::string path, FitsWriteOptions const& options = {})
      : bytes_(options.double_precision ? 8 : 4), file_(std::move(path), {.overwrite = options.overwrite}) {
    expect(options.compression == FitsCompression::none, "FitsUnitsWriter: writes plain images");
    FitsHeader primary;
    primary.append(FitsHeader::make_card("SIMPLE", right("T"), "conforms to FITS standard"));
    primary.append(FitsHeader::make_card("BITPIX", right("8"), "no data in the primary unit"));
    primary.append(FitsHeader::make_card("NAXIS", right("0"), "no data in the primary unit"));
    primary.append(FitsHeader::make_card("EXTEND", right("T"), "images are in the extensions"));
    sign_and_write(0, primary, serialise(signed_cards(primary)).size());
  }

  /// Adds an image. `axes` are lengths, the fastest first; `line(row, pixels)` fills row after row of axes[0] numbers.
  template <class Line>
  void add(std::string const& name, std::vector<std::size_t> const& axes, FitsHeader const& header, Line&& line) {
    expect(!axes.empty() && axes.size() <= 9, "FitsUnitsWriter: an image has one to nine axes");
    FitsHeader cards;
    cards.append(FitsHeader::make_card("XTENSION", "'IMAGE   '", "image extension"));
    cards.append(FitsHeader::make_card("BITPIX", right(bytes_ == 4 ? "-32" : "-64"), "IEEE floating point"));
    cards.append(FitsHeader::make_card("NAXIS", right(detail::decimal(axes.size())), "number of data axes"));
    std::size_t rows = 1;
    for (std::size_t i = 0; i < axes.size(); ++i) {
      expect(axes[i] > 0, "FitsUnitsWriter: an axis without pixels");
      cards.append(FitsHeader::make_card("NAXIS" + detail::decimal(i + 1), right(detail::decimal(axes[i]))));
      if (i > 0) rows *= axes[i];
    }
    cards.append(FitsHeader::make_card("PCOUNT", right("0"), "no heap"));
    cards.append(FitsHeader::make_card("GCOUNT", right("1"), "one group"));
    cards.set("EXTNAME", name);
    FitsHeader rest = header;
    rest.erase_if([](std::string_view key) {
      return detail::stale_card(key) || key == "EXTEND" || key == "EXTNAME" || key == "EXTVER";
    });
    for (auto const& card : rest.cards()) cards.append(card);

    std::uint64_t const start = file_.size();
    std::size_t const length = serialise(signed_cards(cards)).size();
    std::vector<unsigned char> buffer(axes[0] * bytes_);
    std::vector<double> pixels(axes[0]);
    file_.reserve(start + length + std::uint64_t{rows} * buffer.size());
    for (std::size_t row = 0; row < rows; ++row) {
      line(row, pixels.data());
      detail::encode_big(pixels.data(), axes[0], bytes_, buffer.data());
      file_.write_at(start + length + std::uint64_t{row} * buffer.size(), buffer.data(), buffer.size());
    }
    std::uint64_t const end = detail::ceil_div(file_.size(), detail::block_length) * detail::block_length;
    std::vector<unsigned char> const zeros(end - file_.size(), 0);
    file_.append(zeros.data(), zeros.size());
    sign_and_write(start, cards, length);
  }

  /// Completes the file and gives it its name.
  void finish() { file_.commit(); }

 private:
  static std::string right(std::string const& value) {
    return std::string(20 - std::min<std::size_t>(20, value.size()), ' ') + value;
  }

  static FitsHeader signed_cards(FitsHeader cards) {
    cards.append(FitsHeader::make_card("DATASUM", "'0         '", "sum of the data words"));
    cards.append(FitsHeader::make_card("CHECKSUM", "'0000000000000000'", "brings the sum of all words to ones"));
    return cards;
  }

  static std::string serialise(FitsHeader const& header) {
    std::string text;
    for (auto const& card : header.cards()) text += card;
    text += "END";
    text.resize(detail::ceil_div(text.size(), detail::block_length) * detail::block_length, ' ');
    return text;
  }

  /// Writes the header of the unit at `start`, whose data follow `length` bytes later and end with the file.
  void sign_and_write(std::uint64_t start, FitsHeader const& unsigned_cards, std::size_t length) {
    FitsHeader cards = signed_cards(unsigned_cards);
    detail::FitsSum data;
    std::vector<unsigned char> buffer(std::size_t{1} << 20);
    for (std::uint64_t at = start + length; at < file_.size(); at += buffer.size()) {
      auto const n = static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), file_.size() - at));
      file_.read_at(at, buffer.data(), n);
      data.add(buffer.data(), n);
    }
    cards.set("DATASUM", detail::decimal(data.value()));
    std::string text = serialise(cards);
    detail::FitsSum all;
    all.add(reinterpret_cast<unsigned char const*>(text.data()), text.size());
    all.add(data.value());
    cards.set("CHECKSUM", detail::encode_checksum(all.value()));
    text = serialise(cards);
    expect(text.size() == length, "FitsUnitsWriter: the header changed its length");
    file_.write_at(start, text.data(), text.size());
  }

  std::size_t bytes_;
  AtomicFile file_;
};

}  // namespace heliograd::inline HELIOGRAD_ABI::io
