// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_exception.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>
#include <string>
#include <vector>

#include <heliograd/io/weights.hpp>
#include "folder.hpp"
#include "spaces.hpp"

namespace hg = heliograd;
namespace fs = std::filesystem;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::MessageMatches;

using test::Folder;

namespace {

template <class B>
struct Layer {
  hg::Param<4, B> weight;
  hg::Param<1, B> bias;
  HELIOGRAD_FIELDS(weight, bias)
};
template <class B>
struct Model {
  Layer<B> head;
  std::vector<Layer<B>> blocks;
  hg::Tensor<1, B> running;
  hg::Param<1, B> absent;
  hg::Param<0, B> gain;
  HELIOGRAD_FIELDS(head, blocks, running, absent, gain)
};

template <class B>
Model<B> make_model(double first, std::size_t channels = 4) {
  auto const layer = [&] {
    return Layer<B>{hg::make_param<B>("weight", hg::Shape{3, 3, 2, channels}),
                    hg::make_param<B>("bias", hg::Shape{channels})};
  };
  Model<B> model{layer(),
                 {layer(), layer()},
                 hg::make_zeros<B>("running", hg::Shape{5}),
                 hg::make_param<B>("absent", hg::Shape{0}),
                 hg::make_param<B>("gain", hg::Shape<0>{})};
  double next = first;
  hg::io::detail::for_each_saved(
      [&](std::string const&, auto& tensor) {
        using T = typename B::scalar_type;
        std::vector<T> values(tensor.size());
        for (T& v : values) v = static_cast<T>(next += 1.0 / 3);
        hg::from_host(typename B::execution_space{}, tensor, values);
      },
      model);
  return model;
}

template <class Model>
std::vector<double> numbers(Model& model) {
  std::vector<double> all;
  hg::io::detail::for_each_saved(
      [&](std::string const&, auto& tensor) {
        for (auto const v : hg::to_host(test::ExecutionSpace{}, tensor)) all.push_back(static_cast<double>(v));
      },
      model);
  return all;
}

std::string bytes_of(std::string const& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}
void write_bytes(std::string const& path, std::string const& bytes) {
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}
std::string prefix_of(std::uint64_t length) {
  std::string text(8, '\0');
  for (std::size_t i = 0; i < 8; ++i) text[i] = static_cast<char>(length >> (8 * i));
  return text;
}
std::string raw(std::string const& header, std::string const& data) { return prefix_of(header.size()) + header + data; }

struct One {
  hg::Param<1, test::FloatBackend> w;
  HELIOGRAD_FIELDS(w)
};
One make_one(std::size_t size) {
  One one{hg::make_param<test::FloatBackend>("w", hg::Shape{size})};
  hg::fill(test::ExecutionSpace{}, one.w.value, -1.0f);
  return one;
}

/// Loading this must fail with this message, naming the file, and leave the model alone.
void refused(std::string const& bytes, std::string const& message) {
  Folder const folder;
  std::string const path = folder / "w.safetensors";
  write_bytes(path, bytes);
  One one = make_one(2);
  INFO("expected: " << message);
  CHECK_THROWS_MATCHES(hg::io::load_weights(path, one), hg::InputError,
                       MessageMatches(ContainsSubstring(message) && ContainsSubstring("w.safetensors: ")));
  CHECK(numbers(one) == std::vector<double>{-1, -1});
}

std::string const two_floats("\x00\x00\x80\x3f\x00\x00\x00\x40", 8);  // 1, 2

}  // namespace

TEST_CASE("crc32c gives the published check values, in one piece or in two", "[io]") {
  CHECK(hg::io::crc32c("123456789", 9) == 0xE3069283u);
  std::string const zeros(32, '\0'), ones(32, '\xff');
  CHECK(hg::io::crc32c(zeros.data(), 32) == 0x8A9136AAu);
  CHECK(hg::io::crc32c(ones.data(), 32) == 0x62A8AB43u);
  std::string const text = "The quick brown fox jumps over the lazy dog";
  for (std::size_t cut = 0; cut <= text.size(); ++cut)
    CHECK(hg::io::crc32c(text.data() + cut, text.size() - cut, hg::io::crc32c(text.data(), cut)) == 0x22620404u);
}

