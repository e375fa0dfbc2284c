// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <zlib.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include <heliograd/base/config.hpp>
#include <heliograd/io/detail/byte_source.hpp>
#include <heliograd/io/fits_gate.hpp>

/// \file
/// Decoders for tile-compressed FITS images. Each knows the end of its input and of its output and stops at both: bytes
/// of any kind give pixels or false, never a read or a write out of bounds. Written from the definitions in the FITS
/// Standard 4.0, section 10 and appendix I.
namespace heliograd::inline HELIOGRAD_ABI::io::detail {

/// Bits from the most significant end of a byte string.
class BitReader {
 public:
  explicit BitReader(std::span<unsigned char const> bytes) : at_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  /// The next `count` bits (1 to 32), or false at the end.
  bool take(unsigned count, std::uint32_t& value) {
    if (held_ < count && !fill(count)) return false;
    value = static_cast<std::uint32_t>(bits_ >> (64 - count));
    drop(count);
    return true;
  }

  /// Counts zeros up to the next one, and swallows that one.
  bool zeros(std::uint64_t& count) {
    count = 0;
    while (bits_ == 0) {
      count += held_;
      held_ = 0;
      if (!fill(1)) return false;
    }
    auto const run = static_cast<unsigned>(std::countl_zero(bits_));
    count += run;
    drop(run + 1);
    return true;
  }

 private:
  bool fill(unsigned count) {
    while (held_ <= 56 && at_ != end_) {
      bits_ |= std::uint64_t{*at_++} << (56 - held_);
      held_ += 8;
    }
    return held_ >= count;
  }
  void drop(unsigned count) {
    bits_ = count < 64 ? bits_ << count : 0;
    held_ -= count;
  }
  unsigned char const* at_;
  unsigned char const* end_;
  std::uint64_t bits_ = 0;  // the next bit is the top one; below the held bits all are zero
  unsigned held_ = 0;
};

/// Rice coding of differences between neighbours, in blocks that share one split of the bits.
template <class Unsigned>
bool decode_rice(std::span<unsigned char const> bytes, unsigned block, std::span<Unsigned> out) {
  constexpr unsigned width = sizeof(Unsigned) * 8;
  constexpr unsigned code_bits = width == 8 ? 3 : width == 16 ? 4 : 5;
  constexpr unsigned raw_code = width == 8 ? 6 : width == 16 ? 14 : 25;
  BitReader reader(bytes);
  std::uint32_t word = 0;
  if (!reader.take(width, word)) return false;
  auto last = static_cast<Unsigned>(word);
  for (std::size_t i = 0; i < out.size();) {
    std::size_t const end = i + std::min<std::size_t>(block, out.size() - i);
    if (!reader.take(code_bits, word)) return false;
    if (word == 0) {  // all differences are zero
      for (; i < end; ++i) out[i] = last;
      continue;
    }
    unsigned const split = word - 1;
    if (split > raw_code) return false;
    for (; i < end; ++i) {
      std::uint64_t folded = 0;
      if (split == raw_code) {
        if (!reader.take(width, word)) return false;
        folded = word;
      } else {
        std::uint64_t high = 0;
        if (!reader.zeros(high)) return false;
        word = 0;
        if (split > 0 && !reader.take(split, word)) return false;
        if (high > (std::uint64_t{1} << (width - split)) - 1) return false;
        folded = (high << split) | word;
      }
      // Even numbers are differences 0, 1, 2..., odd numbers -1, -2, -3...
      auto const half = static_cast<Unsigned>(folded >> 1);
      last = static_cast<Unsigned>(last + ((folded & 1) ? static_cast<Unsigned>(~half) : half));
      out[i] = last;
    }
  }
  return true;
}

/// Inflates a gzip or zlib stream into at most `limit` bytes. False if it is damaged, cut, or longer.
inline bool decode_gzip(std::span<unsigned char const> bytes, std::size_t limit, std::vector<unsigned char>& out) {
  out.resize(limit + 1);  // one more, to notice a stream that is too long
  z_stream stream{};
  if (::inflateInit2(&stream, 15 + 32) != Z_OK) throw std::bad_alloc();
  std::size_t read = 0;
  std::size_t written = 0;
  int state = Z_OK;
  while (state == Z_OK) {
    constexpr std::size_t step = std::size_t{1} << 30;
    auto const give = static_cast<uInt>(std::min(step, bytes.size() - read));
    auto const room = static_cast<uInt>(std::min(step, out.size() - written));
    stream.next_in = const_cast<unsigned char*>(bytes.data() + read);  // zlib's interface; it does not write there
    stream.avail_in = give;
    stream.next_out = out.data() + written;
    stream.avail_out = room;
    state = ::inflate(&stream, Z_NO_FLUSH);
    read += give - stream.avail_in;
    written += room - stream.avail_out;
    if (state == Z_OK && give == stream.avail_in && room == stream.avail_out) break;
  }
  ::inflateEnd(&stream);
  if (state == Z_MEM_ERROR) throw std::bad_alloc();
  if (state != Z_STREAM_END || written > limit) return false;
  out.resize(written);
  return true;
}

/// GZIP_2 stores the most significant bytes of all pixels first, then the next, ...
inline void unshuffle(std::vector<unsigned char>& bytes, unsigned width) {
  if (width < 2) return;
  std::size_t const count = bytes.size() / width;
  std::vector<unsigned char> sorted(bytes.size());
  for (unsigned plane = 0; plane < width; ++plane)
    for (std::size_t i = 0; i < count; ++i) sorted[i * width + plane] = bytes[plane * count + i];
  bytes.swap(sorted);
}

/// The 10000 numbers of the standard's dithering, in (0, 1).
inline std::array<float, 10000> const& dither_numbers() {
  static std::array<float, 10000> const numbers = [] {
    std::array<float, 10000> out{};
    std::int64_t seed = 1;
    for (float& number : out) {
      seed = seed * 16807 % 2147483647;
      number = static_cast<float>(static_cast<double>(seed) / 2147483647.0);
    }
    return out;
  }();
  return numbers;
}

/// What was not a finite number in the pixels delivered.
struct PixelTally {
  std::uint64_t nan = 0;
  std::uint64_t infinite = 0;
};

template <class T>
void store(double value, T& out, PixelTally& tally) {
  auto const pixel = static_cast<T>(value);
  out = pixel;
  if (pixel != pixel)
    ++tally.nan;
  else if (pixel - pixel != T(0))
    ++tally.infinite;
}

/// Stored numbers to physical values: BLANK to NaN, then zero + scale * stored, in double, rounded once at the end.
class FitsScale {
 public:
  FitsScale(double scale, double zero, std::optional<std::int64_t> blank) : scale_(scale), zero_(zero), blank_(blank) {}

