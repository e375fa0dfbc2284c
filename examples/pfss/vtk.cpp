// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "vtk.hpp"

#include <bit>
#include <cstdint>

#include <heliograd/base/error.hpp>
#include <heliograd/io/atomic_file.hpp>

namespace pfss {

namespace {

/// What both formats have in common: text, and blocks of numbers. XML says first where each block lies behind the text
/// ("appended"), and gives each its length; legacy puts a line before each, and turns the bytes around.
class VtkFile {
 public:
  VtkFile(std::string const& path, bool overwrite)
      : xml_(!path.ends_with(".vtk")), file_(path, {.overwrite = overwrite}) {}

  bool xml() const { return xml_; }
  void line(std::string const& text) {
    std::string const with_end = text + "\n";
    file_.append(with_end.data(), with_end.size());
  }

  void open_xml(std::string const& type) {
    std::string const order = std::endian::native == std::endian::little ? "LittleEndian" : "BigEndian";
    line("<?xml version=\"1.0\"?>");
    line("<VTKFile type=\"" + type + "\" version=\"1.0\" byte_order=\"" + order + "\" header_type=\"UInt64\">");
  }
  /// The description of the next block of `count` numbers of four bytes.
  void array(std::string const& name, std::string const& type, std::size_t components, std::size_t count) {
    line("<DataArray type=\"" + type + "\" Name=\"" + name + "\" NumberOfComponents=\"" + std::to_string(components) +
         "\" format=\"appended\" offset=\"" + std::to_string(offset_) + "\"/>");
    offset_ += 8 + 4 * std::uint64_t{count};
  }
  void begin_blocks() {
    line("<AppendedData encoding=\"raw\">");
    file_.append("_", 1);
  }
  void close_xml() {
    line("");
    line("</AppendedData>");
    line("</VTKFile>");
  }

  /// A block of `count` numbers follows; legacy files name it.
  void begin_block(std::string const& legacy, std::size_t count) {
    if (!xml_) return line(legacy);
    std::uint64_t const bytes = 4 * std::uint64_t{count};
    file_.append(&bytes, sizeof bytes);
  }
  void end_block() {
    if (!xml_) line("");
  }
  template <class T>
  void numbers(std::vector<T> const& values) {
    static_assert(sizeof(T) == 4);
    if (xml_ || std::endian::native == std::endian::big) return file_.append(values.data(), 4 * values.size());
    bytes_.resize(4 * values.size());
    for (std::size_t i = 0; i < values.size(); ++i) {
      auto const word = std::bit_cast<std::uint32_t>(values[i]);
      for (unsigned k = 0; k < 4; ++k) bytes_[4 * i + k] = static_cast<unsigned char>(word >> (24 - 8 * k));
    }
    file_.append(bytes_.data(), bytes_.size());
  }

  void finish() { file_.commit(); }

