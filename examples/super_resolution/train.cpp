// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <algorithm>
#include <bit>
#include <cinttypes>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <limits>
#include <optional>
#include <sstream>

#include <heliograd/io/checkpoint.hpp>
#include <heliograd/loss/gradient.hpp>
#include <heliograd/loss/histogram.hpp>
#include <heliograd/loss/pixel.hpp>
#include <heliograd/loss/ssim.hpp>
#include <heliograd/nn/accuracy.hpp>
#include <heliograd/optim/adam.hpp>
#include <heliograd/optim/clip.hpp>
#include <heliograd/optim/schedule.hpp>
#include <heliograd/physics/instrument.hpp>
#include "accuracy.hpp"
#include "commands.hpp"
#include "csv_log.hpp"
#include "dataset.hpp"
#include "network.hpp"
#include "outputs.hpp"
#include "program.hpp"
#include "progress.hpp"
#include "scores.hpp"
#include "training_run.hpp"
#include "upscale.hpp"

namespace super_resolution {

namespace hg = heliograd;
namespace fs = std::filesystem;

namespace {

// ---------------------------------------------------------------------------------------------------------------------
// The recipe: everything that decides what the training computes.

struct LossWeights {
  double gradient, histogram, ssim;
};

/// Munoz-Jaramillo et al. 2021, as in the released configurations.
LossWeights loss_weights(TrainOptions const& o) {
  LossWeights w = o.preset == "gong" ? LossWeights{5, 1e-6, 5e-4} : LossWeights{5, 1e-5, 5e-5};
  if (o.gradient >= 0) w.gradient = o.gradient;
  if (o.histogram >= 0) w.histogram = o.histogram;
  if (o.ssim >= 0) w.ssim = o.ssim;
  return w;
}

hg::physics::InstrumentRange instrument_range(TrainOptions const& o) {
  auto range = o.preset == "gong" ? hg::physics::gong_like() : hg::physics::mdi_like();
  auto const set = [](double(&to)[2], std::vector<double> const& from, char const* flag, double lowest) {
    if (from.empty()) return;
    if (!(from[0] <= from[1]) || !(from[0] >= lowest))
      throw hg::UsageError(std::string(flag) + " wants two numbers, the smaller first, not below " +
                           std::to_string(lowest));
    to[0] = from[0], to[1] = from[1];
  };
  constexpr double any = -1e9;
  set(range.psf_sigma, o.psf, "--psf", 0);
  set(range.slope, o.slope, "--slope", 1e-3);
  set(range.weak_excess, o.weak_excess, "--weak-excess", any);
  set(range.knee, o.knee, "--knee", 1);
  set(range.noise, o.noise, "--noise", 0);
  set(range.shift, o.shift, "--shift", any);
  set(range.offset, o.offset, "--offset", any);
  if (range.psf_sigma[1] > 2.9)
    throw hg::UsageError("--psf: the widest blur a crop has room for is 2.9 pixels (found " +
                         std::to_string(range.psf_sigma[1]) + ")");
  return range;
}

double rate_at(TrainOptions const& o, std::uint64_t step) {
  if (o.schedule == "cosine") return hg::optim::CosineRate{o.rate, o.steps, o.final_rate, o.warmup}(step);
  if (o.schedule == "linear") {
    double const rate = hg::optim::LinearRate{o.rate, o.warmup, o.steps, o.final_rate}(step);
    return step < o.warmup ? rate * double(step + 1) / double(o.warmup) : rate;
  }
  return step < o.warmup ? o.rate * double(step + 1) / double(o.warmup) : o.rate;
}

/// Everything a run needs to go on as if it had never stopped, besides the network and the optimiser: batches are functions
/// of seed and step.
struct RunState {
  std::uint64_t step = 0;     ///< steps taken
  std::uint64_t updates = 0;  ///< of them, those that moved the parameters: loss and gradient were finite
  std::uint64_t best_bits = std::bit_cast<std::uint64_t>(std::numeric_limits<double>::infinity());
  std::uint64_t best_step = 0;

