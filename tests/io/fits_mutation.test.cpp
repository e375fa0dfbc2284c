// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Files with flipped bytes, cuts, insertions and repetitions: each is read or refused, nothing else ever happens. Run
// under the sanitizers, this is the everyday form of a fuzzer.
#include <catch2/catch_test_macros.hpp>
#include <random>

#include "forge.hpp"

namespace hg = heliograd;
using forge::card;
using forge::Folder;

namespace {

struct Tally {
  int read = 0;
  int refused = 0;
};

std::string mutate(std::string bytes, std::mt19937_64& random) {
  auto const below = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
  std::size_t const changes = 1 + below(4);
  for (std::size_t k = 0; k < changes && !bytes.empty(); ++k) {
    // Half of the changes fall into the headers, where they do most.
    std::size_t const at = random() % 2 ? below(bytes.size()) : below(std::min<std::size_t>(bytes.size(), 8640));
    switch (random() % 8) {
      case 0: bytes[at] = static_cast<char>(random()); break;
      case 1: bytes[at] = static_cast<char>(bytes[at] ^ (1 << (random() % 8))); break;
      case 2: bytes[at] = "0123456789-+.'TFPQJEZ "[below(22)]; break;
      case 3: bytes.resize(at); break;
      case 4: bytes.insert(at, std::string(1 + below(80), static_cast<char>(random()))); break;
      case 5: bytes.erase(at, 1 + below(80)); break;
      case 6: {  // one card over another
        std::size_t const from = below(bytes.size() / 80 + 1) * 80;
        std::string const piece = bytes.substr(from, 80);
        bytes.replace(std::min(at / 80 * 80, bytes.size()), piece.size(), piece);
        break;
      }
      default: {  // a run of extreme bytes, as in descriptors and lengths
        char const fill = random() % 2 ? '\xff' : '\x7f';
        for (std::size_t i = at; i < std::min(at + 4, bytes.size()); ++i) bytes[i] = fill;
      }
    }
  }
  return bytes;
}

/// HELIOGRAD_MUTATIONS in the environment asks for more rounds than the everyday 1500.
int rounds_wanted() {
  char const* const text = std::getenv("HELIOGRAD_MUTATIONS");
  return text ? std::max(1, std::atoi(text)) : 1500;
}

/// `packed`: every other file is mutated before it is packed by gzip, the rest after.
Tally attack(std::string const& name, std::string const& bytes, bool packed = false) {
  int const rounds = rounds_wanted();
  Folder const folder;
  std::string const path = folder / name;
  std::mt19937_64 random(20101015);
  Tally tally;
  for (int i = 0; i < rounds; ++i) {
    if (!packed)
      forge::save(path, mutate(bytes, random));
    else if (i & 2)
      forge::save(path, forge::gzip(mutate(bytes, random)));
    else
      forge::save(path, mutate(forge::gzip(bytes), random));
    try {
      auto const image = hg::io::read_fits<float>(path, {.max_pixels = 1 << 16, .verify_checksums = (i & 1) != 0});
      ++tally.read;
      REQUIRE(image.pixels.size() == image.width * image.height);
      // What was read can be written, whatever its cards say, and is then an orderly file.
      if (tally.read % 8 == 0) {
        hg::io::write_fits(folder / "out", image, {.overwrite = true});
        auto const again = hg::io::read_fits<float>(folder / "out");
        REQUIRE(forge::same(again.pixels, image.pixels));
      }
    } catch (hg::InputError const& error) {
      ++tally.refused;
      REQUIRE(std::string_view(error.what()).starts_with(path));
    }
  }
  INFO(name << ": " << tally.read << " read, " << tally.refused << " refused");
  CHECK(tally.read > rounds / 50);
  CHECK(tally.refused > rounds / 50);
  return tally;
}

}  // namespace

