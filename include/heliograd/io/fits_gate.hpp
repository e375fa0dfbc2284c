// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <heliograd/base/config.hpp>
#include <heliograd/base/error.hpp>
#include <heliograd/io/detail/byte_source.hpp>
#include <heliograd/io/detail/fits_sum.hpp>
#include <heliograd/io/detail/text.hpp>
#include <heliograd/io/fits_header.hpp>

/// \file
/// The gate every FITS file passes before a pixel of it is touched: what the file promises is compared with what it
/// holds, and only sizes that have been proven are ever allocated or indexed.
namespace heliograd::inline HELIOGRAD_ABI::io {

struct FitsReadOptions {
  std::uint64_t max_pixels = std::uint64_t{1} << 28;  ///< images with more are refused
  bool verify_checksums = true;                       ///< compare DATASUM and CHECKSUM where the file has them
  std::optional<std::size_t> plane = {};              ///< which plane of a cube, from 0; cubes are refused without it
};

/// One column of the table that holds a tile-compressed image.
struct FitsTileColumn {
  char form = 0;             ///< 'P' or 'Q' for descriptors into the heap, else the element type; 0: no such column
  char element = 0;          ///< type of the elements a descriptor points to
  std::uint64_t repeat = 0;  ///< elements in the row itself
  std::uint64_t offset = 0;  ///< bytes from the start of a row
  explicit operator bool() const noexcept { return form != 0; }
};

enum class FitsCodec { rice, gzip, gzip_shuffled, none };
enum class FitsDither { none, subtractive_1, subtractive_2 };

/// How the tiles of a compressed image are stored.
struct FitsTiles {
  FitsCodec codec = FitsCodec::rice;
  std::vector<std::uint64_t> size;   ///< pixels per tile along each axis, fastest first
  std::vector<std::uint64_t> count;  ///< tiles along each axis
  std::uint64_t rows = 0;            ///< tiles in all: rows of the table
  std::uint64_t row_bytes = 0;
  std::uint64_t heap_offset = 0;  ///< in the file
  std::uint64_t heap_bytes = 0;
  FitsTileColumn compressed, gzipped, raw, scale, zero, blank;
  unsigned rice_block = 32;
  unsigned rice_bytes = 4;
  bool quantised = false;  ///< floating-point pixels stored as scaled integers
  FitsDither dither = FitsDither::none;
  std::int64_t dither_seed = 1;
  std::optional<double> fixed_scale, fixed_zero;
  std::optional<std::int64_t> fixed_blank;
};

/// Everything needed to find and decode the pixels of the first image in a file, all of it checked.
struct FitsLayout {
  std::size_t hdu = 0;              ///< 0 is the primary
  int bitpix = 0;                   ///< of the image, also when compressed
  std::vector<std::uint64_t> axes;  ///< NAXIS1 first
  std::uint64_t width = 0, height = 0, planes = 1, plane = 0;
  std::uint64_t data_offset = 0;
  std::uint64_t data_bytes = 0;
  double scale = 1, zero = 0;         ///< physical = zero + scale * stored
  std::optional<std::int64_t> blank;  ///< stored integer that means "no value"
  bool compressed = false;
  FitsTiles tiles;    ///< if compressed
  FitsHeader header;  ///< as of an uncompressed image, all other cards as they stand
  std::vector<std::string> warnings;
};

namespace detail {

inline std::uint64_t ceil_div(std::uint64_t a, std::uint64_t b) { return a / b + (a % b != 0); }

/// Product and sum that notice overflow.
inline bool multiply(std::uint64_t& value, std::uint64_t factor) {
  if (factor != 0 && value > UINT64_MAX / factor) return false;
  value *= factor;
  return true;
}
inline bool add(std::uint64_t& value, std::uint64_t term) {
  if (value > UINT64_MAX - term) return false;
  value += term;
  return true;
}

inline unsigned element_bytes(char type) {
  switch (type) {
    case 'L':
    case 'B':
    case 'A': return 1;
    case 'I': return 2;
    case 'J':
    case 'E': return 4;
    case 'K':
    case 'D':
    case 'C':
    case 'P': return 8;
    case 'M':
    case 'Q': return 16;
    default: return 0;
  }
}

/// Big-endian bytes to a number.
template <class Unsigned>
Unsigned load_big(unsigned char const* bytes) {
  Unsigned value = 0;
  for (std::size_t i = 0; i < sizeof(Unsigned); ++i) value = static_cast<Unsigned>((value << 8) | bytes[i]);
  return value;
}

/// What a descriptor of a table row says.
struct FitsBlob {
  std::int64_t count = 0;  ///< elements
  std::int64_t start = 0;  ///< bytes from the start of the heap
  unsigned element = 1;    ///< bytes per element
  std::uint64_t bytes() const { return static_cast<std::uint64_t>(count) * element; }
};

inline FitsBlob descriptor(FitsTileColumn const& column, unsigned char const* row) {
  unsigned char const* at = row + column.offset;
  FitsBlob blob;
  blob.element = element_bytes(column.element);
  if (column.form == 'P') {
    blob.count = static_cast<std::int32_t>(load_big<std::uint32_t>(at));
    blob.start = static_cast<std::int32_t>(load_big<std::uint32_t>(at + 4));
  } else {
    blob.count = static_cast<std::int64_t>(load_big<std::uint64_t>(at));
    blob.start = static_cast<std::int64_t>(load_big<std::uint64_t>(at + 8));
  }
  return blob;
}

/// Where tile `row` lies in the image: first pixel and length along each axis.
struct FitsTileShape {
  std::array<std::uint64_t, 9> first{}, length{};
  std::uint64_t pixels = 1;
  FitsTileShape(FitsLayout const& layout, std::uint64_t row) {
    for (std::size_t i = 0; i < layout.axes.size(); ++i) {
      std::uint64_t const index = row % layout.tiles.count[i];
      row /= layout.tiles.count[i];
      first[i] = index * layout.tiles.size[i];
      length[i] = std::min(layout.tiles.size[i], layout.axes[i] - first[i]);
      pixels *= length[i];
    }
  }
};

/// Reads headers one after the other and stops at the first image.
class FitsGate {
 public:
  FitsGate(ByteSource& source, FitsReadOptions const& options) : source_(source), options_(options) {}

