// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "presets.hpp"

/// \file
/// The networks behind a plain interface: what stands behind it is compiled once, in network.cpp. Images are the network's
/// numbers, row by row, channels innermost.
namespace pix2pix {

/// What a generator's norms use, and whether its dropout is active.
struct Inference {
  bool batch_statistics = false;  ///< those of the image at hand, else the running ones
  bool dropout = false;
};

/// A tensor of the generator as its file has it.
struct Slot {
  std::string path;
  std::vector<std::size_t> shape;
};

/// A network's weights by name, and the files they stand in.
class Weights {
 public:
  virtual ~Weights() = default;
  System const& system() const { return system_; }

  /// Throws   InputError naming the file if it is missing, damaged or of another network.
  virtual void load(std::string const& file) = 0;
  virtual void save(std::string const& file, std::map<std::string, std::string> const& about, bool overwrite) const = 0;
  virtual std::vector<Slot> slots() const = 0;
  /// Sets the tensors that are named.
  virtual void fill(std::map<std::string, std::vector<float>> const& values) = 0;

 protected:
  explicit Weights(System const& system) : system_(system) {}

 private:
  System system_;
};

class Generator {
 public:
  /// Random weights.
  Generator(System const& system, std::uint64_t seed);
  /// As read from a file of weights.
  /// \param accuracy of its convolutions, strict or fast; empty: as the file says.
  /// Throws   InputError naming the file if it is missing, damaged or of another network.
  explicit Generator(std::string const& file, std::string const& accuracy = "");

  System const& system() const { return weights().system(); }
  /// Sides are multiples of this.
  std::size_t unit() const;

  /// [h, w, inputs] -> [h, w].
  /// \param seed decides what dropout drops.
  /// \param tile largest side of what is computed at a time, 0 for the whole image. The result is that of the whole image.
  /// Throws   UsageError for a tile where the network has attention: that sees the whole image.
  std::vector<float> run(std::size_t height, std::size_t width, std::vector<float> const& image,
                         Inference const& inference, std::uint64_t seed = 1, std::size_t tile = 0) const;

  Weights& weights() const;

  struct Impl;
  Impl& impl() const { return *impl_; }

 private:
  std::shared_ptr<Impl> impl_;
};

/// Random weights of the generator's opponent.
std::shared_ptr<Weights> discriminator_weights(System const& system, std::uint64_t seed);

/// Pairs to learn from: input [count, side, side, inputs] and target [count, side, side].
struct Batch {
  std::size_t count = 0, side = 0;
  std::vector<float> input, target;
};

/// What a step costs the players.
struct Losses {
  double l1 = 0;
  double generator = 0;      ///< its part of the game
  double discriminator = 0;  ///< real and fake
  double norm = 0;           ///< of the generator's gradient
  bool finite = true;        ///< if not, nothing has been moved
};

/// A generator and its discriminator while they learn.
class Trainer {
 public:
  /// \param accumulate the parts a batch is cut into.
  Trainer(System const& system, std::uint64_t seed, std::size_t accumulate);
  ~Trainer();

  Generator const& generator() const;
  /// Null if there is no game.
  Weights* discriminator() const;

  /// One turn of each player. Everything random is a function of seed and number.
  Losses step(Batch const& batch, std::uint64_t number, double rate);

  /// \name Checkpoints: both networks, both optimisers, and the caller's numbers.
  ///@{
  using Numbers = std::vector<std::pair<std::string, std::uint64_t*>>;
  void save(std::string const& folder, std::uint64_t step, Numbers const& numbers, std::string const& recipe);
  /// Goes back to a checkpoint.
  void load(std::string const& file, Numbers const& numbers);
  ///@}

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// What a system takes, found without computing anything.
struct Budget {
  struct Layer {
    std::string name;
    std::size_t filter, stride, c_in, c_out, side_in, side_out, params;
    double macs;  ///< of one image
  };
  std::vector<Layer> generator, discriminator;
  std::size_t generator_params = 0, discriminator_params = 0;
  double generator_macs = 0, discriminator_macs = 0;  ///< of one image forward
  double step_macs = 0;                               ///< of a training step, backward passes included
  double step_bytes = 0;                              ///< at the peak of a step, everything included
};
Budget budget_of(System const& system, std::size_t batch, std::size_t accumulate);

/// Multiply-adds a second in training steps on this machine, from a small network of the same kind.
double measured_rate();

}  // namespace pix2pix
