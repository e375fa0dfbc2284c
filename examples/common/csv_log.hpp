// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cerrno>
#include <cstdio>
#include <fstream>
#include <string>
#include <system_error>
#include <vector>

#include <heliograd/base/error.hpp>

namespace examples {

/// A table that grows by whole lines. Resuming drops the lines written after the state that is resumed from.
class CsvLog {
 public:
  /// Opens the file, writes the header if it is new. Of an existing file the lines whose first column is greater than
  /// `last_step` are dropped.
  CsvLog(std::string path, std::string const& header, unsigned long long last_step) : path_(std::move(path)) {
    std::string kept = header + "\n";
    if (std::ifstream old(path_); old && last_step > 0) {
      std::string line;
      std::getline(old, line);
      while (std::getline(old, line))
        if (!line.empty() && std::strtoull(line.c_str(), nullptr, 10) <= last_step) kept += line + "\n";
    }
    file_ = std::fopen(path_.c_str(), "w");
    if (!file_) fail();
    put(kept);
  }
  CsvLog(CsvLog const&) = delete;
  CsvLog& operator=(CsvLog const&) = delete;
  ~CsvLog() {
    if (file_) std::fclose(file_);
  }

  void line(std::string const& text) { put(text + "\n"); }

 private:
  void put(std::string const& text) {
    if (std::fwrite(text.data(), 1, text.size(), file_) != text.size() || std::fflush(file_) != 0) fail();
  }
  [[noreturn]] void fail() {
    throw heliograd::OutputError(path_ + ": cannot be written (" + std::system_category().message(errno) + ")");
  }

  std::string path_;
  std::FILE* file_ = nullptr;
};

}  // namespace examples
