// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <heliograd/base/config.hpp>
#include <heliograd/base/error.hpp>
#include <heliograd/io/detail/byte_source.hpp>
#include <heliograd/io/detail/fits_tiles.hpp>
#include <heliograd/io/fits_gate.hpp>
#include <heliograd/io/fits_header.hpp>

namespace heliograd::inline HELIOGRAD_ABI::io {

/// How many of the pixels delivered so far were not finite numbers.
using FitsCounts = detail::PixelTally;

/// An image in memory: row 0 is the first row of the file, which is the southern edge of a solar image.
template <class T = float>
struct FitsImage {
  std::size_t width = 0;
  std::size_t height = 0;
  std::vector<T> pixels;  ///< [height][width], physical values, NaN where the file has no value
  FitsHeader header;      ///< as of an uncompressed image, everything else as it stands in the file
  FitsCounts counts;
  std::size_t hdu = 0;  ///< where the image was: 0 is the primary
};

/// The first image of a FITS file, row by row. Plain and compressed images (RICE_1, GZIP_1, GZIP_2, NOCOMPRESS), whole
/// files packed by gzip, all BITPIX, images in extensions. The whole structure is checked, and checksums are compared,
/// before the constructor returns; pixels are decoded as they are asked for, so that memory holds the rows wanted and,
/// for a compressed image, one row of tiles.
///
/// Not for use by two threads at once; two readers of one file are independent.
/// Throws   InputError naming the file, what was found and what was expected.
class FitsReader {
 public:
  explicit FitsReader(std::string path, FitsReadOptions const& options = {})
      : source_(std::move(path), byte_limit(options)), layout_(detail::FitsGate(source_, options).examine()) {
    refuse_swapped();
  }

  std::size_t width() const noexcept { return layout_.width; }
  std::size_t height() const noexcept { return layout_.height; }
  FitsHeader const& header() const noexcept { return layout_.header; }
  FitsLayout const& layout() const noexcept { return layout_; }
  std::string const& path() const noexcept { return source_.path(); }

  /// Rows first <= y < last into `out`, [last - first][width]. Returns what was not finite among them.
  template <class T>
  FitsCounts rows(std::size_t first, std::size_t last, T* out) {
    static_assert(std::is_same_v<T, float> || std::is_same_v<T, double>, "pixels are delivered as float or double");
    expect(first <= last && last <= height(), "FitsReader::rows: rows outside the image");
    FitsCounts counts;
    if (layout_.compressed)
      tiled_rows(first, last, out, counts);
    else
      plain_rows(first, last, out, counts);
    return counts;
  }

 private:
  static std::uint64_t byte_limit(FitsReadOptions const& options) {
    constexpr std::uint64_t most = std::uint64_t{1} << 59;
    return 8 * std::min(options.max_pixels, most) + (std::uint64_t{65} << 20);
  }

  template <class T>
  void plain_rows(std::size_t first, std::size_t last, T* out, FitsCounts& counts) {
    auto const bytes = static_cast<std::size_t>(layout_.bitpix < 0 ? -layout_.bitpix : layout_.bitpix) / 8;
    detail::FitsScale const scale(layout_.scale, layout_.zero, layout_.blank);
    std::uint64_t const begin = (layout_.plane * layout_.height + first) * layout_.width;
    std::size_t const pixels = (last - first) * width();
    constexpr std::size_t step = std::size_t{1} << 17;
    buffer_.resize(std::min(step, pixels) * bytes);
    for (std::size_t done = 0; done < pixels; done += step) {
      std::size_t const n = std::min(step, pixels - done);
      source_.read(layout_.data_offset + (begin + done) * bytes, buffer_.data(), n * bytes);
      detail::convert_big(buffer_.data(), layout_.bitpix, n, scale, out + done, counts);
    }
  }

  /// A band is the tiles that hold one stretch of rows; the last one decoded is kept, since the next call often wants
  /// the rest of it.
  template <class T>
  struct Band {
    std::uint64_t index = UINT64_MAX;
    std::vector<T> pixels;
  };

  template <class T>
  Band<T>& band() {
    if constexpr (std::is_same_v<T, float>)
      return float_band_;
    else
      return double_band_;
  }

  template <class T>
  void tiled_rows(std::size_t first, std::size_t last, T* out, FitsCounts& counts) {
    std::uint64_t const band_rows = layout_.tiles.size[1];
    for (std::uint64_t y = first; y < last;) {
      std::uint64_t const index = y / band_rows;
      std::uint64_t const top = std::min<std::uint64_t>({(index + 1) * band_rows, last});
      Band<T>& kept = band<T>();
      if (kept.index != index) decode_band(index, kept);
      T const* const from = kept.pixels.data() + (y - index * band_rows) * layout_.width;
      std::size_t const n = (top - y) * layout_.width;
      T* const to = out + (y - first) * layout_.width;
      std::copy_n(from, n, to);
      for (std::size_t i = 0; i < n; ++i) {
        if (to[i] != to[i])
          ++counts.nan;
        else if (to[i] - to[i] != T(0))
          ++counts.infinite;
      }
      y = top;
    }
  }

