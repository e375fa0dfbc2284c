// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <super_resolution/model.hpp>

#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch_approx.hpp>
#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include <common/sha256.hpp>
#include <common/synthetic_sun.hpp>
#include <heliograd/io/fits.hpp>
#include <heliograd/io/weights.hpp>
#include <heliograd/testing/compare.hpp>
#include <heliograd/testing/draw.hpp>
#include "program.hpp"
#include "spaces.hpp"

namespace hg = heliograd;
namespace fs = std::filesystem;
using Catch::Approx;
using Catch::Matchers::ContainsSubstring;

namespace {

std::string const program = std::string(HELIOGRAD_PROGRAM_DIR) + "/super_resolution";

using test::Folder;

using test::check_failure;
using test::contents;

bool same_bytes(std::string const& a, std::string const& b) { return contents(a) == contents(b); }

test::Program const run("super_resolution");

/// \param accuracy that the file states, if any.
void write_weights(std::string const& path, int scale = 4, std::uint64_t seed = 5, std::string const& accuracy = "") {
  hg::Rng rng(seed);
  auto const model = super_resolution::super_resolution_network<test::FloatBackend>(rng, scale);
  hg::io::Metadata about{{"network", "HighResNet_RPRCDO"}, {"scale", std::to_string(scale)}};
  if (!accuracy.empty()) about["accuracy"] = accuracy;
  hg::io::save_weights(path, model, about);
}

hg::io::FitsHeader disk_header(double side, double radius) {
  hg::io::FitsHeader header;
  header.set("TELESCOP", "SOHO");
  header.set("CTYPE1", "HPLN-TAN");
  header.set("CTYPE2", "HPLT-TAN");
  header.set("CUNIT1", "arcsec");
  header.set("CUNIT2", "arcsec");
  header.set("CRPIX1", side / 2 + 0.5, "[pix] centre");
  header.set("CRPIX2", side / 2 + 0.5);
  header.set("CDELT1", 960.0 / radius);
  header.set("CDELT2", 960.0 / radius);
  header.set("RSUN_OBS", 960.0);
  header.set("R_SUN", radius);
  header.set("BUNIT", "Gauss");
  header.append_comment("kept as it stands");
  header.append_history("an older line");
  return header;
}

std::vector<float> field(std::size_t height, std::size_t width, std::uint64_t seed = 1) {
  hg::testing::Draws draws(seed);
  auto const noise = hg::testing::draw_uniform(draws, height * width, -20, 20);
  std::vector<float> gauss(height * width);
  for (std::size_t y = 0; y < height; ++y)
    for (std::size_t x = 0; x < width; ++x)
      gauss[y * width + x] = static_cast<float>(noise[y * width + x] + 600 * std::sin(0.21 * double(x) + double(seed)) *
                                                                           std::cos(0.17 * double(y)));
  return gauss;
}

void write_disk(std::string const& path, std::size_t side, std::vector<float> const& gauss) {
  hg::io::write_fits(path, gauss.data(), side, side, disk_header(double(side), 0.46 * double(side)));
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("the network has the parameters of the paper, fused or plain", "[programs]", test::Backends) {
  using B = TestType;
  for (int const scale : {1, 2, 4}) {
    hg::Rng rng(3);
    auto model = super_resolution::super_resolution_network<B>(rng, scale);
    CHECK(hg::count_params(model) == 222855);
    hg::Tape<B> tape;
    auto const x = hg::make_tensor<B>("x", hg::Shape{2, 7, 6, 2});
    hg::testing::Draws draws(8);
    auto const values = hg::testing::draw_uniform(draws, x.size(), -1, 1);
    hg::from_host(tape.exec(), x, std::vector<typename B::scalar_type>(values.begin(), values.end()));
    auto const shape = hg::Shape{std::size_t{2}, std::size_t(7 * scale), std::size_t(6 * scale), std::size_t{1}};
    auto const fused = model(tape.constant(x));
    CHECK(fused.shape() == shape);
    model.upsampling = super_resolution::Upsampling::plain;
    auto const plain = model(tape.constant(x));
    auto const a = hg::to_host(tape.exec(), fused.value), b = hg::to_host(tape.exec(), plain.value);
    double largest = 0, difference = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
      largest = std::max(largest, std::abs(double(b[i])));
      difference = std::max(difference, std::abs(double(a[i]) - double(b[i])));
    }
    CHECK(difference <= largest * (std::is_same_v<typename B::scalar_type, float> ? 2e-5 : 1e-13));
  }
}

TEST_CASE("SHA-256 of known texts", "[programs]") {
  auto const sum = [](std::string const& text) {
    examples::Sha256 s;
    s.add(text);
    return s.hexadecimal();
  };
  CHECK(sum("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(sum("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(sum(std::string(1000000, 'a')) == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST_CASE("the synthetic Sun repeats, is nearly balanced and has noise where nothing else is", "[programs]") {
  auto const sun = examples::synthetic_sun({.size = 128, .supergranules = 300, .network_elements = 3000, .seed = 4});
  auto const again = examples::synthetic_sun({.size = 128, .supergranules = 300, .network_elements = 3000, .seed = 4});
  double net = 0, total = 0;
  std::size_t off = 0;
  for (std::size_t i = 0; i < sun.gauss.size(); ++i) {
    bool const limb = sun.pointing.radius(double(i % 128), double(i / 128)) >= 1;
    CHECK(std::isnan(sun.gauss[i]) == limb);
    if (limb) {
      ++off;
      continue;
    }
    CHECK(sun.gauss[i] == again.gauss[i]);
    net += double(sun.gauss[i]), total += std::abs(double(sun.gauss[i]));
  }
  CHECK(off > 128 * 128 / 5);
  CHECK(std::abs(net) < 0.3 * total);
}

TEST_CASE("help and version end well, mistakes end with one line and code 2", "[programs]") {
  CHECK(run("--help").code == 0);
  CHECK_THAT(run("--version").out, ContainsSubstring("super_resolution"));
  for (std::string const command : {"apply", "train", "evaluate", "synthesize", "demo", "info"}) {
    auto const help = run(command + " --help");
    CHECK(help.code == 0);
    CHECK_THAT(help.out, ContainsSubstring("--"));
    CHECK(help.err.empty());
  }
  check_failure(run(""), 2, "help");
  check_failure(run("apply"), 2, "--help");
  check_failure(run("frobnicate"), 2, "--help");
  check_failure(run("apply a.fits -o b.fits --frob"), 2, "--frob");
  check_failure(run("apply a.fits -o"), 2, "--help");
  check_failure(run("apply a.fits -o b.fits --tile -1"), 2, "tile");
  check_failure(run("apply a.fits -o b.fits --tile nan"), 2, "tile");
  check_failure(run("apply a.fits -o b.fits --scale 3"), 2, "scale");
  check_failure(run("train --data . -o x --steps 1e999"), 2, "steps");
  check_failure(run("train --data . -o x --rate inf"), 2, "rate");
  check_failure(run("train --data . -o x --psf 1 nan"), 2, "psf");
  check_failure(run("info --kokkos-num-threads=0"), 2, "--kokkos-num-threads");
  ::setenv("KOKKOS_NUM_THREADS", "none", 1);
  check_failure(run("info"), 2, "KOKKOS_NUM_THREADS");
  ::unsetenv("KOKKOS_NUM_THREADS");
}

TEST_CASE("apply writes a finer image with its header, in tiles as in one piece", "[programs]") {
  Folder const folder;
  std::string const in = folder / "in.fits", weights = folder / "w.safetensors";
  auto gauss = field(149, 149);
  gauss[75 * 149 + 75] = std::numeric_limits<float>::quiet_NaN();
  write_disk(in, 149, gauss);
  write_weights(weights);
  auto const tiled = run("apply " + in + " -o " + (folder / "tiled.fits") + " --tile 40 --png " + (folder / "t.png") +
                         " --weights " + weights);
  INFO(tiled.err);
  REQUIRE(tiled.code == 0);
  CHECK_THAT(tiled.err, ContainsSubstring("1 pixels on the disk"));
  auto const whole = run("apply " + in + " -o " + (folder / "whole.fits") + " --tile 0 --weights " + weights);
  REQUIRE(whole.code == 0);
  auto const a = hg::io::read_fits<float>(folder / "tiled.fits"), b = hg::io::read_fits<float>(folder / "whole.fits");
  REQUIRE(a.width == 596);
  REQUIRE(a.height == 596);
  float largest = 0, difference = 0;
  std::size_t off = 0;
  for (std::size_t i = 0; i < a.pixels.size(); ++i) {
    REQUIRE(std::isfinite(a.pixels[i]));
    largest = std::max(largest, std::fabs(b.pixels[i]));
    difference = std::max(difference, std::fabs(a.pixels[i] - b.pixels[i]));
    double const r = std::hypot(double(i % 596) - 297.5, double(i / 596) - 297.5) / (0.46 * 596);
    if (r > 1.0001) {
      ++off;
      REQUIRE(a.pixels[i] == 0);
    }
  }
  CHECK(off > 10000);
  CHECK(largest > 1);
  CHECK(difference == 0);
  CHECK(*a.header.real("CRPIX1") == Approx((75.0 - 0.5) * 4 + 0.5));
  CHECK(*a.header.real("CDELT1") == Approx(960.0 / (0.46 * 149) / 4));
  CHECK(*a.header.real("R_SUN") == Approx(0.46 * 596));
  CHECK(*a.header.real("RSUN_OBS") == 960);
  CHECK(a.header.text("TELESCOP") == "SOHO");
  CHECK(a.header.comments().front() == "kept as it stands");
  CHECK(a.header.history().front() == "an older line");
  CHECK(a.header.history().size() > 2);
  CHECK(a.header.contains("CHECKSUM"));
  CHECK(a.header.contains("DATASUM"));
  CHECK(contents(folder / "t.png").starts_with("\x89PNG"));

  auto const nan = run("apply " + in + " -o " + (folder / "nan.fits") + " --off-disk-nan -q --weights " + weights);
  REQUIRE(nan.code == 0);
  CHECK(nan.out.empty());
  auto const c = hg::io::read_fits<float>(folder / "nan.fits");
  CHECK(std::isnan(c.pixels[0]));
  CHECK(std::isnan(c.pixels[301 * 596 + 301]));
  CHECK(std::isfinite(c.pixels[320 * 596 + 320]));
}

TEST_CASE("the accuracy of convolutions is the weights', unless it is asked for", "[programs]") {
  Folder const folder;
  std::string const in = folder / "in.fits", out = folder / "out.fits", weights = folder / "w.safetensors";
  write_disk(in, 40, field(40, 40));
  auto const applied = [&](char const* stated, std::string const& options) {
    fs::remove(weights);
    write_weights(weights, 4, 5, stated);
    auto const outcome = run("apply " + in + " -q --overwrite -o " + out + " --weights " + weights + options);
    INFO(outcome.err);
    REQUIRE(outcome.code == 0);
    return hg::io::read_fits<float>(out);
  };
  auto const mentions = [](auto const& image, std::string const& word) {
    auto const lines = image.header.history();
    return std::any_of(lines.begin(), lines.end(), [&](auto const& line) { return line.find(word) != line.npos; });
  };
  auto const silent = applied("", ""), strict = applied("strict", ""), fast = applied("fast", "");
  CHECK(silent.pixels == strict.pixels);
  CHECK_FALSE(fast.pixels == strict.pixels);
  CHECK(mentions(silent, "strict convolutions"));
  CHECK(mentions(fast, "fast convolutions"));
  CHECK_THAT(run("info " + weights).out, ContainsSubstring("accuracy         fast"));
  CHECK(applied("fast", " --accuracy strict").pixels == strict.pixels);
  auto const asked = applied("strict", " --accuracy fast");
  CHECK(asked.pixels == fast.pixels);
  CHECK(mentions(asked, "fast convolutions"));
  fs::remove(weights);
  write_weights(weights, 4, 5, "perfect");
  check_failure(run("apply " + in + " --overwrite -o " + out + " --weights " + weights), 3, "perfect");
  check_failure(run("apply " + in + " -o x.fits --accuracy perfect"), 2, "accuracy");
}

TEST_CASE("small and odd patches without a pointing", "[programs]") {
  Folder const folder;
  std::string const weights = folder / "w.safetensors";
  for (auto const& [height, width] : {std::pair<std::size_t, std::size_t>{32, 32}, {2, 2}, {3, 41}, {17, 5}}) {
    std::string const in = folder / "in.fits", out = folder / "out.fits";
    auto const gauss = field(height, width);
    hg::io::write_fits(in, gauss.data(), width, height, {}, {.overwrite = true});
    for (int const scale : {1, 2, 4}) {
      fs::remove(weights);
      write_weights(weights, scale);
      auto const outcome = run("apply " + in + " --no-wcs --overwrite -o " + out + " --weights " + weights);
      INFO(outcome.err);
      REQUIRE(outcome.code == 0);
      auto const image = hg::io::read_fits<float>(out);
      CHECK(image.height == height * std::size_t(scale));
      CHECK(image.width == width * std::size_t(scale));
    }
  }
}

TEST_CASE("apply refuses what it cannot use and leaves nothing behind", "[programs]") {
  Folder const folder;
  std::string const in = folder / "in.fits", out = folder / "out.fits", weights = folder / "w.safetensors";
  write_disk(in, 40, field(40, 40));
  write_weights(weights);
  std::string const good = "apply " + in + " -o " + out + " --weights " + weights;
  auto const before = folder.names();
  std::string const rest = " -o " + out + " --weights " + weights;

  check_failure(run("apply " + (folder / "none.fits") + rest), 3, "none.fits");
  check_failure(run("apply " + folder / "" + rest), 3, "");
  check_failure(run("apply " + weights + rest), 3, "w.safetensors");
  std::ofstream(folder / "cut.fits", std::ios::binary) << contents(in).substr(0, 6000);
  check_failure(run("apply " + (folder / "cut.fits") + rest), 3, "cut.fits");
  auto header = disk_header(40, 18);
  header.set("BUNIT", "DN/s");
  hg::io::write_fits(folder / "unit.fits", field(40, 40).data(), 40, 40, header);
  check_failure(run("apply " + (folder / "unit.fits") + rest), 3, "BUNIT");
  hg::io::write_fits(folder / "bare.fits", field(40, 40).data(), 40, 40);
  check_failure(run("apply " + (folder / "bare.fits") + rest), 3, "--no-wcs");
  std::vector<float> const nothing(1600, std::numeric_limits<float>::quiet_NaN());
  hg::io::write_fits(folder / "nan.fits", nothing.data(), 40, 40, disk_header(40, 18));
  check_failure(run("apply " + (folder / "nan.fits") + rest), 3, "no pixel with a value");
  hg::io::write_fits(folder / "one.fits", field(1, 9).data(), 9, 1, disk_header(40, 18));
  check_failure(run("apply " + (folder / "one.fits") + rest), 3, "9 x 1");

  std::ofstream(folder / "bad.safetensors", std::ios::binary) << contents(weights).substr(0, 4000);
  check_failure(run("apply " + in + " -o " + out + " --weights " + (folder / "bad.safetensors")), 3, "bad.safetensors");
  check_failure(run("apply " + in + " -o " + out + " --weights " + (folder / "none.safetensors")), 3,
                "none.safetensors");
  check_failure(run("apply " + in + " -o " + (folder / "no/such/out.fits") + " --weights " + weights), 4, "no/such");
  check_failure(run("apply " + in + " -o " + in + " --overwrite --weights " + weights), 2, "input");
  check_failure(run(good + " --png " + out), 2, "same file");
  for (std::string const name : {"cut.fits", "unit.fits", "bare.fits", "nan.fits", "one.fits", "bad.safetensors"})
    fs::remove(folder / name);
  CHECK(folder.names() == before);

  REQUIRE(run(good).code == 0);
  std::string const kept = contents(out);
  check_failure(run(good), 4, "out.fits");
  CHECK((contents(out) == kept));
  CHECK(run(good + " --overwrite").code == 0);
  CHECK(run("info " + in, " > /dev/full").code == 4);
}

TEST_CASE("a configuration file gives way to flags", "[programs]") {
  Folder const folder;
  std::string const in = folder / "in.fits", weights = folder / "w.safetensors", config = folder / "run.toml";
  auto const gauss = field(16, 16);
  hg::io::write_fits(in, gauss.data(), 16, 16);
  write_weights(weights);
  std::ofstream(config) << "weights = \"" << weights
                        << "\"\nno-wcs = true\nquiet = true\ntile = 3\n\n[train]\nsteps = 5\n";
  std::string const start = "apply " + in + " --config " + config + " -o " + (folder / "out.fits");
  check_failure(run(start), 2, "--tile");
  auto const outcome = run(start + " --tile 16");
  INFO(outcome.err);
  CHECK(outcome.code == 0);
  CHECK(outcome.out.empty());
  for (auto const& [text, word] : std::vector<std::pair<char const*, char const*>>{{"frobs = 3", "frobs"},
                                                                                   {"[tarin]\nsteps = 5", "tarin"},
                                                                                   {"tile = [1, 2]", "one value"},
                                                                                   {"tile", "'true'"}}) {
    std::ofstream(config) << text << "\n";
    check_failure(run(start), 2, word);
  }
  check_failure(run("aply " + in), 2, "'aply' is no command");
  check_failure(run("apply " + in + " -o x.fits --config " + (folder / "none.toml")), 3, "none.toml");
}

TEST_CASE("training is the same in one run, in two, and after a signal", "[programs]") {
  Folder const folder;
  fs::create_directory(folder / "data");
  for (int i = 0; i < 3; ++i) {
    hg::io::FitsHeader header;
    header.set("HARPNUM", 100 + i);
    header.set("BUNIT", "Mx/cm^2");
    auto const gauss = field(60, 70, std::uint64_t(i + 1));
    hg::io::write_fits(folder / ("data/" + std::to_string(i) + ".fits"), gauss.data(), 70, 60, header);
  }
  std::string const start = "train --data " + (folder / "data") +
                            " --aside 102 --crop 32 --batch 2 --steps 6 --save-every 2 "
                            "--validate-every 3 --dropout 0.1 --accuracy fast -o ";
  auto const one = run(start + (folder / "one"));
  INFO(one.err);
  REQUIRE(one.code == 0);
  CHECK_THAT(one.out, ContainsSubstring("HARP 102"));
  auto const log = contents(folder / "one/log.csv");
  CHECK(std::count(log.begin(), log.end(), '\n') == 7);

  // Stopped by a signal somewhere, then resumed.
  for (int const signal : {SIGINT, SIGTERM}) {
    std::string const two = folder / ("two" + std::to_string(signal));
    pid_t const child = ::fork();
    if (child == 0) {
      std::string const command =
          "OMP_WAIT_POLICY=passive exec " + program + " " + start + two + " > " + (folder / "o") + " 2>&1";
      ::execl("/bin/sh", "sh", "-c", command.c_str(), static_cast<char*>(nullptr));
      ::_exit(99);
    }
    for (int i = 0; i < 6000 && !fs::exists(two + "/log.csv"); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    ::kill(child, signal);
    int status = 0;
    ::waitpid(child, &status, 0);
    REQUIRE(WIFEXITED(status));
    CHECK((WEXITSTATUS(status) == 128 + signal || WEXITSTATUS(status) == 0));  // 0 if it was done before
    if (WEXITSTATUS(status) != 0) {
      auto const again = run(start + two + " --resume");
      INFO(again.err);
      REQUIRE(again.code == 0);
    }
    for (std::string const name : {"step-000000006.checkpoint", "model.safetensors"})
      CHECK(same_bytes(two + "/" + name, folder / ("one/" + name)));
  }

  // A damaged newest checkpoint: the one before it serves.
  std::string const newest = folder / "one/step-000000006.checkpoint";
  std::string const whole = contents(newest);
  std::ofstream(newest, std::ios::binary) << whole.substr(0, whole.size() / 2);
  auto const healed = run(start + (folder / "one") + " --resume");
  CHECK(healed.code == 0);
  CHECK_THAT(healed.err, ContainsSubstring("warning"));
  CHECK((contents(newest) == whole));

  check_failure(run(start + (folder / "one")), 4, "--resume");
  check_failure(run(start + (folder / "one") + " --resume --rate 0.5"), 2, "other options");
  check_failure(run("train --data " + (folder / "none") + " -o " + (folder / "x")), 3, "none");
  check_failure(run("train --data " + (folder / "data") + " --crop 33 -o " + (folder / "x")), 2, "--crop");
  CHECK_FALSE(fs::exists(folder / "x"));

  // What came out can be applied.
  auto const gauss = field(20, 20);
  hg::io::write_fits(folder / "in.fits", gauss.data(), 20, 20);
  CHECK(run("apply " + (folder / "in.fits") + " --no-wcs -o " + (folder / "out.fits") + " --weights " +
            (folder / "one/model.safetensors"))
            .code == 0);
  auto const info = run("info " + (folder / "one/model.safetensors")).out;
  CHECK_THAT(info, ContainsSubstring("222855"));
  CHECK_THAT(info, ContainsSubstring("accuracy         fast"));
}

TEST_CASE("evaluate knows a perfect prediction from a poor one", "[programs]") {
  Folder const folder;
  auto const truth = field(96, 96);
  auto const p = [&](std::string const& name) { return folder / name; };
  hg::io::write_fits(p("truth.fits"), truth.data(), 96, 96);
  std::vector<float> off = truth;
  for (float& value : off) value = 1.1f * value + 3;
  hg::io::write_fits(p("off.fits"), off.data(), 96, 96);
  auto const perfect =
      run("evaluate " + p("truth.fits") + " --prediction " + p("truth.fits") + " --json " + p("a.json"));
  INFO(perfect.err);
  REQUIRE(perfect.code == 0);
  auto const a = nlohmann::json::parse(contents(p("a.json")))["maps"]["prediction"];
  CHECK(a["correlation"].get<double>() == Approx(1));
  CHECK(a["rmse_gauss"] == 0);
  CHECK(a["extremes_gauss"]["32"] == 0);
  CHECK(a["gradient_gauss"]["8"] == 0);
  CHECK(a["unsigned_flux_ratio"].get<double>() == Approx(1));
  auto const poor = run("evaluate " + p("truth.fits") + " --prediction " + p("off.fits") + " --json " + p("b.json") +
                        " --png " + p("b.png"));
  REQUIRE(poor.code == 0);
  auto const b = nlohmann::json::parse(contents(p("b.json")))["maps"]["prediction"];
  CHECK(b["correlation"].get<double>() == Approx(1));
  CHECK(b["slope"].get<double>() == Approx(1.1));
  CHECK(b["rmse_gauss"].get<double>() > 3);
  CHECK(contents(p("b.png")).starts_with("\x89PNG"));
  auto const small = field(20, 20);
  hg::io::write_fits(p("small.fits"), small.data(), 20, 20);
  check_failure(run("evaluate " + p("truth.fits") + " --prediction " + p("small.fits")), 3, "small.fits");
  check_failure(run("evaluate " + p("truth.fits")), 2, "--prediction");
}

TEST_CASE("the baseline of AR 11101 is what it was found to be", "[programs][data]") {
  std::string const data = std::string(HELIOGRAD_DATA_DIR) + "/mdi-hmi-pairs/";
  if (!fs::exists(data)) SKIP("no real data beside the project (" << data << ")");
  Folder const folder;
  write_weights(folder / "w.safetensors");
  auto const outcome = run("evaluate " + data + "hmi.b_720s.20100830_173600_TAI.b_hmi_los_0.fits --input " + data +
                           "mdi_20100830_173600_AR11101.fits --input-on-fine-grid --align --json " +
                           (folder / "e.json") + " --weights " + (folder / "w.safetensors"));
  INFO(outcome.err);
  REQUIRE(outcome.code == 0);
  auto const baseline = nlohmann::json::parse(contents(folder / "e.json"))["maps"]["bicubic / 1.3"];
  CHECK(baseline["correlation"].get<double>() == Approx(0.970).margin(0.0006));
  CHECK(baseline["rmse_gauss"].get<double>() == Approx(35.7).margin(0.15));
  CHECK(baseline["gradient_gauss"]["8"].get<double>() == Approx(11.6).margin(0.15));
  CHECK(baseline["extremes_gauss"]["32"].get<double>() == Approx(143).margin(1.5));
}

TEST_CASE("the weights that are shipped beat the baseline on AR 11101", "[programs][data]") {
  std::string const data = std::string(HELIOGRAD_DATA_DIR) + "/mdi-hmi-pairs/";
  if (!fs::exists(data)) SKIP("no real data beside the project (" << data << ")");
  std::string const weights =
      std::string(HELIOGRAD_SOURCE_DIR) + "/examples/super_resolution/weights/mdi-x4.safetensors";
  REQUIRE(fs::file_size(weights) < 1000000);
  Folder const folder;
  REQUIRE(run("evaluate " + data + "hmi.b_720s.20100830_173600_TAI.b_hmi_los_0.fits --input " + data +
              "mdi_20100830_173600_AR11101.fits --input-on-fine-grid --align --json " + (folder / "e.json"))
              .code == 0);
  auto const maps = nlohmann::json::parse(contents(folder / "e.json"))["maps"];
  auto const &mine = maps["network"], &baseline = maps["bicubic / 1.3"];
  CHECK(mine["correlation"] > baseline["correlation"]);
  CHECK(mine["rmse_gauss"] < baseline["rmse_gauss"]);
  for (std::string const side : {"2", "4", "8", "16", "32"}) {
    CHECK(mine["gradient_gauss"][side] < baseline["gradient_gauss"][side]);
    CHECK(mine["extremes_gauss"][side] < baseline["extremes_gauss"][side]);
  }
}
