// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "images.hpp"

#include <algorithm>
#include <cmath>

#include <heliograd/kernel/resample.hpp>

namespace super_resolution {

namespace hg = heliograd;

std::size_t fill_missing(Image& image) {
  std::size_t count = 0;
  for (float& value : image.gauss)
    if (!(std::fabs(value) <= strongest_field)) value = 0, ++count;
  return count;
}

Image part(Image const& image, std::size_t y0, std::size_t y1, std::size_t x0, std::size_t x1) {
  Image result{y1 - y0, x1 - x0, {}};
  result.gauss.reserve(result.height * result.width);
  for (std::size_t y = y0; y < y1; ++y) {
    auto const row = image.gauss.begin() + static_cast<std::ptrdiff_t>(y * image.width);
    result.gauss.insert(result.gauss.end(), row + static_cast<std::ptrdiff_t>(x0),
                        row + static_cast<std::ptrdiff_t>(x1));
  }
  return result;
}

Image cropped(Image const& image, std::size_t height, std::size_t width) { return part(image, 0, height, 0, width); }

Image cut(Image const& image, std::size_t border) {
  return part(image, border, image.height - border, border, image.width - border);
}

Image moved(Image const& image, int dy, int dx) {
  Image result = image;
  auto const inside = [](std::ptrdiff_t i, std::size_t size) {
    return static_cast<std::size_t>(std::clamp<std::ptrdiff_t>(i, 0, static_cast<std::ptrdiff_t>(size) - 1));
  };
  for (std::size_t y = 0; y < image.height; ++y)
    for (std::size_t x = 0; x < image.width; ++x)
      result.gauss[y * image.width + x] = image.at(inside(static_cast<std::ptrdiff_t>(y) - dy, image.height),
                                                   inside(static_cast<std::ptrdiff_t>(x) - dx, image.width));
  return result;
}

Image binned(Image const& image, std::size_t side) {
  Image result{image.height / side, image.width / side, {}};
  result.gauss.reserve(result.height * result.width);
  for (std::size_t y = 0; y < result.height; ++y)
    for (std::size_t x = 0; x < result.width; ++x) {
      double sum = 0;
      for (std::size_t i = 0; i < side; ++i)
        for (std::size_t j = 0; j < side; ++j) sum += static_cast<double>(image.at(y * side + i, x * side + j));
      result.gauss.push_back(static_cast<float>(sum / static_cast<double>(side * side)));
    }
  return result;
}

Image bicubic(hg::Workspace<Backend>& ws, Image const& image, std::size_t factor, double divisor, double cubic) {
  std::size_t const one = 1;
  auto const x = hg::make_tensor<Backend>("coarse", hg::Shape{one, image.height, image.width, one});
  auto const y = hg::make_tensor<Backend>("fine", hg::Shape{one, image.height * factor, image.width * factor, one});
  hg::from_host(ws.exec(), x, image.gauss);
  hg::kernel::resample<Backend>(ws, x, y, {.method = hg::Resampling::bicubic, .cubic = cubic});
  Image fine{image.height * factor, image.width * factor, hg::to_host(ws.exec(), y)};
  for (float& value : fine.gauss) value = static_cast<float>(static_cast<double>(value) / divisor);
  return fine;
}

}  // namespace super_resolution
