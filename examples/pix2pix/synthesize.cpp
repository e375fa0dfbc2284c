// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <numbers>
#include <optional>
#include <set>

#include <heliograd/core/random.hpp>
#include <heliograd/io/fits.hpp>
#include <heliograd/physics/map_grid.hpp>
#include <heliograd/physics/remap.hpp>
#include "commands.hpp"
#include "corona.hpp"
#include "new_set.hpp"
#include "pointing_cards.hpp"
#include "program.hpp"
#include "progress.hpp"
#include "rng_for.hpp"
#include "sources.hpp"
#include "units.hpp"

/// \file
/// Sets of synthetic pairs: real fields, and a made-up atmosphere over them (corona.hpp).
namespace pix2pix {

namespace hg = heliograd;
namespace fs = std::filesystem;
namespace ph = heliograd::physics;

namespace {

/// A real field to begin with.
struct Source {
  std::string path;
  std::string name;    ///< of the file
  std::string region;  ///< files of one region go into one split
  hg::io::FitsHeader header;
  Photosphere photosphere;           // of a patch
  std::optional<ph::MapGrid> map;    // of a synoptic map
  std::optional<ph::DiskView> disk;  // of a disk
  double latitude_rad = 0;           // of the observer, where known
};

enum class Scene { patch, disk };

/// Of a map of a region the columns that were not seen too obliquely: near the limb there is nothing in them but streaks.
void keep_seen_well(Image& field, ph::MapGrid const& grid, hg::io::FitsHeader const& header, std::string const& path) {
  ph::DiskView const view(ph::Pointing{}, ph::below_observer_from(header, path));
  std::size_t first = field.width, last = 0;
  for (std::size_t x = 0; x < field.width; ++x)
    if (view.image(grid.surface(double(x), 0.5 * double(field.height))).mu > 0.45)
      first = std::min(first, x), last = x + 1;
  field = first < last ? part(field, 0, first, field.height, last - first) : Image();
}

Source read_source(std::string const& path, Scene scene) {
  auto file = hg::io::read_fits<float>(path);
  Source s;
  s.path = path;
  s.name = fs::path(path).filename().string();
  s.header = file.header;
  auto const& h = file.header;
  std::string const unit = h.text("BUNIT").value_or("");
  if (!examples::may_be_gauss(unit))
    throw hg::InputError(path + ": is no magnetogram (found BUNIT '" + unit.substr(0, 30) +
                         "', expected Gauss or Mx/cm^2)");
  s.region = h.text("HARPNUM").value_or(s.name.substr(0, s.name.find('.')));
  float strongest = 0;
  for (float& b : file.pixels) {
    if (!(std::fabs(b) <= 20000)) b = 0;  // nothing on the Sun is stronger
    strongest = std::max(strongest, std::fabs(b));
  }
  if (!(strongest > 0)) throw hg::InputError(path + ": no pixel has a field; give another magnetogram");
  s.photosphere.field = Image(file.height, file.width, std::move(file.pixels));
  std::string const type = h.text("CTYPE1").value_or("");
  if (type.starts_with("CRLN")) {
    auto const grid = ph::map_grid_from(h, file.width, file.height, path);
    if (grid.goes_round()) {
      s.map = grid;
    } else {
      s.photosphere.pixel_mm = std::fabs(grid.longitude_step_rad) * ph::solar_radius_m / 1e6;
      keep_seen_well(s.photosphere.field, grid, h, path);
    }
  } else if (!type.empty()) {
    auto const pointing = ph::pointing_from(h, path);
    s.photosphere.pixel_mm = ph::solar_radius_m / 1e6 / pointing.radius_pixels();
    if (2 * pointing.radius_pixels() < 1.1 * double(std::min(file.width, file.height)))
      s.disk = ph::disk_view_from(h, path);
  }
  bool const whole = s.map || s.disk;
  if (scene == Scene::patch && whole)
    throw hg::InputError(path + ": shows the whole Sun; make disks of it with --scene disk");
  if (scene == Scene::disk && !whole)
    throw hg::InputError(path + ": is a part of the Sun; make patches of it with --scene patch");
  return s;
}

/// A square cut out of a field: turned, perhaps mirrored; beyond the border the field goes on as in a mirror.
struct Cut {
  double y = 0, x = 0;  ///< middle, in the field
  double cosine = 1, sine = 0;
  bool mirrored = false;
  double half = 0;  ///< of the side, less half a pixel
  double height = 1, width = 1;

