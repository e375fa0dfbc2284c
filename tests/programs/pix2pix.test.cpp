// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Training, applying, selecting and importing.
#include <algorithm>
#include <catch2/catch_approx.hpp>
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cmath>
#include <filesystem>
#include <sstream>
#include <vector>

#include <heliograd/io/fits.hpp>
#include <heliograd/io/safetensors.hpp>
#include <pix2pix/scaling.hpp>
#include "program.hpp"

namespace hg = heliograd;
namespace fs = std::filesystem;
using Catch::Approx;
using Catch::Matchers::ContainsSubstring;
using test::contents;
using test::Folder;

namespace {

test::Program const program("pix2pix");

/// As it should end.
test::Outcome fine(std::string const& arguments) {
  auto outcome = program(arguments);
  INFO(arguments << "\n" << outcome.err);
  REQUIRE(outcome.code == 0);
  return outcome;
}

void fails(std::string const& arguments, int code, std::string const& word) {
  INFO(arguments);
  test::check_failure(program(arguments), code, word);
}

/// Four spots, other ones in each image.
double spots(std::size_t image, double y, double x) {
  double field = 0;
  for (int k = 0; k < 4; ++k) {
    double const a = double(image) * 1.7 + k * 2.3;
    double const dy = y - 0.5 - 0.3 * std::sin(a), dx = x - 0.5 - 0.3 * std::cos(1.3 * a);
    field += 2000 * std::cos(3.1 * a) * std::exp(-(dy * dy + dx * dx) / 0.01);
  }
  return field;
}

void write_image(std::string const& path, std::string const& channel, std::size_t image, std::size_t height,
                 std::size_t width) {
  std::vector<float> pixels(height * width);
  for (std::size_t i = 0; i < pixels.size(); ++i) {
    double const field = spots(image, double(i / width) / double(height), double(i % width) / double(width));
    double const amount = channel == "hmi"       ? field
                          : channel == "drawing" ? std::min(1.0, std::fabs(field) / 2000)
                          : channel == "aia193"  ? 50 + 2 * std::fabs(field)
                          : channel == "aia171"  ? 30 + std::fabs(field)
                                                 : 20 + std::fabs(field) / 3;
    pixels[i] = static_cast<float>(amount);
  }
  hg::io::FitsHeader header;
  header.set("TELESCOP", "SDO");
  header.set("INSTRUME", "made up");
  if (channel != "drawing") header.set("BUNIT", channel == "hmi" ? "Gauss" : "DN/s");
  header.set("CRPIX1", 7.5);
  header.append_history("an older line");
  hg::io::write_fits(path, pixels.data(), width, height, header);
}

std::vector<std::string> const channels{"hmi", "aia171", "aia193", "aia304", "drawing"};

/// Five pairs to train on, two for validation, two for tests.
void write_set(std::string const& folder, std::size_t side = 32) {
  fs::create_directories(folder);
  std::string list = "split,time";
  for (std::string const& channel : channels) {
    fs::create_directories(folder + "/" + channel);
    list += "," + channel;
  }
  list += "\n";
  for (std::size_t i = 0; i < 9; ++i) {
    list += std::string(i < 5 ? "train" : i < 7 ? "validation" : "test") + ",2014-01-0" + std::to_string(i + 1);
    for (std::string const& channel : channels) {
      std::string const cell = channel + "/" + std::to_string(i) + ".fits";
      write_image(folder + "/" + cell, channel, i, side, side);
      list += "," + cell;
    }
    list += "\n";
  }
  std::ofstream(folder + "/pairs.csv") << list;
}

std::string const reduced = " --side 32 --depth 3 --width 4 --widest 8 ";

/// The numbers of a column of a log.
std::vector<double> column(std::string const& log, std::string const& name) {
  std::istringstream lines(log);
  std::string line, word;
  std::getline(lines, line);
  std::size_t at = 0, wanted = std::string::npos;
  for (std::istringstream words(line); std::getline(words, word, ','); ++at)
    if (word == name) wanted = at;
  REQUIRE(wanted != std::string::npos);
  std::vector<double> values;
  while (std::getline(lines, line)) {
    std::istringstream words(line);
    for (std::size_t i = 0; i <= wanted; ++i) std::getline(words, word, ',');
    values.push_back(std::atof(word.c_str()));
  }
  return values;
}

/// A log without what the clock says.
std::string timeless(std::string const& log) {
  std::istringstream lines(log);
  std::string kept, line;
  while (std::getline(lines, line)) {
    for (int i = 0; i < 2; ++i) line = line.substr(0, line.rfind(','));
    kept += line + "\n";
  }
  return kept;
}

std::vector<float> pixels(std::string const& file) { return hg::io::read_fits<float>(file).pixels; }

}  // namespace

