// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "new_set.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include <heliograd/base/error.hpp>
#include <heliograd/io/png.hpp>

namespace pix2pix {

namespace hg = heliograd;
namespace fs = std::filesystem;

void open_set(examples::OutputFolders& folders, std::string const& folder, std::vector<std::string> const& originals,
              bool resume, bool overwrite) {
  if (folder.empty()) throw hg::OutputError("--out is empty; give a folder");
  for (std::string const& file : originals)
    if (examples::lies_in(file, folder))
      throw hg::UsageError(file + ": is an input and lies in " + folder +
                           ", which is written to; keep originals and sets in different folders");
  std::error_code problem;
  if (fs::exists(folder + "/pairs.csv", problem) && !resume && !overwrite)
    throw hg::OutputError(folder +
                          "/pairs.csv: is there already; go on with --resume, replace what is in the way with "
                          "--overwrite, or take another folder");
  folders.make(folder);
}

void write_pairs(std::string const& folder, std::vector<std::string> const& channels,
                 std::vector<std::vector<std::string>> const& lines) {
  std::string text = "split,time";
  for (std::string const& channel : channels) text += "," + channel;
  text += "\n";
  for (auto const& line : lines) {
    for (std::size_t i = 0; i < line.size(); ++i) text += (i > 0 ? "," : "") + line[i];
    text += "\n";
  }
  examples::write_text(folder + "/pairs.csv", text);
}

bool ContactSheet::wants(std::size_t index) const {
  if (total_ <= most_) return index < total_;
  // The first of each of `most` stretches of equal length.
  return index == 0 || index * most_ / total_ != (index - 1) * most_ / total_;
}

void ContactSheet::add(std::string const& channel, std::string const& label, Image const& image) {
  constexpr std::size_t longest = 256;
  std::size_t const side = (std::max(image.height, image.width) + longest - 1) / longest;
  entries_.push_back({channel, label, side > 1 ? binned(image, side) : image});
}

void ContactSheet::write(std::string const& path, std::string const& title, std::string const& note,
                         std::size_t columns) const {
  if (entries_.empty()) return;
  std::vector<hg::io::Panel> panels;
  for (Entry const& entry : entries_) {
    bool const field = entry.channel.starts_with("hmi") || entry.channel.starts_with("mdi");
    bool const drawing = entry.channel.starts_with("drawing");
    std::vector<float> values;
    for (float const v : entry.image.pixels)
      if (std::isfinite(v)) values.push_back(std::fabs(v));
    double high = 1;
    if (!values.empty() && !drawing) {
      auto const at = values.begin() + static_cast<std::ptrdiff_t>(0.998 * double(values.size() - 1));
      std::nth_element(values.begin(), at, values.end());
      high = std::max(1.0, double(*at));
      double const digits = std::pow(10.0, std::floor(std::log10(high)));
      high = std::ceil(high / digits) * digits;
    }
    panels.push_back(hg::io::make_panel(entry.channel + " " + entry.label, entry.image.pixels.data(), entry.image.width,
                                        entry.image.height, 220, field ? -high : 0, high,
                                        field     ? "G"
                                        : drawing ? ""
                                                  : "DN/s",
                                        field || drawing ? hg::io::ColourMap::gray : hg::io::ColourMap::heat,
                                        drawing ? hg::io::Stretch::linear : hg::io::Stretch::asinh));
  }
  hg::io::write_png(path, hg::io::draw_figure(panels, {.title = title, .note = note, .columns = columns}),
                    {.overwrite = true});
}

}  // namespace pix2pix