  FitsLayout examine() {
    static constexpr char magic[] = "SIMPLE  =";
    char start[80] = {};
    std::uint64_t const there = source_.available(block_length);
    if (there == 0) refuse("is empty");
    source_.read(0, start, std::min<std::uint64_t>(there, sizeof start));
    if (std::string_view(start, 9) != magic) refuse("is not a FITS file (it does not begin with the keyword SIMPLE)");

    std::uint64_t offset = 0;
    for (std::size_t hdu = 0;; ++hdu) {
      if (hdu > 0 && !extension_at(offset)) break;
      read_header(offset, hdu);
      bool const table = text("XTENSION") == "BINTABLE" || text("XTENSION") == "A3DTABLE";
      bool const compressed = table && value("ZIMAGE") == "T";
      bool const image = hdu == 0 ? need_integer("NAXIS", 0, 999) != 0 : text("XTENSION") == "IMAGE";
      if (hdu == 0 && value("SIMPLE") != "T")
        refuse("says SIMPLE = " + printable(value("SIMPLE"), 20) + ", so it is not a standard FITS file");
      if (compressed || (image && !(hdu > 0 && need_integer("NAXIS", 0, 999) == 0))) return layout(hdu, compressed);
      if (hdu == 0) primary_ = cards_;
      std::uint64_t const unit = unit_bytes(data_offset_);
      expect_bytes(data_offset_, unit);
      offset = data_offset_ + padded(unit);
    }
    refuse(hdus_ == 1 ? "holds no image (the primary HDU has NAXIS = 0 and no extension follows)"
                      : "holds no image (none of its " + decimal(hdus_) + " HDUs is one, only tables or empty units)");
  }

 private:
  static constexpr std::uint64_t header_limit = std::uint64_t{64} << 20;

  [[noreturn]] void refuse(std::string const& what) const { source_.refuse(what); }

  std::string where() const { return "HDU " + decimal(hdus_ == 0 ? 0 : hdus_ - 1) + " "; }

  [[noreturn]] void refuse_keyword(std::string const& keyword, std::string const& expected,
                                   std::string const& remedy = {}) const {
    auto const found = structural_.find(keyword);
    refuse(where() + "keyword " + printable(keyword) + " " +
           (found == structural_.end()
                ? "is missing (expected " + expected + ")"
                : "cannot be used (found " + printable(found->second, 40) + ", expected " + expected + ")") +
           (remedy.empty() ? "" : "; " + remedy));
  }

  bool extension_at(std::uint64_t offset) {
    if (source_.available(offset + 80) < offset + 80) return false;
    char start[9];
    source_.read(offset, start, sizeof start);
    return std::string_view(start, sizeof start) == "XTENSION=";  // anything else are special records: ignored
  }

