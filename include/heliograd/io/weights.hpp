// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <heliograd/core/copy.hpp>
#include <heliograd/io/safetensors.hpp>
#include <heliograd/tape/fields.hpp>

/// \file
/// A model's parameters and state in a file, under the paths its fields give them ("body.0.conv1.weight"), in the library's
/// own order of axes. CMake target heliograd::weights.
namespace heliograd::inline HELIOGRAD_ABI::io {

namespace detail {

/// Calls visit(path, tensor) for every parameter's value and every tensor of state that has elements.
template <class Visit, class Model>
void for_each_saved(Visit const& visit, Model& model) {
  auto const visit_filled = [&](std::string const& path, auto& tensor) {
    if (tensor.size() > 0) visit(path, tensor);
  };
  for_each_param([&](std::string const& path, auto& param) { visit_filled(path, param.value); }, model);
  for_each_buffer([&](std::string const& path, auto& buffer) { visit_filled(path, buffer); }, model);
}

template <class View>
std::vector<std::uint64_t> extents_of(View const& tensor) {
  std::vector<std::uint64_t> extents;
  for (std::size_t axis = 0; axis < View::rank(); ++axis) extents.push_back(tensor.extent(axis));
  return extents;
}

/// Joins at most eight items, and says how many more there are.
inline std::string listed(std::vector<std::string> const& items) {
  std::string text;
  for (std::size_t i = 0; i < items.size() && i < 8; ++i) text += (i > 0 ? ", " : "") + items[i];
  if (items.size() > 8) text += " and " + decimal(items.size() - 8) + " more";
  return text;
}

template <class Model>
void collect(TensorWriter& writer, std::string const& prefix, Model const& model) {
  for_each_saved(
      [&](std::string const& path, auto const& tensor) {
        using View = std::remove_cvref_t<decltype(tensor)>;
        auto const values = to_host(typename View::execution_space{}, tensor);
        for (std::size_t i = 0; i < values.size(); ++i)
          if (!std::isfinite(values[i]))
            throw NumericalError("the model is not saved: " + detail::quoted(path) +
                                 " has a number that is not finite (entry " + decimal(i) + ")");
        writer.add(prefix + path, extents_of(tensor), values);
      },
      model);
}

/// A model's tensors as they are in a file, proven but not yet in the model.
template <class Model>
class LoadedModel {
 public:
  /// Everything in the file whose name begins with `prefix` must be in the model, and everything in the model in the file.
  LoadedModel(TensorFile const& file, std::string const& prefix, Model const& model) {
    std::vector<std::string> missing, misshaped, extra;
    std::set<std::string> known;
    for_each_saved(
        [&](std::string const& path, auto const& tensor) {
          auto const extents = extents_of(tensor);
          known.insert(prefix + path);
          TensorEntry const* const entry = file.find(prefix + path);
          if (!entry)
            missing.push_back(detail::quoted(path) + " " + shape_text(extents));
          else if (entry->shape != extents)
            misshaped.push_back(detail::quoted(path) + " (found " + shape_text(entry->shape) + ", expected " +
                                shape_text(extents) + ")");
          else if (entry->type != "F32" && entry->type != "F64")
            misshaped.push_back(detail::quoted(path) + " (found type " + printable(entry->type) +
                                ", expected F32 or F64)");
        },
        model);
    for (TensorEntry const& entry : file.tensors())
      if (entry.name.starts_with(prefix) && !known.contains(entry.name))
        extra.push_back(detail::quoted(entry.name.substr(prefix.size())) + " " + shape_text(entry.shape));
    if (!missing.empty() || !misshaped.empty() || !extra.empty()) {
      std::string what = "does not fit the model:";
      if (!missing.empty()) what += " missing " + listed(missing) + ";";
      if (!misshaped.empty()) what += " other shape or type " + listed(misshaped) + ";";
      if (!extra.empty()) what += " unknown to the model " + listed(extra) + ";";
      file.refuse(what + " it was written for another network");
    }
    for_each_saved(
        [&](std::string const& path, auto const& tensor) {
          using Scalar = typename std::remove_cvref_t<decltype(tensor)>::non_const_value_type;
          auto const values = file.read<Scalar>(*file.find(prefix + path));
          for (std::size_t i = 0; i < values.size(); ++i)
            if (!std::isfinite(values[i]))
              file.refuse("tensor " + detail::quoted(path) + " has a number that is not finite (entry " + decimal(i) +
                          ")");
          values_.emplace_back(values.begin(), values.end());
        },
        model);
  }

  /// Cannot fail.
  void store(Model& model) const {
    std::size_t next = 0;
    for_each_saved(
        [&](std::string const&, auto const& tensor) {
          using View = std::remove_cvref_t<decltype(tensor)>;
          using Scalar = typename View::non_const_value_type;
          from_host(typename View::execution_space{}, tensor,
                    std::vector<Scalar>(values_[next].begin(), values_[next].end()));
          ++next;
        },
        model);
  }

 private:
  std::vector<std::vector<double>> values_;  // holds float and double exactly
};

}  // namespace detail

/// Writes a model to a safetensors file with a checksum for each tensor; `metadata` says what the model is (its options,
/// units, origin). The file is read back before it gets its name.
/// Throws   NumericalError if a number is not finite, OutputError if the file cannot be written.
template <class Model>
void save_weights(std::string const& path, Model const& model, Metadata const& metadata = {},
                  AtomicFileOptions const& options = {}) {
  TensorWriter writer;
  detail::collect(writer, "", model);
  writer.write(path, metadata, options);
}

/// Reads a model from a safetensors file and returns the file's metadata. Single precision files serve double precision
/// models and the other way round.
/// Throws   InputError if the file is damaged, does not fit the model (all differences in one message), or holds a number
///          that is not finite. The model is then as it was.
template <class Model>
Metadata load_weights(std::string const& path, Model& model) {
  TensorFile const file(path);
  detail::LoadedModel<Model> const loaded(file, "", model);
  loaded.store(model);
  return file.metadata();
}

/// The metadata of a file, to build the model it belongs to.
inline Metadata read_metadata(std::string const& path) { return TensorFile(path).metadata(); }

}  // namespace heliograd::inline HELIOGRAD_ABI::io
