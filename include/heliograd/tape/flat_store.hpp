// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include <heliograd/core/copy.hpp>
#include <heliograd/core/fill.hpp>
#include <heliograd/tape/fields.hpp>

namespace heliograd::inline HELIOGRAD_ABI {

/// All trainable parameters of a model side by side in memory: values in one slab, gradients in another. Setting gradients
/// to zero, an optimiser's step, a norm or a sum over ranks is then one kernel or one message, whatever the number of layers.
///
/// The parameters keep their shapes and names and go on owning their memory: they now share the slabs, so the model may
/// outlive the store. Each begins at a multiple of `alignment` elements; what lies between is zero in value and gradient and
/// stays so under every element-wise update. Frozen and empty parameters are left where
/// they are.
template <class B>
class FlatStore {
 public:
  static constexpr std::size_t alignment = 32;

  /// Where one parameter lies.
  struct Entry {
    std::string path;
    std::size_t offset = 0;
    std::size_t size = 0;
  };

  FlatStore() = default;

  /// Moves the parameters of a model, with their values and gradients, into new slabs.
  template <class Model>
  explicit FlatStore(Model& model, typename B::execution_space const& exec = {}) {
    std::size_t total = 0;
    for_each_param(
        [&](std::string const& path, auto const& param) {
          if (!belongs(param)) return;
          entries_.push_back({path, total, param.value.size()});
          total += (param.value.size() + alignment - 1) / alignment * alignment;
        },
        model);
    values_ = make_zeros<B>("heliograd::parameters", Shape{total}, exec);
    gradients_ = make_zeros<B>("heliograd::gradients", Shape{total}, exec);
    std::size_t next = 0;
    for_each_param(
        [&](std::string const&, auto& param) {
          if (!belongs(param)) return;
          move_into(values_, entries_[next].offset, param.value, exec);
          move_into(gradients_, entries_[next].offset, param.grad, exec);
          ++next;
        },
        model);
  }

  /// Elements in a slab, gaps included.
  std::size_t size() const { return values_.size(); }
  Tensor<1, B> const& values() const { return values_; }
  Tensor<1, B> const& gradients() const { return gradients_; }
  std::vector<Entry> const& entries() const { return entries_; }

  void zero_grad(typename B::execution_space const& exec = {}) const {
    fill(exec, gradients_, typename B::scalar_type(0));
  }

 private:
  template <class Parameter>
  static bool belongs(Parameter const& param) {
    return !param.frozen() && param.value.size() > 0;
  }

  template <class View>
  static void move_into(Tensor<1, B> const& slab, std::size_t offset, View& tensor,
                        typename B::execution_space const& exec) {
    auto const part = Kokkos::subview(slab, std::pair{offset, offset + tensor.size()});
    auto const shape = shape_of(tensor);
    View const moved = [&]<std::size_t... Axis>(std::index_sequence<Axis...>) {
      return View(part.data_handle(), Kokkos::LayoutRight(shape.extent[Axis]...));
    }(std::make_index_sequence<View::rank()>{});
    copy(exec, moved, tensor);
    exec.fence("heliograd::FlatStore: parameters are moved");  // before their old memory goes
    tensor = moved;
  }

  Tensor<1, B> values_;
  Tensor<1, B> gradients_;
  std::vector<Entry> entries_;
};

}  // namespace heliograd::inline HELIOGRAD_ABI
