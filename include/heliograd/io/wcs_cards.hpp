// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include <heliograd/base/config.hpp>
#include <heliograd/base/error.hpp>
#include <heliograd/io/fits_header.hpp>

/// \file
/// What becomes of the cards that speak of pixels when an image is magnified or cut.
namespace heliograd::inline HELIOGRAD_ABI::io {

namespace detail {

/// Calls `change(keyword, value)` for each of the keywords that stands in the header with a number, and stores what it
/// returns.
template <class Change>
void change_number(FitsHeader& header, std::string const& keyword, Change&& change) {
  if (!header.contains(keyword)) return;
  if (auto const value = header.real(keyword)) header.set(keyword, change(*value));
}

/// "" for the primary description of the coordinates and 'A' to 'Z' for its alternatives.
template <class Work>
void for_each_wcs(FitsHeader const& header, Work&& work) {
  bool present[27] = {};
  for (auto const& card : header.cards()) {
    std::string_view const key = trim_right(std::string_view(card).substr(0, 8));
    bool const speaks =
        key.starts_with("CRPIX") || key.starts_with("CDELT") || key.starts_with("CD1_") || key.starts_with("CD2_");
    if (!speaks) continue;
    char const last = key.back();
    if (last >= 'A' && last <= 'Z' && key.size() >= 6)
      present[1 + last - 'A'] = true;
    else
      present[0] = true;
  }
  if (present[0]) work(std::string{});
  for (int i = 1; i < 27; ++i)
    if (present[i]) work(std::string(1, static_cast<char>('A' + i - 1)));
}

}  // namespace detail

/// Rewrites the cards for an image of `scale` times as many pixels along each axis, covering the same field.
/// Math     CRPIX' = (CRPIX - 1/2) scale + 1/2, CDELT' = CDELT / scale, CDi_j' = CDi_j / scale; PCi_j, CROTA2, CRVAL and
///          everything in arcseconds or metres stay. Lengths in pixels (R_SUN, SOLAR_R, CROP_RAD) are multiplied, places
///          in pixels counted from 0 (X0, Y0) become (x + 1/2) scale - 1/2, and arcseconds per pixel (IM_SCALE, FD_SCALE,
///          XSCALE, YSCALE) are divided.
/// Throws   UsageError unless scale > 0; InputError if one of the cards does not hold a number.
inline void rescale_wcs(FitsHeader& header, double scale) {
  expect(scale > 0 && scale - scale == 0, "rescale_wcs: the scale must be a positive number");
  auto const times = [scale](double value) { return value * scale; };
  auto const over = [scale](double value) { return value / scale; };
  detail::for_each_wcs(header, [&](std::string const& version) {
    for (std::string const axis : {"1", "2"}) {
      detail::change_number(header, "CRPIX" + axis + version, [scale](double x) { return (x - 0.5) * scale + 0.5; });
      detail::change_number(header, "CDELT" + axis + version, over);
      for (std::string const other : {"1", "2"})
        detail::change_number(header, "CD" + axis + "_" + other + version, over);
    }
  });
  for (char const* keyword : {"R_SUN", "SOLAR_R", "CROP_RAD"}) detail::change_number(header, keyword, times);
  for (char const* keyword : {"IM_SCALE", "FD_SCALE", "XSCALE", "YSCALE"}) detail::change_number(header, keyword, over);
  for (char const* keyword : {"X0", "Y0"})
    detail::change_number(header, keyword, [scale](double x) { return (x + 0.5) * scale - 0.5; });
}

/// Rewrites the cards for the part of the image whose first pixel was column `x`, row `y`, counted from 0.
/// Math     CRPIX1' = CRPIX1 - x, CRPIX2' = CRPIX2 - y, and the same for X0 and Y0.
inline void crop_wcs(FitsHeader& header, double x, double y) {
  auto const minus = [](double offset) { return [offset](double value) { return value - offset; }; };
  detail::for_each_wcs(header, [&](std::string const& version) {
    detail::change_number(header, "CRPIX1" + version, minus(x));
    detail::change_number(header, "CRPIX2" + version, minus(y));
  });
  detail::change_number(header, "X0", minus(x));
  detail::change_number(header, "Y0", minus(y));
}

}  // namespace heliograd::inline HELIOGRAD_ABI::io