  double best() const { return std::bit_cast<double>(best_bits); }
};

hg::io::TrainingState<Network, Backend> training_state(Network& model, hg::optim::Adam<Backend> const& adam,
                                                       RunState& run) {
  return {model,
          {{"adam.first", adam.first()}, {"adam.second", adam.second()}},
          {{"step", &run.step}, {"updates", &run.updates}, {"best", &run.best_bits}, {"best_step", &run.best_step}}};
}

/// Goes back to the newest checkpoint that is whole.
void resume(std::string const& folder, Network& model, hg::optim::Adam<Backend>& adam, RunState& run,
            std::string const& recipe) {
  hg::io::load_checkpoint(examples::checkpoint_to_resume(program, folder, recipe), training_state(model, adam, run));
  adam.set_steps(run.updates);
}

// ---------------------------------------------------------------------------------------------------------------------
// A batch on the device.

struct DeviceBatch {
  hg::Tensor<4, Backend> input;   // [n, h, w, 2]
  hg::Tensor<4, Backend> target;  // [n, scale*h, scale*w, 1]
};

class Loader {
 public:
  explicit Loader(std::size_t factor) : factor_(factor) {}

  DeviceBatch load(hg::Workspace<Backend>& ws, Batch const& batch) {
    std::size_t const n = batch.count, crop = batch.crop, low = crop / factor_, wide = crop + 2 * blur_margin;
    if (fine_.extent(0) != n || fine_.extent(1) != wide) {
      fine_ = hg::make_tensor<Backend>("fine", hg::Shape{n, wide, wide, std::size_t{1}});
      coarse_ = hg::make_tensor<Backend>("coarse", hg::Shape{n, low, low, std::size_t{1}});
      device_.input = hg::make_tensor<Backend>("input", hg::Shape{n, low, low, std::size_t{2}});
      device_.target = hg::make_tensor<Backend>("target", hg::Shape{n, crop, crop, std::size_t{1}});
    }
    hg::from_host(ws.exec(), fine_, batch.fine);
    hg::physics::observe<Backend>(ws, fine_, batch.instruments, batch.noise, coarse_,
                                  {.factor = static_cast<int>(factor_), .margin = blur_margin});
    auto const seen = hg::to_host(ws.exec(), coarse_);
    constexpr auto unit = static_cast<float>(1 / field_unit_gauss);
    std::vector<float> input(seen.size() * 2), target(batch.target.size());
    for (std::size_t i = 0; i < seen.size(); ++i) {
      float const gauss = batch.real[i / (low * low)] ? batch.reading[i] : seen[i];
      input[2 * i] = batch.radius[i];
      input[2 * i + 1] = batch.on_disk[i] * gauss * unit;
    }
    for (std::size_t i = 0; i < target.size(); ++i) target[i] = batch.target[i] * unit;
    hg::from_host(ws.exec(), device_.input, input);
    hg::from_host(ws.exec(), device_.target, target);
    return device_;
  }

