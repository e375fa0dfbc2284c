// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <optional>

#include <heliograd/io/fits.hpp>
#include <heliograd/physics/disk.hpp>
#include "commands.hpp"
#include "images.hpp"
#include "network.hpp"
#include "outputs.hpp"
#include "program.hpp"
#include "progress.hpp"

namespace super_resolution {

namespace hg = heliograd;
namespace fs = std::filesystem;

namespace {

/// What a magnetogram amounts to, within 0.95 solar radii where there is a pointing.
struct Summary {
  std::size_t width = 0, height = 0;
  double strongest_positive = 0, strongest_negative = 0;
  double mean_strength = 0;  ///< gauss
  double unsigned_flux = 0;  ///< maxwell, of the line-of-sight field; 0 without a pointing
  double net_flux = 0;
};

Summary summary_of(std::string const& file, bool no_wcs) {
  hg::io::FitsReader reader(file);
  Summary s{.width = reader.width(), .height = reader.height()};
  std::optional<hg::physics::Pointing> pointing;
  if (!no_wcs) pointing = hg::physics::pointing_from(reader.header(), file);
  std::vector<float> row(s.width);
  double sum = 0, net = 0;
  std::size_t count = 0;
  for (std::size_t y = 0; y < s.height; ++y) {
    reader.rows(y, y + 1, row.data());
    for (std::size_t x = 0; x < s.width; ++x) {
      if (!(std::fabs(row[x]) <= strongest_field)) continue;
      if (pointing && pointing->radius(double(x), double(y)) > 0.95) continue;
      double const b = double(row[x]);
      sum += std::fabs(b), net += b, ++count;
      s.strongest_positive = std::max(s.strongest_positive, b);
      s.strongest_negative = std::min(s.strongest_negative, b);
    }
  }
  s.mean_strength = count > 0 ? sum / double(count) : 0;
  if (pointing) {
    s.unsigned_flux = sum * pointing->pixel_area_cm2();
    s.net_flux = net * pointing->pixel_area_cm2();
  }
  return s;
}

void print_summaries(Summary const& in, Summary const& out, bool disk) {
  std::printf("\n%-38s %16s %16s\n", disk ? "within 0.95 solar radii" : "", "input", "super-resolved");
  std::printf("%-38s %9zu x %4zu %9zu x %4zu\n", "pixels", in.width, in.height, out.width, out.height);
  std::printf("%-38s %16.0f %16.0f\n", "strongest positive field, G", in.strongest_positive, out.strongest_positive);
  std::printf("%-38s %16.0f %16.0f\n", "strongest negative field, G", in.strongest_negative, out.strongest_negative);
  std::printf("%-38s %16.2f %16.2f\n", "mean field strength, G", in.mean_strength, out.mean_strength);
  if (disk) {
    std::printf("%-38s %16.3e %16.3e\n", "unsigned line-of-sight flux, Mx", in.unsigned_flux, out.unsigned_flux);
    std::printf("%-38s %16.3e %16.3e\n", "net line-of-sight flux, Mx", in.net_flux, out.net_flux);
  }
}

bool has_pointing(std::string const& file) {
  try {
    hg::io::FitsReader const reader(file);
    static_cast<void>(hg::physics::pointing_from(reader.header(), file));
    return true;
  } catch (hg::InputError const&) {
    return false;
  }
}

}  // namespace

int demo(DemoOptions const& o, CommonOptions const& common) {
  examples::Stopwatch clock;
  std::string const data = fs::weakly_canonical(HELIOGRAD_DATA_DIR).string();
  std::string const disk = data + "/mdi-full-disk/mdi.fd_m_96m_lev182.20101015_000000_TAI.data.fits";
  std::string const reading = data + "/mdi-hmi-pairs/mdi_20100830_173600_AR11101.fits";
  std::string const truth = data + "/mdi-hmi-pairs/hmi.b_720s.20100830_173600_TAI.b_hmi_los_0.fits";
  auto const is_there = [](std::string const& file) {
    std::error_code none;
    return fs::is_regular_file(file, none);
  };
  if (!o.input.empty() && !is_there(o.input))
    throw hg::InputError(o.input + ": no such file; give a magnetogram in FITS");
  static_cast<void>(load_network(o.weights));  // before anything is made

  examples::OutputFolders const folders(o.folder);
  std::string const folder = fs::canonical(o.folder).string();
  CommonOptions quietly = common;
  quietly.overwrite = true;  // the folder is the demonstration's own

  std::string input = o.input;
  if (input.empty() && is_there(disk)) {
    input = disk;
    std::printf("Input: a full-disk magnetogram of SoHO/MDI, 2010-10-15\n       %s\n", disk.c_str());
  } else if (input.empty()) {
    input = folder + "/synthetic.fits";
    std::printf(
        "Input: a SYNTHETIC full-disk magnetogram made up for this demonstration (no real data beside the project)\n"
        "       %s\n",
        input.c_str());
    SynthesizeOptions made;
    made.output = input;
    CommonOptions silent = quietly;
    silent.quiet = true;
    synthesize(made, silent);
  } else {
    std::printf("Input: %s\n", input.c_str());
  }
  std::fflush(stdout);

  ApplyOptions work;
  work.input = input;
  work.output = folder + "/super_resolved.fits";
  work.png = folder + "/super_resolved.png";
  work.weights = o.weights;
  work.no_wcs = !has_pointing(input);
  if (work.no_wcs) std::printf("The header has no pointing: treated as a patch of the Sun.\n");
  examples::Stopwatch network_clock;
  CommonOptions applying = quietly;
  applying.quiet = false;
  apply(work, applying);
  double const seconds = network_clock.seconds();
  print_summaries(summary_of(input, work.no_wcs), summary_of(work.output, work.no_wcs), !work.no_wcs);

  bool const judged = o.input.empty() && is_there(reading) && is_there(truth);
  if (judged) {
    std::printf("\nHow good is it? MDI and HMI saw the active region 11101 at the same time (2010-08-30 17:36 TAI):\n");
    EvaluateOptions judge;
    judge.truth = truth;
    judge.input = reading;
    judge.weights = o.weights;
    judge.input_on_fine_grid = judge.align = true;
    judge.json = folder + "/evaluation.json";
    judge.png = folder + "/evaluation.png";
    CommonOptions silent = quietly;
    silent.quiet = true;
    evaluate(judge, silent);
  }

  std::printf("\nSuper-resolved in %s, %s in all. Look at\n  %s\n  %s\n", examples::duration_text(seconds).c_str(),
              examples::duration_text(clock.seconds()).c_str(), work.png.c_str(), work.output.c_str());
  if (judged) std::printf("  %s\n  %s\n", (folder + "/evaluation.png").c_str(), (folder + "/evaluation.json").c_str());
  return examples::success;
}

}  // namespace super_resolution
