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
/// Pictures to PNG files (needs libpng).
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