TEST_CASE("scalings go back to where they came from, and saturate", "[programs]") {
  using pix2pix::Scaling;
  Scaling const field{Scaling::Law::field, 3000}, photons{Scaling::Law::photons, 14}, ink{Scaling::Law::share, 1},
      bytes{Scaling::Law::field, 100, 256};
  for (float const gauss : {-3000.f, -12.5f, 0.f, 800.f, 3000.f})
    CHECK(field.to_physical(field.to_network(gauss)) == Approx(gauss).epsilon(1e-6));
  CHECK(field.to_network(5000) == 1);
  CHECK(field.to_network(std::nanf("")) == 0);
  for (float const counts : {0.f, 0.25f, 7.f, 1000.f, 16383.f})
    CHECK(photons.to_physical(photons.to_network(counts)) == Approx(counts).epsilon(2e-5).margin(1e-5));
  CHECK(photons.to_network(0) == -1);
  CHECK(photons.to_network(16383) == Approx(1));
  CHECK(photons.to_network(1e6f) == 1);
  CHECK(ink.to_physical(ink.to_network(0.3f)) == Approx(0.3));
  CHECK(bytes.to_network(-100) == -1);
  CHECK(bytes.to_network(100) == 1);
  CHECK((bytes.to_network(0.1f) + 1) / 2 * 255 == Approx(128));  // between two bytes: the nearer one
}

TEST_CASE("every preset trains, and its losses are what they were", "[programs]") {
  struct Golden {
    char const* preset;
    double l1, generator, discriminator;  // after the third step
  };
  Folder const folder;
  write_set(folder / "set");
  for (Golden const& golden : {
           Golden{"park2019-a", 0.21547, 0, 0},
           Golden{"park2019-b", 0.21551, 0.73931, 1.3908},
           Golden{"park2019-b --variant code2019", 0.21938, 0.68977, 1.3863},
           Golden{"aisfm1", 0.38515, 0.66568, 1.4094},
           Golden{"sun2023-baseline --batch 2", 0.27646, 0.72364, 0.69521},
           Golden{"sun2023-cat --batch 2", 0.27559, 0.70312, 0.70327},
           Golden{"sun2023-rhp --batch 2", 0.27554, 0.70731, 0.70138},
           Golden{"park2019-b --passband 171", 0.24555, 0.74024, 1.3933},
           Golden{"sun2023-rhp --variant answer --batch 2", 0.27594, 0.7094, 0.70045},
           Golden{"galileo", 0.15755, 0.73457, 1.3919},
           Golden{"galileo --direction BtoA", 0.87942, 0.73444, 1.3688},
           Golden{"galileo --target aia193", 0.21535, 0.7345, 1.4026},
           Golden{"lim2021 --inputs aia171", 0.21438, 0.74657, 1.3988},
           Golden{"lim2021 --inputs aia171 aia304", 0.21281, 0.73421, 1.3703},
       }) {
    INFO(golden.preset);
    std::string const out = folder / "run";
    fine("train --overwrite --steps 3 --picture-every 0 --data " + (folder / "set") + " -o " + out + reduced +
         "--preset " + golden.preset);
    auto const log = contents(out + "/log.csv");
    auto const l1 = column(log, "l1"), generator = column(log, "generator"), other = column(log, "discriminator");
    REQUIRE(l1.size() == 3);
    // Rounding turns the first steps of weights whose gradient is nearly zero, a few in 10^5.
    CHECK(l1[2] == Approx(golden.l1).epsilon(2e-4));
    CHECK(generator[2] == Approx(golden.generator).epsilon(2e-4));
    CHECK(other[2] == Approx(golden.discriminator).epsilon(2e-4));
  }
}

