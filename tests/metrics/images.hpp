// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

#include <heliograd/core/copy.hpp>
#include <heliograd/core/fill.hpp>
#include <heliograd/core/workspace.hpp>
#include <heliograd/testing/draw.hpp>
#include "spaces.hpp"

/// \file
/// A prediction, the truth and a mask, in single precision values that both backends hold exactly, and the pixels that count.
namespace test {

struct Images {
  std::size_t height, width;
  std::vector<double> prediction, truth, mask, radius;

  Images(std::size_t h, std::size_t w, std::uint64_t seed = 1) : height(h), width(w) {
    heliograd::testing::Draws draws(seed);
    auto const single = [](double v) { return static_cast<double>(static_cast<float>(v)); };
    for (std::size_t i = 0; i < h * w; ++i) {
      double const t = 2000 * std::pow(draws.uniform(-1, 1), 5) + 3;
      truth.push_back(single(t));
      prediction.push_back(single(0.9 * t + draws.uniform(-30, 30)));
      mask.push_back(1);
      double const y = (static_cast<double>(i / w) + 0.5) / static_cast<double>(h) - 0.5;
      double const x = (static_cast<double>(i % w) + 0.5) / static_cast<double>(w) - 0.5;
      radius.push_back(single(2.2 * std::hypot(x, y)));
    }
  }

  /// NaN in either image, infinity, and pixels the mask leaves out: a few of each, and a block.
  Images& spoil() {
    heliograd::testing::Draws draws(77);
    auto const any = [&] { return static_cast<std::size_t>(draws.integer(0, static_cast<int>(height * width) - 1)); };
    for (int k = 0; k < 5; ++k) {
      prediction[any()] = std::numeric_limits<double>::quiet_NaN();
      truth[any()] = std::numeric_limits<double>::quiet_NaN();
      prediction[any()] = std::numeric_limits<double>::infinity();
      mask[any()] = 0;
    }
    for (std::size_t i = height / 2; i < height; ++i)
      for (std::size_t j = 0; j < width / 4; ++j) mask[i * width + j] = 0;
    return *this;
  }

  std::size_t size() const { return height * width; }
  bool counts(std::size_t i) const { return std::isfinite(prediction[i]) && std::isfinite(truth[i]) && mask[i] > 0; }
};

/// The images on a backend.
template <class B>
struct OnDevice {
  heliograd::Workspace<B> ws;
  heliograd::Tensor<2, B> prediction, truth, mask, radius;

  explicit OnDevice(Images const& images, typename B::execution_space const& exec = {}) : ws(exec) {
    heliograd::Shape<2> const shape{images.height, images.width};
    auto const upload = [&](std::vector<double> const& values) {
      auto const t = heliograd::make_tensor<B>("image", shape);
      heliograd::from_host(exec, t, std::vector<typename B::scalar_type>(values.begin(), values.end()));
      return t;
    };
    prediction = upload(images.prediction);
    truth = upload(images.truth);
    mask = upload(images.mask);
    radius = upload(images.radius);
  }
};

inline bool close(double value, double expected, double tolerance = 1e-12) {
  return std::abs(value - expected) <= tolerance * std::abs(expected);
}

}  // namespace test