  KOKKOS_FUNCTION static double folded(double at, double size) {
    double const period = 2 * size;
    at = Kokkos::fmod(at + 0.5, period);
    if (at < 0) at += period;
    return (at < size ? at : period - at) - 0.5;
  }
  KOKKOS_FUNCTION hg::Position operator()(std::size_t, std::size_t p, std::size_t q) const {
    double const dy = double(p) - half, dx = (double(q) - half) * (mirrored ? -1 : 1);
    return {folded(y + cosine * dy + sine * dx, height), folded(x - sine * dy + cosine * dx, width)};
  }
};

/// Adds the light of loops seen through `place(x, y, height_mm, px, py)`, which says where a piece is
/// seen and returns by how much its light counts: 0 if it is hidden.
template <class Place>
void add_loops(Image& image, std::vector<LoopPiece> const& pieces, Passband const& band, double scale,
               Place const& place) {
  auto const put = [&](double px, double py, double amount) {
    double const fx = std::floor(px), fy = std::floor(py);
    auto const x = std::ptrdiff_t(fx), y = std::ptrdiff_t(fy);
    double const u = px - fx, v = py - fy;
    for (int k = 0; k < 4; ++k) {
      std::ptrdiff_t const i = x + k % 2, j = y + k / 2;
      if (i < 0 || j < 0 || i >= std::ptrdiff_t(image.width) || j >= std::ptrdiff_t(image.height)) continue;
      image.at(std::size_t(j), std::size_t(i)) +=
          static_cast<float>(amount * (k % 2 ? u : 1 - u) * (k / 2 ? v : 1 - v));
    }
  };
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    LoopPiece const& p = pieces[i];
    double ax = 0, ay = 0, bx = 0, by = 0;
    double light = scale * band.loops * response(band, double(p.temperature_mk)) * double(p.emission);
    if (!(light > 1e-9)) continue;
    light *= place(p.x, p.y, p.height_mm, ax, ay);
    if (!(light > 0)) continue;
    int steps = 1;
    bool const goes_on = !p.last && i + 1 < pieces.size();
    if (goes_on && place(pieces[i + 1].x, pieces[i + 1].y, pieces[i + 1].height_mm, bx, by) > 0) {
      double const far = std::hypot(bx - ax, by - ay);
      if (far < 64) steps = std::max(1, int(std::ceil(far / 0.7)));
    }
    for (int k = 0; k < steps; ++k)
      put(ax + (bx - ax) * k / steps * (steps > 1), ay + (by - ay) * k / steps * (steps > 1), light / steps);
  }
}

hg::io::FitsHeader header_of(Source const& s, std::string const& channel, std::string const& time, std::size_t index,
                             std::uint64_t seed, std::string const& recipe) {
  hg::io::FitsHeader h;
  h.set("TELESCOP", "synthetic", "no instrument has seen this");
  h.set("CONTENT", channel == "hmi" ? "REAL FIELD, CUT AND TURNED" : "SYNTHETIC " + channel);
  h.set("CHANNEL", channel, "seen as by");
  h.set("DATE-OBS", time, "made up: a number");
  h.set("BUNIT", channel == "hmi" ? "Gauss" : channel == "drawing" ? "" : "DN/s");
  h.set("PARENT", s.name, "whose field it is");
  h.set("SEED", static_cast<std::int64_t>(seed), "of the random numbers");
  h.set("PAIR", index);
  h.set("RECIPE", recipe, "what else decides what it is");
  return h;
}

/// Whether all images of a line of pairs.csv are there.
/// Throws   OutputError if they are, but made otherwise.
bool is_made(std::string const& folder, std::vector<std::string> const& line,
             std::vector<hg::io::FitsHeader> const& headers) {
  for (std::size_t c = 0; c < headers.size(); ++c) {
    std::string const path = folder + "/" + line[c + 2];
    if (!fs::exists(path)) return false;
    hg::io::FitsReader const found(path);
    for (char const* const key : {"PARENT", "SEED", "RECIPE"})
      if (found.header().text(key) != headers[c].text(key))
        throw hg::OutputError(path + ": was made otherwise (found " + key + " '" +
                              found.header().text(key).value_or("none").substr(0, 60) + "', expected '" +
                              headers[c].text(key).value_or("none").substr(0, 60) +
                              "'); resume with the options the set was begun with, or take another folder");
  }
  return true;
}

/// The channels of one pair.
using Images = std::vector<Image>;

Images make_patch(HostSpace& ws, Source const& s, std::vector<std::string> const& channels, SynthesizeOptions const& o,
                  hg::Rng& rng, double west_from, double west_to, std::vector<hg::io::FitsHeader>& headers) {
  std::size_t const margin = std::max<std::size_t>(16, o.side / 6), whole = o.side + 2 * margin;
  Image const field = o.bin > 1 ? binned(s.photosphere.field, o.bin) : s.photosphere.field;
  double const mm = s.photosphere.pixel_mm * double(o.bin);
  auto const between = [&](double from, double to, double size) {  // a middle from which the square fits, if it can
    double const half = 0.5 * double(o.side);
    double const low = from * size + half, high = to * size - half;
    return low < high ? rng.uniform(low, high) : 0.5 * (from + to) * size;
  };
  // Of a few places the one with the most flux, half of the time: quiet ones are common anyway.
  Cut cut;
  cut.height = double(field.height), cut.width = double(field.width), cut.half = 0.5 * (double(whole) - 1);
  Image patch;
  double most = -1;
  int const tries = rng.coin() ? 3 : 1;
  double const quarter = double(rng.below(4)), turn = quarter * std::numbers::pi / 2 + rng.normal() * 0.15;
  cut.cosine = std::cos(turn), cut.sine = std::sin(turn), cut.mirrored = rng.coin();
  for (int k = 0; k < tries; ++k) {
    Cut here = cut;
    here.y = between(0, 1, cut.height), here.x = between(west_from, west_to, cut.width);
    Image const found = sampled(ws, field, here, whole, whole);
    double flux = 0;
    for (float const b : found.pixels) flux += std::fabs(double(b));
    if (flux > most) most = flux, patch = found, cut = here;
  }
  // Older or younger: dispersed and weaker, or stronger; and the other polarity.
  double const age = rng.uniform();
  if (age > 0.4) patch = smoothed(ws, patch, 0.9 * (age - 0.4) / 0.6 + 0.2);
  double const factor = (rng.coin() ? 1 : -1) * rng.uniform(0.85, 1.15);
  for (float& b : patch.pixels) b = static_cast<float>(factor * double(b));

  Photosphere const photosphere{patch, mm};
  std::uint64_t const seed = rng.below(std::uint64_t{1} << 62);
  CoronaOptions corona{.seed = seed};
  if (o.steady) corona.pixels_per_loop /= 8, corona.spread = 0;
  auto const pieces = loops_over(ws, photosphere, corona);
  double const tilt = rng.uniform(0, 0.4) * !o.steady,
               bearing = rng.uniform(0, 2 * std::numbers::pi);  // tangent of the view's angle
  double const tilt_x = tilt * std::cos(bearing) / mm, tilt_y = tilt * std::sin(bearing) / mm;
  Images images;
  for (std::size_t c = 0; c < channels.size(); ++c) {
    if (channels[c] == "hmi") {
      images.push_back(patch);
    } else if (channels[c] == "drawing") {
      images.push_back(drawn_spots(ws, photosphere, seed + 1));
    } else {
      Passband const& band = *passband_of(channels[c]);
      Image light = lower_atmosphere(ws, photosphere, band);
      add_loops(light, pieces, band, 1, [&](float x, float y, float height, double& px, double& py) {
        px = double(x) + tilt_x * double(height), py = double(y) + tilt_y * double(height);
        return 1.0;
      });
      images.push_back(observed(ws, light, mm, seed + 2 + c));
    }
    images.back() = part(images.back(), margin, margin, o.side, o.side);
    headers[c].set("PIXEL_MM", mm, "[Mm] side of a pixel on the Sun");
    headers[c].set("MIDDLE_X", cut.x * double(o.bin), "[pix] in the parent");
    headers[c].set("MIDDLE_Y", cut.y * double(o.bin), "[pix]");
    headers[c].set("TURN", turn * 180 / std::numbers::pi, "[deg]");
    headers[c].set("MIRRORED", cut.mirrored);
    headers[c].set("FACTOR", factor, "what the field was multiplied by");
  }
  return images;
}

Images make_disk(HostSpace& ws, Source const& s, std::vector<std::string> const& channels, SynthesizeOptions const& o,
                 hg::Rng& rng, std::vector<hg::io::FitsHeader>& headers) {
  double const side = double(o.side), radius = o.disk_radius > 0 ? o.disk_radius : side * 392 / 1024;
  ph::Pointing pointing;
  pointing.center_x = pointing.center_y = 0.5 * (side - 1);
  pointing.xx = pointing.yy = pointing.radius_arcsec / radius;
  // The observer: anywhere along a map; before a disk a little later or earlier, the Sun turned differentially.
  double const days = s.map ? 0 : rng.uniform(-2, 2);
  ph::SurfacePoint below{rng.uniform(0, 2 * ph::pi), rng.uniform(-7.25, 7.25) * ph::degree};
  if (s.disk) below = s.disk->below_observer();
  bool const turned = rng.coin(), north_south = rng.coin();
  ph::SurfacePoint const seen_from{below.longitude_rad, (s.disk && north_south ? -1 : 1) * below.latitude_rad};
  ph::DiskView const view(pointing, seen_from, ph::Projection::orthographic);

  // The radial field on a map, its middle below the observer.
  double const step = std::clamp(57.3 / radius, 0.2, 0.5) * ph::degree;
  double const across = s.map ? 2 * ph::pi : ph::pi;
  ph::MapGrid grid;
  grid.projection = ph::MapProjection::plate_carree;
  grid.width = std::size_t(std::lround(across / step));
  grid.height = std::size_t(std::lround(ph::pi / step));
  grid.longitude_step_rad = across / double(grid.width);
  grid.row_step = ph::pi / double(grid.height);
  grid.longitude_rad = below.longitude_rad - 0.5 * across + 0.5 * grid.longitude_step_rad;
  grid.row = -0.5 * ph::pi + 0.5 * grid.row_step;
  auto const rotation = ph::howard_rotation();
  double const elapsed = days * ph::day_s;
  Photosphere photosphere{{}, step * ph::solar_radius_m / 1e6};
  if (s.map) {
    photosphere.field = sampled(ws, s.photosphere.field, ph::SurfaceMap<ph::MapGrid, ph::MapGrid>{*s.map, grid},
                                grid.height, grid.width);
  } else {
    Image radial = s.photosphere.field;
    for (std::size_t i = 0; i < radial.pixels.size(); ++i) {
      double const mu = s.disk->mu(double(i % radial.width), double(i / radial.width));
      radial.pixels[i] = mu > 0.1 ? static_cast<float>(double(radial.pixels[i]) / std::max(mu, 0.3)) : 0.f;
    }
    photosphere.field = sampled(ws, radial, ph::SurfaceMap<ph::DiskView, ph::MapGrid>{*s.disk, grid, rotation, elapsed},
                                grid.height, grid.width);
  }
  double const factor = (turned ? -1 : 1) * rng.uniform(0.85, 1.15);
  for (float& b : photosphere.field.pixels) b = static_cast<float>(factor * double(b));
  if (north_south)
    for (std::size_t y = 0; y < grid.height / 2; ++y)
      std::swap_ranges(photosphere.field.pixels.begin() + std::ptrdiff_t(y * grid.width),
                       photosphere.field.pixels.begin() + std::ptrdiff_t((y + 1) * grid.width),
                       photosphere.field.pixels.begin() + std::ptrdiff_t((grid.height - 1 - y) * grid.width));

  std::uint64_t const seed = rng.below(std::uint64_t{1} << 62);
  auto const pieces =
      loops_over(ws, photosphere,
                 {.seed = seed, .pixels_per_loop = double(photosphere.field.pixels.size()) / 9000, .coarse_side = 300});
  double const mm = ph::solar_radius_m / 1e6 / radius;
  double const area = (photosphere.pixel_mm / mm) * (photosphere.pixel_mm / mm);
  double const sb = std::sin(seen_from.latitude_rad), cb = std::cos(seen_from.latitude_rad);
  auto const place = [&](float x, float y, float height, double& px, double& py) {
    auto const at = grid.surface(double(x), double(y));
    double const c = std::cos(at.latitude_rad), sine = std::sin(at.latitude_rad);
    double const angle = at.longitude_rad - below.longitude_rad;
    double const r = 1 + double(height) * 1e6 / ph::solar_radius_m;
    double const west = r * c * std::sin(angle), out = r * c * std::cos(angle), up = r * sine;
    double const north = up * cb - out * sb, near = up * sb + out * cb;
    if (near < 0 && west * west + north * north < 1) return 0.0;  // behind the Sun
    px = pointing.center_x + radius * west, py = pointing.center_y + radius * north;
    return std::isfinite(px) && std::isfinite(py) ? c : 0.0;  // pixels of the map are smaller towards the poles
  };
  hg::RandomStream const noise = rng.fork();
  ph::SurfaceMap<ph::MapGrid, ph::DiskView> const to_disk{grid, view};
  Images images;
  for (std::size_t c = 0; c < channels.size(); ++c) {
    if (channels[c] == "hmi") {
      Image los = sampled(ws, photosphere.field, to_disk, o.side, o.side);
      for (std::size_t i = 0; i < los.pixels.size(); ++i) {
        double const mu = view.mu(double(i % o.side), double(i / o.side));
        los.pixels[i] = mu > 0 ? static_cast<float>(double(los.pixels[i]) * mu + 4 * noise.normal<double>(i)) : 0.f;
      }
      images.push_back(los);
    } else if (channels[c] == "drawing") {
      Image ink = sampled(ws, drawn_spots(ws, photosphere, seed + 1), to_disk, o.side, o.side);
      for (std::size_t i = 0; i < ink.pixels.size(); ++i) {
        double const r = view.pointing().radius(double(i % o.side), double(i / o.side));
        double const line = std::exp(-0.5 * std::pow((r - 1) * radius / 0.8, 2));
        ink.pixels[i] =
            static_cast<float>(std::clamp(std::max(r < 1 ? double(ink.pixels[i]) : 0.01, 0.7 * line), 0.0, 1.0));
      }
      images.push_back(ink);
    } else {
      Passband const& band = *passband_of(channels[c]);
      Image light = sampled(ws, lower_atmosphere(ws, photosphere, band), to_disk, o.side, o.side);
      // Towards the limb darker, or brighter where it is thin; above it what is in hydrostatic balance.
      double const scale_height = 0.05 * std::max(0.4, band.peak_mk[0]);  // solar radii
      for (std::size_t i = 0; i < light.pixels.size(); ++i) {
        double const x = double(i % o.side), y = double(i / o.side);
        double const mu = view.mu(x, y), r = view.pointing().radius(x, y);
        double const thin = band.limb_darkening < 0 ? std::pow(std::max(mu, 0.15), band.limb_darkening * 0.6)
                                                    : 1 - band.limb_darkening * (1 - mu);
        if (mu > 0)
          light.pixels[i] = static_cast<float>(double(light.pixels[i]) * thin);
        else
          light.pixels[i] =
              band.limb_darkening < 0 ? static_cast<float>(band.quiet * 1.2 * std::exp(-(r - 1) / scale_height)) : 0.f;
      }
      add_loops(light, pieces, band, area, place);
      images.push_back(observed(ws, light, mm, seed + 2 + c));
    }
    auto& h = headers[c];
    examples::set_pointing(h, pointing);
    h.set("RSUN_OBS", pointing.radius_arcsec);
    h.set("CRLN_OBS", std::fmod(below.longitude_rad / ph::degree + 720, 360), "[deg]");
    h.set("CRLT_OBS", seen_from.latitude_rad / ph::degree, "[deg]");
    h.set("EVOLVED", days, "[d] of differential rotation");
    h.set("MIRRORED", north_south, "north and south");
    h.set("FACTOR", factor, "what the field was multiplied by");
  }
  return images;
}

}  // namespace