  static std::uint64_t padded(std::uint64_t bytes) { return ceil_div(bytes, block_length) * block_length; }

  /// Reads blocks up to the END card, keeps all cards, and notes the values of the keywords that describe the file.
  void read_header(std::uint64_t offset, std::size_t hdu) {
    hdus_ = hdu + 1;
    cards_.clear();
    structural_.clear();
    header_offset_ = offset;
    std::string block(block_length, ' ');
    for (std::uint64_t at = offset;; at += block_length) {
      if (at - offset >= header_limit || total_header_ >= header_limit)
        refuse(where() + "header is longer than " + decimal(header_limit) + " bytes, the limit");
      std::uint64_t const there = source_.available(at + block_length);
      if (there < at + block_length) {
        refuse(where() + "header ends without an END card (found " + decimal(there) + " bytes, expected at least " +
               decimal(at + block_length) + ")");
      }
      source_.read(at, block.data(), block.size());
      total_header_ += block_length;
      for (std::size_t i = 0; i < block_length; i += card_length) {
        std::string_view const card(block.data() + i, card_length);
        if (card.substr(0, 8) == "END     " && trim_right(card.substr(8)).empty()) {
          data_offset_ = at + block_length;
          return;
        }
        note(card);
        cards_.emplace_back(card);
      }
    }
  }

  static bool is_structural(std::string_view key) {
    for (std::string_view const prefix : {"NAXIS", "TTYPE", "TFORM", "ZNAXIS", "ZTILE", "ZNAME", "ZVAL"})
      if (key.starts_with(prefix)) return true;
    for (std::string_view const name :
         {"SIMPLE",   "XTENSION", "BITPIX",   "PCOUNT", "GCOUNT", "GROUPS", "TFIELDS",  "THEAP",  "ZIMAGE", "ZBITPIX",
          "ZCMPTYPE", "ZQUANTIZ", "ZDITHER0", "ZSCALE", "ZZERO",  "ZBLANK", "ZMASKCMP", "BSCALE", "BZERO",  "BLANK"})
      if (key == name) return true;
    return key == "DATASUM" || key == "CHECKSUM" || key == "INHERIT";
  }

  void note(std::string_view card) {
    if (card[8] != '=' || !is_structural(trim_right(card.substr(0, 8)))) return;
    CardParts const parts = split_card(card);
    if (!parts.has_value) return;
    auto const [place, fresh] = structural_.emplace(std::string(parts.keyword), std::string(parts.value));
    bool const checksum = parts.keyword == "DATASUM" || parts.keyword == "CHECKSUM";
    if (!fresh && !checksum && place->second != parts.value) {
      refuse(where() + "keyword " + printable(parts.keyword) + " stands twice with different values (" +
             printable(place->second, 40) + " and " + printable(parts.value, 40) + ")");
    }
  }

  std::string_view value(std::string const& keyword) const {
    auto const found = structural_.find(keyword);
    return found == structural_.end() ? std::string_view{} : std::string_view(found->second);
  }

  std::string text(std::string const& keyword) const {
    auto const found = value(keyword);
    return is_string(found) ? unquote(found) : std::string{};
  }

  std::optional<std::int64_t> integer(std::string const& keyword) const {
    if (value(keyword).empty()) return std::nullopt;
    auto const number = to_integer(value(keyword));
    if (!number) refuse_keyword(keyword, "a whole number");
    return number;
  }

  std::int64_t need_integer(std::string const& keyword, std::int64_t low, std::int64_t high) const {
    auto const number = integer(keyword);
    if (!number || *number < low || *number > high)
      refuse_keyword(keyword, "a whole number from " + decimal(low) + " to " + decimal(high));
    return *number;
  }

  std::optional<double> real(std::string const& keyword) const {
    if (value(keyword).empty()) return std::nullopt;
    auto const number = to_real(value(keyword));
    if (!number) refuse_keyword(keyword, "a number");
    return number;
  }

  int need_bitpix(std::string const& keyword) const {
    auto const number = integer(keyword);
    for (int const lawful : {8, 16, 32, 64, -32, -64})
      if (number == lawful) return lawful;
    refuse_keyword(keyword, "8, 16, 32, 64, -32 or -64");
  }

