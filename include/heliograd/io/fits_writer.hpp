// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <zlib.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <heliograd/base/config.hpp>
#include <heliograd/base/error.hpp>
#include <heliograd/io/atomic_file.hpp>
#include <heliograd/io/detail/fits_unit.hpp>
#include <heliograd/io/detail/text.hpp>
#include <heliograd/io/fits_header.hpp>
#include <heliograd/io/fits_reader.hpp>

namespace heliograd::inline HELIOGRAD_ABI::io {

enum class FitsCompression {
  none,   ///< a plain primary image
  gzip2,  ///< lossless tiles, one per row, in the first extension (GZIP_2)
};

struct FitsWriteOptions {
  bool overwrite = false;         ///< replace an existing file
  bool double_precision = false;  ///< BITPIX -64 instead of -32
  FitsCompression compression = FitsCompression::none;
};

namespace detail {

/// Cards that would be wrong beside floating-point pixels that were just computed: those that describe how the source
/// was stored, and statistics of its pixels.
inline bool stale_card(std::string_view key) {
  for (std::string_view const name :
       {"SIMPLE",   "XTENSION", "BITPIX",   "PCOUNT",   "GCOUNT",   "GROUPS",   "TFIELDS",  "INHERIT",
        "END",      "BSCALE",   "BZERO",    "BLANK",    "CHECKSUM", "DATASUM",  "ZIMAGE",   "ZCMPTYPE",
        "ZBITPIX",  "ZQUANTIZ", "ZDITHER0", "ZMASKCMP", "ZSIMPLE",  "ZTENSION", "ZEXTEND",  "ZBLOCKED",
        "ZPCOUNT",  "ZGCOUNT",  "ZHECKSUM", "ZDATASUM", "ZSCALE",   "ZZERO",    "ZBLANK",   "DATAMIN",
        "DATAMAX",  "DATAMEAN", "DATAMEDN", "DATARMS",  "DATASKEW", "DATAKURT", "DATAMIN2", "DATAMAX2",
        "DATAMEA2", "DATAMED2", "DATARMS2", "DATASKE2", "DATAKUR2", "DATAVALS", "MISSVALS", "TOTVALS"})
    if (key == name) return true;
  for (std::string_view const stem : {"NAXIS", "ZNAXIS", "ZTILE", "ZNAME", "ZVAL"}) {
    if (!key.starts_with(stem)) continue;
    std::string_view const digits = key.substr(stem.size());
    if (std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; })) return true;
  }
  return false;
}

template <class Unsigned>
void store_big(unsigned char* at, Unsigned value) {
  for (std::size_t i = sizeof(Unsigned); i-- > 0;
       value = static_cast<Unsigned>(value >> (sizeof(Unsigned) > 1 ? 8 : 0)))
    at[i] = static_cast<unsigned char>(value & 0xff);
}

/// `count` pixels as big-endian numbers of `bytes` bytes each.
template <class T>
void encode_big(T const* from, std::size_t count, std::size_t bytes, unsigned char* to) {
  for (std::size_t i = 0; i < count; ++i) {
    if (bytes == 4)
      store_big(to + 4 * i, std::bit_cast<std::uint32_t>(static_cast<float>(from[i])));
    else
      store_big(to + 8 * i, std::bit_cast<std::uint64_t>(static_cast<double>(from[i])));
  }
}

}  // namespace detail

/// Writes one image, row by row or block by block, in any order; nothing of it stays in memory. The file appears under
/// its name at finish(), complete, with DATASUM and CHECKSUM, after it was read back.
///
/// The header is taken over card by card, with its comments and its order, less the cards that would be wrong in the new
/// file: how the source was stored (BSCALE, BZERO, BLANK, Z...), its checksums, and statistics of its pixels (DATAMIN...).
///
///     FitsWriter out("sr.fits", width, height, header, {.overwrite = true});
///     out.rows(0, 128, pixels);            // ... until every pixel was given once
///     out.finish();
///
/// Throws   OutputError naming the file, what failed and why. Without finish() nothing is left behind.
class FitsWriter {
 public:
  FitsWriter(std::string path, std::size_t width, std::size_t height, FitsHeader const& header,
             FitsWriteOptions const& options = {})
      : width_(width),
        height_(height),
        bytes_(options.double_precision ? 8 : 4),
        compressed_(options.compression == FitsCompression::gzip2),
        written_(height, 0),
        file_(std::move(path), {.overwrite = options.overwrite}) {
    expect(width > 0 && height > 0, "FitsWriter: an image needs at least one pixel");
    expect(width <= (std::uint64_t{1} << 31) && height <= (std::uint64_t{1} << 31), "FitsWriter: image too large");
    if (compressed_)
      start_compressed(header);
    else
      start_plain(header);
  }

  /// Rows first <= y < last, [last - first][width].
  template <class T>
  void rows(std::size_t first, std::size_t last, T const* pixels) {
    block(first, last, 0, width_, pixels, width_);
  }

