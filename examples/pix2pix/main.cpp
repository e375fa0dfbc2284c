// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <string>

#include "command_line.hpp"
#include "commands.hpp"

/// \file
/// The command line of pix2pix.
namespace pix2pix {

static void add_common(CLI::App& app, CommonOptions& common) {
  app.add_option("--seed", common.seed, "Seed of everything random")->capture_default_str();
  examples::add_common(app, common);
}

namespace {

using examples::add_accuracy;
using examples::within;

/// An option whose default is the preset's.
template <class T>
CLI::Option* add_open(CLI::App& app, std::string const& name, T& value, std::string const& what) {
  return app.add_option(name, value, what + " (default: as the preset says)");
}

void add_system(CLI::App& app, SystemOptions& o) {
  app.add_option("--preset,--model", o.preset, "Published system")
      ->capture_default_str()
      ->check(CLI::IsMember({"park2019-a", "park2019-b", "aisfm1", "sun2023-baseline", "sun2023-cat", "sun2023-rhp",
                             "galileo", "lim2021"}));
  app.add_option(
      "--variant", o.variant,
      "Of park2019: code2019, the ten stages of the published code; of sun2023: deep, eight stages, or skip, "
      "eight stages with the attention on a skip; with -answer, the mask is the attention's answer alone");
  app.add_option("--passband", o.passband, "AIA channel of presets that have one: 94 to 1700")->type_name("ANGSTROM");
  app.add_option("--inputs", o.inputs, "Channels of the set that go in (default: as the preset says)")
      ->type_name("NAME");
  app.add_option("--target", o.target, "Channel that comes out (default: as the preset says)")->type_name("NAME");
  app.add_option("--direction", o.direction, "AtoB as published, BtoA with input and target exchanged")
      ->capture_default_str()
      ->check(CLI::IsMember({"AtoB", "BtoA"}));
  add_open(app, "--side,--crop-size", o.side, "Side of what the network is trained on, pixels")->check(within(2, 8192));
  add_open(app, "--depth", o.depth, "Halvings of the generator")->check(within(1, 12));
  add_open(app, "--width,--ngf", o.width, "Channels of the generator's first stage")->check(within(1, 1024));
  add_open(app, "--ndf", o.discriminator_width, "Channels of the discriminator's first stage")->check(within(1, 1024));
  add_open(app, "--widest", o.widest, "Most channels of any stage")->check(within(1, 4096));
  add_open(app, "--field-limit", o.field_limit, "Field at which magnetograms saturate, gauss")
      ->check(within(1e-3, 1e5));
  add_open(app, "--photon-bits", o.photon_bits, "Bits of DN/s at which AIA and EUVI saturate")
      ->check(within(1.0, 32.0));
  app.add_option("--limit", o.limits, "The same for single channels, gauss or bits")->type_name("CHANNEL=VALUE");
}

void add_train(CLI::App& app, TrainOptions& o) {
  add_system(app, o.system);
  app.add_option("--data,--dataroot", o.data, "Folder of a prepared set, with pairs.csv")->type_name("FOLDER");
  app.add_option("-o,--out", o.out, "Folder for weights, checkpoints, pictures and log")->type_name("FOLDER");
  app.add_option("--start", o.start, "Weights of the generator to begin with instead of random ones")
      ->type_name("FILE");
  app.add_option("--start-discriminator", o.start_discriminator, "and those of the discriminator")->type_name("FILE");
  add_accuracy(app, o.accuracy);
  app.add_flag("--resume,--continue-train", o.resume, "Go on from the newest checkpoint in the folder, bit for bit");
  app.add_flag("--dry-run", o.dry_run, "Print the networks, memory and time per epoch; train nothing");
  add_open(app, "--batch,--batch-size", o.batch, "Images per step")->check(within(1, 4096));
  app.add_option("--accumulate", o.accumulate, "Parts of a batch that follow each other, to save memory")
      ->capture_default_str()
      ->check(within(1, 4096));
  add_open(app, "--steps", o.steps, "Steps of the optimisers")->check(within(std::int64_t{1}, std::int64_t{1} << 40));
  add_open(app, "--epochs,--n-epochs", o.epochs, "Instead of steps: epochs at the full rate")
      ->check(within(0, 1000000));
  add_open(app, "--epochs-decay,--n-epochs-decay", o.epochs_decay, "and epochs over which the rate falls to 0")
      ->check(within(0, 1000000));
  app.add_option("--rate-falls,--lr-policy", o.fall,
                 "linear: as --epochs-decay says; cosine: along half a cosine over all steps; step: to a tenth every "
                 "--fall-epochs; plateau: to a fifth when the validation's error stays (default: linear)")
      ->check(CLI::IsMember({"linear", "cosine", "step", "plateau"}));
  app.add_option("--fall-epochs,--lr-decay-iters", o.fall_epochs, "Epochs from step to step of the rate (default: 50)")
      ->check(within(1, 1000000));
  add_open(app, "--rate,--lr", o.rate, "Learning rate of Adam")->check(within(0.0, 10.0));
  add_open(app, "--beta1", o.beta1, "First memory of Adam")->check(within(0.0, 0.9999));
  add_open(app, "--lambda-l1,--lambda-L1", o.lambda_l1, "Weight of the mean absolute error")->check(within(0.0, 1e6));
  add_open(app, "--gan-mode", o.game, "The game: vanilla, lsgan, or none")
      ->check(CLI::IsMember({"vanilla", "lsgan", "none"}));
  add_open(app, "--shift", o.shift, "Largest shift of the augmentation, pixels")->check(within(0, 1024));
  app.add_option("--validate-every", o.validate_every, "Steps between validations")
      ->capture_default_str()
      ->check(within(std::uint64_t{1}, std::uint64_t{1} << 40));
  app.add_option("--save-every", o.save_every, "Steps between checkpoints")
      ->capture_default_str()
      ->check(within(std::uint64_t{1}, std::uint64_t{1} << 40));
  app.add_option("--picture-every", o.picture_every, "Steps between pictures; 0 draws none")->capture_default_str();
  app.add_option("--cache", o.cache_megabytes, "Megabytes of images kept in memory")
      ->capture_default_str()
      ->check(within(std::size_t{0}, std::size_t{1} << 30));
}

void add_apply(CLI::App& app, ApplyOptions& o) {
  app.alias("infer");
  app.add_option("input", o.inputs,
                 "Images: FITS, prepared as for the training; for several input channels one file each, in their order")
      ->type_name("IN.fits");
  auto* const data =
      app.add_option("--data,--dataroot", o.data, "Instead: a prepared set; every time of a split is translated")
          ->type_name("FOLDER");
  app.add_option("--split", o.split, "Split of the set")
      ->capture_default_str()
      ->check(CLI::IsMember({"train", "validation", "test"}))
      ->needs(data);
  app.add_option("-o,--output", o.output, "FITS file to write, or a folder for several images")
      ->required()
      ->type_name("OUT");
  app.add_option("--weights", o.weights, "Weights (safetensors) that train or import wrote")
      ->required()
      ->type_name("FILE");
  app.add_option("--statistics", o.statistics,
                 "Of the norms: running, of the training and without dropout; batch, of the image at hand and with "
                 "dropout, as the first codes inferred; or image, of the image at hand without dropout (default: as "
                 "the weights say)")
      ->check(CLI::IsMember({"running", "batch", "image"}));
  add_accuracy(app, o.accuracy);
  app.add_option("--samples", o.samples, "Monte-Carlo dropout: write the mean of so many passes")
      ->capture_default_str()
      ->check(within(0, 100000));
  app.add_option("--deviation", o.deviation, "and their standard deviation, FITS")->type_name("OUT.fits");
  app.add_option("--png", o.png, "Picture of input and output to write")->type_name("OUT.png");
  app.add_option("--png-side", o.png_side, "Pixels along the side of each panel")
      ->capture_default_str()
      ->check(within(64, 8192));
  app.add_option("--tile", o.tile, "Side of a tile; 0 takes the image whole. Changes memory, not the result")
      ->capture_default_str();
  app.add_flag("--strict", o.strict, "Refuse sizes that need padding");
  app.add_flag("--ignore-checksum", o.ignore_checksum, "Read a file whose DATASUM or CHECKSUM is wrong");
}

void add_select(CLI::App& app, SelectOptions& o) {
  app.add_option("--data,--dataroot", o.data, "Folder of a prepared set with all channels")
      ->required()
      ->type_name("FOLDER");
  app.add_option("-o,--out", o.out, "Folder for scores; what is there is not computed again")
      ->required()
      ->type_name("FOLDER");
  app.add_option("--channels", o.channels, "Channels to select from (default: the nine of AIA)")->type_name("NAME");
  app.add_option("--most", o.most, "Inputs to select")->capture_default_str()->check(within(1, 8));
  app.add_option("--steps", o.steps, "Steps of each training")
      ->capture_default_str()
      ->check(within(std::int64_t{1}, std::int64_t{1} << 40));
  app.add_option("--batch,--batch-size", o.batch, "Images per step")->capture_default_str()->check(within(1, 4096));
  add_open(app, "--side,--crop-size", o.side, "Side of what the networks are trained on, pixels")
      ->check(within(2, 8192));
  add_open(app, "--depth", o.depth, "Halvings of the generators")->check(within(1, 12));
  add_open(app, "--width,--ngf", o.width, "Channels of the first stages")->check(within(1, 1024));
  add_open(app, "--widest", o.widest, "Most channels of any stage")->check(within(1, 4096));
  app.add_option("--split", o.split, "Split that scores are taken on")
      ->capture_default_str()
      ->check(CLI::IsMember({"validation", "test"}));
  app.add_option("--jobs", o.jobs, "Stop after so many trainings (default: when all are done)");
  app.add_flag("--whole", o.whole, "Score all pixels: the images are pieces of the Sun");
  app.add_flag("--keep", o.keep, "Keep the networks in the folder jobs, not only their scores");
  app.add_flag("--dry-run", o.dry_run, "Print what would be trained");
}

void add_import(CLI::App& app, ImportOptions& o) {
  add_system(app, o.system);
  app.add_option("input", o.input, "Weights of PyTorch, as tools/export_weights.py writes them")
      ->required()
      ->type_name("IN.safetensors");
  app.add_option("-o,--output", o.output, "Weights to write")->type_name("OUT.safetensors");
  app.add_option("--network", o.network, "Which of the two: generator or discriminator")
      ->capture_default_str()
      ->check(CLI::IsMember({"generator", "discriminator"}));
  app.add_option("--names", o.names, "What the tensors are called: pix2pix, own, or a table OURS,THEIRS")
      ->capture_default_str();
  app.add_flag("--dry-run", o.dry_run, "Print names and shapes side by side; write nothing");
}

void add_prepare(CLI::App& app, PrepareOptions& o) {
  add_system(app, o.system);
  app.add_option("input", o.inputs,
                 "Full-disk images of AIA, HMI, MDI or EUVI as FITS, drawings as PNG or FITS, or folders of them")
      ->required()
      ->type_name("PATH");
  app.add_option("-o,--out", o.out, "Folder of the set")->required()->type_name("FOLDER");
  app.add_flag("--resume", o.resume, "Go on in a folder that holds a set; what is done stays");
  app.add_flag("--skip", o.skip, "Leave out files that cannot be prepared, also those asked for by name");
  app.add_option("--tolerance", o.tolerance, "Minutes between the images of a pair, at most")
      ->capture_default_str()
      ->check(within(0.0, 1e6));
  app.add_option("--samples", o.samples, "Points per side of a pixel that are averaged; 1 is as published")
      ->capture_default_str()
      ->check(within(1, 16));
  app.add_option("--coverage", o.coverage, "Least share of the disk that an image must show")
      ->capture_default_str()
      ->check(within(0.0, 1.0));
  app.add_option("--mask", o.mask, "Leave out what is farther than so many solar radii; 0 keeps it (fields end at 1)")
      ->capture_default_str()
      ->check(within(0.0, 10.0));
  app.add_flag("--any-quality", o.any_quality, "Take images whose QUALITY is not 0");
  app.add_option("--degradation", o.degradation, "Table time,aia94,...: factors that undo the aging of AIA")
      ->type_name("FILE.csv");
  app.add_option("--validation", o.validation,
                 "Months for validation: 2017-01..2017-06, 2017, 9 for every September, none (default: as published)")
      ->type_name("PERIOD");
  app.add_option("--test", o.test, "Months for the test")->type_name("PERIOD");
  app.add_option(
         "--north", o.north,
         "Of drawings: drawn, along the axis that is drawn; celestial, up is north in the sky; or solar north in "
         "degrees counter-clockwise from up")
      ->capture_default_str();
  app.add_option("--disk", o.disk, "Of drawings: middle and radius in pixels, rows from the bottom (default: found)")
      ->expected(3)
      ->type_name("X Y RADIUS");
  app.add_flag("--light-ink", o.light_ink, "Of drawings: light on dark");
  app.add_flag("--mirrored", o.mirrored, "Of drawings: west is to the left");
}

void add_synthesize(CLI::App& app, SynthesizeOptions& o) {
  app.add_option("input", o.inputs, "Magnetograms to begin with, or folders of them")->required()->type_name("PATH");
  app.add_option("-o,--out", o.out, "Folder of the set")->required()->type_name("FOLDER");
  app.add_option("--channels", o.channels,
                 "Channels to make: hmi, aia94 to aia1700, drawing (default: hmi aia171 aia193 aia304)")
      ->type_name("NAME");
  app.add_option("--scene", o.scene, "patch: cuts from active regions; disk: whole disks, from synoptic maps and disks")
      ->capture_default_str()
      ->check(CLI::IsMember({"patch", "disk"}));
  app.add_option("--side", o.side, "Pixels along a side")->capture_default_str()->check(within(16, 8192));
  app.add_option("--bin", o.bin, "Of patches: average so many pixels of the field along a side first")
      ->capture_default_str()
      ->check(within(1, 64));
  app.add_flag("--resume", o.resume, "Go on in a folder where the same command was stopped");
  app.add_flag(
      "--steady", o.steady,
      "Of patches: leave nothing of the corona to chance; loops heated as the field says, eight times as many, "
      "seen from above");
  app.add_option("--disk-radius", o.disk_radius, "Of disks, pixels (default: 392 of 1024)")->check(within(0.0, 8192.0));
  app.add_option("--count", o.count, "Pairs to make")->capture_default_str()->check(within(1, 1000000));
}

void add_evaluate(CLI::App& app, EvaluateOptions& o) {
  app.add_option("--data,--dataroot", o.data, "Prepared set with the truth")->type_name("FOLDER");
  app.add_option("--split", o.split, "Split of the set")
      ->capture_default_str()
      ->check(CLI::IsMember({"train", "validation", "test"}));
  app.add_option("--prediction", o.prediction, "Folder that apply --data wrote, or one FITS file")
      ->required()
      ->type_name("PATH");
  app.add_option("--truth", o.truth, "Instead of a set: one FITS file")->type_name("FILE");
  app.add_option("--target", o.target, "Channel that was predicted (default: as the preset says, or as BUNIT does)")
      ->type_name("NAME");
  app.add_option("--preset,--model", o.preset, "Whose scaling PSNR, SSIM and detail are measured in")
      ->capture_default_str();
  add_open(app, "--field-limit", o.field_limit, "Field at which magnetograms saturate, gauss")
      ->check(within(1e-3, 1e5));
  add_open(app, "--photon-bits", o.photon_bits, "Bits of DN/s at which AIA and EUVI saturate")
      ->check(within(1.0, 32.0));
  app.add_option("--against", o.against, "Print published scores beside: park2019, aisfm1, aisfm2, sun2023, lim2021")
      ->type_name("NAME");
  app.add_option("--json", o.json, "Everything measured, image by image")->type_name("OUT.json");
  app.add_option("--png", o.png, "How often each pair of true and predicted values occurs")->type_name("OUT.png");
}

void add_info(CLI::App& app, InfoOptions& o) {
  app.add_option("file", o.file, "Weights")->required()->type_name("FILE.safetensors");
}

int train_with_recipe(TrainOptions const& options, CommonOptions const& common, CLI::App& command) {
  return train(options, common,
               examples::recipe_of(command, {"--resume", "--overwrite", "--quiet", "--threads", "--config", "--out",
                                             "--data", "--dry-run", "--start", "--start-discriminator", "--save-every",
                                             "--picture-every", "--cache"}));
}

}  // namespace
}  // namespace pix2pix

int main(int argc, char** argv) {
  namespace p2p = pix2pix;
  return examples::run_program(p2p::program, [&] {
    examples::CommandLine<p2p::CommonOptions> line(
        p2p::program,
        "Translates solar images by conditional adversarial networks: magnetograms to UV and EUV, EUV to magnetograms, "
        "drawings to either.");
    line.add("prepare", "Make a set of pairs from level-1.5 images", p2p::add_prepare, p2p::prepare);
    line.add("synthesize", "Make a set of synthetic pairs from magnetograms", p2p::add_synthesize, p2p::synthesize);
    line.add<p2p::TrainOptions>("train", "Train a published system, or one like it", p2p::add_train,
                                p2p::train_with_recipe);
    line.add("apply", "Translate images", p2p::add_apply, p2p::apply);
    line.add("evaluate", "Measure translated images against the truth", p2p::add_evaluate, p2p::evaluate);
    line.add("select", "Find the channels from which the others follow best", p2p::add_select, p2p::select);
    line.add("import", "Take over weights of the same network from PyTorch", p2p::add_import, p2p::import_weights);
    line.add("info", "Say what is in a file of weights", p2p::add_info, p2p::info);
    return line.run(argc, argv);
  });
}