  /// The bytes of the data unit a header promises, compared with what the file can hold.
  std::uint64_t unit_bytes(std::uint64_t offset) const {
    auto const naxis = need_integer("NAXIS", 0, 999);
    std::uint64_t elements = naxis == 0 ? 0 : 1;
    bool const groups = value("GROUPS") == "T" && value("NAXIS1") == "0";
    for (std::int64_t i = 1; i <= naxis; ++i) {
      auto const length = need_integer("NAXIS" + decimal(i), 0, INT64_MAX);
      if (groups && i == 1) continue;
      if (!multiply(elements, static_cast<std::uint64_t>(length))) too_large();
    }
    auto const pcount = integer("PCOUNT").value_or(0);
    auto const gcount = integer("GCOUNT").value_or(1);
    if (pcount < 0) refuse_keyword("PCOUNT", "a number not below 0");
    if (gcount < 0) refuse_keyword("GCOUNT", "a number not below 0");
    int const bitpix = need_bitpix("BITPIX");
    if (!add(elements, static_cast<std::uint64_t>(pcount)) || !multiply(elements, static_cast<std::uint64_t>(gcount)) ||
        !multiply(elements, static_cast<std::uint64_t>(bitpix < 0 ? -bitpix : bitpix) / 8))
      too_large();
    if (elements > static_cast<std::uint64_t>(INT64_MAX) - offset - block_length) too_large();
    return elements;
  }

  [[noreturn]] void too_large() const {
    refuse(where() + "promises more data than any file can hold; the keywords NAXISn are not to be believed");
  }

  /// Refuses a data unit that is not all there. Nothing is inflated for a size the file cannot hold.
  void expect_bytes(std::uint64_t offset, std::uint64_t bytes) const {
    std::uint64_t const end = offset + bytes;
    std::uint64_t const found = source_.could_hold(end) ? source_.available(end) : source_.known_size();
    if (!source_.could_hold(end) || found < end) {
      refuse(where() + "is cut short (found " + decimal(found) + " bytes, expected " + decimal(end) +
             "); fetch the file again");
    }
  }

  FitsLayout layout(std::size_t hdu, bool compressed) {
    FitsLayout out;
    out.hdu = hdu;
    out.compressed = compressed;
    out.data_offset = data_offset_;
    read_shape(out);
    read_scaling(out);
    std::uint64_t const unit = unit_bytes(data_offset_);
    out.data_bytes = unit;
    if (compressed) {
      if (!source_.could_hold(data_offset_ + unit)) expect_bytes(data_offset_, unit);
      read_table(out);
      expect_bytes(data_offset_, unit);
      check_descriptors(out);
    } else {
      if (auto const p = integer("PCOUNT"); p && *p != 0) refuse_keyword("PCOUNT", "0 for an image");
      if (auto const g = integer("GCOUNT"); g && *g != 1) refuse_keyword("GCOUNT", "1 for an image");
      expect_bytes(data_offset_, unit);
    }
    if (options_.verify_checksums) verify(unit);
    source_.finish();
    make_header(out);
    return out;
  }

  void read_shape(FitsLayout& out) const {
    std::string const z = out.compressed ? "Z" : "";
    out.bitpix = need_bitpix(z + "BITPIX");
    auto const naxis = integer(z + "NAXIS");
    if (!naxis || *naxis < 2 || *naxis > 9) {
      refuse_keyword(z + "NAXIS", "2 to 9 axes",
                     naxis == 1 ? "a one-dimensional array is not an image" : std::string{});
    }
    if (!out.compressed && value("GROUPS") == "T" && value("NAXIS1") == "0")
      refuse("holds random groups, not an image");
    std::uint64_t pixels = 1;
    for (std::int64_t i = 1; i <= *naxis; ++i) {
      std::string const keyword = z + "NAXIS" + decimal(i);
      auto const length = integer(keyword);
      if (!length || *length < 1) refuse_keyword(keyword, "a whole number of at least 1");
      out.axes.push_back(static_cast<std::uint64_t>(*length));
      if (!multiply(pixels, out.axes.back())) too_large();
    }
    out.width = out.axes[0];
    out.height = out.axes[1];
    if (pixels > options_.max_pixels) {
      refuse(where() + "image is too large (found " + decimal(pixels) + " pixels, expected at most " +
             decimal(options_.max_pixels) + "); raise the pixel limit if the file is honest");
    }
    for (std::size_t i = 2; i < out.axes.size(); ++i) out.planes *= out.axes[i];
    if (out.planes > 1 && !options_.plane) {
      refuse(where() + "is a cube of " + decimal(out.planes) + " planes (found " + z + "NAXIS = " + decimal(*naxis) +
             ", expected one image); name the plane to read");
    }
    out.plane = options_.plane.value_or(0);
    if (out.plane >= out.planes) {
      refuse(where() + "has no plane " + decimal(out.plane) + " (found " + decimal(out.planes) + ", counted from 0)");
    }
  }