  template <class T>
  void decode_band(std::uint64_t index, Band<T>& into) {
    FitsTiles const& t = layout_.tiles;
    into.index = UINT64_MAX;
    std::uint64_t const y0 = index * t.size[1];
    std::uint64_t const rows = std::min(t.size[1], layout_.height - y0);
    into.pixels.resize(rows * layout_.width);
    // The tiles of this plane: their place along the axes beyond the second, and the plane's place inside them.
    std::uint64_t tile = index * t.count[0];
    std::uint64_t tiles_below = t.count[0] * t.count[1];
    std::uint64_t left = layout_.plane;
    std::uint64_t inside = 0;  // which plane of the tile
    std::uint64_t planes_below = 1;
    for (std::size_t i = 2; i < layout_.axes.size(); ++i) {
      std::uint64_t const place = left % layout_.axes[i];
      left /= layout_.axes[i];
      std::uint64_t const at = place / t.size[i];
      tile += at * tiles_below;
      tiles_below *= t.count[i];
      inside += (place - at * t.size[i]) * planes_below;
      planes_below *= std::min(t.size[i], layout_.axes[i] - at * t.size[i]);
    }
    std::vector<T> pixels;
    detail::TileDecoder decoder(source_, layout_);
    for (std::uint64_t k = 0; k < t.count[0]; ++k) {
      detail::FitsTileShape const shape(layout_, tile + k);
      detail::PixelTally unused;
      bool const whole = shape.length[0] == layout_.width && shape.pixels == rows * layout_.width;
      if (whole) {
        decoder.decode(tile + k, shape.pixels, into.pixels.data(), unused);
        continue;
      }
      pixels.resize(shape.pixels);
      decoder.decode(tile + k, shape.pixels, pixels.data(), unused);
      T const* from = pixels.data() + inside * shape.length[0] * shape.length[1];
      for (std::uint64_t y = 0; y < rows; ++y, from += shape.length[0])
        std::copy_n(from, shape.length[0], into.pixels.data() + y * layout_.width + shape.first[0]);
    }
    into.index = index;
  }

  /// Floating-point files by a writer that forgot to swap its bytes: nearly all values absurd as they stand, nearly all
  /// sensible when swapped.
  void refuse_swapped() {
    if (layout_.compressed || layout_.bitpix > 0) return;
    std::size_t absurd = 0;
    std::size_t sensible_swapped = 0;
    std::size_t seen = 0;
    auto const sensible = [](double value) {
      double const size = value < 0 ? -value : value;
      return size > 1e-12 && size < 1e12;
    };
    std::size_t const bytes = layout_.bitpix == -32 ? 4 : 8;
    std::size_t const sample_rows = std::min<std::size_t>(16, layout_.height);
    for (std::size_t k = 0; k < sample_rows; ++k) {
      std::uint64_t const y = layout_.height * k / sample_rows;
      std::size_t const n = std::min<std::size_t>(layout_.width, 1024);
      std::uint64_t const pixel = (layout_.plane * layout_.height + y) * layout_.width + (layout_.width - n) / 2;
      buffer_.resize(n * bytes);
      source_.read(layout_.data_offset + pixel * bytes, buffer_.data(), buffer_.size());
      for (std::size_t i = 0; i < n; ++i) {
        unsigned char* const at = buffer_.data() + i * bytes;
        double const value = real(at, bytes);
        if (value == 0.0 || value != value) continue;
        ++seen;
        if (sensible(value)) continue;
        ++absurd;
        std::reverse(at, at + bytes);
        if (sensible(real(at, bytes))) ++sensible_swapped;
      }
    }
    if (seen >= 16 && absurd * 4 >= seen && sensible_swapped * 10 >= absurd * 9) {
      source_.refuse(
          "has its pixel bytes in the wrong order (found little-endian numbers, expected big-endian as FITS "
          "demands); write the file anew with a FITS library");
    }
  }

  static double real(unsigned char const* at, std::size_t bytes) {
    if (bytes == 4) return std::bit_cast<float>(detail::load_big<std::uint32_t>(at));
    return std::bit_cast<double>(detail::load_big<std::uint64_t>(at));
  }

  detail::ByteSource source_;
  FitsLayout layout_;
  std::vector<unsigned char> buffer_;
  Band<float> float_band_;
  Band<double> double_band_;
};

/// Reads the first image of a file whole.
template <class T = float>
FitsImage<T> read_fits(std::string const& path, FitsReadOptions const& options = {}) {
  FitsReader reader(path, options);
  FitsImage<T> image;
  image.width = reader.width();
  image.height = reader.height();
  image.header = reader.header();
  image.hdu = reader.layout().hdu;
  image.pixels.resize(image.width * image.height);
  image.counts = reader.rows(0, image.height, image.pixels.data());
  return image;
}

}  // namespace heliograd::inline HELIOGRAD_ABI::io
