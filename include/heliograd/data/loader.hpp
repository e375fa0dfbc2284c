// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>
#include <cstdint>
#include <future>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <heliograd/base/error.hpp>
#include <heliograd/data/augment.hpp>

/// \file
/// What goes into the next batch. A batch is a pure function of the seed and its number, so the position in a training is
/// one integer, and a resumed training sees what an undisturbed one would have seen.
namespace heliograd::inline HELIOGRAD_ABI::data {

struct CropOptions {
  std::size_t size = 96;     ///< side of a crop
  std::size_t multiple = 1;  ///< crops begin at multiples of this (the factor of a pair of resolutions)
  bool augment = true;       ///< draw a symmetry for each crop
};

/// Draws square crops from a collection of images, every place in the collection being equally likely.
class CropSampler {
 public:
  struct Crop {
    std::size_t image = 0;
    Window window;
    Symmetry symmetry;
    bool operator==(Crop const&) const = default;
  };

  /// \param sizes heights and widths of the images.
  /// Throws   ShapeError if an image is smaller than a crop.
  CropSampler(std::vector<std::pair<std::size_t, std::size_t>> sizes, CropOptions const& options, std::uint64_t seed)
      : sizes_(std::move(sizes)), options_(options), seed_(seed) {
    expect(options.size > 0 && options.multiple > 0, "CropSampler: size and multiple must be positive");
    expect(!sizes_.empty(), "CropSampler: there are no images");
    std::uint64_t total = 0;
    for (auto const& [height, width] : sizes_) {
      expect_shape(height >= options.size && width >= options.size,
                   "CropSampler: an image of " + std::to_string(height) + " x " + std::to_string(width) +
                       " pixels is smaller than a crop of " + std::to_string(options.size));
      total += places(height) * places(width);
      until_.push_back(total);
    }
  }

  /// Batch `number` of `count` crops.
  std::vector<Crop> draw(std::uint64_t number, std::size_t count) const {
    PhiloxBlock const bits = RandomStream{seed_, ~std::uint64_t{0}}.block(number);
    Rng rng(std::uint64_t{bits.word[0]} << 32 | bits.word[1]);  // a generator for each batch
    std::vector<Crop> crops(count);
    for (Crop& crop : crops) {
      std::uint64_t place = rng.below(until_.back());
      while (until_[crop.image] <= place) ++crop.image;
      if (crop.image > 0) place -= until_[crop.image - 1];
      std::uint64_t const columns = places(sizes_[crop.image].second);
      crop.window = {static_cast<std::ptrdiff_t>(place / columns * options_.multiple),
                     static_cast<std::ptrdiff_t>(place % columns * options_.multiple), options_.size, options_.size};
      if (options_.augment) crop.symmetry = draw_symmetry(rng);
    }
    return crops;
  }

 private:
  std::uint64_t places(std::size_t extent) const { return (extent - options_.size) / options_.multiple + 1; }

  std::vector<std::pair<std::size_t, std::size_t>> sizes_;
  CropOptions options_;
  std::uint64_t seed_;
  std::vector<std::uint64_t> until_;  // places of an image and of all before it
};

/// Makes batch n + 1 on another thread while batch n is in use. `make(number)` must be a pure function; what it throws is
/// thrown by `get`.
template <class Make>
class Prefetch {
 public:
  using Batch = std::invoke_result_t<Make const&, std::uint64_t>;

  explicit Prefetch(Make make) : make_(std::move(make)) {}
  Prefetch(Prefetch const&) = delete;
  Prefetch& operator=(Prefetch const&) = delete;

  /// Batch `number`, from the other thread if it is the one after the last one asked for.
  Batch get(std::uint64_t number) {
    std::future<Batch> ready = std::move(next_);
    bool const foreseen = ready.valid() && number == next_number_;
    if (!foreseen && ready.valid()) ready.wait();
    Batch batch = foreseen ? ready.get() : make_(number);
    next_number_ = number + 1;
    next_ = std::async(std::launch::async, [this, number] { return make_(number + 1); });
    return batch;
  }

 private:
  Make const make_;
  std::uint64_t next_number_ = 0;
  std::future<Batch> next_;  // its destructor waits for the thread
};

}  // namespace heliograd::inline HELIOGRAD_ABI::data