  void read_scaling(FitsLayout& out) const {
    out.scale = real("BSCALE").value_or(1.0);
    out.zero = real("BZERO").value_or(0.0);
    if (out.scale == 0.0) refuse_keyword("BSCALE", "a number other than 0");
    if (out.bitpix > 0) {
      if (out.compressed) out.blank = integer("ZBLANK");
      if (!out.blank) out.blank = integer("BLANK");
    }
  }

  void read_table(FitsLayout& out) const {
    FitsTiles& t = out.tiles;
    std::string const codec = text("ZCMPTYPE");
    if (codec == "RICE_1" || codec == "RICE_ONE")
      t.codec = FitsCodec::rice;
    else if (codec == "GZIP_1")
      t.codec = FitsCodec::gzip;
    else if (codec == "GZIP_2")
      t.codec = FitsCodec::gzip_shuffled;
    else if (codec == "NOCOMPRESS")
      t.codec = FitsCodec::none;
    else
      refuse_keyword("ZCMPTYPE", "RICE_1, GZIP_1, GZIP_2 or NOCOMPRESS",
                     "unpack the file with the program that packed it (funpack)");
    if (!value("ZMASKCMP").empty()) refuse_keyword("ZMASKCMP", "no compressed mask", "unpack the file with funpack");

    if (need_integer("NAXIS", 2, 2) != 2 || need_bitpix("BITPIX") != 8) refuse_keyword("BITPIX", "8 for a table");
    if (integer("GCOUNT").value_or(1) != 1) refuse_keyword("GCOUNT", "1 for a table");
    t.row_bytes = static_cast<std::uint64_t>(need_integer("NAXIS1", 1, 1 << 20));
    t.rows = static_cast<std::uint64_t>(need_integer("NAXIS2", 1, INT64_MAX));

    std::uint64_t tiles = 1;
    for (std::size_t i = 0; i < out.axes.size(); ++i) {
      std::string const keyword = "ZTILE" + decimal(i + 1);
      std::int64_t const usual = i == 0 ? static_cast<std::int64_t>(out.width) : 1;
      auto const size = value(keyword).empty() ? usual : need_integer(keyword, 1, INT64_MAX);
      t.size.push_back(std::min(static_cast<std::uint64_t>(size), out.axes[i]));
      t.count.push_back(ceil_div(out.axes[i], t.size.back()));
      tiles *= t.count.back();  // at most the number of pixels, which is bounded
    }
    if (tiles != t.rows) refuse_keyword("NAXIS2", decimal(tiles) + " rows, one for each tile");

    read_columns(t);
    std::uint64_t const table = t.row_bytes * t.rows;  // part of the unit, whose size is known not to overflow
    std::uint64_t const pcount = static_cast<std::uint64_t>(integer("PCOUNT").value_or(0));
    auto const heap = integer("THEAP").value_or(static_cast<std::int64_t>(table));
    if (heap < static_cast<std::int64_t>(table) || static_cast<std::uint64_t>(heap) - table > pcount)
      refuse_keyword("THEAP", "a heap that begins behind the table and inside its data");
    t.heap_offset = out.data_offset + static_cast<std::uint64_t>(heap);
    t.heap_bytes = pcount - (static_cast<std::uint64_t>(heap) - table);
    read_codec(out);
  }