TEST_CASE("a training resumed is the training undisturbed, bit for bit", "[programs]") {
  Folder const folder;
  write_set(folder / "set");
  std::string const start =
      "train --steps 4 --save-every 2 --validate-every 2 --picture-every 2 --batch 2 --accumulate 2 --shift 1 "
      "--lr-policy cosine" +
      reduced + "--preset sun2023-rhp --data " + (folder / "set") + " -o " + (folder / "run");
  CHECK_THAT(fine(start).out, ContainsSubstring("best in validation"));
  std::vector<std::string> const results{"generator.safetensors", "discriminator.safetensors", "best.safetensors",
                                         "step-000000004.checkpoint", "pictures/step-000000004.png"};
  std::vector<std::string> before;
  for (std::string const& name : results) before.push_back(contents(folder / ("run/" + name)));
  auto const log = contents(folder / "run/log.csv");
  CHECK(column(log, "rate")[0] == Approx(2e-4));
  CHECK(column(log, "rate")[2] == Approx(1e-4));  // half of the steps along half a cosine
  fails(start, 4, "--resume");
  fs::remove(folder / "run/step-000000004.checkpoint");
  fails(start + " --resume --rate 0.1", 2, "other options");
  CHECK_THAT(fine(start + " --resume").out, ContainsSubstring("after step 2"));
  for (std::size_t i = 0; i < results.size(); ++i) {
    INFO(results[i]);
    CHECK(before[i].size() > 100);
    CHECK((contents(folder / ("run/" + results[i])) == before[i]));
  }
  CHECK(timeless(contents(folder / "run/log.csv")) == timeless(log));

  // A rate that falls at a plateau remembers what it has seen: nothing is learnt, so the seventh error is the sixth in vain.
  std::string const flat =
      "train --preset park2019-a --steps 9 --save-every 5 --validate-every 1 --picture-every 0 "
      "--rate 1e-12 --lr-policy plateau --data " +
      (folder / "set") + reduced + "-o " + (folder / "flat");
  fine(flat);
  auto const rates = contents(folder / "flat/log.csv");
  CHECK(column(rates, "rate")[6] == Approx(1e-12));
  CHECK(column(rates, "rate")[7] == Approx(2e-13));
  fs::remove(folder / "flat/step-000000009.checkpoint");
  fine(flat + " --resume");
  CHECK(timeless(contents(folder / "flat/log.csv")) == timeless(rates));
}

TEST_CASE("parts of a batch add up to the batch", "[programs]") {
  Folder const folder;
  write_set(folder / "set");
  // One halving has no norm, which would see the parts apart.
  std::string const start =
      "train --steps 2 --batch 4 --preset park2019-a --side 32 --depth 1 --width 4 --picture-every 0 --data " +
      (folder / "set") + " -o ";
  fine(start + (folder / "whole"));
  fine(start + (folder / "parts") + " --accumulate 2");
  auto const whole = contents(folder / "whole/log.csv"), parts = contents(folder / "parts/log.csv");
  for (char const* const name : {"l1", "norm"}) {
    auto const a = column(whole, name), b = column(parts, name);
    REQUIRE(a.size() == 2);
    for (std::size_t i = 0; i < 2; ++i) CHECK(a[i] == Approx(b[i]).epsilon(1e-5));
  }
  fails(start + (folder / "x") + " --accumulate 3", 2, "--accumulate");
}

TEST_CASE("a generator trained with fast convolutions is applied with them", "[programs]") {
  Folder const folder;
  write_set(folder / "set", 128);
  std::string const run = folder / "run", in = folder / "in.fits", out = folder / "out.fits";
  fine(
      "train --accuracy fast --preset park2019-a --side 128 --depth 2 --width 32 --widest 32 --steps 1 "
      "--validate-every 9 --picture-every 0 --data " +
      (folder / "set") + " -o " + run);
  CHECK_THAT(fine("info " + run + "/generator.safetensors").out, ContainsSubstring("accuracy         fast"));
  write_image(in, "hmi", 3, 128, 128);
  auto const applied = [&](std::string const& options) {
    fine("apply " + in + " --overwrite --weights " + run + "/generator.safetensors -o " + out + options);
    auto const history = hg::io::read_fits<float>(out).header.history();
    CHECK(std::any_of(history.begin(), history.end(), [&](auto const& line) {
      return line.find(options.ends_with("strict") ? "strict convolutions" : "fast convolutions") != line.npos;
    }));
    return pixels(out);
  };
  auto const fast = applied("");
  CHECK((applied(" --accuracy fast") == fast));
  CHECK_FALSE((applied(" --accuracy strict") == fast));
}