  /// Pixels first_y <= y < last_y, first_x <= x < last_x; `stride` pixels from one row of `pixels` to the next. A
  /// compressed file takes whole rows only.
  template <class T>
  void block(std::size_t first_y, std::size_t last_y, std::size_t first_x, std::size_t last_x, T const* pixels,
             std::size_t stride) {
    expect(first_y <= last_y && last_y <= height_ && first_x <= last_x && last_x <= width_,
           "FitsWriter: pixels outside the image");
    expect(!compressed_ || (first_x == 0 && last_x == width_), "FitsWriter: a compressed file takes whole rows");
    std::size_t const n = last_x - first_x;
    if (n == 0) return;
    for (std::size_t y = first_y; y < last_y; ++y) {
      written_[y] += n;
      expect(written_[y] <= width_, "FitsWriter: row " + detail::decimal(y) + " was given more pixels than it has");
    }
    bool const joined = stride == width_ && n == width_;  // rows follow each other in the file as in memory
    std::size_t const rows_at_once = joined && !compressed_ ? std::max<std::size_t>(1, (1u << 18) / width_) : 1;
    for (std::size_t y = first_y; y < last_y; y += rows_at_once) {
      std::size_t const count = std::min(rows_at_once, last_y - y);
      buffer_.resize(count * n * bytes_);
      detail::encode_big(pixels + (y - first_y) * stride, count * n, bytes_, buffer_.data());
      if (compressed_)
        write_tile(y);
      else
        file_.write_at(data_offset_ + (y * width_ + first_x) * bytes_, buffer_.data(), buffer_.size());
    }
  }

  /// Completes the file and gives it its name.
  void finish() {
    for (std::size_t y = 0; y < height_; ++y)
      expect(written_[y] == width_, "FitsWriter: row " + detail::decimal(y) + " was not written completely");
    if (compressed_) {
      file_.write_at(data_offset_, descriptors_.data(), descriptors_.size());
      cards_.set("PCOUNT", static_cast<std::int64_t>(file_.size() - data_offset_ - descriptors_.size()));
      cards_.set("TFORM1", "1QB(" + detail::decimal(longest_) + ")");
    }
    std::uint64_t const end = detail::ceil_div(file_.size(), detail::block_length) * detail::block_length;
    std::vector<unsigned char> const zeros(end - file_.size(), 0);
    file_.append(zeros.data(), zeros.size());
    detail::sign_unit(file_, header_offset_, data_offset_, cards_);
    FitsReadOptions options;
    options.max_pixels = UINT64_MAX;
    file_.commit([&](std::string const& temporary) {
      FitsReader const reader(temporary, options);
      if (reader.width() != width_ || reader.height() != height_ ||
          reader.layout().bitpix != -8 * static_cast<int>(bytes_))
        throw InputError("another shape than the one written");
    });
  }

 private:
  void start_plain(FitsHeader const& header) {
    cards_.append(FitsHeader::make_card("SIMPLE", detail::right("T"), "conforms to FITS standard"));
    cards_.append(FitsHeader::make_card("BITPIX", detail::right(bytes_ == 4 ? "-32" : "-64"), "IEEE floating point"));
    cards_.append(FitsHeader::make_card("NAXIS", detail::right("2"), "number of data axes"));
    cards_.append(FitsHeader::make_card("NAXIS1", detail::right(detail::decimal(width_)), "length of data axis 1"));
    cards_.append(FitsHeader::make_card("NAXIS2", detail::right(detail::decimal(height_)), "length of data axis 2"));
    take_over(header, false);
    header_offset_ = 0;
    data_offset_ = reserve_header();
    file_.reserve(data_offset_ + static_cast<std::uint64_t>(width_) * height_ * bytes_);
  }