  void read_columns(FitsTiles& t) const {
    auto const fields = need_integer("TFIELDS", 1, 999);
    std::uint64_t offset = 0;
    for (std::int64_t i = 1; i <= fields; ++i) {
      std::string const keyword = "TFORM" + decimal(i);
      std::string const form = text(keyword);
      std::size_t at = 0;
      std::uint64_t repeat = 0;
      while (at < form.size() && form[at] >= '0' && form[at] <= '9' && repeat <= (1u << 20))
        repeat = repeat * 10 + static_cast<std::uint64_t>(form[at++] - '0');
      if (at == 0) repeat = 1;
      char const type = at < form.size() ? form[at] : '\0';
      bool const descriptor = type == 'P' || type == 'Q';
      char const element = descriptor && at + 1 < form.size() ? form[at + 1] : type;
      if ((type != 'X' && element_bytes(type) == 0) || repeat > (1u << 20) || (descriptor && repeat > 1) ||
          (descriptor && element_bytes(element) == 0))
        refuse_keyword(keyword, "the form of a table column");
      FitsTileColumn const column{type, element, repeat, offset};
      offset += type == 'X' ? ceil_div(repeat, 8) : repeat * element_bytes(type);
      std::string const name = text("TTYPE" + decimal(i));
      if (repeat == 0) continue;
      if (name == "COMPRESSED_DATA")
        t.compressed = column;
      else if (name == "GZIP_COMPRESSED_DATA")
        t.gzipped = column;
      else if (name == "UNCOMPRESSED_DATA")
        t.raw = column;
      else if (name == "ZSCALE")
        t.scale = column;
      else if (name == "ZZERO")
        t.zero = column;
      else if (name == "ZBLANK")
        t.blank = column;
    }
    if (offset != t.row_bytes) refuse_keyword("NAXIS1", decimal(offset) + " bytes, the sum of the table's columns");
    for (auto const* column : {&t.compressed, &t.gzipped, &t.raw})
      if (*column && column->form != 'P' && column->form != 'Q')
        refuse(where() + "keeps compressed tiles in a column that is not of variable length");
    for (auto const* column : {&t.compressed, &t.gzipped})
      if (*column && element_bytes(column->element) > (t.codec == FitsCodec::none ? 8u : 2u))
        refuse(where() + "keeps compressed tiles as " + quoted(std::string_view(&column->element, 1)) +
               " elements (expected bytes)");
    if (!t.compressed && !t.gzipped && !t.raw) refuse(where() + "has no column COMPRESSED_DATA");
    for (auto const* column : {&t.scale, &t.zero})
      if (*column && column->form != 'D' && column->form != 'E')
        refuse(where() + "has a ZSCALE or ZZERO column that is not of real numbers");
    if (t.blank && t.blank.form != 'J' && t.blank.form != 'I' && t.blank.form != 'K' && t.blank.form != 'B')
      refuse(where() + "has a ZBLANK column that is not of whole numbers");
  }

  void read_codec(FitsLayout& out) const {
    FitsTiles& t = out.tiles;
    for (int i = 1; i <= 999; ++i) {
      std::string const name = text("ZNAME" + decimal(i));
      if (name.empty()) break;
      std::string const keyword = "ZVAL" + decimal(i);
      if (name == "BLOCKSIZE") t.rice_block = static_cast<unsigned>(need_integer(keyword, 1, 1 << 16));
      if (name == "BYTEPIX") t.rice_bytes = static_cast<unsigned>(need_integer(keyword, 1, 8));
    }
    if (t.codec == FitsCodec::rice && t.rice_bytes != 1 && t.rice_bytes != 2 && t.rice_bytes != 4)
      refuse(where() + "Rice parameter BYTEPIX (found " + decimal(t.rice_bytes) + ", expected 1, 2 or 4)");

    t.fixed_scale = real("ZSCALE");
    t.fixed_zero = real("ZZERO");
    if (out.bitpix < 0) {
      t.fixed_blank = integer("ZBLANK");
      std::string const method = text("ZQUANTIZ");
      t.quantised = method != "NONE" && (t.scale || t.fixed_scale);
      if (t.quantised && !(t.zero || t.fixed_zero)) refuse_keyword("ZZERO", "the offset of the scaled integers");
      if (method == "SUBTRACTIVE_DITHER_1")
        t.dither = FitsDither::subtractive_1;
      else if (method == "SUBTRACTIVE_DITHER_2")
        t.dither = FitsDither::subtractive_2;
      else if (!value("ZQUANTIZ").empty() && method != "NO_DITHER" && method != "NONE")
        refuse_keyword("ZQUANTIZ", "NO_DITHER, NONE, SUBTRACTIVE_DITHER_1 or SUBTRACTIVE_DITHER_2");
      if (t.quantised && t.dither != FitsDither::none) t.dither_seed = need_integer("ZDITHER0", 1, 10000);
      if (!t.quantised && t.codec == FitsCodec::rice)
        refuse(where() + "has floating-point pixels packed by Rice without ZSCALE; the file contradicts itself");
    }
    if (t.codec == FitsCodec::rice && out.bitpix > 0 && t.rice_bytes * 8 < static_cast<unsigned>(out.bitpix))
      refuse(where() + "packs " + decimal(out.bitpix) + "-bit pixels into " + decimal(t.rice_bytes * 8) + " bits");
  }