TEMPLATE_LIST_TEST_CASE("weights come back bit for bit, with their metadata", "[io]", test::Backends) {
  using B = TestType;
  Folder const folder;
  std::string const path = folder / "model.safetensors";
  auto model = make_model<B>(1);
  hg::io::save_weights(path, model, {{"model", R"({"width": 4, "unit": "gauss"})"}, {"note", "\u00e9t\u00e9"}});
  auto other = make_model<B>(-7);
  REQUIRE(numbers(other) != numbers(model));
  auto const metadata = hg::io::load_weights(path, other);
  CHECK(numbers(other) == numbers(model));
  CHECK(metadata.size() == 2);
  CHECK(metadata.at("model") == R"({"width": 4, "unit": "gauss"})");
  CHECK(hg::io::read_metadata(path) == metadata);

  hg::io::TensorFile const file(path);
  REQUIRE(file.find("blocks.1.weight"));
  CHECK(file.find("blocks.1.weight")->shape == std::vector<std::uint64_t>{3, 3, 2, 4});
  CHECK(file.find("gain")->shape.empty());
  CHECK(file.find("running"));
  CHECK(file.tensors().size() == 8);

  // a file is not replaced unless that is asked for
  CHECK_THROWS_AS(hg::io::save_weights(path, model), hg::OutputError);
  hg::io::save_weights(path, other, {}, {.overwrite = true});
  CHECK(std::distance(fs::directory_iterator(folder.path()), fs::directory_iterator{}) == 1);
}

TEST_CASE("weights pass between single and double precision", "[io]") {
  Folder const folder;
  auto single = make_model<test::FloatBackend>(1);
  auto doubled = make_model<test::DoubleBackend>(9);
  hg::io::save_weights(folder / "f32", single);
  hg::io::load_weights(folder / "f32", doubled);
  CHECK(numbers(doubled) == numbers(single));
  hg::io::save_weights(folder / "f64", doubled);
  auto again = make_model<test::FloatBackend>(-3);
  hg::io::load_weights(folder / "f64", again);
  CHECK(numbers(again) == numbers(single));
}

TEST_CASE("a file that does not fit names all differences at once and changes nothing", "[io]") {
  using B = test::FloatBackend;
  Folder const folder;
  auto model = make_model<B>(1);
  model.blocks.resize(1);
  hg::io::save_weights(folder / "w", model);
  auto other = make_model<B>(2, 5);
  other.blocks.erase(other.blocks.begin());
  auto const before = numbers(other);
  CHECK_THROWS_MATCHES(hg::io::load_weights(folder / "w", other), hg::InputError,
                       MessageMatches(ContainsSubstring("'head.weight' (found [3, 3, 2, 4], expected [3, 3, 2, 5])") &&
                                      ContainsSubstring("'head.bias' (found [4], expected [5])")));
  CHECK(numbers(other) == before);
  auto longer = make_model<B>(2);
  CHECK_THROWS_MATCHES(
      hg::io::load_weights(folder / "w", longer), hg::InputError,
      MessageMatches(ContainsSubstring("missing 'blocks.1.weight' [3, 3, 2, 4], 'blocks.1.bias' [4]")));
  hg::io::save_weights(folder / "long", longer);
  CHECK_THROWS_MATCHES(hg::io::load_weights(folder / "long", model), hg::InputError,
                       MessageMatches(ContainsSubstring("unknown to the model 'blocks.1.bias' [4]")));
}

TEST_CASE("every flipped bit of a file is noticed", "[io]") {
  Folder const folder;
  std::string const path = folder / "w.safetensors";
  One one = make_one(2);
  hg::io::save_weights(path, one, {{"step", "1200"}});
  std::string const good = bytes_of(path);
  std::size_t accepted = 0;
  for (std::size_t byte = 0; byte < good.size(); ++byte)
    for (int const bit : {0, 3, 6}) {
      std::string bad = good;
      bad[byte] = static_cast<char>(bad[byte] ^ (1 << bit));
      write_bytes(path, bad);
      try {
        auto const metadata = hg::io::load_weights(path, one);
        ++accepted;
        CHECK(metadata.at("step") == "1200");  // only a space of the padding may have become another white space
      } catch (hg::InputError const&) {}
      REQUIRE(numbers(one) == std::vector<double>{-1, -1});
    }
  CHECK(accepted == 0);
}

