// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "dataset.hpp"

#include <Kokkos_Core.hpp>
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <set>

#include <heliograd/io/fits.hpp>
#include <heliograd/physics/registration.hpp>
#include "network.hpp"
#include "rng_for.hpp"
#include "units.hpp"

namespace super_resolution {

namespace hg = heliograd;
namespace fs = std::filesystem;

namespace {

Image image_of(hg::io::FitsImage<float> const& file) {
  Image image{file.height, file.width, file.pixels};
  fill_missing(image);
  return image;
}

std::string region_of(hg::io::FitsHeader const& header, std::string const& file) {
  if (auto const harp = header.integer("HARPNUM"); harp && *harp > 0) return "HARP " + std::to_string(*harp);
  if (auto const noaa = header.integer("NOAA_AR"); noaa && *noaa > 0) return "NOAA " + std::to_string(*noaa);
  return fs::path(file).filename().string();
}

bool is_named(std::string const& word, hg::io::FitsHeader const& header, std::string const& file) {
  for (char const* const key : {"HARPNUM", "NOAA_AR"})
    if (auto const number = header.integer(key); number && std::to_string(*number) == word) return true;
  return fs::path(file).filename().string().find(word) != std::string::npos;
}

/// Why an image is no line-of-sight magnetogram, or nothing.
std::string objection(hg::io::FitsImage<float> const& file, std::string const& name, std::size_t smallest) {
  for (char const* const component : {".Br.", ".Bt.", ".Bp.", ".continuum.", ".bitmap.", ".conf_disambig."})
    if (name.find(component) != std::string::npos) return "not a line-of-sight magnetogram";
  std::string const unit = file.header.text("BUNIT").value_or("");
  if (!examples::may_be_gauss(unit)) return "its unit is " + unit + ", not gauss";
  if (file.width < smallest || file.height < smallest)
    return "too small (" + std::to_string(file.width) + " x " + std::to_string(file.height) + ")";
  double lowest = 0, highest = 0;
  for (float const value : file.pixels)
    if (std::fabs(value) <= strongest_field) {
      lowest = std::min(lowest, double(value));
      highest = std::max(highest, double(value));
    }
  if (lowest > -50 || highest < 50) return "no field of both signs beyond 50 G";
  return {};
}

float clamped(Image const& image, std::ptrdiff_t y, std::ptrdiff_t x) {
  auto const inside = [](std::ptrdiff_t i, std::size_t size) {
    return static_cast<std::size_t>(std::clamp<std::ptrdiff_t>(i, 0, static_cast<std::ptrdiff_t>(size) - 1));
  };
  return image.at(inside(y, image.height), inside(x, image.width));
}

}  // namespace

Magnetogram read_magnetogram(std::string const& file) {
  auto const read = hg::io::read_fits<float>(file);
  return {file, region_of(read.header, file), image_of(read)};
}

Collection collect(std::vector<std::string> const& folders, std::vector<std::string> const& aside,
                   std::size_t smallest) {
  std::vector<std::string> files;
  for (std::string const& folder : folders) {
    if (!fs::is_directory(folder))
      throw hg::InputError(folder + ": is no folder; give a folder of magnetograms in FITS");
    for (auto const& entry : fs::recursive_directory_iterator(folder)) {
      std::string const extension = entry.path().extension().string();
      if (entry.is_regular_file() && (extension == ".fits" || extension == ".fts" || extension == ".fz"))
        files.push_back(entry.path().string());
    }
  }
  std::sort(files.begin(), files.end());
  Collection found;
  std::map<std::string, std::vector<Magnetogram>> regions;
  std::set<std::string> kept_aside;
  for (std::string const& file : files) {
    hg::io::FitsImage<float> read;
    try {
      read = hg::io::read_fits<float>(file);
    } catch (hg::InputError const& error) {
      found.skipped.push_back(error.what());
      continue;
    }
    if (std::string const why = objection(read, file, smallest); !why.empty()) {
      found.skipped.push_back(file + ": " + why);
      continue;
    }
    std::string const region = region_of(read.header, file);
    for (std::string const& word : aside)
      if (is_named(word, read.header, file)) kept_aside.insert(region);
    regions[region].push_back({file, region, image_of(read)});
  }
  std::size_t number = 0;
  for (auto& [region, images] : regions) {
    bool const validate = aside.empty() ? ++number % 5 == 0 : kept_aside.contains(region);
    auto& into = validate ? found.validation : found.training;
    std::move(images.begin(), images.end(), std::back_inserter(into));
  }
  if (found.training.empty())
    throw hg::InputError(folders.front() + ": no magnetogram to train on (" + std::to_string(found.skipped.size()) +
                         " files passed over, " + std::to_string(found.validation.size()) +
                         " kept aside); give a folder of line-of-sight magnetograms in gauss");
  return found;
}

RealPair read_pair(std::string const& reading, std::string const& fine) {
  RealPair pair;
  pair.name = fs::path(reading).filename().string();
  auto const low = image_of(hg::io::read_fits<float>(reading));
  pair.fine = image_of(hg::io::read_fits<float>(fine));
  if (low.width != pair.fine.width || low.height != pair.fine.height)
    throw hg::InputError(reading + ": is not on the grid of " + fine + " (found " + std::to_string(low.width) + " x " +
                         std::to_string(low.height) + ", expected " + std::to_string(pair.fine.width) + " x " +
                         std::to_string(pair.fine.height) + "); resample it to that grid first");
  hg::Workspace<Backend> ws;
  hg::Shape const shape{low.height, low.width};
  auto const moving = hg::make_tensor<Backend>("reading", shape);
  auto const fixed = hg::make_tensor<Backend>("fine", shape);
  hg::from_host(ws.exec(), moving, low.gauss);
  hg::from_host(ws.exec(), fixed, pair.fine.gauss);
  auto const shift = hg::physics::find_shift<Backend>(ws, moving, fixed);
  if (!shift.inside)
    throw hg::InputError(reading + ": does not show the scene of " + fine +
                         " (no shift of up to 8 pixels makes them alike)");
  pair.shift_y = shift.whole_dy;
  pair.shift_x = shift.whole_dx;
  pair.correlation = shift.correlation;
  // Keep what both images cover after the shift.
  int const dy = pair.shift_y, dx = pair.shift_x;
  auto const from = [](int d) { return static_cast<std::size_t>(std::max(d, 0)); };
  auto const to = [](std::size_t size, int d) { return size - static_cast<std::size_t>(std::max(-d, 0)); };
  auto const common = [&](Image const& image) {
    return part(image, from(dy), to(image.height, dy), from(dx), to(image.width, dx));
  };
  pair.reading = common(moved(low, dy, dx));
  pair.fine = common(pair.fine);
  return pair;
}

RealPair part_of(RealPair const& pair, double from, double to) {
  RealPair result = pair;
  auto const first = static_cast<std::size_t>(std::lround(from * double(pair.fine.width)));
  auto const last = static_cast<std::size_t>(std::lround(to * double(pair.fine.width)));
  result.reading = part(pair.reading, 0, pair.reading.height, first, last);
  result.fine = part(pair.fine, 0, pair.fine.height, first, last);
  return result;
}

Sampler::Sampler(std::vector<Magnetogram> const& images, std::vector<RealPair> const& pairs,
                 SamplerOptions const& options, std::uint64_t seed)
    : images_(&images), pairs_(&pairs), options_(options), seed_(seed) {
  std::map<std::string, std::vector<std::size_t>> by_region;
  for (std::size_t i = 0; i < images.size(); ++i) by_region[images[i].region].push_back(i);
  for (auto& [region, members] : by_region) regions_.push_back(std::move(members));
}

Batch Sampler::draw(std::uint64_t number) const {
  std::size_t const crop = options_.crop;
  std::size_t const factor = options_.factor;
  std::size_t const low = crop / factor;
  std::size_t const wide = crop + 2 * blur_margin;
  hg::Rng rng = examples::rng_for(seed_, number, 0);
  Batch batch;
  batch.count = options_.batch;
  batch.crop = crop;
  batch.noise = rng.fork();
  batch.fine.resize(batch.count * wide * wide);
  batch.target.resize(batch.count * crop * crop);
  batch.radius.resize(batch.count * low * low);
  batch.reading.resize(batch.count * low * low);
  batch.on_disk.assign(batch.count * low * low, 1);
  batch.real.assign(batch.count, 0);

  for (std::size_t n = 0; n < batch.count; ++n) {
    bool const real = !pairs_->empty() && rng.uniform() < options_.pairs;
    bool const strong = rng.uniform() < options_.strong;
    Image const* fine = nullptr;
    Image const* reading = nullptr;
    if (real) {
      RealPair const& pair = (*pairs_)[rng.below(pairs_->size())];
      fine = &pair.fine;
      reading = &pair.reading;
    } else {
      auto const& region = regions_[rng.below(regions_.size())];
      fine = &(*images_)[region[rng.below(region.size())]].fine;
    }
    // Where: anywhere, or the strongest of four places.
    std::size_t y0 = 0, x0 = 0;
    double best = -1;
    for (int attempt = 0; attempt < (strong ? 4 : 1); ++attempt) {
      std::size_t const y = rng.below(fine->height - crop + 1);
      std::size_t const x = rng.below(fine->width - crop + 1);
      double flux = 0;
      for (std::size_t i = 0; i < crop; i += 4)
        for (std::size_t j = 0; j < crop; j += 4) flux += std::fabs(fine->at(y + i, x + j));
      if (flux > best) best = flux, y0 = y, x0 = x;
    }
    bool const mirror_y = rng.coin(), mirror_x = rng.coin();
    float const sign = rng.coin() ? 1.f : -1.f;
    auto const take = [&](Image const& image, std::size_t i, std::size_t j, std::size_t side, std::ptrdiff_t margin) {
      auto const y = static_cast<std::ptrdiff_t>(mirror_y ? side - 1 - i : i) - margin;
      auto const x = static_cast<std::ptrdiff_t>(mirror_x ? side - 1 - j : j) - margin;
      return sign * clamped(image, static_cast<std::ptrdiff_t>(y0) + y, static_cast<std::ptrdiff_t>(x0) + x);
    };

    // A plausible place on the disk: pixels of about 2 arcsec on a Sun of about 16 arcmin.
    double const scale = double(factor) / 4.0 / rng.uniform(470, 500);
    bool const pointing = rng.uniform() >= options_.without_pointing;
    bool const at_limb = pointing && rng.uniform() < options_.at_limb / std::max(1e-9, 1 - options_.without_pointing);
    double const r = at_limb ? rng.uniform(0.985, 1.005) : 0.97 * std::sqrt(rng.uniform());
    double const angle = rng.uniform(0, 6.283185307179586);
    auto const radius_at = [&](double y, double x) {
      return std::hypot(r * std::sin(angle) + (y - double(low) / 2) * scale,
                        r * std::cos(angle) + (x - double(low) / 2) * scale);
    };
    for (std::size_t i = 0; i < low; ++i)
      for (std::size_t j = 0; j < low; ++j) {
        double const here = radius_at(double(i) + 0.5, double(j) + 0.5);
        std::size_t const at = (n * low + i) * low + j;
        batch.radius[at] = pointing ? static_cast<float>(here) : 0.f;
        if (at_limb && here >= 1) batch.on_disk[at] = 0;
      }

    for (std::size_t i = 0; i < crop; ++i)
      for (std::size_t j = 0; j < crop; ++j) {
        bool const off =
            at_limb && radius_at((double(i) + 0.5) / double(factor), (double(j) + 0.5) / double(factor)) >= 1;
        batch.target[(n * crop + i) * crop + j] = off ? 0.f : take(*fine, i, j, crop, 0);
      }
    for (std::size_t i = 0; i < wide; ++i)
      for (std::size_t j = 0; j < wide; ++j)
        batch.fine[(n * wide + i) * wide + j] = take(*fine, i, j, wide, static_cast<std::ptrdiff_t>(blur_margin));
    if (real) {
      batch.real[n] = 1;
      for (std::size_t i = 0; i < low; ++i)
        for (std::size_t j = 0; j < low; ++j) {
          double sum = 0;
          for (std::size_t a = 0; a < factor; ++a)
            for (std::size_t b = 0; b < factor; ++b)
              sum += double(take(*reading, i * factor + a, j * factor + b, crop, 0));
          batch.reading[(n * low + i) * low + j] = static_cast<float>(sum / double(factor * factor));
        }
    }
    batch.instruments.push_back(options_.instrument.draw(rng));
  }
  return batch;
}

}  // namespace super_resolution
