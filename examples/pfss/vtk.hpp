// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <string>
#include <vector>

/// \file
/// Files for ParaView and VisIt. The name's ending chooses the format: XML (.vts for grids, .vtp for lines), or legacy (.vtk);
/// the numbers are binary in both.
namespace pfss {

/// Throws UsageError unless the name ends with `ending` or ".vtk".
void check_vtk_name(std::string const& path, std::string const& ending);

/// Numbers that stand at every point of a grid, `components` each.
struct VtkArray {
  std::string name;
  std::size_t components;
  std::function<void(std::size_t layer, float* numbers)> fill;  ///< those of one layer, the first axis fastest
};

/// A curved grid: places, and the first array as vectors, others as scalars.
void write_vtk_grid(std::string const& path, bool overwrite, std::string const& title,
                    std::array<std::size_t, 3> const& points, VtkArray const& places,
                    std::vector<VtkArray> const& arrays);

/// Lines of (x, y, z) each, with a number for every line.
void write_vtk_lines(std::string const& path, bool overwrite, std::string const& title,
                     std::vector<std::vector<float>> const& lines, std::string const& name,
                     std::vector<int> const& numbers);

}  // namespace pfss
