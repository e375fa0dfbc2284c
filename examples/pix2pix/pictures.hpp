// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <heliograd/io/picture.hpp>
#include "presets.hpp"

namespace pix2pix {

/// A translated image beside what it was made from and what it should be, in the network's numbers.
struct Shown {
  std::string name;
  std::size_t height = 0, width = 0;
  std::vector<float> input;   ///< [height, width, inputs]
  std::vector<float> output;  ///< [height, width]
  std::vector<float> truth;   ///< the same, or empty
};

/// One row for each, one panel for each channel. Fields are shown in gauss, photons on their logarithmic scale.
heliograd::io::Picture draw_grid(std::vector<Shown> const& shown, System const& system, std::size_t panel_side,
                                 std::string const& title = {});

}  // namespace pix2pix
