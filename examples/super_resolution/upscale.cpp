// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "upscale.hpp"

#include <algorithm>

#include <heliograd/tape/no_grad.hpp>

namespace super_resolution {

namespace hg = heliograd;

namespace {

/// Low-resolution rows that the decoder treats at a time: its feature maps at high resolution are the largest there are.
constexpr std::size_t strip_rows = 32;

struct Range {
  std::size_t first, last;
  std::size_t size() const { return last - first; }
};

Range widened(Range const& range, std::size_t by, std::size_t limit) {
  return {range.first > by ? range.first - by : 0, std::min(range.last + by, limit)};
}

std::size_t pieces(std::size_t extent, std::size_t tile) { return tile == 0 ? 1 : (extent + tile - 1) / tile; }

/// Piece i of n nearly equal ones. They begin at multiples of 8, so that kernels which work on blocks of pixels cut them in
/// the same places as in the whole image, and the results agree to the last bit.
Range piece(std::size_t extent, std::size_t i, std::size_t n) {
  return {extent * i / n / 8 * 8, i + 1 == n ? extent : extent * (i + 1) / n / 8 * 8};
}

}  // namespace

std::size_t Upscaler::tiles(std::size_t height, std::size_t width) const {
  return pieces(height, tile_) * pieces(width, tile_);
}

void Upscaler::run(std::size_t height, std::size_t width, std::optional<hg::physics::Pointing> const& pointing,
                   ReadRows const& read, WriteBlock const& write, AfterTile const& after) {
  hg::NoGrad<Backend> const inference(tape_);
  auto const& exec = tape_.exec();
  auto const scale = static_cast<std::size_t>(model_->scale);
  std::size_t const rows = pieces(height, tile_), columns = pieces(width, tile_);
  std::vector<float> band, block;
  std::vector<float> input;
  std::size_t done = 0;
  for (std::size_t i = 0; i < rows; ++i) {
    Range const core_y = piece(height, i, rows);
    Range const seen_y = widened(core_y, receptive_halo, height);
    band.resize(seen_y.size() * width);
    read(seen_y.first, seen_y.last, band.data());
    for (std::size_t j = 0; j < columns; ++j) {
      Range const core_x = piece(width, j, columns);
      Range const seen_x = widened(core_x, receptive_halo, width);

      // Both channels; beyond the limb there is no field.
      input.resize(seen_y.size() * seen_x.size() * 2);
      std::size_t next = 0;
      for (std::size_t y = seen_y.first; y < seen_y.last; ++y)
        for (std::size_t x = seen_x.first; x < seen_x.last; ++x) {
          double const r = pointing ? pointing->radius(static_cast<double>(x), static_cast<double>(y)) : 0.0;
          double const gauss = static_cast<double>(band[(y - seen_y.first) * width + x]);
          input[next++] = static_cast<float>(r);
          input[next++] = r < 1 ? static_cast<float>(gauss / field_unit_gauss) : 0.f;
        }
      auto const x =
          hg::make_tensor<Backend>("tile", hg::Shape{std::size_t{1}, seen_y.size(), seen_x.size(), std::size_t{2}});
      hg::from_host(exec, x, input);
      auto const encoded = model_->encode(tape_.constant(x), hg::nn::Mode::apply());
      auto const features = hg::make_tensor<Backend>("features", encoded.shape());
      hg::copy(exec, features, encoded.value);
      tape_.clear();

      // The decoder, strip by strip; rows of features follow each other in memory.
      std::size_t const strips = tile_ == 0 ? 1 : pieces(core_y.size(), strip_rows);
      for (std::size_t k = 0; k < strips; ++k) {
        Range const part = piece(core_y.size(), k, strips);
        Range const strip{core_y.first + part.first, core_y.first + part.last};
        Range const wide = widened(strip, decoder_halo, height);
        std::size_t const channels = features.extent(3);
        auto const view = hg::view_at<hg::TensorRef<4, Backend>>(
            features.data() + (wide.first - seen_y.first) * seen_x.size() * channels,
            hg::Shape{std::size_t{1}, wide.size(), seen_x.size(), channels});
        auto const fine = model_->decode(tape_.constant(view), hg::nn::Mode::apply());
        auto const values = hg::to_host(exec, fine.value);
        tape_.clear();
        std::size_t const fine_width = seen_x.size() * scale;
        std::size_t const skip_y = (strip.first - wide.first) * scale;
        std::size_t const skip_x = (core_x.first - seen_x.first) * scale;
        block.resize(strip.size() * core_x.size() * scale * scale);
        float* to = block.data();
        for (std::size_t y = 0; y < strip.size() * scale; ++y) {
          float const* const from = values.data() + (y + skip_y) * fine_width + skip_x;
          for (std::size_t c = 0; c < core_x.size() * scale; ++c)
            *to++ = static_cast<float>(field_unit_gauss) * from[c];
        }
        write(strip.first * scale, strip.last * scale, core_x.first * scale, core_x.last * scale, block.data());
      }
      if (after) after(++done);
    }
  }
}

std::vector<float> Upscaler::run(std::size_t height, std::size_t width,
                                 std::optional<hg::physics::Pointing> const& pointing, std::vector<float> const& gauss,
                                 AfterTile const& after) {
  auto const scale = static_cast<std::size_t>(model_->scale);
  std::vector<float> fine(height * width * scale * scale);
  run(
      height, width, pointing,
      [&](std::size_t first, std::size_t last, float* to) {
        std::copy(gauss.begin() + static_cast<std::ptrdiff_t>(first * width),
                  gauss.begin() + static_cast<std::ptrdiff_t>(last * width), to);
      },
      [&](std::size_t y0, std::size_t y1, std::size_t x0, std::size_t x1, float const* block) {
        for (std::size_t y = y0; y < y1; ++y, block += x1 - x0)
          std::copy(block, block + (x1 - x0), fine.begin() + static_cast<std::ptrdiff_t>(y * width * scale + x0));
      },
      after);
  return fine;
}

}  // namespace super_resolution
