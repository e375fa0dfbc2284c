// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "scaling.hpp"

/// \file
/// The published systems as data: their networks, how they were trained, what their images are.
namespace pix2pix {

enum class Attention { none, cat, rhp, rhp_answer };

/// What a generator is made of; the words of heliograd::nn::UNetOptions.
struct GeneratorDesign {
  int depth = 8;
  int base = 64;
  int widest = 512;
  bool after = true;  ///< rectifiers after the norms (Park et al. 2019) instead of before the convolutions (pix2pix)
  enum class Bias { output, ends, none } bias = Bias::output;
  bool tanh = true;  ///< at the output; else linear
  int dropped_stages = 3;
  double dropout = 0.5;
  double norm_epsilon = 1.01e-5;
  bool innermost_norm = false;
  Attention attention = Attention::none;
  int attention_stage = -1;  ///< the encoder's map it looks at; -1: the innermost
  bool operator==(GeneratorDesign const&) const = default;
};

struct DiscriminatorDesign {
  int base = 64;
  int widest = 512;
  int halvings = 3;
  bool inner_bias = false;
  bool same_size = false;
  double norm_epsilon = 1.01e-5;
};

enum class Game { none, vanilla, lsgan };

/// How the rate falls: along a straight line over the last epochs, along half a cosine over all steps, in steps, or whenever
/// the validation's error stays where it is.
enum class Fall { line, cosine, steps, plateau };

/// How a system learns.
struct Training {
  Game game = Game::vanilla;
  double lambda_l1 = 100;
  bool discriminator_first = false;
  bool share_pass = false;  ///< the generator's one pass serves both turns; else each turn has one of its own
  bool halve_discriminator = false;
  double rate = 2e-4;
  double beta1 = 0.5;
  double beta2 = 0.999;
  double adam_epsilon = 1e-7;
  bool keras_adam = true;  ///< epsilon joins the root before the correction of bias
  int batch = 1;
  std::int64_t steps = 500000;  ///< 0: epochs count
  int epochs = 0;               ///< at the full rate
  int epochs_decay = 0;         ///< while it falls to 0
  Fall fall = Fall::line;
  int fall_epochs = 50;  ///< between steps
  int shift = 15;        ///< pixels of the padding that crops are drawn from
  double outside = 0;    ///< what the padding holds, in the network's numbers
};

/// What the images of a set are, for those who make one.
struct Preparation {
  int side = 1024;           ///< of the network's images
  double disk_radius = 392;  ///< pixels; 0: images are remapped to heliographic coordinates
  double field_limit = 3000;
  double photon_bits = 14;
  std::map<std::string, double> limits;  ///< of channels that have one of their own, gauss or bits
  int levels = 0;
};

/// A published system with everything that is asked of it decided.
struct System {
  std::string preset;
  std::string variant;
  std::string source;  ///< where it was published
  std::vector<std::string> inputs;
  std::string target;
  GeneratorDesign generator;
  DiscriminatorDesign discriminator;
  Training training;
  Preparation preparation;
  std::string inference = "running";  ///< the statistics that the authors' code infers with
  std::string accuracy = "strict";    ///< of convolutions: strict or fast
};

/// Which system: a preset, and what is changed about it. Texts that are empty and numbers that are negative stand for what
/// the preset says.
struct SystemOptions {
  std::string preset = "park2019-b";
  std::string variant;
  std::string passband;             ///< of presets for AIA: 94, 131, 171, 193, 211, 304, 335, 1600, 1700
  std::vector<std::string> inputs;  ///< channels of the set
  std::string target;
  std::string direction = "AtoB";  ///< BtoA exchanges input and target
  int side = -1;                   ///< of what the network is trained on, pixels
  int depth = -1;                  ///< halvings
  int width = -1;                  ///< channels of the first stage
  int discriminator_width = -1;
  int widest = -1;  ///< most channels of any stage
  double field_limit = -1;
  double photon_bits = -1;
  std::vector<std::string> limits;  ///< CHANNEL=VALUE, for channels that differ from the others of their kind
};

/// The passbands of AIA that the papers use, by increasing number.
std::vector<std::string> const& aia_channels();

/// The preset with what is changed about it.
/// Throws   UsageError for a variant or a passband that it does not have, and for sides that its halvings do not divide.
System system_of(SystemOptions const& options);

/// The scaling of a channel by its name.
/// Throws   UsageError for a name that begins otherwise than hmi, mdi, aia, euvi or drawing.
Scaling scaling_of(Preparation const& preparation, std::string const& channel);

/// \name What a file of weights says about itself: enough to apply it.
///@{
/// \param network which of the system's networks the file holds.
std::map<std::string, std::string> metadata_of(System const& system, std::string const& network = "pix2pix");
/// Throws   InputError naming the file if something is missing or makes no sense.
System system_from(std::map<std::string, std::string> const& metadata, std::string const& file,
                   std::string const& network = "pix2pix");
///@}

}  // namespace pix2pix
