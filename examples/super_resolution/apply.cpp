// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <optional>

#include <heliograd/io/fits.hpp>
#include <heliograd/io/png.hpp>
#include <heliograd/physics/disk.hpp>
#include <heliograd/version.hpp>
#include "commands.hpp"
#include "images.hpp"
#include "network.hpp"
#include "outputs.hpp"
#include "program.hpp"
#include "progress.hpp"
#include "units.hpp"
#include "upscale.hpp"

namespace super_resolution {

namespace hg = heliograd;
namespace fs = std::filesystem;
using hg::physics::Pointing;

namespace {

bool has_value(float gauss) { return std::fabs(gauss) <= strongest_field; }

/// What a first look at the image tells.
struct Survey {
  std::size_t seen = 0;                          ///< pixels on the disk (all, without a pointing) that have a value
  std::size_t missing = 0;                       ///< those that have none
  std::size_t zoom_y = 0, zoom_x = 0, zoom = 0;  ///< the square of the strongest field, for the picture
};

Survey survey(hg::io::FitsReader& reader, std::optional<Pointing> const& pointing) {
  std::size_t const width = reader.width(), height = reader.height();
  Survey found;
  found.zoom = std::min<std::size_t>({96, height, width});
  std::size_t const cell = std::max<std::size_t>(1, found.zoom / 4);
  std::size_t const cells_x = width / cell, cells_y = height / cell;
  std::vector<double> flux(cells_x * cells_y, 0);
  std::vector<float> row(width);
  for (std::size_t y = 0; y < height; ++y) {
    reader.rows(y, y + 1, row.data());
    for (std::size_t x = 0; x < width; ++x) {
      double const r = pointing ? pointing->radius(double(x), double(y)) : 0;
      if (r >= 1) continue;
      if (!has_value(row[x])) {
        ++found.missing;
        continue;
      }
      ++found.seen;
      if (r < 0.85 && y / cell < cells_y && x / cell < cells_x)
        flux[y / cell * cells_x + x / cell] += std::max(0.0, std::fabs(double(row[x])) - 50);
    }
  }
  double best = -1;
  for (std::size_t cy = 0; cy + 4 <= std::max<std::size_t>(cells_y, 4); ++cy)
    for (std::size_t cx = 0; cx + 4 <= std::max<std::size_t>(cells_x, 4); ++cx) {
      double sum = 0;
      for (std::size_t i = cy; i < std::min(cy + 4, cells_y); ++i)
        for (std::size_t j = cx; j < std::min(cx + 4, cells_x); ++j) sum += flux[i * cells_x + j];
      if (sum > best) best = sum, found.zoom_y = cy * cell, found.zoom_x = cx * cell;
    }
  found.zoom_y = std::min(found.zoom_y, height - found.zoom);
  found.zoom_x = std::min(found.zoom_x, width - found.zoom);
  return found;
}

void check_unit(hg::io::FitsReader const& reader) {
  std::string const unit = reader.header().text("BUNIT").value_or("");
  if (!examples::may_be_gauss(unit))
    throw hg::InputError(reader.path() + ": is not in gauss (found BUNIT '" + unit.substr(0, 30) +
                         "', expected Gauss or Mx/cm^2); convert it first");
}

std::optional<Pointing> pointing_of(hg::io::FitsReader const& reader, bool no_wcs) {
  if (no_wcs) return std::nullopt;
  try {
    return hg::physics::pointing_from(reader.header(), reader.path());
  } catch (hg::InputError const& error) {
    throw hg::InputError(std::string(error.what()) + " (--no-wcs)");
  }
}

/// The part of a block that lies in a square, as a part of the square.
class Window {
 public:
  Window() = default;
  Window(std::size_t y, std::size_t x, std::size_t side, std::size_t longest)
      : y_(y), x_(x), side_(side), image_(side, side, longest) {}
  void add(std::size_t y0, std::size_t y1, std::size_t x0, std::size_t x1, float const* pixels, std::size_t stride) {
    std::size_t const top = std::max(y0, y_), bottom = std::min(y1, y_ + side_);
    std::size_t const left = std::max(x0, x_), right = std::min(x1, x_ + side_);
    if (top >= bottom || left >= right) return;
    image_.add_block(top - y_, bottom - y_, left - x_, right - x_, pixels + (top - y0) * stride + (left - x0), stride);
  }
  hg::io::Thumbnail const& image() const { return image_; }

