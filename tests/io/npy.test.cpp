// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <heliograd/io/npy.hpp>

#include "forge.hpp"

namespace hg = heliograd;
using Catch::Matchers::ContainsSubstring;
using forge::Folder;

namespace {
std::string npy(std::string dictionary, std::string const& data, char version = 1) {
  std::string out = "\x93NUMPY";
  out += version;
  out += '\0';
  out += static_cast<char>(dictionary.size());
  out += '\0';
  if (version > 1) out += std::string(2, '\0');
  return out + dictionary + data;
}
std::string refused(std::string const& bytes) {
  Folder const folder;
  forge::save(folder / "a.npy", bytes);
  try {
    static_cast<void>(hg::io::read_npy<float>(folder / "a.npy"));
  } catch (hg::InputError const& error) {
    return error.what();
  }
  FAIL("was read");
  return {};
}
}  // namespace

TEST_CASE("npy: a round trip keeps every bit", "[io][npy]") {
  Folder const folder;
  std::vector<float> const values = {1, -2.5F, std::numeric_limits<float>::quiet_NaN(), 1e-45F, 3e38F, -0.0F};
  hg::io::write_npy(folder / "a.npy", values.data(), {2, 3});
  auto const back = hg::io::read_npy<float>(folder / "a.npy");
  CHECK(back.shape == std::vector<std::size_t>{2, 3});
  CHECK(forge::same(back.values, values));
  CHECK((forge::load(folder / "a.npy").find('\n') + 1) % 64 == 0);
  std::vector<double> const wide(100000, 0.1);
  hg::io::write_npy(folder / "b.npy", wide.data(), {wide.size()});
  CHECK(hg::io::read_npy<double>(folder / "b.npy").values == wide);
  CHECK_THROWS_AS(hg::io::write_npy(folder / "b.npy", wide.data(), {1}), hg::OutputError);
  hg::io::write_npy(folder / "c.npy", wide.data(), {});
  CHECK(hg::io::read_npy<double>(folder / "c.npy").values.size() == 1);
}

TEST_CASE("npy: what others write", "[io][npy]") {
  Folder const folder;
  forge::save(folder / "big",
              npy("{'descr': '>f8', 'fortran_order': False, 'shape': (2,), }", forge::big_endian<double>({1.5, -2})));
  CHECK(hg::io::read_npy<double>(folder / "big").values == std::vector<double>{1.5, -2});
  forge::save(folder / "half", npy("{\"shape\": (1, 5), \"fortran_order\": False, \"descr\": \">f2\"}",
                                   forge::big_endian<std::uint16_t>({0x3c00, 0xc000, 0x0001, 0x7bff, 0xfc00}), 2));
  auto const half = hg::io::read_npy<float>(folder / "half");
  CHECK(half.shape == std::vector<std::size_t>{1, 5});
  CHECK(half.values == std::vector<float>{1, -2, 0x1p-24F, 65504, -std::numeric_limits<float>::infinity()});
}

TEST_CASE("npy: what cannot be read is refused", "[io][npy][bad]") {
  std::string const four(16, '\0');
  CHECK_THAT(refused(""), ContainsSubstring("not an .npy file"));
  CHECK_THAT(refused("PK\3\4 a zip file"), ContainsSubstring("not an .npy file"));
  CHECK_THAT(refused(npy("{'descr': '<i4', 'fortran_order': False, 'shape': (4,), }", four)),
             ContainsSubstring("found <i4"));
  CHECK_THAT(refused(npy("{'descr': '|O', 'fortran_order': False, 'shape': (4,), }", four)),
             ContainsSubstring("element type"));
  CHECK_THAT(refused(npy("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 2), }", four)),
             ContainsSubstring("Fortran order"));
  CHECK_THAT(refused(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (5,), }", four)),
             ContainsSubstring("expected 20"));
  CHECK_THAT(refused(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296), }", four)),
             ContainsSubstring("shape"));
  CHECK_THAT(refused(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (65536, 65536), }", four)),
             ContainsSubstring("limit"));
  CHECK_THAT(refused(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }", four)),
             ContainsSubstring("shape"));
  CHECK_THAT(refused(npy("{'descr': '<f4', 'fortran_order': False, }", four)), ContainsSubstring("no shape"));
  CHECK_THAT(refused(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (4,), }", four).substr(0, 30)),
             ContainsSubstring("cut short"));
  CHECK_THAT(refused(npy("{}", "", 9)), ContainsSubstring("unknown version"));
  CHECK_THROWS_AS(hg::io::read_npy<float>("/dev/zero"), hg::InputError);
  CHECK_THROWS_AS(hg::io::read_npy<float>("/nonexistent.npy"), hg::InputError);
}