TEST_CASE("images of any size come back in their size, with their header", "[programs]") {
  Folder const folder;
  write_set(folder / "set");
  std::string const run = folder / "run", weights = run + "/generator.safetensors", in = folder / "in.fits",
                    out = folder / "out.fits";
  fine("train --steps 2 --picture-every 0 --data " + (folder / "set") + " -o " + run + reduced);
  write_image(in, "hmi", 3, 37, 50);
  std::string const start = "apply " + in + " --weights " + weights + " -o " + out;
  fails(start + " --strict", 3, "multiples of 8");
  fine(start + " --png " + (folder / "out.png"));
  auto const result = hg::io::read_fits<float>(out);
  CHECK(result.height == 37);
  CHECK(result.width == 50);
  auto const& header = result.header;
  CHECK(header.text("BUNIT") == "DN/s");
  CHECK(header.text("INSTRUME") == "made up");
  CHECK(header.real("CRPIX1") == 7.5);
  CHECK(header.text("TRTARGET") == "aia193");
  auto const history = header.history();
  CHECK(history.front() == "an older line");
  auto const mentions = [&](std::string const& text) {
    return std::any_of(history.begin(), history.end(), [&](auto const& line) { return line.find(text) != line.npos; });
  };
  CHECK(mentions("imitated from hmi"));
  CHECK(mentions("in.fits"));
  CHECK(mentions("padded from 50 x 37 to 56 x 40"));
  CHECK(contents(folder / "out.png").starts_with("\x89PNG"));
  fails(start, 4, "out.fits");
  fails("apply " + in + " --overwrite --weights " + weights + " -o " + in, 2, "is an input");
  fails("apply " + in + " --overwrite --weights " + weights + " -o " + weights, 2, "is an input");

  // The statistics of the image, with and without dropout. Tiles leave no seams, whatever the statistics.
  auto const again = [&](std::string const& options) {
    fine(start + " --overwrite " + options);
    return pixels(out);
  };
  auto const apart = [](std::vector<float> const& a, std::vector<float> const& b) {
    double most = 0, largest = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
      most = std::max(most, std::fabs(double(a[i]) - double(b[i])));
      largest = std::max(largest, std::fabs(double(a[i])));
    }
    return most / largest;
  };
  auto const whole = result.pixels, image = again("--statistics image");
  CHECK(apart(image, whole) > 1e-3);
  CHECK(apart(again("--tile 16"), whole) <= 1e-5);
  CHECK(apart(again("--tile 16 --statistics image"), image) <= 1e-5);
  CHECK(apart(again("--statistics batch"), image) > 1e-3);
  fails(start + " --overwrite --tile 16 --statistics batch", 2, "--tile");

  // The mean and the deviation of several passes.
  auto const mean = again("--samples 3 --deviation " + (folder / "deviation.fits"));
  auto const deviation = pixels(folder / "deviation.fits");
  double total = 0;
  for (float const value : deviation) total += double(value);
  CHECK(total > 0);
  std::vector<std::vector<float>> passes;
  for (int seed = 1; seed <= 3; ++seed) passes.push_back(again("--samples 1 --seed " + std::to_string(seed)));
  for (std::size_t i = 0; i < mean.size(); i += 97) {
    double const m = (double(passes[0][i]) + double(passes[1][i]) + double(passes[2][i])) / 3;
    double squares = 0;
    for (auto const& pass : passes) squares += (double(pass[i]) - m) * (double(pass[i]) - m);
    CHECK(double(mean[i]) == Approx(m).epsilon(1e-5));
    CHECK(double(deviation[i]) == Approx(std::sqrt(squares / 2)).epsilon(1e-3).margin(1e-5 * std::fabs(m)));
  }

  // A set: each image under the name of its truth. Other units, sizes and files are refused.
  fine("apply --data " + (folder / "set") + " --weights " + weights + " -o " + (folder / "predicted"));
  CHECK(fs::exists(folder / "predicted/aia193/7.fits"));
  CHECK(fs::exists(folder / "predicted/aia193/8.fits"));
  CHECK_FALSE(fs::exists(folder / "predicted/aia193/0.fits"));
  fails("apply " + (folder / "set/aia304/1.fits") + " --weights " + weights + " -o x.fits", 3, "DN/s");
  fails("apply " + in + " --weights " + in + " -o x.fits", 3, "in.fits");
  fails("apply " + in + " --weights " + run + "/discriminator.safetensors -o x.fits", 3, "discriminator");
  fails("apply " + in + " --weights " + weights + " -o /dev/full", 4, "/dev/full");
}