  template <class Integer, class T>
  void integers(Integer const* raw, std::size_t count, T* out, PixelTally& tally) const {
    constexpr double two63 = 9223372036854775808.0;
    bool const is_unsigned = sizeof(Integer) == 8 && scale_ == 1.0 && zero_ == two63;
    pieces(count, [&](std::size_t begin, std::size_t n, double* values) {
      for (std::size_t i = 0; i < n; ++i) values[i] = static_cast<double>(raw[begin + i]);
      if (is_unsigned) {  // 64-bit unsigned: one rounding, not two
        for (std::size_t i = 0; i < n; ++i)
          values[i] = static_cast<double>(static_cast<std::uint64_t>(raw[begin + i]) ^ (std::uint64_t{1} << 63));
      } else {
        apply(values, n);
      }
      if (blank_) {
        for (std::size_t i = 0; i < n; ++i)
          if (static_cast<std::int64_t>(raw[begin + i]) == *blank_)
            values[i] = std::numeric_limits<double>::quiet_NaN();
      }
      for (std::size_t i = 0; i < n; ++i) store(values[i], out[begin + i], tally);
    });
  }

  template <class Real, class T>
  void reals(Real const* raw, std::size_t count, T* out, PixelTally& tally) const {
    pieces(count, [&](std::size_t begin, std::size_t n, double* values) {
      for (std::size_t i = 0; i < n; ++i) values[i] = static_cast<double>(raw[begin + i]);
      apply(values, n);
      for (std::size_t i = 0; i < n; ++i) store(values[i], out[begin + i], tally);
    });
  }

 private:
  template <class Work>
  static void pieces(std::size_t count, Work&& work) {
    constexpr std::size_t step = 1024;
    double values[step];
    for (std::size_t begin = 0; begin < count; begin += step) work(begin, std::min(step, count - begin), values);
  }
  /// Product and sum in separate loops, so that no compiler joins them into one rounding.
  void apply(double* values, std::size_t n) const {
    if (scale_ != 1.0)
      for (std::size_t i = 0; i < n; ++i) values[i] *= scale_;
    if (zero_ != 0.0)
      for (std::size_t i = 0; i < n; ++i) values[i] += zero_;
  }
  double scale_, zero_;
  std::optional<std::int64_t> blank_;
};

/// Big-endian numbers as they stand in a file to physical values.
template <class T>
void convert_big(unsigned char const* bytes, int bitpix, std::size_t count, FitsScale const& scale, T* out,
                 PixelTally& tally) {
  auto const run = [&]<class Raw, class Bits>(Raw, Bits) {
    constexpr std::size_t step = 4096;
    std::array<Raw, step> raw;
    for (std::size_t begin = 0; begin < count; begin += step) {
      std::size_t const n = std::min(step, count - begin);
      for (std::size_t i = 0; i < n; ++i)
        raw[i] = std::bit_cast<Raw>(load_big<Bits>(bytes + (begin + i) * sizeof(Bits)));
      if constexpr (std::is_floating_point_v<Raw>)
        scale.reals(raw.data(), n, out + begin, tally);
      else
        scale.integers(raw.data(), n, out + begin, tally);
    }
  };
  switch (bitpix) {
    case 8: run(std::uint8_t{}, std::uint8_t{}); break;
    case 16: run(std::int16_t{}, std::uint16_t{}); break;
    case 32: run(std::int32_t{}, std::uint32_t{}); break;
    case 64: run(std::int64_t{}, std::uint64_t{}); break;
    case -32: run(float{}, std::uint32_t{}); break;
    default: run(double{}, std::uint64_t{}); break;
  }
}

/// Decodes one tile after the other of a compressed image.
class TileDecoder {
 public:
  TileDecoder(ByteSource& source, FitsLayout const& layout) : source_(source), layout_(layout) {}