 private:
  bool xml_;
  std::uint64_t offset_ = 0;
  std::vector<unsigned char> bytes_;
  heliograd::io::AtomicFile file_;
};

void open_legacy(VtkFile& out, std::string const& title, std::string const& dataset) {
  out.line("# vtk DataFile Version 3.0");
  out.line(title.substr(0, 200));
  out.line("BINARY");
  out.line("DATASET " + dataset);
}

}  // namespace

void check_vtk_name(std::string const& path, std::string const& ending) {
  if (!path.empty() && !path.ends_with(ending) && !path.ends_with(".vtk"))
    throw heliograd::UsageError("--vtk: the name must end with " + ending + " or .vtk (found '" + path + "')");
}

void write_vtk_grid(std::string const& path, bool overwrite, std::string const& title,
                    std::array<std::size_t, 3> const& points, VtkArray const& places,
                    std::vector<VtkArray> const& arrays) {
  VtkFile out(path, overwrite);
  std::size_t const layer = points[0] * points[1], count = layer * points[2];
  if (out.xml()) {
    std::string extent = "\"";
    for (std::size_t axis = 0; axis < 3; ++axis) extent += (axis > 0 ? " 0 " : "0 ") + std::to_string(points[axis] - 1);
    extent += "\"";
    out.open_xml("StructuredGrid");
    out.line("<!-- " + title + " -->");
    out.line("<StructuredGrid WholeExtent=" + extent + "><Piece Extent=" + extent + "><Points>");
    out.array("Points", "Float32", 3, 3 * count);
    out.line("</Points><PointData Vectors=\"" + arrays.front().name + "\">");
    for (VtkArray const& a : arrays) out.array(a.name, "Float32", a.components, a.components * count);
    out.line("</PointData></Piece></StructuredGrid>");
    out.begin_blocks();
  } else {
    open_legacy(out, title, "STRUCTURED_GRID");
    out.line("DIMENSIONS " + std::to_string(points[0]) + " " + std::to_string(points[1]) + " " +
             std::to_string(points[2]));
  }
  auto const write = [&](std::string const& legacy, VtkArray const& array) {
    out.begin_block(legacy, array.components * count);
    std::vector<float> numbers(array.components * layer);
    for (std::size_t k = 0; k < points[2]; ++k) {
      array.fill(k, numbers.data());
      out.numbers(numbers);
    }
    out.end_block();
  };
  write("POINTS " + std::to_string(count) + " float", places);
  for (std::size_t i = 0; i < arrays.size(); ++i)
    write((i == 0 ? "POINT_DATA " + std::to_string(count) + "\nVECTORS " : "SCALARS ") + arrays[i].name + " float" +
              (i == 0 ? "" : " 1\nLOOKUP_TABLE default"),
          arrays[i]);
  if (out.xml()) out.close_xml();
  out.finish();
}

void write_vtk_lines(std::string const& path, bool overwrite, std::string const& title,
                     std::vector<std::vector<float>> const& lines, std::string const& name,
                     std::vector<int> const& numbers) {
  VtkFile out(path, overwrite);
  std::vector<std::int32_t> cells,
      ends;  // legacy: length and points of each line; XML: points, and where each line ends
  std::int32_t points = 0;
  for (auto const& line : lines) {
    auto const length = static_cast<std::int32_t>(line.size() / 3);
    if (!out.xml()) cells.push_back(length);
    for (std::int32_t n = 0; n < length; ++n) cells.push_back(points++);
    ends.push_back(points);
  }
  std::size_t const count = static_cast<std::size_t>(points);
  std::string const cell_count = std::to_string(lines.size());
  if (out.xml()) {
    out.open_xml("PolyData");
    out.line("<!-- " + title + " -->");
    out.line("<PolyData><Piece NumberOfPoints=\"" + std::to_string(count) + "\" NumberOfVerts=\"0\" NumberOfLines=\"" +
             cell_count + "\" NumberOfStrips=\"0\" NumberOfPolys=\"0\"><Points>");
    out.array("Points", "Float32", 3, 3 * count);
    out.line("</Points><Lines>");
    out.array("connectivity", "Int32", 1, cells.size());
    out.array("offsets", "Int32", 1, ends.size());
    out.line("</Lines><CellData Scalars=\"" + name + "\">");
    out.array(name, "Int32", 1, numbers.size());
    out.line("</CellData></Piece></PolyData>");
    out.begin_blocks();
  } else {
    open_legacy(out, title, "POLYDATA");
  }
  out.begin_block("POINTS " + std::to_string(count) + " float", 3 * count);
  for (auto const& line : lines) out.numbers(line);
  out.end_block();
  out.begin_block("LINES " + cell_count + " " + std::to_string(cells.size()), cells.size());
  out.numbers(cells);
  out.end_block();
  if (out.xml()) {
    out.begin_block("", ends.size());
    out.numbers(ends);
  }
  out.begin_block("CELL_DATA " + cell_count + "\nSCALARS " + name + " int 1\nLOOKUP_TABLE default", numbers.size());
  out.numbers(std::vector<std::int32_t>(numbers.begin(), numbers.end()));
  out.end_block();
  if (out.xml()) out.close_xml();
  out.finish();
}

}  // namespace pfss