 private:
  std::size_t y_ = 0, x_ = 0, side_ = 0;
  hg::io::Thumbnail image_;
};

std::string number(std::size_t value) {
  std::string digits = std::to_string(value);
  for (std::size_t i = digits.size(); i > 3; i -= 3) digits.insert(i - 3, ",");
  return digits;
}

}  // namespace

int apply(ApplyOptions const& o, CommonOptions const& common) {
  // All that can be wrong is found before anything is written.
  examples::check_outputs({o.output, o.png}, {o.input}, common.overwrite);
  if (!(o.saturate > 0 && o.saturate <= 20000)) throw hg::UsageError("--saturate must lie between 0 and 20000 gauss");
  if (o.tile != 0 && o.tile < 16) throw hg::UsageError("--tile must be at least 16, or 0 for the whole image at once");

  examples::Stopwatch clock;
  hg::io::FitsReader reader(o.input, {.verify_checksums = !o.ignore_checksum});
  std::size_t const width = reader.width(), height = reader.height();
  if (width < 2 || height < 2)
    throw hg::InputError(o.input + ": is too small (found " + std::to_string(width) + " x " + std::to_string(height) +
                         " pixels, expected at least 2 x 2)");
  check_unit(reader);
  auto const pointing = pointing_of(reader, o.no_wcs);
  auto const network = load_network(o.weights, o.scale, o.accuracy);
  auto const scale = static_cast<std::size_t>(network.model.scale);
  for (std::string const& warning : reader.layout().warnings)
    std::fprintf(stderr, "%s: warning: %s\n", program, examples::one_line(warning).c_str());
  Survey const found = survey(reader, pointing);
  if (found.seen == 0)
    throw hg::InputError(o.input + ": has no pixel with a value" + (pointing ? " on the disk" : "") + " (" +
                         std::to_string(found.missing) + " are missing)");
  if (found.missing > 0)
    std::fprintf(stderr, "%s: warning: %s: %s pixels%s have no usable value and are taken as zero field\n", program,
                 examples::one_line(o.input).c_str(), number(found.missing).c_str(), pointing ? " on the disk" : "");

  // The header: everything that was there, told for the finer grid.
  hg::io::FitsHeader header = reader.header();
  hg::io::rescale_wcs(header, static_cast<double>(scale));
  header.set("SRSCALE", static_cast<int>(scale), "magnification by super-resolution");
  header.set("SRMODEL", "HighResNet_RPRCDO", "network that made this image");
  header.set("SRWSHA", network.sha256, "SHA-256 of its weights");
  std::string const version = std::to_string(HELIOGRAD_VERSION_MAJOR) + "." + std::to_string(HELIOGRAD_VERSION_MINOR) +
                              "." + std::to_string(HELIOGRAD_VERSION_PATCH);
  header.append_history("super_resolution (heliograd " + version + "): " + std::to_string(scale) +
                        " x finer and calibrated to SDO/HMI by a neural network");
  header.append_history("parent file " + fs::path(o.input).filename().string());
  header.append_history("weights " + fs::path(network.file).filename().string() + ", field / 3500 G, radius channel " +
                        (pointing ? "from the header" : "zero (no pointing)") + ", " + network.accuracy +
                        " convolutions");
  if (found.missing > 0)
    header.append_history(std::to_string(found.missing) + " pixels without a value were taken as zero field");

  std::optional<Pointing> const fine_pointing =
      pointing ? std::optional(pointing->magnified(static_cast<double>(scale))) : std::nullopt;
  hg::io::FitsWriter writer(o.output, width * scale, height * scale, header, {.overwrite = common.overwrite});

  // Pictures grow with the blocks.
  bool const picture = !o.png.empty();
  hg::io::Thumbnail whole_in, whole_out;
  Window zoom_in, zoom_out;
  bool const zoom = picture && std::max(width, height) >= 3 * found.zoom;
  if (picture) {
    whole_in = hg::io::Thumbnail(width, height, o.png_side);
    whole_out = hg::io::Thumbnail(width * scale, height * scale, o.png_side);
    if (zoom) {
      zoom_in = Window(found.zoom_y, found.zoom_x, found.zoom, o.png_side);
      zoom_out = Window(found.zoom_y * scale, found.zoom_x * scale, found.zoom * scale, o.png_side);
    }
  }
  std::size_t pictured_rows = 0;

  Upscaler upscaler(network.model, o.tile);
  examples::Progress progress("tile", upscaler.tiles(height, width), common.quiet);
  float const beyond = o.off_disk_nan ? std::numeric_limits<float>::quiet_NaN() : 0.f;
  std::vector<float> block;
  std::vector<unsigned char> missing;  // of the rows of input at hand
  std::size_t missing_first = 0;
  upscaler.run(
      height, width, pointing,
      [&](std::size_t first, std::size_t last, float* gauss) {
        reader.rows(first, last, gauss);
        if (picture) {
          std::size_t const from = std::max(first, pictured_rows);
          for (std::size_t y = from; y < last; ++y) {
            std::vector<float> row(gauss + (y - first) * width, gauss + (y - first + 1) * width);
            if (pointing)
              for (std::size_t x = 0; x < width; ++x)
                if (pointing->radius(double(x), double(y)) >= 1) row[x] = std::numeric_limits<float>::quiet_NaN();
            whole_in.add_rows(y, y + 1, row.data());
            if (zoom) zoom_in.add(y, y + 1, 0, width, row.data(), width);
          }
          pictured_rows = last;
        }
        missing_first = first;
        missing.assign((last - first) * width, 0);
        for (std::size_t i = 0; i < missing.size(); ++i)
          if (!has_value(gauss[i])) gauss[i] = 0, missing[i] = 1;
      },
      [&](std::size_t y0, std::size_t y1, std::size_t x0, std::size_t x1, float const* gauss) {
        std::size_t const n = x1 - x0;
        block.assign(gauss, gauss + (y1 - y0) * n);
        for (std::size_t y = y0; y < y1; ++y)
          for (std::size_t x = x0; x < x1; ++x) {
            float& value = block[(y - y0) * n + (x - x0)];
            if (!std::isfinite(value))
              throw hg::NumericalError(o.input + ": the network's output is not finite at pixel (" + std::to_string(x) +
                                       ", " + std::to_string(y) + ")");
            bool const off = fine_pointing && fine_pointing->radius(double(x), double(y)) >= 1;
            if (off || (o.off_disk_nan && missing[(y / scale - missing_first) * width + x / scale])) value = beyond;
          }
        writer.block(y0, y1, x0, x1, block.data(), n);
        if (picture) {
          if (fine_pointing)
            for (std::size_t y = y0; y < y1; ++y)
              for (std::size_t x = x0; x < x1; ++x)
                if (fine_pointing->radius(double(x), double(y)) >= 1)
                  block[(y - y0) * n + (x - x0)] = std::numeric_limits<float>::quiet_NaN();
          whole_out.add_block(y0, y1, x0, x1, block.data(), n);
          if (zoom) zoom_out.add(y0, y1, x0, x1, block.data(), n);
        }
      },
      [&](std::size_t done) {
        progress.update(done);
        examples::signals::check();
      });
  progress.clear();
  if (picture) {
    std::string const name = fs::path(o.input).filename().string();
    auto const size = [](std::size_t w, std::size_t h) { return std::to_string(w) + " x " + std::to_string(h); };
    std::vector<hg::io::Panel> panels{
        {whole_in, "input, " + size(width, height), -o.saturate, o.saturate, "G"},
        {whole_out, "super-resolved, " + size(width * scale, height * scale), -o.saturate, o.saturate, "G"}};
    if (zoom)
      for (auto const* const window : {&zoom_in, &zoom_out})
        panels.push_back({window->image(),
                          window == &zoom_in ? "input, strongest field" : "super-resolved, strongest field",
                          -5 * o.saturate, 5 * o.saturate, "G", hg::io::ColourMap::gray, hg::io::Stretch::asinh});
    std::string const when = header.text("T_OBS").value_or(header.text("DATE-OBS").value_or(""));
    hg::io::write_png(o.png,
                      hg::io::draw_figure(panels, {.title = name,
                                                   .note = (when.empty() ? std::string("line-of-sight magnetic field")
                                                                         : "line-of-sight magnetic field, " + when),
                                                   .columns = 2}),
                      {.overwrite = common.overwrite});
  }
  writer.finish();
  if (!common.quiet) {
    std::printf("%s  %zu x %zu -> %zu x %zu in %s\n", o.output.c_str(), width, height, width * scale, height * scale,
                examples::duration_text(clock.seconds()).c_str());
    if (picture) std::printf("%s\n", o.png.c_str());
  }
  return examples::success;
}

}  // namespace super_resolution
