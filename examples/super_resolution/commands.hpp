// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "common_options.hpp"

/// \file
/// The sub-commands of the program: what each can be told, and the function that does it. Functions return an exit code and
/// throw heliograd's exceptions.
namespace super_resolution {

inline constexpr char const* program = "super_resolution";

/// What all commands understand.
struct CommonOptions : examples::CommonOptions {
  std::uint64_t seed = 1;
};

struct ApplyOptions {
  std::string input;
  std::string output;
  std::string png;
  std::string weights;
  std::string accuracy;  ///< of convolutions; empty: as the weights say
  int scale = 4;
  bool no_wcs = false;
  bool off_disk_nan = false;
  bool ignore_checksum = false;
  std::size_t tile = 128;
  double saturate = 300;       ///< gauss, black and white of the picture
  std::size_t png_side = 900;  ///< pixels along the side of each panel
};
int apply(ApplyOptions const& options, CommonOptions const& common);

struct TrainOptions {
  std::vector<std::string> data;
  std::vector<std::string> aside;
  std::vector<std::string> pairs;
  std::vector<double> pairs_part = {0, 1};
  std::string out;
  std::string start;
  std::string accuracy = "strict";  ///< of convolutions
  bool resume = false;
  int scale = 4;
  std::uint64_t steps = 8000;
  std::size_t batch = 16;
  std::size_t crop = 96;
  double rate = 1e-3;
  double final_rate = 0;
  std::string schedule = "cosine";
  std::uint64_t warmup = 100;
  std::vector<double> betas = {0.9, 0.999};
  double clip = 1;
  double dropout = 0;
  std::string preset = "mdi";
  double gradient = -1;  ///< weights of the loss terms; below 0: as the preset says
  double histogram = -1;
  double ssim = -1;
  std::vector<double> psf, slope, weak_excess, knee, noise, shift, offset;  ///< empty: as the preset says
  double strong = 0.5;
  double pairs_share = 0.15;
  std::uint64_t validate_every = 250;
  std::uint64_t save_every = 250;
  double baseline_factor = 1.3;
};
/// \param recipe every option as text, saved beside the results.
int train(TrainOptions const& options, CommonOptions const& common, std::string const& recipe);

struct EvaluateOptions {
  std::string truth;
  std::string prediction;
  std::string input;
  std::string weights;
  std::string accuracy;  ///< of convolutions; empty: as the weights say
  int scale = 4;
  bool input_on_fine_grid = false;
  bool align = false;
  bool no_wcs = false;
  std::size_t border = 8;
  double baseline_factor = 1.3;
  bool fit_factor = false;
  double cubic = -0.75;
  std::string json;
  std::string png;
  double saturate = 300;
};
int evaluate(EvaluateOptions const& options, CommonOptions const& common);

struct SynthesizeOptions {
  std::string output;
  std::size_t size = 1024;
  double noise = 9;
  int active_regions = 7;
  std::string png;
};
int synthesize(SynthesizeOptions const& options, CommonOptions const& common);

struct DemoOptions {
  std::string input;
  std::string folder = "super_resolution-demo";
  std::string weights;
};
int demo(DemoOptions const& options, CommonOptions const& common);

struct InfoOptions {
  std::string file;
};
int info(InfoOptions const& options, CommonOptions const& common);

}  // namespace super_resolution