TEST_CASE("fits: mutated files are read or refused", "[io][fits][mutation]") {
  Folder const folder;
  auto const scene = forge::scene(32, 24, 900, true);
  std::vector<std::string> const more = {"CRPIX1  = 12.5 / c", "LONG    = 'a&'", "CONTINUE  'b'", "HISTORY h"};
  attack("plain", forge::image(32, std::vector<float>(scene.begin(), scene.end()), more));
  attack("scaled", forge::image(32, std::vector<std::int16_t>(scene.begin(), scene.end()),
                                {card("BSCALE", "0.1"), card("BZERO", "3"), card("BLANK", "-7")}));
  attack("gz", forge::image(32, std::vector<float>(scene.begin(), scene.end())), true);
  int file = 0;
  auto const by_cfitsio = [&](char const* name, forge::Packing const& packing) {
    std::string const path = folder / std::to_string(file++);
    forge::cfitsio_write(path, scene, 32, packing);
    attack(name, forge::load(path));
  };
  by_cfitsio("rice-int", {.bitpix = LONG_IMG, .codec = RICE_1, .checksum = false});
  by_cfitsio("rice-short", {.bitpix = SHORT_IMG, .codec = RICE_1, .tile = {10, 7}, .checksum = false});
  by_cfitsio("rice-float", {.bitpix = FLOAT_IMG, .codec = RICE_1, .quantise = 4, .dither = SUBTRACTIVE_DITHER_2});
  by_cfitsio("gzip-tiles", {.bitpix = FLOAT_IMG, .codec = GZIP_2, .quantise = 9999, .checksum = false});
}

TEST_CASE("fits: damaged Rice codes never leave their tile", "[io][fits][mutation]") {
  std::mt19937_64 random(7);
  std::vector<unsigned char> bytes;
  std::vector<std::uint32_t> wide(333);
  std::vector<std::uint16_t> half(333);
  std::vector<std::uint8_t> narrow(333);
  int good = 0;
  for (int i = 0; i < 20000; ++i) {
    bytes.resize(random() % 400);
    for (auto& byte : bytes) byte = static_cast<unsigned char>(random() % 3 == 0 ? 0 : random());
    auto const block = static_cast<unsigned>(1 + random() % 64);
    good += hg::io::detail::decode_rice<std::uint32_t>(bytes, block, wide);
    good += hg::io::detail::decode_rice<std::uint16_t>(bytes, block, half);
    good += hg::io::detail::decode_rice<std::uint8_t>(bytes, block, narrow);
  }
  CHECK(good > 0);
}

TEST_CASE("fits: Rice codes by hand", "[io][fits]") {
  using hg::io::detail::decode_rice;
  std::vector<std::uint32_t> out(3);
  // First value 7, then one block: code 1 (split 0), differences 0, +1, -2 folded to 0, 2, 3 in unary: 1 001 0001.
  std::vector<unsigned char> const good = {0, 0, 0, 7, 0b00001'100, 0b1'0001'000};
  REQUIRE(decode_rice<std::uint32_t>(good, 32, out));
  CHECK(out == std::vector<std::uint32_t>{7, 8, 6});
  CHECK_FALSE(decode_rice<std::uint32_t>({good.data(), 5}, 32, out));  // ends early
  CHECK_FALSE(decode_rice<std::uint32_t>({good.data(), 3}, 32, out));
  std::vector<unsigned char> const unknown = {0,    0,    0,    7,    0b11111'000, 0xff, 0xff, 0xff,
                                              0xff, 0xff, 0xff, 0xff, 0xff,        0xff, 0xff, 0xff};
  CHECK_FALSE(decode_rice<std::uint32_t>(unknown, 32, out));  // no such split
  std::vector<unsigned char> zeros(100, 0);
  zeros[0] = 5, zeros[1] = 0b001'00000;  // split 0, then zeros without end
  std::vector<std::uint8_t> narrow(3);
  CHECK_FALSE(decode_rice<std::uint8_t>(zeros, 32, narrow));
  zeros[90] = 1;  // a run of zeros that ends, but stands for more than eight bits hold
  CHECK_FALSE(decode_rice<std::uint8_t>(zeros, 32, narrow));
}
