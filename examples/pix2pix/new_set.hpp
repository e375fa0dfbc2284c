// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "image.hpp"
#include "outputs.hpp"

/// \file
/// What prepare and synthesize have in common: a folder that becomes a set.
namespace pix2pix {

/// Makes the folder of a set, or takes the one that is there.
/// \param folders knows of it then.
/// \param originals what the set is made from.
/// Throws   OutputError if it holds a set already and neither `resume` nor `overwrite` allows for it, or cannot be made,
///          UsageError if one of the originals lies in it.
void open_set(examples::OutputFolders& folders, std::string const& folder, std::vector<std::string> const& originals,
              bool resume, bool overwrite);

/// Writes pairs.csv. Each line has split, time and one cell for each channel.
void write_pairs(std::string const& folder, std::vector<std::string> const& channels,
                 std::vector<std::vector<std::string>> const& lines);

/// A small picture of every channel for some times of the set.
class ContactSheet {
 public:
  /// \param most times shown, spread evenly over `total`.
  ContactSheet(std::size_t total, std::size_t most = 8) : total_(total), most_(most) {}
  bool wants(std::size_t index) const;
  void add(std::string const& channel, std::string const& label, Image const& image);
  /// \param columns pictures in a row: the number of channels.
  void write(std::string const& path, std::string const& title, std::string const& note, std::size_t columns) const;

 private:
  struct Entry {
    std::string channel, label;
    Image image;
  };
  std::size_t total_, most_;
  std::vector<Entry> entries_;
};

}  // namespace pix2pix