TEST_CASE("a file cut anywhere is refused", "[io]") {
  Folder const folder;
  std::string const path = folder / "w.safetensors";
  One one = make_one(2);
  hg::io::save_weights(path, one);
  std::string const good = bytes_of(path);
  for (std::size_t size = 0; size < good.size(); ++size) {
    write_bytes(path, good.substr(0, size));
    REQUIRE_THROWS_AS(hg::io::load_weights(path, one), hg::InputError);
  }
  write_bytes(path, good + '\0');
  CHECK_THROWS_MATCHES(hg::io::load_weights(path, one), hg::InputError,
                       MessageMatches(ContainsSubstring("belong to nothing")));
}

TEST_CASE("lawful variants made by others load alike", "[io]") {
  Folder const folder;
  std::string const path = folder / "w.safetensors";
  for (std::string const& header :
       {std::string(R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})"),
        std::string(R"({"w":{"data_offsets":[0,8],"shape":[2],"dtype":"F32"}}        )"),
        std::string(R"({"__metadata__":{"format":"pt"}, "w" : {"dtype":"F32","shape":[2],"data_offsets":[0,8]} })"),
        std::string(R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"__metadata__":{}})")}) {
    write_bytes(path, raw(header, two_floats));
    One one = make_one(2);
    hg::io::load_weights(path, one);
    CHECK(numbers(one) == std::vector<double>{1, 2});
  }
}

