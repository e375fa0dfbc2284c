// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <fitsio.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <bit>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <heliograd/io/fits.hpp>
#include <iterator>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "folder.hpp"

/// Makes FITS files of every kind, right and wrong, byte by byte or with CFITSIO, for the tests of io.
namespace forge {

namespace hg = heliograd;
namespace fs = std::filesystem;

using test::Folder;

inline void save(std::string const& path, std::string const& bytes) {
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

inline std::string load(std::string const& path) {
  std::ifstream in(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

inline std::string card(std::string const& text) {
  std::string out = text;
  out.resize(80, ' ');
  return out;
}

inline std::string card(std::string key, std::string value) {
  key.resize(8, ' ');
  if (value.size() < 20 && value.front() != '\'') value.insert(0, 20 - value.size(), ' ');
  return card(key + "= " + value);
}

inline std::string block(std::string text, char fill) {
  text.resize((text.size() + 2879) / 2880 * 2880, fill);
  return text;
}

inline std::string header(std::vector<std::string> const& cards) {
  std::string text;
  for (auto const& one : cards) text += card(one);
  return block(text + card("END"), ' ');
}

template <class T>
std::string big_endian(std::vector<T> const& values) {
  std::string out;
  for (T const value : values) {
    char bytes[sizeof(T)];
    std::memcpy(bytes, &value, sizeof(T));
    for (std::size_t i = sizeof(T); i-- > 0;) out += bytes[i];
  }
  return out;
}

inline std::vector<std::string> image_cards(int bitpix, std::size_t width, std::size_t height,
                                            std::vector<std::string> const& more = {}) {
  std::vector<std::string> cards = {card("SIMPLE", "T"), card("BITPIX", std::to_string(bitpix)), card("NAXIS", "2"),
                                    card("NAXIS1", std::to_string(width)), card("NAXIS2", std::to_string(height))};
  cards.insert(cards.end(), more.begin(), more.end());
  return cards;
}

/// A plain primary image.
template <class T>
std::string image(std::size_t width, std::vector<T> const& values, std::vector<std::string> const& more = {}) {
  int const bitpix = (std::is_floating_point_v<T> ? -8 : 8) * static_cast<int>(sizeof(T));
  return header(image_cards(bitpix, width, values.size() / width, more)) + block(big_endian(values), '\0');
}

inline std::string gzip(std::string const& bytes) {
  z_stream stream{};
  REQUIRE(::deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string out(::deflateBound(&stream, bytes.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  REQUIRE(::deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  ::deflateEnd(&stream);
  return out;
}

/// The message of the InputError that reading this file must end in: one line, beginning with the file's name, without
/// control bytes.
inline std::string refusal(std::string const& path, hg::io::FitsReadOptions const& options = {}) {
  try {
    static_cast<void>(hg::io::read_fits(path, options));
  } catch (hg::InputError const& error) {
    std::string const message = error.what();
    INFO(message);
    CHECK(message.starts_with(path + ": "));
    CHECK(message.size() < 400 + path.size());
    for (char const c : message) CHECK(static_cast<unsigned char>(c) >= 0x20);
    return message;
  }
  FAIL("the file was read: " << path);
  return {};
}

/// Saves bytes and returns why they are refused.
inline std::string refused(std::string const& bytes, hg::io::FitsReadOptions const& options = {}) {
  Folder const folder;
  save(folder / "a.fits", bytes);
  return refusal(folder / "a.fits", options);
}

inline hg::io::FitsImage<double> accepted(std::string const& bytes, hg::io::FitsReadOptions const& options = {}) {
  Folder const folder;
  save(folder / "a.fits", bytes);
  return hg::io::read_fits<double>(folder / "a.fits", options);
}

/// Equal bit by bit, any NaN being equal to any other.
template <class T>
bool same(std::vector<T> const& a, std::vector<T> const& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (!(std::isnan(a[i]) && std::isnan(b[i])) && std::memcmp(&a[i], &b[i], sizeof(T)) != 0) return false;
  return true;
}

/// What CFITSIO reads from the first image of a file.
/// `nulls`: have it look for missing values; it then also takes infinities for such and flushes denormals.
template <class T>
std::vector<T> cfitsio_pixels(std::string const& path, bool nulls = true) {
  fitsfile* file = nullptr;
  int status = 0;
  fits_open_diskfile(&file, path.c_str(), READONLY, &status);
  int count = 0;
  fits_get_num_hdus(file, &count, &status);
  long axes[9] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
  int naxis = 0;
  for (int i = 1; i <= count; ++i) {
    int type = 0;
    fits_movabs_hdu(file, i, &type, &status);
    if (fits_is_compressed_image(file, &status)) break;
    fits_get_img_dim(file, &naxis, &status);
    if (type == IMAGE_HDU && naxis >= 2) break;
  }
  fits_get_img_dim(file, &naxis, &status);
  fits_get_img_size(file, 9, axes, &status);
  std::vector<T> pixels(static_cast<std::size_t>(axes[0] * axes[1]));
  long first[9] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
  T nothing = nulls ? std::numeric_limits<T>::quiet_NaN() : T(0);
  int any = 0;
  fits_read_pix(file, sizeof(T) == 4 ? TFLOAT : TDOUBLE, first, static_cast<LONGLONG>(pixels.size()), &nothing,
                pixels.data(), &any, &status);
  fits_close_file(file, &status);
  char text[31];
  fits_get_errstatus(status, text);
  INFO(path << ": " << text);
  REQUIRE(status == 0);
  return pixels;
}

/// How CFITSIO shall write an image.
struct Packing {
  int bitpix = SHORT_IMG;
  int codec = 0;          ///< RICE_1, GZIP_1, GZIP_2; 0 for none
  long tile[2] = {0, 0};  ///< 0: rows
  float quantise = 0;     ///< of floating-point pixels; 0 keeps CFITSIO's default
  int dither = NO_DITHER;
  int seed = 1;
  double scale = 1, zero = 0;
  bool checksum = true;
  bool blank = false;  ///< mark NaN
};

inline void cfitsio_write(std::string const& path, std::vector<double> const& pixels, std::size_t width,
                          Packing const& packing) {
  fitsfile* file = nullptr;
  int status = 0;
  fits_create_diskfile(&file, path.c_str(), &status);
  long axes[2] = {static_cast<long>(width), static_cast<long>(pixels.size() / width)};
  if (packing.codec != 0) {
    fits_set_compression_type(file, packing.codec, &status);
    long tile[2] = {packing.tile[0] ? packing.tile[0] : axes[0], packing.tile[1] ? packing.tile[1] : 1};
    fits_set_tile_dim(file, 2, tile, &status);
    if (packing.bitpix < 0) {
      fits_set_quantize_level(file, packing.quantise, &status);
      fits_set_quantize_method(file, packing.dither, &status);
      fits_set_dither_seed(file, packing.seed, &status);
    }
  }
  fits_create_img(file, packing.bitpix, 2, axes, &status);
  if (packing.scale != 1 || packing.zero != 0) {
    double scale = packing.scale;
    double zero = packing.zero;
    fits_update_key(file, TDOUBLE, "BSCALE", &scale, nullptr, &status);
    fits_update_key(file, TDOUBLE, "BZERO", &zero, nullptr, &status);
    fits_set_bscale(file, 1, 0, &status);
  }
  if (packing.blank && packing.bitpix > 0) {
    int value = -32768;
    fits_update_key(file, TINT, "BLANK", &value, nullptr, &status);
  }
  // CFITSIO converts nothing on the way into tiles: the numbers are brought to the file's type here.
  auto const write = [&]<class T>(T nothing, int type) {
    std::vector<T> raw(pixels.size());
    for (std::size_t i = 0; i < raw.size(); ++i) {
      double const stored = (pixels[i] - packing.zero) / packing.scale;
      raw[i] = std::isnan(stored) ? nothing : static_cast<T>(std::is_floating_point_v<T> ? stored : std::round(stored));
    }
    long first[2] = {1, 1};
    auto const count = static_cast<LONGLONG>(raw.size());
    if (std::is_floating_point_v<T>)
      fits_write_pixnull(file, type, first, count, raw.data(), &nothing, &status);
    else
      fits_write_pix(file, type, first, count, raw.data(), &status);
  };
  switch (packing.bitpix) {
    case BYTE_IMG: write(std::uint8_t{0}, TBYTE); break;
    case USHORT_IMG: write(std::uint16_t{0}, TUSHORT); break;
    case SHORT_IMG: write(std::int16_t{-32768}, TSHORT); break;
    case ULONG_IMG: write(std::uint32_t{0}, TUINT); break;
    case LONG_IMG: write(std::int32_t{0}, TINT); break;
    case FLOAT_IMG: write(-1.5e30F, TFLOAT); break;
    default: write(-1.5e30, TDOUBLE); break;
  }
  if (packing.checksum) fits_write_chksum(file, &status);
  fits_close_file(file, &status);
  char text[31];
  fits_get_errstatus(status, text);
  INFO(path << ": " << text);
  fits_clear_errmsg();
  REQUIRE(status == 0);
}

/// CFITSIO's word on DATASUM and CHECKSUM of every unit: 1 right, 0 absent, -1 wrong.
inline std::vector<std::pair<int, int>> cfitsio_checksums(std::string const& path) {
  fitsfile* file = nullptr;
  int status = 0;
  fits_open_diskfile(&file, path.c_str(), READONLY, &status);
  int count = 0;
  fits_get_num_hdus(file, &count, &status);
  std::vector<std::pair<int, int>> out;
  for (int i = 1; i <= count; ++i) {
    int data = 0;
    int all = 0;
    fits_movabs_hdu(file, i, nullptr, &status);
    fits_verify_chksum(file, &data, &all, &status);
    out.emplace_back(data, all);
  }
  fits_close_file(file, &status);
  REQUIRE(status == 0);
  return out;
}

/// A small picture with both signs, structure and noise, the same on every machine.
inline std::vector<double> scene(std::size_t width, std::size_t height, double amplitude = 900, bool whole = false) {
  std::vector<double> out(width * height);
  std::uint64_t state = 12345;
  for (std::size_t y = 0; y < height; ++y) {
    for (std::size_t x = 0; x < width; ++x) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      double const noise = static_cast<double>(state >> 40) / double(1 << 24) - 0.5;
      double const wave = static_cast<double>((x * 7 + y * 3) % 41) / 20.0 - 1.0;
      double const value = amplitude * (wave * wave * wave + 0.05 * noise);
      out[y * width + x] = whole ? std::floor(value) : value;
    }
  }
  return out;
}

}  // namespace forge
