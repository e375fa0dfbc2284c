// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <Kokkos_Core.hpp>
#include <algorithm>
#include <cstring>
#include <list>
#include <sstream>
#include <string>
#include <vector>

#include <heliograd/io/atomic_file.hpp>
#include <heliograd/version.hpp>
#include "arguments.hpp"
#include "commands.hpp"
#include "kokkos_settings.hpp"
#include "program.hpp"

/// \file
/// The command line of pix2pix.
namespace pix2pix {
namespace {

/// A range that the help does not spell out.
template <class T>
CLI::Validator within(T low, T high) {
  return CLI::Range(low, high).description("");
}

/// An option whose default is the preset's.
template <class T>
CLI::Option* add_open(CLI::App& app, std::string const& name, T& value, std::string const& what) {
  return app.add_option(name, value, what + " (default: as the preset says)");
}

void add_common(CLI::App& app, CommonOptions& common) {
  app.add_flag("--overwrite", common.overwrite, "Replace outputs that exist");
  app.add_flag("-q,--quiet", common.quiet, "Print results and errors only");
  app.add_option("--seed", common.seed, "Seed of everything random")->capture_default_str();
  app.add_option("--threads", common.threads, "Threads of the host; 0 is as many as there are")
      ->capture_default_str()
      ->check(within(0, 1024));
  app.add_option("--config", "TOML file with options of the command; flags win over it")->type_name("FILE");
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
}

void add_train(CLI::App& app, TrainOptions& o) {
  add_system(app, o.system);
  app.add_option("--data,--dataroot", o.data, "Folder of a prepared set, with pairs.csv")->type_name("FOLDER");
  app.add_option("-o,--out", o.out, "Folder for weights, checkpoints, pictures and log")->type_name("FOLDER");
  app.add_option("--start", o.start, "Weights of the generator to begin with instead of random ones")
      ->type_name("FILE");
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
  app.add_option("--cache", o.cache_megabytes, "Megabytes of images kept in memory")->capture_default_str();
}

void add_apply(CLI::App& app, ApplyOptions& o) {
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
                 "Of the norms: running, of the training and without dropout; or batch, of the image at hand and with "
                 "dropout, as the first codes inferred; or image, of the image at hand without dropout")
      ->capture_default_str()
      ->check(CLI::IsMember({"running", "batch", "image"}));
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
  app.add_flag("--dry-run", o.dry_run, "Print what would be trained");
}

void add_import(CLI::App& app, ImportOptions& o) {
  add_system(app, o.system);
  app.add_option("input", o.input, "Weights of PyTorch, as tools/export_weights.py writes them")
      ->required()
      ->type_name("IN.safetensors");
  app.add_option("-o,--output", o.output, "Weights to write")->type_name("OUT.safetensors");
  app.add_option("--names", o.names, "What the tensors are called: pix2pix, own, or a table OURS,THEIRS")
      ->capture_default_str();
  app.add_flag("--dry-run", o.dry_run, "Print names and shapes side by side; write nothing");
}

void add_prepare(CLI::App& app, PrepareOptions& o) {
  add_system(app, o.system);
  app.add_option("input", o.inputs, "Level-1.5 images, or folders of them")->required()->type_name("PATH");
  app.add_option("-o,--out", o.out, "Folder of the set")->required()->type_name("FOLDER");
}

void add_synthesize(CLI::App& app, SynthesizeOptions& o) {
  app.add_option("input", o.inputs, "Magnetograms to begin with, or folders of them")->required()->type_name("PATH");
  app.add_option("-o,--out", o.out, "Folder of the set")->required()->type_name("FOLDER");
  app.add_option("--channels", o.channels, "Channels to make")->type_name("NAME");
  app.add_option("--side", o.side, "Pixels along a side")->capture_default_str()->check(within(16, 8192));
  app.add_option("--count", o.count, "Pairs to make")->capture_default_str();
}

void add_evaluate(CLI::App& app, EvaluateOptions& o) {
  app.add_option("--data,--dataroot", o.data, "Prepared set with the truth")->type_name("FOLDER");
  app.add_option("--split", o.split, "Split of the set")
      ->capture_default_str()
      ->check(CLI::IsMember({"train", "validation", "test"}));
  app.add_option("--prediction", o.prediction, "Folder that apply wrote, or one FITS file")
      ->required()
      ->type_name("PATH");
  app.add_option("--truth", o.truth, "One FITS file")->type_name("FILE");
  app.add_option("--target", o.target, "Channel of the set that is predicted")->type_name("NAME");
  app.add_option("--against", o.against, "Print the published scores of a preset beside")->type_name("PRESET");
  app.add_option("--json", o.json, "Everything measured, as JSON")->type_name("FILE");
  app.add_option("--png", o.png, "Scatter picture")->type_name("FILE");
}

/// All options of a command as a TOML file that --config reads, defaults included, less those that were left open.
std::string recipe_of(CLI::App const& command) {
  std::istringstream lines(command.config_to_str(true, false));
  std::string kept, line;
  while (std::getline(lines, line)) {
    if (line.ends_with("=\"\"") || line.ends_with("=[]")) continue;
    kept += line + "\n";
  }
  return kept;
}

int run(int argc, char** argv) {
  CLI::App app{
      "Translates solar images by conditional adversarial networks: magnetograms to UV and EUV, EUV to magnetograms, "
      "drawings to either.",
      program};
  app.set_version_flag("--version", std::string("pix2pix (heliograd) ") + std::to_string(HELIOGRAD_VERSION_MAJOR) +
                                        "." + std::to_string(HELIOGRAD_VERSION_MINOR) + "." +
                                        std::to_string(HELIOGRAD_VERSION_PATCH));
  app.require_subcommand(1);
  app.get_formatter()->column_width(34);

  // Options of Kokkos pass through; --lambda_L1 is --lambda-L1.
  std::vector<char*> mine, kokkos{argv[0]};
  std::list<std::string> spelt;
  for (int i = 0; i < argc; ++i) {
    if (std::strncmp(argv[i], "--kokkos-", 9) == 0) {
      kokkos.push_back(argv[i]);
    } else if (std::strncmp(argv[i], "--", 2) == 0) {
      std::string& name = spelt.emplace_back(argv[i]);
      auto const end = name.begin() + static_cast<std::ptrdiff_t>(std::min(name.find('='), name.size()));
      std::replace(name.begin(), end, '_', '-');
      mine.push_back(name.data());
    } else {
      mine.push_back(argv[i]);
    }
  }

  CommonOptions common;
  TrainOptions train_options;
  ApplyOptions apply_options;
  EvaluateOptions evaluate_options;
  PrepareOptions prepare_options;
  SynthesizeOptions synthesize_options;
  SelectOptions select_options;
  ImportOptions import_options;
  CLI::App* const prepare_app = app.add_subcommand("prepare", "Make a set of pairs from level-1.5 images");
  add_prepare(*prepare_app, prepare_options);
  CLI::App* const synthesize_app = app.add_subcommand("synthesize", "Make a set of synthetic pairs from magnetograms");
  add_synthesize(*synthesize_app, synthesize_options);
  CLI::App* const train_app = app.add_subcommand("train", "Train a published system, or one like it");
  add_train(*train_app, train_options);
  CLI::App* const apply_app = app.add_subcommand("apply", "Translate images")->alias("infer");
  add_apply(*apply_app, apply_options);
  CLI::App* const evaluate_app = app.add_subcommand("evaluate", "Measure translated images against the truth");
  add_evaluate(*evaluate_app, evaluate_options);
  CLI::App* const select_app = app.add_subcommand("select", "Find the channels from which the others follow best");
  add_select(*select_app, select_options);
  CLI::App* const import_app = app.add_subcommand("import", "Take over weights of the same network from PyTorch");
  add_import(*import_app, import_options);
  for (CLI::App* const command : app.get_subcommands({})) {
    add_common(*command, common);
    examples::want_finite_numbers(*command);
  }

  if (auto const code = examples::parse_arguments(app, program, static_cast<int>(mine.size()), mine.data()))
    return *code;

  examples::check_kokkos_settings(kokkos);
  examples::signals::install(heliograd::io::remove_pending_files);
  std::string threads = "--kokkos-num-threads=" + std::to_string(common.threads);
  std::string quiet = "--kokkos-disable-warnings";  // about the environment, which are none of the user's business
  if (common.threads > 0) kokkos.push_back(threads.data());
  kokkos.push_back(quiet.data());
  int kokkos_count = static_cast<int>(kokkos.size());
  kokkos.push_back(nullptr);
  Kokkos::ScopeGuard const guard(kokkos_count, kokkos.data());

  if (prepare_app->parsed()) return prepare(prepare_options, common);
  if (synthesize_app->parsed()) return synthesize(synthesize_options, common);
  if (apply_app->parsed()) return apply(apply_options, common);
  if (evaluate_app->parsed()) return evaluate(evaluate_options, common);
  if (select_app->parsed()) return select(select_options, common);
  if (import_app->parsed()) return import_weights(import_options, common);
  // What decides the result, as text: where it stands and who looks on does not.
  for (char const* const name : {"--resume", "--overwrite", "--quiet", "--threads", "--config", "--out", "--data",
                                 "--dry-run", "--start", "--save-every", "--picture-every", "--cache"})
    train_app->get_option(name)->configurable(false);
  return train(train_options, common, recipe_of(*train_app));
}

}  // namespace
}  // namespace pix2pix

int main(int argc, char** argv) {
  return examples::run_program(pix2pix::program, [&] { return pix2pix::run(argc, argv); });
}
