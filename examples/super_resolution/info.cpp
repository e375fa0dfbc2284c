// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <cmath>
#include <cstdio>
#include <fstream>

#include <heliograd/io/fits.hpp>
#include <heliograd/physics/disk.hpp>
#include "about_weights.hpp"
#include "commands.hpp"
#include "images.hpp"
#include "network.hpp"
#include "program.hpp"
#include "units.hpp"

namespace super_resolution {

namespace hg = heliograd;

namespace {

void about_weights(std::string const& file) {
  auto const network = load_network(file);
  examples::print_about_weights(network.file, "HighResNet_RPRCDO, x" + std::to_string(network.model.scale),
                                hg::count_params(network.model), network.metadata);
}

void about_image(std::string const& file) {
  hg::io::FitsReader reader(file);
  auto const text = [&](char const* key) { return examples::one_line(reader.header().text(key).value_or("-")); };
  std::printf("%s: %zu x %zu pixels in HDU %zu%s, BITPIX %d\n", file.c_str(), reader.width(), reader.height(),
              reader.layout().hdu, reader.layout().compressed ? " (compressed)" : "", reader.layout().bitpix);
  for (char const* const key : {"TELESCOP", "INSTRUME", "CONTENT", "T_OBS", "DATE-OBS", "BUNIT"})
    std::printf("  %-11s %s\n", key, text(key).c_str());
  std::size_t missing = 0;
  double lowest = 0, highest = 0;
  std::vector<float> row(reader.width());
  for (std::size_t y = 0; y < reader.height(); ++y) {
    reader.rows(y, y + 1, row.data());
    for (float const value : row) {
      if (!(std::fabs(value) <= strongest_field)) {
        ++missing;
        continue;
      }
      lowest = std::min(lowest, double(value)), highest = std::max(highest, double(value));
    }
  }
  std::printf("  values      %.1f to %.1f, %zu pixels without one\n", lowest, highest, missing);
  try {
    auto const p = hg::physics::pointing_from(reader.header(), file);
    std::printf(
        "  disk centre column %.2f, row %.2f (from 0)\n  plate scale %.4f arcsec per pixel\n"
        "  radius      %.2f arcsec, %.2f pixels\n  rotation    %.3f degrees (left as it is)\n",
        p.center_x, p.center_y, p.scale_arcsec(), p.radius_arcsec, p.radius_pixels(),
        p.rotation_rad() * 57.29577951308232);
  } catch (hg::InputError const& error) {
    std::printf("  pointing    none: %s\n", examples::one_line(error.what()).c_str());
  }
  if (!examples::may_be_gauss(reader.header().text("BUNIT").value_or("")))
    std::printf("  not in gauss: apply would refuse it\n");
}

}  // namespace

int info(InfoOptions const& o, CommonOptions const&) {
  bool weights = o.file.empty();
  if (!weights) {
    std::ifstream file(o.file, std::ios::binary);
    if (!file) throw hg::InputError(o.file + ": cannot be opened; give a FITS file or a file of weights");
    weights = o.file.ends_with(".safetensors");
  }
  if (weights)
    about_weights(o.file);
  else
    about_image(o.file);
  return examples::success;
}

}  // namespace super_resolution
