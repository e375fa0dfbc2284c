// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>

#include <heliograd/io/fits.hpp>
#include <heliograd/io/png.hpp>
#include <heliograd/op/arithmetic.hpp>
#include <heliograd/op/harmonics.hpp>
#include <heliograd/op/pfss.hpp>
#include <heliograd/op/reduce.hpp>
#include <heliograd/optim/sgd.hpp>
#include "commands.hpp"
#include "model.hpp"
#include "outputs.hpp"
#include "pictures.hpp"

/// \file
/// What the gradient is for: part of the Sun is hidden, and found again, as far as that is possible, from the field at the
/// source surface.
namespace pfss {

namespace hg = heliograd;

namespace {

using D = Backend<double>;

}  // namespace

int recover(RecoverOptions const& o, CommonOptions const& common) {
  examples::check_outputs({o.output, o.png}, {o.input}, common.overwrite);
  SynopticMap const map = load_map(o.input, o.model, common);
  std::size_t const rows = map.rows, columns = map.columns, size = rows * columns;
  double const wide = o.width / 360 * double(columns);
  double const middle = std::isnan(o.longitude) ? 0 : (o.longitude - map.first_longitude) / 360 * double(columns);
  auto const hidden = [&](std::size_t column) {
    return std::fabs(std::remainder(double(column) + 0.5 - middle, double(columns))) < wide / 2;
  };
  std::vector<double> known = map.gauss, mask(size, 0.0);
  for (std::size_t n = 0; n < size; ++n)
    if (hidden(n % columns)) known[n] = 0, mask[n] = 1;

  hg::Tape<D> tape;
  hg::Shape<4> const shape{std::size_t(1), rows, columns, std::size_t(1)};
  auto const tensor = [&](std::vector<double> const& values) {
    auto const t = hg::make_tensor<D>("map", shape);
    hg::from_host(tape.exec(), t, values);
    return t;
  };
  hg::PfssOptions const grid{o.model.nr, o.model.rss, o.model.centred};
  auto const harmonics = harmonic_options(o.model, rows);
  auto const surface_of = [&](hg::Var<4, D> x) {
    return o.model.method == "fd" ? hg::pfss_source_surface(x, grid) : hg::harmonic_source_surface(x, grid, harmonics);
  };
  auto const surface_values = [&](std::vector<double> const& values) {
    tape.clear();
    return hg::to_host(tape.exec(), surface_of(tape.constant(tensor(values))).value);
  };
  auto const wanted = surface_values(map.gauss), without = surface_values(known);
  auto const known_there = tensor(known), mask_there = tensor(mask), wanted_there = tensor(wanted);

  auto patch = hg::make_param<D>("patch", shape);
  hg::fill(tape.exec(), patch.value, 0.0);
  hg::FlatStore<D> const store(patch);
  // The loss is quadratic, and no pattern comes out stronger than the dipole: that bounds its curvature, and so the rate.
  double const third = std::pow(o.model.rss, -3.0), strongest = 1.1 * 3 * third / (2 + third);
  hg::optim::Sgd<D> descent(
      store, {.learning_rate = 0.5 * double(size) / (strongest * strongest), .momentum = 0.98, .nesterov = true});
  examples::Stopwatch clock;
  examples::Progress progress("steps,", o.steps, common.quiet);
  for (std::size_t step = 0; step < o.steps; ++step) {
    examples::signals::check();
    tape.clear();
    auto const x = tape.constant(known_there) + tape.constant(mask_there) * tape.watch(patch);
    auto const apart = surface_of(x) - tape.constant(wanted_there);
    tape.backward(hg::mean(apart * apart));
    descent.update(tape.workspace());
    progress.update(step + 1);
  }
  double const seconds = clock.seconds();

  auto const there = hg::to_host(tape.exec(), patch.value);
  std::vector<double> found = known;
  for (std::size_t n = 0; n < size; ++n) {
    if (!std::isfinite(there[n])) throw hg::NumericalError("the recovered field is not finite");
    found[n] += mask[n] * there[n];
  }
  auto const reached = surface_values(found);
  auto const error = [&](std::vector<double> const& surface) {
    double sum = 0;
    for (std::size_t n = 0; n < size; ++n) sum += (surface[n] - wanted[n]) * (surface[n] - wanted[n]);
    return std::sqrt(sum / double(size));
  };
  auto const mean_size = [&](std::vector<double> const& surface) {
    double sum = 0;
    for (double const b : surface) sum += std::fabs(b);
    return sum / double(size);
  };

  FileImage const image = on_file_grid(map, found);
  hg::io::FitsHeader header = map.header;
  header.set("BUNIT", "Gauss");
  describe(header, map, o.model);
  header.append_history("columns " + std::to_string(int(o.width)) +
                        " degrees wide hidden, and recovered from the field at the source surface");
  hg::io::write_fits(o.output, image.pixels.data(), image.width, image.height, header,
                     {.overwrite = common.overwrite, .double_precision = o.model.double_precision});
  if (!o.png.empty()) {
    std::vector<Segment> edges;
    for (double const side : {-0.5, 0.5}) {
      double x = std::fmod(middle + side * wide + 2 * double(columns), double(columns)) - 0.5;
      edges.push_back({x, 0, x, double(rows) - 1});
    }
    double const sun = round_range(map.gauss, 0.995), high = round_range(wanted, 0.999);
    std::string const at = " at " + short_number(o.model.rss) + " solar radii";
    auto const true_line = zero_contour(wanted, rows, columns), bare_line = zero_contour(without, rows, columns),
               line = zero_contour(reached, rows, columns);
    auto const stretch = hg::io::Stretch::asinh;
    auto const linear = hg::io::Stretch::linear;
    auto const gray = hg::io::ColourMap::gray, colours = hg::io::ColourMap::magnetic;
    hg::io::write_png(o.png,
                      draw_maps({{"the Sun; hidden: " + short_number(o.width, 3) + " degrees about longitude " +
                                      short_number(std::isnan(o.longitude) ? map.first_longitude : o.longitude, 3),
                                  &map.gauss, sun, stretch, gray, "G", &edges},
                                 {"what gradient descent finds there", &found, sun, stretch, gray, "G", &edges},
                                 {"radial field" + at, &wanted, high, linear, colours, "G", &true_line},
                                 {"the same without the hidden part", &without, high, linear, colours, "G", &bare_line},
                                 {"the same of what was found", &reached, high, linear, colours, "G", &line}},
                                rows, columns, std::filesystem::path(o.input).filename().string(),
                                std::to_string(o.steps) + " steps of gradient descent on the field" + at, 720),
                      {.overwrite = common.overwrite});
  }
  std::printf(
      "field at %g solar radii: RMS error %.3g G without the hidden part, %.3g G with what was found, of %.3g G\n",
      o.model.rss, error(without), error(reached), error(std::vector<double>(size, 0.0)));
  std::printf("open flux: %.4f of the truth without it, %.4f with it\n", mean_size(without) / mean_size(wanted),
              mean_size(reached) / mean_size(wanted));
  std::printf("%s: %zu steps in %s; pfss compare %s %s says more\n", examples::one_line(o.output).c_str(), o.steps,
              examples::duration_text(seconds).c_str(), examples::one_line(o.input).c_str(),
              examples::one_line(o.output).c_str());
  return examples::success;
}

}  // namespace pfss
