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
    primary.append(FitsHeader::make_card("SIMPLE", detail::right("T"), "conforms to FITS standard"));
    primary.append(FitsHeader::make_card("BITPIX", detail::right("8"), "no data in the primary unit"));
    primary.append(FitsHeader::make_card("NAXIS", detail::right("0"), "no data in the primary unit"));
    primary.append(FitsHeader::make_card("EXTEND", detail::right("T"), "images are in the extensions"));
    detail::append_checksum_cards(primary);
    detail::sign_unit(file_, 0, detail::serialise(primary).size(), primary);
  }

  /// Adds an image. `axes` are lengths, the fastest first; `line(row, pixels)` fills row after row of axes[0] numbers.
  template <class Line>
  void add(std::string const& name, std::vector<std::size_t> const& axes, FitsHeader const& header, Line&& line) {
    expect(!axes.empty() && axes.size() <= 9, "FitsUnitsWriter: an image has one to nine axes");
    FitsHeader cards;
    cards.append(FitsHeader::make_card("XTENSION", "'IMAGE   '", "image extension"));
    cards.append(FitsHeader::make_card("BITPIX", detail::right(bytes_ == 4 ? "-32" : "-64"), "IEEE floating point"));
    cards.append(FitsHeader::make_card("NAXIS", detail::right(detail::decimal(axes.size())), "number of data axes"));
    std::size_t rows = 1;
    for (std::size_t i = 0; i < axes.size(); ++i) {
      expect(axes[i] > 0, "FitsUnitsWriter: an axis without pixels");
      cards.append(FitsHeader::make_card("NAXIS" + detail::decimal(i + 1), detail::right(detail::decimal(axes[i]))));
      if (i > 0) rows *= axes[i];
    }
    cards.append(FitsHeader::make_card("PCOUNT", detail::right("0"), "no heap"));
    cards.append(FitsHeader::make_card("GCOUNT", detail::right("1"), "one group"));
    cards.set("EXTNAME", name);
    FitsHeader rest = header;
    rest.erase_if([](std::string_view key) {
      return detail::stale_card(key) || key == "EXTEND" || key == "EXTNAME" || key == "EXTVER";
    });
    for (auto const& card : rest.cards()) cards.append(card);

    std::uint64_t const start = file_.size();
    detail::append_checksum_cards(cards);
    std::size_t const length = detail::serialise(cards).size();
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
    detail::sign_unit(file_, start, start + length, cards);
  }

  /// Completes the file and gives it its name.
  void finish() { file_.commit(); }

 private:
  std::size_t bytes_;
  AtomicFile file_;
};

}  // namespace heliograd::inline HELIOGRAD_ABI::io