int synthesize(SynthesizeOptions const& o, CommonOptions const& common) {
  std::vector<std::string> channels =
      o.channels.empty() ? std::vector<std::string>{"hmi", "aia171", "aia193", "aia304"} : o.channels;
  for (std::string const& channel : channels)
    if (channel != "hmi" && channel != "drawing" && passband_of(channel) == nullptr)
      throw hg::UsageError("--channels: '" + channel.substr(0, 30) +
                           "' is none that can be made; hmi, drawing, aia94 to aia1700");
  if (std::set<std::string>(channels.begin(), channels.end()).size() != channels.size())
    throw hg::UsageError("--channels: each once");
  auto const originals = fits_files(o.inputs);
  examples::OutputFolders folders;
  open_set(folders, o.out, originals, o.resume, common.overwrite);

  Scene const scene = o.scene == "disk" ? Scene::disk : Scene::patch;
  std::vector<Source> sources;
  for (std::string const& path : originals) {
    Source s = read_source(path, scene);
    auto const& field = s.photosphere.field;
    // Much smaller ones would consist of their own mirror images.
    if (scene == Scene::disk || double(std::min(field.height, field.width) / o.bin) >= 0.7 * double(o.side)) {
      sources.push_back(std::move(s));
    } else if (!common.quiet) {
      std::fprintf(stderr,
                   "%s: warning: %s: has %zu x %zu pixels seen well, too few for a side of %zu, and is left out\n",
                   program, examples::one_line(path).c_str(), field.width / o.bin, field.height / o.bin, o.side);
    }
  }
  if (sources.empty())
    throw hg::InputError("the inputs hold no magnetogram large enough; give FITS files or folders of them");

  // Files of one region into one split, so that nothing of the test was seen in training.
  std::vector<std::string> regions;
  for (Source const& s : sources) regions.push_back(s.region);
  std::sort(regions.begin(), regions.end());
  regions.erase(std::unique(regions.begin(), regions.end()), regions.end());
  std::size_t const n = regions.size();
  char const* const names[] = {"train", "validation", "test"};
  double const shares[] = {0.76, 0.10, 0.14};
  bool const by_place = n < 3;  // too few: parts of the same field instead
  auto const split_of = [&](Source const& s) {
    auto const g = std::size_t(std::find(regions.begin(), regions.end(), s.region) - regions.begin());
    if (n < 5) return g + 1 == n ? 2 : g + 2 == n ? 1 : 0;
    return g % 5 == 4 ? 2 : g % 5 == 3 ? 1 : 0;
  };
  if (by_place && !common.quiet)
    std::fprintf(stderr, "%s: warning: the splits are of %s region%s, %s; with three or more they would be apart\n",
                 program, n == 1 ? "one" : "two", n == 1 ? "" : "s",
                 scene == Scene::patch ? "parts of each from east to west" : "drawn from the same Sun");

  // What decides, beside seed and number, what a pair is.
  char recipe[120];
  std::snprintf(recipe, sizeof recipe, "%s %zu, bin %zu, radius %.6g, %zu pairs%s of %zu fields", o.scene.c_str(),
                o.side, o.bin, o.disk_radius, o.count, o.steady ? ", steady" : "", sources.size());
  examples::Progress progress("synthetic pair", o.count, common.quiet);
  ContactSheet sheet(o.count);
  HostSpace ws;
  std::vector<std::vector<std::string>> lines;
  for (std::string const& channel : channels) folders.make(o.out + "/" + channel);
  double const first = *ph::julian_date_from("2000-01-01");
  std::size_t kept = 0;
  for (std::size_t k = 0; k < o.count; ++k) {
    if (examples::signals::pending() != 0) {  // what is done is in the set, and --resume goes on
      if (!lines.empty()) write_pairs(o.out, channels, lines);
      examples::signals::check();
    }
    // Which split: as far along the shares as k along the count.
    double const at = (double(k) + 0.5) / double(o.count);
    int const split = at < shares[0] ? 0 : at < shares[0] + shares[1] ? 1 : 2;
    hg::Rng rng = examples::rng_for(common.seed, 77, k);  // each pair by itself: more of them leave these as they are
    std::vector<std::size_t> eligible;
    std::vector<double> below;
    double total = 0;
    for (std::size_t i = 0; i < sources.size(); ++i)
      if (by_place || split_of(sources[i]) == split) {
        eligible.push_back(i);
        Image const& f = sources[i].photosphere.field;
        below.push_back(total += scene == Scene::disk ? 1.0 : std::sqrt(double(f.pixels.size())));
      }
    auto const pick = std::size_t(std::lower_bound(below.begin(), below.end(), rng.uniform() * total) - below.begin());
    Source const& s = sources[eligible[std::min(pick, eligible.size() - 1)]];
    std::string const time = ph::date_text(first + double(k) / 24).substr(0, 19);
    std::vector<hg::io::FitsHeader> headers;
    for (std::string const& channel : channels) headers.push_back(header_of(s, channel, time, k, common.seed, recipe));
    std::vector<std::string> line{names[split], time};
    char name[40];
    std::snprintf(name, sizeof name, "%06zu.fits", k);
    for (std::string const& channel : channels) line.push_back(channel + "/" + name);
    if (o.resume && is_made(o.out, line, headers)) {
      lines.push_back(line);
      ++kept;
      for (std::size_t c = 0; sheet.wants(k) && c < channels.size(); ++c) {
        auto const image = hg::io::read_fits<float>(o.out + "/" + line[c + 2]);
        sheet.add(channels[c], line[0] + " " + std::to_string(k), Image(image.height, image.width, image.pixels));
      }
      continue;
    }
    double const west[] = {0, shares[0], shares[0] + shares[1], 1};
    Images const images = scene == Scene::disk ? make_disk(ws, s, channels, o, rng, headers)
                                               : make_patch(ws, s, channels, o, rng, by_place ? west[split] : 0,
                                                            by_place ? west[split + 1] : 1, headers);
    for (std::size_t c = 0; c < channels.size(); ++c) {
      headers[c].append_history("synthetic pair made by heliograd's pix2pix synthesize");
      hg::io::write_fits(o.out + "/" + line[c + 2], images[c].pixels.data(), images[c].width, images[c].height,
                         headers[c], {.overwrite = common.overwrite || o.resume});
      if (sheet.wants(k)) sheet.add(channels[c], line[0] + " " + std::to_string(k), images[c]);
    }
    lines.push_back(line);
    progress.update(k + 1);
  }
  progress.clear();
  write_pairs(o.out, channels, lines);
  sheet.write(o.out + "/contact.png", "Synthetic pairs from " + std::to_string(sources.size()) + " real fields",
              "hmi is real, cut and turned; all else is made up", channels.size());
  if (!common.quiet)
    std::printf(
        "%s: %zu synthetic pairs of %zu channels, %zu x %zu pixels, from %zu fields of %zu regions, seed %llu\n",
        o.out.c_str(), o.count, channels.size(), o.side, o.side, sources.size(), n,
        static_cast<unsigned long long>(common.seed));
  if (!common.quiet && kept > 0) std::printf("%zu of them were there\n", kept);
  return examples::success;
}

}  // namespace pix2pix
