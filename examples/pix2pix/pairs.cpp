// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "pairs.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <sstream>

#include <heliograd/data/augment.hpp>
#include <heliograd/io/fits.hpp>
#include "rng_for.hpp"

namespace pix2pix {

namespace hg = heliograd;
namespace fs = std::filesystem;

namespace {

std::vector<std::string> fields_of(std::string line) {
  if (line.ends_with('\r')) line.pop_back();
  std::vector<std::string> fields;
  std::istringstream words(line);
  for (std::string word; std::getline(words, word, ',');) fields.push_back(word);
  if (line.ends_with(',')) fields.emplace_back();
  return fields;
}

}  // namespace

std::string size_text(std::size_t height, std::size_t width) {
  return std::to_string(width) + " x " + std::to_string(height);
}

PairSet::PairSet(std::string folder) : folder_(std::move(folder)) {
  std::string const file = folder_ + "/pairs.csv";
  std::ifstream lines(file);
  if (!lines) throw hg::InputError(file + ": cannot be read; give the folder of a set that prepare or synthesize made");
  std::string line;
  std::getline(lines, line);
  if (line.starts_with("\xef\xbb\xbf")) line.erase(0, 3);  // the byte order mark of spreadsheets
  auto const header = fields_of(line);
  if (header.size() < 3 || header[0] != "split" || header[1] != "time")
    throw hg::InputError(file + ": is no list of pairs (found '" + line.substr(0, 60) +
                         "', expected split,time and channels)");
  channels_.assign(header.begin() + 2, header.end());
  for (std::string const& channel : channels_)
    if (std::count(channels_.begin(), channels_.end(), channel) > 1)
      throw hg::InputError(file + ": names the channel " + channel.substr(0, 30) + " twice");
  std::map<std::map<std::string, std::string>, std::size_t> seen;  // line by images
  for (std::size_t number = 2; std::getline(lines, line); ++number) {
    if (line.empty() || line == "\r") continue;
    auto const fields = fields_of(line);
    auto const refuse = [&](std::string const& what) {
      throw hg::InputError(file + ": line " + std::to_string(number) + " " + what);
    };
    if (fields.size() != header.size())
      refuse("has " + std::to_string(fields.size()) + " fields, expected " + std::to_string(header.size()));
    if (fields[0] != "train" && fields[0] != "validation" && fields[0] != "test")
      refuse("has the split '" + fields[0].substr(0, 30) + "', expected train, validation or test");
    Row row{fields[0], fields[1], {}};
    for (std::size_t i = 2; i < fields.size(); ++i) {
      if (fields[i].empty()) continue;
      fs::path const cell = fields[i];
      if (cell.is_absolute() || std::find(cell.begin(), cell.end(), "..") != cell.end())
        refuse("names a file outside the set (" + fields[i].substr(0, 60) + ")");
      row.cells[header[i]] = fields[i];
    }
    if (auto const [before, is_new] = seen.try_emplace(row.cells, number); !is_new && !row.cells.empty())
      refuse("names the same images as line " + std::to_string(before->second) + "; leave one of them out");
    rows_.push_back(std::move(row));
  }
}

std::vector<Row> PairSet::rows(std::string const& split, std::vector<std::string> const& channels) const {
  for (std::string const& channel : channels)
    if (std::find(channels_.begin(), channels_.end(), channel) == channels_.end()) {
      std::string known;
      for (std::string const& name : channels_) known += (known.empty() ? "" : ", ") + name;
      throw hg::InputError(folder_ + "/pairs.csv: has no channel " + channel + " (found " + known +
                           "); choose with --inputs, --target or --passband");
    }
  std::vector<Row> found;
  for (Row const& row : rows_) {
    if (row.split != split || !std::all_of(channels.begin(), channels.end(),
                                           [&](auto const& channel) { return row.cells.contains(channel); }))
      continue;
    for (std::string const& channel : channels)  // now, not in the middle of a training
      if (std::error_code none; !fs::exists(path(row, channel), none))
        throw hg::InputError(path(row, channel) + ": is not there, though " + folder_ +
                             "/pairs.csv names it; fetch it, or take the line out");
    found.push_back(row);
  }
  return found;
}

Stack read_stack(std::vector<std::string> const& files, std::vector<Scaling> const& scalings, bool verify_checksums) {
  Stack stack;
  stack.channels = files.size();
  for (std::size_t c = 0; c < files.size(); ++c) {
    auto const image = hg::io::read_fits<float>(files[c], {.verify_checksums = verify_checksums});
    scalings[c].check_unit(files[c], image.header.text("BUNIT").value_or(""));
    if (c == 0) {
      stack.height = image.height;
      stack.width = image.width;
      stack.values.resize(image.height * image.width * files.size());
    } else if (image.height != stack.height || image.width != stack.width) {
      throw hg::InputError(files[c] + ": is not of the size of " + files[0] + " (found " +
                           size_text(image.height, image.width) + ", expected " + size_text(stack.height, stack.width) +
                           ")");
    }
    std::size_t missing = 0;
    for (std::size_t i = 0; i < image.pixels.size(); ++i) {
      stack.values[i * files.size() + c] = scalings[c].to_network(image.pixels[i]);
      missing += !std::isfinite(image.pixels[i]);
    }
    if (missing == image.pixels.size()) throw hg::InputError(files[c] + ": no pixel has a value; leave this image out");
    stack.missing += missing;
  }
  return stack;
}

Stack read_pair(PairSet const& set, Row const& row, System const& system) {
  std::vector<std::string> files;
  std::vector<Scaling> scalings;
  for (std::string const& channel : system.inputs) {
    files.push_back(set.path(row, channel));
    scalings.push_back(scaling_of(system.preparation, channel));
  }
  files.push_back(set.path(row, system.target));
  scalings.push_back(scaling_of(system.preparation, system.target));
  return read_stack(files, scalings);
}

Stack middle_of(Stack const& pair, std::size_t side, std::size_t unit, std::string const& name) {
  std::size_t const height = std::min(pair.height, side) / unit * unit;
  std::size_t const width = std::min(pair.width, side) / unit * unit;
  if (height == 0 || width == 0)
    throw hg::InputError(name + ": is smaller than the halvings want (found " + size_text(pair.height, pair.width) +
                         " pixels, expected at least " + std::to_string(unit) + "); take a smaller --depth");
  Stack middle{height, width, pair.channels, std::vector<float>(height * width * pair.channels), pair.missing};
  hg::data::Window const window{static_cast<std::ptrdiff_t>((pair.height - height) / 2),
                                static_cast<std::ptrdiff_t>((pair.width - width) / 2), height, width};
  hg::data::cut(pair.values.data(), pair.height, pair.width, pair.channels, window, {}, 0, 0.f, middle.values.data());
  return middle;
}

std::vector<float> channels_of(Stack const& stack, std::size_t first, std::size_t last) {
  std::vector<float> values;
  values.reserve(stack.height * stack.width * (last - first));
  for (std::size_t i = 0; i < stack.height * stack.width; ++i)
    for (std::size_t c = first; c < last; ++c) values.push_back(stack.values[i * stack.channels + c]);
  return values;
}

PairSource::PairSource(PairSet const& set, std::vector<Row> rows, System const& system, std::uint64_t seed,
                       std::size_t cache_bytes)
    : set_(&set), rows_(std::move(rows)), system_(system), seed_(seed), cache_bytes_(cache_bytes) {
  if (rows_.empty())
    throw hg::InputError(set.folder() + "/pairs.csv: no line of the split train has all of the channels wanted");
}

Stack const& PairSource::pair(std::size_t index, Stack& place) const {
  if (auto const at = cache_.find(index); at != cache_.end()) return at->second;
  place = read_pair(*set_, rows_[index], system_);
  std::size_t const bytes = place.values.size() * sizeof(float);
  if (cached_bytes_ + bytes > cache_bytes_) return place;
  cached_bytes_ += bytes;
  return cache_[index] = std::move(place);
}

Batch PairSource::operator()(std::uint64_t number) const {
  auto const count = static_cast<std::size_t>(system_.training.batch);
  auto const side = static_cast<std::size_t>(system_.preparation.side);
  auto const margin = static_cast<std::size_t>(system_.training.shift);
  Batch batch{count, side, std::vector<float>(count * side * side * system_.inputs.size()),
              std::vector<float>(count * side * side)};
  std::vector<float> window_values(side * side * (system_.inputs.size() + 1));
  hg::Rng places = examples::rng_for(seed_, ~std::uint64_t{1}, number);
  std::size_t const inputs = system_.inputs.size();
  for (std::size_t n = 0; n < count; ++n) {
    std::uint64_t const item = number * count + n;
    std::uint64_t const epoch = item / rows_.size();
    auto& order = orders_[epoch];
    if (order.empty()) {
      order.resize(rows_.size());
      std::iota(order.begin(), order.end(), std::size_t{0});
      hg::Rng shuffle = examples::rng_for(seed_, ~std::uint64_t{2}, epoch);
      for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[shuffle.below(i)]);
    }
    Row const& row = rows_[order[item % rows_.size()]];
    Stack place;
    Stack const& whole = pair(order[item % rows_.size()], place);
    if (whole.height + 2 * margin < side || whole.width + 2 * margin < side)
      throw hg::InputError(set_->path(row, system_.target) + ": is too small (found " +
                           size_text(whole.height, whole.width) + ", expected at least " + size_text(side, side) +
                           "); prepare a larger set, or train with a smaller --side");
    auto const window = hg::data::draw_window(places, whole.height, whole.width, side, side, margin);
    hg::data::cut(whole.values.data(), whole.height, whole.width, whole.channels, window, {}, 0,
                  static_cast<float>(system_.training.outside), window_values.data());
    for (std::size_t i = 0; i < side * side; ++i) {
      float const* const from = window_values.data() + i * (inputs + 1);
      std::copy(from, from + inputs, batch.input.begin() + static_cast<std::ptrdiff_t>((n * side * side + i) * inputs));
      batch.target[n * side * side + i] = from[inputs];
    }
  }
  std::uint64_t const oldest = number * count / rows_.size();
  orders_.erase(orders_.begin(), orders_.lower_bound(oldest));
  return batch;
}

}  // namespace pix2pix
