// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Kokkos_Core.hpp>
#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include <heliograd/core/copy.hpp>
#include <heliograd/core/fill.hpp>
#include <heliograd/core/huge_pages.hpp>
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
    gradients_ = make_tensor<B>("heliograd::gradients", Shape{total});
    zero_grad(exec);
    std::size_t next = 0;
    for_each_param(
        [&](std::string const&, auto& param) {
          if (!belongs(param)) return;
          move_into(values_, entries_[next].offset, param.value, exec);
          move_into(gradients_, entries_[next].offset, param.grad, exec);
          ++next;
        },
        model);
    if constexpr (B::on_host) {
      auto const* const g = gradients_.data();
      if (zero_grad_is_free() && std::all_of(g, g + total, [](auto x) { return x == 0; })) zero_grad(exec);
    }
  }

  /// Elements in a slab, gaps included.
  std::size_t size() const { return values_.size(); }
  Tensor<1, B> const& values() const { return values_; }
  Tensor<1, B> const& gradients() const { return gradients_; }
  std::vector<Entry> const& entries() const { return entries_; }

  /// Large gradients on a host take no memory from then on until something is added to them: while a backward pass begins, with
  /// all values of the step still there, those of most layers have yet to come.
  void zero_grad(typename B::execution_space const& exec = {}) const {
    using T = typename B::scalar_type;
    auto const [first, last] = give_back_pages<typename B::memory_space>(gradients_.data(), size() * sizeof(T));
    for (auto const& [from, to] : {std::pair{std::size_t{0}, first / sizeof(T)}, std::pair{last / sizeof(T), size()}})
      fill(exec, TensorRef<1, B>(gradients_.data() + from, to - from), T(0));
  }

  /// Whether that writes next to nothing. Otherwise an optimiser does it while it is at the gradients.
  bool zero_grad_is_free() const {
    auto const [first, last] =
        pages_to_give_back<typename B::memory_space>(gradients_.data(), size() * sizeof(typename B::scalar_type));
    return last > first;
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
