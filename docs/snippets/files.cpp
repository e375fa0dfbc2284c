// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// FITS in, FITS and a picture out. Run without an argument it first makes a small magnetogram of its own.
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <heliograd/io/fits.hpp>
#include <heliograd/io/png.hpp>
#include <string>
#include <vector>

namespace hg = heliograd;

void picture_of(std::string const& in, std::string const& out) {
  hg::io::FitsImage<float> image = hg::io::read_fits<float>(in);  // [height][width], row 0 south
  double const scale = image.header.real("CDELT1").value_or(0.0);
  std::string const unit = image.header.string("BUNIT").value_or("");

  auto const panel = hg::io::make_panel("line-of-sight field", image.pixels.data(), image.width, image.height, 800,
                                        -1000.0, 1000.0, unit, hg::io::ColourMap::magnetic, hg::io::Stretch::asinh);
  hg::io::write_png(out, hg::io::draw_figure({panel}, {.title = std::to_string(scale) + " arcsec/px"}),
                    {.overwrite = true});
}

void twice_the_field(std::string const& in, std::string const& out) {
  hg::io::FitsReader reader(in);  // everything checked; no pixel in memory yet
  hg::io::FitsHeader header = reader.header();
  header.append_history("field multiplied by 2");
  hg::io::FitsWriter writer(out, reader.width(), reader.height(), header, {.overwrite = true});
  std::vector<float> row(reader.width());
  for (std::size_t y = 0; y < reader.height(); ++y) {
    reader.rows(y, y + 1, row.data());
    for (float& pixel : row) pixel *= 2;
    writer.rows(y, y + 1, row.data());
  }
  writer.finish();  // checksums, read back, and only now the name
}

int main(int count, char** arguments) {
  namespace fs = std::filesystem;
  fs::path const folder = fs::temp_directory_path();
  std::string in = (folder / "heliograd-snippet-in.fits").string();
  if (count > 1) {
    in = arguments[1];
  } else {
    std::vector<float> field(96 * 64);
    for (std::size_t i = 0; i < field.size(); ++i)
      field[i] = 800 * std::exp(-std::hypot(float(i % 96) - 40, float(i / 96) - 30) / 9) - 30 * std::sin(float(i));
    hg::io::FitsHeader header;
    header.set("BUNIT", "Gauss");
    header.set("CDELT1", 1.98, "[arcsec/px]");
    hg::io::write_fits(in, field.data(), 96, 64, header, {.overwrite = true});
  }
  std::string const twice = (folder / "heliograd-snippet-twice.fits").string();
  std::string const picture = (folder / "heliograd-snippet.png").string();
  twice_the_field(in, twice);
  picture_of(twice, picture);
  bool const good = hg::io::read_fits<float>(twice).pixels[0] == 2 * hg::io::read_fits<float>(in).pixels[0];
  if (count == 1)
    for (std::string const& path : {in, twice, picture}) fs::remove(path);
  std::printf("%s\n", good ? "as expected" : "wrong");
  return good ? 0 : 1;
}
