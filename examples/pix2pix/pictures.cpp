// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "pictures.hpp"

namespace pix2pix {

namespace io = heliograd::io;

namespace {

io::Panel panel_of(std::string const& channel, std::string const& label, Scaling const& scaling, std::size_t height,
                   std::size_t width, float const* values, std::size_t stride, std::size_t side) {
  bool const field = scaling.law == Scaling::Law::field;
  io::Panel panel;
  panel.image = io::Thumbnail(width, height, side);
  std::vector<float> row(width);
  for (std::size_t y = 0; y < height; ++y) {
    for (std::size_t x = 0; x < width; ++x) {
      float const value = values[(y * width + x) * stride];
      row[x] = field ? scaling.to_physical(value) : value;
    }
    panel.image.add_rows(y, y + 1, row.data());
  }
  panel.label = channel + ", " + label;
  panel.low = field ? -scaling.limit / 3 : -1;
  panel.high = field ? scaling.limit / 3 : 1;
  panel.unit = field ? "G" : scaling.law == Scaling::Law::photons ? "log scale" : "";
  panel.map = scaling.law == Scaling::Law::photons ? io::ColourMap::heat : io::ColourMap::gray;
  return panel;
}

}  // namespace

io::Picture draw_grid(std::vector<Shown> const& shown, System const& system, std::size_t panel_side,
                      std::string const& title) {
  std::vector<io::Panel> panels;
  std::size_t const inputs = system.inputs.size();
  Scaling const target = scaling_of(system.preparation, system.target);
  bool const with_truth = !shown.empty() && !shown.front().truth.empty();
  for (Shown const& one : shown) {
    for (std::size_t c = 0; c < inputs; ++c)
      panels.push_back(panel_of(system.inputs[c], "input", scaling_of(system.preparation, system.inputs[c]), one.height,
                                one.width, one.input.data() + c, inputs, panel_side));
    panels.push_back(
        panel_of(system.target, "generated", target, one.height, one.width, one.output.data(), 1, panel_side));
    if (!with_truth) continue;
    panels.push_back(
        panel_of(system.target, "truth " + one.name, target, one.height, one.width, one.truth.data(), 1, panel_side));
    std::vector<float> difference(one.truth.size());
    for (std::size_t i = 0; i < difference.size(); ++i) difference[i] = one.output[i] - one.truth[i];
    panels.push_back(
        panel_of(system.target, "difference", target, one.height, one.width, difference.data(), 1, panel_side));
    panels.back().map = io::ColourMap::gray;
  }
  return io::draw_figure(panels, {.title = title, .columns = inputs + (with_truth ? 3 : 1)});
}

}  // namespace pix2pix