  void start_compressed(FitsHeader const& header) {
    FitsHeader primary;
    primary.append(FitsHeader::make_card("SIMPLE", detail::right("T"), "conforms to FITS standard"));
    primary.append(FitsHeader::make_card("BITPIX", detail::right("8"), "no data in the primary unit"));
    primary.append(FitsHeader::make_card("NAXIS", detail::right("0"), "no data in the primary unit"));
    primary.append(FitsHeader::make_card("EXTEND", detail::right("T"), "the image is in the first extension"));
    std::string const block = detail::serialise(primary);
    file_.append(block.data(), block.size());

    std::uint64_t const row = 16;
    cards_.append(FitsHeader::make_card("XTENSION", "'BINTABLE'", "tile-compressed image"));
    cards_.append(FitsHeader::make_card("BITPIX", detail::right("8"), "bytes"));
    cards_.append(FitsHeader::make_card("NAXIS", detail::right("2"), "a table"));
    cards_.append(FitsHeader::make_card("NAXIS1", detail::right(detail::decimal(row)), "bytes in a row of the table"));
    cards_.append(FitsHeader::make_card("NAXIS2", detail::right(detail::decimal(height_)), "tiles"));
    cards_.append(FitsHeader::make_card("PCOUNT", detail::right("0"), "bytes of compressed data"));
    cards_.append(FitsHeader::make_card("GCOUNT", detail::right("1"), "one group"));
    cards_.append(FitsHeader::make_card("TFIELDS", detail::right("1"), "columns"));
    cards_.append(FitsHeader::make_card("TTYPE1", "'COMPRESSED_DATA'"));
    cards_.append(FitsHeader::make_card("TFORM1", "'1QB(0)  '"));
    cards_.append(FitsHeader::make_card("ZIMAGE", detail::right("T"), "this is a compressed image"));
    cards_.append(FitsHeader::make_card("ZSIMPLE", detail::right("T"), "conforms to FITS standard"));
    cards_.append(FitsHeader::make_card("ZBITPIX", detail::right(bytes_ == 4 ? "-32" : "-64"), "IEEE floating point"));
    cards_.append(FitsHeader::make_card("ZNAXIS", detail::right("2"), "number of data axes"));
    cards_.append(FitsHeader::make_card("ZNAXIS1", detail::right(detail::decimal(width_)), "length of data axis 1"));
    cards_.append(FitsHeader::make_card("ZNAXIS2", detail::right(detail::decimal(height_)), "length of data axis 2"));
    cards_.append(FitsHeader::make_card("ZTILE1", detail::right(detail::decimal(width_)), "pixels in a tile"));
    cards_.append(FitsHeader::make_card("ZTILE2", detail::right("1"), "rows in a tile"));
    cards_.append(FitsHeader::make_card("ZCMPTYPE", "'GZIP_2  '", "lossless"));
    cards_.append(FitsHeader::make_card("ZQUANTIZ", "'NONE    '", "pixels are not quantised"));
    take_over(header, true);
    header_offset_ = block.size();
    data_offset_ = reserve_header();
    descriptors_.assign(height_ * row, 0);
    file_.write_at(data_offset_, descriptors_.data(), descriptors_.size());
  }

  void take_over(FitsHeader const& header, bool extension) {
    FitsHeader rest = header;
    rest.erase_if([&](std::string_view key) {
      return detail::stale_card(key) ||
             (extension && (key == "EXTEND" || key.starts_with("TTYPE") || key.starts_with("TFORM") || key == "THEAP"));
    });
    for (auto const& card : rest.cards()) cards_.append(card);
    detail::append_checksum_cards(cards_);
  }

  /// Writes the header as it is, to be written again in finish() with the same length. Returns where the data begin.
  std::uint64_t reserve_header() {
    std::string const text = detail::serialise(cards_);
    file_.write_at(header_offset_, text.data(), text.size());
    return header_offset_ + text.size();
  }

  void write_tile(std::size_t y) {
    unsigned char* const raw = buffer_.data();
    std::size_t const count = buffer_.size() / bytes_;
    shuffled_.resize(buffer_.size());
    for (std::size_t plane = 0; plane < bytes_; ++plane)
      for (std::size_t i = 0; i < count; ++i) shuffled_[plane * count + i] = raw[i * bytes_ + plane];
    z_stream stream{};
    if (::deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) throw std::bad_alloc();
    packed_.resize(::deflateBound(&stream, static_cast<uLong>(shuffled_.size())));
    stream.next_in = shuffled_.data();
    stream.avail_in = static_cast<uInt>(shuffled_.size());
    stream.next_out = packed_.data();
    stream.avail_out = static_cast<uInt>(packed_.size());
    int const state = ::deflate(&stream, Z_FINISH);
    std::size_t const length = packed_.size() - stream.avail_out;
    ::deflateEnd(&stream);
    if (state != Z_STREAM_END) throw std::bad_alloc();
    std::uint64_t const start = file_.size() - data_offset_ - descriptors_.size();
    file_.append(packed_.data(), length);
    detail::store_big<std::uint64_t>(descriptors_.data() + 16 * y, length);
    detail::store_big<std::uint64_t>(descriptors_.data() + 16 * y + 8, start);
    longest_ = std::max(longest_, length);
  }

  std::size_t width_, height_, bytes_;
  bool compressed_;
  std::vector<std::uint64_t> written_;  // pixels given so far, by row
  AtomicFile file_;
  FitsHeader cards_;
  std::uint64_t header_offset_ = 0, data_offset_ = 0;
  std::size_t longest_ = 0;
  std::vector<unsigned char> buffer_, shuffled_, packed_, descriptors_;
};

/// Writes a whole image, [height][width], first row south.
template <class T>
void write_fits(std::string const& path, T const* pixels, std::size_t width, std::size_t height,
                FitsHeader const& header = {}, FitsWriteOptions const& options = {}) {
  FitsWriter writer(path, width, height, header, options);
  writer.rows(0, height, pixels);
  writer.finish();
}

template <class T>
void write_fits(std::string const& path, FitsImage<T> const& image, FitsWriteOptions const& options = {}) {
  expect(image.pixels.size() == image.width * image.height, "write_fits: pixels and size do not agree");
  write_fits(path, image.pixels.data(), image.width, image.height, image.header, options);
}

}  // namespace heliograd::inline HELIOGRAD_ABI::io
