// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <sys/wait.h>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>

#include "folder.hpp"

/// \file
/// Programs as users run them: arguments in, exit code and text out.
namespace test {

inline std::string contents(std::string const& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

struct Outcome {
  std::string program;
  int code;
  std::string out, err;
};

class Program {
 public:
  explicit Program(std::string name) : name_(std::move(name)) {}

  /// Runs it through a shell; the arguments must not need quoting. `redirect` says where standard output goes instead.
  Outcome operator()(std::string const& arguments, std::string const& redirect = "") const {
    Folder const folder;
    std::string const out = folder / "out", err = folder / "err";
    std::string const to = redirect.empty() ? " > " + out : redirect;
    int const status = std::system(
        ("OMP_WAIT_POLICY=passive " HELIOGRAD_PROGRAM_DIR "/" + name_ + " " + arguments + to + " 2> " + err).c_str());
    return {name_, WIFEXITED(status) ? WEXITSTATUS(status) : -1, contents(out), contents(err)};
  }

 private:
  std::string name_;
};

/// A failure as it should be: this code, one line on standard error.
inline void check_failure(Outcome const& outcome, int code, std::string const& word) {
  INFO(outcome.err);
  CHECK(outcome.code == code);
  CHECK_THAT(outcome.err, Catch::Matchers::ContainsSubstring(word));
  CHECK(outcome.err.starts_with(outcome.program + ": error: "));
  CHECK(std::count(outcome.err.begin(), outcome.err.end(), '\n') == 1);
}

}  // namespace test