TEST_CASE("hostile weight files are refused by name and cause", "[io]") {
  std::string const entry = R"("w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]})";
  refused("", "too short");
  refused("1234567", "too short");
  refused(prefix_of(0) + two_floats, "not a JSON object");
  refused(prefix_of(std::uint64_t{1} << 63) + two_floats, "header of 9223372036854775808 bytes");
  refused(prefix_of(~std::uint64_t{0}) + two_floats, "header of");
  refused(prefix_of(~std::uint64_t{0} - 7) + two_floats, "header of");
  refused(raw("{", two_floats), "not valid JSON");
  refused(raw("[]", two_floats), "not a JSON object");
  refused(raw("{\"\xff\xfe\":1}", ""), "not valid JSON");
  refused(raw("{" + entry + "}x", two_floats), "not valid JSON");
  refused(std::string("PK\x03\x04") + std::string(100, '\0'), "zip archive");
  refused(std::string("\x80\x02") + std::string(100, '\0'), "pickle");
  refused("<!DOCTYPE html><html><body>404</body></html>", "no safetensors file");
  refused(raw("{\"a\":" + std::string(200000, '['), ""), "not that of a safetensors file");
  refused(raw("{" + entry + "," + entry + "}", two_floats), "'w' twice");
  refused(raw(R"({"w":{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}})", two_floats), "'dtype' twice");
  refused(raw(R"({"__metadata__":{"a":"1","a":"2"},)" + entry + "}", two_floats), "metadata key 'a' twice");
  refused(raw(R"({"__metadata__":{"a":1},)" + entry + "}", two_floats), "a number where none belongs");
  refused(raw(R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"code":"x"}})", two_floats),
          "unknown property 'code'");
  refused(raw(R"({"w":{"dtype":"F32","shape":[2]}})", two_floats), "lacks dtype, shape or data_offsets");
  refused(raw(R"({"w":{"dtype":"F32","shape":[2.0],"data_offsets":[0,8]}})", two_floats), "not a plain integer");
  refused(raw(R"({"w":{"dtype":"F32","shape":[2e0],"data_offsets":[0,8]}})", two_floats), "not a plain integer");
  refused(raw(R"({"w":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}})", two_floats), "a negative number");
  refused(raw(R"({"w":{"dtype":"F32","shape":[99999999999999999999],"data_offsets":[0,8]}})", two_floats),
          "not a plain integer");
  refused(raw(R"({"w":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8]}})", two_floats),
          "larger than the file");
  refused(raw(R"({"w":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}})", two_floats),
          "larger than the file");
  refused(raw(R"({"w":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}})", ""), "no elements");
  refused(raw(R"({"w":{"dtype":"F32","shape":[1,1,1,1,1,1,1,1,2],"data_offsets":[0,8]}})", two_floats),
          "more than 8 axes");
  refused(raw(R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}})", two_floats), "gap");
  refused(raw(R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", two_floats), "do not fit its shape");
  refused(raw(R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8,16]}})", two_floats),
          "a number where none belongs");
  refused(raw(R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0,18446744073709551615]}})", two_floats),
          "do not fit its shape");
  refused(raw(R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})", two_floats + "abcd"), "gap");
  refused(raw(R"({"v":{"dtype":"F32","shape":[2],"data_offsets":[4,12]},)" + entry + "}", two_floats + "abcd"),
          "overlaps");
  refused(raw("{" + entry + "}", two_floats + "tail"), "belong to nothing");
  refused(raw("{" + entry + "}", two_floats.substr(0, 4)), "larger than the file");
  refused(raw(R"({"w":{"dtype":"I32","shape":[2],"data_offsets":[0,8]}})", two_floats), "found type I32");
  refused(raw(R"({"w":{"dtype":"Q7","shape":[2],"data_offsets":[0,8]}})", two_floats), "unknown type (found 'Q7')");
  refused(raw(R"({"w":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]}})", two_floats), "found [2, 1], expected [2]");
  refused(raw(R"({"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", two_floats.substr(0, 4)),
          "found [1], expected [2]");
  refused(raw(R"({"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", two_floats),
          "missing 'w' [2]; unknown to the model 'x' [2]");
  refused(raw("{}", ""), "missing 'w'");
  refused(raw(R"({"w\u0000":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", two_floats),
          "not printable: 'w\\x00'");
  refused(raw(R"({"\u001b[2J%n":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", two_floats), "'\\x1b[2J%n'");
  refused(raw("{" + entry + "}", std::string("\x00\x00\xc0\x7f\x00\x00\x00\x40", 8)), "not finite (entry 0)");
  refused(raw("{" + entry + "}", std::string("\x00\x00\x80\x3f\x00\x00\x80\xff", 8)), "not finite (entry 1)");
  refused(raw(R"({"__metadata__":{"heliograd.format":"2"},)" + entry + "}", two_floats), "found format 2, expected 1");
  refused(raw(R"({"__metadata__":{"heliograd.format":"1"},)" + entry + "}", two_floats), "damaged");
}

TEST_CASE("a header of a hundred thousand tensors is read in linear time", "[io]") {
  Folder const folder;
  std::string header = "{";
  for (int i = 0; i < 100000; ++i)
    header += (i > 0 ? ",\"t" : "\"t") + std::to_string(i) + R"(":{"dtype":"U8","shape":[1],"data_offsets":[)" +
              std::to_string(i) + "," + std::to_string(i + 1) + "]}";
  write_bytes(folder / "many", raw(header + "}", std::string(100000, 'x')));
  CHECK(hg::io::TensorFile(folder / "many").tensors().size() == 100000);
}

TEST_CASE("what is no file of numbers at all is refused without waiting", "[io]") {
  Folder const folder;
  One one = make_one(2);
  CHECK_THROWS_AS(hg::io::load_weights(folder / "missing", one), hg::InputError);
  CHECK_THROWS_AS(hg::io::load_weights(folder.path(), one), hg::InputError);
  CHECK_THROWS_AS(hg::io::load_weights("", one), hg::InputError);
  CHECK_THROWS_AS(hg::io::load_weights("/dev/null", one), hg::InputError);
  REQUIRE(::mkfifo((folder / "fifo").c_str(), 0600) == 0);
  CHECK_THROWS_AS(hg::io::load_weights(folder / "fifo", one), hg::InputError);
}

TEST_CASE("a model that is not finite is never saved", "[io]") {
  Folder const folder;
  One one = make_one(2);
  hg::from_host(test::ExecutionSpace{}, one.w.value, std::vector<float>{1, std::numeric_limits<float>::infinity()});
  CHECK_THROWS_AS(hg::io::save_weights(folder / "w", one), hg::NumericalError);
  CHECK(fs::is_empty(folder.path()));
  CHECK_THROWS_AS(hg::io::save_weights("/nonexistent/w", make_one(2)), hg::OutputError);
  CHECK_THROWS_AS(hg::io::save_weights(folder / "w", make_one(2), {{"heliograd.format", "9"}}), hg::UsageError);
}
