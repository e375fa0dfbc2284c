// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <cmath>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include <heliograd/core/copy.hpp>
#include <heliograd/core/tensor.hpp>
#include <heliograd/core/workspace.hpp>
#include <heliograd/kernel/gaussian_blur.hpp>
#include <heliograd/kernel/warp.hpp>

/// \file
/// Images on the host, as the making and measuring of sets works on them.
namespace pix2pix {

using Host = heliograd::Backend<Kokkos::DefaultHostExecutionSpace, float>;
using HostSpace = heliograd::Workspace<Host>;
using HostMap = heliograd::Tensor<2, Host>;

struct Image {
  std::size_t height = 0;
  std::size_t width = 0;
  std::vector<float> pixels;  ///< [height][width], row 0 is the first row of a file: south

  Image() = default;
  Image(std::size_t h, std::size_t w, float value = 0) : height(h), width(w), pixels(h * w, value) {}
  Image(std::size_t h, std::size_t w, std::vector<float> values) : height(h), width(w), pixels(std::move(values)) {}

  float& at(std::size_t y, std::size_t x) { return pixels[y * width + x]; }
  float at(std::size_t y, std::size_t x) const { return pixels[y * width + x]; }
  heliograd::Shape<4> shape() const { return {1, height, width, 1}; }
  HostMap map() const {
    auto const tensor = heliograd::make_tensor<Host>("image", heliograd::Shape<2>{height, width});
    heliograd::from_host(typename Host::execution_space{}, tensor, pixels);
    return tensor;
  }
};

namespace detail {
inline heliograd::TensorRef<4, Host> view_of(Image& image) {
  return heliograd::view_at<heliograd::TensorRef<4, Host>>(image.pixels.data(), image.shape());
}
inline heliograd::ConstTensorRef<4, Host> view_of(Image const& image) {
  return heliograd::view_at<heliograd::ConstTensorRef<4, Host>>(image.pixels.data(), image.shape());
}
}  // namespace detail

/// An image at the positions that a functor gives for each pixel of a new one (heliograd/kernel/positions.hpp).
template <class Positions>
Image sampled(HostSpace& ws, Image const& image, Positions const& positions, std::size_t height, std::size_t width,
              heliograd::WarpOptions const& options = {}) {
  Image result(height, width);
  heliograd::kernel::warp<Host>(ws, detail::view_of(image), positions, detail::view_of(result), options);
  ws.exec().fence("pix2pix::sampled");
  return result;
}

/// Smoothed by a Gaussian; beyond the border the edge goes on. Wider ones than the kernel takes are made of several.
inline Image smoothed(HostSpace& ws, Image image, double sigma) {
  constexpr double widest = 30;
  Image result = image;
  for (double left = sigma * sigma; left > 1e-6;) {
    double const part = left > widest * widest ? widest : std::sqrt(left);
    left -= part * part;
    heliograd::kernel::gaussian_blur<Host>(ws, detail::view_of(std::as_const(image)),
                                           heliograd::kernel::gaussian_taps("smoothed", part), detail::view_of(result));
    ws.exec().fence("pix2pix::smoothed");
    image = result;
  }
  return result;
}

/// The means of side x side blocks; what does not fill one at the far edges is left out. A block with a NaN is NaN.
inline Image binned(Image const& image, std::size_t side) {
  Image result(image.height / side, image.width / side);
  for (std::size_t y = 0; y < result.height; ++y)
    for (std::size_t x = 0; x < result.width; ++x) {
      double sum = 0;
      for (std::size_t i = 0; i < side; ++i)
        for (std::size_t j = 0; j < side; ++j) sum += static_cast<double>(image.at(y * side + i, x * side + j));
      result.at(y, x) = static_cast<float>(sum / static_cast<double>(side * side));
    }
  return result;
}

/// The part that starts at row y, column x.
inline Image part(Image const& image, std::size_t y, std::size_t x, std::size_t height, std::size_t width) {
  Image result(height, width);
  for (std::size_t i = 0; i < height; ++i)
    for (std::size_t j = 0; j < width; ++j) result.at(i, j) = image.at(y + i, x + j);
  return result;
}

}  // namespace pix2pix
