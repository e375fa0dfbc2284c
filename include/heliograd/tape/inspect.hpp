// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>
#include <string>
#include <unordered_map>
#include <vector>

#include <heliograd/tape/tape.hpp>

/// \file
/// What a tape has recorded: a list to read, and a graph for Graphviz (`dot -Tsvg`).
namespace heliograd::inline HELIOGRAD_ABI {

/// One recorded op.
struct NodeReport {
  std::string name;
  std::vector<std::vector<std::size_t>> shapes;  ///< of its outputs
  std::size_t bytes = 0;                         ///< of its outputs
  std::size_t closure_bytes = 0;                 ///< of its pullback, on the host
  bool second_order = false;                     ///< it can be differentiated again
  std::vector<std::size_t> inputs;               ///< the nodes, by number, whose outputs it passes gradients to
};

/// The recorded ops, oldest first.
template <class B>
std::vector<NodeReport> inspect(Tape<B> const& tape) {
  std::vector<NodeReport> reports;
  std::unordered_map<typename Tape<B>::Slot const*, std::size_t> made_by;
  for (auto const& node : tape.nodes()) {
    NodeReport report{node.name, {}, 0, node.closure_bytes, node.play_twice != nullptr, {}};
    for (auto const& y : node) {
      report.shapes.emplace_back(y.extent, y.extent + y.rank);
      report.bytes += y.bytes;
    }
    node.for_each_slot([&](auto const* slot) {
      auto const found = made_by.find(slot);
      if (found == made_by.end()) return;
      bool seen = false;
      for (std::size_t const input : report.inputs) seen = seen || input == found->second;
      if (!seen) report.inputs.push_back(found->second);
    });
    for (auto const& y : node) made_by[y.slot] = reports.size();
    reports.push_back(std::move(report));
  }
  return reports;
}

namespace detail {
inline std::string joined(std::vector<std::size_t> const& numbers, char const* between) {
  std::string text;
  for (std::size_t k = 0; k < numbers.size(); ++k) text += (k > 0 ? between : "") + std::to_string(numbers[k]);
  return text;
}
}  // namespace detail

/// "12 conv2d [8, 64, 64, 32] 4194304 B <- 11", a line for each op. Several outputs have a shape each.
inline std::string to_text(std::vector<NodeReport> const& reports) {
  std::string text;
  for (std::size_t i = 0; i < reports.size(); ++i) {
    auto const& r = reports[i];
    text += std::to_string(i) + " " + r.name;
    for (auto const& shape : r.shapes) text += " [" + detail::joined(shape, ", ") + "]";
    text += " " + std::to_string(r.bytes) + " B";
    for (std::size_t k = 0; k < r.inputs.size(); ++k) text += (k == 0 ? " <- " : ", ") + std::to_string(r.inputs[k]);
    text += "\n";
  }
  return text;
}

/// The graph in the DOT language.
inline std::string to_dot(std::vector<NodeReport> const& reports) {
  std::string text = "digraph tape {\n  node [shape=box];\n";
  for (std::size_t i = 0; i < reports.size(); ++i) {
    auto const& r = reports[i];
    text += "  n" + std::to_string(i) + " [label=\"" + r.name;
    for (auto const& shape : r.shapes) text += "\\n" + detail::joined(shape, " x ");
    text += "\"];\n";
    for (std::size_t const input : r.inputs)
      text += "  n" + std::to_string(input) + " -> n" + std::to_string(i) + ";\n";
  }
  return text + "}\n";
}

}  // namespace heliograd::inline HELIOGRAD_ABI