TEST_CASE("several input channels, and the other direction", "[programs]") {
  Folder const folder;
  write_set(folder / "set");
  std::string const common = "train --steps 1 --picture-every 1 --data " + (folder / "set") + reduced;
  fine(common + "-o " + (folder / "two") +
       " --preset lim2021 --inputs aia171 aia304 --photon-bits 14 --limit aia193=4");
  std::string const weights = " --weights " + (folder / "two/generator.safetensors") + " -o " + (folder / "out.fits");
  std::string const a = folder / "set/aia171/7.fits", b = folder / "set/aia304/7.fits";
  fine("infer " + a + " " + b + weights);
  CHECK_THAT(fine("info " + (folder / "two/generator.safetensors")).out, ContainsSubstring("aia193, to 15 DN/s"));
  auto const faint = pixels(folder / "out.fits");
  CHECK(faint.size() == 1024);
  CHECK(*std::max_element(faint.begin(), faint.end()) <= 15);  // 4 bits of DN/s
  fails("apply " + a + weights, 2, "groups of 2");
  fine(common + "-o " + (folder / "back") + " --direction BtoA --passband 171");
  fine("apply " + a + " --overwrite --weights " + (folder / "back/generator.safetensors") + " -o " +
       (folder / "out.fits"));
  CHECK(hg::io::read_fits<float>(folder / "out.fits").header.text("BUNIT") == "Gauss");
}

TEST_CASE("what makes no sense is said before anything is written", "[programs]") {
  Folder const folder;
  write_set(folder / "set");
  std::string const set = folder / "set", out = folder / "x";
  std::string const start = "train --steps 1 -o " + out + reduced + "--data ";
  fails(start + out, 3, "pairs.csv");
  fails(start + set + " --passband 94", 3, "aia94");
  fails(start + set + " --passband 95", 2, "--passband");
  fails(start + set + " --variant fast", 2, "--variant");
  for (char const* const limit : {"aia94=4", "aia193=99", "aia193=", "aia193=4x", "hmi"})
    fails(start + set + " --limit " + limit, 2, "--limit");
  fails(start + set + " --target hmi", 2, "both input and target");
  fails(start + set + " --inputs hmi hmi", 2, "named twice");
  fails(start + set + " --resume", 3, "no checkpoint");
  fails(start + set + " --start none.safetensors", 3, "none.safetensors");
  fails("train --steps 1 -o " + out + " --data " + set + " --side 20 --depth 3", 2, "multiple of 8");
  fails("train --steps 1 -o " + out + " --data " + set + " --side 16 --depth 3", 2, "discriminator");
  fails("train --steps 1 -o " + out + " --data " + set + " --side 64 --depth 3", 3, "too small");
  std::ofstream(set + "/pairs.csv") << "split,time,hmi,aia193\ntrain,now,../hmi/1.fits,aia193/1.fits\n";
  fails(start + set, 3, "outside the set");
  std::ofstream(set + "/pairs.csv") << "split,time,hmi,aia193\nlearn,now,hmi/1.fits,aia193/1.fits\n";
  fails(start + set, 3, "line 2");
  std::string const line = "train,now,hmi/1.fits,aia193/1.fits\n";
  std::ofstream(set + "/pairs.csv") << "split,time,hmi,aia193\n" << line << "test" << line.substr(5);
  fails(start + set, 3, "same images as line 2");
  std::ofstream(set + "/pairs.csv") << "split,time,hmi,aia193,hmi\n";
  fails(start + set, 3, "hmi twice");
  // One line of a set whose files are not as they should be.
  auto const refused = [&](std::string const& target, std::string const& word) {
    std::ofstream(set + "/pairs.csv") << "split,time,hmi,aia193\ntrain,now,hmi/1.fits,aia193/" << target << "\n";
    fails(start + set, 3, word);
  };
  refused("none.fits", "none.fits: is not there");
  write_image(set + "/aia193/flat.fits", "aia193", 1, 16, 32);
  refused("flat.fits", "flat.fits: is not of the size of");
  std::ofstream(set + "/aia193/cut.fits") << contents(set + "/aia193/1.fits").substr(0, 4000);
  refused("cut.fits", "cut.fits: HDU 0 is cut short");
  std::vector<float> const blank(1024, std::nanf(""));
  hg::io::write_fits(set + "/aia193/blank.fits", blank.data(), 32, 32, hg::io::FitsHeader());
  refused("blank.fits", "blank.fits: no pixel has a value");
  CHECK_FALSE(fs::exists(out));
  // One that is met later: what was learnt until then is kept. Spreadsheets write such a mark first.
  std::ofstream(set + "/pairs.csv") << "\xef\xbb\xbfsplit,time,hmi,aia193\r\ntrain,1,hmi/1.fits,aia193/1.fits\r\n"
                                    << "train,2,hmi/2.fits,aia193/2.fits\r\ntrain,3,hmi/3.fits,aia193/cut.fits\r\n";
  fails("train --preset park2019-a --picture-every 0 --steps 9 -o " + out + reduced + "--data " + set, 3, "cut.fits");
  CHECK(fs::exists(out + "/generator.safetensors"));
  CHECK_THAT(fine("train --dry-run --preset aisfm1 --side 64 --depth 4 --width 8").out,
             ContainsSubstring("discriminator"));
}