 private:
  std::size_t factor_;
  hg::Tensor<4, Backend> fine_, coarse_;
  DeviceBatch device_;
};

// ---------------------------------------------------------------------------------------------------------------------
// Validation: whole images of regions kept aside, degraded once and for all; and the part of the real pairs kept aside.

struct Exam {
  std::string name;
  bool real = false;
  std::size_t height = 0, width = 0;  // at low resolution
  std::vector<float> input, truth;
  Scores baseline;
};

/// The middle of an image, at most `largest` pixels a side, in whole blocks.
Image middle(Image const& image, std::size_t largest, std::size_t factor) {
  std::size_t const height = std::min(largest, image.height) / factor * factor;
  std::size_t const width = std::min(largest, image.width) / factor * factor;
  std::size_t const y = (image.height - height) / 2, x = (image.width - width) / 2;
  return part(image, y, y + height, x, x + width);
}

std::vector<Exam> make_exams(hg::Workspace<Backend>& ws, std::vector<Magnetogram> const& aside,
                             std::vector<RealPair> const& pairs, TrainOptions const& o,
                             hg::physics::InstrumentRange const& range) {
  auto const factor = static_cast<std::size_t>(o.scale);
  std::vector<Exam> exams;
  std::string last_region;
  hg::Rng rng(987654321);  // the same exams whatever the seed of the training
  for (Magnetogram const& image : aside) {
    if (image.region == last_region) continue;  // one image of each region
    last_region = image.region;
    Image const fine = middle(image.fine, 384, factor);
    Exam exam;
    exam.name = image.region;
    exam.height = fine.height / factor;
    exam.width = fine.width / factor;
    exam.truth = fine.gauss;
    auto const x = hg::make_tensor<Backend>("fine", hg::Shape{std::size_t{1}, fine.height, fine.width, std::size_t{1}});
    auto const y =
        hg::make_tensor<Backend>("coarse", hg::Shape{std::size_t{1}, exam.height, exam.width, std::size_t{1}});
    hg::from_host(ws.exec(), x, fine.gauss);
    auto instrument = range.draw(rng);
    instrument.shift_x = instrument.shift_y = 0;
    hg::physics::observe<Backend>(ws, x, {instrument}, rng.fork(), y, {.factor = o.scale});
    exam.input = hg::to_host(ws.exec(), y);
    exams.push_back(std::move(exam));
  }
  for (RealPair const& pair : pairs) {
    Exam exam;
    exam.name = pair.name;
    exam.real = true;
    exam.height = pair.fine.height / factor;
    exam.width = pair.fine.width / factor;
    exam.truth = cropped(pair.fine, exam.height * factor, exam.width * factor).gauss;
    exam.input = binned(cropped(pair.reading, exam.height * factor, exam.width * factor), factor).gauss;
    exams.push_back(std::move(exam));
  }
  for (Exam& exam : exams)
    exam.baseline = compare(bicubic(ws, {exam.height, exam.width, exam.input}, factor, o.baseline_factor).gauss,
                            exam.truth, exam.height * factor, exam.width * factor);
  return exams;
}

/// The mean over all exams of how the network does relative to the baseline; fills in the score of each.
double examine(Network const& model, std::vector<Exam> const& exams, std::vector<Scores>& scores) {
  Upscaler upscaler(model);
  scores.clear();
  double total = 0;
  for (Exam const& exam : exams) {
    auto const fine = upscaler.run(exam.height, exam.width, std::nullopt, exam.input);
    auto const factor = static_cast<std::size_t>(model.scale);
    scores.push_back(compare(fine, exam.truth, exam.height * factor, exam.width * factor));
    total += relative(scores.back(), exam.baseline);
  }
  return exams.empty() ? 0 : total / double(exams.size());
}

/// The recipe without names of folders and files, which mean nothing elsewhere.
std::string without_paths(std::string const& recipe) {
  std::istringstream lines(recipe);
  std::string kept, line;
  while (std::getline(lines, line))
    if (!line.starts_with("data=") && !line.starts_with("pairs=") && !line.starts_with("start=")) kept += line + "\n";
  return kept;
}

void check_options(TrainOptions const& o) {
  auto const want = [](bool ok, std::string const& what) {
    if (!ok) throw hg::UsageError(what);
  };
  auto const factor = static_cast<std::size_t>(o.scale);
  want(o.crop % factor == 0 && o.crop / factor >= 8 && o.crop <= 1024,
       "--crop must be a multiple of the scale, at least 8 times it and at most 1024 (found " + std::to_string(o.crop) +
           ")");
  want(o.batch >= 1 && o.batch <= 4096, "--batch must lie between 1 and 4096");
  want(o.rate > 0 && std::isfinite(o.rate) && o.final_rate >= 0,
       "--rate must be positive and --final-rate not negative");
  want(o.pairs.size() % 2 == 0, "--pairs wants two files for each pair: the low-resolution reading, then the truth");
  want(o.pairs_part[0] >= 0 && o.pairs_part[1] <= 1 && o.pairs_part[0] < o.pairs_part[1],
       "--pairs-part wants two shares of the width, such as 0 0.5");
  want(o.strong >= 0 && o.strong <= 1 && o.pairs_share >= 0 && o.pairs_share <= 1, "shares must lie between 0 and 1");
  want(o.validate_every >= 1 && o.save_every >= 1, "--validate-every and --save-every must be at least 1");
  want(!(o.resume && !o.start.empty()), "--start begins a training, --resume goes on with one: give one of them");
}

}  // namespace

int train(TrainOptions const& o, CommonOptions const& common, std::string const& recipe) {
  check_options(o);
  auto const range = instrument_range(o);
  auto const weights = loss_weights(o);
  auto const factor = static_cast<std::size_t>(o.scale);

  // What there is to train on; nothing is written before it has been read.
  Collection const data = collect(o.data, o.aside, o.crop);
  std::vector<RealPair> pairs, pairs_aside;
  for (std::size_t i = 0; i + 1 < o.pairs.size(); i += 2) {
    RealPair const whole = read_pair(o.pairs[i], o.pairs[i + 1]);
    pairs.push_back(part_of(whole, o.pairs_part[0], o.pairs_part[1]));
    if (o.pairs_part[0] > 0.25) pairs_aside.push_back(part_of(whole, 0, o.pairs_part[0]));
    if (o.pairs_part[1] < 0.75) pairs_aside.push_back(part_of(whole, o.pairs_part[1], 1));
    if (pairs.back().fine.width < o.crop || pairs.back().fine.height < o.crop)
      throw hg::InputError(o.pairs[i] + ": the part to train on is smaller than a crop of " + std::to_string(o.crop) +
                           " pixels");
    if (!common.quiet)
      std::printf("pair %s: moved by (%d, %d) pixels, correlation %.4f\n", pairs.back().name.c_str(), whole.shift_y,
                  whole.shift_x, whole.correlation);
  }
  if (!common.quiet) {
    std::string region;
    for (auto const* const part : {&data.training, &data.validation}) {
      std::printf("%s:", part == &data.training ? "training on" : "kept aside");
      for (Magnetogram const& image : *part) {
        if (image.region != region) std::printf("%s%s", region.empty() ? " " : ", ", image.region.c_str());
        region = image.region;
      }
      std::printf(" (%zu images)\n", part->size());
      region.clear();
    }
    for (std::string const& line : data.skipped) std::printf("passed over: %s\n", examples::one_line(line).c_str());
  }

  // The folder.
  examples::TrainingFolder const folder(o.out, "model.safetensors", o.resume, common.overwrite);

  // Network and optimiser.
  hg::Rng rng(common.seed);
  Network model = super_resolution_network<Backend>(rng, o.scale, o.dropout);
  hg::nn::set_accuracy(model, examples::accuracy_of(o.accuracy));
  if (!o.start.empty()) hg::io::load_weights(o.start, model);
  if (!o.resume) folder.clear();
  hg::FlatStore<Backend> const store(model);
  hg::optim::Adam<Backend> adam(store, {.learning_rate = o.rate, .beta1 = o.betas[0], .beta2 = o.betas[1]});
  RunState state;
  if (o.resume) {
    resume(o.out, model, adam, state, recipe);
    if (!common.quiet) std::printf("resuming after step %" PRIu64 "\n", state.step);
  }
  examples::write_text(o.out + "/options.toml", recipe);
  examples::CsvLog log(o.out + "/log.csv", "step,rate,loss,mse,gradient,histogram,ssim,norm,score,seconds", state.step);

  hg::Tape<Backend> tape;
  auto& ws = tape.workspace();
  SamplerOptions const sampling{.factor = factor,
                                .crop = o.crop,
                                .batch = o.batch,
                                .strong = o.strong,
                                .pairs = o.pairs_share,
                                .instrument = range};
  Sampler const sampler(data.training, pairs, sampling, common.seed);
  Loader loader(factor);
  auto const exams = make_exams(ws, data.validation, pairs_aside, o, range);
  if (!common.quiet)
    for (Exam const& exam : exams)
      std::printf("%-14s %zu x %zu  bicubic / %.2f: %s\n", exam.name.c_str(), exam.width * factor, exam.height * factor,
                  o.baseline_factor, text(exam.baseline).c_str());
  std::fflush(stdout);

  hg::SignedLogBins const bins{.unit = field_unit_gauss};
  hg::SsimOptions const similarity{.data_range = 1, .luminance_of_magnitude = true};
  examples::Stopwatch clock;
  examples::Progress progress("step", o.steps, common.quiet);
  progress.start_at(state.step);
  std::vector<Scores> scores;
  examples::FiniteSteps finite(o.out);
  double shown_loss = 0;

  auto const validate = [&]() {
    double const score = exams.empty() ? std::numeric_limits<double>::quiet_NaN() : examine(model, exams, scores);
    progress.clear();
    if (!common.quiet) {
      std::printf("step %" PRIu64 "  loss %.3e  relative to the baseline %.4f\n", state.step, shown_loss, score);
      for (std::size_t i = 0; i < exams.size(); ++i)
        std::printf("    %-14s %s\n", exams[i].name.c_str(), text(scores[i]).c_str());
      std::fflush(stdout);
    }
    if (exams.empty() || score < state.best()) {
      state.best_bits = std::bit_cast<std::uint64_t>(score);
      state.best_step = state.step;
      char number[32];
      std::snprintf(number, sizeof number, "%.4f", score);
      hg::io::save_weights(o.out + "/model.safetensors", model,
                           {{"network", "HighResNet_RPRCDO"},
                            {"scale", std::to_string(o.scale)},
                            {"accuracy", o.accuracy},
                            {"field_unit_gauss", "3500"},
                            {"steps", std::to_string(state.step)},
                            {"score", number},
                            {"recipe", without_paths(recipe)}},
                           {.overwrite = true});
    }
    return score;
  };
  auto const save = [&] {
    hg::io::save_checkpoint(o.out, state.step, training_state(model, adam, state), {{"recipe", recipe}});
  };

  while (state.step < o.steps) {
    std::uint64_t const step = state.step;
    double const rate = rate_at(o, step);
    auto const batch = loader.load(ws, sampler.draw(step));
    auto const target = tape.constant(batch.target);
    hg::Rng drops(common.seed ^ (step + 1) * 0x9E3779B97F4A7C15u);
    auto const y = model(tape.constant(batch.input), hg::nn::Mode::train(drops));
    auto const mse = hg::loss::mse(y, target);
    auto loss = mse;
    hg::Var<0, Backend> gradient, histogram, ssim;
    if (weights.gradient > 0) loss = loss + weights.gradient * (gradient = hg::loss::gradient(y, target));
    if (weights.histogram > 0) loss = loss + weights.histogram * (histogram = hg::loss::histogram(y, target, bins));
    if (weights.ssim > 0) loss = loss + weights.ssim * (ssim = hg::loss::ssim(y, target, similarity));
    tape.backward(loss);
    auto const number = [&](hg::Var<0, Backend> const& var) {
      return var.owner ? static_cast<double>(hg::item(ws.exec(), var.value)) : 0.0;
    };
    double const value = number(loss);
    double const norm = o.clip > 0 ? hg::optim::clip_gradients(ws, store, o.clip) : hg::optim::gradient_norm(ws, store);
    if (std::isfinite(value) && std::isfinite(norm)) {
      adam.update(ws, rate);
      ++state.updates;
      shown_loss = shown_loss == 0 ? value : 0.98 * shown_loss + 0.02 * value;
    } else {
      store.zero_grad(ws.exec());
    }
    finite.count(step + 1, std::isfinite(value) && std::isfinite(norm));
    char line[256];
    std::snprintf(line, sizeof line, "%" PRIu64 ",%.6g,%.6g,%.6g,%.6g,%.6g,%.6g,%.4g", step + 1, rate, value,
                  number(mse), number(gradient), number(histogram), number(ssim), norm);
    tape.clear();
    ++state.step;
    bool const last = state.step == o.steps;
    double score = std::numeric_limits<double>::quiet_NaN();
    bool const examined = state.step % o.validate_every == 0 || last;
    if (examined) score = validate();
    char tail[64];
    if (examined && !exams.empty())
      std::snprintf(tail, sizeof tail, ",%.6g,%.1f", score, clock.seconds());
    else
      std::snprintf(tail, sizeof tail, ",,%.1f", clock.seconds());
    log.line(std::string(line) + tail);
    if (state.step % o.save_every == 0 || last) save();
    char note[48];
    std::snprintf(note, sizeof note, "loss %.3e", shown_loss);
    progress.update(state.step, note);
    if (!last) examples::stop_if_asked(state.step, progress, common.quiet, save);
  }
  progress.clear();
  if (!common.quiet)
    std::printf("%" PRIu64 " steps in %s; best weights (step %" PRIu64 ", %.4f relative to the baseline): %s\n",
                o.steps, examples::duration_text(clock.seconds()).c_str(), state.best_step, state.best(),
                (o.out + "/model.safetensors").c_str());
  return examples::success;
}

}  // namespace super_resolution
