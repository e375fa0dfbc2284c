// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <png.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <string>
#include <vector>

#include <heliograd/base/config.hpp>
#include <heliograd/base/error.hpp>
#include <heliograd/io/atomic_file.hpp>
#include <heliograd/io/picture.hpp>

/// \file
/// Pictures to PNG files, and scans from them (needs libpng).
namespace heliograd::inline HELIOGRAD_ABI::io {

/// The bytes of a PNG file. No time stamp, no text chunks: the same picture gives the same bytes.
inline std::vector<std::uint8_t> encode_png(Picture const& picture) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(picture.width());
  image.height = static_cast<png_uint_32>(picture.height());
  image.format = PNG_FORMAT_RGB;
  png_alloc_size_t bytes = PNG_IMAGE_PNG_SIZE_MAX(image);
  std::vector<std::uint8_t> out(bytes);
  if (!png_image_write_to_memory(&image, out.data(), &bytes, 0, picture.row(0), 0, nullptr))
    throw OutputError(std::string("a PNG picture cannot be made: ") + image.message);
  out.resize(bytes);
  return out;
}

/// A picture read in shades of grey.
struct GreyPicture {
  std::size_t width = 0;
  std::size_t height = 0;
  std::vector<float> pixels;  ///< [height][width], 0 black to 1 white; row 0 is the lowest, as in FITS images
};

/// Reads a PNG file as shades of grey, transparent parts on white.
/// Throws   InputError naming the file and what is wrong with it.
inline GreyPicture read_png(std::string const& path, std::uint64_t max_pixels = std::uint64_t{1} << 28) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  auto const refuse = [&](std::string const& what) { throw InputError(path + ": " + what); };
  if (!png_image_begin_read_from_file(&image, path.c_str()))
    refuse(std::string("cannot be read as PNG (") + image.message + ")");
  if (image.width == 0 || image.height == 0 || std::uint64_t{image.width} * image.height > max_pixels) {
    png_image_free(&image);
    refuse("has " + std::to_string(image.width) + " x " + std::to_string(image.height) + " pixels, expected at most " +
           std::to_string(max_pixels) + " in all");
  }
  image.format = PNG_FORMAT_GRAY;
  png_color const white{255, 255, 255};
  std::vector<std::uint8_t> bytes(PNG_IMAGE_SIZE(image));
  if (!png_image_finish_read(&image, &white, bytes.data(), 0, nullptr))
    refuse(std::string("is damaged (") + image.message + ")");
  GreyPicture picture{image.width, image.height, std::vector<float>(bytes.size())};
  for (std::size_t y = 0; y < picture.height; ++y)
    for (std::size_t x = 0; x < picture.width; ++x)
      picture.pixels[y * picture.width + x] =
          static_cast<float>(bytes[(picture.height - 1 - y) * picture.width + x]) / 255;
  return picture;
}

/// Writes a picture; the file appears complete or not at all.
/// Throws   OutputError naming the file, what failed and why.
inline void write_png(std::string const& path, Picture const& picture, AtomicFileOptions const& options = {}) {
  AtomicFile file(path, options);
  std::vector<std::uint8_t> const bytes = encode_png(picture);
  file.append(bytes.data(), bytes.size());
  file.commit([&](std::string const& temporary) {
    png_image image{};
    image.version = PNG_IMAGE_VERSION;
    if (!png_image_begin_read_from_file(&image, temporary.c_str())) throw OutputError(image.message);
    image.format = PNG_FORMAT_RGB;
    std::vector<std::uint8_t> back(PNG_IMAGE_SIZE(image));
    bool const read = png_image_finish_read(&image, nullptr, back.data(), 0, nullptr) != 0;
    if (!read || image.width != picture.width() || image.height != picture.height() ||
        std::memcmp(back.data(), picture.row(0), back.size()) != 0)
      throw OutputError("other pixels than those written");
  });
}

}  // namespace heliograd::inline HELIOGRAD_ABI::io