TEST_CASE("numbers that are not finite end a training", "[programs]") {
  Folder const folder;
  write_set(folder / "set");
  std::string const run = folder / "run", first = run + "/generator.safetensors", huge = folder / "huge.safetensors";
  std::string const start = "train --picture-every 0 --data " + (folder / "set") + reduced + "--variant code2019 ";
  fine(start + "--steps 1 -o " + run);
  hg::io::TensorFile const file(first);
  hg::io::TensorWriter writer;
  for (auto const& entry : file.tensors()) {
    auto values = file.read<float>(entry);
    if (entry.name.ends_with("conv.weight"))
      for (float& value : values) value *= 1e20f;
    writer.add(entry.name, entry.shape, values);
  }
  writer.write(huge, file.metadata(), {});
  fails(start + "-q --steps 9 -o " + (folder / "bad") + " --start " + huge, 5, "not finite");
}

TEST_CASE("channels are selected one after the other, and what is known is not computed again", "[programs]") {
  Folder const folder;
  write_set(folder / "set");
  std::string const start = "select --data " + (folder / "set") + " -o " + (folder / "out") +
                            " --channels aia171 aia193 aia304 --most 2 --steps 1 --whole" + reduced;
  CHECK_THAT(fine(start + "--dry-run").out, ContainsSubstring("choice 1: 6 networks, 0 of them known"));
  CHECK_THAT(fine(start + "--jobs 2").out, ContainsSubstring("2 of them known"));
  auto const scores = contents(folder / "out/scores.csv");
  CHECK(std::count(scores.begin(), scores.end(), '\n') == 4);
  auto const all = fine(start).out;
  CHECK_THAT(all, ContainsSubstring("choice 2: 2 networks, 2 of them known"));
  CHECK(all.find("chosen: ") != all.rfind("chosen: "));
  auto const known = contents(folder / "out/scores.csv");
  CHECK(std::count(known.begin(), known.end(), '\n') == 10);
  std::istringstream lines(scores);
  for (std::string line; std::getline(lines, line);) CHECK_THAT(known, ContainsSubstring(line));
  CHECK_THAT(fine(start + "--jobs 0").out, ContainsSubstring("choice 2: 2 networks, 2 of them known"));
  fails(start + "--seed 2", 2, "other trainings");
  fails("select --data " + (folder / "set") + " -o " + (folder / "o") + " --channels aia171 aia193 --most 2", 2,
        "--most");
  CHECK_THAT(contents(folder / "out/scores.csv"), ContainsSubstring("aia171,aia193,"));
}

