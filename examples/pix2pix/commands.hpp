// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "common_options.hpp"
#include "presets.hpp"

/// \file
/// The sub-commands of the program: what each can be told, and the function that does it. Functions return an exit code and
/// throw heliograd's exceptions.
namespace pix2pix {

inline constexpr char const* program = "pix2pix";

/// What all commands understand.
struct CommonOptions : examples::CommonOptions {
  std::uint64_t seed = 1;
};

struct TrainOptions {
  SystemOptions system;
  std::string data;  ///< folder of a prepared set
  std::string out;
  std::string start;
  std::string start_discriminator;
  std::string accuracy = "strict";  ///< of convolutions
  bool resume = false;
  bool dry_run = false;
  int batch = -1;
  int accumulate = 1;
  std::int64_t steps = -1;
  int epochs = -1;
  int epochs_decay = -1;
  double rate = -1;
  double beta1 = -1;
  double lambda_l1 = -1;
  std::string game;
  std::string fall;
  int fall_epochs = -1;
  int shift = -1;
  std::uint64_t validate_every = 1000;
  std::uint64_t save_every = 1000;
  std::uint64_t picture_every = 1000;
  std::size_t cache_megabytes = 2048;
};
/// \param recipe every option as text, saved beside the results.
int train(TrainOptions const& options, CommonOptions const& common, std::string const& recipe);

struct ApplyOptions {
  std::vector<std::string> inputs;  ///< FITS files, one for each input channel, image after image
  std::string data;                 ///< instead: a prepared set
  std::string split = "test";
  std::string output;
  std::string weights;
  std::string statistics;  ///< empty: as the weights say
  std::string accuracy;    ///< of convolutions; empty: as the weights say
  int samples = 0;         ///< of Monte-Carlo dropout
  std::string deviation;
  std::string png;
  std::size_t png_side = 512;
  std::size_t tile = 0;
  bool strict = false;
  bool ignore_checksum = false;
};
int apply(ApplyOptions const& options, CommonOptions const& common);

struct SelectOptions {
  std::string data;
  std::string out;
  std::vector<std::string> channels;
  int most = 3;
  std::int64_t steps = 1000;
  int batch = 1;
  int side = -1;
  int depth = -1;
  int width = -1;
  int widest = -1;
  std::string split = "validation";
  std::int64_t jobs = -1;  ///< stop after so many new ones
  bool whole = false;      ///< score all pixels, not only the disk
  bool keep = false;       ///< the networks
  bool dry_run = false;
};
int select(SelectOptions const& options, CommonOptions const& common);

struct ImportOptions {
  SystemOptions system;
  std::string input;
  std::string output;
  std::string network = "generator";
  std::string names = "pix2pix";
  bool dry_run = false;
};
int import_weights(ImportOptions const& options, CommonOptions const& common);

struct PrepareOptions {
  SystemOptions system;
  std::vector<std::string> inputs;  ///< folders or files
  std::string out;
  bool resume = false;
  bool skip = false;
  double tolerance = 6;  ///< minutes between images of a pair
  std::size_t samples = 1;
  double coverage = 0.98;
  double mask = 0;
  bool any_quality = false;
  std::string degradation;
  std::vector<std::string> validation, test;
  std::string north = "drawn";
  std::vector<double> disk;
  bool light_ink = false;
  bool mirrored = false;
};
int prepare(PrepareOptions const& options, CommonOptions const& common);

struct SynthesizeOptions {
  std::vector<std::string> inputs;
  std::string out;
  std::vector<std::string> channels;
  std::string scene = "patch";
  std::size_t side = 256;
  std::size_t bin = 1;
  double disk_radius = 0;
  std::size_t count = 64;
  bool resume = false;
  bool steady = false;  ///< nothing of the corona is left to chance
};
int synthesize(SynthesizeOptions const& options, CommonOptions const& common);

struct InfoOptions {
  std::string file;
};
int info(InfoOptions const& options, CommonOptions const& common);

struct EvaluateOptions {
  std::string preset = "park2019-b";
  double field_limit = -1;
  double photon_bits = -1;
  std::string data;
  std::string split = "test";
  std::string prediction;  ///< folder, or one FITS file
  std::string truth;       ///< one FITS file
  std::string target;
  std::string against;
  std::string json;
  std::string png;
};
int evaluate(EvaluateOptions const& options, CommonOptions const& common);

}  // namespace pix2pix
