// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <map>
#include <optional>
#include <tuple>

#include <heliograd/io/fits.hpp>
#include <heliograd/io/png.hpp>
#include <heliograd/physics/map_grid.hpp>
#include <heliograd/physics/remap.hpp>
#include "commands.hpp"
#include "drawing.hpp"
#include "level15.hpp"
#include "new_set.hpp"
#include "pairs.hpp"
#include "pointing_cards.hpp"
#include "program.hpp"
#include "progress.hpp"
#include "sources.hpp"

/// \file
/// From images as archives give them to a set: one unit, one size, one place of the disk, north up, paired by time.
namespace pix2pix {

namespace hg = heliograd;
namespace fs = std::filesystem;
namespace ph = heliograd::physics;

namespace {

/// One image of the set.
struct Prepared {
  std::string channel, cell;
  double julian_date = 0;
};

/// A stretch of time: from the beginning of one month to the end of another, or a month of any year.
struct Period {
  int first = 0, last = 0;  ///< months counted from year 0; or 1 to 12 of any year
  bool any_year = false;
  bool holds(int year, int month) const {
    int const at = any_year ? month : 12 * year + month - 1;
    return at >= first && at <= last;
  }
};

/// 2017-01..2017-06, 2017-01, 2017 or 9.
Period period_from(std::string const& text) {
  auto const month = [&](std::string const& word, bool end) -> std::optional<int> {
    int y = 0, m = 0;
    char rest = 0;
    if (std::sscanf(word.c_str(), "%4d-%2d%c", &y, &m, &rest) == 2 && y >= 1600 && m >= 1 && m <= 12)
      return 12 * y + m - 1;
    if (std::sscanf(word.c_str(), "%4d%c", &y, &rest) == 1 && y >= 1600 && y < 3000) return 12 * y + (end ? 11 : 0);
    return std::nullopt;
  };
  auto const dots = text.find("..");
  std::optional<int> from, to;
  if (dots != std::string::npos) {
    from = month(text.substr(0, dots), false), to = month(text.substr(dots + 2), true);
  } else {
    int m = 0;
    char rest = 0;
    if (std::sscanf(text.c_str(), "%2d%c", &m, &rest) == 1 && m >= 1 && m <= 12) return {m, m, true};
    from = month(text, false), to = month(text, true);
  }
  if (!from || !to || *from > *to)
    throw hg::UsageError("'" + text.substr(0, 30) +
                         "' is no period (expected 2017-01..2017-06, 2017-01, 2017, or 9 for every September)");
  return {*from, *to, false};
}

struct Splits {
  std::vector<Period> validation, test;
  std::string of(double julian_date) const {
    int year = 0, month = 0;
    std::sscanf(ph::date_text(julian_date).c_str(), "%d-%d", &year, &month);
    auto const in = [&](std::vector<Period> const& periods) {
      return std::any_of(periods.begin(), periods.end(), [&](Period const& p) { return p.holds(year, month); });
    };
    return in(test) ? "test" : in(validation) ? "validation" : "train";
  }
};

/// What the papers take for validation and test; where one names no validation, the month before a test month.
Splits splits_of(System const& system, PrepareOptions const& o) {
  std::vector<std::string> validation, test;
  if (system.preset.starts_with("park2019") || system.preset == "lim2021")
    validation = {"2017-01..2017-06"}, test = {"2017-07..2017-12"};
  else if (system.preset == "aisfm1")
    validation = {"8"}, test = {"9", "10"};
  else if (system.preset.starts_with("sun2023"))
    validation = {"9"}, test = {"10", "11", "12"};
  else
    validation = {"5", "11"}, test = {"6", "12"};
  Splits splits;
  for (std::string const& text : o.validation.empty() ? validation : o.validation)
    if (text != "none") splits.validation.push_back(period_from(text));
  for (std::string const& text : o.test.empty() ? test : o.test)
    if (text != "none") splits.test.push_back(period_from(text));
  return splits;
}

std::string stamp_of(double julian_date) {
  std::string const text = ph::date_text(julian_date);  // 2011-02-15T00:00:27.340
  return text.substr(0, 4) + text.substr(5, 2) + text.substr(8, 2) + "_" + text.substr(11, 2) + text.substr(14, 2) +
         text.substr(17, 2);
}

/// Cards that speak of the pixels of the original.
void forget_geometry(hg::io::FitsHeader& header) {
  header.erase_if([](std::string_view key) {
    for (std::string_view const start :
         {"PC1_", "PC2_", "CD1_", "CD2_", "CROTA", "CRPIX", "CRVAL", "CDELT", "CTYPE", "CUNIT", "LTV", "LTM"})
      if (key.starts_with(start)) return true;
    for (std::string_view const name :
         {"X0", "Y0", "XCEN", "YCEN", "IM_SCALE", "FD_SCALE", "XSCALE", "YSCALE", "R_SUN", "SOLAR_R", "CROP_RAD",
          "SC_ROLL", "P_ANGLE", "WCSAXES", "LONPOLE", "LATPOLE", "RADIUS"})
      if (key == name) return true;
    return false;
  });
}

double share_with_values(Image const& image, ph::Pointing const* disk) {
  std::size_t inside = 0, values = 0;
  for (std::size_t i = 0; i < image.pixels.size(); ++i) {
    if (disk && !(disk->radius(double(i % image.width), double(i / image.width)) < 0.99)) continue;
    ++inside;
    values += std::isfinite(image.pixels[i]);
  }
  return inside > 0 ? double(values) / double(inside) : 0;
}

/// What is done to every image.
struct Frame {
  std::size_t side = 1024;
  double disk_radius = 392;  ///< 0: heliographic
  std::size_t samples = 1;
  double least_share = 0.98;
  double mask = 0;
  std::string recipe;  ///< as text: two images with the same were prepared alike
};

constexpr std::size_t map_width = 900, map_height = 800;  // 0.1 degrees: 45 degrees east and west, 40 north and south

struct Framed {
  Image image;
  hg::io::FitsHeader header;
};

/// A disk brought to the frame of the set.
Framed framed(HostSpace& ws, Image const& image, hg::io::FitsHeader header, ph::Pointing const& pointing, bool field,
              Frame const& frame, std::string const& file) {
  Framed result;
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  if (frame.disk_radius > 0) {
    auto const to =
        ph::north_up(frame.side, frame.side, pointing.radius_arcsec / frame.disk_radius, pointing.radius_arcsec);
    auto const fine = frame.samples > 1 ? to.magnified(double(frame.samples)) : to;
    std::size_t const fine_side = frame.side * frame.samples;
    result.image = sampled(ws, image, ph::disk_to_disk(pointing, fine), fine_side, fine_side,
                           {.method = hg::Interpolation::bilinear, .fill = nan});
    if (frame.samples > 1) result.image = binned(result.image, frame.samples);
    if (double const share = share_with_values(result.image, &to); share < frame.least_share) {
      char text[40];
      std::snprintf(text, sizeof text, "%.1f %%", 100 * share);
      throw hg::InputError(file + ": shows too little of the disk (found " + text + ", expected " +
                           std::to_string(std::lround(100 * frame.least_share)) +
                           " %); take a full-disk image, or allow for it with --coverage");
    }
    double const edge = field ? 1.0 : frame.mask;  // beyond the limb there is no field
    if (edge > 0)
      for (std::size_t i = 0; i < result.image.pixels.size(); ++i)
        if (!(to.radius(double(i % frame.side), double(i / frame.side)) < edge)) result.image.pixels[i] = float(nan);
    forget_geometry(header);
    examples::set_pointing(header, to);
    header.set("RSUN_OBS", pointing.radius_arcsec, "[arcsec] apparent radius of the Sun");
    header.set("R_SUN", frame.disk_radius, "[pix] radius of the disk");
  } else {
    ph::DiskView const view(pointing, ph::below_observer_from(header, file));
    ph::MapGrid grid;
    grid.projection = ph::MapProjection::plate_carree;
    grid.width = map_width, grid.height = map_height;
    grid.longitude_step_rad = grid.row_step = 0.1 * ph::degree;
    double const middle = view.below_observer().longitude_rad;
    grid.longitude_rad = middle - 0.5 * double(map_width - 1) * grid.longitude_step_rad;
    grid.row = -0.5 * double(map_height - 1) * grid.row_step;
    result.image = sampled(ws, image, ph::SurfaceMap<ph::DiskView, ph::MapGrid>{view, grid}, map_height, map_width,
                           {.method = hg::Interpolation::pchip, .fill = nan});
    if (double const share = share_with_values(result.image, nullptr); share < frame.least_share) {
      char text[40];
      std::snprintf(text, sizeof text, "%.1f %%", 100 * share);
      throw hg::InputError(
          file + ": shows too little of the region within 45 degrees of longitude and 40 of latitude (found " + text +
          ", expected " + std::to_string(std::lround(100 * frame.least_share)) +
          " %); take a full-disk image, or allow for it with --coverage");
    }
    forget_geometry(header);
    header.set("CTYPE1", "CRLN-CAR");
    header.set("CTYPE2", "CRLT-CAR");
    header.set("CUNIT1", "deg");
    header.set("CUNIT2", "deg");
    header.set("CRPIX1", 0.5 * double(map_width + 1));
    header.set("CRPIX2", 0.5 * double(map_height + 1));
    header.set("CRVAL1", std::fmod(middle / ph::degree + 720, 360), "[deg] Carrington longitude of the middle");
    header.set("CRVAL2", 0.0);
    header.set("CDELT1", 0.1);
    header.set("CDELT2", 0.1);
  }
  result.header = std::move(header);
  return result;
}

bool is_png(std::string const& file) { return file.ends_with(".png") || file.ends_with(".PNG"); }

/// A FITS file that says it is a drawing.
bool is_drawing(hg::io::FitsHeader const& header) {
  std::string content = header.text("CONTENT").value_or("") + header.text("INSTRUME").value_or("");
  std::transform(content.begin(), content.end(), content.begin(), [](unsigned char c) { return std::tolower(c); });
  return content.find("drawing") != std::string::npos;
}

struct DrawingFile {
  Image ink;
  hg::io::FitsHeader header;
  ph::Pointing pointing;
  double julian_date = 0;
  std::string done;
};

DrawingFile load_drawing(HostSpace& ws, std::string const& file, PrepareOptions const& o) {
  Image light;
  DrawingFile result;
  std::optional<double> time;
  if (is_png(file)) {
    auto scan = hg::io::read_png(file);
    light = Image(scan.height, scan.width, std::move(scan.pixels));
  } else {
    auto read = hg::io::read_fits<float>(file);
    time = ph::julian_date_of(read.header);
    result.header = read.header;
    light = Image(read.height, read.width, std::move(read.pixels));
    auto const [low, high] = std::minmax_element(light.pixels.begin(), light.pixels.end());
    float const from = *low, to = *high;
    if (!(to > from))
      throw hg::InputError(file + ": is blank, or has pixels without a value; give a scan of a drawing");
    for (float& v : light.pixels) v = (v - from) / (to - from);
  }
  if (!time) time = time_in_name(file);
  if (!time)
    throw hg::InputError(file + ": nobody knows when it was drawn; name it like drawing_20110215_1630.png" +
                         (is_png(file) ? "" : ", or give it a DATE-OBS"));
  DrawingOptions options;
  options.light_ink = o.light_ink;
  options.mirrored = o.mirrored;
  if (o.north == "celestial")
    options.north_deg = ph::sun_from_earth(*time).north_angle_rad / ph::degree;
  else if (o.north != "drawn")
    options.north_deg = std::stod(o.north);
  if (!o.disk.empty()) {
    ph::Pointing disk;
    disk.center_x = o.disk[0], disk.center_y = o.disk[1];
    disk.xx = disk.yy = disk.radius_arcsec / o.disk[2];
    options.disk = disk;
  }
  Drawing drawing = read_drawing(ws, light, options, file);
  result.ink = std::move(drawing.ink);
  result.pointing = drawing.pointing;
  result.julian_date = *time;
  auto const earth = ph::sun_from_earth(*time);
  result.header.set("CONTENT", "DRAWING", "ink: 0 paper, 1 ink");
  result.header.set("DATE-OBS", ph::date_text(*time).substr(0, 19), "UTC");
  result.header.set("CRLN_OBS", earth.longitude_rad / ph::degree, "[deg] as from the Earth");
  result.header.set("CRLT_OBS", earth.latitude_rad / ph::degree, "[deg]");
  result.header.set("LIMBSHAR", drawing.limb_share, "share of directions in which the limb shows");
  result.header.set("LIMBRMS", drawing.limb_rms, "[pix] of the scan");
  result.header.set("SCANROT", drawing.pointing.rotation_rad() / ph::degree, "[deg] CROTA2 of the scan");
  char text[120];
  std::snprintf(text, sizeof text, "paper flattened, limb at (%.2f, %.2f) of radius %.2f pixels",
                drawing.pointing.center_x, drawing.pointing.center_y, drawing.pointing.radius_pixels());
  result.done = text;
  return result;
}

/// Rows of pairs.csv: images of other channels join the image of the anchor that is nearest in time; what is left joins among
/// itself.
std::vector<std::vector<std::string>> paired(std::vector<Prepared> images, std::vector<std::string> const& channels,
                                             std::string const& anchor, double tolerance_days, Splits const& splits) {
  std::sort(images.begin(), images.end(), [](Prepared const& a, Prepared const& b) {
    return std::tie(a.julian_date, a.channel, a.cell) < std::tie(b.julian_date, b.channel, b.cell);
  });
  struct Row {
    double time;
    std::map<std::string, std::pair<double, std::string>> cells;  // distance, path
  };
  std::vector<Row> rows;
  std::vector<Prepared> rest;
  for (Prepared const& image : images) {
    if (image.channel == anchor)
      rows.push_back({image.julian_date, {{anchor, {0, image.cell}}}});
    else
      rest.push_back(image);
  }
  std::size_t const anchored = rows.size();
  // The nearest first, each image once and one of a channel in each row.
  struct Match {
    double distance;
    std::size_t row, image;
  };
  std::vector<Match> matches;
  for (std::size_t i = 0; i < rest.size(); ++i) {
    auto const at = std::lower_bound(rows.begin(), rows.end(), rest[i].julian_date - tolerance_days,
                                     [](Row const& row, double t) { return row.time < t; });
    for (auto r = at; r != rows.end() && r->time <= rest[i].julian_date + tolerance_days; ++r)
      matches.push_back({std::fabs(r->time - rest[i].julian_date), std::size_t(r - rows.begin()), i});
  }
  std::stable_sort(matches.begin(), matches.end(),
                   [](Match const& a, Match const& b) { return a.distance < b.distance; });
  std::vector<bool> taken(rest.size(), false);
  for (Match const& m : matches) {
    auto& cells = rows[m.row].cells;
    if (taken[m.image] || cells.contains(rest[m.image].channel)) continue;
    cells[rest[m.image].channel] = {m.distance, rest[m.image].cell};
    taken[m.image] = true;
  }
  for (std::size_t i = 0; i < rest.size(); ++i) {
    if (taken[i]) continue;
    bool joined = false;
    for (std::size_t r = anchored; r < rows.size() && !joined; ++r)
      if (std::fabs(rows[r].time - rest[i].julian_date) <= tolerance_days && !rows[r].cells.contains(rest[i].channel)) {
        rows[r].cells[rest[i].channel] = {0, rest[i].cell};
        joined = true;
      }
    if (!joined) rows.push_back({rest[i].julian_date, {{rest[i].channel, {0, rest[i].cell}}}});
  }
  std::stable_sort(rows.begin(), rows.end(), [](Row const& a, Row const& b) { return a.time < b.time; });
  std::vector<std::vector<std::string>> lines;
  for (Row const& row : rows) {
    std::vector<std::string> line{splits.of(row.time), ph::date_text(row.time).substr(0, 19)};
    for (std::string const& channel : channels) {
      auto const cell = row.cells.find(channel);
      line.push_back(cell == row.cells.end() ? "" : cell->second.second);
    }
    lines.push_back(line);
  }
  return lines;
}

}  // namespace

int prepare(PrepareOptions const& o, CommonOptions const& common) {
  System const system = system_of(o.system);
  Splits const splits = splits_of(system, o);
  if (!o.disk.empty() && (o.disk.size() != 3 || !(o.disk[2] > 1)))
    throw hg::UsageError("--disk takes X Y RADIUS in pixels");
  if (o.north != "drawn" && o.north != "celestial") {
    char* end = nullptr;
    double const angle = std::strtod(o.north.c_str(), &end);
    if (o.north.empty() || *end != 0 || !(std::fabs(angle) <= 360))
      throw hg::UsageError("--north is drawn, celestial, or degrees (found '" + o.north.substr(0, 30) + "')");
  }
  Degradation const degradation = o.degradation.empty() ? Degradation() : Degradation(o.degradation);
  auto const files = files_among(o.inputs, {".fits", ".fts", ".fit", ".fits.gz", ".fits.fz", ".png"});
  if (files.empty()) throw hg::InputError(o.inputs.front() + ": holds no FITS file and no PNG of a drawing");
  bool const resume = o.resume;
  examples::OutputFolders folders;
  open_set(folders, o.out, files, resume, common.overwrite);

  Frame frame;
  frame.side = std::size_t(system.preparation.side);
  frame.disk_radius = system.preparation.disk_radius;
  frame.samples = o.samples;
  frame.least_share = o.coverage;
  frame.mask = o.mask;
  char recipe[120];
  if (frame.disk_radius > 0)
    std::snprintf(recipe, sizeof recipe, "disk %.6g of %zu, samples %zu, mask %.4g", frame.disk_radius, frame.side,
                  frame.samples, frame.mask);
  else
    std::snprintf(recipe, sizeof recipe, "heliographic %zu x %zu at 0.1 deg, pchip", map_width, map_height);
  frame.recipe = recipe;
  if (!degradation.name().empty()) frame.recipe += ", " + degradation.name().substr(0, 30);

  // What the set holds already.
  std::vector<Prepared> prepared;
  if (resume && fs::exists(o.out + "/pairs.csv")) {
    PairSet const before(o.out);
    for (auto const& row : before.rows())
      for (auto const& [channel, cell] : row.cells)
        if (auto const time = time_in_name(cell); time && fs::exists(o.out + "/" + cell))
          prepared.push_back({channel, cell, *time});
  }
  auto const has = [&](std::string const& cell) {
    return std::any_of(prepared.begin(), prepared.end(), [&](Prepared const& p) { return p.cell == cell; });
  };

  HostSpace ws;
  std::size_t done = 0, kept = 0;
  std::vector<std::string> refused;
  bool undegraded = false;
  examples::Progress progress("prepared", files.size(), common.quiet);
  auto const one = [&](std::string const& file) {
    Image image;
    hg::io::FitsHeader header;
    ph::Pointing pointing;
    std::string channel, work;
    double time = 0;
    std::string const parent = fs::path(file).filename().string();
    // A file that was prepared before is known by its parent and recipe; the cell is known only once it was read.
    auto const cell_of = [&] { return channel + "/" + stamp_of(time) + ".fits"; };
    bool drawn = is_png(file);
    if (!drawn && system.preset == "galileo") drawn = is_drawing(hg::io::FitsReader(file).header());
    if (drawn) {
      DrawingFile drawing = load_drawing(ws, file, o);
      channel = "drawing";
      image = std::move(drawing.ink), header = std::move(drawing.header);
      pointing = drawing.pointing, time = drawing.julian_date, work = drawing.done;
    } else {
      Observation observation = read_observation(file, degradation, {o.any_quality});
      channel = observation.channel, time = observation.julian_date, work = observation.done;
      image = std::move(observation.image), header = std::move(observation.header);
      pointing = ph::pointing_from(header, file);
      undegraded = undegraded || (channel.starts_with("aia") && !degradation.knows(channel));
    }
    std::string const cell = cell_of(), path = o.out + "/" + cell;
    if (fs::exists(path) && !common.overwrite) {
      hg::io::FitsReader const old(path);
      std::string const old_parent = old.header().text("PARENT").value_or(""),
                        old_recipe = old.header().text("RECIPE").value_or("");
      if (old_parent != parent)
        throw hg::InputError(file + ": is of the same channel and second as " + old_parent +
                             ", which is in the set; leave one out");
      if (!resume || old_recipe != frame.recipe)
        throw hg::OutputError(path + ": is there already, made otherwise (" + old_recipe +
                              "); take another folder or --overwrite");
      if (!has(cell)) prepared.push_back({channel, cell, time});
      ++kept;
      return;
    }
    bool const field = channel == "hmi" || channel == "mdi";
    Framed result = framed(ws, image, std::move(header), pointing, field, frame, file);
    result.header.set("CHANNEL", channel, "of the set");
    result.header.set("PARENT", parent);
    result.header.set("RECIPE", frame.recipe, "how it came into the set");
    result.header.append_history("prepared by heliograd's pix2pix prepare from " + parent);
    if (!work.empty()) result.header.append_history(work);
    char text[120];
    std::snprintf(text, sizeof text, "turned by %.4f deg to solar north, radius %.3f to %.6g pixels",
                  pointing.rotation_rad() / ph::degree, pointing.radius_pixels(), frame.disk_radius);
    result.header.append_history(frame.disk_radius > 0 ? std::string(text) : frame.recipe);
    folders.make(o.out + "/" + channel);
    hg::io::write_fits(path, result.image.pixels.data(), result.image.width, result.image.height, result.header,
                       {.overwrite = common.overwrite});
    if (!has(cell)) prepared.push_back({channel, cell, time});
    ++done;
  };
  std::vector<std::string> channels;
  std::vector<std::vector<std::string>> lines;
  auto const list = [&] {  // also after a signal: what is done is in the set, and --resume goes on
    channels.clear();
    for (Prepared const& p : prepared)
      if (std::find(channels.begin(), channels.end(), p.channel) == channels.end()) channels.push_back(p.channel);
    std::sort(channels.begin(), channels.end());
    bool const target = std::find(channels.begin(), channels.end(), system.target) != channels.end();
    std::string const anchor = target ? system.target : channels.empty() ? "" : channels.front();
    lines = paired(prepared, channels, anchor, o.tolerance / 1440, splits);
    if (!lines.empty()) write_pairs(o.out, channels, lines);
  };
  for (std::size_t k = 0; k < files.size(); ++k) {
    if (examples::signals::pending() != 0) {
      list();
      examples::signals::check();
    }
    // A file that was asked for by name must do; in a folder there may be others.
    bool const named = std::find(o.inputs.begin(), o.inputs.end(), files[k]) != o.inputs.end();
    try {
      one(files[k]);
    } catch (hg::InputError const& error) {
      if (named && !o.skip) {
        list();
        throw;
      }
      refused.push_back(error.what());
      progress.clear();
      if (!common.quiet) std::fprintf(stderr, "%s: left out: %s\n", program, examples::one_line(error.what()).c_str());
    }
    progress.update(k + 1);
  }
  progress.clear();
  list();
  if (prepared.empty())
    throw hg::InputError(o.inputs.front() + ": no file could be prepared (" + std::to_string(refused.size()) +
                         " were left out)");

  ContactSheet sheet(lines.size());
  for (std::size_t k = 0; k < lines.size(); ++k)
    for (std::size_t c = 0; sheet.wants(k) && c < channels.size(); ++c) {
      if (lines[k][c + 2].empty()) {
        sheet.add(channels[c], "none", Image(64, 64));
        continue;
      }
      auto const image = hg::io::read_fits<float>(o.out + "/" + lines[k][c + 2]);
      sheet.add(channels[c], lines[k][1], Image(image.height, image.width, image.pixels));
    }
  sheet.write(o.out + "/contact.png", "Prepared for " + system.preset, frame.recipe, channels.size());

  std::map<std::string, std::size_t> of_split;
  std::size_t whole = 0;
  for (auto const& line : lines) {
    ++of_split[line[0]];
    whole += std::none_of(line.begin(), line.end(), [](std::string const& cell) { return cell.empty(); });
  }
  if (undegraded && !common.quiet)
    std::fprintf(stderr, "%s: warning: AIA's degradation was not corrected for; give a table with --degradation\n",
                 program);
  std::string names;
  for (std::string const& channel : channels) names += " " + channel;
  std::printf(
      "%s: %zu images prepared, %zu kept, %zu left out; %zu times (%zu with all of%s): train %zu, validation %zu, test "
      "%zu\n",
      o.out.c_str(), done, kept, refused.size(), lines.size(), whole, names.c_str(), of_split["train"],
      of_split["validation"], of_split["test"]);
  return examples::success;
}

}  // namespace pix2pix