TEST_CASE("a U-Net of PyTorch gives the same image here", "[programs]") {
  if (std::system("python3 -c 'import torch' > /dev/null 2>&1") != 0) SKIP("PyTorch is not installed");
  Folder const folder;
  std::string const source = HELIOGRAD_SOURCE_DIR;
  write_image(folder / "in.fits", "hmi", 2, 16, 16);
  auto const image = pixels(folder / "in.fits");
  std::ofstream(folder / "in.raw", std::ios::binary)
      .write(reinterpret_cast<char const*>(image.data()), std::streamsize(4 * image.size()));
  std::string const make = "python3 " + source + "/tests/programs/unet_of_torch.py " + folder.path() + " && python3 " +
                           source + "/examples/pix2pix/tools/export_weights.py " + (folder / "net.pth") + " " +
                           (folder / "net.safetensors");
  REQUIRE(std::system(make.c_str()) == 0);
  // A U-Net in pix2pix's order, from a magnetogram to a magnetogram of other limits.
  std::string const import = "import " + (folder / "net.safetensors") +
                             " --preset sun2023-baseline --inputs hmi --target hmi2 --field-limit 1000 -o " +
                             (folder / "w.safetensors") + " --side 16 --width 4 --widest 8 --depth ";
  fails(import + "4", 3, "missing");
  CHECK_THAT(fine(import + "3 --dry-run").out, ContainsSubstring("model.model.1.model.3.model.1.weight"));
  hg::io::TensorFile const exported(folder / "net.safetensors");
  hg::io::TensorWriter broken;
  for (auto const& entry : exported.tensors()) {
    auto values = exported.read<float>(entry);
    if (entry.name == "model.model.0.weight") values[3] = std::nanf("");
    broken.add(entry.name, entry.shape, values);
  }
  broken.write(folder / "broken.safetensors", exported.metadata(), {});
  std::string const whole = folder / "net.safetensors";
  fails(std::string(import + "3").replace(import.find(whole), whole.size(), folder / "broken.safetensors"), 3,
        "'model.model.0.weight' has a number that is not finite");
  fine(import + "3");
  fine("apply " + (folder / "in.fits") + " --weights " + (folder / "w.safetensors") + " -o " + (folder / "out.fits"));
  auto const ours = pixels(folder / "out.fits");
  auto const bytes = contents(folder / "out.raw");
  REQUIRE(bytes.size() == 4 * ours.size());
  std::vector<float> theirs(ours.size());
  std::copy(bytes.begin(), bytes.end(), reinterpret_cast<char*>(theirs.data()));
  double largest = 0;
  for (std::size_t i = 0; i < ours.size(); ++i) {
    CHECK(std::fabs(double(ours[i]) / 1000 - double(theirs[i])) <= 1e-5);
    largest = std::max(largest, std::fabs(double(theirs[i])));
  }
  CHECK(largest > 0.01);

  // Its opponent: a weight of PyTorch's [out, in, h, w] is ours at [h, w, in, out]; then both go on learning.
  REQUIRE(std::system(("python3 " + source + "/examples/pix2pix/tools/export_weights.py " + (folder / "judge.pth") +
                       " " + (folder / "judge.safetensors"))
                          .c_str()) == 0);
  std::string const judge = "import " + (folder / "judge.safetensors") + " --network discriminator -o " +
                            (folder / "d.safetensors") + " --side 16 --depth 3 --widest 8 --preset sun2023-baseline";
  fails(judge + " --width 8", 3, "of another shape");
  fine(judge + " --width 4");
  hg::io::TensorFile const theirs_d(folder / "judge.safetensors"), ours_d(folder / "d.safetensors");
  auto const a = theirs_d.read<float>(*theirs_d.find("model.5.weight"));
  auto const b = ours_d.read<float>(*ours_d.find("stages.2.conv.weight"));
  CHECK(theirs_d.find("model.5.weight")->shape == std::vector<std::uint64_t>{8, 8, 4, 4});
  for (std::size_t const y : {0, 3})
    for (std::size_t const in : {1, 7}) CHECK(b[((y * 4 + 2) * 8 + in) * 8 + 5] == a[((5 * 8 + in) * 4 + y) * 4 + 2]);
  CHECK(ours_d.read<float>(*ours_d.find("stages.2.norm.scale")) ==
        theirs_d.read<float>(*theirs_d.find("model.6.weight")));
  write_set(folder / "set");
  std::string const learn =
      "train --steps 1 --picture-every 0 --batch 2 --preset sun2023-baseline --inputs hmi "
      "--target aia193 --side 32 --depth 3 --width 4 --widest 8 --data " +
      (folder / "set") + " -o " + (folder / "run") + " --start-discriminator ";
  fails(learn + (folder / "w.safetensors"), 3, "another network");
  fine(learn + (folder / "d.safetensors") + " --start " + (folder / "w.safetensors"));
  fails(learn + (folder / "run/discriminator.safetensors") + " --overwrite", 2, "lies in");
}