  /// Physical values of tile `row`, in the order of the file. `out` has room for all of its pixels.
  template <class T>
  void decode(std::uint64_t row, std::size_t pixels, T* out, PixelTally& tally) {
    FitsTiles const& t = layout_.tiles;
    row_ = row;
    row_bytes_.resize(t.row_bytes);
    source_.read(layout_.data_offset + row * t.row_bytes, row_bytes_.data(), row_bytes_.size());
    FitsScale const scale(layout_.scale, layout_.zero, layout_.blank);
    int const bitpix = layout_.bitpix;
    auto const width = static_cast<unsigned>(bitpix < 0 ? -bitpix : bitpix) / 8;

    if (fetch(t.compressed)) {
      switch (t.codec) {
        case FitsCodec::rice: {
          rice(pixels);
          break;
        }
        case FitsCodec::none:
          if (blob_.size() != pixels * (t.quantised ? 4 : width)) damaged("has the wrong length");
          if (!t.quantised) return convert_big(blob_.data(), bitpix, pixels, scale, out, tally);
          load_integers(blob_, 4, pixels);
          break;
        default: {
          unsigned const bytes = inflate(pixels);
          if (t.codec == FitsCodec::gzip_shuffled) unshuffle(plain_, bytes);
          if (bitpix < 0 && !t.quantised) {
            if (bytes != width) damaged("has the wrong length");
            return convert_big(plain_.data(), bitpix, pixels, scale, out, tally);
          }
          load_integers(plain_, bytes, pixels);
        }
      }
      if (t.quantised) return dequantise(pixels, scale, out, tally);
      return scale.integers(integers_.data(), pixels, out, tally);
    }
    if (fetch(t.gzipped)) {  // a tile that could not be quantised is kept as it was
      if (inflate(pixels) != width) damaged("has the wrong length");
      return convert_big(plain_.data(), bitpix, pixels, scale, out, tally);
    }
    if (fetch(t.raw)) {
      int const stored = t.raw.element == 'E'   ? -32
                         : t.raw.element == 'D' ? -64
                                                : static_cast<int>(element_bytes(t.raw.element) * 8);
      if (stored != bitpix || blob_.size() != pixels * width) damaged("has the wrong length");
      return convert_big(blob_.data(), bitpix, pixels, scale, out, tally);
    }
    damaged("has no data");
  }

 private:
  [[noreturn]] void damaged(char const* what) const {
    source_.refuse("HDU " + decimal(layout_.hdu) + " tile " + decimal(row_ + 1) + " of the compressed image " + what +
                   "; fetch the file again");
  }

  bool fetch(FitsTileColumn const& column) {
    if (!column) return false;
    FitsBlob const blob = descriptor(column, row_bytes_.data());
    if (blob.count == 0) return false;
    // The gate has seen all descriptors, but the file may have changed since.
    if (blob.count < 0 || blob.start < 0 ||
        static_cast<std::uint64_t>(blob.count) > layout_.tiles.heap_bytes / blob.element ||
        static_cast<std::uint64_t>(blob.start) > layout_.tiles.heap_bytes - blob.bytes())
      damaged("points outside the compressed data");
    blob_.resize(blob.bytes());
    source_.read(layout_.tiles.heap_offset + static_cast<std::uint64_t>(blob.start), blob_.data(), blob_.size());
    return true;
  }

  void rice(std::size_t pixels) {
    FitsTiles const& t = layout_.tiles;
    integers_.resize(pixels);
    bool good = false;
    if (t.rice_bytes == 4)
      good = rice_as<std::uint32_t, std::int32_t>(pixels, t.rice_block);
    else if (t.rice_bytes == 2)
      good = rice_as<std::uint16_t, std::int16_t>(pixels, t.rice_block);
    else
      good = rice_as<std::uint8_t, std::uint8_t>(pixels, t.rice_block);
    if (!good) damaged("is damaged (its Rice code ends early or is not one)");
  }

