// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <algorithm>
#include <bit>
#include <cinttypes>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <memory>

#include <heliograd/data/loader.hpp>
#include <heliograd/io/checkpoint.hpp>
#include <heliograd/io/png.hpp>
#include <heliograd/optim/schedule.hpp>
#include "commands.hpp"
#include "csv_log.hpp"
#include "network.hpp"
#include "pairs.hpp"
#include "pictures.hpp"
#include "program.hpp"
#include "progress.hpp"
#include "scores.hpp"
#include "training_run.hpp"

namespace pix2pix {

namespace hg = heliograd;
namespace fs = std::filesystem;

System training_system(TrainOptions const& o) {
  System s = system_of(o.system);
  s.accuracy = o.accuracy;
  Training& t = s.training;
  if (o.batch >= 0) t.batch = o.batch;
  if (o.rate >= 0) t.rate = o.rate;
  if (o.beta1 >= 0) t.beta1 = o.beta1;
  if (o.lambda_l1 >= 0) t.lambda_l1 = o.lambda_l1;
  if (o.shift >= 0) t.shift = o.shift;
  if (!o.fall.empty())
    t.fall = o.fall == "linear"   ? Fall::line
             : o.fall == "cosine" ? Fall::cosine
             : o.fall == "step"   ? Fall::steps
                                  : Fall::plateau;
  if (o.fall_epochs >= 0) {
    if (t.fall != Fall::steps) throw hg::UsageError("--fall-epochs goes with --rate-falls step");
    t.fall_epochs = o.fall_epochs;
  }
  if (!o.game.empty()) t.game = o.game == "none" ? Game::none : o.game == "lsgan" ? Game::lsgan : Game::vanilla;
  if (o.steps >= 0 && (o.epochs >= 0 || o.epochs_decay >= 0))
    throw hg::UsageError("--steps and --epochs say the same thing; give one of them");
  if (o.steps >= 0) {
    t.steps = o.steps;
    t.epochs = t.epochs_decay = 0;
  }
  if (o.epochs >= 0 || o.epochs_decay >= 0) {
    t.steps = 0;
    t.epochs = std::max(0, o.epochs);
    t.epochs_decay = std::max(0, o.epochs_decay);
  }
  if (t.steps == 0 && t.epochs + t.epochs_decay == 0) throw hg::UsageError("--epochs: there is nothing to train");
  if (t.game != Game::none && s.preparation.side < 24)
    throw hg::UsageError("--side: the discriminator wants at least 24 pixels (found " +
                         std::to_string(s.preparation.side) + ")");
  if (t.batch % o.accumulate != 0)
    throw hg::UsageError("--accumulate: a batch of " + std::to_string(t.batch) + " has no " +
                         std::to_string(o.accumulate) + " equal parts");
  return s;
}

namespace {

/// So many epochs.
std::uint64_t steps_in(int epochs, Training const& t, std::size_t pairs) {
  auto const images = static_cast<std::uint64_t>(epochs) * pairs;
  return (images + static_cast<std::uint64_t>(t.batch) - 1) / static_cast<std::uint64_t>(t.batch);
}

/// Steps at the full rate and in all, once it is known how many pairs there are.
hg::optim::LinearRate schedule_of(Training const& t, std::size_t pairs) {
  auto const steps = [&](int epochs) { return steps_in(epochs, t, pairs); };
  if (t.steps > 0) {
    auto const all = static_cast<std::uint64_t>(t.steps);
    return {t.rate, all, all + 1, 0};
  }
  return {t.rate, steps(t.epochs), steps(t.epochs) + steps(t.epochs_decay) + (t.epochs_decay > 0 ? 0 : 1), 0};
}

std::uint64_t steps_of(Training const& t, hg::optim::LinearRate const& rate) {
  return t.steps > 0 || t.epochs_decay == 0 ? rate.hold : rate.end;
}

/// The steps of the widespread PyTorch code: to a tenth; at a plateau to a fifth, when the error of the validation was six
/// times in a row not lower by a hundredth than ever before.
double rate_at(std::uint64_t step, Training const& t, hg::optim::LinearRate const& line, std::size_t pairs,
               hg::optim::PlateauRate const& plateau) {
  switch (t.fall) {
    case Fall::cosine: return hg::optim::CosineRate{t.rate, steps_of(t, line)}(step);
    case Fall::steps: return hg::optim::SteppedRate{t.rate, 0.1, steps_in(t.fall_epochs, t, pairs)}(step);
    case Fall::plateau: return plateau(step);
    default: return line(step);
  }
}

std::string grouped(double value) {
  std::string digits = std::to_string(static_cast<unsigned long long>(value));
  for (std::size_t i = digits.size(); i > 3; i -= 3) digits.insert(i - 3, ",");
  return digits;
}

void print_budget(System const& s, Budget const& b) {
  std::printf("%s%s%s: ", s.preset.c_str(), s.variant.empty() ? "" : ", ", s.variant.c_str());
  for (std::string const& channel : s.inputs) std::printf("%s ", channel.c_str());
  std::printf("-> %s, %d x %d pixels, batch %d (%s)\n\n", s.target.c_str(), s.preparation.side, s.preparation.side,
              s.training.batch, s.source.c_str());
  std::printf("%-15s %-6s %12s %14s %12s %14s\n", "layer", "k / s", "channels", "side", "parameters", "10^6 MACs");
  for (auto const& [title, layers, params, macs] :
       {std::tuple{"generator", &b.generator, b.generator_params, b.generator_macs},
        std::tuple{"discriminator", &b.discriminator, b.discriminator_params, b.discriminator_macs}}) {
    if (layers->empty()) continue;
    for (Budget::Layer const& layer : *layers) {
      char channels[32], side[32];
      std::snprintf(channels, sizeof channels, "%zu -> %zu", layer.c_in, layer.c_out);
      std::snprintf(side, sizeof side, "%zu -> %zu", layer.side_in, layer.side_out);
      std::printf("%-15s %zu / %zu  %12s %14s %12s %14.1f\n", layer.name.c_str(), layer.filter, layer.stride, channels,
                  side, grouped(double(layer.params)).c_str(), 1e-6 * layer.macs);
    }
    std::printf("%-15s %48s %14.1f\n\n", title, grouped(double(params)).c_str(), 1e-6 * macs);
  }
}

int print_plan(System const& s, TrainOptions const& o) {
  auto const accumulate = static_cast<std::size_t>(o.accumulate);
  Budget const b = budget_of(s, static_cast<std::size_t>(s.training.batch), accumulate);
  print_budget(s, b);
  double const step = b.step_macs / measured_rate();
  std::printf("a step: %.2f 10^12 multiply-adds, about %s on this machine, at most %.2f GiB\n", 1e-12 * b.step_macs,
              examples::duration_text(step).c_str(), b.step_bytes / (1 << 30));
  std::size_t pairs = 0;
  if (!o.data.empty()) {
    PairSet const set(o.data);
    auto channels = s.inputs;
    channels.push_back(s.target);
    pairs = set.rows("train", channels).size();
    double const steps = double(pairs) / s.training.batch;
    std::printf("an epoch: %zu pairs, about %s\n", pairs, examples::duration_text(steps * step).c_str());
  }
  if (s.training.steps > 0 || pairs > 0) {
    std::uint64_t const all = steps_of(s.training, schedule_of(s.training, pairs));
    std::printf("all: %" PRIu64 " steps, about %s\n", all, examples::duration_text(double(all) * step).c_str());
  } else {
    std::printf("all: %d epochs\n", s.training.epochs + s.training.epochs_decay);
  }
  return examples::success;
}

// ---------------------------------------------------------------------------------------------------------------------

/// Everything a run needs to go on as if it had never stopped, besides networks and optimisers: batches and random numbers are
/// functions of seed and step.
struct RunState {
  std::uint64_t step = 0;
  std::uint64_t best_bits = std::bit_cast<std::uint64_t>(-std::numeric_limits<double>::infinity());
  std::uint64_t best_step = 0;
  hg::optim::PlateauRate plateau;  ///< if the rate falls at plateaus
  std::uint64_t lowest_bits = std::bit_cast<std::uint64_t>(std::numeric_limits<double>::infinity());