  /// Every descriptor must point into the heap, and at enough bytes for the pixels of its tile, so that no memory is
  /// ever asked for that the file's length does not warrant.
  void check_descriptors(FitsLayout const& out) const {
    FitsTiles const& t = out.tiles;
    std::uint64_t const rows_at_once = std::max<std::uint64_t>(1, (std::uint64_t{1} << 20) / t.row_bytes);
    std::vector<unsigned char> buffer;
    for (std::uint64_t row = 0; row < t.rows; row += rows_at_once) {
      std::uint64_t const count = std::min(rows_at_once, t.rows - row);
      buffer.resize(count * t.row_bytes);
      source_.read(out.data_offset + row * t.row_bytes, buffer.data(), buffer.size());
      for (std::uint64_t i = 0; i < count; ++i) check_row(out, row + i, buffer.data() + i * t.row_bytes);
    }
  }

  void check_row(FitsLayout const& out, std::uint64_t row, unsigned char const* bytes) const {
    FitsTiles const& t = out.tiles;
    std::uint64_t const pixels = FitsTileShape(out, row).pixels;
    std::uint64_t least = pixels / 1040;  // deflate
    if (t.codec == FitsCodec::none) least = pixels;
    if (t.codec == FitsCodec::rice) {
      unsigned const code_bits = t.rice_bytes == 1 ? 3 : t.rice_bytes == 2 ? 4 : 5;
      least = t.rice_bytes + ceil_div(ceil_div(pixels, t.rice_block) * code_bits, 8);
    }
    bool first = true;
    bool any = false;
    for (auto const* column : {&t.compressed, &t.gzipped, &t.raw}) {
      bool const main = std::exchange(first, false);
      if (!*column) continue;
      FitsBlob const blob = descriptor(*column, bytes);
      if (blob.count < 0 || blob.start < 0 ||
          static_cast<std::uint64_t>(blob.count) > t.heap_bytes / element_bytes(column->element) ||
          static_cast<std::uint64_t>(blob.start) > t.heap_bytes - blob.bytes()) {
        refuse(where() + "tile " + decimal(row + 1) + " points outside the compressed data (found " +
               decimal(blob.count) + " elements at byte " + decimal(blob.start) + ", expected them inside " +
               decimal(t.heap_bytes) + " bytes)");
      }
      if (blob.count == 0 || any) continue;
      any = true;
      std::uint64_t const need = main ? least : pixels / 1040;
      if (blob.bytes() < need) {
        refuse(where() + "tile " + decimal(row + 1) + " is too short for its " + decimal(pixels) + " pixels (found " +
               decimal(blob.bytes()) + " bytes, expected at least " + decimal(need) + ")");
      }
    }
    if (!any) refuse(where() + "tile " + decimal(row + 1) + " has no data");
  }

