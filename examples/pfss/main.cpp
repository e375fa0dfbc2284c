// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "command_line.hpp"
#include "commands.hpp"

/// \file
/// The command line of pfss.
namespace pfss {
namespace {

using examples::within;

void add_map(CLI::App& app, std::string& file) {
  app.add_option("input", file, "Synoptic or synchronic map: FITS, radial field in gauss")
      ->required()
      ->type_name("MAP.fits");
}

void add_unchecked(CLI::App& app, bool& ignore) {
  app.add_flag("--ignore-checksum", ignore, "Read a file whose DATASUM or CHECKSUM is wrong");
}

void add_output(CLI::App& app, std::string& file, char const* what) {
  app.add_option("-o,--output", file, what)->required()->type_name("OUT.fits");
}

void add_picture(CLI::App& app, std::string& file, char const* what) {
  app.add_option("--png", file, what)->type_name("OUT.png");
}

void add_model(CLI::App& app, ModelOptions& o) {
  app.add_option("--method", o.method, "Finite differences, or spherical harmonics")
      ->capture_default_str()
      ->check(CLI::IsMember({"fd", "harmonics"}));
  app.add_option("--rss", o.rss, "Radius of the source surface, solar radii")
      ->capture_default_str()
      ->check(within(1.01, 100.0));
  app.add_option("--nr", o.nr, "Cells between the Sun and the source surface, of equal steps in the logarithm of r")
      ->capture_default_str()
      ->check(within(2, 1000));
  app.add_flag("--centred", o.centred,
               "Put the source surface into the middle of the last cells: second order, instead of the published "
               "algorithm's first");
  app.add_option("--lmax", o.lmax, "Highest degree of the harmonics")->capture_default_str()->check(within(1, 2000));
  app.add_flag("--double", o.double_precision, "Fields in double precision");
  app.add_option(
         "--missing", o.missing,
         "Pixels without a value: take the nearest values north and south of them, take zero, or refuse the map")
      ->capture_default_str()
      ->check(CLI::IsMember({"refuse", "zero", "nearest"}));
  add_unchecked(app, o.ignore_checksum);
}

void add_solve(CLI::App& app, SolveOptions& o) {
  add_map(app, o.input);
  add_output(app, o.output, "FITS file to write");
  app.add_option("--vtk", o.vtk, "The field for ParaView to write, .vts or .vtk")->type_name("OUT.vts");
  add_picture(app, o.png, "Picture of boundary and source surface to write");
  add_model(app, o.model);
}

void add_trace(CLI::App& app, TraceOptions& o) {
  add_map(app, o.input);
  add_output(app, o.output, "FITS file of open regions to write");
  app.add_option("--vtk", o.vtk, "The field lines for ParaView to write, .vtp or .vtk")->type_name("OUT.vtp");
  add_picture(app, o.png, "Picture of open regions and field lines to write");
  app.add_option("--longitudes", o.longitudes, "Seeds around the Sun")->capture_default_str()->check(within(4, 7200));
  app.add_option("--latitudes", o.latitudes, "Seeds from pole to pole, equal steps of sine latitude")
      ->capture_default_str()
      ->check(within(2, 3600));
  app.add_option("--tolerance", o.tolerance, "Error allowed per step of a field line, solar radii")
      ->capture_default_str()
      ->check(within(1e-12, 1e-2));
  add_model(app, o.model);
}

void add_compare(CLI::App& app, CompareOptions& o) {
  app.add_option("truth", o.truth, "The map to compare with")->required()->type_name("A.fits");
  app.add_option("other", o.other, "The map to judge, on the same grid")->required()->type_name("B.fits");
  app.add_option("--json", o.json, "Everything measured, as JSON")->type_name("FILE");
  add_picture(app, o.png, "Picture of both source surfaces to write");
  add_model(app, o.model);
}

void add_recover(CLI::App& app, RecoverOptions& o) {
  add_map(app, o.input);
  add_output(app, o.output, "The map with what was found, FITS");
  add_picture(app, o.png, "Picture of the Sun and its source surface, before and after");
  app.add_option("--longitude", o.longitude, "Middle of what is hidden, degrees (default: the ends of the map)")
      ->check(within(-360.0, 720.0));
  app.add_option("--width", o.width, "Degrees of longitude that are hidden")
      ->capture_default_str()
      ->check(within(1.0, 360.0));
  app.add_option("--steps", o.steps, "Steps of gradient descent")->capture_default_str()->check(within(1, 100000));
  add_model(app, o.model);
}

void add_observe(CLI::App& app, ObserveOptions& o) {
  add_map(app, o.input);
  add_output(app, o.output, "Disk to write, FITS: line-of-sight field in gauss");
  app.add_option("--longitude", o.longitude, "Carrington longitude of the observer, degrees")
      ->capture_default_str()
      ->check(within(-360.0, 360.0));
  app.add_option("--latitude", o.latitude, "Heliographic latitude of the observer, degrees")
      ->capture_default_str()
      ->check(within(-90.0, 90.0));
  app.add_option("--distance", o.distance, "Distance from the Sun, au")
      ->capture_default_str()
      ->check(within(0.05, 10.0));
  app.add_option("--size", o.size, "Pixels along a side")->capture_default_str()->check(within(16, 8192));
  app.add_option("--time", o.time, "Time of the disk, UTC; else that of the map")->type_name("2018-11-06T12:00:00");
  add_unchecked(app, o.ignore_checksum);
}

void add_synchronic(CLI::App& app, SynchronicOptions& o) {
  app.add_option("front", o.front, "Full disk or part of it: FITS, line-of-sight field in gauss")
      ->required()
      ->type_name("FRONT.fits");
  app.add_option("--far", o.far, "Disks of other observers, such as generated ones of the far side")
      ->type_name("A.fits ...");
  app.add_option("--fill", o.fill, "Synoptic map for the rest of the Sun: radial field in gauss")
      ->type_name("SYNOPTIC.fits");
  add_output(app, o.output, "FITS file to write");
  add_picture(app, o.png, "Picture of the map and of who has seen what to write");
  app.add_option("--size", o.size, "Columns and rows of the map")->capture_default_str()->type_name("COLUMNSxROWS");
  app.add_option("--map", o.map, "Rows of equal steps in sine latitude (cea) or in latitude (car)")
      ->capture_default_str()
      ->check(CLI::IsMember({"cea", "car"}));
  app.add_option("--time", o.time, "Time of the map, UTC; else that of the front")->type_name("2018-11-06T12:00:00");
  app.add_option("--longitude", o.longitude, "Carrington longitude of the map's left edge, degrees")
      ->capture_default_str()
      ->check(within(-360.0, 360.0));
  app.add_option("--power", o.power, "A disk counts as mu to this power")
      ->capture_default_str()
      ->check(within(0.0, 20.0));
  app.add_option("--edge", o.edge, "Degrees from its centre within which a disk is used")
      ->capture_default_str()
      ->check(within(1.0, 80.0));
  app.add_option("--alone", o.alone, "Degrees from its centre within which the front stands alone")
      ->capture_default_str()
      ->check(within(0.0, 79.0));
  app.add_option("--blend", o.blend, "Range of mu over which one input gives way to another; 0 cuts")
      ->capture_default_str()
      ->check(within(0.0, 0.5));
  app.add_option("--rotation", o.rotation, "Law of differential rotation")
      ->capture_default_str()
      ->check(CLI::IsMember({"howard", "snodgrass", "rigid"}));
  app.add_option("--interpolation", o.interpolation, "How inputs are read between their pixels")
      ->capture_default_str()
      ->check(CLI::IsMember({"bilinear", "pchip"}));
  app.add_option("--samples", o.samples, "Points per side of a pixel of the map that are averaged")
      ->capture_default_str()
      ->check(within(1, 32));
  app.add_option("--noise", o.noise, "Standard deviation of a disk's pixel, gauss")
      ->capture_default_str()
      ->check(within(0.0, 1000.0));
  app.add_option("--fill-noise", o.fill_noise, "Standard deviation of the synoptic map's pixel, gauss")
      ->capture_default_str()
      ->check(within(0.0, 1000.0));
  app.add_flag("--keep-net-flux", o.keep_net_flux, "Leave the mean field in the map");
  add_unchecked(app, o.ignore_checksum);
}

}  // namespace
}  // namespace pfss

int main(int argc, char** argv) {
  return examples::run_program(pfss::program, [&] {
    examples::CommandLine line(pfss::program,
                               "The coronal magnetic field from a magnetogram: potential field with a source surface.");
    line.add("solve", "Extrapolate a map into the corona", pfss::add_solve, pfss::solve);
    line.add("trace", "Trace field lines: open regions, expansion, open flux", pfss::add_trace, pfss::trace);
    line.add("compare", "Compare the coronas of two maps", pfss::add_compare, pfss::compare);
    line.add("recover", "Hide part of a map and find it again from the source surface", pfss::add_recover,
             pfss::recover);
    line.add("observe", "The disk that an observer elsewhere would see of a map", pfss::add_observe, pfss::observe);
    line.add("synchronic", "Merge disks and a synoptic map into a map of one time", pfss::add_synchronic,
             pfss::synchronic);
    return line.run(argc, argv);
  });
}