  explicit RunState(Training const& t) : plateau{.rate = t.rate, .factor = 0.2, .patience = 5, .threshold = 0.01} {}

  double best() const { return std::bit_cast<double>(best_bits); }
  Trainer::Numbers numbers(Training const& t) {
    Trainer::Numbers all{{"step", &step}, {"best", &best_bits}, {"best_step", &best_step}};
    if (t.fall == Fall::plateau)
      all.insert(
          all.end(),
          {{"plateau.lowest", &lowest_bits}, {"plateau.waited", &plateau.waited}, {"plateau.falls", &plateau.falls}});
    return all;
  }
  void see(double error) {
    plateau.see(error);
    lowest_bits = std::bit_cast<std::uint64_t>(plateau.lowest);
  }
  void load(Trainer& trainer, Training const& t, std::string const& file) {
    trainer.load(file, numbers(t));
    plateau.lowest = std::bit_cast<double>(lowest_bits);
  }
};

/// Images that the training is judged by, or shown with.
struct Exam {
  std::string name;
  std::size_t height, width;
  std::vector<float> input, truth;  // the network's numbers
};

std::vector<Exam> exams_of(PairSet const& set, std::vector<Row> const& rows, System const& s, std::size_t most) {
  std::vector<Exam> exams;
  std::size_t const count = std::min(most, rows.size());
  for (std::size_t i = 0; i < count; ++i) {
    Row const& row = rows[i * rows.size() / count];  // spread over the split
    Stack const pair = middle_of(read_pair(set, row, s), static_cast<std::size_t>(s.preparation.side),
                                 std::size_t{1} << s.generator.depth, set.path(row, s.target));
    exams.push_back({row.time, pair.height, pair.width, channels_of(pair, 0, s.inputs.size()),
                     channels_of(pair, s.inputs.size(), s.inputs.size() + 1)});
  }
  return exams;
}

Inference inference_of(System const& s) { return {s.inference == "batch", s.inference == "batch"}; }

/// Mean correlation with the truth, pixel by pixel in physical units, and the mean absolute error in the network's.
std::pair<double, double> examine(Generator const& generator, std::vector<Exam> const& exams, std::uint64_t seed) {
  System const& s = generator.system();
  Scaling const scaling = scaling_of(s.preparation, s.target);
  HostSpace ws;
  double correlation = 0, error = 0;
  for (Exam const& exam : exams) {
    auto const y = generator.run(exam.height, exam.width, exam.input, inference_of(s), seed);
    correlation += correlation_within(ws, {exam.height, exam.width, y}, {exam.height, exam.width, exam.truth}, scaling,
                                      std::numeric_limits<double>::infinity());
    double difference = 0;
    for (std::size_t i = 0; i < y.size(); ++i)
      difference += std::fabs(static_cast<double>(y[i]) - static_cast<double>(exam.truth[i]));
    error += difference / double(y.size());
  }
  return {correlation / double(exams.size()), error / double(exams.size())};
}

}  // namespace

int train(TrainOptions const& o, CommonOptions const& common, std::string const& recipe) {
  System const s = training_system(o);
  if (o.dry_run) return print_plan(s, o);
  if (o.data.empty() || o.out.empty()) throw hg::UsageError("train wants --data and --out; see pix2pix train --help");
  for (auto const& [flag, file] :
       {std::pair{"--start", o.start}, std::pair{"--start-discriminator", o.start_discriminator}}) {
    if (file.empty()) continue;
    if (o.resume)
      throw hg::UsageError(flag + std::string(" begins a training, --resume goes on with one: give one of them"));
    if (examples::lies_in(file, o.out))
      throw hg::UsageError(file + ": lies in " + o.out +
                           ", whose training is replaced; copy it, or take another --out");
  }
  if (!o.start_discriminator.empty() && s.training.game == Game::none)
    throw hg::UsageError("--start-discriminator: there is no game; give one with --gan-mode");

  // What there is to train on; nothing is written before it has been looked at.
  PairSet const set(o.data);
  auto channels = s.inputs;
  channels.push_back(s.target);
  auto const rows = set.rows("train", channels);
  auto validation = set.rows("validation", channels);
  PairSource const source(set, rows, s, common.seed, o.cache_megabytes << 20);
  source(0);
  auto const rate = schedule_of(s.training, rows.size());
  std::uint64_t const steps = steps_of(s.training, rate);
  auto const exams = exams_of(set, validation, s, 16);
  auto const shown =
      o.picture_every > 0 ? exams_of(set, validation.empty() ? rows : validation, s, 3) : std::vector<Exam>{};

  if (s.training.fall == Fall::plateau && exams.empty())
    throw hg::InputError(o.data +
                         "/pairs.csv: no line of the split validation has all channels, so no plateau can be "
                         "seen; take another --rate-falls");

  // The folder.
  examples::TrainingFolder folder(o.out, "generator.safetensors", o.resume, common.overwrite);

  Trainer trainer(s, common.seed, static_cast<std::size_t>(o.accumulate));
  Generator generator = trainer.generator();  // the same weights
  if (!o.start.empty()) generator.weights().load(o.start);
  if (!o.start_discriminator.empty()) trainer.discriminator()->load(o.start_discriminator);
  if (!o.resume) folder.clear({"best.safetensors", "discriminator.safetensors"});
  RunState state(s.training);
  if (o.resume) {
    state.load(trainer, s.training, examples::checkpoint_to_resume(program, o.out, recipe));
    if (!common.quiet) std::printf("resuming after step %" PRIu64 "\n", state.step);
  }
  if (!common.quiet) {
    std::printf("%s: %zu pairs to train on, %zu for validation, %" PRIu64 " steps of %d\n", s.preset.c_str(),
                rows.size(), exams.size(), steps, s.training.batch);
    std::fflush(stdout);
  }
  examples::write_text(o.out + "/options.toml", recipe);
  examples::CsvLog log(o.out + "/log.csv", "step,rate,l1,generator,discriminator,norm,correlation,error,wait,seconds",
                       state.step);

  std::map<std::string, std::string> about{{"recipe", recipe}, {"seed", std::to_string(common.seed)}};
  auto const keep = [&](std::string const& name) {
    about["steps"] = std::to_string(state.step);
    generator.weights().save(o.out + "/" + name, about, true);
  };
  auto const save = [&] {
    keep("generator.safetensors");
    if (auto const* opponent = trainer.discriminator())
      opponent->save(o.out + "/discriminator.safetensors", about, true);
    trainer.save(o.out, state.step, state.numbers(s.training), recipe);
  };

  hg::data::Prefetch prefetch([&](std::uint64_t number) { return source(number); });
  examples::Stopwatch clock;
  examples::Progress progress("step", steps, common.quiet);
  progress.start_at(state.step);
  double waited = 0;
  examples::FiniteSteps finite(o.out);
  while (state.step < steps) {
    examples::Stopwatch waiting;
    Batch const batch = [&] {
      try {
        return prefetch.get(state.step);
      } catch (hg::InputError const&) {  // a file of the set; what was learnt is kept
        progress.clear();
        if (state.step % o.save_every != 0) save();
        throw;
      }
    }();
    double const wait = waiting.seconds();
    waited += wait;
    double const step_rate = rate_at(state.step, s.training, rate, rows.size(), state.plateau);
    Losses const losses = trainer.step(batch, state.step, step_rate);
    ++state.step;
    finite.count(state.step, losses.finite);
    bool const last = state.step == steps;
    char line[320], tail[96] = ",,";
    if (!exams.empty() && (state.step % o.validate_every == 0 || last)) {
      auto const [correlation, error] = examine(generator, exams, common.seed);
      state.see(error);
      std::snprintf(tail, sizeof tail, "%.6g,%.6g,", correlation, error);
      progress.clear();
      if (!common.quiet) {
        std::printf("step %" PRIu64
                    "  l1 %.4f  generator %.3f  discriminator %.3f  |  validation: correlation %.4f, "
                    "error %.4f\n",
                    state.step, losses.l1, losses.generator, losses.discriminator, correlation, error);
        std::fflush(stdout);
      }
      if (correlation > state.best()) {
        state.best_bits = std::bit_cast<std::uint64_t>(correlation);
        state.best_step = state.step;
        keep("best.safetensors");
      }
    }
    std::snprintf(line, sizeof line, "%" PRIu64 ",%.6g,%.9g,%.9g,%.9g,%.9g,%s%.4f,%.1f", state.step, step_rate,
                  losses.l1, losses.generator, losses.discriminator, losses.norm, tail, wait, clock.seconds());
    log.line(line);
    if (o.picture_every > 0 && (state.step % o.picture_every == 0 || last)) {
      std::vector<Shown> pictures;
      for (Exam const& exam : shown)
        pictures.push_back({exam.name, exam.height, exam.width, exam.input,
                            generator.run(exam.height, exam.width, exam.input, inference_of(s), common.seed),
                            exam.truth});
      folder.make("pictures");
      char name[40];
      std::snprintf(name, sizeof name, "/pictures/step-%09" PRIu64 ".png", state.step);
      hg::io::write_png(o.out + name, draw_grid(pictures, s, 256), {.overwrite = true});
    }
    if (state.step % o.save_every == 0 || last) save();
    char note[80];
    std::snprintf(note, sizeof note, "l1 %.4f, generator %.3f, discriminator %.3f", losses.l1, losses.generator,
                  losses.discriminator);
    progress.update(state.step, note);
    if (!last) examples::stop_if_asked(state.step, progress, common.quiet, save);
  }
  progress.clear();
  if (!common.quiet) {
    double const spent = clock.seconds();
    std::printf("%" PRIu64 " steps in %s, %.1f %% of it waiting for data: %s\n", steps,
                examples::duration_text(spent).c_str(), 100 * waited / spent,
                (o.out + "/generator.safetensors").c_str());
    if (!exams.empty())
      std::printf("best in validation: step %" PRIu64 ", correlation %.4f: %s\n", state.best_step, state.best(),
                  (o.out + "/best.safetensors").c_str());
  }
  return examples::success;
}

}  // namespace pix2pix
