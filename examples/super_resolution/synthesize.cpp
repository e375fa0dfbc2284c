// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <cstdio>

#include <heliograd/io/fits.hpp>
#include <heliograd/io/png.hpp>
#include "commands.hpp"
#include "outputs.hpp"
#include "pointing_cards.hpp"
#include "program.hpp"
#include "synthetic_sun.hpp"

namespace super_resolution {

namespace hg = heliograd;

int synthesize(SynthesizeOptions const& o, CommonOptions const& common) {
  examples::check_outputs({o.output, o.png}, {}, common.overwrite);
  if (!(o.noise >= 0 && o.noise <= 1000)) throw hg::UsageError("--noise must lie between 0 and 1000 gauss");
  auto const sun = examples::synthetic_sun(
      {.size = o.size, .noise_gauss = o.noise, .active_regions = o.active_regions, .seed = common.seed});
  auto const& p = sun.pointing;
  hg::io::FitsHeader header;
  header.set("TELESCOP", "synthetic", "no instrument has seen this");
  header.set("CONTENT", "SYNTHETIC LINE-OF-SIGHT MAGNETOGRAM");
  header.set("BUNIT", "Gauss");
  examples::set_pointing(header, p);
  header.set("RSUN_OBS", p.radius_arcsec, "[arcsec] apparent radius of the Sun");
  header.set("DSUN_OBS", hg::physics::astronomical_unit_m, "[m]");
  header.set("SEED", static_cast<std::int64_t>(common.seed), "of the random numbers");
  header.append_comment("Made up by super_resolution synthesize for demonstrations: network, bipolar");
  header.append_comment("active regions, foreshortening and noise, and no physics beyond that.");
  hg::io::write_fits(o.output, sun.gauss.data(), sun.size, sun.size, header, {.overwrite = common.overwrite});
  if (!o.png.empty())
    hg::io::write_png(
        o.png,
        hg::io::draw_figure({hg::io::make_panel("synthetic, " + std::to_string(sun.size) + " pixels", sun.gauss.data(),
                                                sun.size, sun.size, 1000, -300, 300, "G")},
                            {.title = "Synthetic magnetogram"}),
        {.overwrite = common.overwrite});
  if (!common.quiet)
    std::printf("%s  synthetic, %zu x %zu, seed %llu\n", o.output.c_str(), sun.size, sun.size,
                static_cast<unsigned long long>(common.seed));
  return examples::success;
}

}  // namespace super_resolution
