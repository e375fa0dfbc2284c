// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <vector>

#include <heliograd/physics/disk.hpp>
#include <heliograd/tape/tape.hpp>
#include "network.hpp"

namespace super_resolution {

/// Applies a network to images of any size in tiles whose results join without a seam: each tile is seen with as many
/// pixels around it as its output depends on, so the result is that of the whole image at once. Memory depends on the tile,
/// not on the image.
class Upscaler {
 public:
  /// \param tile side of a tile in low-resolution pixels; 0 takes the image whole.
  explicit Upscaler(Network const& model, std::size_t tile = 128) : model_(&model), tile_(tile) {}

  /// Hands over rows first <= y < last of the input, in gauss, [last - first][width]; missing pixels are 0.
  using ReadRows = std::function<void(std::size_t first, std::size_t last, float* gauss)>;
  /// Takes a block of the output, in gauss: rows first_y <= y < last_y, columns first_x <= x < last_x.
  using WriteBlock = std::function<void(std::size_t first_y, std::size_t last_y, std::size_t first_x,
                                        std::size_t last_x, float const* gauss)>;
  /// Called after each tile with the number of tiles done; may throw to stop.
  using AfterTile = std::function<void(std::size_t done)>;

  /// \param pointing of the input; without it the radius channel is zero.
  void run(std::size_t height, std::size_t width, std::optional<heliograd::physics::Pointing> const& pointing,
           ReadRows const& read, WriteBlock const& write, AfterTile const& after = {});

  /// The same for an image in memory.
  std::vector<float> run(std::size_t height, std::size_t width,
                         std::optional<heliograd::physics::Pointing> const& pointing, std::vector<float> const& gauss,
                         AfterTile const& after = {});

  std::size_t tiles(std::size_t height, std::size_t width) const;

 private:
  Network const* model_;
  std::size_t tile_;
  heliograd::Tape<Backend> tape_;
};

}  // namespace super_resolution