  template <class Unsigned, class Stored>
  bool rice_as(std::size_t pixels, unsigned block) {
    std::vector<Unsigned> words(pixels);
    if (!decode_rice<Unsigned>(blob_, block, words)) return false;
    for (std::size_t i = 0; i < pixels; ++i) integers_[i] = static_cast<Stored>(words[i]);
    return true;
  }

  /// Inflates the tile and returns the bytes per pixel it turned out to have.
  unsigned inflate(std::size_t pixels) {
    if (!decode_gzip(blob_, pixels * 8, plain_)) damaged("is damaged (its gzip stream cannot be read)");
    for (unsigned const bytes : {1u, 2u, 4u, 8u})
      if (plain_.size() == pixels * bytes) return bytes;
    damaged("has the wrong length");
  }

  void load_integers(std::vector<unsigned char> const& bytes, unsigned width, std::size_t pixels) {
    integers_.resize(pixels);
    for (std::size_t i = 0; i < pixels; ++i) {
      unsigned char const* at = bytes.data() + i * width;
      switch (width) {
        case 1: integers_[i] = *at; break;
        case 2: integers_[i] = static_cast<std::int16_t>(load_big<std::uint16_t>(at)); break;
        case 4: integers_[i] = static_cast<std::int32_t>(load_big<std::uint32_t>(at)); break;
        default: integers_[i] = static_cast<std::int64_t>(load_big<std::uint64_t>(at));
      }
    }
  }

  double real_of(FitsTileColumn const& column, double fixed) const {
    unsigned char const* at = row_bytes_.data() + column.offset;
    if (column.form == 'D') return std::bit_cast<double>(load_big<std::uint64_t>(at));
    if (column.form == 'E') return std::bit_cast<float>(load_big<std::uint32_t>(at));
    return fixed;
  }

  std::optional<std::int64_t> blank_of_row() const {
    FitsTileColumn const& column = layout_.tiles.blank;
    unsigned char const* at = row_bytes_.data() + column.offset;
    switch (column.form) {
      case 'B': return *at;
      case 'I': return static_cast<std::int16_t>(load_big<std::uint16_t>(at));
      case 'J': return static_cast<std::int32_t>(load_big<std::uint32_t>(at));
      case 'K': return static_cast<std::int64_t>(load_big<std::uint64_t>(at));
      default: return layout_.tiles.fixed_blank;
    }
  }

  /// Scaled integers back to real numbers, the dither taken off again.
  template <class T>
  void dequantise(std::size_t pixels, FitsScale const& after, T* out, PixelTally& tally) {
    FitsTiles const& t = layout_.tiles;
    double const scale = real_of(t.scale, t.fixed_scale.value_or(1.0));
    double const zero = real_of(t.zero, t.fixed_zero.value_or(0.0));
    if (scale - scale != 0.0 || zero - zero != 0.0) damaged("has a scale that is not a finite number");
    auto const blank = blank_of_row();
    constexpr std::int64_t exact_zero = -2147483646;
    auto const& random = dither_numbers();
    bool const dithered = t.dither != FitsDither::none;
    auto seed = static_cast<std::size_t>((row_ + static_cast<std::uint64_t>(t.dither_seed) - 1) % random.size());
    auto next = static_cast<std::size_t>(random[seed] * 500.0F);
    reals_.resize(pixels);
    for (std::size_t i = 0; i < pixels; ++i) {
      std::int64_t const stored = integers_[i];
      reals_[i] = static_cast<double>(stored) - (dithered ? static_cast<double>(random[next]) - 0.5 : 0.0);
      if (dithered && ++next == random.size()) {
        seed = (seed + 1) % random.size();
        next = static_cast<std::size_t>(random[seed] * 500.0F);
      }
    }
    for (double& value : reals_) value *= scale;
    for (double& value : reals_) value += zero;
    for (std::size_t i = 0; i < pixels; ++i) {
      if (blank && integers_[i] == *blank)
        reals_[i] = std::numeric_limits<double>::quiet_NaN();
      else if (t.dither == FitsDither::subtractive_2 && integers_[i] == exact_zero)
        reals_[i] = 0.0;
    }
    after.reals(reals_.data(), pixels, out, tally);
  }

  ByteSource& source_;
  FitsLayout const& layout_;
  std::uint64_t row_ = 0;
  std::vector<unsigned char> row_bytes_, blob_, plain_;
  std::vector<std::int64_t> integers_;
  std::vector<double> reals_;
};

}  // namespace heliograd::inline HELIOGRAD_ABI::io::detail