  /// DATASUM over the data unit, CHECKSUM over header and data together.
  void verify(std::uint64_t unit) const {
    std::string const datasum = text("DATASUM");
    std::string const checksum = text("CHECKSUM");
    if (datasum.empty() && checksum.empty()) return;
    FitsSum data;
    std::vector<unsigned char> buffer(std::size_t{1} << 20);
    std::uint64_t const wanted = padded(unit);
    std::uint64_t const there = std::min(wanted, source_.available(data_offset_ + wanted) - data_offset_);
    for (std::uint64_t at = 0; at < there; at += buffer.size()) {
      auto const bytes = static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), there - at));
      source_.read(data_offset_ + at, buffer.data(), bytes);
      data.add(buffer.data(), bytes);
    }
    if (!datasum.empty()) {
      auto const expected = to_integer(trim(datasum));
      if (!expected || *expected != std::int64_t{data.value()}) {
        refuse(where() + "data are damaged: DATASUM does not agree (found " + decimal(data.value()) + ", expected " +
               printable(datasum, 20) + "); fetch the file again, or read it without comparing checksums");
      }
    }
    if (checksum.empty()) return;
    FitsSum whole;
    for (std::uint64_t at = header_offset_; at < data_offset_; at += buffer.size()) {
      auto const bytes = static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), data_offset_ - at));
      source_.read(at, buffer.data(), bytes);
      whole.add(buffer.data(), bytes);
    }
    whole.add(data.value());
    if (whole.value() != 0xffffffffu && whole.value() != 0u) {
      refuse(where() + "is damaged: CHECKSUM does not agree (found a remainder of " + decimal(~whole.value()) +
             ", expected 0); fetch the file again, or read it without comparing checksums");
    }
  }

  /// The cards as an uncompressed primary image would have them.
  void make_header(FitsLayout& out) const {
    FitsHeader header(source_.path());
    auto const original = [this](std::string_view keyword) -> std::string const* {
      for (auto const& card : cards_)
        if (trim_right(std::string_view(card).substr(0, 8)) == keyword) return &card;
      return nullptr;
    };
    auto const put = [&](std::string const& keyword, std::string const& number, char const* comment) {
      std::string const* card = original((out.compressed ? "Z" : "") + keyword);
      if (card && out.compressed) {
        header.append(keyword + std::string(8 - keyword.size(), ' ') + card->substr(8));
      } else if (card) {
        header.append(*card);
      } else {
        header.append(FitsHeader::make_card(
            keyword, std::string(20 - std::min<std::size_t>(20, number.size()), ' ') + number, comment));
      }
    };
    std::string const* simple = out.hdu == 0 ? original("SIMPLE") : nullptr;
    header.append(simple ? *simple
                         : FitsHeader::make_card("SIMPLE", std::string(19, ' ') + "T", "conforms to FITS standard"));
    put("BITPIX", decimal(out.bitpix), "number of bits per data pixel");
    put("NAXIS", decimal(out.axes.size()), "number of data axes");
    for (std::size_t i = 0; i < out.axes.size(); ++i)
      put("NAXIS" + decimal(i + 1), decimal(out.axes[i]), "length of data axis");
    for (auto const& card : cards_)
      if (!replaced(card, out)) header.append(card);
    if (out.hdu > 0 && value("INHERIT") == "T") inherit(header);
    out.header = std::move(header);
  }

  static bool numbered(std::string_view key, std::string_view stem) {
    if (!key.starts_with(stem)) return false;
    key.remove_prefix(stem.size());
    return std::all_of(key.begin(), key.end(), [](char c) { return c >= '0' && c <= '9'; });
  }

  /// True for cards that describe how the image was stored rather than the image.
  static bool replaced(std::string_view card, FitsLayout const& out) {
    std::string_view const key = trim_right(card.substr(0, 8));
    for (std::string_view const name : {"SIMPLE", "XTENSION", "BITPIX", "PCOUNT", "GCOUNT", "INHERIT"})
      if (key == name) return true;
    if (numbered(key, "NAXIS")) return true;
    if (!out.compressed) return false;
    for (std::string_view const stem :
         {"TTYPE", "TFORM", "TUNIT", "TNULL", "TSCAL", "TZERO", "TDISP", "TDIM", "ZNAXIS", "ZTILE", "ZNAME", "ZVAL"})
      if (numbered(key, stem)) return true;
    for (std::string_view const name :
         {"TFIELDS",  "THEAP",    "ZIMAGE",   "ZSIMPLE",  "ZTENSION", "ZEXTEND", "ZBLOCKED", "ZPCOUNT",
          "ZGCOUNT",  "ZBITPIX",  "ZCMPTYPE", "ZQUANTIZ", "ZDITHER0", "ZSCALE",  "ZZERO",    "ZBLANK",
          "ZHECKSUM", "ZDATASUM", "CHECKSUM", "DATASUM",  "FZALGOR",  "FZTILE"})
      if (key == name) return true;
    return key == "EXTNAME" && unquote(split_card(card).value) == "COMPRESSED_IMAGE";
  }

  void inherit(FitsHeader& header) const {
    FitsLayout const plain;
    std::set<std::string, std::less<>> known;
    for (auto const& card : header.cards()) known.emplace(split_card(card).keyword);
    for (std::size_t i = 0; i < primary_.size(); ++i) {
      std::string_view const card = primary_[i];
      CardParts const parts = split_card(card);
      if (!parts.has_value || replaced(card, plain) || known.contains(parts.keyword)) continue;
      bool const excluded = parts.keyword == "EXTEND" || parts.keyword == "CHECKSUM" || parts.keyword == "DATASUM" ||
                            parts.keyword == "EXTNAME" || parts.keyword == "EXTVER" || parts.keyword == "EXTLEVEL";
      if (excluded) continue;
      header.append(card);
      while (i + 1 < primary_.size() && primary_[i + 1].starts_with("CONTINUE  ")) header.append(primary_[++i]);
    }
  }

  ByteSource& source_;
  FitsReadOptions const& options_;
  std::map<std::string, std::string> structural_;
  std::vector<std::string> cards_, primary_;
  std::uint64_t header_offset_ = 0, data_offset_ = 0, total_header_ = 0;
  std::size_t hdus_ = 0;
};

}  // namespace detail
}  // namespace heliograd::inline HELIOGRAD_ABI::io
