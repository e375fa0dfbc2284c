// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <heliograd/io/atomic_file.hpp>

/// \file
/// Legacy VTK files (binary), which ParaView and VisIt read.
namespace pfss {

class VtkWriter {
 public:
  VtkWriter(std::string const& path, bool overwrite, std::string const& title, std::string const& dataset)
      : file_(path, {.overwrite = overwrite}) {
    line("# vtk DataFile Version 3.0");
    line(title.substr(0, 200));
    line("BINARY");
    line("DATASET " + dataset);
  }

  void line(std::string const& text) {
    std::string const with_end = text + "\n";
    file_.append(with_end.data(), with_end.size());
  }

  /// Numbers, big-endian as the format demands.
  void numbers(std::vector<float> const& values) { swapped(values); }
  void numbers(std::vector<std::int32_t> const& values) { swapped(values); }

  void finish() { file_.commit(); }

 private:
  template <class T>
  void swapped(std::vector<T> const& values) {
    std::vector<unsigned char> bytes(4 * values.size());
    for (std::size_t i = 0; i < values.size(); ++i) {
      auto const word = std::bit_cast<std::uint32_t>(values[i]);
      for (unsigned k = 0; k < 4; ++k) bytes[4 * i + k] = static_cast<unsigned char>(word >> (24 - 8 * k));
    }
    file_.append(bytes.data(), bytes.size());
  }

  heliograd::io::AtomicFile file_;
};

}  // namespace pfss
