// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <string>

#include "command_line.hpp"
#include "commands.hpp"

/// \file
/// The command line of super_resolution.
namespace super_resolution {

static void add_common(CLI::App& app, CommonOptions& common) {
  app.add_option("--seed", common.seed, "Seed of everything random")->capture_default_str();
  examples::add_common(app, common);
}

namespace {

using examples::add_accuracy;
using examples::within;

void add_apply(CLI::App& app, ApplyOptions& o) {
  app.add_option("input", o.input, "Magnetogram: FITS, first image, gauss")->required()->type_name("IN.fits");
  app.add_option("-o,--output", o.output, "FITS file to write")->required()->type_name("OUT.fits");
  app.add_option("--png", o.png, "Picture of input and output to write")->type_name("OUT.png");
  app.add_option("--weights", o.weights, "Weights (safetensors); default: the ones that come with the program")
      ->type_name("FILE");
  add_accuracy(app, o.accuracy);
  app.add_option("--scale", o.scale, "Magnification, if the weights do not say it")
      ->capture_default_str()
      ->check(CLI::IsMember({1, 2, 4}));
  app.add_flag("--no-wcs", o.no_wcs, "Treat the image as a patch: do not look for a pointing in the header");
  app.add_flag("--off-disk-nan", o.off_disk_nan,
               "Write NaN instead of 0 beyond the limb and where the input has no value");
  app.add_flag("--ignore-checksum", o.ignore_checksum, "Read a file whose DATASUM or CHECKSUM is wrong");
  app.add_option("--tile", o.tile,
                 "Side of a tile in input pixels; 0 takes the image whole. Changes memory and speed, not "
                 "the result")
      ->capture_default_str();
  app.add_option("--saturate", o.saturate, "Field that is black or white in the picture, gauss")->capture_default_str();
  app.add_option("--png-side", o.png_side, "Pixels along the side of each panel of the picture")
      ->capture_default_str()
      ->check(within(64, 8192));
}

void add_evaluate(CLI::App& app, EvaluateOptions& o) {
  app.add_option("truth", o.truth, "What it should be: FITS, gauss, high resolution")
      ->required()
      ->type_name("TRUTH.fits");
  app.add_option("--prediction", o.prediction, "High-resolution magnetogram to judge")->type_name("FILE");
  app.add_option("--input", o.input,
                 "Low-resolution magnetogram: judged are the network applied to it (unless --prediction "
                 "is given) and the bicubic baseline")
      ->type_name("FILE");
  app.add_option("--weights", o.weights, "Weights of the network; default: the ones that come with the program")
      ->type_name("FILE");
  add_accuracy(app, o.accuracy);
  app.add_option("--scale", o.scale, "Magnification, if the weights do not say it")
      ->capture_default_str()
      ->check(CLI::IsMember({1, 2, 4}));
  app.add_flag("--input-on-fine-grid", o.input_on_fine_grid,
               "The input has been resampled to the truth's grid: average it "
               "to low resolution first");
  app.add_flag("--align", o.align, "Move by the whole number of pixels that brings both on top of each other");
  app.add_flag("--no-wcs", o.no_wcs, "Compare without regard to the place on the disk");
  app.add_option("--border", o.border, "Pixels left out at every edge")->capture_default_str();
  auto* const factor =
      app.add_option("--baseline-factor", o.baseline_factor, "Divisor of the bicubic baseline")->capture_default_str();
  app.add_flag("--fit-factor", o.fit_factor,
               "Take the divisor from a regression of this pair, all field strengths counting alike")
      ->excludes(factor);
  app.add_option("--cubic", o.cubic, "Slope of the bicubic kernel at distance 1")->capture_default_str();
  app.add_option("--json", o.json, "Everything measured, as JSON")->type_name("FILE");
  app.add_option("--png", o.png, "Picture of input, output, target and differences")->type_name("FILE");
  app.add_option("--saturate", o.saturate, "Largest difference shown in the picture, gauss")->capture_default_str();
}

void add_synthesize(CLI::App& app, SynthesizeOptions& o) {
  app.add_option("-o,--output", o.output, "FITS file to write")->required()->type_name("OUT.fits");
  app.add_option("--png", o.png, "Picture to write")->type_name("OUT.png");
  app.add_option("--size", o.size, "Pixels along a side")->capture_default_str()->check(within(64, 8192));
  app.add_option("--noise", o.noise, "Noise per pixel, gauss")->capture_default_str();
  app.add_option("--active-regions", o.active_regions, "How many")->capture_default_str()->check(within(0, 100));
}

void add_demo(CLI::App& app, DemoOptions& o) {
  app.add_option("input", o.input,
                 "Magnetogram; default: a real one if the data folder is beside the project, else a "
                 "synthetic one")
      ->type_name("IN.fits");
  app.add_option("--folder", o.folder, "Folder for the results, made if need be; its files are replaced")
      ->capture_default_str();
  app.add_option("--weights", o.weights, "Weights of the network; default: the ones that come with the program")
      ->type_name("FILE");
}

void add_info(CLI::App& app, InfoOptions& o) {
  app.add_option("file", o.file, "FITS file or weights; default: the weights that come with the program")
      ->type_name("FILE");
}

void add_train(CLI::App& app, TrainOptions& o) {
  app.add_option("--data", o.data, "Folders of high-resolution magnetograms (FITS, gauss), searched recursively")
      ->required()
      ->type_name("FOLDER");
  app.add_option("-o,--out", o.out, "Folder for weights, checkpoints and log")->required()->type_name("FOLDER");
  app.add_option("--aside", o.aside,
                 "Regions kept aside for validation: HARP or NOAA number, or part of a file name; "
                 "without it every fifth region")
      ->type_name("NAME");
  app.add_option("--pairs", o.pairs, "Real pairs on the fine grid: reading and truth, two files each")
      ->type_name("LOW HIGH");
  app.add_option("--pairs-part", o.pairs_part, "Part of the pairs' width to train on; what it leaves is for validation")
      ->expected(2)
      ->capture_default_str()
      ->type_name("FROM TO");
  app.add_option("--pairs-share", o.pairs_share, "Share of crops that come from pairs")->capture_default_str();
  app.add_option("--steps", o.steps, "Steps of the optimiser; the rate reaches its end with them")
      ->capture_default_str()
      ->check(within(std::uint64_t{1}, std::uint64_t{1} << 40));
  app.add_option("--batch", o.batch, "Crops per step")->capture_default_str();
  app.add_option("--crop", o.crop, "Side of a crop in high-resolution pixels")->capture_default_str();
  app.add_option("--scale", o.scale, "Magnification")->capture_default_str()->check(CLI::IsMember({1, 2, 4}));
  app.add_option("--preset", o.preset, "Loss weights and instrument")
      ->capture_default_str()
      ->check(CLI::IsMember({"mdi", "gong"}));
  app.add_option("--rate", o.rate, "Learning rate of Adam")->capture_default_str();
  app.add_option("--final-rate", o.final_rate, "Rate at the last step")->capture_default_str();
  app.add_option("--schedule", o.schedule, "How the rate falls")
      ->capture_default_str()
      ->check(CLI::IsMember({"cosine", "linear", "constant"}));
  app.add_option("--warmup", o.warmup, "Steps over which the rate rises at first")->capture_default_str();
  app.add_option("--betas", o.betas, "Adam's memories")->expected(2)->capture_default_str();
  app.add_option("--clip", o.clip, "Largest norm of the gradient; 0 leaves it as it is")->capture_default_str();
  app.add_option("--gradient", o.gradient, "Weight of the gradient term (default: as the preset says)");
  app.add_option("--histogram", o.histogram, "Weight of the histogram term (default: as the preset says)");
  app.add_option("--ssim", o.ssim, "Weight of the structural similarity term (default: as the preset says)");
  app.add_option("--psf", o.psf, "Blur of the simulated instrument, standard deviation in fine pixels")
      ->expected(2)
      ->type_name("LOW HIGH");
  app.add_option("--slope", o.slope, "Its reading per gauss, strong fields")->expected(2)->type_name("LOW HIGH");
  app.add_option("--weak-excess", o.weak_excess, "How much steeper it reads weak fields")
      ->expected(2)
      ->type_name("LOW HIGH");
  app.add_option("--knee", o.knee, "Field over which that falls off, gauss")->expected(2)->type_name("LOW HIGH");
  app.add_option("--noise", o.noise, "Its noise per coarse pixel, gauss")->expected(2)->type_name("LOW HIGH");
  app.add_option("--shift", o.shift, "Its displacement in fine pixels")->expected(2)->type_name("LOW HIGH");
  app.add_option("--offset", o.offset, "Its zero point, gauss")->expected(2)->type_name("LOW HIGH");
  app.add_option("--dropout", o.dropout, "Share of feature values dropped while training")
      ->capture_default_str()
      ->check(within(0.0, 0.95));
  app.add_option("--strong", o.strong, "Share of crops that are the strongest of four")->capture_default_str();
  add_accuracy(app, o.accuracy);
  app.add_option("--start", o.start, "Weights to begin with instead of random ones")->type_name("FILE");
  app.add_flag("--resume", o.resume, "Go on from the newest checkpoint in the folder, bit for bit");
  app.add_option("--validate-every", o.validate_every, "Steps between validations")->capture_default_str();
  app.add_option("--save-every", o.save_every, "Steps between checkpoints")->capture_default_str();
  app.add_option("--baseline-factor", o.baseline_factor, "Divisor of the bicubic baseline")->capture_default_str();
}

int train_with_recipe(TrainOptions const& options, CommonOptions const& common, CLI::App& command) {
  return train(options, common,
               examples::recipe_of(
                   command, {"--resume", "--overwrite", "--quiet", "--threads", "--config", "--out", "--save-every"}));
}

}  // namespace
}  // namespace super_resolution

int main(int argc, char** argv) {
  namespace sr = super_resolution;
  return examples::run_program(sr::program, [&] {
    examples::CommandLine<sr::CommonOptions> line(
        sr::program, "Super-resolves solar magnetograms: MDI or GONG resolution and calibration to that of HMI.");
    line.add("apply", "Super-resolve a magnetogram", sr::add_apply, sr::apply);
    line.add<sr::TrainOptions>("train", "Train a network on high-resolution magnetograms and real pairs", sr::add_train,
                               sr::train_with_recipe);
    line.add("evaluate", "Measure a prediction against the truth, beside the baseline", sr::add_evaluate, sr::evaluate);
    line.add("synthesize", "Make up a full-disk magnetogram for demonstrations", sr::add_synthesize, sr::synthesize);
    line.add("demo", "Super-resolve an example and say what came out", sr::add_demo, sr::demo);
    line.add("info", "Say what is in a FITS file or a file of weights", sr::add_info, sr::info);
    return line.run(argc, argv);
  });
}
