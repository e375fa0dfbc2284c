// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "network.hpp"
#include "presets.hpp"

/// \file
/// Prepared sets: a folder with pairs.csv (README.md says what stands in it), and batches drawn from one.
namespace pix2pix {

/// One time of a set.
struct Row {
  std::string split, time;
  std::map<std::string, std::string> cells;  ///< channel to path within the set; missing images are not there
};

class PairSet {
 public:
  /// Reads pairs.csv.
  /// Throws   InputError naming file and line.
  explicit PairSet(std::string folder);

  std::string const& folder() const { return folder_; }
  std::vector<std::string> const& channels() const { return channels_; }
  std::vector<Row> const& rows() const { return rows_; }

  /// The rows of a split that have all of these channels.
  /// Throws   InputError for a channel that the set does not have, and for a file that is not there.
  std::vector<Row> rows(std::string const& split, std::vector<std::string> const& channels) const;

  std::string path(Row const& row, std::string const& channel) const { return folder_ + "/" + row.cells.at(channel); }

 private:
  std::string folder_;
  std::vector<std::string> channels_;
  std::vector<Row> rows_;
};

/// Images of equal size, one channel beside the other, in the networks' numbers.
struct Stack {
  std::size_t height = 0, width = 0, channels = 0;
  std::vector<float> values;  ///< [height, width, channels]
  std::size_t missing = 0;    ///< values that were not there and are taken as 0
};

/// "width x height", as messages say it.
std::string size_text(std::size_t height, std::size_t width);

/// Reads and scales files of these channels, in this order.
/// Throws   InputError for files of unequal size, or in other units than the channel's.
Stack read_stack(std::vector<std::string> const& files, std::vector<Scaling> const& scalings,
                 bool verify_checksums = true);

/// A pair as the networks see it: the channels of the input, then the target.
Stack read_pair(PairSet const& set, Row const& row, System const& system);

/// The middle of a pair, of the system's side at most and a multiple of the generator's unit.
/// Throws   InputError naming `name` if nothing is left.
Stack middle_of(Stack const& pair, std::size_t side, std::size_t unit, std::string const& name);

/// Channels first to last of a stack.
std::vector<float> channels_of(Stack const& stack, std::size_t first, std::size_t last);

/// Makes batches. A batch is a pure function of the seed and its number: every epoch goes through all pairs in an order of
/// its own, and each pair is shifted or cropped at random, input and target alike.
class PairSource {
 public:
  /// Throws   InputError if there are no pairs.
  PairSource(PairSet const& set, std::vector<Row> rows, System const& system, std::uint64_t seed,
             std::size_t cache_bytes);

  /// Not for two threads at once.
  Batch operator()(std::uint64_t number) const;

  std::size_t size() const { return rows_.size(); }

 private:
  Stack const& pair(std::size_t index, Stack& place) const;

  PairSet const* set_;
  std::vector<Row> rows_;
  System system_;
  std::uint64_t seed_;
  std::size_t cache_bytes_;
  mutable std::map<std::size_t, Stack> cache_;
  mutable std::size_t cached_bytes_ = 0;
  mutable std::map<std::uint64_t, std::vector<std::size_t>> orders_;  // of epochs at hand
};

}  // namespace pix2pix
